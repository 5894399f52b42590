//! What both applications do with messages, and how fast.

use core::time::Duration;

use bytes::Bytes;
use mqtide_codec::QoS;
use mqtide_session::{Instant, Message};
use mqtide_topic::TopicName;

use super::ledger::Number;
use super::random::Random;
use super::scene::Scene;
use super::terms::Terms;

/// A message that carries its number, to one of a few topics.
pub(super) fn numbered(number: Number, random: &mut Random) -> Message {
    let topic = random.pick(&["a", "plant/a", "plant/b/temperature"]);
    let topic = TopicName::from_static(topic);
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(8 + random.below(40), 0);
    Message::new(topic, payload)
}

/// The number that a payload carries.
pub(super) fn number(payload: &Bytes) -> Number {
    let (number, _) = payload.split_first_chunk().expect("payloads carry numbers");
    Number::from_be_bytes(*number)
}

/// A QoS, the most demanding one most often.
pub(super) fn qos(random: &mut Random) -> QoS {
    random.pick(&[
        QoS::AtMostOnce,
        QoS::AtLeastOnce,
        QoS::ExactlyOnce,
        QoS::ExactlyOnce,
    ])
}

/// When the application is done with a message.
pub(super) fn when(terms: &Terms, scene: &mut Scene) -> Instant {
    scene.now + scene.random.delay(terms.slowest_application)
}

/// When a client dials again.
pub(super) fn later(scene: &mut Scene) -> Instant {
    scene.now + scene.random.delay(BACK_OFF)
}

/// How many packets the network takes at once.
pub(super) fn room(scene: &mut Scene) -> usize {
    scene.random.below(8)
}

/// When the network takes more.
pub(super) fn soon(scene: &mut Scene) -> Instant {
    scene.now + Duration::from_micros(1) + scene.random.delay(Duration::from_millis(5))
}

/// The longest that a client waits before it dials again.
const BACK_OFF: Duration = Duration::from_secs(2);
