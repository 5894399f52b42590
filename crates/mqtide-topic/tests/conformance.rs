//! Every normative statement about topics, by its id in the standards.
//!
//! Ids of MQTT 5.0 stand alone; those of 3.1.1 have `v3.1.1` in front.

#![allow(clippy::unwrap_used)] // in the functions that tests share

use bytes::Bytes;
use mqtide_topic::{SubscriptionFilter, TopicError, TopicFilter, TopicName, TopicNameRef};

fn name(text: &str) -> TopicName {
    TopicName::try_from(text).unwrap()
}

fn filter(text: &str) -> TopicFilter {
    TopicFilter::try_from(text).unwrap()
}

fn matches(filter_text: &str, name_text: &str) -> bool {
    filter(filter_text).matches(&name(name_text))
}

/// MQTT-3.3.2-2, MQTT-3.3.2-14, MQTT-4.7.0-1, v3.1.1 MQTT-3.3.2-2, v3.1.1 MQTT-4.7.1-1
///
/// A topic that is published to, a Will Topic and a Response Topic are all a [`TopicName`].
#[test]
fn a_topic_name_has_no_wildcards() {
    for (text, wildcard, at) in [
        ("a/+", '+', 2),
        ("a/#", '#', 2),
        ("#", '#', 0),
        ("+", '+', 0),
        ("a+b", '+', 1),
    ] {
        let error = TopicError::WildcardInName { wildcard, at };
        assert_eq!(TopicName::try_from(text), Err(error));
        assert_eq!(TopicNameRef::try_from(text), Err(error));
        assert_eq!(TopicNameRef::new(text), Err(error));
        assert_eq!(
            TopicName::try_from(Bytes::from_static(text.as_bytes())),
            Err(error)
        );
    }
}

/// MQTT-4.7.1-1, v3.1.1 MQTT-4.7.1-2
#[test]
fn the_multi_level_wildcard_stands_alone_and_last() {
    for text in ["#", "a/#", "/#", "+/#"] {
        assert_eq!(filter(text), text);
    }
    for (text, error) in [
        ("a#", TopicError::MultiLevelNotAlone { at: 1 }),
        ("#a", TopicError::MultiLevelNotAlone { at: 0 }),
        ("##", TopicError::MultiLevelNotAlone { at: 0 }),
        ("a/#/b", TopicError::MultiLevelNotLast { at: 2 }),
        ("#/", TopicError::MultiLevelNotLast { at: 0 }),
    ] {
        assert_eq!(TopicFilter::try_from(text), Err(error), "{text}");
    }
    assert!(matches("a/#", "a"));
    assert!(matches("a/#", "a/"));
    assert!(matches("a/#", "a/b/c"));
    assert!(!matches("a/#", "ab"));
}

/// MQTT-4.7.1-2, v3.1.1 MQTT-4.7.1-3
#[test]
fn the_single_level_wildcard_fills_a_level() {
    for text in ["+", "a/+/b", "+/+", "+/#"] {
        assert_eq!(filter(text), text);
    }
    assert_eq!(
        TopicFilter::try_from("a+"),
        Err(TopicError::SingleLevelNotAlone { at: 1 })
    );
    assert_eq!(
        TopicFilter::try_from("+a/b"),
        Err(TopicError::SingleLevelNotAlone { at: 0 })
    );
    assert!(!matches("+", "/x"));
    assert!(matches("+/+", "/x"));
    assert!(matches("/+", "/x"));
    assert!(matches("a/+", "a/"));
    assert!(!matches("a/+", "a"));
}

/// MQTT-4.7.2-1, v3.1.1 MQTT-4.7.2-1
#[test]
fn a_leading_wildcard_does_not_match_a_dollar_topic() {
    for text in ["#", "+/x", "+/#", "+/+"] {
        assert!(!matches(text, "$SYS/x"), "{text}");
    }
    for text in ["$SYS/#", "$SYS/+", "$SYS/x"] {
        assert!(matches(text, "$SYS/x"), "{text}");
    }
    assert!(matches("a/#", "a/$b"));
    assert!(matches("+/+", "a/$b"));
    let shared = SubscriptionFilter::try_from("$share/g/#").unwrap();
    assert!(!shared.filter().matches(&name("$SYS/x")));
}

/// MQTT-4.7.3-1, v3.1.1 MQTT-4.7.3-1
#[test]
fn topics_have_at_least_one_character() {
    assert_eq!(TopicName::try_from(""), Err(TopicError::Empty));
    assert_eq!(TopicName::try_from(Bytes::new()), Err(TopicError::Empty));
    assert_eq!(TopicFilter::try_from(""), Err(TopicError::Empty));
    assert_eq!(SubscriptionFilter::try_from(""), Err(TopicError::Empty));
    assert_eq!(name("/"), "/");
    assert_eq!(filter("/"), "/");
}

