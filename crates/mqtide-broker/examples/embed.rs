//! A broker within a program of your own.
//!
//! `cargo run -p mqtide-broker --example embed -- mqtt://127.0.0.1:1883 ws://127.0.0.1:8083/mqtt`

#![allow(clippy::print_stdout)]

use mqtide_broker::{Broker, ListenAddress};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut builder = Broker::builder();
    for address in std::env::args().skip(1) {
        builder = builder.listen(address.parse::<ListenAddress>()?);
    }
    if std::env::args().len() == 1 {
        builder = builder.listen("mqtt://127.0.0.1:0".parse()?);
    }
    let broker = builder.start().await?;
    for address in broker.addresses() {
        println!("listening on {address}");
    }
    tokio::signal::ctrl_c().await?;
    broker.stop().await;
    Ok(())
}
