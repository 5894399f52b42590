//! From accept to CONNACK.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use mqtide_codec::{
    Connack, Connect, DecodeError, Frame, Framer, Leniency, Packet, ReasonCode, Version, decode,
    decode_connect, encode,
};
use mqtide_session::{AuthenticationStep as Step, ConnectRequest, Handshake, Refusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::input::{Input, is_reserved};
use super::link::{Doorbell, Link};
use super::online::{Hooked, Online};
#[cfg(feature = "ws")]
use super::transport::Stream;
use super::transport::Transport;
use crate::admission::Admission;
use crate::core::Core;
use crate::hooks::{AuthenticationStep, ClientInfo, Credentials, PublishRequest};
use crate::life::Opening;
use crate::listener::Peer;
#[cfg(feature = "ws")]
use crate::listener::{ListenProtocol, WsStream};
use crate::store::Journal;
use crate::worker::Worker;

/// Brings a connection to the point where it has a session, if it comes to that.
pub(super) async fn run(
    core: Arc<Core>,
    worker: Arc<Worker>,
    transport: Transport,
    peer: Peer,
    mut admission: Admission,
) -> Option<Online> {
    let patience = core.config.limits.connect_timeout;
    let connecting = Connecting {
        core: Arc::clone(&core),
        peer,
        framer: framer(core.config.limits.connect_packet_size),
        buffer: BytesMut::new(),
    };
    let mut stopping = core.stopping();
    let decided = tokio::select! {
        decided = timeout(patience, connecting.decide(transport)) => decided.ok()??,
        _ = stopping.wait_for(|stopping| *stopping) => return None,
    };
    admission.complete();
    decided.go_online(core, worker, admission).await
}

fn framer(connect_packet_size: u32) -> Framer {
    let mut framer = Framer::unknown_version();
    framer.set_max_packet_size(connect_packet_size);
    framer
}

/// A connection that has not been decided on.
struct Connecting {
    core: Arc<Core>,
    peer: Peer,
    framer: Framer,
    buffer: BytesMut,
}

/// A client that is let in.
struct Decided {
    transport: Transport,
    request: ConnectRequest,
    info: ClientInfo,
    assigned: Option<ByteString>,
    authentication_data: Option<Bytes>,
    /// What the client has sent behind its CONNECT.
    rest: BytesMut,
}

/// What authentication adds to a CONNECT.
#[derive(Default)]
struct Authenticated {
    user_name: Option<Arc<str>>,
    data: Option<Bytes>,
}

impl Connecting {
    /// Reads and judges the CONNECT. `None` if the client is not let in; it has been told so then, if it may be.
    async fn decide(mut self, transport: Transport) -> Option<Decided> {
        let mut transport = self.open(transport).await.ok()?;
        let frame = self.read_frame(&mut transport).await?;
        let connect = match decode_connect(&frame, Leniency::NONE) {
            Ok(connect) => connect,
            Err(error) => {
                self.refuse_undecodable(&mut transport, &frame, error).await;
                return None;
            }
        };
        let handshake = Handshake::new(self.core.now(), self.core.config.limits.connect_timeout);
        let mut request = handshake.handle_packet(connect.into()).ok()?;
        match self.judge(&mut transport, &mut request).await {
            Ok((info, assigned, authenticated)) => Some(Decided {
                transport,
                request,
                info,
                assigned,
                authentication_data: authenticated.data,
                rest: self.buffer,
            }),
            Err(Rejection::Refuse(reason)) => {
                tracing::debug!(peer = %self.peer.address, ?reason, "CONNECT refused");
                refuse(&mut transport, request, reason).await;
                None
            }
            Err(Rejection::Close) => None,
        }
    }

    async fn open(&self, transport: Transport) -> io::Result<Transport> {
        match (transport, self.peer.protocol) {
            #[cfg(feature = "ws")]
            (Transport::Tcp(stream), ListenProtocol::WebSocket) => {
                let stream = WsStream::accept(stream, &self.peer.path).await?;
                Ok(Transport::Stream(Stream::new(stream)))
            }
            (transport, _) => Ok(transport),
        }
    }

    /// The next packet; `None` if what comes is none, is too long, or nothing comes.
    async fn read_frame(&mut self, transport: &mut Transport) -> Option<Frame> {
        loop {
            match self.framer.next_frame(&mut self.buffer) {
                Ok(Some(frame)) => return Some(frame),
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(peer = %self.peer.address, %error, "no CONNECT");
                    return None;
                }
            }
            self.buffer.reserve(READ_STEP);
            if transport.read_buf(&mut self.buffer).await.ok()? == 0 {
                return None;
            }
        }
    }

    /// Everything that is asked before a session is looked at: a client that is not let in changes nothing.
    async fn judge(
        &mut self,
        transport: &mut Transport,
        request: &mut ConnectRequest,
    ) -> Result<(ClientInfo, Option<ByteString>, Authenticated), Rejection> {
        let assigned = self.check(request.connect())?;
        let client_id: Arc<str> = match &assigned {
            Some(assigned) => (**assigned).into(),
            None => (*request.connect().client_identifier).into(),
        };
        let authenticated = self.authenticate(transport, request, &client_id).await?;
        let user_name = request.connect().user_name.as_deref().map(Arc::from);
        let info = ClientInfo {
            client_id,
            user_name: authenticated.user_name.clone().or(user_name),
            peer: Some(self.peer.address),
            loopback: self.peer.loopback,
        };
        self.authorize_will(&info, request.connect()).await?;
        Ok((info, assigned, authenticated))
    }

    /// Checks what the broker does not offer, and gives a name to a client that has none.
    fn check(&self, connect: &Connect) -> Result<Option<ByteString>, Rejection> {
        let capabilities = &self.core.config.capabilities;
        if let Some(will) = &connect.will {
            if will.qos.bits() > capabilities.maximum_qos {
                return Err(Rejection::Refuse(ReasonCode::QoSNotSupported));
            }
            if will.retain && !capabilities.retain_available {
                return Err(Rejection::Refuse(ReasonCode::RetainNotSupported));
            }
            let name = will.topic.as_name();
            if is_reserved(name) || self.core.topic_limits.check_name(name).is_err() {
                return Err(Rejection::Refuse(ReasonCode::TopicNameInvalid));
            }
        }
        if !connect.client_identifier.is_empty() {
            return Ok(None);
        }
        match connect.version {
            Version::V5 => Ok(Some(self.core.assign_client_id())),
            Version::V311 if connect.clean_start => Ok(Some(self.core.assign_client_id())),
            _ => Err(Rejection::Refuse(ReasonCode::ClientIdentifierNotValid)),
        }
    }

    async fn authenticate(
        &mut self,
        transport: &mut Transport,
        request: &mut ConnectRequest,
        client_id: &str,
    ) -> Result<Authenticated, Rejection> {
        let authenticator = Arc::clone(&self.core.hooks.authenticator);
        let connect = request.connect();
        let credentials = Credentials {
            client_id,
            user_name: connect.user_name.as_deref(),
            password: connect.password.as_deref(),
            peer: self.peer.address,
            loopback: self.peer.loopback,
        };
        let properties = connect.properties.as_deref();
        let Some(method) = properties.and_then(|p| p.authentication_method.as_deref()) else {
            let user_name = authenticator.authenticate(&credentials).await?;
            return Ok(Authenticated {
                user_name,
                data: None,
            });
        };
        let mut exchange = authenticator
            .exchange(method, &credentials)
            .ok_or(Rejection::Refuse(ReasonCode::BadAuthenticationMethod))?;
        let mut data = properties.and_then(|p| p.authentication_data.clone());
        loop {
            match exchange.step(data).await? {
                AuthenticationStep::Success { data, user_name } => {
                    return Ok(Authenticated { user_name, data });
                }
                AuthenticationStep::Continue(challenge) => {
                    let packet = request.challenge(challenge).map_err(|_| Rejection::Close)?;
                    write(transport, &packet, Version::V5).await;
                    data = self.answer(transport, request).await?;
                }
            }
        }
    }

    /// The client's next step of an authentication.
    async fn answer(
        &mut self,
        transport: &mut Transport,
        request: &mut ConnectRequest,
    ) -> Result<Option<Bytes>, Rejection> {
        self.framer.set_version(Version::V5);
        let frame = self.read_frame(transport).await.ok_or(Rejection::Close)?;
        let packet =
            decode(frame, Version::V5).map_err(|error| Rejection::Refuse(error.reason()))?;
        match request.handle_packet(packet) {
            Ok(Step::Answer(auth)) => Ok(auth.authentication_data),
            Ok(_) => Err(Rejection::Close),
            Err(violation) => Err(Rejection::Refuse(violation.reason())),
        }
    }

    async fn authorize_will(&self, info: &ClientInfo, connect: &Connect) -> Result<(), Rejection> {
        let Some(will) = &connect.will else {
            return Ok(());
        };
        let request = PublishRequest {
            topic: will.topic.as_str(),
            qos: will.qos,
            retain: will.retain,
            will: true,
        };
        match self.core.hooks.may_publish(info, &request).await {
            true => Ok(()),
            false => Err(Rejection::Refuse(ReasonCode::NotAuthorized)),
        }
    }

    /// Tells a client whose CONNECT cannot be read, as far as the version is known.
    async fn refuse_undecodable(
        &self,
        transport: &mut Transport,
        frame: &Frame,
        error: DecodeError,
    ) {
        tracing::debug!(peer = %self.peer.address, %error, "no CONNECT");
        let version = match error.refusal_version() {
            Some(version) => version,
            None if is_v5_connect(frame) => Version::V5,
            None => return,
        };
        let reason = error.reason();
        write(transport, &Connack::refused(reason).into(), version).await;
        let _ = transport.shutdown().await;
    }
}

