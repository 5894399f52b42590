//! Taking leave of the clients before the program ends.
//!
//! `cargo run -p mqtide-broker --example graceful_stop`

#![allow(clippy::print_stdout)]

use std::time::Duration;

use mqtide_broker::{Broker, Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::default();
    config.listeners.push("mqtt://127.0.0.1:0".parse()?);
    // Clients that do not read hold the end up no longer than this.
    config.stop_grace = Duration::from_secs(2);
    let broker = Broker::builder().config(config).start().await?;
    println!(
        "listening on {}, for three seconds or until Ctrl-C",
        broker.addresses()[0]
    );

    let three_seconds = tokio::time::sleep(Duration::from_secs(3));
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = three_seconds => {}
    }
    println!(
        "{} clients are told",
        broker.handle().stats().clients_connected
    );
    // MQTT 5.0 clients get DISCONNECT 0x8B, Server shutting down.
    broker.stop().await;
    Ok(())
}
