use alloc::boxed::Box;

use super::arena::Arena;
use super::seed::Seed;
use super::table::TextTable;

/// Texts of levels by number, so that matching compares numbers. Each is kept as long as a node of
/// the trie is labelled with it.
#[derive(Clone)]
pub(crate) struct LevelTable {
    levels: Arena<LevelText>,
    by_text: TextTable,
}

#[derive(Clone)]
struct LevelText {
    text: Box<str>,
    nodes: u32,
}

impl LevelTable {
    pub(crate) fn new() -> Self {
        Self {
            levels: Arena::new(),
            by_text: TextTable::new(),
        }
    }

    /// The number of a level, if a node is labelled with it.
    #[inline]
    pub(crate) fn find(&self, seed: &Seed, text: &str) -> Option<u32> {
        self.by_text
            .find(seed.text(text), |id| &*self.levels[id].text == text)
    }

    /// The number of a level for one more node.
    pub(crate) fn acquire(&mut self, seed: &Seed, text: &str) -> u32 {
        if let Some(id) = self.find(seed, text) {
            self.levels[id].nodes += 1;
            return id;
        }
        let id = self.levels.insert(LevelText {
            text: text.into(),
            nodes: 1,
        });
        self.by_text.insert(seed.text(text), id);
        id
    }

    /// Gives back what [`acquire`](Self::acquire) took.
    pub(crate) fn release(&mut self, seed: &Seed, id: u32) {
        let level = &mut self.levels[id];
        level.nodes -= 1;
        if level.nodes == 0 {
            let vacant = LevelText {
                text: "".into(),
                nodes: 0,
            };
            let level = self.levels.remove(id, vacant);
            self.by_text.remove(seed.text(&level.text), id);
        }
    }

    pub(crate) fn text(&self, id: u32) -> &str {
        &self.levels[id].text
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let texts: usize = self.levels.places().map(|level| level.text.len()).sum();
        texts + self.levels.heap_bytes() + self.by_text.heap_bytes()
    }
}
