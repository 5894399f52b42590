//! The server's end: a broker of one client, with a store and an application of its own.

use std::collections::HashMap;

use core::time::Duration;

use mqtide_codec::{Packet, QoS, ReasonCode};
use mqtide_session::{
    AckToken, DeliverOutcome, Delivery, DeliveryKey, Handshake, Instant, Message, ReceivedPublish,
    ServerEvent, ServerSession, Settled, StoreOp, Ticket,
};

use super::audit::Audit;
use super::disk::Disk;
use super::ledger::{Broken, Number, Settlement, Way};
use super::message;
use super::pipe::Arrival;
use super::scene::{Line, Scene};
use super::store::Store;
use super::terms::Terms;

/// The server, its store and its application.
#[derive(Debug)]
pub(super) struct Server {
    terms: Terms,
    session: Option<ServerSession<Message>>,
    /// The connection that the session is on.
    line: Option<Line>,
    /// Connections from which no CONNECT has come.
    lobby: Vec<(Line, Handshake)>,
    store: Store<Entry>,
    transaction: Vec<Entry>,
    disk: Disk,
    /// Messages that the application will complete at their time.
    chores: Vec<(Instant, AckToken)>,
    names: HashMap<DeliveryKey, Number>,
    audit: Audit,
    /// When the network has room again.
    room_at: Option<Instant>,
}

/// A step of a transaction.
#[derive(Debug)]
enum Entry {
    /// The session begins, or goes on.
    Begin,
    Operation(Ticket, StoreOp<Message>),
    /// The application has a message, and will complete the token.
    Arrival(Number, Option<AckToken>),
}

impl Server {
    pub(super) fn new(terms: Terms) -> Self {
        let slowest_store = terms.slowest_store;
        Self {
            terms,
            session: None,
            line: None,
            lobby: Vec::new(),
            store: Store::new(slowest_store),
            transaction: Vec::new(),
            disk: Disk::default(),
            chores: Vec::new(),
            names: HashMap::new(),
            audit: Audit::new("server"),
            room_at: None,
        }
    }

    /// When something happens here.
    pub(super) fn next_event(&self, scene: &Scene) -> Option<Instant> {
        let lines = self
            .line
            .iter()
            .chain(self.lobby.iter().map(|(line, _)| line));
        let arrivals = lines.filter_map(|line| scene.next_arrival(line.link, Way::Up));
        let chores = self.chores.iter().map(|(at, _)| *at);
        let session = self.session.as_ref().and_then(ServerSession::poll_timeout);
        let handshakes = self
            .lobby
            .iter()
            .map(|(_, handshake)| handshake.poll_timeout());
        let others = session
            .into_iter()
            .chain(self.store.next_durable())
            .chain(self.room_at);
        arrivals.chain(chores).chain(handshakes).chain(others).min()
    }

    /// Whether everything that was to be done is done.
    pub(super) fn is_quiet(&self) -> bool {
        let empty = |session: &ServerSession<Message>| session.queued() + session.in_flight() == 0;
        self.session.as_ref().is_none_or(empty)
            && self.chores.is_empty()
            && self.store.next_durable().is_none()
    }

    /// Does everything that is due.
    pub(super) fn step(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        self.finish_transactions(scene);
        self.do_chores(scene)?;
        self.tick(scene)?;
        self.read_lobby(scene)?;
        self.read_line(scene)?;
        self.flush(scene)
    }

    /// A client dials.
    pub(super) fn admit(&mut self, line: Line, now: Instant) {
        self.lobby
            .push((line, Handshake::new(now, Duration::from_secs(10))));
    }

