//! The client without its connection: the session machine, the subscriptions, and who waits for what.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use mqtide_codec::{Connack, Connect, Packet, QoS, ReasonCode, UserProperties, Version};
use mqtide_session::{
    ClientEvent, ClientSession, Delivery, Instant, Message, Operation, Outcome as Settlement,
    Refused, Violation,
};
use mqtide_topic::SubscriptionFilter;
use tokio::sync::oneshot;
use tokio::time::Instant as TokioInstant;

use crate::command::{
    CloseCommand, Command, Farewell, FilterRequest, PublishCommand, PublishReply,
    UnsubscribeCommand,
};
use crate::delivery::Deliveries;
use crate::error::{CloseError, ConnectError, SubscribeError, UnsubscribeError};
use crate::options::{Options, expiry_seconds};
use crate::publish::Outcome;
use crate::queue::{Queue, Room};
use crate::routes::Past;
use crate::translate::{
    disconnect, goodbye, identifier, not_sent, publish_result, refused, session, subscription,
};

/// Takes commands and packets in, and gives packets, answers and messages out. It knows no socket and no task.
pub(crate) struct Engine {
    session: ClientSession<Message>,
    deliveries: Deliveries,
    queue: Arc<Queue>,
    clock: Clock,
    publishes: HashMap<Operation, Publishing>,
    requests: HashMap<Operation, Request>,
    leaving: VecDeque<Leaving>,
    closing: Option<Closing>,
    window: u16,
    /// Whether a PINGREQ has been sent and not been answered.
    awaits_pingresp: bool,
    /// Whether the server's session is to end with this client, unless told otherwise.
    ends_session: bool,
}

/// A message that is not settled.
struct Publishing {
    qos: QoS,
    reply: PublishReply,
    room: Room,
}

/// A request that the server has not answered.
enum Request {
    Subscribe(u32),
    Unsubscribe(Leaving),
}

/// A filter that the server must forget, and who wants to know.
struct Leaving {
    filter: SubscriptionFilter,
    asked: Option<UnsubscribeCommand>,
}

/// The end, as asked for.
struct Closing {
    deadline: TokioInstant,
    farewell: Farewell,
    reply: Option<oneshot::Sender<Result<(), CloseError>>>,
}

/// What a packet or the time has brought about.
#[derive(Debug)]
pub(crate) enum Turn {
    /// The server has accepted the connection.
    Up(Arc<Connack>),
    /// The connection cannot go on.
    Down(ConnectError),
}

impl Engine {
    pub(crate) fn new(options: &Options, queue: Arc<Queue>) -> Self {
        let past = match options.clean_start {
            true => Past::None,
            false => Past::Possible,
        };
        Engine {
            session: session(options),
            deliveries: Deliveries::new(Arc::clone(&queue), rand::random(), past),
            queue,
            clock: Clock::start(),
            publishes: HashMap::new(),
            requests: HashMap::new(),
            leaving: VecDeque::new(),
            closing: None,
            window: options.receive_maximum.get(),
            awaits_pingresp: false,
            ends_session: options.session_expiry.is_none(),
        }
    }

    /// A network connection stands: CONNECT goes first.
    ///
    /// The server is told a Receive Maximum that the session does not know of: some brokers overstep it for a
    /// moment, and to stop reading ([`has_window`](Self::has_window)) bounds them as well as to hang up would.
    pub(crate) fn connect(&mut self, mut connect: Connect) -> Result<(), ConnectError> {
        if let Some(properties) = &mut connect.properties {
            properties.receive_maximum = None;
        }
        let refused = |error: Refused| ConnectError::Request(Arc::new(Box::new(error)));
        self.session
            .handle_connected(self.clock.now(), connect)
            .map_err(refused)
    }

    /// Takes in a packet of the server.
    pub(crate) fn handle_packet(&mut self, packet: Packet) -> Result<(), Violation> {
        self.awaits_pingresp &= packet != Packet::Pingresp;
        self.session.handle_packet(self.clock.now(), packet)
    }

    /// The network connection is gone.
    pub(crate) fn disconnected(&mut self) {
        self.session.handle_disconnected();
        self.awaits_pingresp = false;
        self.deliveries.disconnected();
        // Whatever is told now is no news about a connection.
        while self.next_turn().is_some() {}
    }

