//! What the packets of a turn ask the broker for.

use std::mem;
use std::sync::Arc;

use mqtide_codec::{Auth, ReasonCode, Version};
use mqtide_session::ServerEvent;
use mqtide_topic::TopicNameRef;

use super::deferred::{self, Deferred};
use super::scratch::{Arrived, Event, Scratch};
use super::subscriptions::{subscribe, unsubscribe};
use crate::core::Core;
use crate::hooks::ClientInfo;
use crate::routing::{Message, Table};
use crate::slot::{Slot, State};
use crate::store::{Journal, Memo, Receipt};
use crate::worker::Worker;

/// What a connection does next.
pub(crate) enum Next {
    /// Read on.
    Read,
    /// Read on when the store has caught up.
    Await,
    /// Write what is left, but listen no more.
    Deaf,
    /// End now.
    Leave,
    /// Await the answer of a hook first.
    Defer(Deferred),
    /// Ask the authenticator about this step first.
    Authenticate(Box<Auth>),
}

/// Does what the packets of this turn ask for, in their order.
pub(crate) fn process(
    core: &Arc<Core>,
    worker: &Arc<Worker>,
    slot: &Arc<Slot>,
    info: Option<&Arc<ClientInfo>>,
    scratch: &mut Scratch,
) -> Next {
    let mut events = mem::take(&mut scratch.events);
    let next = match info {
        Some(info) if core.hooks.asks_about(&events) => {
            deferred::authorized(core, worker, slot, info, mem::take(&mut events))
        }
        _ => process_allowed(core, slot, &mut events, scratch),
    };
    scratch.events = events;
    next
}

/// Does what no hook has to be asked about.
pub(super) fn process_allowed(
    core: &Core,
    slot: &Arc<Slot>,
    events: &mut Vec<Event>,
    scratch: &mut Scratch,
) -> Next {
    let mut next = Next::Read;
    let mut table = None;
    for event in events.drain(..) {
        match event {
            Event::Publish(arrived) => {
                let table = table.get_or_insert_with(|| core.router.table());
                publish(core, table, slot, arrived, scratch);
            }
            Event::Session(event) => {
                // Subscribing changes the table.
                table = None;
                match handle(core, slot, event, scratch) {
                    Next::Read => {}
                    other => next = other,
                }
            }
        }
    }
    drop(table);
    match (finish(core, slot, scratch), next) {
        (true, Next::Read) => Next::Await,
        (_, next) => next,
    }
}

/// Routes a message, and notes what the publisher is to be told.
fn publish(core: &Core, table: &Table, slot: &Arc<Slot>, arrived: Arrived, scratch: &mut Scratch) {
    let Arrived {
        publication,
        qos,
        retain,
        ack,
        hold,
    } = arrived;
    let journal = core.journal_for(qos, retain);
    let _whole = journal.map(Journal::whole);
    if let Ok(topic) = TopicNameRef::try_from(publication.topic_bytes()) {
        let message = Message {
            topic,
            publication: &publication,
            qos,
            retain,
            publisher: Some(slot.client_id()),
        };
        let mut outlets = scratch.outlets(journal);
        let reason = core.router.publish(table, message, &mut outlets);
        let is_noted = outlets.is_noted;
        match (journal, ack) {
            (Some(journal), Some(token)) if is_noted || hold.is_some() => {
                if let Some((session, ticket)) = hold {
                    journal.hold(slot, session, token.packet_identifier(), ticket);
                }
                journal.acknowledge(Receipt::Publish {
                    slot: Arc::clone(slot),
                    token,
                    reason,
                });
            }
            (_, ack) => scratch.completions.extend(ack.map(|ack| (ack, reason))),
        }
    }
    scratch.pool.put_back(publication);
}

/// Refuses a message.
pub(super) fn refuse(arrived: Arrived, scratch: &mut Scratch) {
    let Arrived {
        publication, ack, ..
    } = arrived;
    scratch
        .completions
        .extend(ack.map(|ack| (ack, ReasonCode::NotAuthorized)));
    scratch.pool.put_back(publication);
}

/// Gives the publisher its acknowledgements, and has written what the turn has come to. Tells whether the client
/// is to be read no further until something has been stored.
pub(super) fn finish(core: &Core, slot: &Arc<Slot>, scratch: &mut Scratch) -> bool {
    let mut state = slot.lock();
    if let Some(session) = &mut state.session {
        for (ack, reason) in scratch.completions.drain(..) {
            // Routing gives only reasons that an acknowledgement may carry.
            let _ = session.complete(ack, reason, None);
        }
    }
    scratch.completions.clear();
    let must_wait = core.journal.as_ref().is_some_and(|journal| {
        state.record(slot, journal, &mut Memo::default());
        must_wait(core, journal, &state)
    });
    state.list_if_ready(slot, &mut scratch.dirty);
    must_wait
}

/// Whether a client has sent so much that waits for the store that it is read no further. One of MQTT 5.0 is held
/// to Receive Maximum by the protocol; others are by this.
pub(super) fn must_wait(core: &Core, journal: &Journal, state: &State) -> bool {
    state.session.as_ref().is_some_and(|session| {
        let waits = session.uncompleted();
        let maximum = usize::from(core.config.limits.receive_maximum);
        waits > 0
            && (session.version() != Version::V5 && waits >= maximum || journal.is_congested())
    })
}

fn handle(core: &Core, slot: &Arc<Slot>, event: ServerEvent, scratch: &mut Scratch) -> Next {
    match event {
        ServerEvent::Subscribe(request) => subscribe(core, slot, request, &[], scratch),
        ServerEvent::Unsubscribe(request) => {
            unsubscribe(core, slot, request);
            Next::Read
        }
        ServerEvent::Disconnected(_) => Next::Leave,
        ServerEvent::Authenticate(auth) => Next::Authenticate(auth),
        // A client's packet does not lead to these; timeouts are handled by the core.
        _ => Next::Read,
    }
}
