use super::levels::Levels;

/// A filter that matches a name, if the index has it.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    pub(super) hash: u32,
    pub(super) pattern: Pattern,
}

/// How a filter is made from a name.
#[derive(Clone, Copy)]
pub(super) enum Pattern {
    /// It is the name.
    Name,
    /// It has so many levels of the name, some of them replaced.
    Levels {
        depth: u32,
        /// Which of the first 64 levels are `+`.
        singles: u64,
        /// Whether `#` follows.
        multi: bool,
    },
}

impl Pattern {
    /// Whether a text is this filter. `deep` tells which levels from the 65th on are `+`, 64 in each.
    #[inline]
    pub(super) fn is(&self, text: &[u8], levels: &Levels<'_>, deep: &[u64]) -> bool {
        match *self {
            Self::Name => text == levels.name(),
            Self::Levels {
                depth,
                singles,
                multi,
            } => {
                let mut rest = Rest {
                    text,
                    name: levels.name(),
                    at: 0,
                };
                let words = core::iter::once(&singles).chain(deep);
                let same = (0..depth)
                    .step_by(64)
                    .zip(words)
                    .all(|(first, &singles)| rest.skip_singles(levels, first, singles));
                same && rest.skip_literals(levels.end(depth)) && rest.ends(multi, depth)
            }
        }
    }
}

/// What of a filter's text is still to be compared, and with what of the name.
struct Rest<'a> {
    text: &'a [u8],
    name: &'a [u8],
    at: usize,
}

impl Rest<'_> {
    /// Compares up to the last `+` of 64 levels.
    #[inline]
    fn skip_singles(&mut self, levels: &Levels<'_>, first: u32, mut singles: u64) -> bool {
        while singles != 0 {
            let depth = first + singles.trailing_zeros();
            singles &= singles - 1;
            let start = levels.end(depth) + usize::from(depth > 0);
            if !self.skip_literals(start) || self.text.first() != Some(&b'+') {
                return false;
            }
            self.text = &self.text[1..];
            self.at = levels.end(depth + 1);
        }
        true
    }

    /// Compares what is not replaced, up to a place in the name.
    #[inline]
    fn skip_literals(&mut self, to: usize) -> bool {
        let Some(literals) = self.name.get(self.at..to) else {
            return false;
        };
        let Some(rest) = self.text.strip_prefix(literals) else {
            return false;
        };
        self.text = rest;
        self.at = to;
        true
    }

    #[inline]
    fn ends(&self, multi: bool, depth: u32) -> bool {
        match (multi, depth) {
            (false, _) => self.text.is_empty(),
            (true, 0) => self.text == b"#",
            (true, _) => self.text == b"/#",
        }
    }
}
