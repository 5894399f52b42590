//! The messages that wait, kept small.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use mqtide_codec::{QoS, SubscriptionIdentifier};

use super::Queued;
use crate::lazy::Lazy;
use crate::{Delivery, DeliveryKey, SubscriptionIdentifiers};

/// Messages in order. As many as an offline session may gather: an entry is three words if the message is
/// one pointer, and the room that is not used is bounded.
#[derive(Debug)]
pub(crate) struct Queue<M>(Lazy<Segments<M>>);

#[derive(Debug)]
struct Segments<M> {
    /// Where messages leave; they also enter here, unless there is more behind it. It is empty only if
    /// the whole queue is.
    front: VecDeque<Entry<M>>,
    /// Full segments, and one that is being filled. So a long queue grows without a copy, does not keep
    /// twice the room that it needs, and gives it back as it becomes shorter.
    behind: VecDeque<VecDeque<Entry<M>>>,
}

#[derive(Debug)]
struct Entry<M> {
    key: DeliveryKey,
    delivery: Slim<M>,
}

/// A [`Delivery`] in two words: what few have lies apart.
#[derive(Debug)]
enum Slim<M> {
    Usual {
        message: M,
        identifier: Option<SubscriptionIdentifier>,
        qos: QoS,
        retain: bool,
    },
    /// With several subscription identifiers.
    Rare(Box<Delivery<M>>),
}

impl<M> Queue<M> {
    pub(crate) const fn new() -> Self {
        Self(Lazy::new())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.get().map_or(0, Segments::len)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first().is_none()
    }

    /// The key of the first.
    pub(crate) fn first(&self) -> Option<DeliveryKey> {
        self.0.get()?.front.front().map(|entry| entry.key)
    }

    pub(crate) fn push_back(&mut self, queued: Queued<M>) {
        self.0.fill().push_back(queued.into());
    }

    pub(crate) fn push_front(&mut self, queued: Queued<M>) {
        self.0.fill().front.push_front(queued.into());
    }

    pub(crate) fn pop_front(&mut self) -> Option<Queued<M>> {
        self.0.get_mut()?.pop_front().map(Queued::from)
    }

    /// Gives back the room that nothing waits in.
    pub(crate) fn shrink(&mut self) {
        match self.0.get_mut() {
            Some(segments) if !segments.front.is_empty() => segments.front.shrink_to_fit(),
            _ => self.0.clear(),
        }
    }
}

impl<M: Clone> Queue<M> {
    /// Copies of the messages, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Queued<M>> {
        let entries = self.0.get().into_iter().flat_map(Segments::iter);
        entries.map(|entry| Queued {
            key: entry.key,
            delivery: entry.delivery.to_delivery(),
        })
    }
}

impl<M> Segments<M> {
    fn len(&self) -> usize {
        let last = self.behind.back().map_or(0, VecDeque::len);
        self.front.len() + self.behind.len().saturating_sub(1) * SEGMENT + last
    }

    fn push_back(&mut self, entry: Entry<M>) {
        if self.behind.is_empty() && self.front.len() < SEGMENT {
            return self.front.push_back(entry);
        }
        match self.behind.back_mut() {
            Some(last) if last.len() < SEGMENT => last.push_back(entry),
            _ => {
                let mut segment = VecDeque::with_capacity(SEGMENT);
                segment.push_back(entry);
                self.behind.push_back(segment);
            }
        }
    }

    fn pop_front(&mut self) -> Option<Entry<M>> {
        let entry = self.front.pop_front();
        if self.front.is_empty()
            && let Some(next) = self.behind.pop_front()
        {
            self.front = next;
            if self.behind.is_empty() {
                self.behind = VecDeque::new();
            }
        }
        entry
    }

    fn iter(&self) -> impl Iterator<Item = &Entry<M>> {
        self.front.iter().chain(self.behind.iter().flatten())
    }
}

impl<M> Default for Segments<M> {
    fn default() -> Self {
        Self {
            front: VecDeque::new(),
            behind: VecDeque::new(),
        }
    }
}

impl<M: Clone> Slim<M> {
    fn to_delivery(&self) -> Delivery<M> {
        match self {
            Self::Usual {
                message,
                identifier,
                qos,
                retain,
            } => delivery(message.clone(), *identifier, *qos, *retain),
            Self::Rare(delivery) => (**delivery).clone(),
        }
    }
}

