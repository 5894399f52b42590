//! What becomes of a publish, against a scripted server.

mod support;

use std::num::NonZeroU16;
use std::time::Duration;

use mqtide_client::{
    Client, Outcome, PublishError, QoS, QueuePolicy, ReasonCode, TopicName, Version,
};
use support::{NEW_SESSION, SAME_SESSION, connected, server, v311, within};

#[tokio::test(start_paused = true)]
async fn qos_0_settles_when_it_is_on_its_way() {
    let (server, options) = server();
    let (client, mut peer) = connected(&server, options).await;
    assert_eq!(client.publish("a", "1").await, Ok(Outcome::Sent));
    peer.expect("30 { \"a\" 00 '1' }").await;
}

#[tokio::test(start_paused = true)]
async fn qos_1_settles_with_the_reason_of_the_server() {
    let (server, options) = server();
    let (client, mut peer) = connected(&server, options).await;
    let dialogue = async {
        peer.expect("32 { \"a\" 0001 00 '1' }").await;
        peer.say("40 03 0001 10").await;
        peer.expect("32 { \"a\" ?? ?? 00 '2' }").await;
        peer.say("40 03 0001 97").await;
    };
    let publishes = async {
        let publish = |payload| client.publish("a", payload).qos(QoS::AtLeastOnce);
        let delivered = publish("1").await.unwrap();
        assert_eq!(
            delivered,
            Outcome::Delivered {
                reason: ReasonCode::NoMatchingSubscribers
            }
        );
        let refused = publish("2").await.unwrap();
        assert!(
            matches!(
                refused,
                Outcome::Refused {
                    reason: ReasonCode::QuotaExceeded,
                    ..
                }
            ),
            "{refused:?}"
        );
    };
    tokio::join!(dialogue, publishes);
}

/// MQTT-4.3.3-4
#[tokio::test(start_paused = true)]
async fn qos_2_settles_with_pubcomp() {
    let (server, options) = server();
    let (client, mut peer) = connected(&server, options).await;
    let receipt = client
        .publish("a", "1")
        .qos(QoS::ExactlyOnce)
        .accepted()
        .await
        .unwrap();
    peer.expect("34 { \"a\" 0001 00 '1' }").await;
    peer.say("50 02 0001").await;
    peer.expect("62 02 0001").await;
    peer.say("70 02 0001").await;
    assert_eq!(
        within(receipt).await,
        Ok(Outcome::Delivered {
            reason: ReasonCode::Success
        })
    );
}

#[tokio::test(start_paused = true)]
async fn properties_are_sent_in_5_0_and_refused_in_3_1_1() {
    let (script, options) = server();
    let (client, mut peer) = connected(&script, options).await;
    client
        .publish("a", "1")
        .text()
        .expiry(Duration::from_secs(60))
        .content_type("t")
        .response_topic(TopicName::from_static("r"))
        .correlation_data("c")
        .user_property("k", "v")
        .await
        .unwrap();
    peer.expect("30 { \"a\" { 01 01 02 u32:60 03 \"t\" 08 \"r\" 09 \"c\" 26 \"k\" \"v\" } '1' }")
        .await;

    let (script, options) = server();
    let (client, mut peer) = connected(&script, v311(options)).await;
    assert_eq!(
        client.publish("a", "1").content_type("t").await,
        Err(PublishError::NotInVersion)
    );
    client.publish("a", "1").await.unwrap();
    peer.expect("30 { \"a\" '1' }").await;
}

#[tokio::test(start_paused = true)]
async fn an_invalid_topic_is_refused_at_once() {
    let (server, options) = server();
    let (client, _peer) = connected(&server, options).await;
    assert!(matches!(
        client.publish("a/+", "").await,
        Err(PublishError::Topic(_))
    ));
}

