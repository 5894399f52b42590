//! SUBSCRIBE and UNSUBSCRIBE, and the retained messages that new subscriptions start with.

use std::mem;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use mqtide_codec::{Disconnect, PacketIdentifier, ReasonCode, Version};
use mqtide_session::{SubscribeRequest, UnsubscribeRequest};
use mqtide_topic::SubscriptionFilter;

use super::process::Next;
use super::scratch::Scratch;
use crate::core::Core;
use crate::routing::{Grant, Replay, Target, replay_of};
use crate::slot::{Outlets, Slot, State};
use crate::store::{Change, Journal, Receipt, SessionNumber, Subscription};

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
    let stored = stored_as(core, slot);
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
            Ok(filter) => add(core, slot, &target, filter, grant, stored).map(|existed| {
                replays.extend(replay_of(filter, &grant, existed, slot.client_id()));
            }),
        };
        let maximum_qos = subscription.options.maximum_qos;
        reasons.push(granted.map_or_else(|refused| refused, |()| ReasonCode::granted(maximum_qos)));
    }
    let packet_identifier = request.packet_identifier;
    match stored {
        Some(Stored { journal, epoch, .. }) => journal.acknowledge(Receipt::Subscribe {
            slot: Arc::clone(slot),
            epoch,
            packet_identifier,
            reasons,
            replays,
        }),
        None => answer(core, slot, packet_identifier, reasons, replays, scratch),
    }
    Next::Read
}

/// What a session is stored as, and the number of its connection.
#[derive(Clone, Copy)]
struct Stored<'a> {
    journal: &'a Journal,
    session: SessionNumber,
    epoch: u32,
}

fn stored_as<'a>(core: &'a Core, slot: &Slot) -> Option<Stored<'a>> {
    let journal = core.journal.as_ref()?;
    let state = slot.lock();
    Some(Stored {
        journal,
        session: state.number()?,
        epoch: state.epoch,
    })
}

/// Answers a SUBSCRIBE once its subscriptions are stored, if the connection that asked still has the session.
pub(crate) fn answer_subscribe(
    core: &Core,
    slot: &Arc<Slot>,
    epoch: u32,
    packet_identifier: PacketIdentifier,
    reasons: Vec<ReasonCode>,
    replays: Vec<Replay>,
    scratch: &mut Scratch,
) {
    if slot.lock().epoch == epoch {
        answer(core, slot, packet_identifier, reasons, replays, scratch);
        slot.lock().list_if_ready(slot, &mut scratch.dirty);
    }
}

/// Answers an UNSUBSCRIBE likewise.
pub(crate) fn answer_unsubscribe(
    slot: &Arc<Slot>,
    epoch: u32,
    packet_identifier: PacketIdentifier,
    reasons: Vec<ReasonCode>,
    scratch: &mut Scratch,
) {
    let mut state = slot.lock();
    if state.epoch == epoch {
        unsuback(&mut state, packet_identifier, reasons);
        state.list_if_ready(slot, &mut scratch.dirty);
    }
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
    replay(core, slot, &mut scratch.outlets(core.journal.as_ref()));
}

/// Puts a subscription into the table, if the session may have another one.
fn add(
    core: &Core,
    slot: &Slot,
    target: &Target,
    filter: &SubscriptionFilter,
    grant: Grant,
    stored: Option<Stored<'_>>,
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
    let existed = core.router.subscribe(target, filter, grant, || {
        if let Some(Stored {
            journal, session, ..
        }) = stored
        {
            let mut subscription = Subscription::new(filter.detached(), grant.options);
            subscription.identifier = grant.identifier;
            journal.push(Change::Subscribe {
                session,
                subscription: Box::new(subscription),
            });
        }
    });
    if !existed {
        slot.subscriptions.fetch_add(1, Relaxed);
    }
    Ok(existed)
}

/// Takes the subscriptions of a request away.
pub(super) fn unsubscribe(core: &Core, slot: &Arc<Slot>, request: UnsubscribeRequest) {
    let target = Target::Session(Arc::clone(slot));
    let stored = stored_as(core, slot);
    let forget = |filter: &SubscriptionFilter| {
        if let Some(Stored {
            journal, session, ..
        }) = stored
        {
            let filter = filter.detached();
            journal.push(Change::Unsubscribe { session, filter });
        }
    };
    let mut reasons = Vec::with_capacity(request.filters.len());
    for text in &request.filters {
        let reason = match SubscriptionFilter::try_from(text.clone()) {
            Err(_) => ReasonCode::TopicFilterInvalid,
            Ok(filter)
                if core
                    .router
                    .unsubscribe(&target, &filter, || forget(&filter)) =>
            {
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
    let packet_identifier = request.packet_identifier;
    match stored {
        None => unsuback(&mut state, packet_identifier, reasons),
        Some(Stored { journal, epoch, .. }) => journal.acknowledge(Receipt::Unsubscribe {
            slot: Arc::clone(slot),
            epoch,
            packet_identifier,
            reasons,
        }),
    }
}

fn unsuback(state: &mut State, packet_identifier: PacketIdentifier, reasons: Vec<ReasonCode>) {
    if let Some(session) = &mut state.session
        && let Err(error) = session.unsuback(packet_identifier, reasons, None)
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
    let Some(extras) = &mut state.extras else {
        return;
    };
    let mut replays = mem::take(&mut extras.replays);
    while let Some(replay) = replays.front_mut() {
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
        replays.pop_front();
    }
    // Most sessions have none, and pay nothing for the possibility.
    replays.shrink_to_fit();
    if let Some(extras) = &mut state.extras {
        extras.replays = replays;
    }
    state.extras.take_if(|extras| extras.is_empty());
    state.list(slot, outlets.dirty);
}

/// Retained messages wait in a session's queue no further ahead than this.
const REPLAY_AHEAD: usize = 256;
