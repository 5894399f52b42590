//! How many connections there may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::stats::Stats;

/// Counts connections, and those among them that have not finished their CONNECT.
#[derive(Debug)]
pub(crate) struct Gate {
    counts: Arc<Counts>,
    connections: usize,
    half_open: usize,
}

#[derive(Debug, Default)]
struct Counts {
    open: AtomicUsize,
    half_open: AtomicUsize,
    accepted: AtomicU64,
    rejected: AtomicU64,
}

/// The right of one connection to exist; given back when dropped.
#[derive(Debug)]
pub(crate) struct Admission {
    counts: Arc<Counts>,
    half_open: bool,
}

impl Gate {
    pub(crate) fn new(connections: usize, half_open: usize) -> Self {
        Gate {
            counts: Arc::default(),
            connections,
            half_open,
        }
    }

    /// Lets a connection in, half-open, if there is room.
    pub(crate) fn admit(&self) -> Option<Admission> {
        let counts = &self.counts;
        let has_room = counts.open.load(Relaxed) < self.connections
            && counts.half_open.load(Relaxed) < self.half_open;
        if !has_room {
            counts.rejected.fetch_add(1, Relaxed);
            return None;
        }
        counts.open.fetch_add(1, Relaxed);
        counts.half_open.fetch_add(1, Relaxed);
        counts.accepted.fetch_add(1, Relaxed);
        Some(Admission {
            counts: Arc::clone(counts),
            half_open: true,
        })
    }

    pub(crate) fn add_to(&self, stats: &mut Stats) {
        stats.connections = self.counts.open.load(Relaxed) as u64;
        stats.connections_accepted = self.counts.accepted.load(Relaxed);
        stats.connections_rejected = self.counts.rejected.load(Relaxed);
    }
}

impl Admission {
    /// The CONNECT is done.
    pub(crate) fn complete(&mut self) {
        if std::mem::take(&mut self.half_open) {
            self.counts.half_open.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.complete();
        self.counts.open.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_hold() {
        let gate = Gate::new(3, 2);
        let mut first = gate.admit().unwrap();
        let _second = gate.admit().unwrap();
        assert!(gate.admit().is_none(), "two are half-open");
        first.complete();
        let third = gate.admit().unwrap();
        first.complete();
        assert!(gate.admit().is_none(), "three are open");
        drop(third);
        assert!(gate.admit().is_some());
        let mut stats = Stats::default();
        gate.add_to(&mut stats);
        assert_eq!((stats.connections, stats.connections_rejected), (2, 2));
    }
}