/// MQTT-4.4.0-1
#[tokio::test(start_paused = true)]
async fn a_lost_connection_settles_nothing_and_the_message_is_sent_again() {
    let (server, options) = server();
    let (client, mut peer) = connected(&server, options).await;
    let receipt = client
        .publish("a", "1")
        .qos(QoS::AtLeastOnce)
        .accepted()
        .await
        .unwrap();
    peer.expect("32 { \"a\" 0001 00 '1' }").await;
    peer.hang_up();

    let mut peer = server.accept_with(SAME_SESSION).await;
    peer.expect("3A { \"a\" 0001 00 '1' }").await;
    peer.say("40 02 0001").await;
    assert_eq!(
        within(receipt).await,
        Ok(Outcome::Delivered {
            reason: ReasonCode::Success
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_leaves_the_outcome_unknown() {
    let (server, options) = server();
    let (client, mut peer) = connected(&server, options).await;
    let receipt = client
        .publish("a", "1")
        .qos(QoS::ExactlyOnce)
        .accepted()
        .await
        .unwrap();
    peer.expect("34 { \"a\" 0001 00 '1' }").await;
    peer.hang_up();
    let mut peer = server.accept_with(NEW_SESSION).await;
    assert_eq!(within(receipt).await, Ok(Outcome::Unknown));
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_published_offline_waits_for_the_connection() {
    let (server, options) = server();
    let client = Client::start(options);
    let receipt = client.publish("a", "1").try_accepted().unwrap();
    let mut peer = server.accept().await;
    peer.expect("10 { ** }").await;
    peer.expect_silence().await;
    peer.say(NEW_SESSION).await;
    peer.expect("30 { \"a\" 00 '1' }").await;
    assert_eq!(within(receipt).await, Ok(Outcome::Sent));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_follows_its_policy() {
    let (_server, options) = server();
    let rejecting = Client::start(
        options
            .clone()
            .queue_policy(QueuePolicy::Reject)
            .queue_limits(1, 100),
    );
    let kept = rejecting.publish("a", "1").accepted().await.unwrap();
    assert_eq!(
        rejecting.publish("a", "2").await,
        Err(PublishError::QueueFull)
    );
    drop(kept);

    let dropping = Client::start(
        options
            .clone()
            .queue_policy(QueuePolicy::DropOldest)
            .queue_limits(1, 100),
    );
    let oldest = dropping.publish("a", "1").accepted().await.unwrap();
    let _newest = dropping.publish("a", "2").accepted().await.unwrap();
    assert_eq!(within(oldest).await, Err(PublishError::Dropped));

    let waiting = Client::start(options.queue_limits(1, 100));
    let _first = waiting.publish("a", "1").accepted().await.unwrap();
    assert_eq!(
        waiting.publish("a", "2").try_accepted().unwrap_err(),
        PublishError::QueueFull
    );
    let second = tokio::time::timeout(
        Duration::from_millis(5),
        waiting.publish("a", "2").accepted(),
    )
    .await;
    assert!(second.is_err(), "{second:?}");
    assert_eq!(
        waiting.publish("a", vec![0; 101]).await,
        Err(PublishError::TooLarge)
    );
}

/// MQTT-3.2.2-15
#[tokio::test(start_paused = true)]
async fn what_the_server_does_not_take_is_refused_here() {
    let (server, options) = server();
    // Maximum QoS 1, no retained messages, Maximum Packet Size 20.
    let connack = "20 { 00 00 { 24 01 25 00 27 u32:20 } }";
    let (client, mut peer) = tokio::join!(Client::connect(options), server.accept_with(connack));
    let client = client.unwrap();
    assert_eq!(
        client.publish("a", "").qos(QoS::ExactlyOnce).await,
        Err(PublishError::QoSNotSupported)
    );
    assert_eq!(
        client.publish("a", "").retain(true).await,
        Err(PublishError::RetainNotSupported)
    );
    assert_eq!(
        client.publish("a", vec![0; 20]).await,
        Err(PublishError::TooLarge)
    );
    peer.expect_silence().await;
}

/// MQTT-3.3.4-7
#[tokio::test(start_paused = true)]
async fn no_more_are_in_flight_than_the_server_takes() {
    let (server, options) = server();
    let (client, mut peer) = tokio::join!(
        Client::connect(options),
        server.accept_with("20 { 00 00 { 21 u16:1 } }")
    );
    let client = client.unwrap();
    let first = client
        .publish("a", "1")
        .qos(QoS::AtLeastOnce)
        .accepted()
        .await
        .unwrap();
    let second = client
        .publish("a", "2")
        .qos(QoS::AtLeastOnce)
        .accepted()
        .await
        .unwrap();
    peer.expect("32 { \"a\" ?? ?? 00 '1' }").await;
    peer.expect_silence().await;
    peer.say("40 02 0001").await;
    peer.expect("32 { \"a\" ?? ?? 00 '2' }").await;
    peer.say("40 02 0001").await;
    within(first).await.unwrap();
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn an_expired_message_is_not_sent() {
    let (server, options) = server();
    let client = Client::start(options);
    let receipt = client
        .publish("a", "1")
        .expiry(Duration::from_secs(1))
        .try_accepted()
        .unwrap();
    let mut peer = server.accept().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    peer.expect("10 { ** }").await;
    peer.say(NEW_SESSION).await;
    assert_eq!(within(receipt).await, Err(PublishError::Expired));
    peer.expect_silence().await;
}

/// A server of MQTT 3.x cannot say how many it takes; one that is known to take more may be given more.
#[tokio::test(start_paused = true)]
async fn an_older_server_gets_20_messages_at_once_unless_told_otherwise() {
    for (maximum, expected) in [(None, 20), (NonZeroU16::new(25), 25)] {
        for version in [Version::V31, Version::V311] {
            let (server, options) = server();
            let options = options.version(version);
            let options = match maximum {
                Some(maximum) => options.maximum_in_flight(maximum),
                None => options,
            };
            let (client, mut peer) = connected(&server, options).await;
            for _ in 0..=expected {
                let message = client.publish("a", "1").qos(QoS::AtLeastOnce);
                drop(message.accepted().await.unwrap());
            }
            for _ in 0..expected {
                peer.expect("32 { \"a\" ?? ?? '1' }").await;
            }
            peer.expect_silence().await;
            peer.say("40 02 0001").await;
            peer.expect("32 { \"a\" ?? ?? '1' }").await;
        }
    }
}

/// In MQTT 3.1 nothing says whether the session is present, so what is in flight is sent again.
#[tokio::test(start_paused = true)]
async fn a_session_of_3_1_keeps_what_is_in_flight() {
    let (server, options) = server();
    let options = options.version(Version::V31).clean_start(false);
    let (client, mut peer) = connected(&server, options).await;
    let message = client.publish("a", "1").qos(QoS::AtLeastOnce);
    let receipt = message.accepted().await.unwrap();
    peer.expect("32 { \"a\" 0001 '1' }").await;
    peer.hang_up();
    let mut peer = server.accept_with("20 02 00 00").await;
    peer.expect("3A { \"a\" 0001 '1' }").await;
    peer.say("40 02 0001").await;
    let delivered = Outcome::Delivered {
        reason: ReasonCode::Success,
    };
    assert_eq!(within(receipt).await, Ok(delivered));
}
