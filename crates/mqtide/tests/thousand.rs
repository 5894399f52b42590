//! A thousand clients on one broker.

mod support;

use std::time::Duration;

use mqtide_client::{Client, Options, QoS, Subscription, Version};
use support::Broker;

const CLIENTS: usize = 1000;

/// Each connects, subscribes to a topic of its own, and gets the message of its neighbour.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_connect_subscribe_and_exchange() {
    let broker = Broker::start();
    let port: u16 = broker.port.parse().unwrap();
    let joined = futures_util::future::join_all((0..CLIENTS).map(|number| join(port, number)));
    let clients = tokio::time::timeout(PATIENCE, joined)
        .await
        .expect("all connect and subscribe");

    let publish = clients.iter().enumerate().map(|(number, (client, _))| {
        let topic = format!("of/{}", (number + 1) % CLIENTS);
        let qos = QoS::try_from(u8::try_from(number % 3).unwrap()).unwrap();
        async move { client.publish(topic, number.to_string()).qos(qos).await }
    });
    for outcome in futures_util::future::join_all(publish).await {
        assert!(
            outcome
                .as_ref()
                .is_ok_and(mqtide_client::Outcome::is_success),
            "{outcome:?}"
        );
    }

    for (number, (client, mut messages)) in clients.into_iter().enumerate() {
        let message = tokio::time::timeout(PATIENCE, messages.next())
            .await
            .expect("a message comes");
        let expected = ((number + CLIENTS - 1) % CLIENTS).to_string();
        assert_eq!(
            message.expect("the stream goes on").payload(),
            expected.as_bytes()
        );
        client.close().await.unwrap();
    }
}

async fn join(port: u16, number: usize) -> (Client, Subscription) {
    let version = [Version::V31, Version::V311, Version::V5][number % 3];
    let options = Options::new("127.0.0.1")
        .port(port)
        .version(version)
        .client_identifier(format!("c{number}"));
    let client = Client::connect(options).await.expect("the broker accepts");
    let messages = client
        .subscribe(format!("of/{number}"))
        .qos(QoS::ExactlyOnce)
        .await;
    (client, messages.expect("the broker grants it"))
}

const PATIENCE: Duration = Duration::from_secs(60);
