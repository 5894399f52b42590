use crate::{TopicFilterRef, TopicNameRef};

/// Whether a filter matches a name, in one pass over both texts.
///
/// Bytes are compared as they are; a filter that begins with a wildcard does not match a name that
/// begins with `$` (MQTT 5.0 §4.7.2).
pub(crate) fn matches(filter: TopicFilterRef<'_>, name: TopicNameRef<'_>) -> bool {
    let (filter, name) = (filter.as_str().as_bytes(), name.as_str().as_bytes());
    if name[0] == b'$' && matches!(filter[0], b'+' | b'#') {
        return false;
    }
    let (mut f, mut n) = (0, 0);
    loop {
        // Both are at the start of a level.
        match filter.get(f) {
            Some(b'#') => return true,
            Some(b'+') => {
                f += 1;
                n = level_end(name, n);
            }
            _ => {
                while f < filter.len() && filter[f] != b'/' {
                    if name.get(n) != Some(&filter[f]) {
                        return false;
                    }
                    (f, n) = (f + 1, n + 1);
                }
                if n < name.len() && name[n] != b'/' {
                    return false;
                }
            }
        }
        match (f == filter.len(), n == name.len()) {
            (true, name_ended) => return name_ended,
            // `a/#` matches `a`, its parent.
            (false, true) => return &filter[f..] == b"/#",
            (false, false) => (f, n) = (f + 1, n + 1),
        }
    }
}

fn level_end(text: &[u8], from: usize) -> usize {
    text[from..]
        .iter()
        .position(|&byte| byte == b'/')
        .map_or(text.len(), |len| from + len)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use crate::{Level, TopicFilter, TopicName};

    fn matches(filter: &str, name: &str) -> bool {
        TopicFilter::try_from(filter)
            .unwrap()
            .matches(&TopicName::try_from(name).unwrap())
    }

    #[test]
    fn the_examples_of_the_standard() {
        for name in [
            "sport/tennis/player1",
            "sport/tennis/player1/ranking",
            "sport/tennis/player1/score/x",
        ] {
            assert!(matches("sport/tennis/player1/#", name));
            assert!(matches("sport/#", name));
            assert!(matches("#", name));
        }
        assert!(matches("sport/#", "sport"));
        assert!(matches("sport/tennis/+", "sport/tennis/player1"));
        assert!(!matches("sport/tennis/+", "sport/tennis/player1/ranking"));
        assert!(!matches("sport/+", "sport"));
        assert!(matches("sport/+", "sport/"));
        assert!(matches("+/+", "/finance"));
        assert!(matches("/+", "/finance"));
        assert!(!matches("+", "/finance"));
        assert!(matches("+/monitor/Clients", "a/monitor/Clients"));
        assert!(!matches("+/monitor/Clients", "$SYS/monitor/Clients"));
        assert!(matches("$SYS/monitor/+", "$SYS/monitor/Clients"));
    }

    #[test]
    fn near_misses() {
        assert!(!matches("a/b", "a"));
        assert!(!matches("a", "a/b"));
        assert!(!matches("a", "ab"));
        assert!(!matches("ab", "a"));
        assert!(!matches("a/", "a"));
        assert!(matches("a/", "a/"));
        assert!(matches("a/+/#", "a/"));
        assert!(!matches("a/+/#", "a"));
        assert!(matches("//", "//"));
        assert!(matches("+/+/+", "//"));
        assert!(!matches("a/b/#", "a/bc"));
    }

    /// The rules level by level, as a table of the standard would put them.
    fn by_levels(filter: &TopicFilter, name: &TopicName) -> bool {
        let filter: Vec<_> = filter.levels().collect();
        let name: Vec<_> = name.levels().collect();
        if name[0].starts_with('$') && !matches!(filter[0], Level::Literal(_)) {
            return false;
        }
        let prefix = filter
            .iter()
            .take_while(|level| **level != Level::Multi)
            .count();
        let fits = |(level, text): (&Level<'_>, &&str)| match level {
            Level::Literal(literal) => literal == text,
            _ => true,
        };
        let length_fits = if prefix < filter.len() {
            name.len() >= prefix
        } else {
            name.len() == prefix
        };
        length_fits && filter[..prefix].iter().zip(&name).all(fits)
    }

    proptest! {
        #[test]
        fn one_pass_equals_the_rules_by_levels(
            filter in "[+ab$é]?(/(\\+|[ab$é]{0,2})){0,4}(/#)?",
            name in "[ab$é]{0,2}(/[ab$é]{0,2}){0,5}",
        ) {
            let (Ok(filter), Ok(name)) =
                (TopicFilter::try_from(filter), TopicName::try_from(name)) else { return Ok(()) };
            prop_assert_eq!(filter.matches(&name), by_levels(&filter, &name));
        }
    }
}
