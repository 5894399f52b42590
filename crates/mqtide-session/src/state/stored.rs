//! The parts of an exported session.

use alloc::boxed::Box;

use mqtide_codec::{PacketIdentifier, Will};

use super::SessionState;
use crate::{Delivery, DeliveryKey, Instant};

/// A message of a stored session.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredMessage<M> {
    /// Its number within the session.
    pub key: DeliveryKey,
    /// The message and how to send it.
    pub delivery: Delivery<M>,
    /// How far it has come.
    pub progress: Progress,
}

/// How far a stored message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It waits to be sent.
    Waiting,
    /// It has an identifier and is not acknowledged.
    Assigned {
        /// The identifier.
        packet_identifier: PacketIdentifier,
        /// Whether it was sent under it, or may have been.
        sent: bool,
    },
}

impl Progress {
    /// The packet identifier, if it has one.
    pub const fn identifier(self) -> Option<PacketIdentifier> {
        match self {
            Self::Waiting => None,
            Self::Assigned {
                packet_identifier, ..
            } => Some(packet_identifier),
        }
    }
}

/// A server's session as a value.
///
/// Points in time are those of the caller's clock: restore them under a clock with the same origin,
/// or move them first by [`rebase`](Self::rebase).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ServerState<M> {
    /// The flows.
    pub session: SessionState<M>,
    /// Seconds that the session outlives its connection; `u32::MAX` for ever.
    pub session_expiry_interval: u32,
    /// When a session without a connection ends; `None` if it is connected or never ends.
    pub ends_at: Option<Instant>,
    /// The will that may still have to be published.
    pub will: Option<StoredWill>,
}

/// A will that is not published.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredWill {
    /// The will.
    pub will: Box<Will>,
    /// When it is due; `None` while the connection stands.
    pub due_at: Option<Instant>,
}

impl<M> ServerState<M> {
    /// Moves all points in time to another clock. `message` moves those of a message, if it has any.
    pub fn rebase(&mut self, shift: impl Fn(Instant) -> Instant, mut message: impl FnMut(&mut M)) {
        self.ends_at = self.ends_at.map(&shift);
        if let Some(will) = &mut self.will {
            will.due_at = will.due_at.map(&shift);
        }
        self.session
            .messages
            .iter_mut()
            .for_each(|one| message(&mut one.delivery.message));
    }
}

/// A client's session as a value.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ClientState<M> {
    /// The flows.
    pub session: SessionState<M>,
    /// Whether the server may have this session: a connection was accepted, and what the client
    /// knows of it was not lost since.
    pub established: bool,
    /// Seconds that the session outlives its connection; `u32::MAX` for ever.
    pub session_expiry_interval: u32,
}
