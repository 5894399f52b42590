//! The rules of the broker "guarded".

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use mqtide_broker::{
    AuthenticationExchange, AuthenticationStep, Authenticator, Authorizer, ClientInfo, Credentials,
    Interest, PublishRequest, Refusal, SubscribeRequest,
};
use mqtide_codec::ReasonCode;

/// Lets in by one password or by the method `ECHO`, and denies what has a level `denied`.
pub(crate) struct Guard;

#[async_trait]
impl Authenticator for Guard {
    async fn authenticate(
        &self,
        credentials: &Credentials<'_>,
    ) -> Result<Option<Arc<str>>, Refusal> {
        match (credentials.user_name, credentials.password) {
            _ if credentials.client_id == "banned" => {
                Err(Refusal(ReasonCode::ClientIdentifierNotValid))
            }
            (None, None) => Err(Refusal(ReasonCode::NotAuthorized)),
            (Some(_), Some(b"open sesame")) => Ok(None),
            _ => Err(Refusal(ReasonCode::BadUserNameOrPassword)),
        }
    }

    fn exchange(
        &self,
        method: &str,
        _credentials: &Credentials<'_>,
    ) -> Option<Box<dyn AuthenticationExchange>> {
        (method == "ECHO")
            .then(|| Box::new(Echo { asked: false }) as Box<dyn AuthenticationExchange>)
    }
}

/// Asks `q` and wants to hear `a`.
struct Echo {
    asked: bool,
}

#[async_trait]
impl AuthenticationExchange for Echo {
    async fn step(&mut self, data: Option<Bytes>) -> Result<AuthenticationStep, Refusal> {
        if !self.asked {
            self.asked = true;
            return Ok(AuthenticationStep::Continue(Some(Bytes::from_static(b"q"))));
        }
        match data.as_deref() {
            Some(b"a") => Ok(AuthenticationStep::Success {
                data: None,
                user_name: None,
            }),
            _ => Err(Refusal(ReasonCode::NotAuthorized)),
        }
    }
}

#[async_trait]
impl Authorizer for Guard {
    fn interest(&self) -> Interest {
        Interest::ALL
    }

    async fn publish(&self, _client: &ClientInfo, request: &PublishRequest<'_>) -> bool {
        !is_denied(request.topic)
    }

    async fn subscribe(&self, _client: &ClientInfo, request: &SubscribeRequest<'_>) -> bool {
        !is_denied(request.filter)
    }
}

fn is_denied(name: &str) -> bool {
    name.split('/').any(|level| level == "denied")
}
