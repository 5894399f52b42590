//! The laws about messages: what one side handed over, and what the other side got.

use core::fmt;
use std::collections::BTreeSet;

use mqtide_codec::QoS;

/// A message, by its place in the order in which it was handed over.
pub(super) type Number = u64;

/// The books about the messages that go one way.
#[derive(Debug)]
pub(super) struct Ledger {
    way: Way,
    messages: Vec<Entry>,
    /// What the receiving application has for good, in order.
    arrivals: Vec<Number>,
}

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Client to server.
    Up,
    /// Server to client.
    Down,
}

#[derive(Debug)]
struct Entry {
    qos: QoS,
    promise: Promise,
    settlement: Option<Settlement>,
    /// Whether the sender was told since it last started.
    told: bool,
}

/// Whether the message may be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promise {
    /// The sender may still forget it in a crash.
    Open,
    /// It must arrive, by its QoS.
    Kept,
    /// It may or may not arrive: the sender forgot it, or the session was lost.
    Withdrawn,
}

/// What the sender was told about a message in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settlement {
    /// The receiver has it.
    Delivered,
    /// It was not sent, or the receiver did not take it.
    Refused,
    /// The session was lost: nobody knows.
    Unknown,
}

/// A law that was broken, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken(pub(super) String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

impl Ledger {
    pub(super) fn new(way: Way) -> Self {
        Self {
            way,
            messages: Vec::new(),
            arrivals: Vec::new(),
        }
    }

    /// The number of the next message.
    pub(super) fn next(&self) -> Number {
        self.messages.len() as Number
    }

    /// The sender took the next message over.
    pub(super) fn hand_over(&mut self, qos: QoS) -> Number {
        self.messages.push(Entry {
            qos,
            promise: Promise::Open,
            settlement: None,
            told: false,
        });
        self.next() - 1
    }

    pub(super) fn qos(&self, number: Number) -> Option<QoS> {
        self.messages
            .get(usize::try_from(number).ok()?)
            .map(|entry| entry.qos)
    }

    /// The sender's store has the message for good.
    pub(super) fn promise(&mut self, number: Number) {
        let entry = self.entry(number);
        if entry.promise == Promise::Open && entry.settlement.is_none() {
            entry.promise = Promise::Kept;
        }
    }

    /// The session was lost, and the message with it unless the receiver has it.
    pub(super) fn withdraw(&mut self, number: Number) {
        let entry = self.entry(number);
        if entry.settlement.is_none() {
            entry.promise = Promise::Withdrawn;
        }
    }

    /// The sender stops and starts again: it forgets what its store does not have, and may be told
    /// once more what it was told before.
    pub(super) fn restart(&mut self) {
        for entry in &mut self.messages {
            entry.told = false;
            if entry.promise == Promise::Open {
                entry.promise = Promise::Withdrawn;
            }
        }
    }

    /// The sender is told what became of the message: once, unless it restarts.
    pub(super) fn settle(&mut self, number: Number, settlement: Settlement) -> Result<(), Broken> {
        let way = self.way;
        let entry = self.entry(number);
        if core::mem::replace(&mut entry.told, true) {
            return broken(
                way,
                number,
                format!("settled twice: {:?}, then {settlement:?}", entry.settlement),
            );
        }
        if *entry.settlement.get_or_insert(settlement) == settlement {
            entry.promise = match settlement {
                Settlement::Delivered => Promise::Kept,
                Settlement::Refused | Settlement::Unknown => Promise::Withdrawn,
            };
        }
        Ok(())
    }

    /// The receiving application has the message for good.
    pub(super) fn arrive(&mut self, number: Number) {
        self.arrivals.push(number);
    }

    /// Judges everything, once nothing is under way any more.
    pub(super) fn judge(&self) -> Result<(), Broken> {
        for (index, entry) in self.messages.iter().enumerate() {
            self.judge_count(index as Number, entry)?;
        }
        [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]
            .into_iter()
            .try_for_each(|qos| self.judge_order(qos))
    }

    fn judge_count(&self, number: Number, entry: &Entry) -> Result<(), Broken> {
        let copies = self
            .arrivals
            .iter()
            .filter(|arrival| **arrival == number)
            .count();
        let way = self.way;
        match (entry.qos, entry.promise) {
            (QoS::AtMostOnce | QoS::ExactlyOnce, _) if copies > 1 => broken(
                way,
                number,
                format!("arrived {copies} times at {:?}", entry.qos),
            ),
            (QoS::AtLeastOnce | QoS::ExactlyOnce, Promise::Kept) if copies == 0 => {
                broken(way, number, format!("lost at {:?}", entry.qos))
            }
            (QoS::AtLeastOnce | QoS::ExactlyOnce, Promise::Kept) if entry.settlement.is_none() => {
                broken(way, number, "never settled".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Repeats aside, messages of one QoS arrive in the order in which they were handed over
    /// (MQTT 5.0 §4.6).
    fn judge_order(&self, qos: QoS) -> Result<(), Broken> {
        let mut seen = BTreeSet::new();
        let mut last = None;
        for &number in self
            .arrivals
            .iter()
            .filter(|number| self.qos(**number) == Some(qos))
        {
            if !seen.insert(number) {
                continue;
            }
            if last.is_some_and(|last| number < last) {
                return broken(self.way, number, format!("arrived first behind {last:?}"));
            }
            last = Some(number);
        }
        Ok(())
    }

    fn entry(&mut self, number: Number) -> &mut Entry {
        &mut self.messages[usize::try_from(number).expect("numbers are handed out here")]
    }
}

fn broken(way: Way, number: Number, what: String) -> Result<(), Broken> {
    Err(Broken(format!("{way:?} message {number}: {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(qos: QoS, count: usize) -> Ledger {
        let mut ledger = Ledger::new(Way::Up);
        (0..count).for_each(|_| {
            let number = ledger.hand_over(qos);
            ledger.promise(number);
        });
        ledger
    }

    #[test]
    fn qos_1_may_repeat_but_not_vanish() {
        let mut ledger = ledger(QoS::AtLeastOnce, 2);
        [0, 0, 1]
            .into_iter()
            .for_each(|number| ledger.arrive(number));
        (0..2).for_each(|number| ledger.settle(number, Settlement::Delivered).unwrap());
        assert_eq!(ledger.judge(), Ok(()));
        ledger.arrivals.pop();
        assert!(ledger.judge().is_err());
    }

    #[test]
    fn qos_2_may_do_neither() {
        let mut ledger = ledger(QoS::ExactlyOnce, 1);
        assert!(ledger.judge().is_err());
        ledger.arrive(0);
        assert!(ledger.judge().is_err(), "never settled");
        ledger.settle(0, Settlement::Delivered).unwrap();
        assert_eq!(ledger.judge(), Ok(()));
        ledger.arrive(0);
        assert!(ledger.judge().is_err());
    }

    #[test]
    fn first_arrivals_keep_their_order() {
        let mut ledger = ledger(QoS::AtLeastOnce, 3);
        [0, 1, 0, 1, 2]
            .into_iter()
            .for_each(|number| ledger.arrive(number));
        (0..3).for_each(|number| ledger.settle(number, Settlement::Delivered).unwrap());
        assert_eq!(ledger.judge(), Ok(()));
        ledger.arrivals = vec![0, 2, 1];
        assert!(ledger.judge().is_err());
    }

    #[test]
    fn a_message_settles_once() {
        let mut ledger = ledger(QoS::AtMostOnce, 1);
        assert_eq!(ledger.settle(0, Settlement::Unknown), Ok(()));
        assert!(ledger.settle(0, Settlement::Delivered).is_err());
    }
}
