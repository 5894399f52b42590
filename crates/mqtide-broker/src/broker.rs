use std::net::SocketAddr;
use std::sync::Arc;

use mqtide_codec::ReasonCode;
use mqtide_topic::SubscriptionFilter;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;

use crate::builder::{BrokerBuilder, Parts};
use crate::config::Config;
use crate::core::Core;
use crate::error::{BrokerError, PublishError, Stopped};
use crate::hooks::Hooks;
use crate::in_process::{LocalSubscriber, Message, Subscription};
use crate::listener::{self, ListenAddress, Listener};
use crate::publication::Publication;
use crate::routing::{Grant, Retained, Router, Target};
use crate::stats::Stats;
use crate::store;
use crate::sys;
use crate::worker::{Runtimes, Worker};

/// A running broker. Dropping it stops it at once; [`Broker::stop`] takes leave of the clients first.
#[derive(Debug)]
pub struct Broker {
    addresses: Vec<ListenAddress>,
    handle: BrokerHandle,
    tasks: Vec<JoinHandle<()>>,
    runtimes: Runtimes,
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
    /// taken it, but not longer than [`Config::stop_grace`], then until the store has everything, for as long again
    /// at most, and ends.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the broker at once.
    pub async fn stop(mut self) {
        self.abort();
        self.handle.core.dismiss_all().await;
        self.handle.core.close_store().await;
        self.runtimes.stop().await;
    }

    pub(crate) async fn start(parts: Parts) -> Result<Self, BrokerError> {
        let Parts {
            config,
            flavour,
            authenticator,
            authorizer,
            strategy,
            store,
        } = parts;
        check(&config)?;
        let listeners = bind(&config)?;
        let runtimes = Runtimes::start(flavour, config.workers)?;
        let workers = runtimes
            .handles()
            .iter()
            .cloned()
            .map(|runtime| Arc::new(Worker::new(runtime, runtimes.clock().clone())))
            .collect();
        let retained = Retained::new(
            config.limits.retained_messages,
            config.limits.retained_bytes,
        );
        let hooks = Hooks::new(authenticator, authorizer);
        let router = Router::new(retained, strategy);
        let core = Arc::new(Core::new(config, hooks, router, workers, store));
        let mut broker = Broker {
            addresses: listeners
                .iter()
                .map(|listener| listener.address.clone())
                .collect(),
            handle: BrokerHandle {
                core: Arc::clone(&core),
            },
            tasks: Vec::new(),
            runtimes,
        };
        Core::restore(&core).await?;
        for worker in &core.workers {
            broker.tasks.extend(worker.start(&core));
        }
        let first = core.workers[0].runtime();
        let clock = core.workers[0].clock();
        broker
            .tasks
            .push(clock.spawn(store::run(Arc::clone(&core))));
        broker.tasks.push(clock.spawn(sys::run(Arc::clone(&core))));
        for listener in listeners {
            broker
                .tasks
                .push(first.spawn(listener.serve(Arc::clone(&core))));
        }
        Ok(broker)
    }

