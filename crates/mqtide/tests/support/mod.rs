//! The program as its users meet it: spawned, fed, read, and judged by its exit code.

#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// The program with these arguments, nothing piped yet.
pub(crate) fn mqtide(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mqtide"));
    command
        .args(args)
        .env_remove("MQTIDE_LOG")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    finish(spawn(args))
}

/// Runs it to its end with this standard input.
pub(crate) fn run_with_input(args: &[&str], input: &[u8]) -> Output {
    let mut child = piped(mqtide(args).stdin(Stdio::piped()));
    let mut stdin = child.stdin.take().expect("standard input is piped");
    stdin.write_all(input).expect("it reads its input");
    drop(stdin);
    finish(child)
}

pub(crate) fn spawn(args: &[&str]) -> Child {
    piped(&mut mqtide(args))
}

fn piped(command: &mut Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// Waits for the end; what does not end is killed, and fails the test.
pub(crate) fn finish(mut child: Child) -> Output {
    let stdout = child.stdout.take().map(read_all);
    let stderr = child.stderr.take().map(read_all);
    let status = wait(&mut child);
    let joined = |reader: Option<std::thread::JoinHandle<Vec<u8>>>| {
        reader
            .map(|reader| reader.join().expect("the reader ends"))
            .unwrap_or_default()
    };
    Output {
        status,
        stdout: joined(stdout),
        stderr: joined(stderr),
    }
}

fn read_all(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    })
}

pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("the program does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends a signal by its name.
pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(child.id().to_string())
        .status();
    assert!(status.expect("kill exists").success());
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The exit code and the one line of complaint.
pub(crate) fn complaint(output: &Output) -> (i32, String) {
    let stderr = text(&output.stderr);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    (output.status.code().expect("no signal ended it"), stderr)
}

/// A broker of this program on a port of its own; killed when dropped.
pub(crate) struct Broker {
    pub(crate) child: Child,
    pub(crate) greeting: String,
    pub(crate) port: String,
}

impl Broker {
    pub(crate) fn start() -> Self {
        Broker::start_with(&["--listen", "mqtt://127.0.0.1:0"])
    }

    pub(crate) fn start_with(args: &[&str]) -> Self {
        let mut command = mqtide(&["broker", "--log", "warn"]);
        let mut child = piped(command.args(args));
        let stdout = child.stdout.take().expect("standard output is piped");
        let mut greeting = String::new();
        for line in BufReader::new(stdout).lines() {
            let line = line.expect("the greeting is text");
            greeting.push_str(&line);
            greeting.push('\n');
            if line.contains("Ctrl-C") {
                break;
            }
        }
        let port = greeting
            .split_once("mqtt://127.0.0.1:")
            .map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect());
        let port = port.unwrap_or_else(|| panic!("no address in {greeting:?}"));
        Broker {
            child,
            greeting,
            port,
        }
    }

    /// `mqtide pub` or `mqtide sub` with its address.
    pub(crate) fn args<'a>(&'a self, command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let mut args = vec![command, "-h", "127.0.0.1", "-p", &self.port];
        args.extend_from_slice(more);
        args
    }

    pub(crate) fn publish(&self, more: &[&str]) -> Output {
        run(&self.args("pub", more))
    }

    /// A subscriber whose subscription has been granted.
    pub(crate) fn subscribe(&self, more: &[&str]) -> Child {
        let mut args = self.args("sub", more);
        args.extend(["--log", "mqtide=debug", "-W", "60"]);
        let mut child = spawn(&args);
        await_line(
            child.stderr.take().expect("standard error is piped"),
            "subscribed",
        );
        child
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads until a line says it, and leaves the rest to a thread, so that the pipe never fills.
fn await_line(stderr: ChildStderr, word: &str) {
    let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
    assert!(
        lines.any(|line| line.contains(word)),
        "it ended without {word:?}"
    );
    std::thread::spawn(move || lines.for_each(drop));
}

const PATIENCE: Duration = Duration::from_secs(90);
