//! From a PUBLISH that arrived to the streams that want it.

use std::collections::VecDeque;
use std::sync::Arc;

use mqtide_codec::{PublishTopic, QoS};
use mqtide_session::{AckToken, Message, ReceivedPublish};

use crate::command::SubscribeCommand;
use crate::inbox::Inbox;
use crate::queue::Queue;
use crate::received::{AckShare, PendingAck, Received};
use crate::routes::{Past, Routes};

/// Hands messages to streams, and keeps those that are nobody's yet.
pub(crate) struct Deliveries {
    pub(crate) routes: Routes,
    /// Who takes what no subscription claims.
    rest: Option<Arc<Inbox>>,
    /// QoS 1 and 2 messages of an earlier run's session; the Receive Maximum bounds them.
    unclaimed: VecDeque<Arrived>,
    /// Whether the server has a session that an earlier run of the application began.
    inherited: bool,
    /// QoS 1 and 2 messages that the application has not let go of.
    unacknowledged: usize,
    queue: Arc<Queue>,
}

/// A message with the right to acknowledge it.
struct Arrived {
    message: Message,
    qos: QoS,
    retain: bool,
    token: Option<AckToken>,
}

impl Deliveries {
    pub(crate) fn new(queue: Arc<Queue>, seed: u64, past: Past) -> Self {
        Deliveries {
            routes: Routes::new(seed, past),
            rest: None,
            unclaimed: VecDeque::new(),
            inherited: false,
            unacknowledged: 0,
            queue,
        }
    }

    /// The server goes on with the session of an earlier run.
    pub(crate) fn inherit_session(&mut self) {
        self.inherited = true;
    }

    /// Hands out a message. If nobody will ever want it, its token is returned, to be completed at once.
    pub(crate) fn deliver(&mut self, received: ReceivedPublish) -> Option<AckToken> {
        let arrived = Arrived::new(received)?;
        self.unacknowledged += usize::from(arrived.token.is_some());
        self.route(arrived)
    }

    fn route(&mut self, arrived: Arrived) -> Option<AckToken> {
        let mut streams = self
            .routes
            .streams_of(&arrived.message.topic, arrived.subscription_identifiers());
        if streams.is_empty() {
            let rest = self.rest.as_ref().filter(|inbox| inbox.ended().is_none());
            streams.extend(rest.cloned());
        }
        if !streams.is_empty() {
            arrived.hand_to(&streams, &self.queue);
        } else if self.inherited && arrived.token.is_some() {
            self.unclaimed.push_back(arrived);
        } else {
            return arrived.token;
        }
        None
    }

    /// Adds the filters of a stream, and with them, if it wants that, all that no subscription claims.
    pub(crate) fn join(&mut self, command: SubscribeCommand) {
        if command.with_unclaimed {
            self.rest = Some(Arc::clone(&command.inbox));
        }
        self.routes.join(command);
        self.offer_unclaimed();
    }

    /// From now on, `inbox` takes what no subscription claims.
    pub(crate) fn claim_rest(&mut self, inbox: Arc<Inbox>) {
        self.rest = Some(inbox);
        self.offer_unclaimed();
    }

    /// Looks for takers again, after new subscriptions.
    fn offer_unclaimed(&mut self) {
        for arrived in std::mem::take(&mut self.unclaimed) {
            // Nothing is given up here: what is unclaimed stays so while the session is inherited.
            let _ = self.route(arrived);
        }
    }

    /// The application has let go of a message.
    pub(crate) fn acknowledged(&mut self) {
        self.unacknowledged = self.unacknowledged.saturating_sub(1);
    }

    /// QoS 1 and 2 messages that the application has not let go of.
    pub(crate) fn unacknowledged(&self) -> usize {
        self.unacknowledged
    }

    /// The connection is gone: the server sends QoS 1 messages again that were not acknowledged. QoS 2 messages
    /// are announced once only.
    pub(crate) fn disconnected(&mut self) {
        self.unclaimed
            .retain(|arrived| arrived.qos == QoS::ExactlyOnce);
        self.unacknowledged = self.unclaimed.len();
    }

    /// Ends all streams.
    pub(crate) fn end_all(&mut self) {
        self.routes.end_all();
        if let Some(rest) = self.rest.take() {
            rest.end(crate::inbox::End::Closed);
        }
    }
}

impl Arrived {
    /// `None` for a message without a topic, which the session does not let through.
    fn new(received: ReceivedPublish) -> Option<Self> {
        let ReceivedPublish { publish, ack } = received;
        let qos = publish.qos();
        let PublishTopic::Named { name, .. } = publish.topic else {
            return None;
        };
        let mut message = Message::new(name, publish.payload);
        message.properties = publish.properties;
        Some(Arrived {
            message,
            qos,
            retain: publish.retain,
            token: ack,
        })
    }

    fn subscription_identifiers(&self) -> &[mqtide_codec::SubscriptionIdentifier] {
        self.message
            .properties
            .as_deref()
            .map_or(&[], |properties| &properties.subscription_identifiers)
    }

    fn hand_to(self, streams: &[Arc<Inbox>], queue: &Arc<Queue>) {
        let Arrived {
            message,
            qos,
            retain,
            token,
        } = self;
        let ack =
            token.map(|token| Arc::new(PendingAck::new(token, streams.len(), Arc::clone(queue))));
        for inbox in streams {
            let share = ack
                .as_ref()
                .map(|ack| AckShare::new(Arc::clone(ack), inbox.manual_ack));
            inbox.push(Received::new(message.clone(), qos, retain, share));
        }
    }
}