/// Whether a packet begins like a CONNECT of MQTT 5.0: its sender can read a reason code.
fn is_v5_connect(frame: &Frame) -> bool {
    frame.packet_type() == mqtide_codec::PacketType::Connect
        && frame.body().starts_with(b"\x00\x04MQTT\x05")
}

/// How a client is not let in.
enum Rejection {
    /// With a CONNACK, if its version has one for the reason.
    Refuse(ReasonCode),
    /// Without a word.
    Close,
}

impl From<crate::hooks::Refusal> for Rejection {
    fn from(refusal: crate::hooks::Refusal) -> Self {
        Rejection::Refuse(refusal.0)
    }
}

async fn refuse(transport: &mut Transport, request: ConnectRequest, reason: ReasonCode) {
    let version = request.connect().version;
    if let Some(connack) = request.refuse(Refusal::new(reason)) {
        write(transport, &connack, version).await;
    }
    let _ = transport.shutdown().await;
}

/// Writes a packet; a client that cannot be reached is noticed when it is read from.
async fn write(transport: &mut Transport, packet: &Packet, version: Version) {
    let mut bytes = Vec::new();
    if encode(packet, version, &mut bytes).is_ok() && transport.write_all(&bytes).await.is_ok() {
        let _ = transport.flush().await;
    }
}

