//! How a store says that it has done something.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

use super::StoreError;

/// The duty to say what has become of a batch, from any thread. Dropping it says [`StoreError::Abandoned`].
#[derive(Debug)]
#[must_use = "dropping it says that the batch was given up"]
pub struct Completion(oneshot::Sender<Result<(), StoreError>>);

/// What will have become of a batch: ready once its [`Completion`] is used.
///
/// # Cancel safety
///
/// Dropping it loses the answer, and has no effect on the store.
#[derive(Debug)]
pub struct Outcome(oneshot::Receiver<Result<(), StoreError>>);

impl Completion {
    /// A completion and what it will say, for a store that wraps another one, and for tests.
    pub fn new() -> (Self, Outcome) {
        let (sender, receiver) = oneshot::channel();
        (Completion(sender), Outcome(receiver))
    }

    /// The batch is durable, or had no effect.
    pub fn complete(self, result: Result<(), StoreError>) {
        // Whoever asked may be gone.
        let _ = self.0.send(result);
    }
}

impl Outcome {
    /// Waits on a thread that may block: not within a runtime.
    ///
    /// # Errors
    ///
    /// What the store said.
    ///
    /// # Panics
    ///
    /// Within an asynchronous runtime.
    pub fn wait(self) -> Result<(), StoreError> {
        self.0.blocking_recv().unwrap_or(Err(StoreError::Abandoned))
    }
}

impl Future for Outcome {
    type Output = Result<(), StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let said = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(said.unwrap_or(Err(StoreError::Abandoned)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completion_that_is_dropped_is_a_failure() {
        let (completion, outcome) = Completion::new();
        drop(completion);
        assert!(matches!(outcome.wait(), Err(StoreError::Abandoned)));
        let (completion, outcome) = Completion::new();
        completion.complete(Ok(()));
        assert!(outcome.wait().is_ok());
    }
}
