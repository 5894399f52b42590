//! Log lines that a client can cause, at a bounded rate.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Something that happens to many alike. It is logged once per interval, with the number of times.
#[derive(Debug)]
pub(crate) struct Notice {
    what: &'static str,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next: Option<Instant>,
    suppressed: u64,
}

impl Notice {
    pub(crate) const fn new(what: &'static str) -> Self {
        Notice {
            what,
            state: Mutex::new(State {
                next: None,
                suppressed: 0,
            }),
        }
    }

    /// It has happened again.
    pub(crate) fn note(&self, why: &str) {
        if let Some(suppressed) = self.count(Instant::now()) {
            tracing::warn!(why, suppressed, "{}", self.what);
        }
    }

    /// How many went unmentioned, if it is time to mention one.
    fn count(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock();
        if state.next.is_some_and(|next| now < next) {
            state.suppressed += 1;
            return None;
        }
        state.next = Some(now + INTERVAL);
        Some(std::mem::take(&mut state.suppressed))
    }
}

const INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line() {
        let notice = Notice::new("dropped");
        let start = Instant::now();
        assert_eq!(notice.count(start), Some(0));
        (0..1000).for_each(|_| assert_eq!(notice.count(start), None));
        assert_eq!(notice.count(start + INTERVAL), Some(1000));
    }
}
