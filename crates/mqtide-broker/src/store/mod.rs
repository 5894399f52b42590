//! The store boundary: what of sessions and retained messages outlives the process.

mod batch;
mod body;
mod clock;
mod commit;
mod completion;
mod error;
mod image;
mod journal;
mod memory;
mod packet;
mod record;
mod recording;
mod restore;
#[cfg(feature = "store-suite")]
pub mod suite;

use std::fmt;
use std::sync::Arc;

pub use batch::{Change, MessageNumber, SessionNumber, StoreBatch};
pub use body::MessageBody;
pub use completion::{Completion, Outcome};
pub use error::StoreError;
pub use image::Image;
pub use memory::MemoryStore;
pub use record::{QueueEntry, Record, RetainedRecord, SessionRecord, Subscription, WillRecord};

pub(crate) use clock::Clock;
pub(crate) use commit::run;
pub(crate) use journal::{Journal, Memo, Receipt};

/// Keeps what must not be lost: sessions, their subscriptions and queues, and retained messages.
///
/// The broker works in memory, and tells its store what changes. What a client is promised by an acknowledgement
/// leaves only when the store has it for good; everything else goes on meanwhile.
///
/// # The contract
///
/// - [`submit`](Self::submit) gives one batch at a time: the next one comes when this one has been completed, and
///   holds everything that has gathered in between. So group commit is the broker's, and a store that takes a
///   millisecond for a batch takes as long for one message as for a thousand.
/// - A batch takes effect as a whole or not at all, also if the machine stops in the middle.
/// - [`Completion::complete`] with `Ok` says that the batch survives whatever the store is made to survive. With
///   an error it says that the batch had no effect; the broker submits it again later, with what has gathered since,
///   and acknowledges nothing of it before that has succeeded.
/// - Changes may come again, after a failure or a crash: applied again, they change nothing. Changes of a session
///   that is not there are ignored.
/// - No method blocks for long: they are called by threads that serve clients. A store that waits for a disk does
///   so on a thread of its own.
/// - Only [`load`](Self::load) may block. It is called once, before anything else.
///
/// A store that writes bytes needs no format of its own for what is in records: a message is a PUBLISH
/// ([`MessageBody::encode`]), the record of a session a CONNECT ([`SessionRecord::to_packet`]), a subscription a
/// SUBSCRIBE ([`Subscription::to_packet`]), all of MQTT 5.0. What is left is numbers and points in time.
///
/// [`Image`] is the meaning of all this as a value. The module `suite` (feature `store-suite`) proves a store
/// against it.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Whether everything ends with the process. Then the broker keeps no record at all, and calls nothing else
    /// of the store. Default: no.
    fn is_volatile(&self) -> bool {
        false
    }

    /// Everything that is stored.
    ///
    /// Records of sessions and messages come before those that refer to them; there is no other order. A message
    /// that nothing refers to is left out, or is forgotten after this.
    ///
    /// # Errors
    ///
    /// What is stored cannot be read. The broker does not start then.
    fn load(&self) -> Result<Records<'_>, StoreError>;

    /// Makes a batch durable, and then says so.
    fn submit(&self, batch: Arc<StoreBatch>, completion: Completion);

    /// The broker stops, and everything that it submitted has been completed: puts in order what should be in order
    /// before the end, and then says so. Default: says so at once.
    fn flush(&self, completion: Completion) {
        completion.complete(Ok(()));
    }
}

/// What [`Store::load`] gives.
pub type Records<'a> = Box<dyn Iterator<Item = Result<Record, StoreError>> + Send + 'a>;

impl<S: Store + ?Sized> Store for Arc<S> {
    fn is_volatile(&self) -> bool {
        (**self).is_volatile()
    }

    fn load(&self) -> Result<Records<'_>, StoreError> {
        (**self).load()
    }

    fn submit(&self, batch: Arc<StoreBatch>, completion: Completion) {
        (**self).submit(batch, completion);
    }

    fn flush(&self, completion: Completion) {
        (**self).flush(completion);
    }
}
