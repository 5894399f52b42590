#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[macro_use]
mod text;

#[cfg(feature = "arbitrary")]
mod arbitrary;
mod error;
mod filter;
#[cfg(all(feature = "arbitrary", feature = "index"))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "index")]
mod index;
mod level;
mod limits;
mod matching;
mod name;
#[cfg(feature = "index")]
mod retained;
mod scan;
#[cfg(feature = "serde")]
mod serde;
mod shared;

pub use crate::error::TopicError;
pub use crate::filter::{TopicFilter, TopicFilterRef};
#[cfg(feature = "index")]
pub use crate::index::FilterIndex;
pub use crate::level::{FilterLevels, Level, NameLevels};
pub use crate::limits::TopicLimits;
pub use crate::name::{TopicName, TopicNameRef};
#[cfg(feature = "index")]
pub use crate::retained::{TopicMap, TopicScan};
pub use crate::shared::{ShareName, SubscriptionFilter};

/// The longest topic name or topic filter that the protocol can carry, in bytes of UTF-8:
/// a string's length travels in two bytes (MQTT 5.0 §1.5.4, §4.7.3).
pub const MAX_TOPIC_BYTES: usize = 65_535;