    fn abort(&mut self) {
        self.handle.core.begin_stop();
        // What the workers do for the connections goes on until those are gone.
        self.tasks
            .iter()
            .skip(2 * self.handle.core.workers.len() + 1)
            .for_each(JoinHandle::abort);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.handle.core.begin_stop();
        self.handle.core.abandon_all();
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// A cheap handle on a running [`Broker`], for the program that embeds it.
///
/// It is of no use once the broker has stopped: what is published goes nowhere, and is answered by an error.
#[derive(Clone, Debug)]
pub struct BrokerHandle {
    core: Arc<Core>,
}

impl BrokerHandle {
    /// Publishes a message as if a client had: retained messages are stored, and every subscriber gets its copy.
    /// Hooks are not asked. Any topic may be used, `$`-topics included.
    ///
    /// When it returns, the message is in the session of every subscriber, though the store may not have it yet.
    /// Tells whether there was a subscriber.
    ///
    /// # Errors
    ///
    /// The message cannot be encoded, the topic is beyond the limits, there is no room for another retained
    /// message, or the broker has stopped. The message is nowhere then.
    pub fn publish(&self, message: &Message) -> Result<bool, PublishError> {
        self.running()?;
        let topic = message.topic.as_name();
        self.core.topic_limits.check_name(topic)?;
        let publication = Publication::of_publish(&message.to_publish(), self.core.now())?;
        let worker = self.core.next_worker();
        let Message { qos, retain, .. } = *message;
        match self
            .core
            .publish(worker, topic, &publication, qos, retain, None)
        {
            ReasonCode::Success => Ok(true),
            ReasonCode::QuotaExceeded => Err(PublishError::NoRoom),
            _ => Ok(false),
        }
    }

    /// Receives the messages that match a filter, which may be a shared one, from now on. At most `capacity`
    /// messages wait to be taken.
    ///
    /// # Errors
    ///
    /// The broker has stopped.
    pub fn subscribe(
        &self,
        filter: SubscriptionFilter,
        capacity: usize,
    ) -> Result<Subscription, Stopped> {
        self.running()?;
        let local = Arc::new(LocalSubscriber::new(capacity));
        let grant = Grant {
            options: mqtide_codec::QoS::ExactlyOnce.into(),
            identifier: None,
        };
        self.core
            .router
            .subscribe(&Target::Local(Arc::clone(&local)), &filter, grant, || {});
        Ok(Subscription::new(Arc::clone(&self.core), filter, local))
    }

    /// Serves a client over a stream of the program's own, as if a listener had accepted it: a Unix socket, the
    /// inside of TLS, a pipe within the process. Hooks are told `address`; with the default authenticator, a client
    /// without credentials is let in if it is a loopback one.
    ///
    /// It is served in the background, by a worker, which on a thread of the broker's own has no tokio timer to offer
    /// to the stream. Beyond the limit of connections, the stream is closed at once.
    ///
    /// # Errors
    ///
    /// The broker has stopped.
    pub fn serve(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        address: SocketAddr,
    ) -> Result<(), Stopped> {
        self.running()?;
        listener::serve(&self.core, stream, address);
        Ok(())
    }

    /// What the broker holds and has done.
    pub fn stats(&self) -> Stats {
        self.core.stats()
    }

    fn running(&self) -> Result<(), Stopped> {
        match *self.core.stopping().borrow() {
            false => Ok(()),
            true => Err(Stopped),
        }
    }
}

/// Refuses values that make no sense.
fn check(config: &Config) -> Result<(), BrokerError> {
    let limits = &config.limits;
    let problems = [
        (
            config.capabilities.maximum_qos > 2,
            "capabilities.maximum_qos",
            "is not 0, 1 or 2",
        ),
        (
            limits.receive_maximum == 0,
            "limits.receive_maximum",
            "must be at least 1",
        ),
        (
            limits.in_flight == 0,
            "limits.in_flight",
            "must be at least 1",
        ),
        (
            limits.keep_alive == 0,
            "limits.keep_alive",
            "must be at least 1",
        ),
        (
            limits.connect_packet_size < 64,
            "limits.connect_packet_size",
            "is too small for a CONNECT",
        ),
        (
            limits.packet_size < 64,
            "limits.packet_size",
            "is too small",
        ),
        (
            limits.topic_levels == 0,
            "limits.topic_levels",
            "must be at least 1",
        ),
        (
            limits.topic_length == 0,
            "limits.topic_length",
            "must be at least 1",
        ),
        (
            limits.topic_length > 65_535,
            "limits.topic_length",
            "is above 65,535",
        ),
    ];
    match problems.into_iter().find(|(is_wrong, ..)| *is_wrong) {
        Some((_, field, problem)) => Err(BrokerError::Config { field, problem }),
        None => Ok(()),
    }
}

fn bind(config: &Config) -> Result<Vec<Listener>, BrokerError> {
    let mut listeners = Vec::new();
    for address in &config.listeners {
        let listen_error = |source| BrokerError::Listen {
            address: address.clone(),
            source,
        };
        for socket in listener::bind(address).map_err(listen_error)? {
            let bound = address.bound(socket.local_addr().map_err(listen_error)?);
            listeners.push(Listener {
                socket,
                address: bound,
            });
        }
    }
    Ok(listeners)
}
