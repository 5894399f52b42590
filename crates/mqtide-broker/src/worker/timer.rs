//! The one timer of a worker.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::Worker;
use super::deadlines::{Deadlines, Tick};
use crate::core::Core;
use crate::slot::Slot;

#[derive(Debug, Default)]
pub(super) struct Timer {
    deadlines: Mutex<Deadlines<Timed>>,
    earlier: Notify,
}

impl Timer {
    pub(super) fn add(&self, at: Tick, slot: Arc<Slot>) {
        if self.deadlines.lock().add(at, Timed(slot)) {
            self.earlier.notify_one();
        }
    }

    pub(super) fn remove(&self, at: Tick, slot: Arc<Slot>) {
        self.deadlines.lock().remove(at, Timed(slot));
    }
}

/// A slot in the order of nothing but its address.
#[derive(Debug)]
struct Timed(Arc<Slot>);

impl Ord for Timed {
    fn cmp(&self, other: &Self) -> Ordering {
        Arc::as_ptr(&self.0).cmp(&Arc::as_ptr(&other.0))
    }
}

impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Timed {}

/// Calls the slots whose time has come, until the task is dropped.
pub(super) async fn run(core: Arc<Core>, worker: Arc<Worker>) {
    let timer = &worker.timer;
    loop {
        let now = core.now();
        let due: Vec<_> = {
            let mut deadlines = timer.deadlines.lock();
            std::iter::from_fn(|| deadlines.pop_due(now))
                .take(CALLS_PER_TURN)
                .collect()
        };
        if !due.is_empty() {
            for (at, Timed(slot)) in due {
                core.handle_deadline(&slot, at, &worker);
            }
            tokio::task::yield_now().await;
            continue;
        }
        let next = timer.deadlines.lock().next();
        let wait = next.map_or(LONG, |at| at.start() - now).min(LONG);
        // Whether the time has come or an earlier deadline was added: look again.
        let _ = timeout(wait, timer.earlier.notified()).await;
    }
}

/// After this many the connections of the worker get a turn.
const CALLS_PER_TURN: usize = 256;

const LONG: Duration = Duration::from_secs(3600);
