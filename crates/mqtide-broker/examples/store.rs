//! A store of your own: a thread that commits, and what it has committed.
//!
//! This one keeps an `Image` in memory, so it outlives brokers but not the process. A real one writes each batch to a
//! disk in the place marked below, and is proven by `mqtide_broker::store::suite` (feature `store-suite`).
//!
//! `cargo run -p mqtide-broker --example store`

#![allow(clippy::print_stdout)]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use mqtide_broker::store::{Completion, Image, Records, Store, StoreBatch, StoreError};
use mqtide_broker::{Broker, Message};
use mqtide_topic::{SubscriptionFilter, TopicName};

type Job = (Arc<StoreBatch>, Completion);

#[derive(Clone, Debug)]
struct ThreadStore {
    jobs: Sender<Job>,
    committed: Arc<Mutex<Image>>,
}

impl ThreadStore {
    fn new() -> Self {
        let (jobs, queue) = channel();
        let committed = Arc::new(Mutex::default());
        let image = Arc::clone(&committed);
        thread::spawn(move || commit(queue, &image));
        ThreadStore { jobs, committed }
    }
}

fn commit(queue: Receiver<Job>, image: &Mutex<Image>) {
    for (batch, completion) in queue {
        // Here a batch is made durable as a whole, and only then is it said to be.
        image
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .apply(&batch);
        println!("committed {} changes", batch.changes().len());
        completion.complete(Ok(()));
    }
}

impl Store for ThreadStore {
    fn load(&self) -> Result<Records<'_>, StoreError> {
        let committed = self
            .committed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(Box::new(committed.records().into_iter().map(Ok)))
    }

    fn submit(&self, batch: Arc<StoreBatch>, completion: Completion) {
        // If the thread is gone, the completion is dropped, which says that the batch failed.
        let _ = self.jobs.send((batch, completion));
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = ThreadStore::new();
    let first = Broker::builder().store(store.clone()).start().await?;
    let state = Message::new(TopicName::try_from("door")?, "open").with_retain(true);
    first.handle().publish(&state)?;
    first.stop().await;

    let second = Broker::builder()
        .store(store)
        .listen("mqtt://127.0.0.1:0".parse()?)
        .start()
        .await?;
    println!(
        "after a restart, {} message is retained",
        second.handle().stats().retained_messages
    );
    let mut doors = second
        .handle()
        .subscribe(SubscriptionFilter::try_from("door")?, 1)?;
    second
        .handle()
        .publish(&Message::new(TopicName::try_from("door")?, "closed"))?;
    println!("{:?}", doors.next().await.map(|message| message.payload));
    second.stop().await;
    Ok(())
}
