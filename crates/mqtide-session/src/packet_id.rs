//! Packet identifiers in use, and what each stands for.
//!
//! One table serves every kind of packet that carries an identifier, so that no two of them can
//! share one `[MQTT-2.2.1-3]`. It is indexed by the identifier itself: allocation, look-up and
//! release take constant time in any order, and memory follows the largest number of identifiers
//! that were ever in use at once. The entries of one [`Lane`] form a list in order of arrival,
//! which is the order of retransmission.

use alloc::vec::Vec;

use mqtide_codec::PacketIdentifier;

use crate::lazy::Lazy;

/// The identifiers in use, each with its entry.
#[derive(Debug)]
pub(crate) struct PacketIdentifiers<T>(Lazy<Table<T>>);

#[derive(Debug)]
struct Table<T> {
    slots: Vec<Slot<T>>,
    free: Link,
    lanes: [List; LANES],
}

/// A list of entries in order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// PUBLISH sent, or about to be; PUBACK or PUBREC outstanding.
    Published = 0,
    /// PUBREL sent, or about to be; PUBCOMP outstanding.
    Released = 1,
    /// SUBSCRIBE or UNSUBSCRIBE sent; SUBACK or UNSUBACK outstanding.
    Requested = 2,
}

type Link = Option<PacketIdentifier>;

#[derive(Clone, Copy, Debug)]
struct List {
    head: Link,
    tail: Link,
    len: u16,
}

#[derive(Debug)]
struct Slot<T> {
    next: Link,
    previous: Link,
    entry: Option<(Lane, T)>,
}

impl<T> PacketIdentifiers<T> {
    pub(crate) const fn new() -> Self {
        Self(Lazy::new())
    }

    /// Takes a free identifier for `entry`; gives the entry back if all 65,535 are in use.
    pub(crate) fn allocate(&mut self, lane: Lane, entry: T) -> Result<PacketIdentifier, T> {
        self.0.fill().allocate(lane, entry)
    }

    /// Takes the given identifier for `entry`; gives the entry back if it is in use.
    pub(crate) fn claim(&mut self, id: PacketIdentifier, lane: Lane, entry: T) -> Result<(), T> {
        self.0.fill().claim(id, lane, entry)
    }

    /// What the identifier stands for, if it is in use.
    pub(crate) fn lookup(&mut self, id: PacketIdentifier) -> Option<(Lane, &mut T)> {
        let slot = self.0.get_mut()?.slot_mut(Some(id))?;
        let (lane, entry) = slot.entry.as_mut()?;
        Some((*lane, entry))
    }

    /// What the identifier stands for, in whatever lane.
    pub(crate) fn get(&self, id: PacketIdentifier) -> Option<&T> {
        let slot = self.0.get()?.slot(id)?;
        slot.entry.as_ref().map(|(_, entry)| entry)
    }

    /// Frees the identifier and returns its entry.
    pub(crate) fn release(&mut self, id: PacketIdentifier) -> Option<(Lane, T)> {
        self.0.get_mut()?.release(id)
    }

    /// Moves the entry to the end of another lane.
    pub(crate) fn move_to(&mut self, id: PacketIdentifier, lane: Lane) {
        if let Some(table) = self.0.get_mut() {
            table.move_to(id, lane);
        }
    }

    /// The number of entries in a lane.
    pub(crate) fn len(&self, lane: Lane) -> usize {
        let list = self.0.get().map(|table| table.lanes[lane as usize].len);
        list.map_or(0, usize::from)
    }

    /// The first entry of a lane.
    pub(crate) fn first(&self, lane: Lane) -> Option<PacketIdentifier> {
        self.0.get()?.lanes[lane as usize].head
    }

    /// The entry that follows `id` in its lane.
    pub(crate) fn after(&self, id: PacketIdentifier) -> Option<PacketIdentifier> {
        self.0.get()?.slot(id)?.next
    }

    /// The entries of a lane, in order.
    pub(crate) fn iter(&self, lane: Lane) -> impl Iterator<Item = (PacketIdentifier, &T)> {
        let mut at = self.first(lane);
        core::iter::from_fn(move || {
            let id = at?;
            at = self.after(id);
            Some((id, self.get(id)?))
        })
    }

    /// Gives memory back if nothing is in use.
    pub(crate) fn shrink(&mut self) {
        if self.0.get().is_some_and(Table::is_empty) {
            self.0.clear();
        }
    }
}

