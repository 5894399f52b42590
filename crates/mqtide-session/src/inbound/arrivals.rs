//! Messages that have arrived and wait for their owner, in order.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use mqtide_codec::{AckProperties, PacketIdentifier, QoS, ReasonCode};

use super::Answer;
use crate::lazy::Lazy;

/// The right to answer one QoS 1 or 2 PUBLISH, by `complete`.
///
/// The first completion counts; later ones change nothing. A token of an earlier connection does no
/// harm: completing it settles a QoS 2 message that will be asked for again, and means nothing for
/// QoS 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a PUBLISH that is not completed holds back all later acknowledgements of its QoS"]
pub struct AckToken {
    sequence: u32,
    id: PacketIdentifier,
    qos: QoS,
}

impl AckToken {
    /// The QoS of the message: 1 or 2.
    pub const fn qos(&self) -> QoS {
        self.qos
    }

    /// The identifier of the PUBLISH.
    pub const fn packet_identifier(&self) -> PacketIdentifier {
        self.id
    }
}

/// One stream of arrivals: those of QoS 1, or those of QoS 2.
#[derive(Debug)]
pub(crate) struct Arrivals {
    waiting: Lazy<VecDeque<Waiting>>,
    /// The sequence number of the first that waits.
    first: u32,
    qos: QoS,
}

#[derive(Debug)]
struct Waiting {
    id: PacketIdentifier,
    /// Whether the peer asked on this connection, and so gets an answer.
    answer: bool,
    completion: Completion,
}

#[derive(Debug)]
enum Completion {
    Pending,
    Done(ReasonCode),
    Explained(ReasonCode, Box<AckProperties>),
}

impl Arrivals {
    pub(crate) const fn new(qos: QoS, first: u32) -> Self {
        Self {
            waiting: Lazy::new(),
            first,
            qos,
        }
    }

    /// The sequence number after the last.
    #[allow(clippy::cast_possible_truncation)] // Fewer than 2^17 wait: one per identifier and stream.
    pub(crate) fn end(&self) -> u32 {
        self.first.wrapping_add(self.waiting.len() as u32)
    }

    pub(crate) fn push(&mut self, id: PacketIdentifier) -> AckToken {
        let token = AckToken {
            sequence: self.end(),
            id,
            qos: self.qos,
        };
        self.waiting.fill().push_back(Waiting {
            id,
            answer: true,
            completion: Completion::Pending,
        });
        token
    }

    /// A repetition of what was completed before: it only waits for its turn. That is behind what the
    /// peer has sent on this connection, and before what waits since an earlier one: a peer repeats
    /// in the order in which it first sent.
    pub(crate) fn push_completed(&mut self, id: PacketIdentifier) {
        let repeated = Waiting {
            id,
            answer: true,
            completion: Completion::Done(ReasonCode::Success),
        };
        if self.waiting.iter().any(|waiting| waiting.answer) {
            self.waiting.fill().push_back(repeated);
        } else {
            self.waiting.fill().push_front(repeated);
            self.first = self.first.wrapping_sub(1);
        }
    }

    /// The peer repeats a message that waits here; false if it does not.
    pub(crate) fn answer_again(&mut self, id: PacketIdentifier) -> bool {
        let found = self.waiting.iter_mut().find(|waiting| waiting.id == id);
        found.map(|waiting| waiting.answer = true).is_some()
    }

    pub(crate) fn complete(
        &mut self,
        token: AckToken,
        reason: ReasonCode,
        properties: Option<Box<AckProperties>>,
    ) -> bool {
        let index = token.sequence.wrapping_sub(self.first) as usize;
        let waiting = self
            .waiting
            .get_mut()
            .and_then(|waiting| waiting.get_mut(index))
            .filter(|waiting| waiting.id == token.id);
        let Some(waiting) = waiting else { return false };
        if !matches!(waiting.completion, Completion::Pending) {
            return false;
        }
        waiting.completion = match properties {
            None => Completion::Done(reason),
            Some(properties) => Completion::Explained(reason, properties),
        };
        true
    }

    /// The first that waits, if it is completed.
    pub(crate) fn front(&self) -> Option<(PacketIdentifier, ReasonCode)> {
        let waiting = self.waiting.front()?;
        match waiting.completion {
            Completion::Pending => None,
            Completion::Done(reason) | Completion::Explained(reason, _) => {
                Some((waiting.id, reason))
            }
        }
    }

