//! One module per command, and what the client commands share.

pub(crate) mod broker;
mod connection;
mod format;
mod payload;
mod property;
pub(crate) mod publish;
pub(crate) mod subscribe;
