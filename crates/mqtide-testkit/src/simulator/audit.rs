//! The laws about packets, checked at one end of every connection: identifiers, Receive Maximum,
//! DUP, and the order of acknowledgements.
//!
//! This is a second and much simpler opinion on what the session machine does; it shares no code
//! with it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mqtide_codec::{Ack, Delivery, Packet, PacketIdentifier, Publish, QoS};

use super::ledger::Broken;

/// What one end has sent, over all connections of its session.
#[derive(Debug)]
pub(super) struct Audit {
    end: &'static str,
    /// Publications that the peer has not finished.
    open: BTreeMap<PacketIdentifier, Open>,
    /// Identifiers whose PUBLISH was written on this connection and that count against the quota.
    counted: BTreeSet<PacketIdentifier>,
    receive_maximum: usize,
    /// Publications read on this connection that wait for PUBACK or PUBREC, in order.
    owed: [VecDeque<PacketIdentifier>; 2],
    closed: bool,
    /// Whether this end has ever lost what was not durable: it cannot know then what it has sent.
    crashed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Open {
    qos: QoS,
    released: bool,
    written_here: bool,
    /// The sender has crashed since, and may not know of it.
    uncertain: bool,
}

impl Audit {
    pub(super) fn new(end: &'static str) -> Self {
        Self {
            end,
            open: BTreeMap::new(),
            counted: BTreeSet::new(),
            receive_maximum: usize::from(u16::MAX),
            owed: Default::default(),
            closed: false,
            crashed: false,
        }
    }

    /// A connection begins.
    pub(super) fn connect(&mut self, receive_maximum: u16, session_present: bool) {
        self.receive_maximum = usize::from(receive_maximum);
        self.counted.clear();
        self.owed = Default::default();
        self.closed = false;
        if !session_present {
            self.open.clear();
        }
        self.open
            .values_mut()
            .for_each(|open| open.written_here = false);
    }

    /// This end lost what was not durable.
    pub(super) fn crash(&mut self) {
        self.crashed = true;
        self.open
            .values_mut()
            .for_each(|open| open.uncertain = true);
    }

