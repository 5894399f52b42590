//! How a session begins, goes from one connection to the next, and ends.

use alloc::boxed::Box;
use core::time::Duration;

use mqtide_codec::{Connect, Disconnect, Packet, PacketType, ReasonCode, Sender, Version, Will};

use super::event::{ClientDisconnect, Departure, ServerEvent};
use super::{Acceptance, Accepted, ServerSession};
use crate::auth::Exchange;
use crate::endpoint::{Endpoint, Line, Terms};
use crate::keep_alive::Watch;
use crate::lazy::Lazy;
use crate::limits::v5;
use crate::packet_size::Fit;
use crate::time::earliest;
use crate::will::Testament;
use crate::{
    Deliverable, Drops, Instant, Limits, Refused, ServerState, SessionState, Settings, StoreOp,
    Violation,
};

/// How long the session outlives its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expiry {
    /// What CONNECT carried, in seconds.
    pub(super) asked: u32,
    pub(super) granted: u32,
    pub(super) maximum: u32,
    pub(super) end: End,
}

/// When the session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Not while it is connected, or never.
    Open,
    At(Instant),
    /// It has.
    Past,
}

/// What one connection of a client leaves to the next.
struct Legacy<M> {
    endpoint: Endpoint<M>,
    /// What was dropped and not told.
    drops: Drops,
    /// The will to publish now.
    will: Option<Box<Will>>,
    /// Whether the session goes on.
    session_present: bool,
}

impl<M: Deliverable + Clone> ServerSession<M> {
    /// Begins, or goes on with, the session of a client whose CONNECT is accepted.
    pub(crate) fn accept(
        now: Instant,
        connect: Connect,
        acceptance: Acceptance,
        auth: Option<Exchange>,
        parked: Option<Self>,
    ) -> Accepted<M> {
        let Legacy {
            endpoint,
            drops,
            will,
            session_present,
        } = match parked {
            Some(parked) => parked.hand_over(now, connect.clean_start),
            None => Legacy {
                endpoint: Endpoint::new(Sender::Server, connect.version, acceptance.settings),
                drops: Drops::default(),
                will: None,
                session_present: false,
            },
        };
        let (asked, granted) = acceptance.session_expiry(&connect);
        let maximum = acceptance
            .maximum_session_expiry_interval
            .unwrap_or(u32::MAX);
        let keep_alive = acceptance.server_keep_alive.unwrap_or(connect.keep_alive);
        let mut session = Self {
            endpoint,
            watch: Watch::new(now, keep_alive),
            will: Testament::None,
            expiry: Expiry {
                asked,
                granted,
                maximum,
                end: End::Open,
            },
            auth: auth.map(|mut exchange| {
                exchange.finish();
                Box::new(exchange)
            }),
            requests: Lazy::new(),
            drops,
        };
        session.open(connect, acceptance, session_present);
        Accepted {
            session,
            session_present,
            will,
        }
    }

    fn open(&mut self, mut connect: Connect, acceptance: Acceptance, session_present: bool) {
        let asks_for_silence = connect
            .properties
            .as_deref()
            .and_then(|p| p.request_problem_information);
        self.endpoint.open(Terms {
            version: connect.version,
            settings: acceptance.settings,
            peer: Limits::of_client(&connect),
            explain: asks_for_silence != Some(false),
            lasting: self.expiry.granted > 0,
        });
        self.will = Testament::new(connect.will.take());
        if !session_present {
            self.endpoint.hold_back();
        }
        let connack = acceptance.connack(&connect, session_present);
        if self.endpoint.push_first(Packet::Connack(connack)).is_err() {
            self.endpoint.close();
        }
    }

    /// Ends the last connection for the next one (behaviour on takeover: MQTT 5.0 §3.1.4,
    /// §3.1.3.2.2).
    fn hand_over(mut self, now: Instant, clean_start: bool) -> Legacy<M> {
        let departure = self.handle_disconnected(now);
        let ended = match self.expiry.end {
            End::Open => false,
            End::At(end) => end <= now,
            End::Past => true,
        };
        let will = departure.will.or_else(|| match ended || clean_start {
            true => self.will.take(),
            false => self.will.take_due(now),
        });
        if ended || clean_start {
            self.endpoint.clear();
        }
        Legacy {
            endpoint: self.endpoint,
            drops: self.drops,
            will,
            session_present: !ended && !clean_start,
        }
    }

    pub(super) fn client_disconnect(
        &mut self,
        disconnect: Disconnect,
    ) -> Result<Option<ServerEvent>, Violation> {
        let properties = disconnect.properties.as_deref();
        if let Some(interval) = properties.and_then(|p| p.session_expiry_interval) {
            if self.expiry.asked == 0 && interval > 0 {
                return Err(Violation::SessionExpiryNotAllowed);
            }
            self.expiry.granted = interval.min(self.expiry.maximum);
        }
        if disconnect.reason == ReasonCode::NORMAL_DISCONNECTION {
            self.will = Testament::None;
        }
        self.endpoint.hang_up();
        Ok(Some(ServerEvent::Disconnected(ClientDisconnect {
            packet: disconnect,
        })))
    }

    /// Ends the connection from the server's side. The will stays in force.
    ///
    /// MQTT 5.0 clients are told by DISCONNECT, the last packet that leaves; others are not.
    ///
    /// # Errors
    ///
    /// There is no open connection, or a server may not send this packet `[MQTT-3.14.2-2]`. Nothing
    /// has changed.
    pub fn disconnect(&mut self, disconnect: Disconnect) -> Result<(), Refused> {
        self.endpoint.require_open()?;
        if !disconnect
            .reason
            .allowed_from(PacketType::Disconnect, Sender::Server)
        {
            return Err(Refused::ReasonNotAllowed);
        }
        let properties = disconnect.properties.as_deref();
        if properties.is_some_and(|p| p.session_expiry_interval.is_some()) {
            return Err(Refused::SessionExpiryNotAllowed);
        }
        self.endpoint.close_with(disconnect);
        Ok(())
    }

