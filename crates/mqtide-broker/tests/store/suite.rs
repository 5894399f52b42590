//! The suite for stores, on the store that these tests use.

use std::sync::Arc;

use mqtide_broker::store::{Store, suite};

use super::common::disk::Disk;

#[test]
fn the_store_of_these_tests_keeps_the_contract() {
    suite::run(|| {
        let disk = Disk::default();
        move || Arc::new(disk.open()) as Arc<dyn Store>
    });
}
