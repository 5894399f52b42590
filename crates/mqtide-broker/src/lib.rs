#![doc = include_str!("../README.md")]

mod admission;
mod broker;
mod builder;
mod config;
mod connection;
mod core;
mod error;
mod hooks;
mod in_process;
mod legacy;
mod life;
mod listener;
mod notice;
mod publication;
mod registry;
mod routing;
mod shutdown;
mod slot;
mod stats;
pub mod store;
mod sys;
mod worker;

pub use broker::{Broker, BrokerHandle};
pub use builder::{BrokerBuilder, Flavour};
pub use config::{Capabilities, Config, Limits, QueueFull};
pub use error::{BrokerError, PublishError, Stopped};
pub use hooks::{
    AllowAnonymous, AuthenticationExchange, AuthenticationStep, Authenticator, Authorizer,
    ClientInfo, Credentials, Interest, PublishRequest, Refusal, SubscribeRequest,
};
pub use in_process::{Message, Subscription};
pub use listener::{ListenAddress, ListenAddressError, ListenProtocol};
pub use routing::{Random, RoundRobin, SharedStrategy};
pub use stats::Stats;
