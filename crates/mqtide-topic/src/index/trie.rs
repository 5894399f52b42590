use alloc::string::String;
use alloc::vec::Vec;

use super::arena::{Arena, NIL};
use super::level_table::LevelTable;
use super::seed::Seed;
use super::table::{Slot, Table};
use crate::{Level, TopicFilterRef};

/// Filters with wildcards, as a tree of levels.
///
/// Nodes have numbers and know each other by them. A node's only literal child hangs on the node
/// itself; from the second on they are in one table for the whole trie, keyed by node and level.
#[derive(Clone)]
pub(crate) struct Trie {
    pub(super) nodes: Arena<Node>,
    edges: Table<Edge>,
    pub(super) levels: LevelTable,
    root: u32,
}

/// What stands at the end of a path of levels: half a cache line, and never across two.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(crate) struct Node {
    parent: u32,
    /// The number of the level that leads here, or [`SINGLE`].
    label: u32,
    /// The child for `+`.
    pub(super) single: u32,
    /// The only literal child; [`NIL`] if there is none, or if they are in the table.
    child: u32,
    /// Literal children.
    children: u32,
    /// A bit for the label of each literal child: most look-ups of a level that is not there end
    /// here. Bits of children that have left may stay.
    labels: u32,
    /// The entry of the filter that ends here.
    pub(super) here: u32,
    /// The entry of the filter that ends here with `/#`.
    pub(super) below: u32,
}

/// Where a filter ends: at a node, or with `#` below it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    node: u32,
    multi: bool,
}

#[derive(Clone, Copy)]
struct Edge {
    parent: u32,
    label: u32,
    child: u32,
}

/// The label of a `+` level.
const SINGLE: u32 = NIL - 1;

impl Slot for Edge {
    const EMPTY: Self = Self {
        parent: NIL,
        label: NIL,
        child: NIL,
    };

    #[inline]
    fn is_empty(&self) -> bool {
        self.child == NIL
    }
}

/// The bit that stands for a label in [`Node::labels`].
#[inline]
const fn label_bit(label: u32) -> u32 {
    1 << (label.wrapping_mul(0x9E37_79B9) >> 27)
}

impl Place {
    pub(crate) const NONE: Self = Self {
        node: NIL,
        multi: false,
    };
}

impl Node {
    const fn new(parent: u32, label: u32) -> Self {
        Self {
            parent,
            label,
            single: NIL,
            child: NIL,
            children: 0,
            labels: 0,
            here: NIL,
            below: NIL,
        }
    }

    const fn is_idle(&self) -> bool {
        self.children == 0 && self.single == NIL && self.here == NIL && self.below == NIL
    }
}

impl Trie {
    pub(crate) fn new() -> Self {
        Self {
            nodes: Arena::new(),
            edges: Table::new(),
            levels: LevelTable::new(),
            root: NIL,
        }
    }

    /// The node of no level at all; [`NIL`] while the trie is empty.
    #[inline]
    pub(crate) const fn root(&self) -> u32 {
        self.root
    }

    /// The place of a filter, if all its nodes exist.
    pub(crate) fn find(&self, seed: &Seed, filter: TopicFilterRef<'_>) -> Option<Place> {
        let mut node = self.root;
        if node == NIL {
            return None;
        }
        for level in filter.levels() {
            node = match level {
                Level::Multi => return Some(Place { node, multi: true }),
                Level::Single => self.nodes[node].single,
                Level::Literal(text) => self.child(seed, node, self.levels.find(seed, text)?),
            };
            if node == NIL {
                return None;
            }
        }
        Some(Place { node, multi: false })
    }

    /// The place of a filter; creates the nodes that are missing.
    pub(crate) fn insert(&mut self, seed: &Seed, filter: TopicFilterRef<'_>) -> Place {
        if self.root == NIL {
            self.root = self.nodes.insert(Node::new(NIL, NIL));
        }
        let mut node = self.root;
        for level in filter.levels() {
            node = match level {
                Level::Multi => return Place { node, multi: true },
                Level::Single => self.single_or_insert(node),
                Level::Literal(text) => self.child_or_insert(seed, node, text),
            };
        }
        Place { node, multi: false }
    }

