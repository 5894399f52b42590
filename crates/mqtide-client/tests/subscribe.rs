//! Streams: what reaches them, what is acknowledged when, and what a slow one does.

mod support;

use std::num::NonZeroU16;
use std::time::Duration;

use mqtide_client::{
    Client, Options, OptionsError, Overflow, QoS, ReasonCode, Received, State, SubscribeError,
    Subscription, Version,
};
use support::{NEW_SESSION, Peer, SAME_SESSION, connected, server, v311, within};

/// Subscribes while the server grants QoS 2; the identifier of the SUBSCRIBE is in its third and fourth byte.
async fn subscribed(client: &Client, peer: &mut Peer, filter: &str) -> Subscription {
    let (subscription, ()) = tokio::join!(
        client.subscribe(filter).qos(QoS::ExactlyOnce).into_future(),
        grant(peer)
    );
    subscription.expect("the server grants it")
}

async fn grant(peer: &mut Peer) {
    let packet = peer.expect("82 { ** }").await;
    peer.say(&format!(
        "90 {{ {:02X}{:02X} 00 02 }}",
        packet[2], packet[3]
    ))
    .await;
}

fn text(message: &Received) -> &str {
    std::str::from_utf8(message.payload()).expect("the payload is text")
}

async fn next(subscription: &mut Subscription) -> Received {
    within(subscription.next())
        .await
        .expect("the stream goes on")
}

#[tokio::test(start_paused = true)]
async fn a_stream_gets_what_its_filter_matches() {
    let (server, options) = server();
    let (client, mut peer) = connected(&server, options).await;
    let dialogue = async {
        peer.expect("82 { ?? ?? { 0B 01 } \"press/+/temp\" 2D }")
            .await;
        peer.say("90 { 0001 00 01 }").await;
        peer.say("31 { \"press/3/temp\" { 03 \"t\" } '21' }").await;
        peer.say("30 { \"press/3/state\" 00 'on' }").await;
        peer.say("30 { \"press/4/temp\" 00 '22' }").await;
    };
    let request = client
        .subscribe("press/+/temp")
        .qos(QoS::AtLeastOnce)
        .no_local()
        .retain_as_published()
        .retain_handling(mqtide_client::RetainHandling::DoNotSend);
    let (subscription, ()) = tokio::join!(request.into_future(), dialogue);
    let mut subscription = subscription.unwrap();
    assert_eq!(subscription.granted(), [ReasonCode::GrantedQoS1]);
    let first = next(&mut subscription).await;
    assert_eq!(
        (first.topic().as_str(), text(&first), first.is_retained()),
        ("press/3/temp", "21", true)
    );
    assert_eq!(first.content_type().map(|t| &**t), Some("t"));
    assert_eq!(text(&next(&mut subscription).await), "22");
}

