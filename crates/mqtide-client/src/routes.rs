//! Which stream gets which message, and which filters the server must know.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use mqtide_codec::{ReasonCode, SubscriptionIdentifier};
use mqtide_topic::{FilterIndex, SubscriptionFilter, TopicName};
use tokio::sync::oneshot;

use crate::command::{FilterRequest, SubscribeCommand};
use crate::error::SubscribeError;
use crate::inbox::{End, Inbox};
use crate::queue::Room;

/// The subscriptions of a client. They belong to it rather than to a connection.
///
/// Each filter has a number of its own, which goes to the server as Subscription Identifier where that is
/// possible: then a message says itself which filters it matched, and is not matched a second time.
///
/// The server's session may know filters that an earlier run of the application subscribed to, with numbers of
/// that run, and queued messages carry them. So a message is believed only if this run has given out all of its
/// numbers and none stands for a filter that does not match; any other is matched by its topic.
pub(crate) struct Routes {
    filters: HashMap<u32, Entry>,
    /// The numbers of the filters that match a topic, for messages without Subscription Identifiers.
    index: FilterIndex<u32, ()>,
    numbers: HashMap<SubscriptionFilter, u32>,
    /// The numbers of the filters that the server must be told.
    unsent: BTreeSet<u32>,
    joining: Vec<Joining>,
    given: Given,
}

/// The numbers that have been given out: so many after `first`, with 1 behind the largest.
#[derive(Debug)]
struct Given {
    first: u64,
    count: u64,
}

/// One filter.
#[derive(Debug)]
struct Entry {
    request: FilterRequest,
    streams: Vec<Arc<Inbox>>,
    standing: Standing,
}

/// Where a filter stands with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// SUBSCRIBE is to be sent: the first time, again, or because the options have changed.
    Unsent,
    /// SUBSCRIBE has been sent on this connection.
    Asked,
    /// The server has granted it.
    Granted,
}

/// A `subscribe` that waits for the server.
#[derive(Debug)]
struct Joining {
    inbox: Arc<Inbox>,
    answers: Vec<(u32, Option<ReasonCode>)>,
    reply: oneshot::Sender<Result<Vec<ReasonCode>, SubscribeError>>,
    _room: Room,
}

impl Routes {
    /// No filters. Servers choose the topics that are hashed, so the seed is drawn at random.
    ///
    /// Numbers start with 1, or, beside those of an earlier run, at random: it had few of very many.
    pub(crate) fn new(seed: u64, past: Past) -> Self {
        Routes {
            filters: HashMap::new(),
            index: FilterIndex::with_seed(seed),
            numbers: HashMap::new(),
            unsent: BTreeSet::new(),
            joining: Vec::new(),
            given: Given::new(seed, past),
        }
    }

    /// Adds the filters of a stream.
    pub(crate) fn join(&mut self, command: SubscribeCommand) {
        let SubscribeCommand {
            filters,
            inbox,
            reply,
            room,
            with_unclaimed: _,
        } = command;
        let answers = filters
            .into_iter()
            .map(|request| (self.add(request, &inbox), None))
            .collect();
        self.joining.push(Joining {
            inbox,
            answers,
            reply,
            _room: room,
        });
    }

    fn add(&mut self, request: FilterRequest, inbox: &Arc<Inbox>) -> u32 {
        let number = match self.numbers.get(&request.filter) {
            Some(number) => *number,
            None => self.free_number(),
        };
        self.numbers.insert(request.filter.clone(), number);
        self.index.insert(request.filter.filter(), number, ());
        let entry = self.filters.entry(number).or_insert_with(|| Entry {
            request: request.clone(),
            streams: Vec::new(),
            standing: Standing::Unsent,
        });
        entry.request = merged(&entry.request, request);
        entry.standing = Standing::Unsent;
        self.unsent.insert(number);
        if !entry
            .streams
            .iter()
            .any(|stream| Arc::ptr_eq(stream, inbox))
        {
            entry.streams.push(Arc::clone(inbox));
        }
        number
    }

    /// A number is not used again soon, as messages under way may still carry it.
    fn free_number(&mut self) -> u32 {
        loop {
            let number = self.given.next();
            if !self.filters.contains_key(&number) {
                return number;
            }
        }
    }

