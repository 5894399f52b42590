//! Where connections come from.

mod address;
mod tcp;

pub use address::{ListenAddress, ListenAddressError, ListenProtocol};
pub(crate) use tcp::bind;
