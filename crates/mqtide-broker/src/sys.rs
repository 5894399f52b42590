//! The `$SYS` topics, as users of Mosquitto know them, and the chores that are done once per second.

use std::sync::Arc;
use std::time::Duration;

use mqtide_codec::{Publish, QoS};
use mqtide_topic::TopicName;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

use crate::core::Core;
use crate::publication::Publication;
use crate::stats::Stats;

/// Publishes `$SYS`, and lets retained messages expire, until the task is dropped.
pub(crate) async fn run(core: Arc<Core>) {
    let mut chores = interval(CHORES);
    chores.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let period = core.config.sys_interval.filter(|period| !period.is_zero());
    let mut sys = period.map(|period| interval_at(Instant::now(), period));
    loop {
        let is_sys_due = tokio::select! {
            _ = chores.tick() => false,
            () = async {
                match &mut sys {
                    Some(sys) => drop(sys.tick().await),
                    None => std::future::pending().await,
                }
            } => true,
        };
        if is_sys_due {
            publish(&core);
        } else {
            let retained = &core.router.retained;
            while retained.expire(core.now(), |topic| {
                if let Some(journal) = &core.journal {
                    journal.clear_retained(topic);
                }
            }) {
                tokio::task::yield_now().await;
            }
        }
    }
}

fn publish(core: &Core) {
    for (topic, value) in topics(&core.stats()) {
        let Ok(topic) = TopicName::try_from(format!("$SYS/broker/{topic}")) else {
            continue;
        };
        let packet = Publish::new(topic.clone(), value);
        match Publication::of_publish(&packet, core.now()) {
            Ok(publication) => {
                let worker = &core.workers[0];
                core.publish(
                    worker,
                    topic.as_name(),
                    &publication,
                    QoS::AtMostOnce,
                    true,
                    None,
                );
            }
            Err(error) => tracing::error!(%error, "$SYS could not be published"),
        }
    }
}

fn topics(stats: &Stats) -> Vec<(&'static str, String)> {
    let clients = stats.clients_connected + stats.clients_disconnected;
    let numbers = [
        ("clients/connected", stats.clients_connected),
        ("clients/active", stats.clients_connected),
        ("clients/disconnected", stats.clients_disconnected),
        ("clients/inactive", stats.clients_disconnected),
        ("clients/expired", stats.clients_expired),
        ("clients/maximum", stats.clients_maximum),
        ("clients/total", clients),
        ("connections/socket/count", stats.connections),
        ("messages/received", stats.packets_received),
        ("messages/sent", stats.packets_sent),
        ("publish/messages/received", stats.publishes_received),
        ("publish/messages/sent", stats.publishes_sent),
        ("publish/messages/dropped", stats.publishes_dropped),
        ("publish/bytes/received", stats.publish_bytes_received),
        ("publish/bytes/sent", stats.publish_bytes_sent),
        ("bytes/received", stats.bytes_received),
        ("bytes/sent", stats.bytes_sent),
        ("subscriptions/count", stats.subscriptions),
        ("shared_subscriptions/count", stats.shared_subscriptions),
        ("retained messages/count", stats.retained_messages),
        ("store/messages/count", stats.retained_messages),
        ("store/messages/bytes", stats.retained_bytes),
    ];
    let mut topics = vec![
        (
            "version",
            format!("mqtide version {}", env!("CARGO_PKG_VERSION")),
        ),
        ("uptime", format!("{} seconds", stats.uptime.as_secs())),
    ];
    topics.extend(numbers.map(|(topic, number)| (topic, number.to_string())));
    topics
}

const CHORES: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_is_a_topic_name() {
        for (topic, _) in topics(&Stats::default()) {
            assert!(
                TopicName::try_from(format!("$SYS/broker/{topic}")).is_ok(),
                "{topic}"
            );
        }
    }
}
