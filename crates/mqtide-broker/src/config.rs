//! What an operator may choose, as plain values with defaults.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::listener::ListenAddress;

/// Everything a broker can be told before it starts.
///
/// ```
/// use mqtide_broker::Config;
///
/// let mut config = Config::default();
/// config.limits.queue_messages = 10_000;
/// config.allow_anonymous = true;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where to listen. Default: nowhere, which is a broker for in-process clients alone.
    pub listeners: Vec<ListenAddress>,
    /// How many worker threads serve connections ([`Flavour::Pinned`](crate::Flavour::Pinned) only).
    /// Default: `None`, one for every two available cores.
    pub workers: Option<NonZeroUsize>,
    /// Whether clients without credentials are let in on every listener. Default: `false`, which lets them in
    /// only through listeners bound to a loopback address. An authenticator
    /// replaces this rule altogether.
    pub allow_anonymous: bool,
    /// How often the `$SYS` topics are published. Default: 10 s; `None` never publishes them.
    pub sys_interval: Option<Duration>,
    /// How long [`Broker::stop`](crate::Broker::stop) waits for clients to take what they are owed. Default: 5 s.
    pub stop_grace: Duration,
    /// What the broker offers to clients.
    pub capabilities: Capabilities,
    /// The bounds on what clients may use.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listeners: Vec::new(),
            workers: None,
            allow_anonymous: false,
            sys_interval: Some(Duration::from_secs(10)),
            stop_grace: Duration::from_secs(5),
            capabilities: Capabilities::default(),
            limits: Limits::default(),
        }
    }
}

/// The optional parts of the standard that a server may withhold (`MQTT 5.0 §3.2.2.3`). All are offered by default.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Capabilities {
    /// The highest QoS a client may publish with: 0, 1 or 2. Default: 2.
    pub maximum_qos: u8,
    /// Whether messages are retained. Default: `true`.
    pub retain_available: bool,
    /// Whether filters may hold wildcards. Default: `true`.
    pub wildcard_subscription_available: bool,
    /// Whether subscriptions may carry an identifier. Default: `true`.
    pub subscription_identifiers_available: bool,
    /// Whether `$share/..` subscriptions are served. Default: `true`.
    pub shared_subscription_available: bool,
    /// What a client that asks for Response Information is told, a topic prefix of its own by convention.
    /// Default: nothing.
    pub response_information: Option<String>,
}

impl Default for Capabilities {
    fn default() -> Self {
        Capabilities {
            maximum_qos: 2,
            retain_available: true,
            wildcard_subscription_available: true,
            subscription_identifiers_available: true,
            shared_subscription_available: true,
            response_information: None,
        }
    }
}

/// The bounds on what clients may use. Sizes are in bytes.
///
/// Each bound has an answer of its own: a reason code where MQTT 5.0 has one, a closed connection otherwise;
/// messages dropped at a bound are counted in the statistics and logged, rate limited.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Connections at a time, half-open ones included. One more is closed at once. Default: 100,000.
    pub connections: usize,
    /// Connections that have not finished their CONNECT yet. One more is closed at once. Default: 8,192.
    pub half_open_connections: usize,
    /// Sessions at a time, online and offline. A new one beyond is refused with 0x97 (Quota exceeded).
    /// Default: 1,000,000.
    pub sessions: usize,
    /// Time from accept to a complete CONNECT, authentication included. Default: 10 s.
    pub connect_timeout: Duration,
    /// Size of a CONNECT, and of every packet before the CONNACK. Default: 64 KiB.
    pub connect_packet_size: u32,
    /// Size of a packet after the CONNACK, announced to clients as Maximum Packet Size. Default: 16 MiB.
    pub packet_size: u32,
    /// QoS 1 and 2 messages that a client may have unacknowledged, announced as Receive Maximum
    /// (MQTT 5.0 clients only: the older versions have no such notion). Default: 1,024.
    pub receive_maximum: u16,
    /// QoS 1 and 2 messages sent to a client and unacknowledged by it, or fewer if it announces a lower
    /// Receive Maximum. Default: 1,024.
    pub in_flight: u16,
    /// Topic aliases a client may set, announced as Topic Alias Maximum. Default: 16.
    pub topic_alias_maximum: u16,
    /// Topic aliases the broker sets towards a client that allows them. Default: 16.
    pub outgoing_topic_aliases: u16,
    /// Longest silence that a client may ask for, in seconds, for all versions; a client that asks for none at
    /// all (0) gets this one. Default: 65,535, the longest that the protocol can express.
    pub keep_alive: u16,
    /// Longest Session Expiry Interval in seconds; clean-session-0 clients of MQTT 3.x get this one.
    /// Default: 4,294,967,295, which is for ever.
    pub session_expiry: u32,
    /// Messages that wait for one session. Default: 100,000.
    pub queue_messages: usize,
    /// Bytes of the messages that wait for one session. Default: 64 MiB.
    pub queue_bytes: usize,
    /// What is dropped when a queue is full. Default: the newest.
    pub queue_full: QueueFull,
    /// Subscriptions of one session. One more is answered with 0x97 (Quota exceeded). Default: 100,000.
    pub subscriptions: usize,
    /// Filters in one SUBSCRIBE or UNSUBSCRIBE are bounded by the packet size; levels of a topic by this.
    /// Default: 128.
    pub topic_levels: usize,
    /// Length of a topic name or filter. Default: 65,535, the longest that the protocol can express.
    pub topic_length: usize,
    /// Retained messages. A new topic beyond is not stored (0x97). Default: 1,000,000.
    pub retained_messages: usize,
    /// Bytes of all retained messages. Default: 256 MiB.
    pub retained_bytes: usize,
    /// Bytes of messages that may wait for the store, if it is not volatile; those of one more turn of each client
    /// can be added. While there are more, clients that have sent such messages are not read. Default: 64 MiB.
    pub unstored_bytes: usize,
    /// How long a client may leave its socket unread while data waits for it. Default: 60 s.
    pub write_stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 100_000,
            half_open_connections: 8_192,
            sessions: 1_000_000,
            connect_timeout: Duration::from_secs(10),
            connect_packet_size: 64 * 1024,
            packet_size: 16 * 1024 * 1024,
            receive_maximum: 1_024,
            in_flight: 1_024,
            topic_alias_maximum: 16,
            outgoing_topic_aliases: 16,
            keep_alive: u16::MAX,
            session_expiry: u32::MAX,
            queue_messages: 100_000,
            queue_bytes: 64 * 1024 * 1024,
            queue_full: QueueFull::DropNewest,
            subscriptions: 100_000,
            topic_levels: 128,
            topic_length: 65_535,
            retained_messages: 1_000_000,
            retained_bytes: 256 * 1024 * 1024,
            unstored_bytes: 64 * 1024 * 1024,
            write_stall: Duration::from_secs(60),
        }
    }
}

/// Which message gives way when a session's queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueFull {
    /// The message that has just arrived.
    DropNewest,
    /// The message that has waited longest.
    DropOldest,
}
