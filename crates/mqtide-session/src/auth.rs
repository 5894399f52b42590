//! Enhanced authentication and re-authentication, as either side sees it (MQTT 5.0 §4.12).

use bytes::Bytes;
use bytestring::ByteString;
use mqtide_codec::{Auth, ReasonCode, Sender};

use crate::{Refused, Violation};

/// The exchange over one connection.
///
/// ```text
/// Peer's turn <-> Own turn -> Done -> (AUTH 0x19 of the client) Peer's or own turn -> ..
/// ```
#[derive(Debug)]
pub(crate) struct Exchange {
    method: ByteString,
    role: Sender,
    turn: Turn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// This side must answer.
    Own,
    /// The other side must answer.
    Peer,
    /// Nobody: the client may begin anew.
    Nobody,
}

impl Exchange {
    /// The exchange that a CONNECT with this method begins.
    pub(crate) fn new(method: ByteString, role: Sender) -> Self {
        let turn = if role == Sender::Server {
            Turn::Own
        } else {
            Turn::Peer
        };
        Self { method, role, turn }
    }

    pub(crate) fn method(&self) -> &ByteString {
        &self.method
    }

    /// CONNACK, or AUTH with Success, has ended the exchange.
    pub(crate) fn finish(&mut self) {
        self.turn = Turn::Nobody;
    }

    /// AUTH has arrived.
    pub(crate) fn receive(&mut self, auth: &Auth) -> Result<(), Violation> {
        if auth.authentication_method != self.method {
            return Err(Violation::AuthenticationMethodChanged);
        }
        self.turn = match (auth.reason, self.role, self.turn) {
            (ReasonCode::ContinueAuthentication, _, Turn::Peer) => Turn::Own,
            (ReasonCode::ReAuthenticate, Sender::Server, Turn::Nobody) => Turn::Own,
            (ReasonCode::Success, Sender::Client, Turn::Peer) => Turn::Nobody,
            (reason, ..) => return Err(Violation::ReasonNotAllowed(reason)),
        };
        Ok(())
    }

    /// The AUTH that asks for more.
    pub(crate) fn proceed(&mut self, data: Option<Bytes>) -> Result<Auth, Refused> {
        self.step(
            Turn::Own,
            Turn::Peer,
            ReasonCode::ContinueAuthentication,
            data,
        )
    }

    /// The AUTH with which a server accepts a re-authentication.
    pub(crate) fn accept(&mut self, data: Option<Bytes>) -> Result<Auth, Refused> {
        self.step(Turn::Own, Turn::Nobody, ReasonCode::Success, data)
    }

    /// The AUTH with which a client begins a re-authentication `[MQTT-4.12.1-1]`.
    pub(crate) fn begin(&mut self, data: Option<Bytes>) -> Result<Auth, Refused> {
        self.step(Turn::Nobody, Turn::Peer, ReasonCode::ReAuthenticate, data)
    }

    fn step(
        &mut self,
        from: Turn,
        to: Turn,
        reason: ReasonCode,
        data: Option<Bytes>,
    ) -> Result<Auth, Refused> {
        if self.turn != from {
            return Err(Refused::NotAuthenticating);
        }
        self.turn = to;
        let mut auth = Auth::new(reason, self.method.clone());
        auth.authentication_data = data;
        Ok(auth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Exchange, Exchange) {
        let exchange = |role| Exchange::new(ByteString::from_static("M"), role);
        (exchange(Sender::Client), exchange(Sender::Server))
    }

    /// MQTT-4.12.0-3
    #[test]
    fn the_two_sides_take_turns() {
        let (mut client, mut server) = pair();
        assert_eq!(client.proceed(None), Err(Refused::NotAuthenticating));
        let challenge = server.proceed(None).unwrap();
        client.receive(&challenge).unwrap();
        let answer = client.proceed(None).unwrap();
        assert_eq!(answer.reason, ReasonCode::ContinueAuthentication);
        server.receive(&answer).unwrap();
        assert!(server.receive(&answer).is_err(), "not the client's turn");
    }

    #[test]
    fn only_a_client_begins_anew_and_only_once_at_a_time() {
        let (mut client, mut server) = pair();
        client.finish();
        server.finish();
        let begin = client.begin(None).unwrap();
        assert_eq!(client.begin(None), Err(Refused::NotAuthenticating));
        server.receive(&begin).unwrap();
        assert!(server.receive(&begin).is_err());
        client.receive(&server.accept(None).unwrap()).unwrap();
        assert!(client.receive(&begin).is_err(), "a server cannot begin");
    }

    /// MQTT-4.12.0-5
    #[test]
    fn the_method_never_changes() {
        let (mut client, _) = pair();
        let other = Auth::new(ReasonCode::ContinueAuthentication, "N");
        assert_eq!(
            client.receive(&other),
            Err(Violation::AuthenticationMethodChanged)
        );
    }
}
