//! Keep-alive deadlines, re-armed lazily: a packet only notes the time (MQTT 5.0 §3.1.2.10).

use core::time::Duration;

use crate::Instant;

/// The server's watch over a silent client `[MQTT-3.1.2-22]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    heard: Instant,
    seconds: u16,
}

impl Watch {
    /// Watches from `now` with the Keep Alive in force, in seconds; 0 never ends.
    pub(crate) fn new(now: Instant, seconds: u16) -> Self {
        Self {
            heard: now,
            seconds,
        }
    }

    /// A complete packet has arrived.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = self.heard.max(now);
    }

    /// When the silence becomes too long: one and a half times the Keep Alive.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let patience = Duration::from_millis(u64::from(self.seconds) * 1500);
        (self.seconds > 0).then(|| self.heard + patience)
    }
}

/// The client's duty to be heard `[MQTT-3.1.2-20]`, and its own watch over the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pinger {
    spoke: Instant,
    seconds: u16,
    answer_within: Duration,
    asked: Option<Instant>,
}

/// What the time asks of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PingDuty {
    /// Nothing yet.
    Rest,
    /// Send a PINGREQ.
    Ping,
    /// PINGRESP is overdue: close the connection.
    GiveUp,
}

impl Pinger {
    /// Starts at `now` with the Keep Alive in force, in seconds; 0 never pings.
    pub(crate) fn new(now: Instant, seconds: u16, answer_within: Duration) -> Self {
        Self {
            spoke: now,
            seconds,
            answer_within,
            asked: None,
        }
    }

    /// Some packet has been given to the network.
    pub(crate) fn spoke(&mut self, now: Instant) {
        self.spoke = self.spoke.max(now);
    }

    /// PINGRESP has arrived; false if none was asked for.
    pub(crate) fn answered(&mut self) -> bool {
        self.asked.take().is_some()
    }

    pub(crate) fn duty(&mut self, now: Instant) -> PingDuty {
        if self.overdue_at().is_some_and(|at| at <= now) {
            return PingDuty::GiveUp;
        }
        if self.asked.is_none() && self.next_ping().is_some_and(|at| at <= now) {
            self.asked = Some(now);
            return PingDuty::Ping;
        }
        PingDuty::Rest
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.overdue_at().or_else(|| self.next_ping())
    }

    /// A quarter of the interval is left for the way to the server.
    fn next_ping(&self) -> Option<Instant> {
        let rest = Duration::from_millis(u64::from(self.seconds) * 750);
        (self.seconds > 0).then(|| self.spoke + rest)
    }

    fn overdue_at(&self) -> Option<Instant> {
        self.asked.map(|at| at + self.answer_within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    #[test]
    fn the_watch_ends_after_one_and_a_half_intervals_of_silence() {
        let mut watch = Watch::new(at(0), 2);
        assert_eq!(watch.deadline(), Some(at(3000)));
        watch.heard(at(2500));
        assert_eq!(watch.deadline(), Some(at(5500)));
        watch.heard(at(1000));
        assert_eq!(
            watch.deadline(),
            Some(at(5500)),
            "time does not run backwards"
        );
        assert_eq!(Watch::new(at(0), 0).deadline(), None);
    }

    #[test]
    fn a_ping_goes_out_before_the_interval_ends_and_must_be_answered() {
        let mut pinger = Pinger::new(at(0), 10, Duration::from_secs(5));
        assert_eq!(pinger.deadline(), Some(at(7500)));
        assert_eq!(pinger.duty(at(7499)), PingDuty::Rest);
        assert_eq!(pinger.duty(at(7500)), PingDuty::Ping);
        pinger.spoke(at(7500));
        assert_eq!(pinger.deadline(), Some(at(12_500)));
        assert_eq!(pinger.duty(at(12_499)), PingDuty::Rest);
        assert_eq!(pinger.duty(at(12_500)), PingDuty::GiveUp);
        assert!(pinger.answered());
        assert_eq!(pinger.deadline(), Some(at(15_000)));
    }

    #[test]
    fn an_interval_of_zero_never_pings() {
        let mut pinger = Pinger::new(at(0), 0, Duration::from_secs(5));
        assert_eq!(pinger.deadline(), None);
        assert_eq!(pinger.duty(at(u64::MAX / 1000)), PingDuty::Rest);
    }
}
