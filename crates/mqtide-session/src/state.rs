//! The state of a session as a value: exported, kept up to date by store operations, and restored.

mod stored;
#[cfg(feature = "serde")]
mod wire_form;

use alloc::vec::Vec;

use mqtide_codec::{PacketIdentifier, QoS};

pub use self::stored::{ClientState, Progress, ServerState, StoredMessage, StoredWill};
use crate::inbound::{Held, Inbound};
use crate::outbound::{Flight, Outbound, Queued};
use crate::packet_id::Lane;
use crate::{Deliverable, Delivery, DeliveryKey, Refused, StoreOp};

/// What both sides remember of a session beyond its connections (MQTT 5.0 §4.1).
///
/// It can be had in two ways that give the same: by exporting a session, also in the middle of its
/// flows; or by [applying](Self::apply) to an empty state every store operation that the session has
/// emitted. So a store may write operations as they come, and a snapshot now and then.
///
/// With the `serde` feature the value can be written in any format; [`FORMAT`](Self::FORMAT) stands in
/// it, and [`check`](Self::check) refuses one that is not understood.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SessionState<M> {
    format: u16,
    /// Messages that are not owned by the peer, in the order of their keys.
    pub messages: Vec<StoredMessage<M>>,
    /// QoS 2 messages that the peer owns and has not completed, in the order of their PUBRECs.
    #[cfg_attr(feature = "serde", serde(with = "wire_form::released"))]
    pub released: Vec<(DeliveryKey, PacketIdentifier)>,
    /// Identifiers of QoS 2 messages of the peer whose PUBREL has not come.
    #[cfg_attr(feature = "serde", serde(with = "wire_form::identifiers"))]
    pub held: Vec<PacketIdentifier>,
    /// The number of the next message.
    pub next_key: u64,
}

impl<M> SessionState<M> {
    /// The version of this form.
    pub const FORMAT: u16 = 1;

    /// A session that has seen nothing.
    pub const fn new() -> Self {
        Self {
            format: Self::FORMAT,
            messages: Vec::new(),
            released: Vec::new(),
            held: Vec::new(),
            next_key: 0,
        }
    }

    /// Whether the state can be restored.
    ///
    /// # Errors
    ///
    /// [`Refused::UnknownStateFormat`] if a later version of this crate wrote it, and
    /// [`Refused::DuplicateIdentifier`] if it names an identifier or a key twice.
    pub fn check(&self) -> Result<(), Refused> {
        if self.format != Self::FORMAT {
            return Err(Refused::UnknownStateFormat);
        }
        let assigned = self
            .messages
            .iter()
            .filter_map(|message| message.progress.identifier());
        let mut ids: Vec<_> = assigned
            .chain(self.released.iter().map(|(_, id)| *id))
            .collect();
        let mut held = self.held.clone();
        ids.sort_unstable();
        held.sort_unstable();
        let twice = |ids: &[PacketIdentifier]| ids.windows(2).any(|pair| pair[0] == pair[1]);
        let ordered = self
            .messages
            .windows(2)
            .all(|pair| pair[0].key < pair[1].key);
        match twice(&ids) || twice(&held) || !ordered {
            true => Err(Refused::DuplicateIdentifier),
            false => Ok(()),
        }
    }

    /// Follows one operation of the session. Operations that are applied again change nothing.
    pub fn apply(&mut self, operation: StoreOp<M>) {
        match operation {
            StoreOp::Enqueue {
                key,
                message,
                qos,
                retain,
                subscription_identifiers,
            } => {
                self.next_key = self.next_key.max(key.0.saturating_add(1));
                let progress = Progress::Waiting;
                let delivery = Delivery {
                    message,
                    qos,
                    retain,
                    subscription_identifiers,
                };
                let message = StoredMessage {
                    key,
                    delivery,
                    progress,
                };
                match self.position(key) {
                    Ok(index) => self.messages[index] = message,
                    Err(index) => self.messages.insert(index, message),
                }
            }
            StoreOp::Assign {
                key,
                packet_identifier,
            } => {
                if let Ok(index) = self.position(key) {
                    let sent = true;
                    self.messages[index].progress = Progress::Assigned {
                        packet_identifier,
                        sent,
                    };
                }
            }
            StoreOp::Release { key } => self.release(key),
            StoreOp::Remove { key } => {
                if let Ok(index) = self.position(key) {
                    self.messages.remove(index);
                }
                self.released.retain(|(released, _)| *released != key);
            }
            StoreOp::Hold { packet_identifier } => {
                self.forget(packet_identifier);
                self.held.push(packet_identifier);
            }
            StoreOp::Forget { packet_identifier } => self.forget(packet_identifier),
            StoreOp::Mark => {}
            StoreOp::Clear => {
                *self = Self {
                    next_key: self.next_key,
                    ..Self::new()
                }
            }
        }
    }

    fn release(&mut self, key: DeliveryKey) {
        let Ok(index) = self.position(key) else {
            return;
        };
        if let Some(id) = self.messages[index].progress.identifier() {
            self.messages.remove(index);
            self.released.retain(|(released, _)| *released != key);
            self.released.push((key, id));
        }
    }

    fn forget(&mut self, id: PacketIdentifier) {
        self.held.retain(|held| *held != id);
    }

    fn position(&self, key: DeliveryKey) -> Result<usize, usize> {
        self.messages
            .binary_search_by_key(&key, |message| message.key)
    }
}

