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

/// Branches that may wait at once in [`DEPTH`] levels: a batch leaves at most `BATCH` nodes behind
/// on its level, and adds at most two for each of its own on the next.
const PENDING: usize = DEPTH * BATCH + 2 * BATCH;

/// A node whose path matches the first `depth` levels of the name.
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
    let mut pending: SmallVec<[Branch; PENDING]> = SmallVec::new();
    if trie.root() != NIL {
        pending.push(Branch {
            node: trie.root(),
            depth: 0,
        });
    }
    let mut levels = Levels {
        numbers: SmallVec::new(),
        rest: name.levels(),
    };
    // A leading wildcard does not match a leading `$` (MQTT 5.0 §4.7.2).
    let mut wildcards = !name.starts_with_dollar();
    while let Some(&Branch { depth, .. }) = pending.last() {
        let level = levels.at(trie, seed, depth, cost);
        let mut batch = [NIL; BATCH];
        let len = take_batch(&mut pending, depth, &mut batch);
        *cost += len;
        for &id in &batch[..len] {
            let node = &trie.nodes[id];
            if node.below != NIL && wildcards {
                found(node.below)?;
            }
            let LevelOfName::Level(label) = level else {
                if node.here != NIL {
                    found(node.here)?;
                }
                continue;
            };
            if node.single != NIL && wildcards {
                pending.push(Branch {
                    node: node.single,
                    depth: depth + 1,
                });
            }
            if label != NIL && node.children != 0 {
                let child = trie.child(seed, id, label);
                if child != NIL {
                    pending.push(Branch {
                        node: child,
                        depth: depth + 1,
                    });
                }
            }
        }
        wildcards = true;
    }
    ControlFlow::Continue(())
}

/// Moves branches of one depth from the end of `pending` to `batch`.
#[inline]
fn take_batch(
    pending: &mut SmallVec<[Branch; PENDING]>,
    depth: u32,
    batch: &mut [u32; BATCH],
) -> usize {
    let mut len = 0;
    while len < BATCH
        && let Some(branch) = pending.last()
        && branch.depth == depth
    {
        batch[len] = branch.node;
        len += 1;
        pending.pop();
    }
    len
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
