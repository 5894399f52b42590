//! From CONNECT to the end of the connection.

use alloc::boxed::Box;

use bytes::Bytes;
use mqtide_codec::{
    Auth, Connack, Connect, Disconnect, Packet, PacketType, ReasonCode, Sender, Version,
};

use super::requests::SubscriptionSupport;
use super::session::settle;
use super::{ClientEvent, ClientSession, Operation, Outcome};
use crate::auth::Exchange;
use crate::endpoint::{Line, Terms};
use crate::keep_alive::{PingDuty, Pinger};
use crate::limits::v5;
use crate::outbound::Lost;
use crate::{Deliverable, DropReason, Instant, Limits, Refused, Violation};

#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    Offline,
    /// CONNECT is on its way; give up at this time.
    Connecting(Instant),
    Online(Pinger),
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ConnectTerms {
    clean_start: bool,
    keep_alive: u16,
    session_expiry: u32,
}

impl<M: Deliverable + Clone> ClientSession<M> {
    /// A network connection stands: the first output is this CONNECT.
    ///
    /// The packet may differ from one connection to the next, such as in its credentials. What it
    /// announces binds the server. With Clean Start, what the session has in flight is lost here
    /// `[MQTT-3.1.2-4]`.
    ///
    /// # Errors
    ///
    /// There is a connection already, or the version needs a client identifier
    /// `[v3.1.1 MQTT-3.1.3-7]`. Nothing has changed.
    pub fn handle_connected(&mut self, now: Instant, connect: Connect) -> Result<(), Refused> {
        if self.endpoint.line() != Line::Down {
            return Err(Refused::AlreadyConnected);
        }
        let needs_name = match connect.version {
            Version::V31 => true,
            Version::V311 => !connect.clean_start,
            Version::V5 => false,
        };
        if needs_name && connect.client_identifier.is_empty() {
            return Err(Refused::ClientIdentifierRequired);
        }
        if connect.clean_start {
            // Whether or not the answer arrives, the server may have discarded its half by then.
            self.lose_session();
        }
        self.connect = ConnectTerms::of(&connect);
        self.session_expiry = self.connect.session_expiry;
        let properties = connect
            .properties
            .as_deref()
            .filter(|_| v5(connect.version));
        let method = properties.and_then(|p| p.authentication_method.clone());
        self.auth = method.map(|method| Exchange::new(method, Sender::Client));
        self.settings.session.limits = Limits::of_client(&connect);
        self.endpoint.dial(connect.version);
        if connect.clean_start {
            self.endpoint.hold_back();
        }
        self.stage = Stage::Connecting(now + self.settings.connect_timeout);
        self.endpoint
            .push(Packet::Connect(Box::new(connect)))
            .map_err(|_| Refused::PacketTooLarge)
    }

    pub(super) fn take_in_before_connack(
        &mut self,
        now: Instant,
        packet: Packet,
    ) -> Result<(), Violation> {
        match packet {
            Packet::Connack(connack) => self.connack(now, connack),
            Packet::Auth(auth) => {
                self.stage = Stage::Connecting(now + self.settings.connect_timeout);
                self.receive_auth(auth)
            }
            other => Err(Violation::UnexpectedPacket(other.packet_type())),
        }
    }

    fn connack(&mut self, now: Instant, connack: Connack) -> Result<(), Violation> {
        if connack.reason.is_error() {
            self.stage = Stage::Offline;
            self.endpoint.hang_up();
            self.events
                .push_back(ClientEvent::ConnectionRefused(Box::new(connack)));
            return Ok(());
        }
        self.check_method(&connack)?;
        self.settle_session(&connack)?;
        let properties = connack.properties.as_deref();
        if let Some(granted) = properties.and_then(|p| p.session_expiry_interval) {
            self.session_expiry = granted;
        }
        self.subscriptions = SubscriptionSupport::of(&connack);
        self.endpoint.open(Terms {
            version: self.endpoint.version,
            settings: self.settings.session,
            peer: Limits::of_server(&connack),
            explain: true,
            // What the client keeps, it keeps for itself: also messages that were never sent.
            lasting: true,
        });
        let announced = properties.and_then(|p| p.server_keep_alive);
        let keep_alive = announced.unwrap_or(self.connect.keep_alive);
        self.stage = Stage::Online(Pinger::new(now, keep_alive, self.settings.ping_timeout));
        self.events
            .push_back(ClientEvent::Connected(Box::new(connack)));
        Ok(())
    }

