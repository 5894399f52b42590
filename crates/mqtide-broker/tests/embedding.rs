//! The broker as a library: what the program around it can do.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mqtide_broker::{
    AuthenticationExchange, AuthenticationStep, Authenticator, Authorizer, Broker, BrokerBuilder,
    BrokerError, ClientInfo, Config, Credentials, Flavour, Interest, Message, PublishError,
    PublishRequest, Refusal, SubscribeRequest,
};
use mqtide_codec::{QoS, ReasonCode};
use mqtide_testkit::notation::bytes;
use mqtide_testkit::raw::Peer;
use mqtide_topic::{SubscriptionFilter, TopicName};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::Runtime;

const CONNECT_A: &str = "10 { \"MQTT\" 05 02 0000 00 \"a\" }";

struct Running {
    broker: Option<Broker>,
    runtime: Runtime,
}

impl Running {
    fn start(builder: BrokerBuilder) -> Self {
        let runtime = Runtime::new().unwrap();
        let builder = builder.listen("mqtt://127.0.0.1:0".parse().unwrap());
        let broker = Some(runtime.block_on(builder.start()).unwrap());
        Running { broker, runtime }
    }

    fn broker(&self) -> &Broker {
        self.broker.as_ref().unwrap()
    }

    fn address(&self) -> SocketAddr {
        let address = &self.broker().addresses()[0];
        SocketAddr::new(address.host().parse().unwrap(), address.port())
    }

    fn connected(&self) -> Peer {
        let mut peer = Peer::opening(self.address(), CONNECT_A);
        peer.expect("20 { 00 00 { ** } }");
        peer
    }

    fn stop(&mut self) {
        let broker = self.broker.take().unwrap();
        self.runtime.block_on(broker.stop());
    }
}

fn filter(text: &str) -> SubscriptionFilter {
    SubscriptionFilter::try_from(text).unwrap()
}

fn message(topic: &'static str, payload: &'static str) -> Message {
    Message::new(TopicName::from_static(topic), payload)
}

#[test]
fn messages_go_between_the_program_and_clients() {
    for flavour in [Flavour::Pinned, Flavour::Ambient] {
        let running = Running::start(Broker::builder().runtime(flavour));
        let handle = running.broker().handle();
        let mut all = handle.subscribe(filter("#"), 10).unwrap();
        let mut client = running.connected();
        client.write("82 { 0001 00 \"to/client\" 01 }");
        client.expect("90 { 0001 00 01 }");

        assert!(
            handle
                .publish(&message("to/client", "hi").with_qos(QoS::AtLeastOnce))
                .unwrap()
        );
        client.expect("32 { \"to/client\" 0001 00 'hi' }");
        client.write("32 { \"to/program\" 0007 { 03 \"text\" 26 \"k\" \"v\" } 'hello' }");
        client.expect("40 { 0007 }");

        running.runtime.block_on(async {
            assert_eq!(all.next().await.unwrap().topic.as_str(), "to/client");
            let received = all.next().await.unwrap();
            assert_eq!(received.topic.as_str(), "to/program");
            assert_eq!(received.payload, "hello");
            assert_eq!(received.qos, QoS::AtLeastOnce);
            let properties = received.properties.unwrap();
            assert_eq!(properties.content_type.unwrap(), "text");
            assert_eq!(properties.user_properties.len(), 1);
        });
        drop(all);
        assert!(!handle.publish(&message("nobody", "")).unwrap());
        let stats = handle.stats();
        assert_eq!((stats.clients_connected, stats.subscriptions), (1, 1));
        assert_eq!(stats.publishes_received, 1);
    }
}

/// Two clients without a socket between them and the broker, one of which does not read for a while.
#[test]
fn clients_come_over_streams_of_the_program() {
    for flavour in [Flavour::Pinned, Flavour::Ambient] {
        let mut running = Running::start(Broker::builder().runtime(flavour));
        let handle = running.broker().handle();
        let client = |address: &str| {
            let (near, far) = duplex(4096);
            handle.serve(far, address.parse().unwrap()).unwrap();
            near
        };
        let open = |identifier| bytes(&format!("10 {{ \"MQTT\" 04 02 0000 \"{identifier}\" }}"));
        running.runtime.block_on(async {
            let mut slow = client("127.0.0.1:7");
            slow.write_all(&open("slow").unwrap()).await.unwrap();
            expect(&mut slow, "20 02 00 00").await;
            slow.write_all(&bytes("82 { 0001 \"t\" 00 }").unwrap())
                .await
                .unwrap();
            expect(&mut slow, "90 { 0001 00 }").await;

            let mut fast = client("[::1]:7");
            fast.write_all(&open("fast").unwrap()).await.unwrap();
            expect(&mut fast, "20 02 00 00").await;
            let message = "30 { \"t\" ('x'*10000) }";
            for _ in 0..20 {
                fast.write_all(&bytes(message).unwrap()).await.unwrap();
            }
            fast.write_all(&bytes("C0 00").unwrap()).await.unwrap();
            expect(&mut fast, "D0 00").await;
            for _ in 0..20 {
                expect(&mut slow, message).await;
            }

            // Who comes from elsewhere needs credentials here.
            let mut stranger = client("192.0.2.1:7");
            stranger
                .write_all(&open("stranger").unwrap())
                .await
                .unwrap();
            expect(&mut stranger, "20 02 00 05").await;
            assert_eq!(stranger.read(&mut [0]).await.unwrap(), 0);

            drop(fast);
            while handle.stats().connections > 1 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(handle.stats().clients_connected, 1);
        });
        running.stop();
        let (_near, far) = duplex(16);
        assert!(handle.serve(far, "127.0.0.1:7".parse().unwrap()).is_err());
    }
}

