//! The command line as a whole.

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::cmd::{broker, publish, subscribe};
use crate::failure::Failure;
use crate::logging;

/// Parses the command line, runs what it asks for, and reports a failure in one line.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error),
    };
    let quiet = cli.command.is_quiet();
    let outcome = match cli.command {
        Command::Broker(args) => broker::run(args, cli.log),
        Command::Pub(args) => logging::start(&cli.log, args.connection.default_log_level())
            .and_then(|()| publish::run(*args)),
        Command::Sub(args) => logging::start(&cli.log, args.connection.default_log_level())
            .and_then(|()| subscribe::run(*args)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(quiet),
    }
}

/// Help goes out as it is; a mistake is told in one line, with the way to the help.
fn explain(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return match error.print() {
            Ok(()) => ExitCode::from(u8::from(error.use_stderr()) * 2),
            Err(error) => Failure::from(error).report(false),
        };
    }
    let text = error.to_string();
    let mistake = text.split("\n\n").next().unwrap_or_default();
    let mistake = mistake.trim_start_matches("error: ").split_whitespace();
    let mistake = mistake.collect::<Vec<_>>().join(" ");
    let command = std::env::args()
        .nth(1)
        .filter(|name| matches!(name.as_str(), "broker" | "pub" | "sub"));
    let help = command.map(|name| format!("{name} ")).unwrap_or_default();
    Failure::usage(format_args!("{mistake}; `mqtide {help}--help` tells more")).report(false)
}

/// MQTT 3.1, 3.1.1 and 5.0: broker, publisher and subscriber.
#[derive(Debug, Parser)]
#[command(name = "mqtide", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve MQTT clients.
    Broker(broker::BrokerArgs),
    /// Publish messages.
    Pub(Box<publish::PublishArgs>),
    /// Subscribe to topics and print the messages.
    Sub(Box<subscribe::SubscribeArgs>),
}

impl Command {
    fn is_quiet(&self) -> bool {
        match self {
            Command::Broker(_) => false,
            Command::Pub(args) => args.connection.quiet,
            Command::Sub(args) => args.connection.quiet,
        }
    }
}

/// Where the log level comes from: flag, then `MQTIDE_LOG`, then `RUST_LOG`, then the default of the command.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct LogArgs {
    /// What to log to standard error: error, warn, info, debug, trace, off, or directives such as
    /// `warn,mqtide_broker=debug` [default: info for the broker, warn for clients].
    #[arg(
        long,
        global = true,
        env = "MQTIDE_LOG",
        hide_env_values = true,
        value_name = "LEVEL",
        help_heading = "Logging"
    )]
    pub(crate) log: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  mqtide broker                                  a broker for this machine, on port 1883
  mqtide sub -t 'demo/#' -v                      print all messages below demo/
  mqtide pub -t demo/hello -m 'hello, tide'      publish one message

`mqtide COMMAND --help` teaches each command.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples() {
        for command in Cli::command().get_subcommands() {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(help.contains("Examples:"), "{}", command.get_name());
        }
    }
}