    /// The next filter that the server must be told, with its number. It counts as told.
    pub(crate) fn next_unsent(&mut self) -> Option<(u32, FilterRequest)> {
        let number = self.unsent.pop_first()?;
        let entry = self.filters.get_mut(&number)?;
        entry.standing = Standing::Asked;
        Some((number, entry.request.clone()))
    }

    /// The filter could not be told after all; it is due again.
    pub(crate) fn not_sent(&mut self, number: u32) {
        if let Some(entry) = self.filters.get_mut(&number) {
            entry.standing = Standing::Unsent;
            self.unsent.insert(number);
        }
    }

    /// A new connection: what the server's session does not know must be told (again). MQTT 3.1 cannot tell that a
    /// session is present, so there everything is.
    pub(crate) fn connected(&mut self, session_present: bool) {
        for (number, entry) in &mut self.filters {
            if !session_present || entry.standing != Standing::Granted {
                entry.standing = Standing::Unsent;
                self.unsent.insert(*number);
            }
        }
    }

    /// The server has answered. Filters to unsubscribe from are returned: those that a stream got although
    /// another of its filters was refused.
    pub(crate) fn answered(&mut self, number: u32, reason: ReasonCode) -> Vec<SubscriptionFilter> {
        let Some(entry) = self.filters.get_mut(&number) else {
            return Vec::new();
        };
        if !reason.is_error() {
            // Unsent: another SUBSCRIBE is due, and the answer to that one counts.
            if entry.standing == Standing::Asked {
                entry.standing = Standing::Granted;
                self.granted(number, reason);
            }
            return Vec::new();
        }
        let error = SubscribeError::Refused {
            filter: entry.request.filter.clone(),
            reason,
        };
        self.failed(number, &error)
    }

    /// The filter could not be subscribed to. Returned are the filters to unsubscribe from.
    pub(crate) fn failed(
        &mut self,
        number: u32,
        error: &SubscribeError,
    ) -> Vec<SubscriptionFilter> {
        let Some(entry) = self.remove(number) else {
            return Vec::new();
        };
        let mut orphans = Vec::new();
        for inbox in entry.streams {
            for joining in self
                .joining
                .extract_if(.., |joining| Arc::ptr_eq(&joining.inbox, &inbox))
            {
                // Whoever subscribed may have given up waiting.
                let _ = joining.reply.send(Err(error.clone()));
            }
            orphans.extend(self.release(&inbox));
            inbox.end(End::Refused(error.clone()));
        }
        orphans
    }

    fn granted(&mut self, number: u32, reason: ReasonCode) {
        for joining in &mut self.joining {
            for (_, answer) in joining
                .answers
                .iter_mut()
                .filter(|(asked, _)| *asked == number)
            {
                *answer = Some(reason);
            }
        }
        let complete =
            |joining: &mut Joining| joining.answers.iter().all(|(_, answer)| answer.is_some());
        for joining in self.joining.extract_if(.., complete) {
            let reasons = joining
                .answers
                .into_iter()
                .filter_map(|(_, answer)| answer)
                .collect();
            let _ = joining.reply.send(Ok(reasons));
        }
    }

    /// A stream is gone. Returned are the filters that no other stream wants.
    pub(crate) fn release(&mut self, inbox: &Arc<Inbox>) -> Vec<SubscriptionFilter> {
        self.joining
            .retain(|joining| !Arc::ptr_eq(&joining.inbox, inbox));
        let mut deserted = Vec::new();
        for (number, entry) in &mut self.filters {
            entry.streams.retain(|stream| !Arc::ptr_eq(stream, inbox));
            if entry.streams.is_empty() {
                deserted.push(*number);
            }
        }
        let orphans = deserted
            .into_iter()
            .filter_map(|number| self.remove(number));
        orphans.map(|entry| entry.request.filter).collect()
    }

    fn remove(&mut self, number: u32) -> Option<Entry> {
        let entry = self.filters.remove(&number)?;
        self.numbers.remove(&entry.request.filter);
        self.index.remove_key(&number);
        self.unsent.remove(&number);
        Some(entry)
    }