    /// This end writes a packet.
    pub(super) fn wrote(&mut self, packet: &Packet) -> Result<(), Broken> {
        if self.closed {
            return self.broken(format!("wrote {packet:?} behind DISCONNECT"));
        }
        match packet {
            Packet::Publish(publish) => self.wrote_publish(publish),
            Packet::Pubrel(ack) => self.wrote_pubrel(ack),
            Packet::Puback(ack) => self.settle(QoS::AtLeastOnce, ack.packet_identifier),
            Packet::Pubrec(ack) => self.settle(QoS::ExactlyOnce, ack.packet_identifier),
            Packet::Disconnect(_) => {
                self.closed = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// This end reads a packet.
    pub(super) fn read(&mut self, packet: &Packet) {
        match packet {
            Packet::Publish(publish) => self.owe(publish),
            Packet::Puback(ack) | Packet::Pubcomp(ack) => self.finish(ack.packet_identifier),
            Packet::Pubrec(ack) if ack.reason.is_error() => self.finish(ack.packet_identifier),
            Packet::Pubrec(ack) => {
                if let Some(open) = self.open.get_mut(&ack.packet_identifier) {
                    open.released = true;
                }
            }
            _ => {}
        }
    }

    fn wrote_publish(&mut self, publish: &Publish) -> Result<(), Broken> {
        let (id, dup, qos) = match publish.delivery {
            Delivery::AtMostOnce => return Ok(()),
            Delivery::AtLeastOnce {
                packet_identifier,
                dup,
            } => (packet_identifier, dup, QoS::AtLeastOnce),
            Delivery::ExactlyOnce {
                packet_identifier,
                dup,
            } => (packet_identifier, dup, QoS::ExactlyOnce),
        };
        self.check_identifier(id, qos, dup)?;
        let open = Open {
            qos,
            released: false,
            written_here: true,
            uncertain: false,
        };
        self.open.insert(id, open);
        self.counted.insert(id);
        if self.counted.len() > self.receive_maximum {
            return self.broken(format!("{} publications in flight", self.counted.len()));
        }
        Ok(())
    }

    fn check_identifier(&self, id: PacketIdentifier, qos: QoS, dup: bool) -> Result<(), Broken> {
        let Some(open) = self.open.get(&id) else {
            return match dup && !self.crashed {
                true => self.broken(format!("DUP set on the first PUBLISH of {id:?}")),
                false => Ok(()),
            };
        };
        if open.uncertain {
            return Ok(());
        }
        match (dup, open) {
            (false, _) => self.broken(format!("{id:?} is in use and used again")),
            (true, open) if open.written_here => {
                self.broken(format!("{id:?} is sent twice on one connection"))
            }
            (true, open) if open.released => {
                self.broken(format!("{id:?} is published behind PUBREC"))
            }
            (true, open) if open.qos != qos => self.broken(format!("{id:?} changes its QoS")),
            _ => Ok(()),
        }
    }

    fn wrote_pubrel(&mut self, ack: &Ack) -> Result<(), Broken> {
        let id = ack.packet_identifier;
        match self.open.get(&id) {
            Some(open) if !open.released && !open.uncertain => {
                self.broken(format!("{id:?} is released before PUBREC"))
            }
            _ => Ok(()),
        }
    }

    fn owe(&mut self, publish: &Publish) {
        let owed = match publish.delivery {
            Delivery::AtMostOnce => return,
            Delivery::AtLeastOnce {
                packet_identifier, ..
            } => (0, packet_identifier),
            Delivery::ExactlyOnce {
                packet_identifier, ..
            } => (1, packet_identifier),
        };
        self.owed[owed.0].push_back(owed.1);
    }

    /// MQTT-4.6.0-2, MQTT-4.6.0-3.
    fn settle(&mut self, qos: QoS, id: PacketIdentifier) -> Result<(), Broken> {
        let owed = &mut self.owed[usize::from(qos == QoS::ExactlyOnce)];
        match owed.pop_front() {
            Some(first) if first == id => Ok(()),
            other => self.broken(format!(
                "{qos:?}: {id:?} is acknowledged, and {other:?} was next"
            )),
        }
    }

    fn finish(&mut self, id: PacketIdentifier) {
        self.open.remove(&id);
        self.counted.remove(&id);
    }

    fn broken(&self, what: String) -> Result<(), Broken> {
        Err(Broken(format!("{}: {what}", self.end)))
    }
}

#[cfg(test)]
mod tests {
    use mqtide_topic::TopicName;

    use super::*;

    fn id(number: u16) -> PacketIdentifier {
        PacketIdentifier::new(number).unwrap()
    }

    fn publish(number: u16, dup: bool) -> Packet {
        let mut publish = Publish::new(TopicName::from_static("t"), "");
        publish.delivery = Delivery::ExactlyOnce {
            packet_identifier: id(number),
            dup,
        };
        Packet::Publish(publish)
    }

    fn audit(receive_maximum: u16) -> Audit {
        let mut audit = Audit::new("client");
        audit.connect(receive_maximum, false);
        audit
    }

    #[test]
    fn an_identifier_in_use_cannot_be_used_again() {
        let mut audit = audit(9);
        audit.wrote(&publish(1, false)).unwrap();
        assert!(audit.wrote(&publish(1, false)).is_err());
        assert!(
            audit.wrote(&publish(1, true)).is_err(),
            "twice on one connection"
        );
        audit.read(&Packet::Pubcomp(Ack::new(id(1))));
        audit.wrote(&publish(1, false)).unwrap();
    }

    #[test]
    fn a_resent_publish_has_dup_set() {
        let mut audit = audit(9);
        audit.wrote(&publish(1, false)).unwrap();
        audit.connect(9, true);
        assert!(audit.wrote(&publish(1, false)).is_err());
        audit.wrote(&publish(1, true)).unwrap();
        assert!(audit.wrote(&publish(2, true)).is_err());
    }

    #[test]
    fn pubrec_gives_no_quota_back() {
        let mut audit = audit(1);
        audit.wrote(&publish(1, false)).unwrap();
        audit.read(&Packet::Pubrec(Ack::new(id(1))));
        assert!(audit.wrote(&publish(2, false)).is_err());
    }

    #[test]
    fn acknowledgements_keep_the_order_of_arrival() {
        let mut audit = audit(9);
        audit.read(&publish(1, false));
        audit.read(&publish(2, false));
        assert!(audit.wrote(&Packet::Pubrec(Ack::new(id(2)))).is_err());
    }
}
