//! How the program fails: one line that says what is wrong and what to do, and an exit code.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use crate::output::Palette;

/// A reason to stop.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    code: u8,
    silent: bool,
}

impl Failure {
    /// Something went wrong while running: exit code 1.
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Failure {
            message: message.to_string(),
            code: 1,
            silent: false,
        }
    }

    /// The command line or the configuration is wrong: exit code 2, as for flags that do not parse.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Failure {
            code: 2,
            ..Failure::new(message)
        }
    }

    /// The time given by `-W` ran out: exit code 27, as `mosquitto_sub` has it.
    pub(crate) fn timed_out(message: impl fmt::Display) -> Self {
        Failure {
            code: 27,
            ..Failure::new(message)
        }
    }

    /// Whoever read our output has gone: nobody is there to be told, so nothing is said.
    pub(crate) fn broken_pipe() -> Self {
        Failure {
            message: String::new(),
            code: 0,
            silent: true,
        }
    }

    /// Stopped by a signal that asked for nothing graceful.
    pub(crate) fn interrupted(code: u8) -> Self {
        Failure {
            message: String::new(),
            code,
            silent: true,
        }
    }

    /// Says it on standard error, unless there is nothing to say or nobody wants to hear it.
    pub(crate) fn report(self, quiet: bool) -> ExitCode {
        if !self.silent && !quiet {
            let mut stderr = std::io::stderr().lock();
            let palette = Palette::stderr();
            // A closed standard error leaves nowhere to complain to; the exit code still tells.
            let _ = writeln!(
                stderr,
                "{}{} {}",
                palette.alarm("mqtide"),
                palette.alarm(":"),
                self.message
            );
        }
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Standard output refused a write.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::broken_pipe(),
            _ => Failure::new(format_args!("cannot write the output: {error}")),
        }
    }
}