async fn expect(stream: &mut DuplexStream, notation: &str) {
    let expected = bytes(notation).unwrap();
    let mut heard = vec![0; expected.len()];
    stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, expected);
}

#[test]
fn a_slow_reader_within_the_program_loses_messages_and_holds_up_nobody() {
    let running = Running::start(Broker::builder());
    let handle = running.broker().handle();
    let mut slow = handle.subscribe(filter("a"), 2).unwrap();
    for _ in 0..5 {
        handle.publish(&message("a", "x")).unwrap();
    }
    assert_eq!(slow.dropped(), 3);
    running.runtime.block_on(slow.next()).unwrap();
}

#[test]
fn a_retained_message_of_the_program_waits_for_clients() {
    let running = Running::start(Broker::builder());
    let handle = running.broker().handle();
    handle
        .publish(&message("state", "on").with_retain(true))
        .unwrap();
    let mut client = running.connected();
    client.write("82 { 0001 00 \"+\" 00 }");
    client.expect("90 { 0001 00 00 }");
    client.expect("31 { \"state\" 00 'on' }");
}

#[test]
fn stopping_says_goodbye_and_ends_subscriptions() {
    let mut running = Running::start(Broker::builder());
    let handle = running.broker().handle();
    let mut subscription = handle.subscribe(filter("#"), 1).unwrap();
    let mut five = running.connected();
    let mut three = Peer::opening(running.address(), "10 { \"MQTT\" 04 02 0000 \"b\" }");
    three.expect("20 02 00 00");
    let mut silent = Peer::to(running.address());
    running.stop();
    five.expect("E0 { 8B ** }");
    five.expect_closed();
    three.expect_closed();
    silent.expect_closed();
    assert!(running.runtime.block_on(subscription.next()).is_none());
    assert_eq!(
        handle.publish(&message("a", "")),
        Err(PublishError::Stopped(mqtide_broker::Stopped))
    );
    assert!(Peer::connect(five.stream().peer_addr().unwrap()).is_err());
}

#[test]
fn dropping_the_broker_closes_everything() {
    for flavour in [Flavour::Pinned, Flavour::Ambient] {
        let mut running = Running::start(Broker::builder().runtime(flavour));
        let mut client = running.connected();
        drop(running.broker.take());
        client.expect_closed();
    }
}

#[test]
fn a_port_in_use_and_a_value_without_sense_are_errors() {
    let running = Running::start(Broker::builder());
    let taken = running.broker().addresses()[0].clone();
    let error = running
        .runtime
        .block_on(Broker::builder().listen(taken).start())
        .unwrap_err();
    assert!(matches!(error, BrokerError::Listen { .. }), "{error}");
    let mut config = Config::default();
    config.limits.receive_maximum = 0;
    let error = running
        .runtime
        .block_on(Broker::builder().config(config).start())
        .unwrap_err();
    assert!(
        matches!(
            error,
            BrokerError::Config {
                field: "limits.receive_maximum",
                ..
            }
        ),
        "{error}"
    );
}

/// Lets in whoever knows the word, and renames them; knows one method with a challenge.
struct Doorman;

#[async_trait]
impl Authenticator for Doorman {
    async fn authenticate(
        &self,
        credentials: &Credentials<'_>,
    ) -> Result<Option<Arc<str>>, Refusal> {
        tokio::task::yield_now().await;
        match credentials.password {
            Some(b"sesame") => Ok(Some("guest".into())),
            _ => Err(Refusal(ReasonCode::BadUserNameOrPassword)),
        }
    }

    fn exchange(
        &self,
        method: &str,
        _: &Credentials<'_>,
    ) -> Option<Box<dyn AuthenticationExchange>> {
        (method == "double").then(|| Box::new(Doubling { asked: false }) as _)
    }
}

/// Asks once, and wants the answer "yes".
struct Doubling {
    asked: bool,
}

#[async_trait]
impl AuthenticationExchange for Doubling {
    async fn step(&mut self, data: Option<Bytes>) -> Result<AuthenticationStep, Refusal> {
        if !std::mem::replace(&mut self.asked, true) {
            return Ok(AuthenticationStep::Continue(Some(Bytes::from_static(
                b"sure?",
            ))));
        }
        match data.as_deref() {
            Some(b"yes") => Ok(AuthenticationStep::Success {
                data: Some(Bytes::from_static(b"ok")),
                user_name: None,
            }),
            _ => Err(Refusal(ReasonCode::NotAuthorized)),
        }
    }
}

