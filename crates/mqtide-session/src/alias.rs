//! Topic aliases, one table per direction, per connection (MQTT 5.0 §3.3.2.3.4).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use mqtide_codec::TopicAlias;
use mqtide_topic::{TopicName, TopicNameRef};

use crate::Violation;

/// What the peer's aliases stand for.
#[derive(Debug)]
pub(crate) struct InboundAliases {
    maximum: u16,
    /// Absent until the peer uses an alias.
    topics: Option<Box<Topics>>,
}

#[derive(Debug, Default)]
struct Topics(Vec<Option<TopicName>>);

impl InboundAliases {
    /// An empty table that takes the aliases 1 to `maximum`, which this side has announced
    /// `[MQTT-3.3.2-10]`, `[MQTT-3.3.2-12]`.
    pub(crate) const fn new(maximum: u16) -> Self {
        Self {
            maximum,
            topics: None,
        }
    }

    /// Notes what an alias stands for from now on. The topic is copied, so that the table keeps no
    /// receive buffer alive.
    pub(crate) fn set(
        &mut self,
        alias: TopicAlias,
        topic: TopicNameRef<'_>,
    ) -> Result<(), Violation> {
        let index = self.index(alias)?;
        let Topics(topics) = &mut **self.topics.get_or_insert_default();
        if topics.len() <= index {
            topics.resize(index + 1, None);
        }
        let known = &mut topics[index];
        if known
            .as_ref()
            .is_none_or(|known| known.as_str() != topic.as_str())
        {
            *known = Some(topic.to_topic_name());
        }
        Ok(())
    }

    /// The topic that an alias stands for.
    pub(crate) fn resolve(&self, alias: TopicAlias) -> Result<&TopicName, Violation> {
        let index = self.index(alias)?;
        let topics = self.topics.as_ref().ok_or(Violation::TopicAliasUnknown)?;
        topics
            .0
            .get(index)
            .and_then(Option::as_ref)
            .ok_or(Violation::TopicAliasUnknown)
    }

    fn index(&self, alias: TopicAlias) -> Result<usize, Violation> {
        match alias.as_u16() <= self.maximum {
            true => Ok(usize::from(alias.as_u16()) - 1),
            false => Err(Violation::TopicAliasInvalid),
        }
    }
}

/// How a PUBLISH names its topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AliasUse {
    /// By its name.
    #[default]
    None,
    /// By its name, and from now on also by this alias.
    Define(TopicAlias),
    /// By this alias alone.
    Known(TopicAlias),
}

impl AliasUse {
    /// The alias, if there is one.
    pub const fn alias(self) -> Option<TopicAlias> {
        match self {
            Self::None => None,
            Self::Define(alias) | Self::Known(alias) => Some(alias),
        }
    }

    /// Whether the packet carries the topic name.
    pub const fn names_topic(self) -> bool {
        !matches!(self, Self::Known(_))
    }
}

/// The aliases that this side uses: the most recently used topics have one.
///
/// Looking a topic up costs one hash. The texts are owned here, so that no message is kept alive.
#[derive(Debug)]
pub(crate) struct OutboundAliases {
    maximum: u16,
    entries: Vec<Entry>,
    by_topic: HashTable<u16>,
    hasher: DefaultHashBuilder,
    newest: u16,
    oldest: u16,
}

#[derive(Debug)]
struct Entry {
    topic: Box<str>,
    newer: u16,
    older: u16,
}

impl OutboundAliases {
    /// An empty table that uses the aliases 1 to `maximum`.
    pub(crate) fn new(maximum: u16) -> Self {
        Self {
            maximum,
            entries: Vec::new(),
            by_topic: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            newest: NONE,
            oldest: NONE,
        }
    }

    /// How to name the topic in the next packet. Nothing changes before [`commit`](Self::commit).
    pub(crate) fn propose(&self, topic: &str) -> AliasUse {
        if let Some(index) = self.find(topic) {
            return alias_at(index).map_or(AliasUse::None, AliasUse::Known);
        }
        let next = match self.entries.len() < usize::from(self.maximum) {
            true => u16::try_from(self.entries.len()).unwrap_or(NONE),
            false => self.oldest,
        };
        alias_at(next).map_or(AliasUse::None, AliasUse::Define)
    }

    /// The packet that names the topic as proposed is really written.
    pub(crate) fn commit(&mut self, topic: &str, used: AliasUse) {
        let Some(alias) = used.alias() else { return };
        let index = alias.as_u16() - 1;
        if used.names_topic() {
            self.define(index, topic);
        } else {
            self.unlink(index);
        }
        self.link_newest(index);
    }

