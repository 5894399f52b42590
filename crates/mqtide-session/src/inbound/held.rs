//! The packet identifiers of QoS 2 messages between PUBLISH and PUBREL.

use alloc::collections::VecDeque;

use mqtide_codec::PacketIdentifier;

use crate::lazy::Lazy;

/// A set of identifiers, sorted: four bytes each, and free of cost in the usual case, that they come
/// and go in ascending order.
#[derive(Debug)]
pub(crate) struct HeldIdentifiers(Lazy<VecDeque<Held>>);

/// A QoS 2 message whose PUBREL is outstanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) id: PacketIdentifier,
    /// Whether its PUBLISH came on this connection, and so counts against Receive Maximum.
    pub(crate) counted: bool,
    /// Whether PUBREL came on this connection before it was the turn of PUBREC.
    pub(crate) released: bool,
}

impl Held {
    /// An identifier carried over from an earlier connection, or `counted` if its PUBLISH came on this one.
    pub(crate) const fn new(id: PacketIdentifier, counted: bool) -> Self {
        Self {
            id,
            counted,
            released: false,
        }
    }
}

impl HeldIdentifiers {
    pub(crate) const fn new() -> Self {
        Self(Lazy::new())
    }

    pub(crate) fn insert(&mut self, held: Held) {
        if let Err(index) = self.position(held.id) {
            self.0.fill().insert(index, held);
        }
    }

    pub(crate) fn lookup(&mut self, id: PacketIdentifier) -> Option<&mut Held> {
        let index = self.position(id).ok()?;
        self.0.get_mut()?.get_mut(index)
    }

    pub(crate) fn contains(&self, id: PacketIdentifier) -> bool {
        self.position(id).is_ok()
    }

    pub(crate) fn remove(&mut self, id: PacketIdentifier) -> Option<Held> {
        let index = self.position(id).ok()?;
        self.0.get_mut()?.remove(index)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Held> {
        self.0.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Held> {
        self.0.iter_mut()
    }

    pub(crate) fn shrink(&mut self) {
        self.0.shrink();
    }

    fn position(&self, id: PacketIdentifier) -> Result<usize, usize> {
        let list = self.0.get().ok_or(0_usize)?;
        match list.back() {
            Some(last) if last.id < id => Err(list.len()),
            _ => list.binary_search_by_key(&id, |held| held.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn behaves_as_a_set(steps in prop::collection::vec((any::<bool>(), 1u16..20), 0..100)) {
            let (mut set, mut model) = (HeldIdentifiers::new(), BTreeSet::new());
            for (insert, number) in steps {
                let id = PacketIdentifier::new(number).unwrap();
                if insert {
                    set.insert(Held::new(id, false));
                    model.insert(number);
                } else {
                    prop_assert_eq!(set.remove(id).is_some(), model.remove(&number));
                }
                prop_assert_eq!(set.contains(id), model.contains(&number));
                prop_assert!(set.iter().map(|held| held.id.as_u16()).eq(model.iter().copied()));
            }
        }
    }
}
