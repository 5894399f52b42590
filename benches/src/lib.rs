//! Benches of mqtide and the tools that compare it with its peers.
//!
//! [`case`] builds the packets as bytes, by hand and from no codec, so that nobody's own output is
//! measured. [`codec`] says what a codec must offer to take part, one module in [`peers`] adapts
//! each of them, and [`pass`] runs a codec over a case. The criterion benches and the programs in
//! `src/bin` only choose codecs and cases and print. [`topic`] has the same for matching topics.

pub mod buffer;
pub mod case;
pub mod codec;
mod ours;
pub mod pass;
pub mod peers;
pub mod report;
pub mod selection;
pub mod topic;
