use async_trait::async_trait;
use mqtide_codec::QoS;

use super::ClientInfo;

/// Decides what a client may do.
///
/// Only the questions named by [`Authorizer::interest`] are asked; what nobody is interested in costs nothing.
/// While an answer is awaited the asking connection waits, and no other.
#[async_trait]
pub trait Authorizer: Send + Sync + 'static {
    /// Which questions are to be asked. Read once, when the broker starts.
    fn interest(&self) -> Interest;

    /// Whether a client may publish this message, or leave it as its will. The default allows it.
    ///
    /// A message that may not be published is answered with 0x87 (Not authorized) where the protocol has room
    /// for it, and goes nowhere.
    async fn publish(&self, _client: &ClientInfo, _request: &PublishRequest<'_>) -> bool {
        true
    }

    /// Whether a client may subscribe to this filter. The default allows it.
    async fn subscribe(&self, _client: &ClientInfo, _request: &SubscribeRequest<'_>) -> bool {
        true
    }
}

/// The questions that an [`Authorizer`] wants to be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Ask [`Authorizer::publish`], for wills too.
    pub publish: bool,
    /// Ask [`Authorizer::subscribe`].
    pub subscribe: bool,
}

impl Interest {
    /// Ask everything.
    pub const ALL: Interest = Interest {
        publish: true,
        subscribe: true,
    };

    /// Whether there is any question to ask.
    pub fn any(self) -> bool {
        self.publish || self.subscribe
    }
}

/// A message about to be published.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PublishRequest<'a> {
    /// Its topic, aliases resolved.
    pub topic: &'a str,
    /// The QoS it was published with.
    pub qos: QoS,
    /// Whether it is to be retained.
    pub retain: bool,
    /// Whether it is the client's will.
    pub will: bool,
}

/// A subscription about to be made.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SubscribeRequest<'a> {
    /// The filter as the client sent it, `$share/..` included.
    pub filter: &'a str,
    /// The QoS that the client asks for.
    pub qos: QoS,
}