    /// The entry at a place, or [`NIL`].
    pub(crate) fn entry(&self, place: Place) -> u32 {
        let node = &self.nodes[place.node];
        if place.multi { node.below } else { node.here }
    }

    /// Puts an entry at a place.
    pub(crate) fn set_entry(&mut self, place: Place, entry: u32) {
        let node = &mut self.nodes[place.node];
        *(if place.multi {
            &mut node.below
        } else {
            &mut node.here
        }) = entry;
    }

    /// Takes the entry from a place, and frees the nodes that nothing needs any more.
    pub(crate) fn remove(&mut self, seed: &Seed, place: Place) {
        self.set_entry(place, NIL);
        let mut id = place.node;
        while self.nodes[id].is_idle() {
            let node = self.nodes.remove(id, Node::new(NIL, NIL));
            if id == self.root {
                self.root = NIL;
                return;
            }
            self.unlink(seed, id, node);
            id = node.parent;
        }
    }

    /// The literal child of a node, or [`NIL`].
    #[inline]
    pub(super) fn child(&self, seed: &Seed, parent: u32, label: u32) -> u32 {
        let node = &self.nodes[parent];
        if node.labels & label_bit(label) == 0 {
            return NIL;
        }
        if node.child != NIL {
            return if self.nodes[node.child].label == label {
                node.child
            } else {
                NIL
            };
        }
        let is_it = |edge: &Edge| edge.parent == parent && edge.label == label;
        self.edges
            .find(seed.pair(parent, label), is_it)
            .map_or(NIL, |edge| edge.child)
    }

    /// Writes the text of the filter that ends at a place.
    pub(crate) fn write_filter(&self, place: Place, text: &mut String) {
        text.clear();
        let mut path = Vec::new();
        let mut node = place.node;
        while node != self.root {
            path.push(self.nodes[node].label);
            node = self.nodes[node].parent;
        }
        for (depth, &label) in path.iter().rev().enumerate() {
            if depth > 0 {
                text.push('/');
            }
            text.push_str(if label == SINGLE {
                "+"
            } else {
                self.levels.text(label)
            });
        }
        if place.multi {
            text.push_str(if path.is_empty() { "#" } else { "/#" });
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.nodes.heap_bytes() + self.edges.heap_bytes() + self.levels.heap_bytes()
    }

    fn single_or_insert(&mut self, parent: u32) -> u32 {
        let single = self.nodes[parent].single;
        if single != NIL {
            return single;
        }
        let child = self.nodes.insert(Node::new(parent, SINGLE));
        self.nodes[parent].single = child;
        child
    }

    fn child_or_insert(&mut self, seed: &Seed, parent: u32, text: &str) -> u32 {
        if let Some(label) = self.levels.find(seed, text) {
            let child = self.child(seed, parent, label);
            if child != NIL {
                return child;
            }
        }
        let label = self.levels.acquire(seed, text);
        let child = self.nodes.insert(Node::new(parent, label));
        let node = &mut self.nodes[parent];
        node.children += 1;
        node.labels |= label_bit(label);
        if node.children == 1 {
            node.child = child;
            return child;
        }
        let only = core::mem::replace(&mut node.child, NIL);
        if only != NIL {
            let label = self.nodes[only].label;
            self.insert_edge(
                seed,
                Edge {
                    parent,
                    label,
                    child: only,
                },
            );
        }
        self.insert_edge(
            seed,
            Edge {
                parent,
                label,
                child,
            },
        );
        child
    }

    fn insert_edge(&mut self, seed: &Seed, edge: Edge) {
        self.edges
            .insert(edge, |edge| seed.pair(edge.parent, edge.label));
    }

    /// Makes a node's parent forget it.
    fn unlink(&mut self, seed: &Seed, id: u32, node: Node) {
        let parent = &mut self.nodes[node.parent];
        if node.label == SINGLE {
            parent.single = NIL;
            return;
        }
        parent.children -= 1;
        if parent.children == 0 {
            parent.labels = 0;
        }
        if parent.child == id {
            parent.child = NIL;
        } else {
            let hash = |edge: &Edge| seed.pair(edge.parent, edge.label);
            let removed = Edge {
                parent: node.parent,
                label: node.label,
                child: id,
            };
            self.edges
                .remove(hash(&removed), |edge| edge.child == id, hash);
        }
        self.levels.release(seed, node.label);
    }
}
