//! What has to wait for the answer of a hook.

use std::sync::Arc;

use mqtide_codec::{Auth, Disconnect, ReasonCode};
use mqtide_session::{Deliverable, ServerEvent, ServerSession, SubscribeRequest};

use super::process::{Next, finish, process_allowed, refuse};
use super::scratch::Event;
use super::subscriptions::subscribe;
use crate::core::Core;
use crate::hooks::{
    self, AuthenticationExchange, AuthenticationStep, ClientInfo, Credentials, PublishRequest,
    Refusal,
};
use crate::publication::Publication;
use crate::slot::Slot;
use crate::worker::{OnClock, Worker};

/// Work that waits for a hook; the client waits with it.
pub(super) type Deferred = OnClock<Answer>;

/// What came of it.
pub(super) struct Answer {
    pub(super) next: Next,
    /// An authentication that is not over.
    pub(super) exchange: Option<Box<dyn AuthenticationExchange>>,
}

/// Asks the authorizer about the events, one after the other, and does what it allows.
pub(super) fn authorized(
    core: &Arc<Core>,
    worker: &Arc<Worker>,
    slot: &Arc<Slot>,
    info: &Arc<ClientInfo>,
    events: Vec<Event>,
) -> Next {
    let (core, worker, slot) = (Arc::clone(core), Arc::clone(worker), Arc::clone(slot));
    let info = Arc::clone(info);
    let clock = worker.clock().clone();
    let answered = async move {
        let mut next = Next::Read;
        for event in events {
            match one(&core, &worker, &slot, &info, event).await {
                Next::Read => {}
                other => next = other,
            }
        }
        Answer {
            next,
            exchange: None,
        }
    };
    Next::Defer(OnClock::new(&clock, answered))
}

async fn one(
    core: &Arc<Core>,
    worker: &Arc<Worker>,
    slot: &Arc<Slot>,
    info: &Arc<ClientInfo>,
    event: Event,
) -> Next {
    let is_refused = match &event {
        Event::Publish(arrived) => {
            let request = PublishRequest {
                topic: arrived.publication.topic(),
                qos: arrived.qos,
                retain: arrived.retain,
                will: false,
            };
            !core.hooks.may_publish(info, &request).await
        }
        Event::Session(_) => false,
    };
    match event {
        Event::Publish(arrived) if is_refused => worker.with_scratch(|scratch| {
            refuse(arrived, scratch);
            finish(core, slot, scratch);
            Next::Read
        }),
        Event::Session(ServerEvent::Subscribe(request)) => {
            let denied = denied(core, info, &request).await;
            worker.with_scratch(|scratch| {
                let next = subscribe(core, slot, request, &denied, scratch);
                finish(core, slot, scratch);
                next
            })
        }
        event => {
            worker.with_scratch(|scratch| process_allowed(core, slot, &mut vec![event], scratch))
        }
    }
}

/// Which of the subscriptions may not be made.
async fn denied(core: &Core, info: &ClientInfo, request: &SubscribeRequest) -> Vec<bool> {
    let mut denied = Vec::with_capacity(request.subscriptions.len());
    for subscription in &request.subscriptions {
        denied.push(match &subscription.filter {
            Ok(filter) => {
                let filter = filter.to_string();
                let qos = subscription.options.maximum_qos;
                let request = hooks::SubscribeRequest {
                    filter: &filter,
                    qos,
                };
                !core.hooks.may_subscribe(info, &request).await
            }
            Err(_) => false,
        });
    }
    denied
}

/// Asks the authenticator about a step of a re-authentication (`MQTT 5.0 §4.12.1`). `exchange` is the one under
/// way, if any; it comes back as long as it is not over.
pub(super) fn reauthenticate(
    core: &Arc<Core>,
    worker: &Arc<Worker>,
    slot: &Arc<Slot>,
    info: &Arc<ClientInfo>,
    auth: Auth,
    exchange: Option<Box<dyn AuthenticationExchange>>,
) -> Deferred {
    let (core, worker, slot) = (Arc::clone(core), Arc::clone(worker), Arc::clone(slot));
    let info = Arc::clone(info);
    let clock = worker.clock().clone();
    let answered = async move {
        let begin = || {
            let credentials = Credentials {
                client_id: &info.client_id,
                user_name: info.user_name.as_deref(),
                password: None,
                peer: info.peer?,
                loopback: info.loopback,
            };
            core.hooks
                .authenticator
                .exchange(&auth.authentication_method, &credentials)
        };
        let mut exchange = exchange.or_else(begin);
        let step = match &mut exchange {
            Some(exchange) => exchange.step(auth.authentication_data.clone()).await,
            None => Err(Refusal(ReasonCode::BadAuthenticationMethod)),
        };
        if !matches!(step, Ok(AuthenticationStep::Continue(_))) {
            exchange = None;
        }
        worker.with_scratch(|scratch| {
            let mut state = slot.lock();
            if let Some(session) = &mut state.session {
                answer(session, step);
            }
            state.list_if_ready(&slot, &mut scratch.dirty);
        });
        Answer {
            next: Next::Read,
            exchange,
        }
    };
    OnClock::new(&clock, answered)
}

fn answer(session: &mut ServerSession<Publication>, step: Result<AuthenticationStep, Refusal>) {
    let refused = match step {
        Ok(AuthenticationStep::Continue(data)) => session.challenge(data),
        Ok(AuthenticationStep::Success { data, .. }) => session.authenticated(data),
        Err(Refusal(reason)) => session
            .disconnect(Disconnect::new(reason))
            .or_else(|_| session.disconnect(Disconnect::new(ReasonCode::NotAuthorized))),
    };
    if let Err(error) = refused {
        tracing::debug!(%error, "a re-authentication came to nothing");
    }
}