#[tokio::test(start_paused = true)]
async fn a_refused_filter_is_an_error_and_the_granted_ones_are_given_back() {
    let (server, options) = server();
    let (client, mut peer) = connected(&server, options).await;
    let dialogue = async {
        peer.expect("82 { 0001 { ** } \"a\" ?? }").await;
        peer.expect("82 { 0002 { ** } \"b\" ?? }").await;
        peer.say("90 { 0001 00 00 } 90 { 0002 00 87 }").await;
        peer.expect("A2 { ?? ?? 00 \"a\" }").await;
    };
    let (refused, ()) = tokio::join!(client.subscribe("a").and("b").into_future(), dialogue);
    let Err(SubscribeError::Refused { filter, reason }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(
        (filter.to_string().as_str(), reason),
        ("b", ReasonCode::NotAuthorized)
    );
}

#[tokio::test(start_paused = true)]
async fn invalid_filters_and_options_of_5_0_are_errors_at_once() {
    let (server, options) = server();
    let (client, _peer) = connected(&server, v311(options)).await;
    assert!(matches!(
        client.subscribe("a/#/b").await,
        Err(SubscribeError::Filter(_))
    ));
    let refused = client.subscribe("a").no_local().await;
    assert!(
        matches!(
            refused,
            Err(SubscribeError::Options(OptionsError::NotInVersion { .. }))
        ),
        "{refused:?}"
    );
}

/// MQTT-4.6.0-2
#[tokio::test(start_paused = true)]
async fn messages_are_acknowledged_when_let_go_of_and_in_order() {
    let (server, options) = server();
    let (client, mut peer) = connected(&server, options).await;
    let mut subscription = subscribed(&client, &mut peer, "#").await;
    peer.say("32 { \"a\" 0007 00 '1' } 32 { \"a\" 0008 00 '2' }")
        .await;
    let first = next(&mut subscription).await;
    let second = next(&mut subscription).await;
    drop(second);
    peer.expect_silence().await;
    drop(first);
    peer.expect("40 02 0007").await;
    peer.expect("40 02 0008").await;
}

#[tokio::test(start_paused = true)]
async fn manual_acknowledgement_waits_for_the_word() {
    let (server, options) = server();
    let (client, mut peer) = connected(&server, options).await;
    let request = client.subscribe("#").qos(QoS::ExactlyOnce).manual_ack();
    let (subscription, ()) = tokio::join!(request.into_future(), grant(&mut peer));
    let mut subscription = subscription.unwrap();
    peer.say("34 { \"a\" 0007 00 '1' }").await;
    let message = next(&mut subscription).await;
    peer.expect_silence().await;
    message.ack();
    peer.expect("50 02 0007").await;
    peer.say("62 02 0007").await;
    peer.expect("70 02 0007").await;

    peer.say("32 { \"a\" 0009 00 '2' }").await;
    drop(next(&mut subscription).await);
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn overlapping_streams_share_one_acknowledgement() {
    let (server, options) = server();
    let (client, mut peer) = connected(&server, options).await;
    let mut wide = subscribed(&client, &mut peer, "a/#").await;
    let mut narrow = subscribed(&client, &mut peer, "a/b").await;
    peer.say("32 { \"a/b\" 0007 { 0B 01 0B 02 } '1' }").await;
    let in_wide = next(&mut wide).await;
    drop(next(&mut narrow).await);
    peer.expect_silence().await;
    drop(in_wide);
    peer.expect("40 02 0007").await;
    // Told by its identifier, although both filters match.
    peer.say("30 { \"a/b\" { 0B 02 } '2' } 30 { \"a/b\" 00 '3' }")
        .await;
    assert_eq!(text(&next(&mut narrow).await), "2");
    assert_eq!(text(&next(&mut narrow).await), "3");
    assert_eq!(text(&next(&mut wide).await), "3");
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_stream_of_a_filter_unsubscribes() {
    let (server, options) = server();
    let (client, mut peer) = connected(&server, options).await;
    let first = subscribed(&client, &mut peer, "a").await;
    let second = subscribed(&client, &mut peer, "a").await;
    drop(first);
    peer.expect_silence().await;
    drop(second);
    peer.expect("A2 { ?? ?? 00 \"a\" }").await;
}

#[tokio::test(start_paused = true)]
async fn unsubscribing_ends_the_streams_of_the_filter() {
    let (server, options) = server();
    let (client, mut peer) = connected(&server, options).await;
    let mut subscription = subscribed(&client, &mut peer, "a").await;
    let dialogue = async {
        let packet = peer.expect("A2 { ?? ?? 00 \"a\" }").await;
        peer.say(&format!(
            "B0 {{ {:02X}{:02X} 00 11 }}",
            packet[2], packet[3]
        ))
        .await;
    };
    let (reason, ()) = tokio::join!(client.unsubscribe("a"), dialogue);
    assert_eq!(reason, Ok(ReasonCode::NoSubscriptionExisted));
    assert!(within(subscription.next()).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_is_subscribed_to_again_and_a_kept_one_is_not() {
    let (server, options) = server();
    let (client, mut peer) = connected(&server, options).await;
    let mut subscription = subscribed(&client, &mut peer, "a").await;
    peer.hang_up();

    let mut peer = server.accept_with(SAME_SESSION).await;
    peer.say("30 { \"a\" 00 '1' }").await;
    assert_eq!(text(&next(&mut subscription).await), "1");
    peer.expect_silence().await;
    peer.hang_up();

    let mut peer = server.accept_with(NEW_SESSION).await;
    grant(&mut peer).await;
    peer.say("30 { \"a\" 00 '2' }").await;
    assert_eq!(text(&next(&mut subscription).await), "2");
}

#[tokio::test(start_paused = true)]
async fn a_subscribe_outlives_the_connection_it_was_sent_on() {
    let (server, options) = server();
    let (client, mut peer) = connected(&server, options).await;
    let dialogue = async {
        peer.expect("82 { ** }").await;
        peer.hang_up();
        let mut peer = server.accept_with(SAME_SESSION).await;
        grant(&mut peer).await;
        peer
    };
    let (subscription, _peer) = tokio::join!(client.subscribe("a").into_future(), dialogue);
    assert!(subscription.is_ok(), "{subscription:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_refused_later_ends_and_tells_why() {
    let (server, options) = server();
    let (client, mut peer) = connected(&server, options).await;
    let mut subscription = subscribed(&client, &mut peer, "a").await;
    peer.hang_up();
    let mut peer = server.accept_with(NEW_SESSION).await;
    let packet = peer.expect("82 { ** }").await;
    peer.say(&format!(
        "90 {{ {:02X}{:02X} 00 87 }}",
        packet[2], packet[3]
    ))
    .await;
    assert!(within(subscription.next()).await.is_none());
    assert!(matches!(
        subscription.refused(),
        Some(SubscribeError::Refused { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_full_stream_stops_the_reading_until_it_is_read() {
    let (server, options) = server();
    let (client, mut peer) = connected(&server, options).await;
    let request = client.subscribe("#").capacity(2);
    let (subscription, ()) = tokio::join!(request.into_future(), grant(&mut peer));
    let mut subscription = subscription.unwrap();
    peer.say("30 { \"a\" 00 '1' } 30 { \"a\" 00 '2' } 30 { \"a\" 00 '3' } D0 00")
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    for expected in ["1", "2", "3"] {
        assert_eq!(text(&next(&mut subscription).await), expected);
    }
}

/// A reader that is slow for hours, and a server that hears from the client all the while.
#[tokio::test(start_paused = true)]
async fn a_full_stream_does_not_stop_the_pings() {
    let (server, options) = server();
    let options = options.keep_alive(Duration::from_secs(60));
    let (client, mut peer) = connected(&server, options).await;
    let request = client.subscribe("#").capacity(1);
    let (subscription, ()) = tokio::join!(request.into_future(), grant(&mut peer));
    let mut subscription = subscription.unwrap();
    peer.say("30 { \"a\" 00 '1' } 30 { \"a\" 00 '2' }").await;
    for _ in 0..50 {
        let ping = tokio::time::timeout(Duration::from_secs(90), peer.packet()).await;
        assert_eq!(
            ping.expect("the client is silent").as_deref(),
            Some(&[0xC0, 0][..])
        );
        peer.say("D0 00").await;
    }
    assert_eq!(text(&next(&mut subscription).await), "1");
    assert_eq!(text(&next(&mut subscription).await), "2");
    assert!(matches!(client.state().current(), State::Up(_)));
}

#[tokio::test(start_paused = true)]
async fn a_full_stream_may_drop_its_oldest_instead() {
    let (server, options) = server();
    let (client, mut peer) = connected(&server, options).await;
    let request = client
        .subscribe("#")
        .capacity(2)
        .overflow(Overflow::DropOldest);
    let (subscription, ()) = tokio::join!(request.into_future(), grant(&mut peer));
    let mut subscription = subscription.unwrap();
    peer.say("30 { \"a\" 00 '1' } 30 { \"a\" 00 '2' } 30 { \"a\" 00 '3' }")
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(text(&next(&mut subscription).await), "2");
    assert_eq!(text(&next(&mut subscription).await), "3");
    assert_eq!(subscription.dropped(), 1);
}

/// In MQTT 3.1.1 the server does not know the window, so the client does not read beyond it.
#[tokio::test(start_paused = true)]
async fn messages_that_are_not_let_go_of_hold_the_window() {
    let (server, options) = server();
    let options = v311(options).receive_maximum(2.try_into().unwrap());
    let (client, mut peer) = connected(&server, options).await;
    let (subscription, ()) = tokio::join!(client.subscribe("#").into_future(), async {
        peer.expect("82 { ** }").await;
        peer.say("90 { 0001 01 }").await;
    });
    let mut subscription = subscription.unwrap();
    peer.say("32 { \"a\" 0001 '1' } 32 { \"a\" 0002 '2' } 32 { \"a\" 0003 '3' }")
        .await;
    let first = next(&mut subscription).await;
    let _second = next(&mut subscription).await;
    let third = tokio::time::timeout(Duration::from_secs(1), subscription.next()).await;
    assert!(third.is_err(), "{third:?}");
    drop(first);
    peer.expect("40 02 0001").await;
    assert_eq!(text(&next(&mut subscription).await), "3");
}

async fn resumed(options: Options, server: &support::Server) -> (Client, Peer) {
    let (client, peer) = tokio::join!(Client::connect(options), server.accept_with(SAME_SESSION));
    (client.expect("the server accepts"), peer)
}

#[tokio::test(start_paused = true)]
async fn a_session_of_an_earlier_run_waits_for_its_subscriber() {
    let (server, options) = server();
    let (client, mut peer) = resumed(options.clean_start(false), &server).await;
    peer.say("32 { \"a\" 0001 00 '1' } 32 { \"b\" 0002 00 '2' }")
        .await;
    peer.expect_silence().await;
    let mut subscription = subscribed(&client, &mut peer, "a").await;
    drop(next(&mut subscription).await);
    peer.expect("40 02 0001").await;
    let mut rest = client.messages();
    assert_eq!(text(&next(&mut rest).await), "2");
    peer.expect("40 02 0002").await;
}

/// Subscribes in a resumed session; returns also the property that the filter's messages come with.
async fn subscribed_anew(client: &Client, peer: &mut Peer, filter: &str) -> (Subscription, String) {
    let dialogue = async {
        let packet = peer.expect("82 { ** }").await;
        let reply = format!("90 {{ {:02X}{:02X} 00 02 }}", packet[2], packet[3]);
        peer.say(&reply).await;
        mqtide_testkit::notation::hex(&packet[5..5 + usize::from(packet[4])])
    };
    let request = client.subscribe(filter).qos(QoS::ExactlyOnce);
    let (subscription, property) = tokio::join!(request.into_future(), dialogue);
    (subscription.expect("the server grants it"), property)
}

/// The server's session still has the filters of an earlier run, whose identifiers began with 1 or anywhere.
#[tokio::test(start_paused = true)]
async fn identifiers_of_an_earlier_run_mislead_nobody() {
    let (server, options) = server();
    let (client, mut peer) = resumed(options.clean_start(false), &server).await;
    let (mut wide, of_wide) = subscribed_anew(&client, &mut peer, "a/#").await;
    let (mut narrow, of_narrow) = subscribed_anew(&client, &mut peer, "a/b").await;
    let mut rest = client.messages();
    for earlier in ["0B 01", "0B 02", "0B FFFFFF7F"] {
        // From an earlier `a/#`, from an earlier `c`, and from one of each time.
        peer.say(&format!("30 {{ \"a/b\" {{ {earlier} }} 'queued' }}"))
            .await;
        peer.say(&format!("30 {{ \"c\" {{ {earlier} }} 'forgotten' }}"))
            .await;
        peer.say(&format!(
            "30 {{ \"a/b\" {{ {earlier} {of_wide} }} 'half' }}"
        ))
        .await;
        assert_eq!(text(&next(&mut narrow).await), "queued");
        assert_eq!(text(&next(&mut rest).await), "forgotten");
        assert_eq!(text(&next(&mut narrow).await), "half");
        assert_eq!(text(&next(&mut wide).await), "queued");
        assert_eq!(text(&next(&mut wide).await), "half");
    }
    // Those of this run are believed: a server may send one copy for each.
    peer.say(&format!("30 {{ \"a/b\" {{ {of_narrow} }} 'one' }}"))
        .await;
    peer.say(&format!("30 {{ \"a/b\" {{ {of_wide} }} 'other' }}"))
        .await;
    assert_eq!(text(&next(&mut narrow).await), "one");
    assert_eq!(text(&next(&mut wide).await), "other");
    assert!(wide.try_next().is_none() && narrow.try_next().is_none());
}

/// Even if an identifier of an earlier run is the same as one of this run, no stream gets what it did not ask for.
#[tokio::test(start_paused = true)]
async fn an_identifier_whose_filter_does_not_match_is_not_believed() {
    let (server, options) = server();
    let (client, mut peer) = resumed(options.clean_start(false), &server).await;
    let (mut apples, of_apples) = subscribed_anew(&client, &mut peer, "apples").await;
    let (mut pears, _) = subscribed_anew(&client, &mut peer, "pears").await;
    peer.say(&format!("30 {{ \"pears\" {{ {of_apples} }} '1' }}"))
        .await;
    assert_eq!(text(&next(&mut pears).await), "1");
    assert!(apples.try_next().is_none());
}

/// The session goes on in the same process: its own identifiers hold, and what has been given up stays so.
#[tokio::test(start_paused = true)]
async fn identifiers_hold_over_connections() {
    let (server, options) = server();
    let (client, mut peer) = connected(&server, options).await;
    let mut wide = subscribed(&client, &mut peer, "a/#").await;
    let narrow = subscribed(&client, &mut peer, "a/b").await;
    peer.hang_up();
    let mut peer = server.accept_with(SAME_SESSION).await;
    drop(narrow);
    peer.expect("A2 { ?? ?? 00 \"a/b\" }").await;
    // One copy for each subscription, the second under way when it was given up.
    peer.say("30 { \"a/b\" { 0B 01 } '1' } 30 { \"a/b\" { 0B 02 } '1' }")
        .await;
    peer.say("30 { \"a/b\" { 0B 01 0B 02 } '2' }").await;
    assert_eq!(text(&next(&mut wide).await), "1");
    assert_eq!(text(&next(&mut wide).await), "2");
}

/// MQTT-4.6.0-6: what comes before SUBSCRIBE, before SUBACK and after it is one stream in one order.
#[tokio::test(start_paused = true)]
async fn a_resumed_session_and_its_subscription_are_one_stream_in_order() {
    let (server, options) = server();
    let (client, mut peer) = resumed(options.clean_start(false), &server).await;
    peer.say("32 { \"a\" 0001 00 '1' } 32 { \"old\" 0002 00 '2' }")
        .await;
    peer.expect_silence().await;
    let dialogue = async {
        let packet = peer.expect("82 { ** }").await;
        peer.say("32 { \"a\" 0003 00 '3' } 32 { \"old\" 0004 00 '4' }")
            .await;
        let identifier = format!("{:02X}{:02X}", packet[2], packet[3]);
        peer.say(&format!("90 {{ {identifier} 00 01 }}")).await;
        peer.say("32 { \"a\" 0005 00 '5' }").await;
    };
    let request = client.subscribe("a").qos(QoS::AtLeastOnce).with_unclaimed();
    let (subscription, ()) = tokio::join!(request.into_future(), dialogue);
    let mut subscription = subscription.unwrap();
    for (number, expected) in ["1", "2", "3", "4", "5"].into_iter().enumerate() {
        let message = next(&mut subscription).await;
        assert_eq!(text(&message), expected);
        drop(message);
        peer.expect(&format!("40 02 {:04X}", number + 1)).await;
    }
    assert!(subscription.try_next().is_none());
}

/// More messages than the client takes at once come before the answer to SUBSCRIBE, which is read all the same.
#[tokio::test(start_paused = true)]
async fn an_answer_is_found_behind_a_full_window() {
    let (server, options) = server();
    let options = v311(options)
        .clean_start(false)
        .receive_maximum(NonZeroU16::MIN);
    let connecting = Client::connect(options);
    let (client, mut peer) = tokio::join!(connecting, server.accept_with("20 02 01 00"));
    let client = client.unwrap();
    let dialogue = async {
        peer.expect("82 { 0001 \"a\" 01 }").await;
        for number in ["1", "2", "3"] {
            peer.say(&format!("32 {{ \"a\" 000{number} '{number}' }}"))
                .await;
        }
        peer.say("90 { 0001 01 }").await;
    };
    let request = client.subscribe("a").qos(QoS::AtLeastOnce);
    let (subscription, ()) = within(async { tokio::join!(request.into_future(), dialogue) }).await;
    let mut subscription = subscription.unwrap();
    for expected in ["1", "2", "3"] {
        assert_eq!(text(&next(&mut subscription).await), expected);
    }
}

/// CONNACK of MQTT 3.1 does not tell that the session is present.
#[tokio::test(start_paused = true)]
async fn a_session_of_3_1_may_be_present_and_is_subscribed_to_again() {
    let (server, options) = server();
    let options = options.version(Version::V31).clean_start(false);
    let (client, mut peer) = connected(&server, options).await;
    peer.say("32 { \"a\" 0001 '1' }").await;
    peer.expect_silence().await;
    let dialogue = async {
        peer.expect("82 { 0001 \"a\" 01 }").await;
        peer.say("90 { 0001 01 }").await;
    };
    let request = client.subscribe("a").qos(QoS::AtLeastOnce);
    let (subscription, ()) = tokio::join!(request.into_future(), dialogue);
    let mut subscription = subscription.unwrap();
    assert_eq!(text(&next(&mut subscription).await), "1");
    peer.expect("40 02 0001").await;
    peer.hang_up();

    let mut peer = server.accept_with("20 02 00 00").await;
    peer.expect("82 { ?? ?? \"a\" 01 }").await;
    peer.say("32 { \"a\" 0001 '2' }").await;
    assert_eq!(text(&next(&mut subscription).await), "2");
}

/// With Clean Session 1 there is no earlier session: what nobody asked for does not wait.
#[tokio::test(start_paused = true)]
async fn a_clean_session_of_3_1_has_no_past() {
    let (server, options) = server();
    let (_client, mut peer) = connected(&server, options.version(Version::V31)).await;
    peer.say("32 { \"a\" 0001 '1' }").await;
    peer.expect("40 02 0001").await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_subscribed_to_is_acknowledged_and_dropped() {
    let (server, options) = server();
    let (_client, mut peer) = connected(&server, options).await;
    peer.say("32 { \"a\" 0001 00 '1' }").await;
    peer.expect("40 02 0001").await;
}
