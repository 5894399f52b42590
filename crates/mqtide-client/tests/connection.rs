//! Connecting, losing the connection, connecting again, and taking leave.

mod support;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mqtide_client::{
    Backoff, Client, CloseError, ConnectError, Credentials, Options, OptionsError, Outcome,
    PublishError, QoS, ReasonCode, State, TopicName, Will,
};
use support::{NEW_SESSION, SAME_SESSION, connected, server, v311, within};

#[tokio::test(start_paused = true)]
async fn connect_says_what_the_options_say() {
    let (server, options) = server();
    let options = options
        .credentials(Credentials::new("ada", "secret"))
        .keep_alive(Duration::from_secs(30))
        .session_expiry(Duration::from_secs(3600))
        .will(Will {
            qos: QoS::AtLeastOnce,
            retain: true,
            ..Will::new(TopicName::from_static("w"), "gone")
        });
    let dialogue = async {
        let mut peer = server.accept().await;
        let properties = "{ 11 u32:3600 21 u16:256 22 u16:16 27 u32:262144 }";
        peer.expect(&format!(
            "10 {{ \"MQTT\" 05 EE u16:30 {properties} \"c\" 00 \"w\" \"gone\" \"ada\" \"secret\" }}"
        ))
        .await;
        peer.say(NEW_SESSION).await;
    };
    let (client, ()) = tokio::join!(Client::connect(options), dialogue);
    client.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_first_connection_is_final() {
    let (server, options) = server();
    let (refused, _) = tokio::join!(
        Client::connect(options),
        server.accept_with("20 { 00 87 { 1F \"no\" } }")
    );
    let Err(ConnectError::Refused { reason, text }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(
        (reason, text.as_deref()),
        (ReasonCode::NotAuthorized, Some("no"))
    );
}

#[tokio::test(start_paused = true)]
async fn return_codes_of_3_1_1_are_given_as_reasons() {
    let (server, options) = server();
    let (refused, _) = tokio::join!(
        Client::connect(v311(options)),
        server.accept_with("20 02 00 04")
    );
    let Err(ConnectError::Refused { reason, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(reason, ReasonCode::BadUserNameOrPassword);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up() {
    let (server, options) = server();
    let silent = async {
        let _peer = server.accept().await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        refused = Client::connect(options) => assert!(matches!(refused, Err(ConnectError::Timeout)), "{refused:?}"),
        () = silent => {}
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_an_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let refused = Client::connect(Options::new("127.0.0.1").port(port)).await;
    assert!(matches!(refused, Err(ConnectError::Io(_))), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn options_that_do_not_go_together_are_an_error() {
    let (_server, options) = server();
    let refused = Client::connect(v311(options).session_expiry(Duration::from_secs(1))).await;
    let Err(ConnectError::Options(error)) = refused else {
        panic!("{refused:?}")
    };
    assert!(matches!(error, OptionsError::NotInVersion { .. }));
}

#[tokio::test(start_paused = true)]
async fn reconnecting_continues_the_session_with_fresh_credentials() {
    let (server, options) = server();
    let asked = std::sync::Arc::new(AtomicU32::new(0));
    let options = options.credentials_from(move || {
        let number = asked.fetch_add(1, Ordering::Relaxed);
        async move { Ok(Credentials::user_name(format!("token-{number}"))) }
    });
    let dialogue = async {
        let mut peer = server.accept().await;
        peer.expect("10 { \"MQTT\" 05 82 003C { ** } \"c\" \"token-0\" }")
            .await;
        peer.say(NEW_SESSION).await;
        peer.hang_up();
        let mut peer = server.accept().await;
        peer.expect("10 { \"MQTT\" 05 80 003C { ** } \"c\" \"token-1\" }")
            .await;
        peer.say(SAME_SESSION).await;
        peer
    };
    let (client, _peer) = tokio::join!(Client::connect(options), dialogue);
    within(client.unwrap().state().up()).await.unwrap();
}

/// MQTT-3.1.2-5: a client keeps the identifier that it was given.
#[tokio::test(start_paused = true)]
async fn an_assigned_identifier_is_used_again() {
    let (server, options) = server();
    let options = options.client_identifier("");
    let (_client, peer) = tokio::join!(
        Client::connect(options),
        server.accept_with("20 { 00 00 { 12 \"given\" } }")
    );
    peer.hang_up();
    let mut peer = server.accept().await;
    peer.expect("10 { \"MQTT\" 05 ?? 003C { ** } \"given\" }")
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_state_can_be_followed() {
    let (server, options) = server();
    let (client, peer) = connected(&server, options).await;
    let mut state = client.state();
    assert!(matches!(state.current(), State::Up(_)));
    peer.hang_up();
    let mut seen = Vec::new();
    let _peer = server.accept_with(SAME_SESSION).await;
    while !matches!(state.current(), State::Up(_)) {
        seen.push(within(state.changed()).await);
    }
    within(client.close().into_future()).await.unwrap();
    while let Some(last) = within(state.changed()).await {
        seen.push(Some(last));
    }
    assert!(
        matches!(seen.last(), Some(Some(State::Closed(None)))),
        "{seen:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn failed_attempts_are_repeated_until_they_are_too_many() {
    let (server, options) = server();
    drop(server);
    let client = Client::start(options.reconnect(Backoff::default().attempts(3)));
    let error = within(client.state().up()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Io(_)), "{error}");
    assert_eq!(client.publish("a", "").await, Err(PublishError::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_was_taken_over_does_not_fight() {
    let (server, options) = server();
    let (client, mut peer) = connected(&server, options).await;
    peer.say("E0 02 8E 00").await;
    let mut state = client.state();
    let error = loop {
        match within(state.changed()).await {
            Some(State::Closed(Some(error))) => break error,
            Some(_) => {}
            None => panic!("no reason"),
        }
    };
    assert!(
        matches!(
            error,
            ConnectError::Disconnected {
                reason: ReasonCode::SessionTakenOver,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_pings_and_gives_up_a_server_that_does_not_answer() {
    let (server, options) = server();
    let (_client, mut peer) = connected(&server, options.keep_alive(Duration::from_secs(10))).await;
    peer.expect("C0 00").await;
    peer.say("D0 00").await;
    peer.expect("C0 00").await;
    peer.expect_end().await;
    server.accept().await;
}

/// MQTT-4.13.1-1
#[tokio::test(start_paused = true)]
async fn nonsense_is_answered_with_its_reason_and_the_client_connects_again() {
    let (server, options) = server();
    for (nonsense, reason) in [
        ("30 { \"a/#\" 00 }", "90"),
        ("F0 00", "8?"),
        ("62 02 0000", "8?"),
        ("82 { ** }", "8?"),
    ] {
        let (client, mut peer) = connected(&server, options.clone()).await;
        let bytes = nonsense.replace("{ ** }", "{ 0001 00 }");
        peer.say(&bytes).await;
        let pattern = match reason {
            "8?" => "E0 { ?? ** }".to_owned(),
            exact => format!("E0 {{ {exact} ** }}"),
        };
        peer.expect(&pattern).await;
        peer.hang_up();
        server.accept_with(SAME_SESSION).await;
        drop(client);
    }
}

#[tokio::test(start_paused = true)]
async fn closing_drains_first() {
    let (server, options) = server();
    let (client, mut peer) = connected(&server, options).await;
    let receipt = client
        .publish("a", "1")
        .qos(QoS::AtLeastOnce)
        .accepted()
        .await
        .unwrap();
    let clone = client.clone();
    let dialogue = async {
        peer.expect("32 { \"a\" 0001 00 '1' }").await;
        peer.expect_silence().await;
        assert_eq!(clone.publish("a", "2").await, Err(PublishError::Closed));
        peer.say("40 02 0001").await;
        // The session ends with the client, as nobody asked for another end.
        peer.expect("E0 { 00 { 11 u32:0 } }").await;
        peer.expect_end().await;
    };
    let (closed, ()) = tokio::join!(client.close().into_future(), dialogue);
    assert_eq!(closed, Ok(()));
    assert_eq!(
        within(receipt).await,
        Ok(Outcome::Delivered {
            reason: ReasonCode::Success
        })
    );
}

#[tokio::test(start_paused = true)]
async fn draining_has_an_end() {
    let (server, options) = server();
    let (client, mut peer) =
        connected(&server, options.session_expiry(Duration::from_secs(60))).await;
    let receipt = client
        .publish("a", "1")
        .qos(QoS::AtLeastOnce)
        .accepted()
        .await
        .unwrap();
    let dialogue = async {
        peer.expect("32 { \"a\" 0001 00 '1' }").await;
        peer.expect("E0 00").await;
        peer.expect_end().await;
    };
    let (closed, ()) = tokio::join!(
        client.close().drain(Duration::from_secs(5)).into_future(),
        dialogue
    );
    assert_eq!(closed, Err(CloseError::Undrained { unsettled: 1 }));
    assert_eq!(within(receipt).await, Ok(Outcome::Unknown));
}

#[tokio::test(start_paused = true)]
async fn leave_can_be_taken_with_the_will() {
    let (script, options) = server();
    let (client, mut peer) =
        connected(&script, options.session_expiry(Duration::from_secs(60))).await;
    let farewell = client
        .close()
        .with_will()
        .session_expiry(Duration::from_secs(5))
        .into_future();
    let (closed, _) = tokio::join!(farewell, async {
        peer.expect("E0 { 04 { 11 u32:5 } }").await;
        peer.hang_up();
    });
    closed.unwrap();

    let (script, options) = server();
    let (client, mut peer) = connected(&script, v311(options)).await;
    let (closed, _) = tokio::join!(client.close().with_will().into_future(), async {
        peer.expect_end().await;
        peer.hang_up();
    });
    closed.unwrap();
}

#[tokio::test(start_paused = true)]
async fn closing_without_a_connection_is_quick_when_nothing_waits() {
    let (server, options) = server();
    drop(server);
    let client = Client::start(options);
    assert_eq!(within(client.close().into_future()).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_disconnects() {
    let (server, options) = server();
    let (client, mut peer) = connected(&server, options).await;
    let clone = client.clone();
    drop(client);
    peer.expect_silence().await;
    drop(clone);
    peer.expect("E0 { ** }").await;
    peer.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_may_be_told_never_to_reconnect() {
    let (server, options) = server();
    let (client, peer) = connected(&server, options.never_reconnect()).await;
    peer.hang_up();
    let mut state = client.state();
    let last = loop {
        match within(state.changed()).await {
            Some(State::Closed(error)) => break error,
            Some(_) => {}
            None => panic!("no reason"),
        }
    };
    assert!(
        matches!(last, Some(ConnectError::ClosedByServer)),
        "{last:?}"
    );
}
