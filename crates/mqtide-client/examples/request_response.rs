//! A request and its response, as MQTT 5.0 §4.10 foresees them: the request names a response topic and carries
//! correlation data, which the response repeats.
//!
//! ```console
//! $ cargo run --example request_response -- mqtt://localhost
//! ```

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example shows what it does"
)]

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use mqtide_client::{Client, Options, QoS, Subscription, TopicName};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "mqtt://localhost".to_owned());

    let service = Client::connect(Options::from_url(&url)?).await?;
    let requests = service
        .subscribe("demo/upper")
        .qos(QoS::AtLeastOnce)
        .await?;
    let serving = tokio::spawn(serve(service, requests));

    let client = Client::connect(Options::from_url(&url)?).await?;
    println!("{:?}", request(&client, "demo/upper", "hello, tide").await?);

    client.close().await?;
    serving.abort();
    Ok(())
}

/// Answers each request with its payload in capitals.
async fn serve(client: Client, mut requests: Subscription) {
    while let Some(request) = requests.next().await {
        let Some(topic) = request.response_topic() else {
            continue;
        };
        let answer = String::from_utf8_lossy(request.payload()).to_uppercase();
        let mut response = client.publish(topic, answer).qos(QoS::AtLeastOnce);
        if let Some(data) = request.correlation_data() {
            response = response.correlation_data(data.clone());
        }
        if let Err(error) = response.await {
            eprintln!("no answer could be sent: {error}");
        }
    }
}

/// Subscribes before asking, so that the answer cannot come too early.
async fn request(
    client: &Client,
    topic: &str,
    payload: &'static str,
) -> Result<Bytes, Box<dyn Error>> {
    let inbox = TopicName::try_from(format!("demo/answers/{}", std::process::id()))?;
    let correlation = Bytes::from_static(b"1");
    let mut answers = client.subscribe(&inbox).qos(QoS::AtLeastOnce).await?;
    let publish = client.publish(topic, payload).qos(QoS::AtLeastOnce);
    publish
        .response_topic(inbox)
        .correlation_data(correlation.clone())
        .await?;
    let answer = async {
        while let Some(answer) = answers.next().await {
            if answer.correlation_data() == Some(&correlation) {
                return Ok(answer.payload().clone());
            }
        }
        Err("the stream has ended".into())
    };
    tokio::time::timeout(Duration::from_secs(5), answer).await?
}