impl<T> Table<T> {
    fn allocate(&mut self, lane: Lane, entry: T) -> Result<PacketIdentifier, T> {
        match self.free.or_else(|| self.grow()) {
            Some(id) => {
                self.occupy(id, lane, entry);
                Ok(id)
            }
            None => Err(entry),
        }
    }

    fn claim(&mut self, id: PacketIdentifier, lane: Lane, entry: T) -> Result<(), T> {
        while self.slots.len() < usize::from(id.as_u16()) {
            self.grow();
        }
        if self.slot(id).is_some_and(|slot| slot.entry.is_some()) {
            return Err(entry);
        }
        self.occupy(id, lane, entry);
        Ok(())
    }

    fn release(&mut self, id: PacketIdentifier) -> Option<(Lane, T)> {
        let (lane, entry) = self.slots.get_mut(index(id))?.entry.take()?;
        self.unlink(id, lane);
        self.link_free(id);
        Some((lane, entry))
    }

    fn move_to(&mut self, id: PacketIdentifier, lane: Lane) {
        let entry = self
            .slots
            .get_mut(index(id))
            .and_then(|slot| slot.entry.as_mut());
        let Some((current, _)) = entry else { return };
        let from = core::mem::replace(current, lane);
        self.unlink(id, from);
        self.link_back(id, lane);
    }

    fn is_empty(&self) -> bool {
        self.lanes.iter().all(|list| list.len == 0)
    }

    fn slot(&self, id: PacketIdentifier) -> Option<&Slot<T>> {
        self.slots.get(index(id))
    }

    fn slot_mut(&mut self, link: Link) -> Option<&mut Slot<T>> {
        self.slots.get_mut(index(link?))
    }

    /// Adds one free slot, unless every identifier has one.
    fn grow(&mut self) -> Link {
        let id = PacketIdentifier::new(u16::try_from(self.slots.len() + 1).ok()?)?;
        self.slots.push(Slot {
            next: None,
            previous: None,
            entry: None,
        });
        self.link_free(id);
        Some(id)
    }

    fn occupy(&mut self, id: PacketIdentifier, lane: Lane, entry: T) {
        self.unlink_free(id);
        if let Some(slot) = self.slot_mut(Some(id)) {
            slot.entry = Some((lane, entry));
        }
        self.link_back(id, lane);
    }

    fn link_free(&mut self, id: PacketIdentifier) {
        let next = self.free.replace(id);
        self.set_links(id, None, next);
        if let Some(slot) = self.slot_mut(next) {
            slot.previous = Some(id);
        }
    }

    fn unlink_free(&mut self, id: PacketIdentifier) {
        let (previous, next) = self.bridge(id);
        if previous.is_none() {
            self.free = next;
        }
    }

    fn link_back(&mut self, id: PacketIdentifier, lane: Lane) {
        let list = &mut self.lanes[lane as usize];
        let tail = list.tail.replace(id);
        list.head = list.head.or(Some(id));
        list.len += 1;
        self.set_links(id, tail, None);
        if let Some(slot) = self.slot_mut(tail) {
            slot.next = Some(id);
        }
    }

    fn unlink(&mut self, id: PacketIdentifier, lane: Lane) {
        let (previous, next) = self.bridge(id);
        let list = &mut self.lanes[lane as usize];
        list.len -= 1;
        if previous.is_none() {
            list.head = next;
        }
        if next.is_none() {
            list.tail = previous;
        }
    }

    /// Links the neighbours of `id` to each other, and returns them.
    fn bridge(&mut self, id: PacketIdentifier) -> (Link, Link) {
        let (previous, next) = self
            .slot(id)
            .map_or((None, None), |slot| (slot.previous, slot.next));
        if let Some(slot) = self.slot_mut(previous) {
            slot.next = next;
        }
        if let Some(slot) = self.slot_mut(next) {
            slot.previous = previous;
        }
        (previous, next)
    }

    fn set_links(&mut self, id: PacketIdentifier, previous: Link, next: Link) {
        if let Some(slot) = self.slot_mut(Some(id)) {
            (slot.previous, slot.next) = (previous, next);
        }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: None,
            lanes: [List::EMPTY; LANES],
        }
    }
}

impl List {
    const EMPTY: Self = Self {
        head: None,
        tail: None,
        len: 0,
    };
}

fn index(id: PacketIdentifier) -> usize {
    usize::from(id.as_u16()) - 1
}

