//! Where the messages of `mqtide pub` come from.

use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader, Stdin};

use crate::failure::Failure;

/// Exactly one source.
#[derive(Debug, Default, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct PayloadArgs {
    /// Message to publish.
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    message: Option<String>,
    /// Publish the content of a file.
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Publish all of standard input as one message.
    #[arg(short, long)]
    stdin_file: bool,
    /// Publish each line of standard input as a message, without its line end.
    #[arg(short = 'l', long)]
    stdin_line: bool,
    /// Publish a message without content, which clears a retained one.
    #[arg(short, long)]
    null_message: bool,
}

/// One message, any number of times, or one per line.
#[derive(Debug)]
pub(crate) enum Payloads {
    One(Bytes),
    Lines(Lines<BufReader<Stdin>>),
}

impl PayloadArgs {
    /// Whether the messages are lines, which `--repeat` cannot repeat.
    pub(crate) fn is_lines(&self) -> bool {
        self.stdin_line
    }

    /// Reads what can be read at once.
    pub(crate) async fn open(self) -> Result<Payloads, Failure> {
        let one = |bytes: Vec<u8>| Ok(Payloads::One(bytes.into()));
        match self {
            PayloadArgs {
                message: Some(text),
                ..
            } => one(text.into_bytes()),
            PayloadArgs {
                file: Some(path), ..
            } => match tokio::fs::read(&path).await {
                Ok(bytes) => one(bytes),
                Err(error) => Err(Failure::new(format_args!(
                    "cannot read {}: {error}",
                    path.display()
                ))),
            },
            PayloadArgs {
                stdin_file: true, ..
            } => {
                let mut bytes = Vec::new();
                tokio::io::stdin()
                    .read_to_end(&mut bytes)
                    .await
                    .map_err(unreadable)?;
                one(bytes)
            }
            PayloadArgs {
                stdin_line: true, ..
            } => Ok(Payloads::Lines(Lines::new(BufReader::new(
                tokio::io::stdin(),
            )))),
            PayloadArgs { .. } => one(Vec::new()),
        }
    }
}

/// Lines of bytes: not all messages are text.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    input: R,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    fn new(input: R) -> Self {
        Lines { input }
    }

    /// The next line without its line end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let mut line = Vec::new();
        if self
            .input
            .read_until(b'\n', &mut line)
            .await
            .map_err(unreadable)?
            == 0
        {
            return Ok(None);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        }
        Ok(Some(line.into()))
    }
}

fn unreadable(error: std::io::Error) -> Failure {
    Failure::new(format_args!("cannot read standard input: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_lose_their_ends_and_nothing_else() {
        let mut lines = Lines::new(&b"one\n\r\n \xff two\r\nlast"[..]);
        let mut read = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            read.push(line);
        }
        assert_eq!(read, [&b"one"[..], b"", b" \xff two", b"last"]);
    }
}
