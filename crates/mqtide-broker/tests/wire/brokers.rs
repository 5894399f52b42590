//! Brokers of every configuration that cases name, in this process or where `MQTIDE_TEST_BROKER` says.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::time::Duration;

use mqtide_broker::{Broker, BrokerBuilder, Config};

use crate::common::Running;
use crate::common::disk::{Disk, Mode};
use crate::guard::Guard;

/// Brokers by the name of their configuration, each started when it is first asked for.
#[derive(Default)]
pub(crate) struct Brokers {
    running: Mutex<HashMap<String, Running>>,
    /// Whether they store everything, and acknowledge it after a while.
    are_durable: bool,
}

impl Brokers {
    /// Brokers that store everything, and so acknowledge it after a while.
    pub(crate) fn durable() -> Self {
        Self {
            are_durable: true,
            ..Self::default()
        }
    }

    /// Where the broker of this configuration takes TCP connections; `None` if the broker under test is an
    /// outside one and the configuration is not the default.
    pub(crate) fn address(&self, configuration: &str) -> Option<SocketAddr> {
        if let Ok(outside) = std::env::var("MQTIDE_TEST_BROKER") {
            let address = outside.parse().expect("MQTIDE_TEST_BROKER is HOST:PORT");
            return (configuration == "default").then_some(address);
        }
        let mut running = self.running.lock().expect("no test panics here");
        let broker = running.entry(configuration.to_owned()).or_insert_with(|| {
            let mut builder = named(configuration);
            if self.are_durable {
                let disk = Disk::default();
                disk.set(Mode::Late(Duration::from_millis(2)));
                builder = builder.store(disk.open()).workers(SEVERAL);
            }
            Running::start(builder)
        });
        Some(broker.tcp())
    }
}

/// What is stored comes together from several threads.
const SEVERAL: NonZeroUsize = NonZeroUsize::new(3).expect("not zero");

/// The configurations that cases name.
fn named(configuration: &str) -> BrokerBuilder {
    let mut config = Config::default();
    let (capabilities, limits) = (&mut config.capabilities, &mut config.limits);
    match configuration {
        // "alone" is for cases that would hear the messages of others.
        "default" | "alone" => {}
        "narrow" => {
            limits.receive_maximum = 4;
            limits.packet_size = 1024;
            limits.connect_packet_size = 512;
            limits.topic_alias_maximum = 10;
            limits.connect_timeout = Duration::from_secs(1);
        }
        "bounded" => {
            limits.keep_alive = 1;
            limits.session_expiry = 1;
            limits.subscriptions = 2;
            limits.topic_levels = 4;
            limits.queue_messages = 2;
        }
        "crowded" | "crowded-3.1.1" => limits.sessions = 1,
        "bare" => {
            capabilities.maximum_qos = 1;
            capabilities.retain_available = false;
            capabilities.wildcard_subscription_available = false;
            capabilities.subscription_identifiers_available = false;
            capabilities.shared_subscription_available = false;
        }
        "guarded" => return Broker::builder().authenticator(Guard).authorizer(Guard),
        "responder" => capabilities.response_information = Some("answers/".to_owned()),
        other => panic!("no configuration is named {other}"),
    }
    Broker::builder().config(config)
}
