//! No store.

use std::sync::Arc;

use super::{Completion, Records, Store, StoreBatch, StoreError};

/// The default: sessions and retained messages live in the broker's memory, and end with the process.
///
/// It is [volatile](Store::is_volatile), so the broker does not even note what changes: without durability there is
/// no cost of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryStore;

impl Store for MemoryStore {
    fn is_volatile(&self) -> bool {
        true
    }

    fn load(&self) -> Result<Records<'_>, StoreError> {
        Ok(Box::new(std::iter::empty()))
    }

    fn submit(&self, _batch: Arc<StoreBatch>, completion: Completion) {
        completion.complete(Ok(()));
    }
}
