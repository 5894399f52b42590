//! Numbers that are never zero: packet identifiers, topic aliases, subscription identifiers.

use core::fmt;
use core::num::{NonZeroU16, NonZeroU32};

/// A Packet Identifier: 1 to 65,535 (MQTT 5.0 §2.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct PacketIdentifier(pub NonZeroU16);

impl PacketIdentifier {
    /// The smallest identifier.
    pub const MIN: Self = Self(NonZeroU16::MIN);
    /// The largest identifier.
    pub const MAX: Self = Self(NonZeroU16::MAX);

    /// The identifier with this number; `None` for 0.
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number.
    pub const fn as_u16(self) -> u16 {
        self.0.get()
    }
}

/// A Topic Alias: 1 to 65,535 (MQTT 5.0 §3.3.2.3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct TopicAlias(pub NonZeroU16);

impl TopicAlias {
    /// The alias with this number; `None` for 0.
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number.
    pub const fn as_u16(self) -> u16 {
        self.0.get()
    }
}

/// A Subscription Identifier: 1 to 268,435,455 (MQTT 5.0 §3.8.2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionIdentifier(NonZeroU32);

impl SubscriptionIdentifier {
    /// The smallest identifier.
    pub const MIN: Self = Self(NonZeroU32::MIN);
    /// The largest number that fits a variable byte integer: 268,435,455.
    pub const MAX: Self = match NonZeroU32::new(268_435_455) {
        Some(number) => Self(number),
        None => Self::MIN,
    };

    /// The identifier with this number; `None` for 0 and above [`MAX`](Self::MAX).
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(nonzero) if number <= Self::MAX.as_u32() => Some(Self(nonzero)),
            _ => None,
        }
    }

    /// The number.
    pub const fn as_u32(self) -> u32 {
        self.0.get()
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for SubscriptionIdentifier {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let number = u.int_in_range(Self::MIN.as_u32()..=Self::MAX.as_u32())?;
        Ok(Self::new(number).unwrap_or(Self::MIN))
    }
}

/// The number is outside the range of the identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is outside the range of the identifier")]
pub struct InvalidIdentifier(pub u32);

macro_rules! conversions {
    ($($name:ident, $number:ty, $read:ident;)*) => {$(
        impl TryFrom<$number> for $name {
            type Error = InvalidIdentifier;

            fn try_from(number: $number) -> Result<Self, InvalidIdentifier> {
                Self::new(number).ok_or(InvalidIdentifier(number.into()))
            }
        }

        impl From<$name> for $number {
            fn from(id: $name) -> Self {
                id.$read()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.$read().fmt(f)
            }
        }
    )*};
}

conversions! {
    PacketIdentifier, u16, as_u16;
    TopicAlias, u16, as_u16;
    SubscriptionIdentifier, u32, as_u32;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_identifier() {
        assert_eq!(PacketIdentifier::try_from(0), Err(InvalidIdentifier(0)));
        assert_eq!(TopicAlias::new(0), None);
        assert_eq!(SubscriptionIdentifier::new(0), None);
        assert_eq!(PacketIdentifier::new(65_535), Some(PacketIdentifier::MAX));
    }

    #[test]
    fn subscription_identifiers_fit_a_variable_byte_integer() {
        assert_eq!(
            SubscriptionIdentifier::new(268_435_455),
            Some(SubscriptionIdentifier::MAX)
        );
        assert_eq!(SubscriptionIdentifier::new(268_435_456), None);
    }
}