    /// A filter is given up on request; streams without another filter end.
    pub(crate) fn give_up(&mut self, filter: &SubscriptionFilter) {
        let number = self.numbers.get(filter).copied();
        let Some(entry) = number.and_then(|number| self.remove(number)) else {
            return;
        };
        for inbox in entry.streams {
            let wanted_elsewhere = |entry: &Entry| {
                entry
                    .streams
                    .iter()
                    .any(|stream| Arc::ptr_eq(stream, &inbox))
            };
            if !self.filters.values().any(wanted_elsewhere) {
                inbox.end(End::Closed);
            }
        }
    }

    /// The streams that shall get a message, each once.
    pub(crate) fn streams_of(
        &self,
        topic: &TopicName,
        numbers: &[SubscriptionIdentifier],
    ) -> Vec<Arc<Inbox>> {
        let mut streams: Vec<Arc<Inbox>> = Vec::new();
        let mut add = |number: &u32| {
            let entry = self.filters.get(number);
            entry
                .into_iter()
                .for_each(|entry| add_each_once(&mut streams, &entry.streams));
        };
        let are_ours = || numbers.iter().all(|number| self.is_ours(*number, topic));
        if !numbers.is_empty() && are_ours() {
            numbers.iter().for_each(|number| add(&number.as_u32()));
        } else {
            self.index.for_each_match(topic, |number, ()| add(number));
        }
        streams
    }

    /// Whether a message with this topic can have the number from a filter of this run, which may have been given
    /// up since.
    fn is_ours(&self, number: SubscriptionIdentifier, topic: &TopicName) -> bool {
        let number = number.as_u32();
        let matches = |entry: &Entry| entry.request.filter.filter().matches(topic);
        self.given.includes(number) && self.filters.get(&number).is_none_or(matches)
    }

    /// Ends all streams.
    pub(crate) fn end_all(&mut self) {
        let streams = self.filters.drain().flat_map(|(_, entry)| entry.streams);
        streams.for_each(|inbox| inbox.end(End::Closed));
        self.numbers.clear();
        self.index = FilterIndex::with_seed(0);
        self.joining.clear();
    }
}

/// Whether the server may know subscriptions that an earlier run of the application has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Past {
    /// It is told to forget them.
    None,
    /// It may.
    Possible,
}

impl Given {
    fn new(seed: u64, past: Past) -> Self {
        let first = match past {
            Past::None => 0,
            Past::Possible => seed % MAXIMUM_NUMBER,
        };
        Given { first, count: 0 }
    }

    fn next(&mut self) -> u32 {
        let number = (self.first + self.count) % MAXIMUM_NUMBER + 1;
        self.count += 1;
        u32::try_from(number).unwrap_or(1)
    }

    fn includes(&self, number: u32) -> bool {
        (u64::from(number) + MAXIMUM_NUMBER - 1 - self.first) % MAXIMUM_NUMBER < self.count
    }
}

fn add_each_once(streams: &mut Vec<Arc<Inbox>>, more: &[Arc<Inbox>]) {
    for inbox in more {
        if !streams.iter().any(|stream| Arc::ptr_eq(stream, inbox)) {
            streams.push(Arc::clone(inbox));
        }
    }
}

/// What serves both: the server knows a filter once per client. How to handle retained messages is the newcomer's
/// to say, for it is what the SUBSCRIBE is sent for.
fn merged(old: &FilterRequest, new: FilterRequest) -> FilterRequest {
    FilterRequest {
        maximum_qos: old.maximum_qos.max(new.maximum_qos),
        no_local: old.no_local && new.no_local,
        retain_as_published: old.retain_as_published || new.retain_as_published,
        ..new
    }
}

/// The largest Subscription Identifier (MQTT 5.0 §3.8.2.1.2).
const MAXIMUM_NUMBER: u64 = 268_435_455;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_start_with_1_unless_there_may_be_others() {
        assert_eq!(Given::new(7, Past::None).next(), 1);
        assert_eq!(Given::new(7, Past::Possible).next(), 8);
    }

    #[test]
    fn numbers_go_on_with_1_behind_the_largest() {
        let mut given = Given::new(MAXIMUM_NUMBER - 1, Past::Possible);
        let largest = 268_435_455;
        assert!(!given.includes(largest));
        assert_eq!([given.next(), given.next()], [largest, 1]);
        let included = [largest - 1, largest, 1, 2].map(|number| given.includes(number));
        assert_eq!(included, [false, true, true, false]);
    }
}
