//! Shared test tools of the mqtide workspace; not published.

pub mod canary;
pub mod conformance;
pub mod memory;
pub mod notation;
pub mod raw;
pub mod soak;
pub mod websocket;
pub mod wire;
