//! The end of a broker: taking leave of the clients, and then of the store.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time;

use crate::connection::Doorbell;
use crate::core::Core;
use crate::slot::Slot;
use crate::worker::Worker;

impl Core {
    /// Tells the client that the broker stops, and has its connection closed.
    pub(crate) fn dismiss(&self, slot: &Arc<Slot>, worker: &Worker) {
        let now = self.now();
        let mut state = slot.lock();
        let Some(session) = &mut state.session else {
            return;
        };
        let goodbye = mqtide_codec::Disconnect::new(mqtide_codec::ReasonCode::ServerShuttingDown);
        if session.disconnect(goodbye).is_err() {
            return;
        }
        if let Some(link) = &state.link
            && link.is_blocked()
        {
            link.bell().ring(Doorbell::LEAVE);
            return;
        }
        worker.with_scratch(|scratch| state.flush(slot, now, self, worker, scratch));
    }

    /// Tells all clients that the broker stops, and waits until they are gone, for as long as is configured.
    pub(crate) async fn dismiss_all(&self) {
        self.registry
            .for_each(|slot| self.dismiss(slot, self.next_worker()));
        let (gone, all_gone) = tokio::sync::oneshot::channel::<()>();
        let until = time::Instant::now() + self.config.stop_grace;
        let online = Arc::clone(&self.online);
        self.workers[0].clock().spawn(async move {
            while online.load(Relaxed) > 0 && time::Instant::now() < until {
                tokio::time::sleep(POLL_ONLINE).await;
            }
            // Whoever waits may have lost its patience.
            let _ = gone.send(());
        });
        let _ = all_gone.await;
        self.abandon_all();
    }

    /// Waits until the store has everything, for as long as is configured.
    pub(crate) async fn close_store(self: &Arc<Self>) {
        if self.journal.is_none() {
            return;
        }
        let core = Arc::clone(self);
        let closing = self.workers[0].clock().spawn(async move {
            if let Some(journal) = &core.journal {
                journal.close(core.config.stop_grace).await;
            }
        });
        // An error means that the workers are gone, and nothing can be waited for.
        let _ = closing.await;
    }

    /// Closes all connections without a word.
    pub(crate) fn abandon_all(&self) {
        self.registry.for_each(|slot| {
            if let Some(link) = &slot.lock().link {
                link.bell().ring(Doorbell::LEAVE);
            }
        });
        self.router.close_local();
    }
}

/// How often it is looked whether all clients are gone.
const POLL_ONLINE: time::Duration = time::Duration::from_millis(5);