    /// The packet with which to end this connection because the client has opened another one; none
    /// in MQTT 3.1 and 3.1.1, nor before CONNACK was written `[MQTT-3.2.0-1]`. Write it to the old connection, then give the session to
    /// [`ConnectRequest::accept`](crate::ConnectRequest::accept) (MQTT 5.0 §3.1.4).
    pub fn take_over(&mut self) -> Option<Packet> {
        let open = self.endpoint.line() == Line::Open && !self.endpoint.owes_connack();
        self.endpoint.hang_up();
        let fit = Fit {
            version: self.endpoint.version,
            maximum_packet_size: self.endpoint.peer.maximum_packet_size,
            explain: true,
        };
        let packet = Packet::Disconnect(Disconnect::new(ReasonCode::SessionTakenOver));
        (open && v5(self.endpoint.version))
            .then(|| fit.apply(packet).ok())
            .flatten()
    }

    /// The network connection is gone, for whatever reason. The session goes on without one, unless
    /// it ends with it.
    pub fn handle_disconnected(&mut self, now: Instant) -> Departure {
        if self.endpoint.line() == Line::Down {
            return Departure::default();
        }
        let drops = &mut self.drops;
        self.endpoint.disconnect(&mut |fate| drops.note(&fate));
        self.requests.clear();
        self.auth = None;
        let end = match self.expiry.granted {
            u32::MAX => None,
            seconds => Some(now + Duration::from_secs(seconds.into())),
        };
        self.will.connection_lost(now, end);
        let ended = self.expiry.granted == 0;
        if ended {
            self.endpoint.store.record(|| StoreOp::Clear);
        }
        self.expiry.end = match (ended, end) {
            (true, _) => End::Past,
            (false, Some(end)) => End::At(end),
            (false, None) => End::Open,
        };
        Departure {
            will: self.will.take_due(now),
            ended,
        }
    }

    /// The time has come that [`poll_timeout`](Self::poll_timeout) told, or any other: handling it
    /// early is harmless. Call again until it returns `None`.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<ServerEvent> {
        match self.endpoint.line() {
            Line::Open => self.check_silence(now),
            Line::Closing => None,
            Line::Down => {
                let will = self.will.take_due(now);
                will.map(ServerEvent::Will).or_else(|| self.check_end(now))
            }
        }
    }

    fn check_silence(&mut self, now: Instant) -> Option<ServerEvent> {
        self.watch.deadline().filter(|deadline| *deadline <= now)?;
        self.endpoint
            .close_with(Disconnect::new(ReasonCode::KeepAliveTimeout));
        Some(ServerEvent::KeepAliveTimeout)
    }

    fn check_end(&mut self, now: Instant) -> Option<ServerEvent> {
        let End::At(end) = self.expiry.end else {
            return None;
        };
        (end <= now).then(|| {
            self.expiry.end = End::Past;
            self.endpoint.store.record(|| StoreOp::Clear);
            ServerEvent::Expired
        })
    }

    /// When [`handle_timeout`](Self::handle_timeout) must be called at the latest. A packet does not
    /// move it forward at once: a deadline that comes early costs one call.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.endpoint.line() {
            Line::Open => self.watch.deadline(),
            Line::Closing => None,
            Line::Down => {
                let end = match self.expiry.end {
                    End::At(end) => Some(end),
                    End::Open | End::Past => None,
                };
                earliest(self.will.deadline(), end)
            }
        }
    }

    /// The session as a value, also in the middle of its flows. A QoS 2 message that was handed over
    /// counts as the owner's, whether it is completed or not. See [`ServerState`] for its times.
    pub fn export(&self) -> ServerState<M> {
        ServerState {
            session: SessionState::of(&self.endpoint.outbound, self.endpoint.inbound.held()),
            session_expiry_interval: self.expiry.granted,
            ends_at: self.ends_at(),
            will: self.will(),
        }
    }

    /// A session without a connection, as it was exported or stored. One that was connected then
    /// counts as disconnected `now`.
    ///
    /// # Errors
    ///
    /// The state cannot be what a session left: see [`SessionState::check`].
    pub fn restore(
        now: Instant,
        state: ServerState<M>,
        settings: Settings,
    ) -> Result<Self, Refused> {
        let ServerState {
            session,
            session_expiry_interval,
            ends_at,
            will,
        } = state;
        let mut endpoint = Endpoint::new(Sender::Server, Version::V5, settings);
        endpoint.restore(session)?;
        let granted = session_expiry_interval;
        let end = match (ends_at, granted) {
            (Some(end), _) => End::At(end),
            (None, u32::MAX) => End::Open,
            (None, seconds) => End::At(now + Duration::from_secs(seconds.into())),
        };
        let mut will = Testament::restore(will);
        will.connection_lost(
            now,
            match end {
                End::At(end) => Some(end),
                End::Open | End::Past => None,
            },
        );
        Ok(Self {
            endpoint,
            watch: Watch::new(now, 0),
            will,
            expiry: Expiry {
                asked: granted,
                granted,
                maximum: u32::MAX,
                end,
            },
            auth: None,
            requests: Lazy::new(),
            drops: Drops::default(),
        })
    }
}
