//! What the packets of a turn ask the broker for.

use std::mem;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use mqtide_codec::{Auth, Disconnect, PacketIdentifier, ReasonCode, Version};
use mqtide_session::{ServerEvent, SubscribeRequest, UnsubscribeRequest};
use mqtide_topic::{SubscriptionFilter, TopicNameRef};

use super::deferred::{self, Deferred};
use super::scratch::{Arrived, Event, Scratch};
use crate::core::Core;
use crate::hooks::ClientInfo;
use crate::routing::{Grant, Message, Replay, Table, Target, replay_of};
use crate::slot::{Outlets, Slot};
use crate::worker::Worker;

/// What a connection does next.
pub(crate) enum Next {
    /// Read on.
    Read,
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
    finish(slot, scratch);
    next
}

/// Routes a message, and notes what the publisher is to be told.
fn publish(core: &Core, table: &Table, slot: &Slot, arrived: Arrived, scratch: &mut Scratch) {
    let Arrived {
        publication,
        qos,
        retain,
        ack,
    } = arrived;
    if let Ok(topic) = TopicNameRef::try_from(publication.topic_bytes()) {
        let message = Message {
            topic,
            publication: &publication,
            qos,
            retain,
            publisher: Some(slot.client_id()),
        };
        let reason = core.router.publish(table, message, &mut scratch.outlets());
        scratch.completions.extend(ack.map(|ack| (ack, reason)));
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

/// Gives the publisher its acknowledgements, and has written what the turn has come to.
pub(super) fn finish(slot: &Arc<Slot>, scratch: &mut Scratch) {
    let mut state = slot.lock();
    if let Some(session) = &mut state.session {
        for (ack, reason) in scratch.completions.drain(..) {
            // Routing gives only reasons that an acknowledgement may carry.
            let _ = session.complete(ack, reason, None);
        }
    }
    scratch.completions.clear();
    state.list_if_ready(slot, &mut scratch.dirty);
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

/// Makes the subscriptions of a request, but for those with a verdict against them.
pub(super) fn subscribe(
    core: &Core,
    slot: &Arc<Slot>,
    request: SubscribeRequest,
    denied: &[bool],
    scratch: &mut Scratch,
) -> Next {
    let has_identifier = request.subscription_identifier.is_some();
    let filters = request
        .subscriptions
        .iter()
        .filter_map(|s| s.filter.as_ref().ok());
    let unoffered = filters
        .map(|filter| core.offers(filter, has_identifier))
        .find_map(Result::err);
    if let Some(reason) = unoffered
        && breaks_protocol(slot, reason)
    {
        return Next::Deaf;
    }
    let target = Target::Session(Arc::clone(slot));
    let mut reasons = Vec::with_capacity(request.subscriptions.len());
    let mut replays = Vec::new();
    for (index, subscription) in request.subscriptions.iter().enumerate() {
        let grant = Grant {
            options: subscription.options,
            identifier: request.subscription_identifier,
        };
        let is_denied = denied.get(index).copied().unwrap_or(false);
        let granted = match &subscription.filter {
            _ if is_denied => Err(ReasonCode::NotAuthorized),
            Err(_) => Err(ReasonCode::TopicFilterInvalid),
            Ok(filter) => add(core, slot, &target, filter, grant).map(|existed| {
                replays.extend(replay_of(filter, &grant, existed, slot.client_id()));
            }),
        };
        let maximum_qos = subscription.options.maximum_qos;
        reasons.push(granted.map_or_else(|refused| refused, |()| ReasonCode::granted(maximum_qos)));
    }
    answer(
        core,
        slot,
        request.packet_identifier,
        reasons,
        replays,
        scratch,
    );
    Next::Read
}

/// Closes the connection of a client that has been told that it may not ask for this.
fn breaks_protocol(slot: &Slot, reason: ReasonCode) -> bool {
    let mut state = slot.lock();
    state.session.as_mut().is_some_and(|session| {
        session.version() == Version::V5 && session.disconnect(Disconnect::new(reason)).is_ok()
    })
}

/// Sends the SUBACK, and the first of the retained messages.
fn answer(
    core: &Core,
    slot: &Arc<Slot>,
    packet_identifier: PacketIdentifier,
    reasons: Vec<ReasonCode>,
    replays: Vec<Replay>,
    scratch: &mut Scratch,
) {
    let mut state = slot.lock();
    if let Some(session) = &mut state.session
        && let Err(error) = session.suback(packet_identifier, reasons, None)
    {
        tracing::debug!(%error, "a SUBSCRIBE could not be answered");
    }
    if replays.is_empty() {
        return;
    }
    let pending = &mut state.extras.get_or_insert_default().replays;
    pending.retain(|old| replays.iter().all(|new| new.filter() != old.filter()));
    pending.extend(replays);
    drop(state);
    replay(core, slot, &mut scratch.outlets());
}

/// Puts a subscription into the table, if the session may have another one.
fn add(
    core: &Core,
    slot: &Slot,
    target: &Target,
    filter: &SubscriptionFilter,
    grant: Grant,
) -> Result<bool, ReasonCode> {
    core.offers(filter, grant.identifier.is_some())?;
    if core.topic_limits.check_filter(filter.filter()).is_err() {
        return Err(ReasonCode::TopicFilterInvalid);
    }
    if slot.subscriptions.load(Relaxed) >= core.config.limits.subscriptions
        && !core.router.has(target, filter)
    {
        return Err(ReasonCode::QuotaExceeded);
    }
    let existed = core.router.subscribe(target, filter, grant);
    if !existed {
        slot.subscriptions.fetch_add(1, Relaxed);
    }
    Ok(existed)
}

fn unsubscribe(core: &Core, slot: &Arc<Slot>, request: UnsubscribeRequest) {
    let target = Target::Session(Arc::clone(slot));
    let mut reasons = Vec::with_capacity(request.filters.len());
    for text in &request.filters {
        let reason = match SubscriptionFilter::try_from(text.clone()) {
            Err(_) => ReasonCode::TopicFilterInvalid,
            Ok(filter) if core.router.unsubscribe(&target, &filter) => {
                slot.subscriptions.fetch_sub(1, Relaxed);
                ReasonCode::Success
            }
            Ok(_) => ReasonCode::NoSubscriptionExisted,
        };
        reasons.push(reason);
    }
    let mut state = slot.lock();
    if let Some(extras) = &mut state.extras {
        extras.replays.retain(|replay| {
            request
                .filters
                .iter()
                .all(|f| **f != *replay.filter().as_str())
        });
    }
    if let Some(session) = &mut state.session
        && let Err(error) = session.unsuback(request.packet_identifier, reasons, None)
    {
        tracing::debug!(%error, "an UNSUBSCRIBE could not be answered");
    }
}

/// Gives the session some of the retained messages that its new subscriptions are owed. The rest follows when
/// these have left.
pub(crate) fn replay(core: &Core, slot: &Arc<Slot>, outlets: &mut Outlets<'_>) {
    let now = core.now();
    let retained = core.router.retained.reader();
    let mut state = slot.lock();
    let Some(mut extras) = state.extras.take() else {
        return;
    };
    while let Some(replay) = extras.replays.front_mut() {
        let is_done = retained.replay(replay, now, |delivery| {
            state.deliver(slot, delivery, None, outlets);
            match state
                .session
                .as_ref()
                .is_some_and(|s| s.queued() < REPLAY_AHEAD)
            {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        });
        if !is_done {
            break;
        }
        extras.replays.pop_front();
    }
    // Most sessions have none, and pay nothing for the possibility.
    extras.replays.shrink_to_fit();
    state.extras = Some(extras).filter(|extras| !extras.is_empty());
    state.list(slot, outlets.dirty);
}

/// Retained messages wait in a session's queue no further ahead than this.
const REPLAY_AHEAD: usize = 256;
