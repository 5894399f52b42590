//! From bytes to what they ask for.

use bytes::{Bytes, BytesMut};
use mqtide_codec::{
    Ack, AckRef, DecodeError, DecodeOptions, Disconnect, FrameRef, Framer, Packet, PacketType,
    PublishRef, ReasonCode, Sender, Version, decode,
};
use mqtide_session::{Instant, ServerEvent, ServerSession, Violation};
use mqtide_topic::{TopicLimits, TopicNameRef};

use super::scratch::{Arrived, Event, Scratch};
use crate::publication::{Content, Payload, Pool, Publication};
use crate::routing::expiry;
use crate::slot::Extras;
use crate::stats::{Count, Tally};

/// What a connection has received and not used: at most one incomplete packet.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) framer: Framer,
    /// The beginning of a packet whose end has not come. It grows with what arrives, and is gone when there is
    /// none.
    pub(crate) rest: BytesMut,
    options: DecodeOptions,
}

/// Why a connection has to end.
#[derive(Debug)]
pub(crate) enum Fault {
    /// What the client sent is not MQTT.
    Decode(DecodeError),
    /// What the client sent is against the rules. The session is closing already.
    Violation(Violation),
}

/// What is at hand while packets are taken in.
pub(crate) struct Intake<'a> {
    pub(crate) now: Instant,
    pub(crate) limits: &'a TopicLimits,
    pub(crate) session: &'a mut ServerSession<Publication>,
    pub(crate) extras: &'a mut Option<Box<Extras>>,
    pub(crate) events: &'a mut Vec<Event>,
    pub(crate) pool: &'a mut Pool,
    pub(crate) properties: &'a mut Vec<u8>,
    pub(crate) tally: &'a mut Tally,
}

impl Input {
    /// Begins with what came behind the CONNECT.
    pub(crate) fn new(version: Version, packet_size: u32, rest: BytesMut) -> Self {
        let mut framer = Framer::new(version);
        framer.set_max_packet_size(packet_size);
        let options = DecodeOptions::new(version).from_sender(Sender::Client);
        Input {
            framer,
            rest,
            options,
        }
    }

    /// Takes in all complete packets in `bytes`; returns what is left.
    pub(crate) fn take_in<'b>(
        &mut self,
        mut bytes: &'b [u8],
        intake: &mut Intake<'_>,
    ) -> Result<&'b [u8], Fault> {
        while let Some((frame, rest)) = self.framer.next_frame_ref(bytes).map_err(Fault::Decode)? {
            bytes = rest;
            intake.frame(frame, self.options, None)?;
        }
        Ok(bytes)
    }

    /// Takes in the packet that has been gathered in `rest`, if it is complete. A large payload is not copied.
    pub(crate) fn take_in_rest(&mut self, intake: &mut Intake<'_>) -> Result<(), Fault> {
        while let Some(frame) = self
            .framer
            .next_frame(&mut self.rest)
            .map_err(Fault::Decode)?
        {
            intake.frame(frame.as_frame(), self.options, Some(frame.body()))?;
        }
        if self.rest.is_empty() {
            self.rest = BytesMut::new();
        }
        Ok(())
    }

    /// How many bytes the incomplete packet will have, as far as is known.
    pub(crate) fn expected(&self) -> usize {
        self.rest.len() + self.framer.needed()
    }
}

