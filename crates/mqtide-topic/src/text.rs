//! What the owned, proven texts have in common, written once.

/// Implements construction, comparison and formatting for `$owned(ByteString)`, with `$check` as
/// the proof and `$borrowed` as the borrowed form.
macro_rules! proven_text {
    ($owned:ident, $check:path) => {
        impl $owned {
            /// The text.
            #[inline]
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Length in bytes of UTF-8, never 0.
            #[inline]
            #[must_use]
            #[allow(clippy::len_without_is_empty)]
            pub fn len(&self) -> usize {
                self.0.len()
            }

            /// The text's storage, which may be a slice of a larger buffer.
            #[inline]
            #[must_use]
            pub const fn as_byte_string(&self) -> &bytestring::ByteString {
                &self.0
            }

            /// Gives up the proof, keeps the text.
            #[inline]
            #[must_use]
            pub fn into_byte_string(self) -> bytestring::ByteString {
                self.0
            }

            /// The same text in a buffer of its own.
            ///
            /// A text that was decoded from a packet is a slice of the receive buffer and keeps that
            /// buffer alive; use this before storing it for long.
            #[must_use]
            pub fn detached(&self) -> Self {
                Self(bytestring::ByteString::from(self.as_str()))
            }
        }

        impl TryFrom<bytestring::ByteString> for $owned {
            type Error = crate::TopicError;

            /// Checks the text; does not copy it.
            #[inline]
            fn try_from(text: bytestring::ByteString) -> Result<Self, Self::Error> {
                $check(text.as_bytes())?;
                Ok(Self(text))
            }
        }

        impl TryFrom<bytes::Bytes> for $owned {
            type Error = crate::TopicError;

            /// Checks UTF-8 and the text; does not copy it.
            #[inline]
            fn try_from(bytes: bytes::Bytes) -> Result<Self, Self::Error> {
                // The length goes first, so that the work is bounded by it.
                $check(&bytes)?;
                match bytestring::ByteString::try_from(bytes) {
                    Ok(text) => Ok(Self(text)),
                    Err(error) => Err(crate::TopicError::NotUtf8 {
                        at: error.valid_up_to(),
                    }),
                }
            }
        }

        impl TryFrom<alloc::string::String> for $owned {
            type Error = crate::TopicError;

            /// Checks the text; does not copy it.
            fn try_from(text: alloc::string::String) -> Result<Self, Self::Error> {
                $check(text.as_bytes())?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<&str> for $owned {
            type Error = crate::TopicError;

            /// Checks and copies the text.
            fn try_from(text: &str) -> Result<Self, Self::Error> {
                $check(text.as_bytes())?;
                Ok(Self(text.into()))
            }
        }

        impl core::str::FromStr for $owned {
            type Err = crate::TopicError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::try_from(text)
            }
        }

        impl From<$owned> for bytestring::ByteString {
            fn from(text: $owned) -> Self {
                text.0
            }
        }

        impl From<$owned> for alloc::string::String {
            fn from(text: $owned) -> Self {
                text.0.into()
            }
        }

        impl AsRef<str> for $owned {
            #[inline]
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<[u8]> for $owned {
            #[inline]
            fn as_ref(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl core::borrow::Borrow<str> for $owned {
            #[inline]
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl_display_and_eq!($owned);
    };
}

/// Implements formatting, and comparison with plain text, by `as_str`.
macro_rules! impl_display_and_eq {
    ($type:ident $(<$lifetime:lifetime>)?) => {
        impl$(<$lifetime>)? core::fmt::Display for $type $(<$lifetime>)? {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl$(<$lifetime>)? core::fmt::Debug for $type $(<$lifetime>)? {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl$(<$lifetime>)? PartialEq<str> for $type $(<$lifetime>)? {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl$(<$lifetime>)? PartialEq<&str> for $type $(<$lifetime>)? {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }
    };
}
