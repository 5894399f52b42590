//! A router inside an application: who gets which message, and what a newcomer gets at once.
//!
//! `cargo run -p mqtide-topic --example router`
#![allow(clippy::print_stdout)] // what it shows is what it is for

use mqtide_topic::{FilterIndex, SubscriptionFilter, TopicError, TopicMap, TopicName, TopicScan};

fn main() -> Result<(), TopicError> {
    let mut subscriptions = FilterIndex::default();
    for (client, text) in [
        ("dashboard", "site/#"),
        ("alarm", "site/+/temperature"),
        ("logger", "site/berlin/temperature"),
        ("worker", "$share/workers/jobs/+"),
    ] {
        let subscription = SubscriptionFilter::try_from(text)?;
        subscriptions.insert(
            subscription.filter(),
            client,
            subscription.share_name().cloned(),
        );
    }

    let mut retained = TopicMap::new();
    for (text, value) in [
        ("site/berlin/temperature", "21 °C"),
        ("jobs/17", "paint the door"),
    ] {
        let name = TopicName::try_from(text)?;
        retained.insert(&name, value);
        subscriptions.for_each_match(&name, |client, group| match group {
            None => println!("{name} = {value} goes to {client}"),
            Some(group) => println!("{name} = {value} goes to one of {group}, as {client}"),
        });
    }

    // A new subscriber gets the last value of each topic, a few names at a time.
    let mut scan = TopicScan::new("site/+/temperature".parse()?);
    while !scan.is_finished() {
        retained.for_each_step(&mut scan, 100, |name, value| {
            println!("retained: {name} = {value}");
        });
    }

    // A client leaves; what it had costs only itself.
    let left = subscriptions.remove_key(&"dashboard");
    println!(
        "the dashboard left {left} filter, {} remain",
        subscriptions.len()
    );
    Ok(())
}