    /// `[MQTT-4.12.0-5]`
    fn check_method(&mut self, connack: &Connack) -> Result<(), Violation> {
        let properties = connack.properties.as_deref();
        let theirs = properties.and_then(|p| p.authentication_method.as_ref());
        if theirs != self.auth.as_ref().map(Exchange::method) {
            return Err(Violation::AuthenticationMethodChanged);
        }
        self.auth.iter_mut().for_each(Exchange::finish);
        Ok(())
    }

    /// Compares what the server has of the session with what is here `[MQTT-3.2.2-4]`,
    /// `[MQTT-3.2.2-5]`.
    fn settle_session(&mut self, connack: &Connack) -> Result<(), Violation> {
        let ours = self.established && !self.connect.clean_start;
        // MQTT 3.1.1 lets the client go on with such a session (§3.2.2.2), and has no other way: the
        // CONNACK that began it may have been lost.
        let must_have_state = v5(self.endpoint.version) || self.connect.clean_start;
        if connack.session_present && !ours && must_have_state {
            return Err(Violation::SessionPresentWithoutState);
        }
        // MQTT 3.1 cannot say whether the session is present, so it is taken to be.
        let present = match self.endpoint.version {
            Version::V31 => ours,
            _ => connack.session_present,
        };
        if !present {
            self.lose_session();
        }
        self.established = true;
        Ok(())
    }

    fn lose_session(&mut self) {
        self.established = false;
        let events = &mut self.events;
        self.endpoint.lose(|lost| {
            let (key, outcome) = match lost {
                Lost::Unknown(key) => (key, Outcome::Unknown),
                Lost::Owned(key) => (key, Outcome::Delivered(ReasonCode::Success)),
            };
            events.push_back(ClientEvent::Settled(Operation(key), outcome));
        });
    }

    pub(super) fn server_disconnect(&mut self, disconnect: Disconnect) -> Result<(), Violation> {
        if !v5(self.endpoint.version) {
            return Err(Violation::UnexpectedPacket(PacketType::Disconnect));
        }
        let properties = disconnect.properties.as_deref();
        if properties.is_some_and(|p| p.session_expiry_interval.is_some()) {
            return Err(Violation::SessionExpiryNotAllowed);
        }
        self.endpoint.hang_up();
        self.events.push_back(ClientEvent::Disconnected(disconnect));
        Ok(())
    }

    pub(super) fn receive_auth(&mut self, auth: Box<Auth>) -> Result<(), Violation> {
        let connecting = matches!(self.stage, Stage::Connecting(_));
        let exchange = self.auth.as_mut();
        exchange
            .ok_or(Violation::UnexpectedPacket(PacketType::Auth))?
            .receive(&auth)?;
        if connecting && auth.reason == ReasonCode::Success {
            return Err(Violation::ReasonNotAllowed(auth.reason));
        }
        self.events.push_back(ClientEvent::Authenticate(auth));
        Ok(())
    }

    /// Answers the server's step of an authentication `[MQTT-4.12.0-3]`.
    ///
    /// # Errors
    ///
    /// [`Refused::NotAuthenticating`] if it is not the client's turn.
    pub fn authenticate(&mut self, data: Option<Bytes>) -> Result<(), Refused> {
        self.step_authentication(|exchange| exchange.proceed(data))
    }

    /// Begins a re-authentication with the method of CONNECT `[MQTT-4.12.1-1]`.
    ///
    /// # Errors
    ///
    /// [`Refused::NotAuthenticating`] if CONNECT had no method `[MQTT-4.12.0-7]`, or an authentication
    /// is going on.
    pub fn reauthenticate(&mut self, data: Option<Bytes>) -> Result<(), Refused> {
        self.step_authentication(|exchange| exchange.begin(data))
    }