    fn define(&mut self, index: u16, topic: &str) {
        if usize::from(index) == self.entries.len() {
            self.entries.push(Entry {
                topic: topic.into(),
                newer: NONE,
                older: NONE,
            });
        } else {
            self.unlink(index);
            self.forget(index);
            self.entries[usize::from(index)].topic = topic.into();
        }
        let (entries, hasher) = (&self.entries, &self.hasher);
        let hash_of = |index: &u16| hasher.hash_one(&*entries[usize::from(*index)].topic);
        self.by_topic
            .insert_unique(hasher.hash_one(topic), index, hash_of);
    }

    fn forget(&mut self, index: u16) {
        let hash = self
            .hasher
            .hash_one(&*self.entries[usize::from(index)].topic);
        if let Ok(entry) = self.by_topic.find_entry(hash, |at| *at == index) {
            entry.remove();
        }
    }

    fn find(&self, topic: &str) -> Option<u16> {
        let same = |index: &u16| &*self.entries[usize::from(*index)].topic == topic;
        self.by_topic
            .find(self.hasher.hash_one(topic), same)
            .copied()
    }

    fn unlink(&mut self, index: u16) {
        let Entry { newer, older, .. } = self.entries[usize::from(index)];
        match newer {
            NONE => self.newest = older,
            _ => self.entries[usize::from(newer)].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            _ => self.entries[usize::from(older)].newer = newer,
        }
    }

    fn link_newest(&mut self, index: u16) {
        let older = core::mem::replace(&mut self.newest, index);
        match older {
            NONE => self.oldest = index,
            _ => self.entries[usize::from(older)].newer = index,
        }
        let entry = &mut self.entries[usize::from(index)];
        (entry.newer, entry.older) = (NONE, older);
    }
}

/// The alias at an index of the table; none for [`NONE`].
fn alias_at(index: u16) -> Option<TopicAlias> {
    TopicAlias::new(index.wrapping_add(1))
}

/// No entry. Alias 65,535 has index 65,534, so this index is never used.
const NONE: u16 = u16::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(number: u16) -> TopicAlias {
        TopicAlias::new(number).unwrap()
    }

    fn name(text: &str) -> TopicNameRef<'_> {
        TopicNameRef::new(text).unwrap()
    }

    fn send(table: &mut OutboundAliases, topic: &str) -> AliasUse {
        let used = table.propose(topic);
        table.commit(topic, used);
        used
    }

    #[test]
    fn an_alias_can_be_set_used_and_set_anew() {
        let mut table = InboundAliases::new(10);
        assert_eq!(table.resolve(alias(10)), Err(Violation::TopicAliasUnknown));
        table.set(alias(10), name("a")).unwrap();
        assert_eq!(table.resolve(alias(10)).unwrap().as_str(), "a");
        table.set(alias(10), name("b")).unwrap();
        assert_eq!(table.resolve(alias(10)).unwrap().as_str(), "b");
        assert_eq!(
            table.set(alias(11), name("a")),
            Err(Violation::TopicAliasInvalid)
        );
        assert_eq!(table.resolve(alias(11)), Err(Violation::TopicAliasInvalid));
    }

    #[test]
    fn the_least_recently_used_topic_gives_way() {
        let mut table = OutboundAliases::new(2);
        assert_eq!(send(&mut table, "a"), AliasUse::Define(alias(1)));
        assert_eq!(send(&mut table, "b"), AliasUse::Define(alias(2)));
        assert_eq!(send(&mut table, "a"), AliasUse::Known(alias(1)));
        assert_eq!(send(&mut table, "c"), AliasUse::Define(alias(2)));
        assert_eq!(send(&mut table, "a"), AliasUse::Known(alias(1)));
        assert_eq!(send(&mut table, "b"), AliasUse::Define(alias(2)));
        assert_eq!(send(&mut table, "c"), AliasUse::Define(alias(1)));
    }

    #[test]
    fn a_proposal_alone_changes_nothing() {
        let table = OutboundAliases::new(1);
        assert_eq!(table.propose("a"), AliasUse::Define(alias(1)));
        assert_eq!(table.propose("a"), AliasUse::Define(alias(1)));
    }

    #[test]
    fn a_maximum_of_zero_uses_no_alias() {
        let mut table = OutboundAliases::new(0);
        assert_eq!(send(&mut table, "a"), AliasUse::None);
    }

    #[test]
    fn every_alias_up_to_the_last_can_be_used() {
        let mut table = OutboundAliases::new(u16::MAX);
        for number in 1..=u16::MAX {
            assert_eq!(
                send(&mut table, &alloc::format!("{number}")),
                AliasUse::Define(alias(number))
            );
        }
        assert_eq!(send(&mut table, "more"), AliasUse::Define(alias(1)));
        assert_eq!(send(&mut table, "65535"), AliasUse::Known(alias(65_535)));
    }
}
