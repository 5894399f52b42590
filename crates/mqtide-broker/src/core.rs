//! What all connections of a broker share, and the life of sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time;

use bytes::Bytes;
use bytestring::ByteString;
use mqtide_codec::{QoS, ReasonCode};
use mqtide_session::{
    Acceptance, ConnectRequest, Instant, Limits, Overflow, Settings, UnsupportedSubscriptions,
};
use mqtide_topic::{SubscriptionFilter, TopicLimits, TopicNameRef};
use tokio::sync::watch;

use crate::admission::{Admission, Gate};
use crate::config::{Config, QueueFull};
use crate::hooks::Hooks;
use crate::notice::Notice;
use crate::publication::Publication;
use crate::registry::Registry;
use crate::routing::{Message, Router};
use crate::slot::Slot;
use crate::stats::Stats;
use crate::store::{Clock, Journal, Store};
use crate::worker::Worker;

/// What all connections of a broker share: each holds one pointer to it, and none to its parts.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) topic_limits: TopicLimits,
    pub(crate) hooks: Hooks,
    pub(crate) router: Router,
    pub(crate) registry: Registry<Slot>,
    /// What is to be stored; absent if nothing is.
    pub(crate) journal: Option<Journal>,
    pub(crate) gate: Gate,
    pub(crate) workers: Box<[Arc<Worker>]>,
    pub(crate) refusals: Notice,
    pub(crate) stalls: Notice,
    pub(crate) online: Arc<AtomicUsize>,
    pub(crate) online_maximum: AtomicUsize,
    settings: Settings,
    start: time::Instant,
    next_worker: AtomicUsize,
    stopping: watch::Sender<bool>,
}

impl Core {
    pub(crate) fn new(
        config: Config,
        hooks: Hooks,
        router: Router,
        workers: Box<[Arc<Worker>]>,
        store: Arc<dyn Store>,
    ) -> Self {
        let limits = &config.limits;
        let journal = (!store.is_volatile())
            .then(|| Journal::new(store, Clock::starting_now(), limits.unstored_bytes));
        let mut settings = settings(&config);
        settings.durable = journal.is_some();
        Core {
            topic_limits: TopicLimits {
                max_bytes: limits.topic_length,
                max_levels: limits.topic_levels,
            },
            registry: Registry::new(limits.sessions),
            gate: Gate::new(limits.connections, limits.half_open_connections),
            settings,
            journal,
            refusals: Notice::new("connection refused"),
            stalls: Notice::new("connection closed"),
            online: Arc::default(),
            online_maximum: AtomicUsize::new(0),
            start: time::Instant::now(),
            next_worker: AtomicUsize::new(0),
            stopping: watch::Sender::new(false),
            config,
            hooks,
            router,
            workers,
        }
    }

