//! Overlapping subscriptions: one copy per subscriber (`MQTT 5.0 §3.3.4`).

use std::ops::ControlFlow;

use mqtide_codec::QoS;
use mqtide_session::SubscriptionIdentifiers;
use mqtide_topic::{FilterIndex, TopicNameRef};

use super::target::{Grant, Target};

/// What a subscriber's matching subscriptions come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Merged {
    /// The highest QoS granted by any of them `[MQTT-3.3.4-2]`.
    pub(crate) maximum_qos: QoS,
    /// Whether any of them keeps the RETAIN flag.
    pub(crate) retain_as_published: bool,
    /// The identifiers of all that have one `[MQTT-3.3.4-4]`.
    pub(crate) identifiers: SubscriptionIdentifiers,
}

impl Merged {
    pub(crate) fn of(grant: &Grant) -> Self {
        Merged {
            maximum_qos: grant.options.maximum_qos,
            retain_as_published: grant.options.retain_as_published,
            identifiers: grant
                .identifier
                .map_or(SubscriptionIdentifiers::None, SubscriptionIdentifiers::One),
        }
    }

    fn of_all(grants: &[(&Target, &Grant)]) -> Self {
        let options = || grants.iter().map(|(_, grant)| grant.options);
        Merged {
            maximum_qos: options()
                .map(|options| options.maximum_qos)
                .max()
                .unwrap_or_default(),
            retain_as_published: options().any(|options| options.retain_as_published),
            identifiers: grants
                .iter()
                .filter_map(|(_, grant)| grant.identifier)
                .collect(),
        }
    }
}

/// Calls `deliver` once per subscriber with a match that `counts`, and returns how many there were.
///
/// A subscription that does not count (No Local) takes nothing away from others of the same subscriber.
pub(crate) fn for_each_subscriber(
    index: &FilterIndex<Target, Grant>,
    topic: TopicNameRef<'_>,
    counts: impl Fn(&Target, &Grant) -> bool,
    mut deliver: impl FnMut(&Target, Merged),
) -> usize {
    // Most topics have one subscriber, and need no list.
    let mut first = None;
    let mut list: Vec<(&Target, &Grant)> = Vec::new();
    let _: ControlFlow<()> = index.matches(topic, |target, grant| {
        if counts(target, grant) {
            match first {
                None => first = Some((target, grant)),
                Some(_) => list.push((target, grant)),
            }
        }
        ControlFlow::Continue(())
    });
    let Some(first) = first else { return 0 };
    if list.is_empty() {
        deliver(first.0, Merged::of(first.1));
        return 1;
    }
    list.push(first);
    list.sort_unstable_by_key(|(target, _)| target.address());
    let mut subscribers = 0;
    for same in list.chunk_by(|(a, _), (b, _)| a == b) {
        subscribers += 1;
        match same {
            [(target, grant)] => deliver(target, Merged::of(grant)),
            [(target, _), ..] => deliver(target, Merged::of_all(same)),
            [] => {}
        }
    }
    subscribers
}