impl Decided {
    async fn go_online(
        self,
        core: Arc<Core>,
        worker: Arc<Worker>,
        admission: Admission,
    ) -> Option<Online> {
        let Decided {
            mut transport,
            request,
            info,
            assigned,
            authentication_data,
            rest,
        } = self;
        let version = request.connect().version;
        if core.is_full_for(&info.client_id) {
            refuse(&mut transport, request, ReasonCode::QuotaExceeded).await;
            return None;
        }
        let is_failing = core.journal.as_ref().is_some_and(Journal::is_failing);
        if is_failing && asks_for_session(request.connect()) {
            refuse(&mut transport, request, ReasonCode::ServerUnavailable).await;
            return None;
        }
        let waker = std::future::poll_fn(|cx| std::task::Poll::Ready(cx.waker().clone())).await;
        let bell = Arc::new(Doorbell::new(waker));
        let (reader, writer) = transport.split();
        let hooks_ask = core.hooks.interest().any() || has_method(request.connect());
        let hooked = hooks_ask.then(|| {
            let info = Arc::new(info.clone());
            Box::new(Hooked {
                info,
                deferred: None,
                exchange: None,
            })
        });
        let opening = Opening {
            request,
            info,
            assigned,
            authentication_data,
            link: Link::new(writer, Arc::clone(&bell), version),
        };
        let (slot, epoch) = core.open(opening, &worker)?;
        let mut online = Online {
            input: Input::new(version, core.config.limits.packet_size, BytesMut::new()),
            core,
            worker,
            slot,
            epoch,
            reader,
            bell,
            is_blocked: false,
            is_deaf: false,
            is_waiting: false,
            hooked,
            _admission: admission,
        };
        online.begin_with(rest);
        Some(online)
    }
}

/// Whether the client wants a session that outlives its connection.
fn asks_for_session(connect: &Connect) -> bool {
    let properties = connect.properties.as_deref();
    match connect.version {
        Version::V5 => properties.is_some_and(|p| p.session_expiry_interval.unwrap_or(0) > 0),
        _ => !connect.clean_start,
    }
}

/// Whether the client has chosen enhanced authentication.
fn has_method(connect: &Connect) -> bool {
    connect
        .properties
        .as_deref()
        .is_some_and(|p| p.authentication_method.is_some())
}

/// The buffer of a connection that is connecting grows with what it sends.
const READ_STEP: usize = 1024;
