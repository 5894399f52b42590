//! The rules that packets are read by.

use crate::{Sender, Version};

/// How to read packets: in which version, from which end, and how strictly.
///
/// A [`Version`] alone converts into options that are strict and do not check the sender.
///
/// ```
/// use mqtide_codec::{DecodeOptions, Sender, Version};
///
/// // What a server uses for a connection of MQTT 5.0.
/// let options = DecodeOptions::new(Version::V5).from_sender(Sender::Client);
/// assert_eq!(options.sender, Some(Sender::Client));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeOptions {
    /// The version of the connection. CONNECT is read in the version that it names itself.
    pub version: Version,
    /// The end that sent the packets. Packets, properties and reasons that only the other end may
    /// send are then refused ([`WrongSender`](crate::DecodeErrorKind::WrongSender)). `None`, for
    /// readers that see both directions, does not check.
    pub sender: Option<Sender>,
    /// Faults to overlook; none by default.
    pub leniency: Leniency,
}

impl DecodeOptions {
    /// Strict reading, of packets from either end.
    pub const fn new(version: Version) -> Self {
        Self {
            version,
            sender: None,
            leniency: Leniency::NONE,
        }
    }

    /// The same for packets from this end.
    #[must_use]
    pub const fn from_sender(mut self, sender: Sender) -> Self {
        self.sender = Some(sender);
        self
    }

    /// The same with these faults overlooked.
    #[must_use]
    pub const fn with_leniency(mut self, leniency: Leniency) -> Self {
        self.leniency = leniency;
        self
    }

    /// Whether the packets are known to come from the other end than this.
    pub(crate) fn is_not_from(&self, sender: Sender) -> bool {
        self.sender.is_some_and(|actual| actual != sender)
    }
}

impl From<Version> for DecodeOptions {
    fn from(version: Version) -> Self {
        Self::new(version)
    }
}

/// Faults of peers that a reader may choose to overlook. Each is `false` by default.
///
/// What MQTT 3.1 itself leaves unchecked is not listed here, as it is no fault: header flags of
/// packets other than PUBLISH, bit 0 of the connect flags, the will flags without a will, a user
/// name or password that is announced but absent at the end of the packet, the first byte of CONNACK,
/// and the upper six bits of the requested QoS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Leniency {
    /// Accept a Remaining Length that is not in its shortest form in MQTT 5.0 too; MQTT 3.1 and
    /// 3.1.1 do not forbid it.
    pub long_remaining_length: bool,
    /// Accept, and drop, DUP on a PUBLISH of QoS 0 (MQTT-3.3.1-2).
    pub dup_at_most_once: bool,
    /// Accept bit 7 of the protocol level in CONNECT of MQTT 3.1 and 3.1.1, by which bridges of some
    /// brokers announce themselves, and drop it.
    pub bridge_levels: bool,
}

impl Leniency {
    /// Nothing is overlooked.
    pub const NONE: Self = Self {
        long_remaining_length: false,
        dup_at_most_once: false,
        bridge_levels: false,
    };
}
