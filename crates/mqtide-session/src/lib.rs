#![doc = include_str!("../README.md")]
#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

mod alias;
#[cfg(feature = "arbitrary")]
mod arbitrary;
mod auth;
mod client;
mod control;
mod drops;
mod endpoint;
mod error;
#[cfg(feature = "arbitrary")]
#[doc(hidden)]
pub mod fuzzing;
mod handshake;
mod inbound;
mod keep_alive;
mod lazy;
mod limits;
mod message;
mod outbound;
mod output;
mod packet_id;
mod packet_size;
mod server;
mod state;
mod store;
mod time;
mod will;

pub use crate::alias::AliasUse;
pub use crate::client::{ClientEvent, ClientSession, ClientSettings, Operation, Outcome};
pub use crate::control::{AckKind, Acknowledgement};
pub use crate::drops::{DeliverOutcome, Drops};
pub use crate::error::{Refused, Violation};
pub use crate::handshake::{AuthenticationStep, ConnectRequest, Handshake};
pub use crate::inbound::AckToken;
pub use crate::limits::{Limits, Overflow, QueueLimits, Settings};
pub use crate::message::{
    Content, Deliverable, Delivery, Message, SubscriptionIdentifiers, properties_len,
};
pub use crate::outbound::{DropReason, Dropped, OutgoingPublish, Settled, Undelivered};
pub use crate::output::Outgoing;
pub use crate::server::{
    Acceptance, Accepted, ClientDisconnect, Departure, InboundPublish, PublishedTopic,
    ReceivedPublish, Refusal, ServerEvent, ServerSession, SubscribeRequest, SubscriptionRequest,
    UnsubscribeRequest, UnsupportedSubscriptions,
};
pub use crate::state::{
    ClientState, Progress, ServerState, SessionState, StoredMessage, StoredWill,
};
pub use crate::store::{DeliveryKey, StoreOp, Ticket};
pub use crate::time::Instant;
