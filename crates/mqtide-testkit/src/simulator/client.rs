//! The client's end: a session, a store, and an application of its own.

use std::collections::{HashMap, HashSet};

use mqtide_codec::{QoS, ReasonCode, Subscription, Version};
use mqtide_session::{
    AckToken, ClientEvent, ClientSession, Delivery, DeliveryKey, Instant, Message, Operation,
    Outcome, ReceivedPublish, StoreOp, Ticket,
};

use super::audit::Audit;
use super::disk::Disk;
use super::ledger::{Broken, Number, Settlement, Way};
use super::message;
use super::pipe::Arrival;
use super::scene::{Line, LinkId, Scene};
use super::store::Store;
use super::terms::Terms;

/// The client, its store and its application.
#[derive(Debug)]
pub(super) struct Client {
    terms: Terms,
    session: ClientSession<Message>,
    line: Option<Line>,
    /// Whether the server has accepted this session once: before, MQTT 5.0 clients have nothing to
    /// resume.
    begun: bool,
    /// When to dial, while there is no connection.
    dial_at: Instant,
    store: Store<Entry>,
    transaction: Vec<Entry>,
    disk: Disk,
    chores: Vec<(Instant, Chore)>,
    /// When the application takes the last QoS 2 message.
    taken_at: Instant,
    names: HashMap<DeliveryKey, Number>,
    requests: HashSet<Operation>,
    audit: Audit,
    room_at: Option<Instant>,
}

/// A step of a transaction.
#[derive(Debug)]
enum Entry {
    /// A session begins, or goes on.
    Begin,
    /// The server may have discarded the session.
    End,
    Operation(Ticket, StoreOp<Message>),
    /// The application has a message, and will complete the token, if there is one left.
    Arrival(Number, Option<AckToken>),
}

/// What the application will do.
#[derive(Debug)]
enum Chore {
    /// Acknowledge a QoS 1 message that is durable.
    Complete(AckToken),
    /// Take a QoS 2 message over: storing it and completing it are one transaction.
    Take(Number, AckToken),
}

impl Client {
    pub(super) fn new(terms: Terms) -> Self {
        let slowest_store = terms.slowest_store;
        Self {
            session: ClientSession::new(terms.client_settings()),
            terms,
            line: None,
            begun: false,
            dial_at: Instant::ZERO,
            store: Store::new(slowest_store),
            transaction: Vec::new(),
            disk: Disk::default(),
            chores: Vec::new(),
            taken_at: Instant::ZERO,
            names: HashMap::new(),
            requests: HashSet::new(),
            audit: Audit::new("client"),
            room_at: None,
        }
    }

    /// When something happens here.
    pub(super) fn next_event(&self, scene: &Scene) -> Option<Instant> {
        let arrival = match &self.line {
            Some(line) => scene.next_arrival(line.link, Way::Down),
            None => Some(self.dial_at),
        };
        let chores = self.chores.iter().map(|(at, _)| *at).min();
        let others = [
            arrival,
            chores,
            self.session.poll_timeout(),
            self.store.next_durable(),
            self.room_at,
        ];
        others.into_iter().flatten().min()
    }

    /// Whether everything that was to be done is done.
    pub(super) fn is_quiet(&self) -> bool {
        self.session.is_online()
            && self.session.is_settled()
            && self.requests.is_empty()
            && self.chores.is_empty()
            && self.store.next_durable().is_none()
    }

    /// Does everything that is due. Gives the connection that was dialled, if one was.
    pub(super) fn step(&mut self, scene: &mut Scene) -> Result<Option<LinkId>, Broken> {
        self.finish_transactions(scene);
        self.do_chores(scene)?;
        self.tick(scene)?;
        self.read_line(scene)?;
        let dialled = self.dial(scene)?;
        self.flush(scene)?;
        Ok(dialled)
    }

    /// The application publishes.
    pub(super) fn publish(&mut self, qos: QoS, scene: &mut Scene) -> Result<(), Broken> {
        if qos == QoS::AtMostOnce && !self.session.is_online() {
            return Ok(());
        }
        let number = scene.up.next();
        let message = message::numbered(number, &mut scene.random);
        scene.note(|| format!("client publishes {number} at {qos:?}"));
        let operation = self.session.publish(scene.now, Delivery::new(message, qos));
        let operation = operation.map_err(|refused| Broken(format!("publish: {refused}")))?;
        scene.up.hand_over(qos);
        self.names.insert(operation.key(), number);
        self.flush(scene)
    }

