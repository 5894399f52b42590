//! What the program runs on, and how it hears that it should stop.

use std::future::Future;

use clap::ValueEnum;
use tokio::runtime::{Builder, Runtime};

use crate::failure::Failure;

/// How the broker spreads connections over threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuntimeFlavour {
    /// One single-threaded runtime per worker; a connection stays on its thread.
    #[default]
    Pinned,
    /// One runtime whose threads take work from each other.
    Stealing,
}

/// One thread: enough for a client, and for the broker's own bookkeeping beside its workers.
pub(crate) fn single_threaded() -> Result<Runtime, Failure> {
    build(&mut Builder::new_current_thread())
}

/// A runtime whose threads share the work; as many threads as cores unless told otherwise.
pub(crate) fn work_stealing(workers: Option<usize>) -> Result<Runtime, Failure> {
    let mut builder = Builder::new_multi_thread();
    if let Some(workers) = workers {
        builder.worker_threads(workers);
    }
    build(&mut builder)
}

/// Ctrl-C and, on unix, SIGTERM. While this lives, they do not end the process by themselves.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// Runs `leave`, the graceful way out; another signal cuts it short.
    pub(crate) async fn unless_forced<F: Future>(
        &mut self,
        leave: F,
    ) -> Result<F::Output, Failure> {
        tokio::select! {
            output = leave => Ok(output),
            code = self.next() => Err(Failure::interrupted(code)),
        }
    }
}

#[cfg(unix)]
impl Signals {
    /// Starts to listen.
    pub(crate) fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind).map_err(|e| Failure::new(format_args!("cannot listen to signals: {e}")))
        };
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Resolves on the next signal with the exit code that says which signal it was: 128 and its number, as shells have it.
    pub(crate) async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    /// Starts to listen.
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Signals {})
    }

    /// Resolves on the next Ctrl-C with the exit code that says so.
    pub(crate) async fn next(&mut self) -> u8 {
        match tokio::signal::ctrl_c().await {
            Ok(()) => 130,
            Err(_) => std::future::pending().await,
        }
    }
}

fn build(builder: &mut Builder) -> Result<Runtime, Failure> {
    builder
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format_args!("cannot start the runtime: {error}")))
}
