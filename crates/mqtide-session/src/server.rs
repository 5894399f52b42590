//! The server's side of a session.

mod acceptance;
mod event;
mod lifetime;
mod requests;
mod session;

pub use self::acceptance::{Acceptance, Accepted, Refusal, UnsupportedSubscriptions};
pub use self::event::{
    ClientDisconnect, Departure, InboundPublish, PublishedTopic, ReceivedPublish, ServerEvent,
    SubscribeRequest, SubscriptionRequest, UnsubscribeRequest,
};
pub use self::session::ServerSession;