    /// Some time has passed.
    pub(crate) fn handle_timeout(&mut self) {
        self.session.handle_timeout(self.clock.now());
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub(crate) fn timeout(&self) -> Option<TokioInstant> {
        self.session.poll_timeout().map(|at| self.clock.at(at))
    }

    /// Whether the application can take more messages of QoS 1 and 2. A server that knows the window never gets
    /// beyond it, so reading goes on; one that does not know it, in MQTT 3.x, is stopped at it. Not while an
    /// answer is awaited, though: it may come behind messages of a continued session that nobody can take before.
    /// What the server leaves unacknowledged bounds them then.
    pub(crate) fn has_window(&self) -> bool {
        let unacknowledged = self.deliveries.unacknowledged();
        match self.session.version() {
            Version::V5 => unacknowledged <= self.window.into(),
            Version::V31 | Version::V311 => {
                unacknowledged < self.window.into() || !self.requests.is_empty()
            }
        }
    }

    /// The next packet to write, if any.
    pub(crate) fn next_packet(&mut self) -> Option<Packet> {
        let mut packet = self.session.poll_transmit(self.clock.now())?.into_packet();
        if let Packet::Connect(connect) = &mut packet
            && let Some(properties) = &mut connect.properties
        {
            properties.receive_maximum = NonZeroU16::new(self.window);
        }
        self.awaits_pingresp |= packet == Packet::Pingreq;
        Some(packet)
    }

    /// Whether a PINGREQ has been sent and not been answered: then a time-out would judge the server.
    pub(crate) fn awaits_pingresp(&self) -> bool {
        self.awaits_pingresp
    }

    /// Takes what the handles have asked for, and passes on as much of it as the session can take now.
    pub(crate) fn take_commands(&mut self) {
        self.complete_acks();
        while let Some(command) = self.queue.pop() {
            self.take(command);
        }
        if self.session.is_online() {
            self.send_requests();
            self.send_publishes();
        }
    }

    fn complete_acks(&mut self) {
        let mut acks = Vec::new();
        self.queue.take_acks(&mut acks);
        for token in acks {
            self.deliveries.acknowledged();
            // Success fits every acknowledgement.
            let _ = self.session.complete(token, ReasonCode::Success, None);
        }
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Subscribe(command) => {
                self.deliveries.join(command);
            }
            Command::Unsubscribe(command) => {
                self.deliveries.routes.give_up(&command.filter);
                self.leaving.push_back(Leaving {
                    filter: command.filter.clone(),
                    asked: Some(command),
                });
            }
            Command::Release(inbox) => {
                let orphans = self.deliveries.routes.release(&inbox);
                self.leave(orphans);
            }
            Command::ClaimRest(inbox) => self.deliveries.claim_rest(inbox),
            Command::Close(command) => self.begin_closing(command),
            Command::Abandon => self.begin_closing(CloseCommand::at_once()),
        }
    }

    fn leave(&mut self, filters: Vec<SubscriptionFilter>) {
        self.leaving
            .extend(filters.into_iter().map(|filter| Leaving {
                filter,
                asked: None,
            }));
    }

    fn begin_closing(&mut self, command: CloseCommand) {
        let CloseCommand {
            drain,
            farewell,
            reply,
        } = command;
        let now = TokioInstant::now();
        let deadline = now.checked_add(drain).unwrap_or(now + A_LONG_TIME);
        self.queue.seal();
        if let Some(earlier) = self.closing.replace(Closing {
            deadline,
            farewell,
            reply: Some(reply),
        }) {
            earlier.answer(Ok(()));
        }
    }

    /// Whether it is time to take leave: on request, when everything is settled or the time is over.
    pub(crate) fn is_done(&self) -> bool {
        let over =
            |closing: &Closing| self.unsettled() == 0 || closing.deadline <= TokioInstant::now();
        self.closing.as_ref().is_some_and(over)
    }

    /// When it will be time to take leave in any case.
    pub(crate) fn closing_deadline(&self) -> Option<TokioInstant> {
        self.closing.as_ref().map(|closing| closing.deadline)
    }

