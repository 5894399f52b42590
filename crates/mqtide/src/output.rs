//! What the program shows: colours where a person looks at a terminal, plain text elsewhere.

use std::fmt;
use std::io::IsTerminal;

/// The few styles in use, or none: colours need a terminal and the absence of `NO_COLOR`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Palette {
    coloured: bool,
}

impl Palette {
    /// For standard output.
    pub(crate) fn stdout() -> Self {
        Palette::for_stream(&std::io::stdout())
    }

    /// For standard error.
    pub(crate) fn stderr() -> Self {
        Palette::for_stream(&std::io::stderr())
    }

    /// Without colours.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Palette { coloured: false }
    }

    /// Whether anything is coloured at all.
    pub(crate) fn is_coloured(self) -> bool {
        self.coloured
    }

    /// The name of a thing.
    pub(crate) fn label(self, text: &str) -> Styled<'_> {
        self.styled("2", text)
    }

    /// The thing that matters.
    pub(crate) fn strong(self, text: &str) -> Styled<'_> {
        self.styled("1", text)
    }

    /// Something that may surprise.
    pub(crate) fn caution(self, text: &str) -> Styled<'_> {
        self.styled("33", text)
    }

    /// Something that failed.
    pub(crate) fn alarm(self, text: &str) -> Styled<'_> {
        self.styled("1;31", text)
    }

    fn for_stream(stream: &impl IsTerminal) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Palette {
            coloured: stream.is_terminal() && !unwanted,
        }
    }

    fn styled<'a>(self, code: &'static str, text: &'a str) -> Styled<'a> {
        Styled {
            code: self.coloured.then_some(code),
            text,
        }
    }
}

/// A text with its style.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Styled<'a> {
    code: Option<&'static str>,
    text: &'a str,
}

impl fmt::Display for Styled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "\x1b[{code}m{}\x1b[0m", self.text),
            None => f.pad(self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_has_no_escapes() {
        let palette = Palette::plain();
        assert_eq!(palette.alarm("no").to_string(), "no");
        assert_eq!(
            Palette { coloured: true }.strong("yes").to_string(),
            "\x1b[1myes\x1b[0m"
        );
    }
}
