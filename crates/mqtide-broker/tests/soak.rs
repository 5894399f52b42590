//! A broker under churn for a while: nothing is lost, order is kept, memory returns.
//!
//! Ten seconds, unless `MQTIDE_SOAK_SECONDS` asks for more.

mod common;

use std::time::Duration;

use mqtide_testkit::soak::{Soak, soak};

use common::child::ChildBroker;

/// MQTT-4.6.0-5, MQTT-4.6.0-6, MQTT-4.5.0-1, v3.1.1 MQTT-4.6.0-6, v3.1.1 MQTT-4.5.0-1
#[test]
fn churn_loses_nothing_and_leaves_nothing() {
    let seconds = std::env::var("MQTIDE_SOAK_SECONDS")
        .map_or(10, |text| text.parse().expect("a number of seconds"));
    let broker = ChildBroker::start();
    let plan = Soak {
        duration: Duration::from_secs(seconds),
        process: Some(broker.process()),
        seed: rand::random(),
    };
    let outcome =
        soak(broker.tcp, &plan).unwrap_or_else(|error| panic!("seed {}: {error}", plan.seed));
    assert!(
        outcome.messages > 0 && outcome.canary.messages > 0,
        "{outcome:?}"
    );
    broker.end();
}

#[test]
fn the_broker_of_these_tests_runs_and_ends() {
    common::child::serve_or_show();
}
