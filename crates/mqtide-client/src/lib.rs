#![doc = include_str!("../README.md")]
//!
//! # How it works
//!
//! A [`Client`] is a handle; one task behind it, the driver, owns the session (an
//! [`mqtide_session`] machine) and the connection. Handles reach it by one bounded queue; messages reach
//! [`Subscription`]s by one bounded queue each. Nothing grows without bound, and what happens at each bound is a
//! choice with a default:
//!
//! | bound | set by | at the bound |
//! |---|---|---|
//! | messages accepted and not settled | [`Options::queue_limits`] | [`QueuePolicy`] |
//! | QoS 1 and 2 messages not acknowledged | [`Options::receive_maximum`] | the server waits |
//! | QoS 1 and 2 messages on their way | [`Options::maximum_in_flight`] | publishes wait in the queue |
//! | QoS 0 messages in a stream | [`Subscribe::capacity`] | [`Overflow`] |
//! | size of a packet received | [`Options::maximum_packet_size`] | the server does not send it |
//! | time of an attempt to connect | [`Options::connect_timeout`] | it failed |
//!
//! Futures may be dropped at any time; each says what that means under "Cancel safety".

mod backoff;
mod command;
mod connection;
mod delivery;
mod driver;
mod engine;
mod error;
mod handle;
mod inbox;
mod options;
mod outbox;
mod publish;
mod queue;
mod received;
mod routes;
mod state;
mod subscribe;
mod translate;
mod transport;
mod url;

pub use mqtide_codec::{
    Connack, ConnackProperties, PayloadFormat, PublishProperties, QoS, ReasonCode, RetainHandling,
    UserProperties, Version, Will, WillProperties,
};
pub use mqtide_session::Message;
pub use mqtide_topic::{SubscriptionFilter, TopicError, TopicFilter, TopicName};

pub use self::backoff::Backoff;
pub use self::error::{
    BoxError, CloseError, ConnectError, OptionsError, PublishError, SubscribeError,
    UnsubscribeError, UrlError,
};
pub use self::handle::{Client, Close};
pub use self::inbox::Overflow;
pub use self::options::{Credentials, Options};
pub use self::publish::{Outcome, Publish, Receipt};
pub use self::queue::QueuePolicy;
pub use self::received::Received;
pub use self::state::{State, StateWatch};
pub use self::subscribe::{Subscribe, Subscription};
pub use self::transport::{Connector, Target, TcpConnector, Transport};
