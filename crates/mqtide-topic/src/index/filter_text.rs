use alloc::boxed::Box;

use crate::TopicFilterRef;

/// The text of a filter: in place if it is short, so that comparing it reads no other memory.
#[derive(Clone)]
pub(crate) enum FilterText {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(Box<str>),
}

/// With the values of a small key and a small value it fills a cache line.
const SHORT: usize = 46;

impl FilterText {
    /// The text of no filter.
    pub(crate) const NONE: Self = Self::Short {
        len: 0,
        bytes: [0; SHORT],
    };

    #[allow(clippy::cast_possible_truncation)] // it is short
    pub(crate) fn new(text: &str) -> Self {
        let mut bytes = [0; SHORT];
        match bytes.get_mut(..text.len()) {
            Some(start) => {
                start.copy_from_slice(text.as_bytes());
                let len = text.len() as u8;
                Self::Short { len, bytes }
            }
            None => Self::Long(text.into()),
        }
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or(bytes),
            Self::Long(text) => text.as_bytes(),
        }
    }

    pub(crate) fn as_filter(&self) -> TopicFilterRef<'_> {
        TopicFilterRef::proven(match self {
            // It was cut from nothing.
            Self::Short { .. } => core::str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Self::Long(text) => text,
        })
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Short { .. } => 0,
            Self::Long(text) => text.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_whatever_its_length() {
        for len in 1..100 {
            let text = "e\u{301}".repeat(len);
            let text = &text[..len / 3 * 3];
            let kept = FilterText::new(text);
            assert_eq!(kept.as_filter().as_str(), text);
            assert_eq!(kept.as_bytes(), text.as_bytes());
            let heap = if text.len() > SHORT { text.len() } else { 0 };
            assert_eq!(kept.heap_bytes(), heap);
        }
    }
}
