//! The server's side up to CONNACK.
//!
//! ```text
//! Handshake -> (CONNECT) -> ConnectRequest -> accept -> ServerSession
//!                            ^    |      `--> refuse -> CONNACK or nothing, then close
//!                     (AUTH) |    | challenge
//!                            `----'
//! ```

use alloc::boxed::Box;
use core::time::Duration;

use bytes::Bytes;
use mqtide_codec::{Connect, Packet, PacketType, Sender};

use crate::auth::Exchange;
use crate::limits::v5;
use crate::packet_size::Fit;
use crate::{
    Acceptance, Accepted, Deliverable, Instant, Limits, Refusal, Refused, ServerSession, Violation,
};

/// A network connection from which no CONNECT has come yet.
///
/// Bound the time until CONNECT by [`poll_timeout`](Self::poll_timeout), and the bytes by the
/// framer's size limit. On any error or timeout, close the connection without an answer
/// (MQTT 5.0 §3.1.4, `[MQTT-3.14.0-1]`).
#[derive(Debug)]
pub struct Handshake {
    deadline: Instant,
}

impl Handshake {
    /// A connection that was opened `now` and has `patience` for its CONNECT and all steps of its
    /// authentication together.
    pub fn new(now: Instant, patience: Duration) -> Self {
        Self {
            deadline: now + patience,
        }
    }

    /// Takes in the first packet.
    ///
    /// # Errors
    ///
    /// It is not a CONNECT `[MQTT-3.1.0-1]`: close the connection without an answer.
    pub fn handle_packet(self, packet: Packet) -> Result<ConnectRequest, Violation> {
        match packet {
            Packet::Connect(connect) => Ok(ConnectRequest::new(connect, self.deadline)),
            other => Err(Violation::UnexpectedPacket(other.packet_type())),
        }
    }

    /// When to give up and close the connection without an answer.
    pub fn poll_timeout(&self) -> Instant {
        self.deadline
    }
}

/// A CONNECT that waits for the server's decision.
///
/// Packets that the client sends behind it must not be read before the decision; only
/// AUTH and DISCONNECT may come while an authentication is going on, by
/// [`handle_packet`](Self::handle_packet).
#[derive(Debug)]
pub struct ConnectRequest {
    connect: Box<Connect>,
    exchange: Option<Exchange>,
    deadline: Instant,
}

/// What a client sends while its CONNECT is undecided.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub enum AuthenticationStep {
    /// The answer to a [`challenge`](ConnectRequest::challenge).
    Answer(Box<mqtide_codec::Auth>),
    /// The client has given up: close the connection.
    Disconnected,
}

impl ConnectRequest {
    fn new(connect: Box<Connect>, deadline: Instant) -> Self {
        let method = match connect
            .properties
            .as_deref()
            .filter(|_| v5(connect.version))
        {
            Some(properties) => properties.authentication_method.clone(),
            None => None,
        };
        let exchange = method.map(|method| Exchange::new(method, Sender::Server));
        Self {
            connect,
            exchange,
            deadline,
        }
    }

    /// The packet: client identifier, credentials, will and properties.
    pub fn connect(&self) -> &Connect {
        &self.connect
    }

    /// Asks the client for the next step of its authentication method, by the returned AUTH.
    ///
    /// # Errors
    ///
    /// [`Refused::NotAuthenticating`] if CONNECT has no authentication method `[MQTT-4.12.0-6]`, or
    /// the client has not answered the last challenge.
    pub fn challenge(&mut self, data: Option<Bytes>) -> Result<Packet, Refused> {
        let exchange = self.exchange.as_mut().ok_or(Refused::NotAuthenticating)?;
        let auth = exchange.proceed(data)?;
        let packet = self.fit().apply(Packet::Auth(Box::new(auth)));
        packet.map_err(|_| Refused::PacketTooLarge)
    }

    /// Takes in what follows a challenge.
    ///
    /// # Errors
    ///
    /// The packet may not come here, or has another method `[MQTT-4.12.0-5]`:
    /// [`refuse`](Self::refuse) with the reason of the violation.
    pub fn handle_packet(&mut self, packet: Packet) -> Result<AuthenticationStep, Violation> {
        let packet_type = packet.packet_type();
        match (packet, &mut self.exchange) {
            (Packet::Auth(auth), Some(exchange)) => {
                exchange.receive(&auth)?;
                Ok(AuthenticationStep::Answer(auth))
            }
            (Packet::Auth(_), None) => Err(Violation::UnexpectedPacket(PacketType::Auth)),
            (Packet::Disconnect(_), _) => Ok(AuthenticationStep::Disconnected),
            _ => Err(Violation::UnexpectedPacket(packet_type)),
        }
    }

    /// When to give up waiting for the client's next step: refuse, or close.
    pub fn poll_timeout(&self) -> Instant {
        self.deadline
    }

    /// Accepts the connection.
    ///
    /// `parked` is the session that the server has for this client identifier, if any: parked, or
    /// still connected elsewhere ([`take_over`](ServerSession::take_over) says goodbye there). It is
    /// resumed or discarded as CONNECT asks `[MQTT-3.1.2-4]`, `[MQTT-3.1.2-5]`, `[MQTT-3.1.2-6]`.
    pub fn accept<M: Deliverable + Clone>(
        self,
        now: Instant,
        acceptance: Acceptance,
        parked: Option<ServerSession<M>>,
    ) -> Accepted<M> {
        ServerSession::accept(now, *self.connect, acceptance, self.exchange, parked)
    }

    /// Refuses the connection: write the CONNACK, if there is one, and close.
    pub fn refuse(self, refusal: Refusal) -> Option<Packet> {
        let connack = refusal.connack(self.connect.version)?;
        self.fit().apply(Packet::Connack(connack)).ok()
    }

    fn fit(&self) -> Fit {
        let properties = self.connect.properties.as_deref();
        Fit {
            version: self.connect.version,
            maximum_packet_size: Limits::of_client(&self.connect).maximum_packet_size,
            explain: properties.and_then(|p| p.request_problem_information) != Some(false),
        }
    }
}
