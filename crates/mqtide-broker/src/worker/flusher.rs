//! Writing: once per receiver and turn of the event loop.

use std::future::poll_fn;
use std::mem;
use std::sync::Arc;
use std::task::{Poll, Waker};

use mqtide_session::Instant;
use parking_lot::Mutex;

use super::Worker;
use crate::core::Core;
use crate::slot::Slot;

/// The receivers that have something to write.
///
/// The first entry wakes the flusher. On a single-threaded runtime the woken task queues up behind all that are
/// ready, so by the time it runs every publisher of this turn has had its say, and each receiver is written to
/// once. No thread is woken for that: the flusher runs where the publishers run, wherever the receivers live.
#[derive(Debug, Default)]
pub(super) struct FlushList(Mutex<Pending>);

#[derive(Debug, Default)]
struct Pending {
    slots: Vec<Arc<Slot>>,
    /// When the last of them was added, if whoever did so knew.
    now: Option<Instant>,
    flusher: Option<Waker>,
}

impl FlushList {
    /// Moves the slots over.
    pub(super) fn append(&self, slots: &mut Vec<Arc<Slot>>, now: Option<Instant>) {
        if slots.is_empty() {
            return;
        }
        let mut pending = self.0.lock();
        pending.slots.append(slots);
        pending.now = now;
        if let Some(flusher) = pending.flusher.take() {
            drop(pending);
            flusher.wake();
        }
    }

    /// Exchanges the pending slots for an empty list; asks to be woken if there are none. Returns the time, if it
    /// is known.
    fn take(&self, slots: &mut Vec<Arc<Slot>>, waker: &Waker) -> Option<Instant> {
        let mut pending = self.0.lock();
        mem::swap(&mut pending.slots, slots);
        if slots.is_empty() {
            pending.flusher = Some(waker.clone());
        }
        pending.now.take()
    }

    /// Asks to be woken, unless something is pending already.
    fn sleep(&self, waker: &Waker) -> bool {
        let mut pending = self.0.lock();
        let is_empty = pending.slots.is_empty();
        if is_empty {
            pending.flusher = Some(waker.clone());
        }
        is_empty
    }
}

/// Flushes what becomes dirty on this worker, until the task is dropped.
pub(super) async fn run(core: Arc<Core>, worker: Arc<Worker>) {
    let mut slots = Vec::new();
    let mut next = 0;
    poll_fn(|cx| {
        let mut known = None;
        if next == slots.len() {
            slots.clear();
            next = 0;
            known = worker.flush.take(&mut slots, cx.waker());
            if slots.is_empty() {
                return Poll::<()>::Pending;
            }
        }
        let end = slots.len().min(next + SLOTS_PER_TURN);
        let now = known.unwrap_or_else(|| core.now());
        worker.with_scratch(|scratch| {
            for slot in &slots[next..end] {
                slot.flush(now, &core, &worker, scratch);
            }
        });
        next = end;
        if next == slots.len() {
            slots.clear();
            next = 0;
            slots.shrink_to(SLOTS_PER_TURN);
            if worker.flush.sleep(cx.waker()) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// After this many receivers the connections of the worker get a turn.
const SLOTS_PER_TURN: usize = 256;
