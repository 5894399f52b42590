//! The properties that a packet owns, as a struct: filled from a block, and written as one.

use core::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;
use bytestring::ByteString;
use mqtide_topic::{TopicName, TopicNameRef};

use super::{PropertiesRef, Property, Visit};
use crate::error::EncodeError;
use crate::packet::PayloadFormat;
use crate::text::Text;
use crate::wire;
use crate::{QoS, SubscriptionIdentifier};

/// A value as packets own it, and as [`Property`] borrows it.
pub(crate) trait Owned {
    type Borrowed<'a>
    where
        Self: 'a;

    /// The value of a part of `owner`, without a copy.
    fn share(borrowed: Self::Borrowed<'_>, owner: &Bytes) -> Self;

    fn borrow(&self) -> Self::Borrowed<'_>;
}

macro_rules! owned_as_is {
    ($($value:ty)*) => {$(
        impl Owned for $value {
            type Borrowed<'a> = Self;

            #[inline]
            fn share(value: Self, _: &Bytes) -> Self {
                value
            }

            #[inline]
            fn borrow(&self) -> Self {
                *self
            }
        }
    )*};
}

owned_as_is! { u16 u32 bool PayloadFormat QoS NonZeroU16 NonZeroU32 SubscriptionIdentifier }

impl Owned for ByteString {
    type Borrowed<'a> = Text<'a>;

    #[inline]
    fn share(text: Text<'_>, owner: &Bytes) -> Self {
        wire::share_text(owner, text)
    }

    #[inline]
    fn borrow(&self) -> Text<'_> {
        Text::of(self)
    }
}

impl Owned for Bytes {
    type Borrowed<'a> = &'a [u8];

    #[inline]
    fn share(bytes: &[u8], owner: &Bytes) -> Self {
        wire::share(owner, bytes)
    }

    #[inline]
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl Owned for TopicName {
    type Borrowed<'a> = TopicNameRef<'a>;

    #[inline]
    fn share(name: TopicNameRef<'_>, owner: &Bytes) -> Self {
        name.to_topic_name_in(owner)
    }

    #[inline]
    fn borrow(&self) -> TopicNameRef<'_> {
        self.as_name()
    }
}

/// A struct of properties that a packet owns.
pub(crate) trait PropertySet {
    /// Takes a property of a packet whose bytes `owner` holds. Others than its own are ignored.
    fn set(&mut self, property: Property<'_>, owner: &Bytes);

    /// Shows all properties in the order in which they are written.
    fn each(&self, visitor: impl for<'a> Visit<'a>);

    /// Bytes of all properties, without the length in front, if they can be written.
    #[inline]
    fn encoded_len(&self) -> Result<usize, EncodeError> {
        let mut measured = Measured {
            len: 0,
            fault: None,
        };
        self.each(&mut measured);
        match measured.fault {
            None => Ok(measured.len),
            Some(fault) => Err(fault),
        }
    }
}

/// Adds up the bytes of properties.
struct Measured {
    len: usize,
    /// The first, if any.
    fault: Option<EncodeError>,
}

impl Visit<'_> for &mut Measured {
    #[inline(always)]
    fn visit(&mut self, property: Property<'_>) {
        match property.encoded_len() {
            Ok(len) => self.len += len,
            Err(fault) => {
                self.fault.get_or_insert(fault);
            }
        }
    }

    #[inline]
    fn visit_pairs(&mut self, pairs: PropertiesRef<'_>) {
        self.len += pairs.as_bytes().len();
    }
}

/// Implements [`PropertySet`]: one row per field, in the order of the identifiers, which is the
/// order of writing.
macro_rules! property_set {
    ($set:ident { $($kind:ident $field:ident: $variant:ident,)* }) => {
        impl $crate::property::PropertySet for $set {
            #[inline(always)]
            fn set(
                &mut self,
                property: $crate::property::Property<'_>,
                owner: &bytes::Bytes,
            ) {
                match property {
                    $($crate::property::Property::$variant(value) => {
                        property_set!(@set $kind self.$field, value, owner);
                    })*
                    _ => {}
                }
            }

            #[inline]
            fn each(&self, mut visitor: impl for<'a> $crate::property::Visit<'a>) {
                $(property_set!(@each $kind self.$field, visitor, $variant);)*
            }
        }
    };
    (@set one $field:expr, $value:ident, $owner:ident) => {
        $field = Some($crate::property::Owned::share($value, $owner))
    };
    (@set many $field:expr, $value:ident, $owner:ident) => {
        $field.push($crate::property::Owned::share($value, $owner))
    };
    (@set pairs $field:expr, $value:ident, $owner:ident) => {
        $field.push_received($value.0, $value.1, $owner)
    };
    (@each one $field:expr, $visitor:ident, $variant:ident) => {
        if let Some(value) = &$field {
            let value = $crate::property::Owned::borrow(value);
            $visitor.visit($crate::property::Property::$variant(value));
        }
    };
    (@each many $field:expr, $visitor:ident, $variant:ident) => {
        for value in &$field {
            let value = $crate::property::Owned::borrow(value);
            $visitor.visit($crate::property::Property::$variant(value));
        }
    };
    (@each pairs $field:expr, $visitor:ident, $variant:ident) => {
        $field.show(&mut $visitor)
    };
}
pub(crate) use property_set;