    /// Takes the first that waits if it is completed, with its answer if the peer asked for one.
    pub(crate) fn pop(&mut self) -> Option<(Option<Answer>, ReasonCode)> {
        let (packet_identifier, reason) = self.front()?;
        let waiting = self.waiting.pop_front()?;
        self.first = self.first.wrapping_add(1);
        let properties = match waiting.completion {
            Completion::Explained(_, properties) => Some(properties),
            _ => None,
        };
        let answer = Answer {
            packet_identifier,
            reason,
            properties,
        };
        Some((waiting.answer.then_some(answer), reason))
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn contains(&self, id: PacketIdentifier) -> bool {
        self.waiting.iter().any(|waiting| waiting.id == id)
    }

    /// Whether a message waits for its owner under this identifier.
    pub(crate) fn is_pending(&self, id: PacketIdentifier) -> bool {
        let pending = |waiting: &Waiting| matches!(waiting.completion, Completion::Pending);
        self.waiting
            .iter()
            .any(|waiting| waiting.id == id && pending(waiting))
    }

    /// Forgets all; their tokens mean nothing any more.
    pub(crate) fn clear(&mut self) {
        self.first = self.end();
        self.waiting.clear();
    }

    /// Nothing is to be answered until the peer asks again.
    pub(crate) fn withhold(&mut self) {
        self.waiting
            .iter_mut()
            .for_each(|waiting| waiting.answer = false);
    }

    pub(crate) fn shrink(&mut self) {
        self.waiting.shrink();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u16) -> PacketIdentifier {
        PacketIdentifier::new(number).unwrap()
    }

    fn pop(arrivals: &mut Arrivals) -> Option<u16> {
        arrivals
            .pop()
            .map(|(answer, _)| answer.map_or(0, |answer| answer.packet_identifier.as_u16()))
    }

    /// MQTT-4.6.0-3
    #[test]
    fn what_was_completed_before_is_answered_before_what_still_waits() {
        let mut arrivals = Arrivals::new(QoS::ExactlyOnce, 0);
        let (first, second) = (arrivals.push(id(4)), arrivals.push(id(5)));
        assert!(arrivals.complete(first, ReasonCode::Success, None));
        assert_eq!(pop(&mut arrivals), Some(4));
        arrivals.withhold();
        arrivals.push_completed(id(4));
        assert!(arrivals.answer_again(id(5)));
        assert!(arrivals.complete(second, ReasonCode::Success, None));
        assert_eq!([pop(&mut arrivals), pop(&mut arrivals)], [Some(4), Some(5)]);
    }

    /// MQTT-4.6.0-2, MQTT-4.6.0-3
    #[test]
    fn answers_leave_in_order_of_arrival() {
        let mut arrivals = Arrivals::new(QoS::AtLeastOnce, u32::MAX);
        let (first, second) = (arrivals.push(id(7)), arrivals.push(id(3)));
        assert!(arrivals.complete(second, ReasonCode::Success, None));
        assert_eq!(pop(&mut arrivals), None);
        assert!(arrivals.complete(first, ReasonCode::Success, None));
        assert_eq!([pop(&mut arrivals), pop(&mut arrivals)], [Some(7), Some(3)]);
        assert!(!arrivals.complete(first, ReasonCode::Success, None));
    }

    #[test]
    fn a_token_of_the_past_means_nothing() {
        let mut arrivals = Arrivals::new(QoS::AtLeastOnce, 0);
        let old = arrivals.push(id(1));
        arrivals.clear();
        let new = arrivals.push(id(1));
        assert!(!arrivals.complete(old, ReasonCode::Success, None));
        assert!(arrivals.complete(new, ReasonCode::Success, None));
    }

    #[test]
    fn what_the_peer_has_not_asked_for_again_gets_no_answer() {
        let mut arrivals = Arrivals::new(QoS::ExactlyOnce, 0);
        let (first, second) = (arrivals.push(id(1)), arrivals.push(id(2)));
        arrivals.withhold();
        assert!(arrivals.answer_again(id(2)));
        assert!(arrivals.complete(first, ReasonCode::Success, None));
        assert!(arrivals.complete(second, ReasonCode::Success, None));
        assert_eq!([pop(&mut arrivals), pop(&mut arrivals)], [Some(0), Some(2)]);
    }
}
