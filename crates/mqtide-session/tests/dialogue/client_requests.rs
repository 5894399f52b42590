//! Client: subscribe and unsubscribe.

use mqtide_codec::{
    Packet, PacketType, QoS, ReasonCode, Suback, SubscribeProperties, Subscription,
    SubscriptionIdentifier, SubscriptionOptions, Unsuback, UserProperties,
};
use mqtide_session::{
    ClientEvent, ClientSettings, DropReason, Operation, Outcome, Refused, Violation,
};

use crate::client_connect::accepted;
use crate::script::*;

fn wish(filters: &[&str]) -> Vec<Subscription> {
    let one = |filter: &&str| Subscription::new(filter.to_string(), QoS::AtLeastOnce);
    filters.iter().map(one).collect()
}

fn subscribe_to(client: &mut Client, filters: &[&str]) -> Result<Operation, Refused> {
    client.session.subscribe(wish(filters), None)
}

fn suback(number: u16, reasons: &[ReasonCode]) -> Packet {
    Suback::new(id(number), reasons.to_vec()).into()
}

fn answered(reasons: &[ReasonCode]) -> Outcome {
    Outcome::Answered {
        reasons: reasons.to_vec(),
        properties: None,
    }
}

#[test]
fn a_subscribe_settles_with_one_reason_per_filter() {
    for connect in [connect(), connect_v311(false)] {
        let mut client = Client::new(connect);
        let operation = subscribe_to(&mut client, &["a", "b/#"]).unwrap();
        assert_eq!(client.sends(), ["SUBSCRIBE #1 a b/#"]);
        let reasons = [ReasonCode::GrantedQoS1, ReasonCode::UnspecifiedError];
        client.hears(suback(1, &reasons));
        assert_eq!(
            client.event(),
            Some(ClientEvent::Settled(operation, answered(&reasons)))
        );
        client.hears(suback(1, &reasons));
        assert_eq!(client.event(), None, "an answer to nothing");
    }
}

#[test]
fn an_unsubscribe_settles_with_the_reasons_that_the_version_has() {
    for (connect, reasons) in [
        (connect(), vec![ReasonCode::NoSubscriptionExisted]),
        (connect_v311(false), vec![]),
    ] {
        let mut client = Client::new(connect);
        let filters = vec!["a".into()];
        let operation = client
            .session
            .unsubscribe(filters, UserProperties::new())
            .unwrap();
        assert_eq!(client.sends(), ["UNSUBSCRIBE #1"]);
        client.hears(Unsuback::new(id(1), reasons.clone()).into());
        assert_eq!(
            client.event(),
            Some(ClientEvent::Settled(operation, answered(&reasons)))
        );
    }
}

/// MQTT-2.2.1-3, v3.1.1 MQTT-2.3.1-2, v3.1.1 MQTT-2.3.1-3
#[test]
fn requests_and_publications_share_the_identifiers() {
    for connect in [connect(), connect_v311(false)] {
        let mut client = Client::new(connect);
        subscribe_to(&mut client, &["a"]).unwrap();
        client.publishes(QoS::AtLeastOnce, "b");
        assert_eq!(client.sends(), ["SUBSCRIBE #1 a", "PUBLISH q1 #2 b"]);
        client.hears(suback(1, &[SUCCESS]));
        client.publishes(QoS::AtLeastOnce, "c");
        assert_eq!(client.sends(), ["PUBLISH q1 #1 c"]);
    }
}

#[test]
fn an_answer_of_the_wrong_kind_or_length_is_a_violation() {
    let asked = || {
        let mut client = Client::new(connect());
        subscribe_to(&mut client, &["a"]).unwrap();
        client.sends();
        client
    };
    let violation = asked().rejects(suback(1, &[SUCCESS, SUCCESS]));
    assert_eq!(violation, Violation::ReasonCountMismatch);
    let violation = asked().rejects(Unsuback::new(id(1), vec![SUCCESS]).into());
    assert_eq!(
        violation,
        Violation::WrongAcknowledgement(PacketType::Unsuback)
    );
}

#[test]
fn requests_end_with_their_connection() {
    let mut client = Client::new(connect());
    let sent = subscribe_to(&mut client, &["a"]).unwrap();
    client.sends();
    let waiting = subscribe_to(&mut client, &["b"]).unwrap();
    client.session.handle_disconnected();
    let offline = Outcome::Dropped(DropReason::Offline);
    let expected = [
        ClientEvent::Settled(sent, Outcome::Unknown),
        ClientEvent::Settled(waiting, offline),
    ];
    assert_eq!(client.events(), expected);
    assert_eq!(
        subscribe_to(&mut client, &["a"]),
        Err(Refused::NotConnected)
    );
    client.connects(connect(), mqtide_codec::Connack::accepted(true));
    assert!(client.sends().is_empty());
    assert!(client.session.is_settled());
}

/// MQTT-3.8.3-4
#[test]
fn no_local_on_a_shared_filter_is_refused_here() {
    let mut client = Client::new(connect());
    let options = SubscriptionOptions {
        no_local: true,
        ..SubscriptionOptions::default()
    };
    let wish = vec![Subscription::new("$share/g/t", options)];
    assert_eq!(
        client.session.subscribe(wish, None),
        Err(Refused::SharedNoLocal)
    );
    assert!(client.sends().is_empty());
}

#[test]
fn what_cannot_be_asked_is_refused_here() {
    let mut client = Client::new(connect());
    assert_eq!(
        subscribe_to(&mut client, &[]),
        Err(Refused::TopicFilterInvalid)
    );
    assert_eq!(
        subscribe_to(&mut client, &["a/#/b"]),
        Err(Refused::TopicFilterInvalid)
    );
    let none = client
        .session
        .unsubscribe(Vec::new(), UserProperties::new());
    assert_eq!(none, Err(Refused::TopicFilterInvalid));
    let connack = accepted(|properties| {
        properties.wildcard_subscription_available = Some(false);
        properties.shared_subscription_available = Some(false);
        properties.subscription_identifiers_available = Some(false);
        properties.maximum_packet_size = 30.try_into().ok();
    });
    let mut client = Client::with(connect(), connack);
    for filter in ["a/+", "$share/g/a"] {
        let refused = subscribe_to(&mut client, &[filter]);
        assert_eq!(refused, Err(Refused::SubscriptionNotSupported), "{filter}");
    }
    let properties = SubscribeProperties {
        subscription_identifier: Some(SubscriptionIdentifier::MIN),
        ..SubscribeProperties::default()
    };
    let numbered = client
        .session
        .subscribe(wish(&["a"]), Some(Box::new(properties)));
    assert_eq!(numbered, Err(Refused::SubscriptionNotSupported));
    let long = "long/".repeat(10);
    assert_eq!(
        subscribe_to(&mut client, &[&long]),
        Err(Refused::PacketTooLarge)
    );
    assert!(client.sends().is_empty());
}

#[test]
fn requests_that_wait_are_bounded() {
    let mut settings = ClientSettings::default();
    settings.waiting_requests = 1;
    let mut client = Client::offline(settings);
    client.dials(connect());
    subscribe_to(&mut client, &["a"]).unwrap();
    assert_eq!(subscribe_to(&mut client, &["b"]), Err(Refused::QueueFull));
}
