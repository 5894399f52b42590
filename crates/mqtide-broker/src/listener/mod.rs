//! Where connections come from.

mod accept;
mod address;
mod tcp;
#[cfg(feature = "ws")]
mod ws;

pub(crate) use accept::{Listener, Peer, serve};
pub use address::{ListenAddress, ListenAddressError, ListenProtocol};
pub(crate) use tcp::bind;
#[cfg(feature = "ws")]
pub(crate) use ws::WsStream;
