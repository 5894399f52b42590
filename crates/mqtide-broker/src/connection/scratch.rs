//! What one turn works with, lent by the worker.

use std::sync::Arc;

use mqtide_codec::{QoS, ReasonCode};
use mqtide_session::{AckToken, Instant, ServerEvent, Ticket};

use super::output::Output;
use crate::publication::{Pool, Publication};
use crate::slot::{Outlets, Slot};
use crate::stats::Tally;
use crate::store::{Journal, Memo, SessionNumber};

/// The buffers of one turn. They are kept from turn to turn, so that a turn allocates nothing.
#[derive(Debug)]
pub(crate) struct Scratch {
    /// When the turn read something, so that who writes what comes of it need not look at the clock again.
    pub(crate) read_at: Option<Instant>,
    pub(crate) input: Box<[u8]>,
    pub(crate) output: Output,
    /// What the packets of this turn ask for, in their order.
    pub(crate) events: Vec<Event>,
    /// Publications that have been taken over, or refused.
    pub(crate) completions: Vec<(AckToken, ReasonCode)>,
    /// Properties of a message, put together.
    pub(crate) properties: Vec<u8>,
    pub(crate) pool: Pool,
    /// Receivers that this turn gave something to write.
    pub(crate) dirty: Vec<Arc<Slot>>,
    pub(crate) tally: Tally,
}

/// What a packet asks the broker for.
#[derive(Debug)]
pub(crate) enum Event {
    /// A message to route.
    Publish(Arrived),
    /// Anything else.
    Session(ServerEvent),
}

/// A message that has arrived.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) publication: Publication,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// The right to acknowledge it; `None` for QoS 0.
    pub(crate) ack: Option<AckToken>,
    /// What the session has recorded of it, to be stored together with what it causes.
    pub(crate) hold: Option<(SessionNumber, Ticket)>,
}

impl Scratch {
    /// The buffers that a delivery touches.
    pub(crate) fn outlets<'a>(&'a mut self, journal: Option<&'a Journal>) -> Outlets<'a> {
        Outlets {
            dirty: &mut self.dirty,
            tally: &mut self.tally,
            journal,
            memo: Memo::default(),
            is_noted: false,
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch {
            read_at: None,
            input: vec![0; INPUT].into_boxed_slice(),
            output: Output::default(),
            events: Vec::new(),
            completions: Vec::new(),
            properties: Vec::new(),
            pool: Pool::default(),
            dirty: Vec::new(),
            tally: Tally::default(),
        }
    }
}

/// As much as one turn reads: this bounds what one client can make a worker do before others get a turn.
const INPUT: usize = 64 * 1024;
