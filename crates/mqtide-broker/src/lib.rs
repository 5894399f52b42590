//! An MQTT 3.1, 3.1.1 and 5.0 broker as a library.

mod broker;
mod builder;
mod config;
mod error;
mod listener;

pub use broker::{Broker, BrokerHandle};
pub use builder::{BrokerBuilder, Flavour};
pub use config::{Capabilities, Config, Limits, QueueFull};
pub use error::BrokerError;
pub use listener::{ListenAddress, ListenAddressError, ListenProtocol};
