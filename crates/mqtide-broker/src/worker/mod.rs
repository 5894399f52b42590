//! A worker: what the connections of one thread share.

mod deadlines;
mod flusher;
mod runtime;
mod timer;

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

pub(crate) use deadlines::{Deadlines, Tick};
pub(crate) use runtime::{OnClock, Runtimes};

use crate::connection::Scratch;
use crate::core::Core;
use crate::notice::Notice;
use crate::slot::Slot;
use crate::stats::{Count, Counters};

/// What the connections of one thread share: the list of receivers that have something to write, the deadlines,
/// the buffers and the counters.
///
/// With pinned threads nobody else comes near, so the locks in here are always free; they make the same code
/// right on a work-stealing runtime.
#[derive(Debug)]
pub(crate) struct Worker {
    runtime: Handle,
    clock: Handle,
    flush: flusher::FlushList,
    timer: timer::Timer,
    #[expect(
        clippy::vec_box,
        reason = "they are moved in and out once per turn, and are large"
    )]
    scratches: Mutex<Vec<Box<Scratch>>>,
    pub(crate) counters: Counters,
    drops: Notice,
}

impl Worker {
    pub(crate) fn new(runtime: Handle, clock: Handle) -> Self {
        Worker {
            runtime,
            clock,
            flush: flusher::FlushList::default(),
            timer: timer::Timer::default(),
            scratches: Mutex::default(),
            counters: Counters::default(),
            drops: Notice::new("messages dropped"),
        }
    }

    /// Starts the tasks that serve all connections of this worker.
    pub(crate) fn start(self: &Arc<Self>, core: &Arc<Core>) -> [JoinHandle<()>; 2] {
        let flusher = flusher::run(Arc::clone(core), Arc::clone(self));
        let timer = timer::run(Arc::clone(core), Arc::clone(self));
        [self.runtime.spawn(flusher), self.clock.spawn(timer)]
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Where to wait for a time: see [`Runtimes`].
    pub(crate) fn clock(&self) -> &Handle {
        &self.clock
    }

    /// Lends the buffers for one turn.
    pub(crate) fn with_scratch<R>(&self, turn: impl FnOnce(&mut Scratch) -> R) -> R {
        let mut scratch = self.scratches.lock().pop().unwrap_or_default();
        let result = turn(&mut scratch);
        self.settle(&mut scratch);
        let mut scratches = self.scratches.lock();
        if scratches.len() < SPARE_SCRATCHES {
            scratches.push(scratch);
        }
        result
    }

    /// Moves what a turn has gathered to where it is acted on.
    fn settle(&self, scratch: &mut Scratch) {
        self.flush
            .append(&mut scratch.dirty, scratch.read_at.take());
        if scratch.tally.has(Count::PublishesDropped) {
            self.drops.note("a queue is full, or a limit is reached");
        }
        self.counters.settle(&mut scratch.tally);
    }

    /// Adds receivers that have something to write.
    pub(crate) fn flush_later(&self, slots: &mut Vec<Arc<Slot>>) {
        self.flush.append(slots, None);
    }

    /// Calls [`Core::handle_deadline`] for the slot at this time, or a little later.
    pub(crate) fn call_at(&self, at: Tick, slot: Arc<Slot>) {
        self.timer.add(at, slot);
    }

    /// Takes such a wish back, if it was this worker that had it.
    pub(crate) fn forget_call(&self, at: Tick, slot: Arc<Slot>) {
        self.timer.remove(at, slot);
    }
}

/// One is enough for a thread; on a shared runtime several turns of a worker may coincide.
const SPARE_SCRATCHES: usize = 4;