    /// The time, from the start of the broker.
    pub(crate) fn now(&self) -> Instant {
        let micros = self.start.elapsed().as_micros();
        Instant::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// The bounds of every session.
    pub(crate) fn settings(&self) -> Settings {
        self.settings
    }

    /// Where it is noted what becomes of such a message, if anything of it can have to be stored.
    pub(crate) fn journal_for(&self, qos: QoS, retain: bool) -> Option<&Journal> {
        self.journal
            .as_ref()
            .filter(|_| retain || qos != QoS::AtMostOnce)
    }

    /// The workers in turn.
    pub(crate) fn next_worker(&self) -> &Arc<Worker> {
        &self.workers[self.next_worker.fetch_add(1, Relaxed) % self.workers.len()]
    }

    /// Lets a connection in, if there is room.
    pub(crate) fn admit(&self) -> Option<Admission> {
        let admission = self.gate.admit();
        if admission.is_none() {
            self.refusals.note("the limit of connections is reached");
        }
        admission
    }

    /// Becomes true once, when the broker stops.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// An identifier that no session has `[MQTT-3.2.2-16]`.
    pub(crate) fn assign_client_id(&self) -> ByteString {
        loop {
            let id = format!("auto-{:032x}", rand::random::<u128>());
            if self.registry.find(&id).is_none() {
                return id.into();
            }
        }
    }

    /// Whether there is no room for this client's session.
    pub(crate) fn is_full_for(&self, client_id: &str) -> bool {
        self.registry.len() >= self.config.limits.sessions
            && self.registry.find(client_id).is_none()
    }

    /// Whether the broker offers this kind of subscription at all. An MQTT 5.0 client that asks for another one has
    /// been told, and breaks the protocol.
    pub(crate) fn offers(
        &self,
        filter: &SubscriptionFilter,
        has_identifier: bool,
    ) -> Result<(), ReasonCode> {
        let capabilities = &self.config.capabilities;
        if filter.share_name().is_some() && !capabilities.shared_subscription_available {
            return Err(ReasonCode::SharedSubscriptionsNotSupported);
        }
        if has_identifier && !capabilities.subscription_identifiers_available {
            return Err(ReasonCode::SubscriptionIdentifiersNotSupported);
        }
        if filter.filter().has_wildcards() && !capabilities.wildcard_subscription_available {
            return Err(ReasonCode::WildcardSubscriptionsNotSupported);
        }
        Ok(())
    }

    /// What the broker tells a client about itself, and holds it to.
    pub(crate) fn acceptance(
        &self,
        request: &ConnectRequest,
        assigned_client_identifier: Option<ByteString>,
        authentication_data: Option<Bytes>,
    ) -> Acceptance {
        let Config {
            limits,
            capabilities,
            ..
        } = &self.config;
        let asked = request.connect().keep_alive;
        let server_keep_alive = if asked == 0 {
            limits.keep_alive
        } else {
            asked.min(limits.keep_alive)
        };
        Acceptance {
            settings: self.settings,
            maximum_session_expiry_interval: Some(limits.session_expiry),
            assigned_client_identifier,
            server_keep_alive: (server_keep_alive != asked).then_some(server_keep_alive),
            response_information: capabilities
                .response_information
                .as_deref()
                .map(ByteString::from),
            authentication_data,
            unsupported: UnsupportedSubscriptions {
                wildcards: !capabilities.wildcard_subscription_available,
                identifiers: !capabilities.subscription_identifiers_available,
                shared: !capabilities.shared_subscription_available,
            },
            ..Acceptance::default()
        }
    }

    /// Publishes a message of the broker itself, or of the program around it.
    pub(crate) fn publish(
        &self,
        worker: &Worker,
        topic: TopicNameRef<'_>,
        publication: &Publication,
        qos: QoS,
        retain: bool,
        publisher: Option<&Arc<str>>,
    ) -> ReasonCode {
        let message = Message {
            topic,
            publication,
            qos,
            retain,
            publisher,
        };
        let table = self.router.table();
        let journal = self.journal_for(qos, retain);
        let _whole = journal.map(Journal::whole);
        worker.with_scratch(|scratch| {
            self.router
                .publish(&table, message, &mut scratch.outlets(journal))
        })
    }

    /// The state of the whole broker.
    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats {
            uptime: self.start.elapsed(),
            ..Stats::default()
        };
        self.gate.add_to(&mut stats);
        self.workers
            .iter()
            .for_each(|worker| worker.counters.add_to(&mut stats));
        stats.clients_connected = self.online.load(Relaxed) as u64;
        stats.clients_maximum = self.online_maximum.load(Relaxed) as u64;
        stats.clients_disconnected =
            (self.registry.len() as u64).saturating_sub(stats.clients_connected);
        (stats.subscriptions, stats.shared_subscriptions) = self.router.size();
        let (messages, bytes) = self.router.retained.size();
        (stats.retained_messages, stats.retained_bytes) = (messages as u64, bytes as u64);
        stats
    }

    /// Notes that a session has a connection.
    pub(crate) fn count_online(&self) {
        let online = self.online.fetch_add(1, Relaxed) + 1;
        self.online_maximum.fetch_max(online, Relaxed);
    }

    /// Notes that a session has lost its connection.
    pub(crate) fn count_offline(&self) {
        self.online.fetch_sub(1, Relaxed);
    }

    /// Lets everything know that the broker stops.
    pub(crate) fn begin_stop(&self) {
        self.stopping.send_replace(true);
    }
}

impl Drop for Core {
    /// A session knows the groups that its unsettled messages came through, and a group knows its members: they
    /// would keep each other for ever.
    fn drop(&mut self) {
        self.registry.for_each(|slot| slot.lock().extras = None);
    }
}

/// The bounds of every session.
fn settings(config: &Config) -> Settings {
    let Config {
        limits,
        capabilities,
        ..
    } = config;
    let mut settings = Settings::default();
    settings.limits = Limits {
        receive_maximum: limits.receive_maximum,
        maximum_packet_size: limits.packet_size,
        topic_alias_maximum: limits.topic_alias_maximum,
        maximum_qos: QoS::from_bits(capabilities.maximum_qos).unwrap_or(QoS::ExactlyOnce),
        retain_available: capabilities.retain_available,
    };
    settings.queue.messages = u32::try_from(limits.queue_messages).unwrap_or(u32::MAX);
    settings.queue.bytes = u32::try_from(limits.queue_bytes).unwrap_or(u32::MAX);
    settings.queue.overflow = match limits.queue_full {
        QueueFull::DropNewest => Overflow::DropNewest,
        QueueFull::DropOldest => Overflow::DropOldest,
    };
    settings.send_maximum = limits.in_flight;
    settings.send_alias_maximum = limits.outgoing_topic_aliases;
    settings.retain_in_flight = capabilities.shared_subscription_available;
    settings
}
