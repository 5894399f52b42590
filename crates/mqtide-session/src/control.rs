//! Everything that is sent besides PUBLISH, in order.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use mqtide_codec::{Ack, Packet, PacketIdentifier, PacketType, ReasonCode};

use crate::Ticket;
use crate::lazy::Lazy;

/// PUBACK, PUBREC, PUBREL or PUBCOMP without properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Which of the four.
    pub kind: AckKind,
    /// The identifier of the PUBLISH.
    pub packet_identifier: PacketIdentifier,
    /// The reason.
    pub reason: ReasonCode,
}

impl Acknowledgement {
    /// The packet.
    pub fn into_packet(self) -> Packet {
        self.kind
            .packet(Ack::with_reason(self.packet_identifier, self.reason))
    }
}

/// The four acknowledgements of the publish flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AckKind {
    /// PUBACK: the answer to QoS 1.
    Puback,
    /// PUBREC: the first answer to QoS 2.
    Pubrec,
    /// PUBREL: the answer to PUBREC.
    Pubrel,
    /// PUBCOMP: the answer to PUBREL.
    Pubcomp,
}

impl AckKind {
    /// The packet with this content.
    pub fn packet(self, ack: Ack) -> Packet {
        match self {
            Self::Puback => Packet::Puback(ack),
            Self::Pubrec => Packet::Pubrec(ack),
            Self::Pubrel => Packet::Pubrel(ack),
            Self::Pubcomp => Packet::Pubcomp(ack),
        }
    }
}

/// One packet that waits to be written.
#[derive(Debug)]
pub(crate) enum Control {
    Ack(Acknowledgement),
    Pingreq,
    Pingresp,
    Packet(Box<Packet>),
}

/// The packets that wait to be written, with those that wait for the store beside them.
///
/// What waits for the store keeps its order, and holds back nothing else: PUBREC, PUBREL and PUBCOMP
/// go through here, PUBACK and answers to requests do not.
#[derive(Debug)]
pub(crate) struct ControlQueue {
    ready: Lazy<VecDeque<Item>>,
    /// Absent while nothing ever had to wait: most sessions store nothing.
    gated: Option<Box<Gated>>,
}

#[derive(Debug, Default)]
struct Gated(VecDeque<(Ticket, Item)>);

/// A packet, and whether writing it closes a publication of the peer.
pub(crate) type Item = (Control, ClosesPublication);

/// Whether the packet ends a flow that counts against this side's Receive Maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClosesPublication {
    Yes,
    No,
}

impl ControlQueue {
    pub(crate) const fn new() -> Self {
        Self {
            ready: Lazy::new(),
            gated: None,
        }
    }

    pub(crate) fn push(&mut self, control: Control, closes: ClosesPublication) {
        self.ready.fill().push_back((control, closes));
    }

    /// Puts a packet before all others: CONNECT and CONNACK.
    pub(crate) fn push_first(&mut self, control: Control) {
        self.ready
            .fill()
            .push_front((control, ClosesPublication::No));
    }

    /// Adds a packet that may leave once its ticket is durable.
    pub(crate) fn push_after(
        &mut self,
        ticket: Ticket,
        durable: bool,
        control: Control,
        closes: ClosesPublication,
    ) {
        match durable && self.gated() == 0 {
            true => self.ready.fill().push_back((control, closes)),
            false => {
                self.gated
                    .get_or_insert_default()
                    .0
                    .push_back((ticket, (control, closes)));
            }
        }
    }

    /// Lets go what the store no longer holds back.
    pub(crate) fn open(&mut self, is_durable: impl Fn(Ticket) -> bool) {
        let Some(gated) = &mut self.gated else { return };
        while gated
            .0
            .front()
            .is_some_and(|(ticket, _)| is_durable(*ticket))
        {
            let item = gated.0.pop_front().map(|(_, item)| item);
            self.ready.fill().extend(item);
        }
    }

    fn gated(&self) -> usize {
        self.gated.as_ref().map_or(0, |gated| gated.0.len())
    }

    pub(crate) fn pop(&mut self) -> Option<Item> {
        self.ready.pop_front()
    }

    /// Whether the next packet to write is of this type.
    pub(crate) fn begins_with(&self, packet_type: PacketType) -> bool {
        let front = self.ready.front().map(|(control, _)| control);
        matches!(front, Some(Control::Packet(packet)) if packet.packet_type() == packet_type)
    }

    /// Whether something could be written now.
    pub(crate) fn has_ready(&self) -> bool {
        self.ready.len() > 0
    }

    /// The packets that wait, for whatever reason.
    pub(crate) fn len(&self) -> usize {
        self.ready.len() + self.gated()
    }

    /// What waits for the store will not leave any more.
    pub(crate) fn drop_gated(&mut self) {
        self.gated = None;
    }

    pub(crate) fn clear(&mut self) {
        self.ready.clear();
        self.gated = None;
    }

    pub(crate) fn shrink(&mut self) {
        self.ready.shrink();
        self.gated.take_if(|gated| gated.0.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pubrec(number: u16) -> Control {
        let packet_identifier = PacketIdentifier::new(number).unwrap();
        let kind = AckKind::Pubrec;
        Control::Ack(Acknowledgement {
            kind,
            packet_identifier,
            reason: ReasonCode::Success,
        })
    }

    fn order(queue: &mut ControlQueue) -> alloc::vec::Vec<u16> {
        let popped = core::iter::from_fn(|| queue.pop());
        popped
            .map(|(control, _)| match control {
                Control::Ack(ack) => ack.packet_identifier.as_u16(),
                _ => 0,
            })
            .collect()
    }

    #[test]
    fn what_waits_for_the_store_keeps_its_order_and_holds_back_nothing_else() {
        let mut queue = ControlQueue::new();
        queue.push_after(Ticket(1), false, pubrec(1), ClosesPublication::No);
        queue.push_after(Ticket(0), true, pubrec(2), ClosesPublication::No);
        queue.push(Control::Pingresp, ClosesPublication::No);
        assert_eq!(order(&mut queue), [0]);
        queue.open(|ticket| ticket <= Ticket(1));
        assert_eq!(order(&mut queue), [1, 2]);
    }

    #[test]
    fn a_packet_that_waits_is_small() {
        assert!(size_of::<Item>() <= 24, "{}", size_of::<Item>());
    }
}