    fn step_authentication(
        &mut self,
        step: impl FnOnce(&mut Exchange) -> Result<Auth, Refused>,
    ) -> Result<(), Refused> {
        self.endpoint.require_open()?;
        let auth = step(self.auth.as_mut().ok_or(Refused::NotAuthenticating)?)?;
        self.endpoint
            .push(Packet::Auth(Box::new(auth)))
            .map_err(|_| Refused::PacketTooLarge)
    }

    /// Says goodbye: DISCONNECT is the last packet that leaves `[MQTT-3.14.4-1]`. What waits in the
    /// queue stays there.
    ///
    /// # Errors
    ///
    /// There is no connection, or a client may not send this packet, such as one that gives a
    /// lifetime to a session that began without (MQTT 5.0 §3.14.2.2.2). Nothing has changed.
    pub fn disconnect(&mut self, disconnect: Disconnect) -> Result<(), Refused> {
        self.endpoint.require_open()?;
        if !disconnect
            .reason
            .allowed_from(PacketType::Disconnect, Sender::Client)
        {
            return Err(Refused::ReasonNotAllowed);
        }
        let normal = disconnect.reason == ReasonCode::NORMAL_DISCONNECTION;
        let plain = normal && disconnect.properties.is_none();
        if !plain && !v5(self.endpoint.version) {
            return Err(Refused::NotInThisVersion);
        }
        let properties = disconnect.properties.as_deref();
        if let Some(interval) = properties.and_then(|p| p.session_expiry_interval) {
            if self.connect.session_expiry == 0 && interval > 0 {
                return Err(Refused::SessionExpiryNotAllowed);
            }
            self.session_expiry = interval;
        }
        self.endpoint.close_with(disconnect);
        Ok(())
    }

    /// The network connection is gone, for whatever reason.
    pub fn handle_disconnected(&mut self) {
        if self.endpoint.line() == Line::Down {
            return;
        }
        // Without CONNACK nobody knows whether the server has begun a session.
        self.established |= matches!(self.stage, Stage::Connecting(_));
        self.stage = Stage::Offline;
        self.auth = None;
        let events = &mut self.events;
        self.endpoint.disconnect(&mut |fate| settle(events, fate));
        let sent = self
            .sent
            .drain(..)
            .map(|sent| (sent.operation, Outcome::Unknown));
        let waiting = self.waiting.drain(..);
        let unsent = waiting.map(|(id, _)| (id, Outcome::Dropped(DropReason::Offline)));
        let settled = sent
            .chain(unsent)
            .map(|(id, outcome)| ClientEvent::Settled(id, outcome));
        self.events.extend(settled);
        if self.session_expiry == 0 {
            self.lose_session();
        }
    }

    /// The time has come that [`poll_timeout`](Self::poll_timeout) told, or any other: handling it
    /// early is harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.endpoint.line() != Line::Open {
            return;
        }
        let duty = match &mut self.stage {
            Stage::Offline => PingDuty::Rest,
            Stage::Connecting(deadline) if *deadline <= now => PingDuty::GiveUp,
            Stage::Connecting(_) => PingDuty::Rest,
            Stage::Online(pinger) => pinger.duty(now),
        };
        match duty {
            PingDuty::Rest => {}
            PingDuty::Ping => self.endpoint.push_pingreq(),
            PingDuty::GiveUp => {
                self.endpoint.hang_up();
                self.events.push_back(ClientEvent::TimedOut);
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) must be called at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.stage {
            _ if self.endpoint.line() != Line::Open => None,
            Stage::Offline => None,
            Stage::Connecting(deadline) => Some(*deadline),
            Stage::Online(pinger) => pinger.deadline(),
        }
    }
}

impl ConnectTerms {
    fn of(connect: &Connect) -> Self {
        let properties = connect.properties.as_deref();
        let session_expiry = match (v5(connect.version), connect.clean_start) {
            (true, _) => properties
                .and_then(|p| p.session_expiry_interval)
                .unwrap_or(0),
            (false, true) => 0,
            (false, false) => u32::MAX,
        };
        let Connect {
            clean_start,
            keep_alive,
            ..
        } = *connect;
        Self {
            clean_start,
            keep_alive,
            session_expiry,
        }
    }
}
