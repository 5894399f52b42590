use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::broker::Broker;
use crate::config::Config;
use crate::error::BrokerError;
use crate::hooks::{AllowAnonymous, Authenticator, Authorizer};
use crate::listener::ListenAddress;
use crate::routing::{RoundRobin, SharedStrategy};
use crate::store::{MemoryStore, Store};

/// Gathers what a [`Broker`] needs, then starts it.
#[derive(Default)]
#[must_use = "a builder does nothing until it is started"]
pub struct BrokerBuilder {
    config: Config,
    flavour: Flavour,
    authenticator: Option<Arc<dyn Authenticator>>,
    authorizer: Option<Arc<dyn Authorizer>>,
    strategy: Option<Arc<dyn SharedStrategy>>,
    store: Option<Arc<dyn Store>>,
}

/// What a broker is made of.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) flavour: Flavour,
    pub(crate) authenticator: Arc<dyn Authenticator>,
    pub(crate) authorizer: Option<Arc<dyn Authorizer>>,
    pub(crate) strategy: Arc<dyn SharedStrategy>,
    pub(crate) store: Arc<dyn Store>,
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

    /// Sets who decides which clients are let in, in place of [`AllowAnonymous`].
    pub fn authenticator(mut self, authenticator: impl Authenticator) -> Self {
        self.authenticator = Some(Arc::new(authenticator));
        self
    }

    /// Sets who decides what clients may do. By default they may do everything.
    pub fn authorizer(mut self, authorizer: impl Authorizer) -> Self {
        self.authorizer = Some(Arc::new(authorizer));
        self
    }

    /// Sets how the members of shared subscriptions are chosen, in place of [`RoundRobin`].
    pub fn shared_strategy(mut self, strategy: impl SharedStrategy) -> Self {
        self.strategy = Some(Arc::new(strategy));
        self
    }

    /// Sets what keeps sessions and retained messages when the process ends, in place of [`MemoryStore`], which
    /// keeps nothing.
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Takes back what the store has, opens the listeners and starts to serve.
    ///
    /// Host names are resolved with the blocking resolver of the system, addresses are not looked up.
    ///
    /// # Errors
    ///
    /// The first listener that cannot be opened, a configuration value that makes no sense, a store that cannot be
    /// read, or a worker that cannot be started; nothing is left running then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops what has been started.
    pub async fn start(self) -> Result<Broker, BrokerError> {
        let anonymous = AllowAnonymous {
            everywhere: self.config.allow_anonymous,
        };
        Broker::start(Parts {
            config: self.config,
            flavour: self.flavour,
            authenticator: self.authenticator.unwrap_or_else(|| Arc::new(anonymous)),
            authorizer: self.authorizer,
            strategy: self.strategy.unwrap_or_else(|| Arc::new(RoundRobin)),
            store: self.store.unwrap_or_else(|| Arc::new(MemoryStore)),
        })
        .await
    }
}

impl fmt::Debug for BrokerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerBuilder")
            .field("config", &self.config)
            .field("flavour", &self.flavour)
            .finish_non_exhaustive()
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