    fn unsettled(&self) -> usize {
        let waiting = self.queue.waiting_publishes();
        let requests = match self.session.is_online() {
            true => self.requests.len() + self.leaving.len(),
            false => 0,
        };
        waiting + self.publishes.len() + requests
    }

    fn send_requests(&mut self) {
        while let Some(leaving) = self.leaving.pop_front() {
            let filter = ByteString::from(leaving.filter.to_string());
            match self
                .session
                .unsubscribe(vec![filter], UserProperties::default())
            {
                Ok(operation) => drop(
                    self.requests
                        .insert(operation, Request::Unsubscribe(leaving)),
                ),
                Err(Refused::QueueFull) => return self.leaving.push_front(leaving),
                // Only a server that takes no packet of this size gets here.
                Err(_) => {
                    leaving.answer(Err(UnsubscribeError::Refused(ReasonCode::PacketTooLarge)))
                }
            }
        }
        while let Some((number, request)) = self.deliveries.routes.next_unsent() {
            match self
                .session
                .subscribe(vec![subscription(&request)], identifier(number))
            {
                Ok(operation) => drop(self.requests.insert(operation, Request::Subscribe(number))),
                Err(Refused::QueueFull) => return self.deliveries.routes.not_sent(number),
                Err(Refused::SubscriptionNotSupported) => {
                    self.subscribe_without_identifier(number, &request)
                }
                Err(_) => self.refuse(number, &SubscribeError::NotSupported),
            }
        }
    }

    fn subscribe_without_identifier(&mut self, number: u32, request: &FilterRequest) {
        match self.session.subscribe(vec![subscription(request)], None) {
            Ok(operation) => drop(self.requests.insert(operation, Request::Subscribe(number))),
            Err(_) => self.refuse(number, &SubscribeError::NotSupported),
        }
    }

    fn refuse(&mut self, number: u32, error: &SubscribeError) {
        let orphans = self.deliveries.routes.failed(number, error);
        self.leave(orphans);
    }

    /// Leaves in the queue what the server cannot take yet: there, older messages may give way to newer ones.
    fn send_publishes(&mut self) {
        while self.session.queued() < SESSION_QUEUE {
            let Some(command) = self.queue.pop_publish() else {
                return;
            };
            self.send_publish(command);
        }
    }

    fn send_publish(&mut self, command: PublishCommand) {
        let PublishCommand {
            mut message,
            qos,
            retain,
            expiry,
            room,
            reply,
        } = command;
        message.expires_at = expiry.map(|at| self.clock.of(at));
        let mut delivery = Delivery::new(message, qos);
        delivery.retain = retain;
        match self.session.publish(self.clock.now(), delivery) {
            Ok(operation) => drop(
                self.publishes
                    .insert(operation, Publishing { qos, reply, room }),
            ),
            // Whoever published may not care for the outcome.
            Err(refused) => drop(reply.send(Err(not_sent(refused)))),
        }
    }

    /// Handles what the session tells, up to the next news about the connection.
    pub(crate) fn next_turn(&mut self) -> Option<Turn> {
        while let Some(event) = self.session.poll_event() {
            match event {
                ClientEvent::Connected(connack) => return Some(self.up(*connack)),
                ClientEvent::ConnectionRefused(connack) => {
                    return Some(Turn::Down(refused(&connack)));
                }
                ClientEvent::Disconnected(packet) => return Some(Turn::Down(goodbye(&packet))),
                ClientEvent::TimedOut => return Some(Turn::Down(ConnectError::Timeout)),
                ClientEvent::Publish(received) => {
                    if let Some(token) = self.deliveries.deliver(received) {
                        self.deliveries.acknowledged();
                        let _ = self.session.complete(token, ReasonCode::Success, None);
                    }
                }
                ClientEvent::Settled(operation, settlement) => self.settled(operation, settlement),
                // Asked for by an authentication method, which the options cannot set.
                _ => {}
            }
        }
        None
    }

    fn up(&mut self, connack: Connack) -> Turn {
        self.deliveries.routes.connected(connack.session_present);
        Turn::Up(Arc::new(connack))
    }

    /// The server goes on with the session of an earlier run.
    pub(crate) fn inherit_session(&mut self) {
        self.deliveries.inherit_session();
    }

