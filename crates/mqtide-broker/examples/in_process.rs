//! Publishing and subscribing within the process, without a socket.
//!
//! `cargo run -p mqtide-broker --example in_process`

#![allow(clippy::print_stdout)]

use mqtide_broker::{Broker, Message};
use mqtide_topic::{SubscriptionFilter, TopicName};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let broker = Broker::builder().start().await?;
    let handle = broker.handle();

    let mut readings =
        handle.subscribe(SubscriptionFilter::try_from("sensors/+/temperature")?, 100)?;
    for room in ["kitchen", "cellar"] {
        let topic = TopicName::try_from(format!("sensors/{room}/temperature"))?;
        handle.publish(&Message::new(topic, "21.5"))?;
    }
    for _ in 0..2 {
        if let Some(message) = readings.next().await {
            println!("{}: {:?}", message.topic, message.payload);
        }
    }
    println!("{} subscription", handle.stats().subscriptions);
    broker.stop().await;
    Ok(())
}
