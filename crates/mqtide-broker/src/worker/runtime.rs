//! What workers run on: threads of their own, or the runtime of the embedding program.

use std::io;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::thread;

use tokio::runtime::{self, Handle, Runtime};
use tokio::sync::oneshot;

use crate::builder::Flavour;
use crate::error::BrokerError;

/// The one place that knows the [`Flavour`]: everything else spawns tasks on the handles given out here.
///
/// Pinned workers know sockets only. What waits for a time does so on a thread apart, the *clock*, because a
/// runtime that can keep time asks for it, and looks through its timers, each time that it goes to sleep: for a
/// lone message that would be a noticeable part of all there is to do.
#[derive(Debug)]
pub(crate) struct Runtimes {
    handles: Vec<Handle>,
    clock: Handle,
    threads: Vec<Thread>,
}

/// A thread with a runtime of its own, which lives until `stop` is dropped.
#[derive(Debug)]
struct Thread {
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl Runtimes {
    /// Starts the threads, if the flavour has any.
    pub(crate) fn start(
        flavour: Flavour,
        workers: Option<NonZeroUsize>,
    ) -> Result<Self, BrokerError> {
        let workers = workers.map_or_else(default_workers, NonZeroUsize::get);
        match flavour {
            Flavour::Pinned => Self::pinned(workers).map_err(BrokerError::Worker),
            Flavour::Ambient => {
                let ambient = Handle::try_current().map_err(|_| BrokerError::NoRuntime)?;
                Ok(Runtimes {
                    handles: vec![ambient.clone(); workers],
                    clock: ambient,
                    threads: Vec::new(),
                })
            }
        }
    }

    /// A handle for each worker.
    pub(crate) fn handles(&self) -> &[Handle] {
        &self.handles
    }

    /// Where to wait for a time, and to poll what may do so.
    pub(crate) fn clock(&self) -> &Handle {
        &self.clock
    }

    /// Ends the threads, and waits until the tasks on them have been dropped.
    pub(crate) async fn stop(&mut self) {
        for Thread { stop, ended } in self.threads.drain(..) {
            drop(stop);
            // An error means that the thread is gone already.
            let _ = ended.await;
        }
    }

    fn pinned(workers: usize) -> io::Result<Self> {
        let clock = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut runtimes = Runtimes {
            handles: Vec::new(),
            clock: clock.handle().clone(),
            threads: Vec::new(),
        };
        let (alive, all_ended) = mpsc::channel::<()>();
        for index in 0..workers {
            let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
            runtimes.handles.push(runtime.handle().clone());
            let alive = alive.clone();
            let thread = Thread::start(format!("mqtide-{index}"), runtime, move |runtime| {
                drop(runtime);
                drop(alive);
            })?;
            runtimes.threads.push(thread);
        }
        drop(alive);
        // Ends last, also if nobody waits for that: until then the workers ask it for the time, and what they drop may
        // lie on it.
        let thread = Thread::start("mqtide-clock".to_owned(), clock, move |runtime| {
            // An error is what is waited for: nobody sends anything.
            let _ = all_ended.recv();
            drop(runtime);
        })?;
        runtimes.threads.push(thread);
        Ok(runtimes)
    }
}

impl Thread {
    /// Starts a thread that runs until it is told to stop, and then does what `ends` it.
    fn start(
        name: String,
        runtime: Runtime,
        ends: impl FnOnce(Runtime) + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel();
        thread::Builder::new().name(name).spawn(move || {
            // The sender is dropped, never used: either way the wait is over.
            let _ = runtime.block_on(stopped);
            ends(runtime);
            let _ = end.send(());
        })?;
        Ok(Thread { stop, ended })
    }
}

/// Polls a future on a worker as if it were on the clock, so that it finds what waiting for a time needs.
pub(crate) struct OnClock<T> {
    clock: Handle,
    future: Pin<Box<dyn Future<Output = T> + Send>>,
}

impl<T> OnClock<T> {
    pub(crate) fn new(clock: &Handle, future: impl Future<Output = T> + Send + 'static) -> Self {
        OnClock {
            clock: clock.clone(),
            future: Box::pin(future),
        }
    }
}

impl<T> Future for OnClock<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        let _entered = this.clock.enter();
        this.future.as_mut().poll(cx)
    }
}

/// One worker for every two cores: the other half of the machine has the kernel's share of the network to do, and
/// fewer workers find more to do whenever they wake up.
fn default_workers() -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn pinned_tasks_stay_on_their_thread_and_end_with_it() {
        let mut runtimes = Runtimes::start(Flavour::Pinned, NonZeroUsize::new(2)).unwrap();
        let name = || thread::current().name().map(str::to_owned);
        for (index, handle) in runtimes.handles().iter().enumerate() {
            let ran_on = handle.spawn(async move { name() }).await.unwrap();
            assert_eq!(ran_on, Some(format!("mqtide-{index}")));
        }
        let within = OnClock::new(runtimes.clock(), async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            name()
        });
        let ran_on = runtimes.handles()[0].spawn(within).await.unwrap();
        assert_eq!(ran_on.as_deref(), Some("mqtide-0"), "time passes there too");
        let forever = runtimes.handles()[0].spawn(std::future::pending::<()>());
        runtimes.stop().await;
        assert!(forever.await.unwrap_err().is_cancelled());
    }

    #[test]
    fn the_ambient_flavour_needs_a_runtime() {
        let error = Runtimes::start(Flavour::Ambient, None).unwrap_err();
        assert!(matches!(error, BrokerError::NoRuntime));
    }
}
