//! Publishes one message, and says what became of it.
//!
//! ```console
//! $ mqtide broker &
//! $ cargo run --example publish -- mqtt://localhost press/3/temp 21.5
//! ```

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example shows what it does"
)]

use std::error::Error;

use mqtide_client::{Client, Options, Outcome, QoS};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut arg = |default: &str| args.next().unwrap_or_else(|| default.to_owned());
    let (url, topic, payload) = (arg("mqtt://localhost"), arg("press/3/temp"), arg("21.5"));

    let client = Client::connect(Options::from_url(&url)?).await?;
    match client.publish(topic, payload).qos(QoS::AtLeastOnce).await? {
        Outcome::Delivered { reason } => println!("delivered: {reason}"),
        Outcome::Refused { reason, .. } => println!("refused: {reason}"),
        other => println!("{other:?}"),
    }
    client.close().await?;
    Ok(())
}
