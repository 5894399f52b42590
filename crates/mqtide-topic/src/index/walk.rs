use core::ops::ControlFlow;

use smallvec::SmallVec;

use super::candidate::{Candidate, Pattern};
use super::levels::{DEPTH, LevelOfName};
use super::seed::{Path, Seed};
use super::steps::{StepSet, Steps};

/// A way through the first levels of a name, on which filters go on.
#[derive(Clone, Copy)]
struct Branch {
    path: Path,
    /// Which of the first 64 levels are `+`.
    singles: u64,
    depth: u32,
    /// The steps from here by which a filter may match; not empty.
    steps: StepSet,
}

/// Which levels from the 65th on are `+` on the way to a branch, 64 in each number.
///
/// The walk is depth first: what two branches have in common stays here while the one follows the
/// other.
#[derive(Default)]
struct DeepSingles(SmallVec<[u64; DEPTH / 64 - 1]>);

/// Calls `found` with each filter with wildcards that matches the name, if the index has it; seldom it
/// does not. The last argument tells of levels from the 65th on which are `+`.
///
/// `levels` are those of the name that matter, and one for what follows. Adds one to `cost` for each
/// beginning of a filter that is looked up.
#[inline]
pub(super) fn walk<B>(
    steps: &Steps,
    seed: &Seed,
    levels: &[LevelOfName],
    cost: &mut usize,
    mut found: impl FnMut(Candidate, &[u64]) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let root = seed.root();
    let mut branch = Branch {
        path: root,
        singles: 0,
        depth: 0,
        steps: steps.after(root).and(levels[0].steps),
    };
    // At most one for each level: `+`, where the level of the name leads on too.
    let mut pending: SmallVec<[Branch; DEPTH]> = SmallVec::new();
    let mut deep = DeepSingles::default();
    let mut lookups = 1;
    loop {
        if branch.steps.has(StepSet::END_OR_MULTI) {
            if branch.steps.has(StepSet::MULTI) {
                found(branch.candidate(seed, true), &deep.0)?;
            }
            if branch.steps.has(StepSet::END) {
                found(branch.candidate(seed, false), &deep.0)?;
            }
        }
        // What follows the last level has no steps that lead on.
        if let [level, next, ..] = levels[branch.depth as usize..] {
            if branch.steps.has(StepSet::SINGLE) {
                lookups += 1;
                let path = seed.single(branch.path);
                let after = steps.after(path).and(next.steps);
                if after.has(StepSet::ALL) {
                    pending.push(branch.child(path, 1, after));
                }
            }
            if branch.steps.has(StepSet::LITERALS) {
                lookups += 1;
                let path = seed.literal(branch.path, level.hash);
                let after = steps.after(path).and(next.steps);
                if after.has(StepSet::ALL) {
                    branch = branch.child(path, 0, after);
                    deep.set(branch.depth, false);
                    continue;
                }
            }
        }
        let Some(single) = pending.pop() else {
            *cost += lookups;
            return ControlFlow::Continue(());
        };
        branch = single;
        deep.set(branch.depth, true);
    }
}

impl Branch {
    /// The branch one level on.
    #[inline]
    fn child(&self, path: Path, single: u64, steps: StepSet) -> Self {
        Self {
            path,
            // From the 65th level on this shifts the bit out.
            singles: self.singles | single.unbounded_shl(self.depth),
            depth: self.depth + 1,
            steps,
        }
    }

    #[inline]
    fn candidate(&self, seed: &Seed, multi: bool) -> Candidate {
        Candidate {
            hash: if multi {
                seed.multi(self.path)
            } else {
                seed.end(self.path)
            },
            pattern: Pattern::Levels {
                depth: self.depth,
                singles: self.singles,
                multi,
            },
        }
    }
}

impl DeepSingles {
    /// Sets the last level of the way to a branch, and forgets those below.
    #[inline]
    fn set(&mut self, depth: u32, single: bool) {
        if let Some(at) = depth.checked_sub(65) {
            self.set_at(at, single);
        }
    }

    #[cold]
    fn set_at(&mut self, at: u32, single: bool) {
        let (word, bit) = (at as usize / 64, at % 64);
        if word == self.0.len() {
            self.0.push(0);
        }
        let above = self.0[word] & ((1 << bit) - 1);
        self.0[word] = above | u64::from(single) << bit;
    }
}
