//! A store for tests: it outlives brokers, and does what the test wants.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use mqtide_broker::store::{Completion, Image, Records, Store, StoreBatch, StoreError};

/// What outlives a broker. Each [`open`](Self::open) gives a store on it, and takes it away from the one before.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    image: Image,
    mode: Mode,
    /// The batch that is held.
    held: Option<(Arc<StoreBatch>, Completion)>,
    opened: u64,
    flushes: usize,
    batches: usize,
}

/// What the store does with a batch.
#[derive(Clone, Copy, Default)]
pub(crate) enum Mode {
    /// Keeps it, and says so at once.
    #[default]
    AtOnce,
    /// Keeps it, and says so on another thread after a while.
    Late(Duration),
    /// Does nothing, until it is told otherwise.
    Hold,
    /// Has no room for it.
    Full,
    /// Fails.
    Broken,
    /// Gives it up without a word.
    Abandon,
}

/// A [`Disk`] as one broker has it.
pub(crate) struct Opened {
    disk: Disk,
    opening: u64,
}

impl Disk {
    /// A store with what is on the disk.
    pub(crate) fn open(&self) -> Opened {
        let mut state = self.lock();
        state.opened += 1;
        state.held = None;
        Opened {
            disk: self.clone(),
            opening: state.opened,
        }
    }

    /// From now on it does this with every batch. What is held is let go first, if batches are not held any more.
    pub(crate) fn set(&self, mode: Mode) {
        let mut state = self.lock();
        state.mode = mode;
        if let Some((batch, completion)) = state.held.take() {
            drop(state);
            self.handle(batch, completion);
        }
    }

    /// The machine stops: whatever was not completed is lost. The next store finds what was.
    pub(crate) fn crash(&self) {
        let mut state = self.lock();
        state.opened += 1;
        state.held = None;
        state.mode = Mode::AtOnce;
    }

    /// The machine stops after the batch that is held was written, and before anybody was told.
    pub(crate) fn crash_after_writing(&self) {
        let mut state = self.lock();
        if let Some((batch, _)) = state.held.take() {
            state.image.apply(&batch);
        }
        drop(state);
        self.crash();
    }

    /// Waits until a batch is held.
    pub(crate) fn await_held(&self) {
        self.wait_for("a batch", |state| state.held.is_some());
    }

    /// Waits until no batch has come for a while.
    pub(crate) fn await_idle(&self) {
        loop {
            let before = self.lock().batches;
            thread::sleep(Duration::from_millis(60));
            if self.lock().batches == before {
                return;
            }
        }
    }

    pub(crate) fn flushes(&self) -> usize {
        self.lock().flushes
    }

    /// How many records there are.
    pub(crate) fn records(&self) -> usize {
        self.lock().image.records().len()
    }

    fn wait_for(&self, what: &str, is_there: impl Fn(&State) -> bool) {
        let state = self.lock();
        let waited = self
            .0
            .changed
            .wait_timeout_while(state, Duration::from_secs(20), |state| !is_there(state));
        assert!(
            !waited.expect("no test panics here").1.timed_out(),
            "no {what} came"
        );
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("no test panics here")
    }

    fn handle(&self, batch: Arc<StoreBatch>, completion: Completion) {
        let mut state = self.lock();
        match state.mode {
            Mode::AtOnce => {
                state.image.apply(&batch);
                completion.complete(Ok(()));
            }
            Mode::Late(after) => {
                state.image.apply(&batch);
                drop(batch);
                thread::spawn(move || {
                    thread::sleep(after);
                    completion.complete(Ok(()));
                });
            }
            Mode::Hold => state.held = Some((batch, completion)),
            Mode::Full => completion.complete(Err(StoreError::Full)),
            Mode::Broken => completion.complete(Err(std::io::Error::other("broken").into())),
            Mode::Abandon => drop(completion),
        }
        state.batches += 1;
        drop(state);
        self.0.changed.notify_all();
    }
}

impl Store for Opened {
    fn load(&self) -> Result<Records<'_>, StoreError> {
        let records = self.disk.lock().image.records();
        Ok(Box::new(records.into_iter().map(Ok)))
    }

    fn submit(&self, batch: Arc<StoreBatch>, completion: Completion) {
        // What a broker does after its machine has stopped has no effect.
        if self.disk.lock().opened == self.opening {
            self.disk.handle(batch, completion);
        }
    }

    fn flush(&self, completion: Completion) {
        self.disk.lock().flushes += 1;
        completion.complete(Ok(()));
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").finish_non_exhaustive()
    }
}