impl Intake<'_> {
    fn frame(
        &mut self,
        frame: FrameRef<'_>,
        options: DecodeOptions,
        owner: Option<&Bytes>,
    ) -> Result<(), Fault> {
        self.tally.add(Count::PacketsReceived, 1);
        let packet_type = frame.packet_type();
        let packet = match packet_type {
            PacketType::Publish => {
                let publish = PublishRef::decode(frame, options).map_err(Fault::Decode)?;
                self.tally.add(Count::PublishesReceived, 1);
                self.tally
                    .add(Count::PublishBytesReceived, frame.header().packet_len());
                return self.publish(&publish, owner);
            }
            PacketType::Puback | PacketType::Pubrec | PacketType::Pubrel | PacketType::Pubcomp => {
                let ack = AckRef::decode(frame, options).map_err(Fault::Decode)?;
                // Reason String and User Properties of an acknowledgement end here.
                let ack = Ack::with_reason(ack.packet_identifier, ack.reason);
                match packet_type {
                    PacketType::Puback => Packet::Puback(ack),
                    PacketType::Pubrec => Packet::Pubrec(ack),
                    PacketType::Pubrel => Packet::Pubrel(ack),
                    _ => Packet::Pubcomp(ack),
                }
            }
            _ => decode_copied(frame, options)?,
        };
        let event = self
            .session
            .handle_packet(self.now, packet)
            .map_err(Fault::Violation)?;
        match event {
            Some(ServerEvent::Settled(settled)) => {
                if let Some(extras) = self.extras {
                    extras.shared.remove(&settled.key);
                }
            }
            Some(event) => self.events.push(Event::Session(event)),
            None => {}
        }
        Ok(())
    }

    fn publish(&mut self, publish: &PublishRef<'_>, owner: Option<&Bytes>) -> Result<(), Fault> {
        let inbound = self
            .session
            .handle_publish(self.now, publish)
            .map_err(Fault::Violation)?;
        let Some(topic) = inbound.topic.as_ref().filter(|_| inbound.deliver) else {
            return Ok(());
        };
        let name = topic.as_name();
        if is_reserved(name) || self.limits.check_name(name).is_err() {
            self.tally.add(Count::PublishesDropped, 1);
            if let Some(ack) = inbound.ack {
                // The reason is one that an acknowledgement may carry.
                let _ = self
                    .session
                    .complete(ack, ReasonCode::TopicNameInvalid, None);
            }
            return Ok(());
        }
        self.properties.clear();
        publish.properties.copy_forwarded(self.properties);
        let content = Content {
            topic: name.as_str(),
            properties: self.properties,
            payload: match owner {
                Some(owner) if publish.payload.len() >= SHARE_FROM => {
                    Payload::Shared(owner.slice_ref(publish.payload))
                }
                _ => Payload::Borrowed(publish.payload),
            },
            expires_at: expiry(self.now, publish.properties.message_expiry_interval()),
        };
        self.events.push(Event::Publish(Arrived {
            publication: self.pool.make(&content),
            qos: publish.delivery.qos(),
            retain: publish.retain,
            ack: inbound.ack,
            hold: None,
        }));
        Ok(())
    }
}

/// Whether a topic is the broker's own (`MQTT 5.0 §4.7.2`).
pub(crate) fn is_reserved(name: TopicNameRef<'_>) -> bool {
    name.starts_with_dollar() && name.levels().next().is_some_and(|level| level == "$SYS")
}

fn decode_copied(frame: FrameRef<'_>, options: DecodeOptions) -> Result<Packet, Fault> {
    decode(frame.to_frame(), options).map_err(Fault::Decode)
}

impl Fault {
    /// Tells the client, if the session has not done so already.
    pub(crate) fn answer(&self, session: &mut ServerSession<Publication>) {
        let Fault::Decode(error) = self else { return };
        for reason in [error.reason(), ReasonCode::MalformedPacket] {
            if session.disconnect(Disconnect::new(reason)).is_ok() {
                break;
            }
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Decode(error) => error.fmt(f),
            Fault::Violation(violation) => violation.fmt(f),
        }
    }
}

impl Scratch {
    /// Puts the buffers for taking in packets together with the session.
    pub(crate) fn intake<'a>(
        &'a mut self,
        now: Instant,
        limits: &'a TopicLimits,
        session: &'a mut ServerSession<Publication>,
        extras: &'a mut Option<Box<Extras>>,
    ) -> (&'a [u8], Intake<'a>) {
        let Scratch {
            input,
            events,
            pool,
            properties,
            tally,
            ..
        } = self;
        (
            input,
            Intake {
                now,
                limits,
                session,
                extras,
                events,
                pool,
                properties,
                tally,
            },
        )
    }
}

/// A payload of this size, in a buffer of its own, is kept where it is. Smaller ones are copied.
const SHARE_FROM: usize = 16 * 1024;
