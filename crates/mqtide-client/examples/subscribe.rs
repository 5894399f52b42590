//! Prints the messages of a filter, and what happens to the connection meanwhile: stop the broker and start it again.
//!
//! ```console
//! $ cargo run --example subscribe -- mqtt://localhost 'press/#'
//! ```

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example shows what it does"
)]

use std::error::Error;

use mqtide_client::{Client, Options, QoS};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut arg = |default: &str| args.next().unwrap_or_else(|| default.to_owned());
    let (url, filter) = (arg("mqtt://localhost"), arg("press/#"));

    let client = Client::connect(Options::from_url(&url)?).await?;
    let mut messages = client.subscribe(filter).qos(QoS::AtLeastOnce).await?;
    let mut state = client.state();
    loop {
        tokio::select! {
            message = messages.next() => match message {
                // Dropped at the end of its arm, and so acknowledged.
                Some(message) => println!("{}: {}", message.topic(), String::from_utf8_lossy(message.payload())),
                None => break,
            },
            Some(state) = state.changed() => eprintln!("{state:?}"),
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    client.close().await?;
    Ok(())
}