impl<M> From<Queued<M>> for Entry<M> {
    fn from(queued: Queued<M>) -> Self {
        let Queued { key, delivery } = queued;
        let identifier = match delivery.subscription_identifiers {
            SubscriptionIdentifiers::None => None,
            SubscriptionIdentifiers::One(id) => Some(id),
            SubscriptionIdentifiers::Many(_) => {
                let delivery = Slim::Rare(Box::new(delivery));
                return Self { key, delivery };
            }
        };
        let Delivery {
            message,
            qos,
            retain,
            ..
        } = delivery;
        let delivery = Slim::Usual {
            message,
            identifier,
            qos,
            retain,
        };
        Self { key, delivery }
    }
}

impl<M> From<Entry<M>> for Queued<M> {
    fn from(entry: Entry<M>) -> Self {
        let delivery = match entry.delivery {
            Slim::Usual {
                message,
                identifier,
                qos,
                retain,
            } => delivery(message, identifier, qos, retain),
            Slim::Rare(delivery) => *delivery,
        };
        Self {
            key: entry.key,
            delivery,
        }
    }
}

fn delivery<M>(
    message: M,
    identifier: Option<SubscriptionIdentifier>,
    qos: QoS,
    retain: bool,
) -> Delivery<M> {
    Delivery {
        message,
        qos,
        retain,
        subscription_identifiers: identifier
            .map_or(SubscriptionIdentifiers::None, SubscriptionIdentifiers::One),
    }
}

/// Some kilobytes: what one turn of a busy session gathers hardly ever needs a second one.
const SEGMENT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn queued(key: u64, identifiers: &[u32]) -> Queued<u64> {
        let ids = identifiers
            .iter()
            .filter_map(|id| SubscriptionIdentifier::new(*id));
        Queued {
            key: DeliveryKey(key),
            delivery: Delivery {
                retain: key.is_multiple_of(2),
                subscription_identifiers: ids.collect(),
                ..Delivery::new(key, QoS::from_bits((key % 3) as u8).unwrap())
            },
        }
    }

    fn keys(queue: &Queue<u64>) -> Vec<u64> {
        queue.iter().map(|queued| queued.key.0).collect()
    }

    #[test]
    fn an_entry_is_three_words() {
        assert_eq!(size_of::<Entry<&u8>>(), 24);
        assert_eq!(size_of::<Queue<&u8>>(), 8);
    }

    #[test]
    fn what_comes_out_is_what_was_put_in() {
        let mut queue = Queue::new();
        for (key, identifiers) in [&[][..], &[7], &[7, 9], &[1, 2, 3]].into_iter().enumerate() {
            let key = key as u64;
            queue.push_back(queued(key, identifiers));
            let expected = queued(key, identifiers).delivery;
            assert_eq!(
                queue.iter().next().map(|q| q.delivery),
                Some(expected.clone())
            );
            assert_eq!(queue.pop_front().map(|q| q.delivery), Some(expected));
        }
        assert!(queue.is_empty());
    }

    #[test]
    fn a_long_queue_keeps_little_room_and_gives_it_back() {
        let mut queue = Queue::new();
        (0..5000).for_each(|key| queue.push_back(queued(key, &[])));
        let room = |queue: &Queue<u64>| {
            queue.0.get().map_or(0, |segments| {
                let behind = segments.behind.iter().map(VecDeque::capacity);
                segments.front.capacity() + behind.sum::<usize>()
            })
        };
        assert!(room(&queue) <= 5000 + SEGMENT);
        (0..4000).for_each(|key| assert_eq!(queue.pop_front().map(|q| q.key.0), Some(key)));
        assert!(room(&queue) <= 1000 + 2 * SEGMENT);
        (0..1000).for_each(|_| assert!(queue.pop_front().is_some()));
        queue.shrink();
        assert_eq!((queue.len(), room(&queue)), (0, 0));
    }

    proptest! {
        #[test]
        fn behaves_as_a_list(steps in prop::collection::vec((0u8..5, 1usize..400), 0..40)) {
            let mut queue = Queue::new();
            let mut model = VecDeque::new();
            let mut next = 0;
            for (step, times) in steps {
                for _ in 0..times {
                    next += 1;
                    match step {
                        0 | 1 => {
                            queue.push_back(queued(next, &[]));
                            model.push_back(next);
                        }
                        2 if times < 5 => {
                            queue.push_front(queued(next, &[]));
                            model.push_front(next);
                        }
                        _ => prop_assert_eq!(queue.pop_front().map(|q| q.key.0), model.pop_front()),
                    }
                    prop_assert_eq!(queue.len(), model.len());
                    prop_assert_eq!(queue.first().map(|key| key.0), model.front().copied());
                    prop_assert_eq!(queue.is_empty(), model.is_empty());
                }
                prop_assert_eq!(&keys(&queue), &model.iter().copied().collect::<Vec<_>>());
            }
        }
    }
}
