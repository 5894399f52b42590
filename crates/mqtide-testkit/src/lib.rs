//! Shared test tools of the mqtide workspace; not published.

pub mod canary;
pub mod conformance;
pub mod memory;
pub mod notation;
pub mod raw;
pub mod simulator;
pub mod soak;
pub mod websocket;
pub mod wire;

/// The examples of the project's README, as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