    /// The application subscribes, if it can.
    pub(super) fn subscribe(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        let subscriptions = vec![Subscription::new("plant/#", QoS::ExactlyOnce)];
        if let Ok(operation) = self.session.subscribe(subscriptions, None) {
            self.requests.insert(operation);
        }
        self.flush(scene)
    }

    /// The network breaks.
    pub(super) fn cut(&self, scene: &mut Scene) {
        if let Some(line) = &self.line {
            scene.note(|| format!("the network cuts #{}", line.link));
            scene.cut(line.link);
        }
    }

    /// The machine stops and starts again with what its disk has.
    pub(super) fn crash(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        scene.note(|| "client crashes".to_owned());
        for entry in self.store.crash(&mut scene.random) {
            self.make_durable(entry, scene);
        }
        self.transaction.clear();
        self.start(scene)
    }

    /// The machine stops in good order, and starts again: nothing may differ between what it was and
    /// what its operations made of the disk.
    pub(super) fn restart(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        scene.note(|| "client restarts".to_owned());
        self.disconnected(scene)?;
        for (_, chore) in core::mem::take(&mut self.chores) {
            self.do_chore(chore)?;
        }
        self.flush(scene)?;
        for entry in self.store.drain() {
            self.make_durable(entry, scene);
        }
        self.disk.replace(self.session.export().session, "client")?;
        self.start(scene)
    }

    fn start(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        if let Some(line) = self.line.take() {
            scene.cut(line.link);
        }
        self.chores.clear();
        self.requests.clear();
        self.room_at = None;
        self.audit.crash();
        scene.up.restart();
        self.dial_at = message::later(scene);
        self.session = self.disk.restore_client(&self.terms)?;
        self.begun = self.disk.has_begun();
        Ok(())
    }

    pub(super) fn check_disk(&self) -> Result<(), Broken> {
        self.disk.check_empty("the client")
    }

