//! Dialogues of `tests/wire` as attacks: other brokers went down or leaked at what some of them say.

use std::path::Path;

use mqtide_testkit::wire::play_file;

use crate::arena::{Arena, MIB};

/// CVE-2019-11778: a Will Delay that is longer than the session lives.
#[test]
fn wills() {
    play("will");
}

/// emqx#17798: the QoS of a retained message is the lower one of message and subscription.
#[test]
fn retained_messages() {
    play("retain");
}

/// rmqtt#456: a QoS 2 message that comes again is routed once.
#[test]
fn acknowledgements() {
    play("qos");
}

/// Every form of a message, right and wrong.
#[test]
fn messages() {
    play("publish");
}

/// CVE-2025-68699: shared subscriptions without a name, without a filter, with wildcards in the name.
#[test]
fn shared_subscriptions() {
    play("shared");
}

/// Plays the cases that need no configuration of their own.
fn play(name: &str) {
    let arena = Arena::open();
    let file =
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire")).join(format!("{name}.txt"));
    let address = arena.address();
    play_file(&file, |configuration| {
        (configuration == "default").then_some(address)
    })
    .unwrap_or_else(|error| panic!("{error}"))
    .assert_passed();
    arena.close(2 * MIB);
}
