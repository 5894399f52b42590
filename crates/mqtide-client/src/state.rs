//! What a client is doing, for those who want to watch it.

use std::sync::Arc;
use std::time::Duration;

use mqtide_codec::Connack;
use tokio::sync::watch;

use crate::error::ConnectError;

/// Where a client stands with its server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum State {
    /// It is trying to connect.
    Connecting,
    /// It is connected; the server said this.
    Up(Arc<Connack>),
    /// It has no connection, and will try again.
    Down {
        /// Why the connection was lost, or could not be made.
        error: ConnectError,
        /// How long it waits before it tries again.
        retry_in: Duration,
    },
    /// It has ended: by request (`None`), or because it may not or need not try again.
    Closed(Option<ConnectError>),
}

/// Follows the [`State`] of a client. Made by [`Client::state`](crate::Client::state).
///
/// It shows the latest state: short-lived ones in between may be missed.
#[derive(Clone, Debug)]
pub struct StateWatch {
    state: watch::Receiver<State>,
}

impl StateWatch {
    pub(crate) fn new(state: watch::Receiver<State>) -> Self {
        StateWatch { state }
    }

    /// The state now.
    pub fn current(&self) -> State {
        self.state.borrow().clone()
    }

    /// Waits for another state than the last one seen; `None` after [`State::Closed`] has been seen.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn changed(&mut self) -> Option<State> {
        self.state.changed().await.ok()?;
        Some(self.state.borrow_and_update().clone())
    }

    /// Waits until the client is connected.
    ///
    /// # Errors
    ///
    /// Why the client has ended instead.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn up(&mut self) -> Result<Arc<Connack>, ConnectError> {
        let settled = |state: &State| matches!(state, State::Up(_) | State::Closed(_));
        match self.state.wait_for(settled).await.as_deref() {
            Ok(State::Up(connack)) => Ok(Arc::clone(connack)),
            Ok(State::Closed(Some(error))) => Err(error.clone()),
            _ => Err(ConnectError::Closed),
        }
    }
}