    fn finish_transactions(&mut self, scene: &mut Scene) {
        while let Some(transaction) = self.store.poll(scene.now) {
            let ticket = transaction.iter().rev().find_map(Entry::ticket);
            for entry in transaction {
                if let Some(token) = self.make_durable(entry, scene) {
                    let at = message::when(&self.terms, scene);
                    self.chores.push((at, Chore::Complete(token)));
                }
            }
            if let Some(ticket) = ticket {
                self.session.handle_durable(ticket);
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
            Entry::End => {
                self.disk.end();
                None
            }
            Entry::Operation(_, operation) => {
                if let StoreOp::Enqueue { message, .. } = &operation {
                    scene.up.promise(message::number(&message.payload));
                }
                self.disk.apply(operation);
                None
            }
            Entry::Arrival(number, token) => {
                scene.down.arrive(number);
                token
            }
        }
    }

    fn do_chores(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        let now = scene.now;
        let due: Vec<_> = self.chores.extract_if(.., |(at, _)| *at <= now).collect();
        due.into_iter()
            .try_for_each(|(_, chore)| self.do_chore(chore))
    }

    fn do_chore(&mut self, chore: Chore) -> Result<(), Broken> {
        let token = match chore {
            Chore::Complete(token) => token,
            Chore::Take(number, token) => {
                self.transaction.push(Entry::Arrival(number, None));
                token
            }
        };
        let done = self.session.complete(token, ReasonCode::Success, None);
        done.map_err(|refused| Broken(format!("complete: {refused}")))
    }

    fn tick(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        self.room_at = self.room_at.filter(|at| *at > scene.now);
        self.session.handle_timeout(scene.now);
        self.handle_events(scene)
    }

    fn dial(&mut self, scene: &mut Scene) -> Result<Option<LinkId>, Broken> {
        if self.line.is_some() || scene.now < self.dial_at {
            return Ok(None);
        }
        let fresh = !self.begun && self.terms.version == Version::V5;
        let clean_start = fresh || scene.random.percent(self.terms.clean_starts);
        // The server has discarded its half, or will: until it says so, there is no way back.
        if clean_start {
            self.begun = false;
            self.transaction.push(Entry::End);
        }
        let connect = self.terms.connect(clean_start, &mut scene.random);
        let link = scene.dial();
        self.line = Some(Line::client(link, connect.version));
        let done = self.session.handle_connected(scene.now, connect);
        done.map_err(|refused| Broken(format!("handle_connected: {refused}")))?;
        Ok(Some(link))
    }

    fn read_line(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        while let Some(line) = &mut self.line {
            match scene.read(line.link, Way::Down) {
                None => break,
                Some(Arrival::Bytes(bytes)) => line.fill(&bytes),
                Some(Arrival::End) => {
                    self.read_packets(scene)?;
                    return self.disconnected(scene);
                }
            }
        }
        self.read_packets(scene)
    }

    fn read_packets(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        while let Some(packet) = self.line.as_mut().map_or(Ok(None), Line::next)? {
            self.audit.read(&packet);
            let taken = self.session.handle_packet(scene.now, packet);
            taken.map_err(|violation| {
                Broken(format!("the client accuses the server: {violation}"))
            })?;
            self.handle_events(scene)?;
        }
        Ok(())
    }

    fn handle_events(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        while let Some(event) = self.session.poll_event() {
            self.handle(event, scene)?;
        }
        Ok(())
    }

    fn handle(&mut self, event: ClientEvent, scene: &mut Scene) -> Result<(), Broken> {
        match event {
            ClientEvent::Connected(connack) => {
                let receive_maximum = self.session.peer_limits().receive_maximum;
                // MQTT 3.1 does not say whether the session is present.
                let present = connack.session_present || self.session.in_flight() > 0;
                self.audit.connect(receive_maximum, present);
                self.begun = true;
                self.transaction.push(Entry::Begin);
                Ok(())
            }
            ClientEvent::Publish(received) => {
                self.arrive(received, scene);
                Ok(())
            }
            ClientEvent::Settled(operation, outcome) => self.settle(operation, outcome, scene),
            ClientEvent::Disconnected(_) | ClientEvent::TimedOut => self.disconnected(scene),
            other => Err(Broken(format!("the server brings {other:?}"))),
        }
    }

    fn arrive(&mut self, received: ReceivedPublish, scene: &mut Scene) {
        let number = message::number(&received.publish.payload);
        match received.ack {
            Some(token) if token.qos() == QoS::ExactlyOnce => {
                // It takes them in order, or the order would be its own doing.
                self.taken_at = message::when(&self.terms, scene).max(self.taken_at);
                self.chores
                    .push((self.taken_at, Chore::Take(number, token)));
            }
            token => self.transaction.push(Entry::Arrival(number, token)),
        }
    }

    fn settle(
        &mut self,
        operation: Operation,
        outcome: Outcome,
        scene: &mut Scene,
    ) -> Result<(), Broken> {
        if self.requests.remove(&operation) {
            return Ok(());
        }
        let Some(number) = self.names.get(&operation.key()).copied() else {
            return Err(Broken(format!(
                "{operation:?} settles, and is none or has settled: {outcome:?}"
            )));
        };
        scene.note(|| format!("client learns of {number}: {outcome:?}"));
        let settlement = match outcome {
            Outcome::Delivered(_) => Settlement::Delivered,
            Outcome::Refused(_) | Outcome::Dropped(_) => Settlement::Refused,
            Outcome::Unknown => Settlement::Unknown,
            other => return Err(Broken(format!("{number} settles by {other:?}"))),
        };
        scene.up.settle(number, settlement)
    }

    fn disconnected(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        let Some(line) = self.line.take() else {
            return Ok(());
        };
        scene.note(|| format!("client leaves #{}", line.link));
        scene.close(line.link, Way::Up);
        self.session.handle_disconnected();
        self.dial_at = message::later(scene);
        self.handle_events(scene)
    }

    /// Writes packets while the network has room, and hands the transaction in.
    fn flush(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        self.write(scene)?;
        while let Some((ticket, operation)) = self.session.poll_store() {
            self.transaction.push(Entry::Operation(ticket, operation));
        }
        let transaction = core::mem::take(&mut self.transaction);
        self.store.write(scene.now, transaction, &mut scene.random);
        Ok(())
    }

    fn write(&mut self, scene: &mut Scene) -> Result<(), Broken> {
        let Some(line) = &self.line else {
            return Ok(());
        };
        if self.room_at.is_some() {
            return Ok(());
        }
        let mut room = message::room(scene);
        while room > 0 {
            let Some(outgoing) = self.session.poll_transmit(scene.now) else {
                break;
            };
            let packet = outgoing.into_packet();
            self.audit.wrote(&packet)?;
            line.write(scene, &packet)?;
            room -= 1;
        }
        if room == 0 {
            self.room_at = Some(message::soon(scene));
        }
        let done = self.session.is_closing() && room > 0;
        self.handle_events(scene)?;
        if done {
            self.disconnected(scene)
        } else {
            Ok(())
        }
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