    fn settled(&mut self, operation: Operation, settlement: Settlement) {
        if let Some(Publishing { qos, reply, room }) = self.publishes.remove(&operation) {
            drop(room);
            if let Some(result) = publish_result(settlement, qos) {
                let _ = reply.send(result);
            }
            return;
        }
        let reasons = match settlement {
            Settlement::Answered { reasons, .. } => Some(reasons),
            _ => None,
        };
        match (self.requests.remove(&operation), reasons) {
            (Some(Request::Subscribe(number)), Some(reasons)) => {
                let reason = reasons
                    .first()
                    .copied()
                    .unwrap_or(ReasonCode::UnspecifiedError);
                let orphans = self.deliveries.routes.answered(number, reason);
                self.leave(orphans);
            }
            (Some(Request::Unsubscribe(leaving)), Some(reasons)) => {
                // MQTT 3.x answers without a reason.
                let reason = reasons.first().copied().unwrap_or(ReasonCode::Success);
                leaving.answer(match reason.is_error() {
                    true => Err(UnsubscribeError::Refused(reason)),
                    false => Ok(reason),
                });
            }
            // Lost with the connection: both are asked for again on the next one.
            (Some(Request::Unsubscribe(leaving)), None) => self.leaving.push_back(leaving),
            (Some(Request::Subscribe(_)) | None, _) => {}
        }
    }

    /// Says goodbye on an open connection. Without one, or if the will is to be published in a version that
    /// cannot ask for that, there is nothing to say.
    pub(crate) fn say_goodbye(&mut self) {
        let farewell = self
            .closing
            .as_ref()
            .map(|closing| closing.farewell)
            .unwrap_or_default();
        if farewell.with_will && self.session.version() != Version::V5 {
            return;
        }
        let reason = match farewell.with_will {
            true => ReasonCode::DisconnectWithWillMessage,
            false => ReasonCode::NORMAL_DISCONNECTION,
        };
        let end = self.ends_session.then_some(Duration::ZERO);
        let expiry = farewell.session_expiry.or(end).map(expiry_seconds);
        if self.session.disconnect(disconnect(reason, expiry)).is_err() {
            // The expiry cannot be changed, or there is no connection; then this fails as well.
            let _ = self.session.disconnect(disconnect(reason, None));
        }
    }

    /// Tells the server why its connection ends: it has sent what cannot be read.
    pub(crate) fn reject(&mut self, reason: ReasonCode) {
        let _ = self.session.disconnect(disconnect(reason, None));
    }

    /// The client is over: everything that waits is answered.
    pub(crate) fn end(mut self) {
        let unsettled = self.unsettled();
        self.queue.close();
        self.deliveries.end_all();
        for (_, publishing) in self.publishes.drain() {
            let _ = publishing.reply.send(Ok(Outcome::Unknown));
        }
        if let Some(closing) = self.closing.take() {
            closing.answer(match unsettled {
                0 => Ok(()),
                unsettled => Err(CloseError::Undrained { unsettled }),
            });
        }
    }
}

impl Leaving {
    fn answer(self, result: Result<ReasonCode, UnsubscribeError>) {
        if let Some(command) = self.asked {
            let _ = command.reply.send(result);
        }
    }
}

impl Closing {
    fn answer(self, result: Result<(), CloseError>) {
        if let Some(reply) = self.reply {
            let _ = reply.send(result);
        }
    }
}

/// The session's time, which starts with the client.
#[derive(Clone, Copy, Debug)]
struct Clock {
    start: TokioInstant,
}

impl Clock {
    fn start() -> Self {
        Clock {
            start: TokioInstant::now(),
        }
    }

    fn now(self) -> Instant {
        self.of(TokioInstant::now())
    }

    fn of(self, at: TokioInstant) -> Instant {
        let since = at.saturating_duration_since(self.start);
        Instant::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    fn at(self, at: Instant) -> TokioInstant {
        let since = Duration::from_micros(at.as_micros());
        self.start
            .checked_add(since)
            .unwrap_or(self.start + A_LONG_TIME)
    }
}

/// Messages that wait inside the session: enough to fill a write, few enough for the rest to stay in the queue.
const SESSION_QUEUE: usize = 32;
/// Stands for "never" where a point in time is needed.
const A_LONG_TIME: Duration = Duration::from_secs(365 * 24 * 3600);
