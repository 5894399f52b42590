//! What a store has of a session for good.

use mqtide_codec::PacketIdentifier;
use mqtide_session::{
    ClientSession, ClientState, DeliveryKey, Instant, Message, ServerSession, ServerState,
    SessionState, StoreOp,
};

use super::ledger::Broken;
use super::terms::Terms;

/// The stored session, if there is one.
#[derive(Debug, Default)]
pub(super) struct Disk {
    session: SessionState<Message>,
    /// Whether the other side may have it too.
    begun: bool,
}

impl Disk {
    /// A session begins anew, or goes on.
    pub(super) fn begin(&mut self) {
        self.begun = true;
    }

    pub(super) fn apply(&mut self, operation: StoreOp<Message>) {
        self.session.apply(operation);
    }

    /// The other side may not have it any more.
    pub(super) fn end(&mut self) {
        self.begun = false;
    }

    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Takes an exported session instead, which must be the same.
    pub(super) fn replace(
        &mut self,
        exported: SessionState<Message>,
        whose: &str,
    ) -> Result<(), Broken> {
        if flows(&exported) != flows(&self.session) {
            let stored = &self.session;
            return Err(Broken(format!(
                "the {whose} exports {exported:?} and stored {stored:?}"
            )));
        }
        self.session = exported;
        Ok(())
    }

    /// The server's session, if it ever began.
    pub(super) fn restore_server(
        &self,
        now: Instant,
        terms: &Terms,
    ) -> Result<Option<ServerSession<Message>>, Broken> {
        if !self.begun {
            return Ok(None);
        }
        let state = ServerState {
            session: self.session.clone(),
            session_expiry_interval: u32::MAX,
            ends_at: None,
            will: None,
        };
        let session = ServerSession::restore(now, state, terms.settings());
        session
            .map(Some)
            .map_err(|refused| Broken(format!("the server's state: {refused}")))
    }

    pub(super) fn restore_client(&self, terms: &Terms) -> Result<ClientSession<Message>, Broken> {
        let state = ClientState {
            session: self.session.clone(),
            established: self.begun,
            session_expiry_interval: u32::MAX,
        };
        let session = ClientSession::restore(terms.client_settings(), state);
        session.map_err(|refused| Broken(format!("the client's state: {refused}")))
    }

    /// At rest nothing may be left of any message.
    pub(super) fn check_empty(&self, whose: &str) -> Result<(), Broken> {
        let SessionState {
            messages,
            released,
            held,
            ..
        } = &self.session;
        match messages.is_empty() && released.is_empty() && held.is_empty() {
            true => Ok(()),
            false => Err(Broken(format!("{whose}'s store keeps {:?}", self.session))),
        }
    }
}

/// Messages and identifiers. What is held is left out: an application has to take over a QoS 2
/// message before a client stores its identifier.
fn flows(state: &SessionState<Message>) -> (Vec<Flow>, Vec<(DeliveryKey, PacketIdentifier)>) {
    let messages = state
        .messages
        .iter()
        .map(|message| (message.key, message.progress.identifier()));
    (messages.collect(), state.released.clone())
}

type Flow = (DeliveryKey, Option<PacketIdentifier>);
