//! Group commit: one batch after the other, and then what waited for it.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use mqtide_codec::{Disconnect, QoS, ReasonCode, Version};
use mqtide_session::Ticket;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use super::journal::{Cut, Journal, Memo, Receipt};
use super::{Completion, StoreError};
use crate::connection::{Doorbell, answer_subscribe, answer_unsubscribe};
use crate::core::Core;
use crate::slot::Slot;

/// Submits what gathers, until the task is dropped.
pub(crate) async fn run(core: Arc<Core>) {
    let Some(journal) = &core.journal else { return };
    loop {
        journal.gathered.notified().await;
        while let Some(cut) = journal.cut() {
            commit(&core, journal, cut).await;
            for bell in journal.stored() {
                bell.ring(Doorbell::STORED);
            }
            yield_now().await;
        }
        journal.idle.notify_waiters();
    }
}

/// Stores a batch, however often that has to be tried.
///
/// Nothing in it can be left out, as what comes later builds upon it. So it is tried again, with what has gathered
/// meanwhile. That is bounded: a publisher is not read while too much waits.
async fn commit(core: &Arc<Core>, journal: &Journal, mut cut: Cut) {
    while let Err(error) = submit(journal, &mut cut).await {
        journal.failed(&error);
        refuse(core, &mut cut, error.reason()).await;
        sleep(RETRY).await;
        if let Some(more) = journal.cut() {
            cut.append(more);
        }
    }
    journal.succeeded();
    settle(core, journal, cut).await;
}

async fn submit(journal: &Journal, cut: &mut Cut) -> Result<(), StoreError> {
    if cut.batch.is_empty() {
        return Ok(());
    }
    let batch = Arc::new(mem::take(&mut cut.batch));
    let (completion, outcome) = Completion::new();
    journal.store.submit(Arc::clone(&batch), completion);
    let result = outcome.await;
    if result.is_err() {
        cut.batch = Arc::unwrap_or_clone(batch);
    }
    result
}

/// Lets go what waited for a batch.
async fn settle(core: &Arc<Core>, journal: &Journal, cut: Cut) {
    for tickets in cut.tickets.chunks(SLOTS_PER_TURN) {
        // What they have to say then is written by the workers in turn.
        core.next_worker().with_scratch(|scratch| {
            for (slot, ticket) in tickets {
                report(slot, *ticket, &mut scratch.dirty);
            }
        });
        yield_now().await;
    }
    let mut receipts = cut.receipts.into_iter().peekable();
    while receipts.peek().is_some() {
        core.next_worker().with_scratch(|scratch| {
            for receipt in receipts.by_ref().take(SLOTS_PER_TURN) {
                match receipt {
                    Receipt::Publish {
                        slot,
                        token,
                        reason,
                    } => {
                        let mut state = slot.lock();
                        if let Some(session) = &mut state.session {
                            // Routing gives only reasons that an acknowledgement may carry.
                            let _ = session.complete(token, reason, None);
                        }
                        state.record(&slot, journal, &mut Memo::default());
                        state.list_if_ready(&slot, &mut scratch.dirty);
                    }
                    Receipt::Subscribe {
                        slot,
                        epoch,
                        packet_identifier,
                        reasons,
                        replays,
                    } => answer_subscribe(
                        core,
                        &slot,
                        epoch,
                        packet_identifier,
                        reasons,
                        replays,
                        scratch,
                    ),
                    Receipt::Unsubscribe {
                        slot,
                        epoch,
                        packet_identifier,
                        reasons,
                    } => answer_unsubscribe(&slot, epoch, packet_identifier, reasons, scratch),
                }
            }
        });
        yield_now().await;
    }
}

fn report(slot: &Arc<Slot>, ticket: Ticket, dirty: &mut Vec<Arc<Slot>>) {
    let mut state = slot.lock();
    if let Some(session) = &mut state.session {
        session.handle_durable(ticket);
    }
    state.list_if_ready(slot, dirty);
}

/// Tells those who wait for a batch that it has failed.
///
/// A publisher that can be told, and whose message may come twice, is told by PUBACK. All others lose their
/// connection. What was not answered stays due: it is answered when the batch has been stored after all.
async fn refuse(core: &Arc<Core>, cut: &mut Cut, reason: ReasonCode) {
    let mut rest = mem::take(&mut cut.receipts).into_iter().peekable();
    while rest.peek().is_some() {
        core.next_worker().with_scratch(|scratch| {
            for receipt in rest.by_ref().take(SLOTS_PER_TURN) {
                let due = refuse_one(receipt, reason, &mut scratch.dirty);
                cut.receipts.extend(due);
            }
        });
        yield_now().await;
    }
}

fn refuse_one(receipt: Receipt, reason: ReasonCode, dirty: &mut Vec<Arc<Slot>>) -> Option<Receipt> {
    let slot = Arc::clone(receipt.slot());
    let mut state = slot.lock();
    let link_version = state.link.as_ref().map(|link| link.version);
    let session = state.session.as_mut()?;
    let due = match (receipt, link_version) {
        (Receipt::Publish { token, .. }, Some(Version::V5)) if token.qos() == QoS::AtLeastOnce => {
            let _ = session.complete(token, reason, None);
            None
        }
        (Receipt::Publish { .. }, None) if session.uncompleted() == 0 => None,
        (receipt, version) => {
            if version.is_some() {
                // If it cannot be ended, it is ending already.
                let _ = session.disconnect(Disconnect::new(reason));
            }
            Some(receipt).filter(|receipt| matches!(receipt, Receipt::Publish { .. }))
        }
    };
    state.list_if_ready(&slot, dirty);
    due
}

impl Journal {
    /// Waits until everything is stored and in order, but not for longer than this.
    pub(crate) async fn close(&self, patience: Duration) {
        let closed = async {
            loop {
                let idle = self.idle.notified();
                if self.is_idle() {
                    break;
                }
                // Whether it is idle is looked at again from time to time, whatever was missed.
                let _ = timeout(POLL, idle).await;
            }
            let (completion, outcome) = Completion::new();
            self.store.flush(completion);
            outcome.await
        };
        match timeout(patience, closed).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the store could not be put in order"),
            Err(_) => tracing::error!(
                "the store did not come to an end in time: what was not acknowledged may be lost"
            ),
        }
    }
}

/// After this many the connections of the worker get a turn.
const SLOTS_PER_TURN: usize = 256;
/// How long a store that has failed is left alone.
const RETRY: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(50);