/// MQTT-4.7.3-2, v3.1.1 MQTT-4.7.3-2
#[test]
fn topics_have_no_null_character() {
    let error = TopicError::NullCharacter { at: 1 };
    assert_eq!(TopicName::try_from("a\0b"), Err(error));
    assert_eq!(TopicFilter::try_from("a\0b"), Err(error));
    assert_eq!(
        TopicFilter::try_from("+\0"),
        Err(TopicError::SingleLevelNotAlone { at: 0 })
    );
    assert_eq!(
        SubscriptionFilter::try_from("$share/g/a\0"),
        Err(TopicError::NullCharacter { at: 10 }),
    );
    assert_eq!(
        SubscriptionFilter::try_from("$share/\0/a"),
        Err(TopicError::NullCharacter { at: 7 }),
    );
}

/// MQTT-4.7.3-3, v3.1.1 MQTT-4.7.3-3
#[test]
fn topics_have_at_most_65535_bytes() {
    let longest = "é".repeat(32_767) + "a";
    assert_eq!(longest.len(), 65_535);
    assert_eq!(name(&longest).len(), 65_535);
    assert_eq!(filter(&longest).len(), 65_535);
    let too_long = longest + "a";
    let error = TopicError::TooLong {
        len: 65_536,
        max: 65_535,
    };
    assert_eq!(TopicName::try_from(too_long.as_str()), Err(error));
    assert_eq!(TopicFilter::try_from(too_long.as_str()), Err(error));
    assert_eq!(TopicName::try_from(Bytes::from(too_long)), Err(error));
    let shared = format!("$share/g/{}", "a".repeat(65_526));
    assert_eq!(
        SubscriptionFilter::try_from(shared.as_str())
            .unwrap()
            .to_string(),
        shared
    );
    assert_eq!(SubscriptionFilter::try_from(shared + "a"), Err(error));
}

/// MQTT-4.7.3-4, v3.1.1 MQTT-4.7.3-4
#[test]
fn text_is_compared_as_it_is() {
    assert!(!matches("caf\u{e9}", "cafe\u{301}"));
    assert!(!matches("A", "a"));
    assert!(!matches("/a", "a"));
    assert!(!matches("a/b", "a//b"));
    assert!(matches("a//b", "a//b"));
    assert!(matches("a/+/b", "a//b"));
    assert!(!matches("a", "\u{feff}a"));
    assert!(matches("\u{feff}a", "\u{feff}a"));
}

/// MQTT-4.8.2-1
#[test]
fn a_shared_subscription_names_its_group() {
    let error = Err(TopicError::ShareNameEmpty);
    assert_eq!(SubscriptionFilter::try_from("$share//t"), error);
    assert_eq!(SubscriptionFilter::try_from("$share/"), error);
    let shared = SubscriptionFilter::try_from("$share/g/t").unwrap();
    assert_eq!(shared.share_name().unwrap(), "g");
    assert_eq!(shared.filter(), "t");
    for plain in ["$shared/x", "$share", "$SHARE/g/t", "a/$share/g"] {
        let plain = SubscriptionFilter::try_from(plain).unwrap();
        assert!(matches!(plain, SubscriptionFilter::Plain(_)), "{plain}");
    }
}

/// MQTT-4.8.2-2
#[test]
fn a_share_name_is_one_level_without_wildcards_before_a_filter() {
    for (text, error) in [
        ("$share/g", TopicError::ShareFilterMissing { at: 8 }),
        ("$share/g/", TopicError::ShareFilterMissing { at: 9 }),
        (
            "$share/g+/t",
            TopicError::ShareNameCharacter {
                character: '+',
                at: 8,
            },
        ),
        (
            "$share/#/t",
            TopicError::ShareNameCharacter {
                character: '#',
                at: 7,
            },
        ),
        ("$share/g/a+", TopicError::SingleLevelNotAlone { at: 10 }),
        ("$share/g/#/a", TopicError::MultiLevelNotLast { at: 9 }),
    ] {
        assert_eq!(SubscriptionFilter::try_from(text), Err(error), "{text}");
    }
    let shared = SubscriptionFilter::try_from("$share/g//t").unwrap();
    assert_eq!(shared.filter(), "/t");
    let nested = SubscriptionFilter::try_from("$share/g/$share/h/t").unwrap();
    assert_eq!(nested.filter(), "$share/h/t");
}

/// MQTT-1.5.4-1, MQTT-1.5.4-2: where topics arrive as bytes, ill-formed UTF-8 has a place.
#[test]
fn bytes_are_checked_to_be_utf8() {
    for bad in [
        &b"ab\xC3\x28"[..],
        b"ab\xED\xA0\x80",
        b"ab\xC0\xAF",
        b"ab\xF5\x80\x80\x80",
        b"ab\xC3",
    ] {
        let error = TopicError::NotUtf8 { at: 2 };
        assert_eq!(TopicName::try_from(Bytes::from_static(bad)), Err(error));
        assert_eq!(TopicNameRef::try_from(bad), Err(error));
        assert_eq!(TopicFilter::try_from(Bytes::from_static(bad)), Err(error));
        assert_eq!(
            SubscriptionFilter::try_from(Bytes::from_static(bad)),
            Err(error)
        );
    }
}
