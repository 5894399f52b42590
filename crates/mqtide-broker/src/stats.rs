//! Counters, kept per worker and summed when somebody asks.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What the broker holds and has done since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Time since the start.
    pub uptime: Duration,
    /// Open connections, half-open ones included.
    pub connections: u64,
    /// Connections since the start.
    pub connections_accepted: u64,
    /// Connections closed at once because of a limit.
    pub connections_rejected: u64,
    /// Sessions with a connection.
    pub clients_connected: u64,
    /// The most that there have been at a time.
    pub clients_maximum: u64,
    /// Sessions without a connection.
    pub clients_disconnected: u64,
    /// Sessions that ended by expiry.
    pub clients_expired: u64,
    /// Subscriptions, shared ones included.
    pub subscriptions: u64,
    /// Shared subscriptions, counted per member.
    pub shared_subscriptions: u64,
    /// Retained messages.
    pub retained_messages: u64,
    /// Bytes of the retained messages, topics and properties included.
    pub retained_bytes: u64,
    /// Bytes read from clients.
    pub bytes_received: u64,
    /// Bytes written to clients.
    pub bytes_sent: u64,
    /// Packets read from clients.
    pub packets_received: u64,
    /// Packets written to clients.
    pub packets_sent: u64,
    /// PUBLISH packets read from clients.
    pub publishes_received: u64,
    /// PUBLISH packets written to clients.
    pub publishes_sent: u64,
    /// Messages that a limit or a full queue kept from a subscriber.
    pub publishes_dropped: u64,
    /// Bytes of PUBLISH packets read from clients.
    pub publish_bytes_received: u64,
    /// Bytes of PUBLISH packets written to clients.
    pub publish_bytes_sent: u64,
}

/// What a worker counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    BytesReceived,
    BytesSent,
    PacketsReceived,
    PacketsSent,
    PublishesReceived,
    PublishesSent,
    PublishesDropped,
    PublishBytesReceived,
    PublishBytesSent,
    ClientsExpired,
}

const COUNTS: usize = 10;

/// The counters of one worker, written by it and read by anybody.
#[derive(Debug, Default)]
pub(crate) struct Counters([AtomicU64; COUNTS]);

/// What one turn adds to the counters: plain numbers, so that a packet costs no atomic operation.
#[derive(Debug, Default)]
pub(crate) struct Tally([u64; COUNTS]);

impl Tally {
    pub(crate) fn add(&mut self, what: Count, number: usize) {
        self.0[what as usize] += number as u64;
    }
}

impl Tally {
    /// Whether there is any of it.
    pub(crate) fn has(&self, what: Count) -> bool {
        self.0[what as usize] > 0
    }
}

impl Counters {
    /// Moves a turn's tally over.
    pub(crate) fn settle(&self, tally: &mut Tally) {
        for (counter, number) in self.0.iter().zip(&mut tally.0) {
            if *number > 0 {
                counter.fetch_add(std::mem::take(number), Relaxed);
            }
        }
    }

    pub(crate) fn count(&self, what: Count) {
        self.0[what as usize].fetch_add(1, Relaxed);
    }

    /// Adds these counters to a snapshot.
    pub(crate) fn add_to(&self, stats: &mut Stats) {
        let value = |what: Count| self.0[what as usize].load(Relaxed);
        stats.bytes_received += value(Count::BytesReceived);
        stats.bytes_sent += value(Count::BytesSent);
        stats.packets_received += value(Count::PacketsReceived);
        stats.packets_sent += value(Count::PacketsSent);
        stats.publishes_received += value(Count::PublishesReceived);
        stats.publishes_sent += value(Count::PublishesSent);
        stats.publishes_dropped += value(Count::PublishesDropped);
        stats.publish_bytes_received += value(Count::PublishBytesReceived);
        stats.publish_bytes_sent += value(Count::PublishBytesSent);
        stats.clients_expired += value(Count::ClientsExpired);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_is_counted_once() {
        let counters = Counters::default();
        let mut tally = Tally::default();
        tally.add(Count::BytesSent, 7);
        counters.settle(&mut tally);
        counters.settle(&mut tally);
        counters.count(Count::ClientsExpired);
        let mut stats = Stats::default();
        counters.add_to(&mut stats);
        assert_eq!((stats.bytes_sent, stats.clients_expired), (7, 1));
    }
}