impl<M> Default for SessionState<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Deliverable + Clone> SessionState<M> {
    /// What a session remembers of what it sends, and of what it has received. QoS 0 is not part of
    /// it.
    pub(crate) fn of(outbound: &Outbound<M>, held: impl Iterator<Item = PacketIdentifier>) -> Self {
        let mut messages: Vec<_> = outbound
            .flights
            .iter(Lane::Published)
            .filter_map(|(id, flight)| StoredMessage::in_flight(id, flight))
            .collect();
        messages.extend(outbound.acknowledged.iter().map(StoredMessage::waiting));
        messages.sort_by_key(|message| message.key);
        let released = outbound.flights.iter(Lane::Released);
        Self {
            format: Self::FORMAT,
            messages,
            released: released.map(|(id, flight)| (flight.key, id)).collect(),
            held: held.collect(),
            next_key: outbound.next_key,
        }
    }

    /// Two halves that remember this.
    pub(crate) fn into_halves(self) -> Result<(Outbound<M>, Inbound), Refused> {
        self.check()?;
        let last = self
            .messages
            .last()
            .map_or(0, |message| message.key.0.saturating_add(1));
        let mut outbound = Outbound::new(self.next_key.max(last));
        for (key, id) in self.released {
            outbound.next_key = outbound.next_key.max(key.0.saturating_add(1));
            outbound.restore_flight(id, Lane::Released, Flight::released(key))?;
        }
        for StoredMessage {
            key,
            delivery,
            progress,
        } in self.messages
        {
            let queued = Queued { key, delivery };
            match progress {
                Progress::Waiting => outbound.restore_queued(queued),
                Progress::Assigned {
                    packet_identifier,
                    sent,
                } => {
                    let flight = Flight {
                        sent,
                        ..Flight::new(queued)
                    };
                    outbound.restore_flight(packet_identifier, Lane::Published, flight)?;
                }
            }
        }
        let mut inbound = Inbound::new();
        for id in self.held {
            inbound.restore(Held::new(id, false));
        }
        Ok((outbound, inbound))
    }
}

impl<M: Clone> StoredMessage<M> {
    fn waiting(queued: Queued<M>) -> Self {
        let Queued { key, delivery } = queued;
        Self {
            key,
            delivery,
            progress: Progress::Waiting,
        }
    }

    /// Nothing if the message was not kept.
    fn in_flight(packet_identifier: PacketIdentifier, flight: &Flight<M>) -> Option<Self> {
        let delivery = Delivery {
            message: flight.message.clone()?,
            qos: flight.qos,
            retain: flight.retain,
            subscription_identifiers: flight.subscription_identifiers.clone(),
        };
        let progress = Progress::Assigned {
            packet_identifier,
            sent: flight.sent,
        };
        Some(Self {
            key: flight.key,
            delivery,
            progress,
        })
    }
}

impl<M> Flight<M> {
    /// A QoS 2 flow of which only PUBREL is left.
    fn released(key: DeliveryKey) -> Self {
        Self {
            qos: QoS::ExactlyOnce,
            sent: true,
            ..Self::request(key)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::{Message, SubscriptionIdentifiers};
    use mqtide_topic::TopicName;

    fn id(number: u16) -> PacketIdentifier {
        PacketIdentifier::new(number).unwrap()
    }

    fn enqueue(key: u64) -> StoreOp<Message> {
        StoreOp::Enqueue {
            key: DeliveryKey(key),
            message: Message::new(TopicName::from_static("a"), "x"),
            qos: QoS::ExactlyOnce,
            retain: false,
            subscription_identifiers: SubscriptionIdentifiers::None,
        }
    }

    #[test]
    fn operations_lead_through_the_steps_of_a_message() {
        let mut state = SessionState::new();
        let key = DeliveryKey(4);
        let assign = StoreOp::Assign {
            key,
            packet_identifier: id(2),
        };
        state.apply(enqueue(4));
        state.apply(assign.clone());
        state.apply(enqueue(4));
        assert_eq!(state.messages[0].progress, Progress::Waiting);
        for operation in [enqueue(4), enqueue(4), assign.clone(), assign] {
            state.apply(operation);
        }
        let progress = Progress::Assigned {
            packet_identifier: id(2),
            sent: true,
        };
        assert_eq!(state.messages[0].progress, progress);
        state.apply(StoreOp::Release { key });
        state.apply(StoreOp::Release { key });
        assert_eq!(
            (state.messages.len(), &state.released[..]),
            (0, &[(key, id(2))][..])
        );
        state.apply(StoreOp::Remove { key });
        assert_eq!(
            state,
            SessionState {
                next_key: 5,
                ..SessionState::new()
            }
        );
    }

    #[test]
    fn a_state_with_an_identifier_twice_or_of_the_future_is_refused() {
        let mut state = SessionState::new();
        for (key, number) in [(1, 7), (2, 7)] {
            state.apply(enqueue(key));
            let packet_identifier = id(number);
            state.apply(StoreOp::Assign {
                key: DeliveryKey(key),
                packet_identifier,
            });
        }
        assert_eq!(state.check(), Err(Refused::DuplicateIdentifier));
        let future = SessionState::<Message> {
            format: 2,
            ..SessionState::new()
        };
        assert_eq!(future.check(), Err(Refused::UnknownStateFormat));
    }
}
