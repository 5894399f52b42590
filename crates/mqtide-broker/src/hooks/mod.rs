//! Questions that an embedding program may answer: who is this, may it do that.

mod authenticate;
mod authorize;

pub use authenticate::{
    AllowAnonymous, AuthenticationExchange, AuthenticationStep, Authenticator, Credentials, Refusal,
};
pub use authorize::{Authorizer, Interest, PublishRequest, SubscribeRequest};

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use mqtide_session::ServerEvent;

use crate::connection::Event;

/// Who a connection belongs to, as far as the broker knows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientInfo {
    /// The Client Identifier, also when the broker assigned it.
    pub client_id: Arc<str>,
    /// The User Name of the CONNECT, or the one that the [`Authenticator`] put in its place.
    pub user_name: Option<Arc<str>>,
    /// The other end of the connection; `None` for in-process clients.
    pub peer: Option<SocketAddr>,
    /// Whether it came through a listener that is bound to a loopback address.
    pub loopback: bool,
}

/// The hooks of a broker.
pub(crate) struct Hooks {
    pub(crate) authenticator: Arc<dyn Authenticator>,
    authorizer: Option<Arc<dyn Authorizer>>,
    interest: Interest,
}

impl Hooks {
    pub(crate) fn new(
        authenticator: Arc<dyn Authenticator>,
        authorizer: Option<Arc<dyn Authorizer>>,
    ) -> Self {
        let interest = authorizer.as_ref().map(|authorizer| authorizer.interest());
        Hooks {
            authenticator,
            authorizer,
            interest: interest.unwrap_or_default(),
        }
    }

    pub(crate) fn interest(&self) -> Interest {
        self.interest
    }

    /// Whether somebody wants to be asked about any of these.
    pub(crate) fn asks_about(&self, events: &[Event]) -> bool {
        let Interest { publish, subscribe } = self.interest;
        if !publish && !subscribe {
            return false;
        }
        events.iter().any(|event| match event {
            Event::Publish(_) => publish,
            Event::Session(ServerEvent::Subscribe(_)) => subscribe,
            Event::Session(_) => false,
        })
    }

    pub(crate) async fn may_publish(
        &self,
        client: &ClientInfo,
        request: &PublishRequest<'_>,
    ) -> bool {
        match &self.authorizer {
            Some(authorizer) if self.interest.publish => authorizer.publish(client, request).await,
            _ => true,
        }
    }

    pub(crate) async fn may_subscribe(
        &self,
        client: &ClientInfo,
        request: &SubscribeRequest<'_>,
    ) -> bool {
        match &self.authorizer {
            Some(authorizer) if self.interest.subscribe => {
                authorizer.subscribe(client, request).await
            }
            _ => true,
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("interest", &self.interest)
            .finish_non_exhaustive()
    }
}
