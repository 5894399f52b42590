use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use mqtide_codec::ReasonCode;

/// Decides who is let in.
///
/// It is asked once per CONNECT, after the packet has been found well-formed and before anything else happens:
/// a refused client leaves no trace and displaces nobody. Answers are awaited with the connection alone
/// waiting, within [`Limits::connect_timeout`](crate::Limits::connect_timeout).
#[async_trait]
pub trait Authenticator: Send + Sync + 'static {
    /// Decides by user name and password, which either may be absent.
    ///
    /// `Ok(Some(name))` replaces the user name, `Ok(None)` keeps it.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] closes the connection with its reason code. Failing to decide must refuse, too.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the client leaves or the time is up.
    async fn authenticate(
        &self,
        credentials: &Credentials<'_>,
    ) -> Result<Option<Arc<str>>, Refusal>;

    /// Begins an enhanced authentication (`MQTT 5.0 §4.12`) by this method, or knows no such method (`None`,
    /// which is answered with 0x8C, Bad authentication method). The default knows none.
    fn exchange(
        &self,
        _method: &str,
        _credentials: &Credentials<'_>,
    ) -> Option<Box<dyn AuthenticationExchange>> {
        None
    }
}

/// One enhanced authentication under way.
#[async_trait]
pub trait AuthenticationExchange: Send {
    /// Takes the client's Authentication Data and answers.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] closes the connection with its reason code.
    ///
    /// # Cancel safety
    ///
    /// The exchange is dropped together with the future.
    async fn step(&mut self, data: Option<Bytes>) -> Result<AuthenticationStep, Refusal>;
}

/// What comes next in an enhanced authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthenticationStep {
    /// Ask the client to go on (AUTH 0x18), with this Authentication Data.
    Continue(Option<Bytes>),
    /// The client is who it says.
    Success {
        /// Authentication Data for the CONNACK, or for the closing AUTH of a re-authentication.
        data: Option<Bytes>,
        /// Replaces the user name, if any.
        user_name: Option<Arc<str>>,
    },
}

/// What a client shows in its CONNECT.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Credentials<'a> {
    /// The Client Identifier, also when the broker assigned it.
    pub client_id: &'a str,
    /// The User Name.
    pub user_name: Option<&'a str>,
    /// The Password.
    pub password: Option<&'a [u8]>,
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// Whether the listener is bound to a loopback address.
    pub loopback: bool,
}

/// Why a client is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused: {0:?}")]
pub struct Refusal(pub ReasonCode);

/// The rule of a broker without an [`Authenticator`]: everybody is let in, whatever the credentials, on loopback
/// listeners, and on all listeners if [`Config::allow_anonymous`](crate::Config::allow_anonymous) says so.
#[derive(Clone, Copy, Debug)]
pub struct AllowAnonymous {
    /// Whether other listeners than loopback ones are open, too.
    pub everywhere: bool,
}

#[async_trait]
impl Authenticator for AllowAnonymous {
    async fn authenticate(
        &self,
        credentials: &Credentials<'_>,
    ) -> Result<Option<Arc<str>>, Refusal> {
        if self.everywhere || credentials.loopback {
            Ok(None)
        } else {
            Err(Refusal(ReasonCode::NotAuthorized))
        }
    }
}
