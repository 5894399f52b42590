//! `Arbitrary` for what a caller feeds to the machines besides packets.

use alloc::vec::Vec;

use arbitrary::{Arbitrary, Result, Unstructured};
use bytes::Bytes;
use mqtide_topic::TopicName;

use crate::{Delivery, Instant, Message, SubscriptionIdentifiers};

impl<'a> Arbitrary<'a> for Message {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut message = Self::new(TopicName::arbitrary(u)?, Bytes::from(Vec::arbitrary(u)?));
        message.expires_at = Option::<Instant>::arbitrary(u)?;
        Ok(message)
    }
}

impl<'a, M: Arbitrary<'a>> Arbitrary<'a> for Delivery<M> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            retain: bool::arbitrary(u)?,
            subscription_identifiers: SubscriptionIdentifiers::arbitrary(u)?,
            ..Self::new(M::arbitrary(u)?, Arbitrary::arbitrary(u)?)
        })
    }
}

impl<'a> Arbitrary<'a> for SubscriptionIdentifiers {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        u.arbitrary_iter()?.collect()
    }
}
