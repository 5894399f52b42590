//! What a slot notes in the journal. Its lock is held meanwhile, so the changes of a session are in order.

use std::sync::Arc;

use mqtide_codec::QoS;
use mqtide_session::StoreOp;

use super::batch::{Change, SessionNumber};
use super::journal::{Journal, Memo};
use super::record::{SessionRecord, WillRecord};
use crate::connection::Event;
use crate::slot::{Life, Slot, State};

impl State {
    /// The number of the stored session, if it is stored.
    pub(crate) fn number(&self) -> Option<SessionNumber> {
        self.extras.as_ref()?.number
    }

    /// Notes what the session has recorded; tells whether it had.
    pub(crate) fn record(&mut self, slot: &Arc<Slot>, journal: &Journal, memo: &mut Memo) -> bool {
        let number = self.number();
        match (&mut self.session, number) {
            (Some(session), Some(number)) => {
                journal.take_operations(slot, session, number, memo, |_, _| false)
            }
            _ => false,
        }
    }

    /// The same after packets have been taken in. The identifiers of messages that are about to be routed are set
    /// aside: they are stored together with what the messages cause, so that neither is ever without the other.
    pub(crate) fn record_intake(
        &mut self,
        slot: &Arc<Slot>,
        journal: &Journal,
        events: &mut [Event],
    ) {
        let Some(number) = self.number() else { return };
        let Some(session) = &mut self.session else {
            return;
        };
        let mut arrived = events.iter_mut().filter_map(|event| match event {
            Event::Publish(arrived) => Some(arrived),
            Event::Session(_) => None,
        });
        let mut next = arrived.find(|arrived| arrived.qos == QoS::ExactlyOnce);
        journal.take_operations(
            slot,
            session,
            number,
            &mut Memo::default(),
            |ticket, operation| {
                let StoreOp::Hold { packet_identifier } = operation else {
                    return false;
                };
                let Some(message) = next.as_mut().filter(|message| {
                    message
                        .ack
                        .is_some_and(|ack| ack.packet_identifier() == *packet_identifier)
                }) else {
                    return false;
                };
                message.hold = Some((number, ticket));
                next = arrived.find(|arrived| arrived.qos == QoS::ExactlyOnce);
                true
            },
        );
    }

    /// A connection has the session now: notes it, and holds back the CONNACK until that is stored.
    pub(crate) fn record_opening(&mut self, slot: &Arc<Slot>, journal: &Journal) {
        let Some(session) = self
            .session
            .as_mut()
            .filter(|session| session.is_recorded())
        else {
            return;
        };
        session.mark();
        let number = &mut self.extras.get_or_insert_default().number;
        number.get_or_insert_with(|| SessionNumber(journal.number()));
        self.record_terms(slot, journal);
        self.record(slot, journal, &mut Memo::default());
    }

    /// Notes how long the session lasts, and its will.
    pub(crate) fn record_terms(&mut self, slot: &Slot, journal: &Journal) {
        let (Some(session), Some(number)) = (&self.session, self.number()) else {
            return;
        };
        if self.life != Life::Alive {
            return;
        }
        let clock = journal.clock;
        let mut record = SessionRecord::new(Arc::clone(slot.client_id()));
        record.session_expiry_interval = session.session_expiry_interval();
        record.ends_at = session.ends_at().map(|at| clock.to_system(at));
        record.will = session.will().map(|stored| WillRecord {
            will: *stored.will,
            due_at: stored.due_at.map(|at| clock.to_system(at)),
        });
        journal.push(Change::Session {
            session: number,
            record: Box::new(record),
        });
    }
}
