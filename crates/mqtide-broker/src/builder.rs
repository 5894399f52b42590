use std::num::NonZeroUsize;

use crate::broker::Broker;
use crate::config::Config;
use crate::error::BrokerError;
use crate::listener::ListenAddress;

/// Gathers what a [`Broker`] needs, then starts it.
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until it is started"]
pub struct BrokerBuilder {
    config: Config,
    flavour: Flavour,
}

impl BrokerBuilder {
    /// Replaces the whole configuration.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Adds a listener to those of the configuration.
    pub fn listen(mut self, address: ListenAddress) -> Self {
        self.config.listeners.push(address);
        self
    }

    /// Lets clients without credentials in on every listener, not only on loopback ones.
    pub fn allow_anonymous(mut self, allow: bool) -> Self {
        self.config.allow_anonymous = allow;
        self
    }

    /// Sets the number of worker threads.
    pub fn workers(mut self, workers: NonZeroUsize) -> Self {
        self.config.workers = Some(workers);
        self
    }

    /// Chooses what the connections run on.
    pub fn runtime(mut self, flavour: Flavour) -> Self {
        self.flavour = flavour;
        self
    }

    /// Opens the listeners and starts to serve.
    ///
    /// Host names are resolved with the blocking resolver of the system, addresses are not looked up.
    ///
    /// # Errors
    ///
    /// The first listener that cannot be opened, a configuration value that makes no sense, or a worker that
    /// cannot be started; nothing is left running then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops what has been started.
    pub async fn start(self) -> Result<Broker, BrokerError> {
        Broker::start(self.config, self.flavour).await
    }
}

/// What the connections of a broker run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flavour {
    /// Threads of the broker's own, each with a single-threaded runtime; a connection stays on its thread.
    #[default]
    Pinned,
    /// The tokio runtime that [`BrokerBuilder::start`] is called in.
    Ambient,
}
