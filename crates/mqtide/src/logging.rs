//! Logs: tracing to standard error, coloured on a terminal only.

use tracing_subscriber::EnvFilter;

use crate::cli::LogArgs;
use crate::failure::Failure;
use crate::output::Palette;

/// Installs the log writer. The level is that of `--log` or `MQTIDE_LOG`, else of `RUST_LOG`, else `default`.
pub(crate) fn start(args: &LogArgs, default: &str) -> Result<(), Failure> {
    let (directives, from) = match (&args.log, std::env::var("RUST_LOG")) {
        (Some(log), _) => (log.clone(), "--log"),
        (None, Ok(log)) if !log.is_empty() => (log, "RUST_LOG"),
        (None, _) => (default.to_owned(), "the default"),
    };
    let filter = EnvFilter::builder().parse(&directives).map_err(|error| {
        Failure::usage(format_args!(
            "{from}: {directives:?} is no log level ({error}); use error, warn, info, debug, trace or off"
        ))
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(Palette::stderr().is_coloured())
        .init();
    Ok(())
}