#[test]
fn an_authenticator_decides_who_is_let_in() {
    let running = Running::start(Broker::builder().authenticator(Doorman));
    let connect = |password: &str| {
        let bytes = format!("10 {{ \"MQTT\" 05 C2 0000 00 \"a\" \"me\" \"{password}\" }}");
        Peer::opening(running.address(), &bytes)
    };
    connect("sesame").expect("20 { 00 00 { ** } }");
    let mut refused = connect("wrong");
    refused.expect("20 { 00 86 00 }");
    refused.expect_closed();
    let mut anonymous = Peer::opening(running.address(), CONNECT_A);
    anonymous.expect("20 { 00 86 00 }");
    anonymous.expect_closed();
}

/// MQTT-4.12.0-2, MQTT-4.12.0-4, MQTT-4.12.1-2
#[test]
fn enhanced_authentication_runs_its_steps_at_connect_and_later() {
    let running = Running::start(Broker::builder().authenticator(Doorman));
    let connect = "10 { \"MQTT\" 05 02 0000 { 15 \"double\" } \"a\" }";
    let challenge = "F0 { 18 { 15 \"double\" 16 \"sure?\" } }";
    let mut peer = Peer::opening(running.address(), connect);
    peer.expect(challenge);
    peer.write("F0 { 18 { 15 \"double\" 16 \"yes\" } } C0 00");
    peer.expect("20 { 00 00 { ** 15 \"double\" 16 \"ok\" ** } }");
    peer.expect("D0 00");
    peer.write("F0 { 19 { 15 \"double\" } }");
    peer.expect(challenge);
    peer.write("F0 { 18 { 15 \"double\" 16 \"yes\" } }");
    peer.expect("F0 { 00 { 15 \"double\" 16 \"ok\" } }");
    peer.write("F0 { 19 { 15 \"double\" } }");
    peer.expect(challenge);
    peer.write("F0 { 18 { 15 \"double\" 16 \"no\" } }");
    peer.expect("E0 { 87 ** }");
    peer.expect_closed();

    let mut peer = Peer::opening(running.address(), connect);
    peer.expect(challenge);
    peer.write("F0 { 18 { 15 \"double\" 16 \"no\" } }");
    peer.expect("20 { 00 87 00 }");
    peer.expect_closed();
    let mut peer = Peer::opening(
        running.address(),
        "10 { \"MQTT\" 05 02 0000 { 15 \"unknown\" } \"a\" }",
    );
    peer.expect("20 { 00 8C 00 }");
    peer.expect_closed();
}

/// Allows what is below `open`.
struct OpenOnly;

#[async_trait]
impl Authorizer for OpenOnly {
    fn interest(&self) -> Interest {
        Interest::ALL
    }

    async fn publish(&self, client: &ClientInfo, request: &PublishRequest<'_>) -> bool {
        tokio::task::yield_now().await;
        assert_eq!(&*client.client_id, "a");
        request.topic.starts_with("open/")
    }

    async fn subscribe(&self, _: &ClientInfo, request: &SubscribeRequest<'_>) -> bool {
        request.filter.starts_with("open/") || request.filter.starts_with("$share/g/open/")
    }
}

#[test]
fn an_authorizer_decides_what_clients_may_do() {
    let running = Running::start(Broker::builder().authorizer(OpenOnly));
    let mut client = running.connected();
    client.write("82 { 0001 00 \"open/#\" 01 \"closed/#\" 01 \"$share/g/open/#\" 00 }");
    client.expect("90 { 0001 00 01 87 00 }");
    client.write(
        "32 { \"closed/x\" 0001 00 'no' } 34 { \"closed/x\" 0002 00 'no' } 30 { \"closed/x\" 00 'no' }
         32 { \"open/x\" 0003 00 'yes' }",
    );
    let mut answers: Vec<_> = (0..5).map(|_| client.packet()).collect();
    answers.sort();
    let find = |packet: &[u8]| answers.iter().any(|answer| answer == packet);
    assert!(find(&[0x40, 3, 0, 1, 0x87]), "{answers:x?}");
    assert!(find(&[0x50, 3, 0, 2, 0x87]), "{answers:x?}");
    assert!(find(&[0x40, 2, 0, 3]), "{answers:x?}");
    client.expect_alive();
}

#[test]
fn a_will_that_may_not_be_published_is_refused_at_connect() {
    let running = Running::start(Broker::builder().authorizer(OpenOnly));
    let connect = "10 { \"MQTT\" 05 06 0000 00 \"a\" 00 \"closed/will\" \"x\" }";
    let mut peer = Peer::opening(running.address(), connect);
    peer.expect("20 { 00 87 00 }");
    peer.expect_closed();
}

#[test]
fn limits_of_connections_hold() {
    let mut config = Config::default();
    config.limits.connections = 2;
    config.limits.connect_timeout = Duration::from_millis(300);
    let running = Running::start(Broker::builder().config(config));
    let mut client = running.connected();
    let mut silent = Peer::to(running.address());
    let mut third = Peer::to(running.address());
    third.expect_closed();
    silent.expect_closed();
    client.expect_alive();
    assert_eq!(running.broker().handle().stats().connections_rejected, 1);
}