    /// The application has a message for the client.
    pub(super) fn deliver(&mut self, qos: QoS, scene: &mut Scene) -> Result<(), Broken> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        if !session.is_connected() && qos == QoS::AtMostOnce || session.has_ended() {
            return Ok(());
        }
        let number = scene.down.next();
        let message = message::numbered(number, &mut scene.random);
        scene.note(|| format!("server delivers {number} at {qos:?}"));
        match session.deliver(Delivery::new(message, qos)) {
            DeliverOutcome::Queued { key, .. } => {
                scene.down.hand_over(qos);
                self.names.insert(key, number);
                self.flush(scene)
            }
            DeliverOutcome::Dropped(reason) => {
                Err(Broken(format!("the server dropped {number}: {reason:?}")))
            }
        }
    }

    /// The machine stops and starts again with what its disk has.
    pub(super) fn crash(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        scene.note(|| "server crashes".to_owned());
        for entry in self.store.crash(&mut scene.random) {
            self.make_durable(entry, scene);
        }
        self.transaction.clear();
        self.start(scene)
    }

    /// The machine stops in good order, and starts again: nothing may differ between what it was and
    /// what its operations made of the disk.
    pub(super) fn restart(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        scene.note(|| "server restarts".to_owned());
        self.hang_up(scene);
        if let Some(session) = &mut self.session {
            let _ = session.handle_disconnected(scene.now);
        }
        self.flush(scene)?;
        for entry in self.store.drain() {
            self.make_durable(entry, scene);
        }
        if let Some(session) = &self.session {
            self.disk.replace(session.export().session, "server")?;
        }
        self.start(scene)
    }

    fn start(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        self.hang_up(scene);
        for (line, _) in self.lobby.drain(..) {
            scene.cut(line.link);
        }
        self.chores.clear();
        self.room_at = None;
        self.audit.crash();
        scene.down.restart();
        self.session = self.disk.restore_server(scene.now, &self.terms)?;
        if self.session.is_none() {
            self.forget_messages(scene);
        }
        Ok(())
    }

    pub(super) fn check_disk(&self) -> Result<(), Broken> {
        self.disk.check_empty("the server")
    }

    fn hang_up(&mut self, scene: &mut Scene) {
        if let Some(line) = self.line.take() {
            scene.cut(line.link);
        }
    }

    fn finish_transactions(&mut self, scene: &mut Scene) {
        while let Some(transaction) = self.store.poll(scene.now) {
            let ticket = transaction.iter().rev().find_map(Entry::ticket);
            for entry in transaction {
                if let Some(token) = self.make_durable(entry, scene) {
                    self.chores.push((message::when(&self.terms, scene), token));
                }
            }
            if let (Some(session), Some(ticket)) = (&mut self.session, ticket) {
                session.handle_durable(ticket);
            }
        }
    }

    /// Applies a step to the disk. Gives back the token that may be completed now.
    fn make_durable(&mut self, entry: Entry, scene: &mut Scene) -> Option<AckToken> {
        match entry {
            Entry::Begin => {
                self.disk.begin();
                None
            }
            Entry::Operation(_, operation) => {
                if let StoreOp::Enqueue { message, .. } = &operation {
                    scene.down.promise(message::number(&message.payload));
                }
                self.disk.apply(operation);
                None
            }
            Entry::Arrival(number, token) => {
                scene.up.arrive(number);
                token
            }
        }
    }

    fn do_chores(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        let now = scene.now;
        let due: Vec<_> = self.chores.extract_if(.., |(at, _)| *at <= now).collect();
        for (_, token) in due {
            if let Some(session) = &mut self.session {
                let done = session.complete(token, ReasonCode::Success, None);
                done.map_err(|refused| Broken(format!("complete: {refused}")))?;
            }
        }
        Ok(())
    }

    fn tick(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        let now = scene.now;
        self.lobby
            .retain(|(_, handshake)| handshake.poll_timeout() > now);
        self.room_at = self.room_at.filter(|at| *at > now);
        let event = self
            .session
            .as_mut()
            .and_then(|session| session.handle_timeout(now));
        match event {
            None => Ok(()),
            Some(ServerEvent::KeepAliveTimeout) => {
                self.flush(scene)?;
                self.disconnected(scene);
                Ok(())
            }
            Some(other) => Err(Broken(format!("the server's time brings {other:?}"))),
        }
    }

    fn read_lobby(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        for (mut line, handshake) in core::mem::take(&mut self.lobby) {
            let mut ended = false;
            while let Some(arrival) = scene.read(line.link, Way::Up) {
                match arrival {
                    Arrival::Bytes(bytes) => line.fill(&bytes),
                    Arrival::End => {
                        ended = true;
                        break;
                    }
                }
            }
            match line.next()? {
                Some(packet) => self.accept(line, handshake, packet, scene)?,
                None if ended => {}
                None => self.lobby.push((line, handshake)),
            }
        }
        Ok(())
    }

    fn accept(
        &mut self,
        mut line: Line,
        handshake: Handshake,
        packet: Packet,
        scene: &mut Scene,
    ) -> Result<(), Broken> {
        let request = handshake.handle_packet(packet).map_err(violated)?;
        line.set_version(request.connect().version);
        self.take_over(scene)?;
        self.flush(scene)?;
        let accepted = request.accept(
            scene.now,
            self.terms.acceptance(&mut scene.random),
            self.session.take(),
        );
        let (present, session) = (accepted.session_present, accepted.session);
        scene.note(|| format!("server accepts #{}, session present: {present}", line.link));
        if !present {
            self.forget_messages(scene);
        }
        self.transaction.push(Entry::Begin);
        self.audit
            .connect(session.peer_limits().receive_maximum, present);
        self.session = Some(session);
        self.line = Some(line);
        Ok(())
    }

    fn take_over(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        let Some(line) = self.line.take() else {
            return Ok(());
        };
        if let Some(packet) = self.session.as_mut().and_then(ServerSession::take_over) {
            line.write(scene, &packet)?;
        }
        scene.close(line.link, Way::Down);
        Ok(())
    }

    fn read_line(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        while let Some(line) = &mut self.line {
            match scene.read(line.link, Way::Up) {
                None => break,
                Some(Arrival::Bytes(bytes)) => line.fill(&bytes),
                Some(Arrival::End) => {
                    self.read_packets(scene)?;
                    self.disconnected(scene);
                    return Ok(());
                }
            }
        }
        self.read_packets(scene)
    }

    fn read_packets(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        while let Some(packet) = self.line.as_mut().map_or(Ok(None), Line::next)? {
            self.audit.read(&packet);
            let Some(session) = &mut self.session else {
                return Ok(());
            };
            let event = session.handle_packet(scene.now, packet).map_err(violated)?;
            if let Some(event) = event {
                self.handle(event, scene)?;
            }
        }
        Ok(())
    }

    fn handle(&mut self, event: ServerEvent, scene: &mut Scene) -> Result<(), Broken> {
        match event {
            ServerEvent::Publish(received) => {
                self.arrive(received);
                Ok(())
            }
            ServerEvent::Subscribe(request) => {
                let reasons = vec![ReasonCode::Success; request.subscriptions.len()];
                let session = self.session.as_mut();
                let done = session.map_or(Ok(()), |session| {
                    session.suback(request.packet_identifier, reasons, None)
                });
                done.map_err(|refused| Broken(format!("suback: {refused}")))
            }
            ServerEvent::Settled(settled) => self.settle(settled, scene),
            ServerEvent::Disconnected(_) => {
                self.disconnected(scene);
                Ok(())
            }
            other => Err(Broken(format!("the client brings {other:?}"))),
        }
    }

    /// The message and the operations that it causes are one transaction: both are handed in by the
    /// next [`flush`](Self::flush).
    fn arrive(&mut self, received: ReceivedPublish) {
        let number = message::number(&received.publish.payload);
        self.transaction.push(Entry::Arrival(number, received.ack));
    }

    fn settle(&mut self, settled: Settled, scene: &mut Scene) -> Result<(), Broken> {
        let Some(number) = self.names.get(&settled.key).copied() else {
            return Err(Broken(format!("settled without a message: {settled:?}")));
        };
        let settlement = match settled.reason.is_error()
            && settled.reason != ReasonCode::PacketIdentifierNotFound
        {
            true => Settlement::Refused,
            false => Settlement::Delivered,
        };
        scene.down.settle(number, settlement)
    }

    fn disconnected(&mut self, scene: &mut Scene) {
        let Some(line) = self.line.take() else { return };
        scene.close(line.link, Way::Down);
        let departure = self
            .session
            .as_mut()
            .map(|session| session.handle_disconnected(scene.now));
        debug_assert!(departure.is_none_or(|departure| !departure.ended));
    }

    /// The session is gone, and with it what the client did not acknowledge. It may come back if the
    /// machine stops before that is durable.
    fn forget_messages(&mut self, scene: &mut Scene) {
        for number in self.names.values() {
            scene.down.withdraw(*number);
        }
    }

    /// Writes packets while the network has room, and hands the transaction in.
    pub(super) fn flush(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        self.write(scene)?;
        if let Some(session) = &mut self.session {
            while let Some((ticket, operation)) = session.poll_store() {
                self.transaction.push(Entry::Operation(ticket, operation));
            }
        }
        let transaction = core::mem::take(&mut self.transaction);
        self.store.write(scene.now, transaction, &mut scene.random);
        Ok(())
    }

    fn write(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        let (Some(session), Some(line)) = (&mut self.session, &self.line) else {
            return Ok(());
        };
        if self.room_at.is_some() {
            return Ok(());
        }
        for _ in 0..message::room(scene) {
            let Some(outgoing) = session.poll_transmit(scene.now) else {
                break;
            };
            let packet = outgoing.into_packet();
            self.audit.wrote(&packet)?;
            line.write(scene, &packet)?;
        }
        if session.has_transmit() {
            self.room_at = Some(message::soon(scene));
        }
        if session.is_closing() && !session.has_transmit() {
            self.disconnected(scene);
        }
        Ok(())
    }
}

impl Entry {
    fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::Operation(ticket, _) => Some(*ticket),
            _ => None,
        }
    }
}

fn violated(violation: mqtide_session::Violation) -> Broken {
    Broken(format!("the server accuses the client: {violation}"))
}
