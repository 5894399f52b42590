//! Dialogues in virtual time: what one side says, and what the machine answers.
//!
//! Every packet crosses the codec, so what is asserted is what a peer would read. Expectations are
//! written as text, one line per packet: `PUBLISH q1 #7 dup a/b`, `PUBACK #7 0x87`, `CONNACK present`.

#![allow(clippy::unwrap_used, reason = "what a test unwraps, it asserts")]
#![allow(
    clippy::cast_possible_truncation,
    reason = "packets of tests are short"
)]

mod client_connect;
mod client_flow;
mod client_requests;
mod pair;
mod script;
mod server_connect;
mod server_deliver;
mod server_end;
mod server_receive;
mod server_requests;
mod state;
mod store;