const LANES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    fn id(number: u16) -> PacketIdentifier {
        PacketIdentifier::new(number).unwrap()
    }

    fn order(table: &PacketIdentifiers<u32>, lane: Lane) -> Vec<u16> {
        table.iter(lane).map(|(id, _)| id.as_u16()).collect()
    }

    /// MQTT-2.2.1-3, MQTT-2.2.1-4, v3.1.1 MQTT-2.3.1-2, v3.1.1 MQTT-2.3.1-4
    #[test]
    fn all_identifiers_can_be_in_use_at_once_and_zero_never_is() {
        let mut table = PacketIdentifiers::new();
        let mut seen = alloc::vec![false; 65_536];
        for n in 0..65_535 {
            let id = table.allocate(Lane::Published, n).unwrap();
            assert!(!core::mem::replace(
                &mut seen[usize::from(id.as_u16())],
                true
            ));
        }
        assert!(!seen[0]);
        assert_eq!(table.allocate(Lane::Requested, 7), Err(7));
        table.release(id(40_000));
        assert_eq!(table.allocate(Lane::Requested, 7), Ok(id(40_000)));
    }

    #[test]
    fn lanes_keep_the_order_of_arrival() {
        let mut table = PacketIdentifiers::new();
        for n in 0..5 {
            table.allocate(Lane::Published, n).unwrap();
        }
        table.release(id(3));
        table.move_to(id(4), Lane::Released);
        table.move_to(id(1), Lane::Released);
        assert_eq!(order(&table, Lane::Published), [2, 5]);
        assert_eq!(order(&table, Lane::Released), [4, 1]);
        assert_eq!(table.len(Lane::Released), 2);
    }

    #[test]
    fn a_claimed_identifier_is_not_allocated_again() {
        let mut table = PacketIdentifiers::new();
        table.claim(id(2), Lane::Published, 0).unwrap();
        assert_eq!(table.claim(id(2), Lane::Published, 1), Err(1));
        let next = [
            table.allocate(Lane::Published, 2),
            table.allocate(Lane::Published, 3),
        ];
        assert_eq!(next, [Ok(id(1)), Ok(id(3))]);
    }

    #[test]
    fn memory_goes_back_when_nothing_is_in_use() {
        let mut table = PacketIdentifiers::new();
        let id = table.allocate(Lane::Published, 0).unwrap();
        table.shrink();
        assert_eq!(table.len(Lane::Published), 1);
        table.release(id);
        table.shrink();
        assert!(table.0.get().is_none());
    }

    proptest! {
        #[test]
        fn behaves_as_a_map_with_lists(steps in prop::collection::vec((0u8..5, 1u16..12), 0..200)) {
            let mut table = PacketIdentifiers::new();
            let mut model: BTreeMap<u16, (u8, u32)> = BTreeMap::new();
            let mut lists: [Vec<u16>; 2] = [Vec::new(), Vec::new()];
            for (turn, (step, number)) in (0u32..).zip(steps) {
                match step {
                    0 | 1 => {
                        let taken = if step == 0 {
                            table.allocate(Lane::Published, turn).map(PacketIdentifier::as_u16)
                        } else {
                            table.claim(id(number), Lane::Published, turn).map(|()| number)
                        };
                        match taken {
                            Ok(taken) => {
                                prop_assert!(model.insert(taken, (0, turn)).is_none());
                                lists[0].push(taken);
                            }
                            Err(_) => prop_assert!(model.contains_key(&number)),
                        }
                    }
                    2 => {
                        let entry = table.release(id(number)).map(|(_, entry)| entry);
                        prop_assert_eq!(entry, model.remove(&number).map(|(_, entry)| entry));
                        lists.iter_mut().for_each(|list| list.retain(|&n| n != number));
                    }
                    3 => {
                        table.move_to(id(number), Lane::Released);
                        if model.contains_key(&number) {
                            lists.iter_mut().for_each(|list| list.retain(|&n| n != number));
                            lists[1].push(number);
                        }
                    }
                    _ => {
                        let entry = table.lookup(id(number)).map(|(_, entry)| *entry);
                        prop_assert_eq!(entry, model.get(&number).map(|(_, entry)| *entry));
                    }
                }
                prop_assert_eq!(order(&table, Lane::Published), &lists[0][..]);
                prop_assert_eq!(order(&table, Lane::Released), &lists[1][..]);
            }
        }
    }
}
