//! A store that takes its time, and forgets in a crash what it has not finished.

use core::time::Duration;
use std::collections::VecDeque;

use mqtide_session::Instant;

use super::random::Random;

/// Transactions that were handed in and are not durable yet, in order.
#[derive(Debug)]
pub(super) struct Store<E> {
    transactions: VecDeque<(Instant, Vec<E>)>,
    slowest: Duration,
}

impl<E> Store<E> {
    /// A store that needs up to this long for a transaction.
    pub(super) fn new(slowest: Duration) -> Self {
        Self {
            transactions: VecDeque::new(),
            slowest,
        }
    }

    /// Hands a transaction in. It becomes durable as a whole, after those before it.
    pub(super) fn write(&mut self, now: Instant, transaction: Vec<E>, random: &mut Random) {
        if transaction.is_empty() {
            return;
        }
        let earliest = self.transactions.back().map_or(now, |(at, _)| *at);
        let at = (now + random.delay(self.slowest)).max(earliest);
        self.transactions.push_back((at, transaction));
    }

    /// When the next transaction becomes durable.
    pub(super) fn next_durable(&self) -> Option<Instant> {
        self.transactions.front().map(|(at, _)| *at)
    }

    /// The next transaction that is durable by now.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Vec<E>> {
        self.next_durable().filter(|at| *at <= now)?;
        self.transactions
            .pop_front()
            .map(|(_, transaction)| transaction)
    }

    /// The machine stops. Some of the transactions under way made it to the disk without anybody
    /// being told: those are returned. The others are lost.
    pub(super) fn crash(&mut self, random: &mut Random) -> Vec<E> {
        let kept = random.below(self.transactions.len() + 1);
        let written = self.transactions.drain(..).take(kept);
        written.flat_map(|(_, transaction)| transaction).collect()
    }
}

impl<E> Store<E> {
    /// The machine waits for everything that is under way.
    pub(super) fn drain(&mut self) -> Vec<E> {
        let transactions = self.transactions.drain(..);
        transactions
            .flat_map(|(_, transaction)| transaction)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_keeps_a_prefix_of_whole_transactions() {
        let mut seen = [false; 3];
        for seed in 0..100 {
            let mut random = Random::new(seed);
            let mut store = Store::new(Duration::from_millis(1));
            store.write(Instant::ZERO, vec![1, 2], &mut random);
            store.write(Instant::ZERO, vec![3], &mut random);
            let kept = store.crash(&mut random);
            assert!([&[][..], &[1, 2], &[1, 2, 3]].contains(&&kept[..]));
            assert_eq!(store.next_durable(), None);
            seen[kept.len() - kept.len() / 2] = true;
        }
        assert_eq!(seen, [true; 3]);
    }
}
