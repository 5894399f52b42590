//! What each side of a connection takes, and the bounds of a session.

use mqtide_codec::{Connack, Connect, QoS, Version};

/// What one side of a connection has announced that it takes.
///
/// MQTT 3.1 and 3.1.1 announce nothing: there, both sides have [`Limits::UNLIMITED`] but no topic
/// aliases, which is also what the absence of each property means in MQTT 5.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// QoS 1 and 2 publications that may be open at once: 1 to 65,535 (MQTT 5.0 §3.1.2.11.3). Zero
    /// is taken as 1.
    pub receive_maximum: u16,
    /// The largest packet in bytes, fixed header included (MQTT 5.0 §3.1.2.11.4). `u32::MAX`
    /// announces no limit.
    pub maximum_packet_size: u32,
    /// The highest topic alias; 0 forbids aliases (MQTT 5.0 §3.1.2.11.5).
    pub topic_alias_maximum: u16,
    /// The highest QoS; only servers limit it (MQTT 5.0 §3.2.2.3.4).
    pub maximum_qos: QoS,
    /// Whether retained messages are taken; only servers refuse them (MQTT 5.0 §3.2.2.3.5).
    pub retain_available: bool,
}

impl Limits {
    /// What the absence of each property means.
    pub const UNLIMITED: Self = Self {
        receive_maximum: u16::MAX,
        maximum_packet_size: u32::MAX,
        topic_alias_maximum: 0,
        maximum_qos: QoS::ExactlyOnce,
        retain_available: true,
    };

    /// What a client announces in CONNECT.
    pub fn of_client(connect: &Connect) -> Self {
        let Some(properties) = connect
            .properties
            .as_deref()
            .filter(|_| v5(connect.version))
        else {
            return Self::UNLIMITED;
        };
        Self {
            receive_maximum: properties.receive_maximum.map_or(u16::MAX, |n| n.get()),
            maximum_packet_size: properties.maximum_packet_size.map_or(u32::MAX, |n| n.get()),
            topic_alias_maximum: properties.topic_alias_maximum.unwrap_or(0),
            ..Self::UNLIMITED
        }
    }

    /// What a server announces in CONNACK.
    pub fn of_server(connack: &Connack) -> Self {
        let Some(properties) = connack.properties.as_deref() else {
            return Self::UNLIMITED;
        };
        Self {
            receive_maximum: properties.receive_maximum.map_or(u16::MAX, |n| n.get()),
            maximum_packet_size: properties.maximum_packet_size.map_or(u32::MAX, |n| n.get()),
            topic_alias_maximum: properties.topic_alias_maximum.unwrap_or(0),
            maximum_qos: properties.maximum_qos.unwrap_or(QoS::ExactlyOnce),
            retain_available: properties.retain_available.unwrap_or(true),
        }
    }

    /// What holds on a connection of this version for a side that is configured with `self`.
    ///
    /// A client of MQTT 3.1 or 3.1.1 cannot be told, so it is not held to what it does not know.
    pub(crate) fn in_force(self, version: Version) -> Self {
        match v5(version) {
            true => Self {
                receive_maximum: self.receive_maximum.max(1),
                ..self
            },
            false => Self {
                maximum_packet_size: self.maximum_packet_size,
                receive_maximum: u16::MAX,
                ..Self::UNLIMITED
            },
        }
    }
}

impl Default for Limits {
    /// [`Limits::UNLIMITED`].
    fn default() -> Self {
        Self::UNLIMITED
    }
}

/// The bounds of what waits to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueLimits {
    /// Messages that may wait, QoS 0 and others together. Default: 1,000.
    pub messages: u32,
    /// Bytes of topics and payloads that may wait. Default: 64 MiB.
    pub bytes: u32,
    /// What gives way at a bound. Default: the newcomer.
    pub overflow: Overflow,
    /// Whether QoS 0 messages wait while there is no connection. Default: no.
    pub at_most_once_offline: bool,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            messages: 1000,
            bytes: 64 << 20,
            overflow: Overflow::DropNewest,
            at_most_once_offline: false,
        }
    }
}

/// What gives way when a queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The message that would be added.
    #[default]
    DropNewest,
    /// The messages that have waited longest, as many as it takes: QoS 0 first, and for a message of
    /// QoS 0 no others.
    DropOldest,
}

/// The bounds and habits of a session, the same for both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// What this side announces that it takes.
    pub limits: Limits,
    /// The bounds of what waits to be sent.
    pub queue: QueueLimits,
    /// QoS 1 and 2 publications of this side that may be open at once, whatever the peer takes.
    /// Default: 1,000.
    pub send_maximum: u16,
    /// The highest topic alias that this side uses in what it sends, whatever the peer takes; 0
    /// turns automatic aliases off. Default: 16.
    pub send_alias_maximum: u16,
    /// Packets that answer the peer and may wait to be written. Default: 65,536.
    pub answers: u32,
    /// Whether changes of the session leave as store operations, and promises wait until they are
    /// durable. Default: no.
    pub durable: bool,
    /// Whether messages in flight are kept even if the session ends with its connection, so that
    /// they can be given to another member of a shared subscription. Default: no.
    pub retain_in_flight: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::UNLIMITED,
            queue: QueueLimits::default(),
            send_maximum: 1000,
            send_alias_maximum: 16,
            answers: 1 << 16,
            durable: false,
            retain_in_flight: false,
        }
    }
}

pub(crate) const fn v5(version: Version) -> bool {
    version.has_properties()
}
