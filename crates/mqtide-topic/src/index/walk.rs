use core::ops::ControlFlow;

use smallvec::SmallVec;

use super::arena::NIL;
use super::seed::Seed;
use super::trie::Trie;
use crate::{NameLevels, TopicNameRef};

/// Nodes that are looked at together: enough that the processor overlaps their cache misses.
const BATCH: usize = 8;

/// Levels up to which a walk needs no heap, as many as [`TopicLimits`](crate::TopicLimits) allow by
/// default.
const DEPTH: usize = 128;

/// Branches that may wait at once in [`DEPTH`] levels: a batch has at most two children per node, of
/// which one batch goes on.
const PENDING: usize = DEPTH * BATCH;

/// Nodes of one level of the trie whose paths match the name so far.
#[derive(Clone, Copy)]
struct Batch {
    nodes: [u32; 2 * BATCH],
    len: usize,
}

/// A node that waits for its turn.
#[derive(Clone, Copy)]
struct Branch {
    node: u32,
    depth: u32,
}

/// Calls `found` with the entry of each filter that matches the name. Adds one to `cost` for each
/// node that is looked at and for each level of the name that is looked up.
pub(super) fn walk<B>(
    trie: &Trie,
    seed: &Seed,
    name: TopicNameRef<'_>,
    cost: &mut usize,
    mut found: impl FnMut(u32) -> ControlFlow<B>,
) -> ControlFlow<B> {
    if trie.root() == NIL {
        return ControlFlow::Continue(());
    }
    let mut levels = Levels {
        numbers: SmallVec::new(),
        rest: name.levels(),
    };
    let mut pending: SmallVec<[Branch; PENDING]> = SmallVec::new();
    let mut buffers = [Batch {
        nodes: [NIL; 2 * BATCH],
        len: 0,
    }; 2];
    let [batch, next] = &mut buffers;
    let (mut batch, mut next) = (batch, next);
    let mut depth = 0;
    batch.push(trie.root());
    // A leading wildcard does not match a leading `$` (MQTT 5.0 §4.7.2).
    let mut wildcards = !name.starts_with_dollar();
    while batch.len > 0 {
        *cost += batch.len;
        match levels.at(trie, seed, depth, cost) {
            LevelOfName::Level(label) => {
                for &id in batch.nodes() {
                    let node = &trie.nodes[id];
                    if wildcards {
                        next.push(node.single);
                        visit(node.below, &mut found)?;
                    }
                    if label != NIL {
                        next.push(trie.child(seed, id, label));
                    }
                }
            }
            LevelOfName::End => {
                for &id in batch.nodes() {
                    let node = &trie.nodes[id];
                    visit(node.below, &mut found)?;
                    visit(node.here, &mut found)?;
                }
            }
        }
        wildcards = true;
        depth += 1;
        core::mem::swap(&mut batch, &mut next);
        next.len = 0;
        batch.keep_one(&mut pending, &mut depth);
    }
    ControlFlow::Continue(())
}

#[inline]
fn visit<B>(entry: u32, found: &mut impl FnMut(u32) -> ControlFlow<B>) -> ControlFlow<B> {
    if entry == NIL {
        ControlFlow::Continue(())
    } else {
        found(entry)
    }
}

impl Batch {
    #[inline]
    fn nodes(&self) -> &[u32] {
        &self.nodes[..self.len.min(BATCH)]
    }

    /// Adds a node, unless it is [`NIL`]. Callers add at most two for each node of a batch.
    #[inline]
    fn push(&mut self, node: u32) {
        // The remainder is for the compiler: it sees that the place exists.
        self.nodes[self.len % (2 * BATCH)] = node;
        self.len += usize::from(node != NIL);
    }

    /// Lets wait what is more than one batch; takes what waits if there is nothing.
    #[inline]
    fn keep_one(&mut self, pending: &mut SmallVec<[Branch; PENDING]>, depth: &mut u32) {
        while self.len > BATCH {
            self.len -= 1;
            pending.push(Branch {
                node: self.nodes[self.len],
                depth: *depth,
            });
        }
        if self.len == 0
            && let Some(last) = pending.last()
        {
            *depth = last.depth;
            let waiting = pending.iter().rev().take(BATCH);
            let waiting = waiting.take_while(|branch| branch.depth == *depth);
            waiting.for_each(|branch| self.push(branch.node));
            pending.truncate(pending.len() - self.len);
        }
    }
}

/// The levels of a name as numbers, looked up when the walk first needs them.
struct Levels<'a> {
    numbers: SmallVec<[u32; DEPTH]>,
    rest: NameLevels<'a>,
}

#[derive(Clone, Copy)]
enum LevelOfName {
    /// The level's number, or [`NIL`] if no filter has it.
    Level(u32),
    /// The name has no more levels.
    End,
}

impl Levels<'_> {
    #[inline]
    fn at(&mut self, trie: &Trie, seed: &Seed, depth: u32, cost: &mut usize) -> LevelOfName {
        if let Some(&number) = self.numbers.get(depth as usize) {
            return LevelOfName::Level(number);
        }
        // The walk goes down one level at a time, so this is the next one or the end.
        let Some(text) = self.rest.next() else {
            return LevelOfName::End;
        };
        *cost += 1;
        let number = trie.levels.find(seed, text).unwrap_or(NIL);
        self.numbers.push(number);
        LevelOfName::Level(number)
    }
}
