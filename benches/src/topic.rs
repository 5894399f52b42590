//! Matching topics against many filters: the data, and who takes part.

mod data;
mod matcher;
mod mqtide;
mod naive;
#[cfg(feature = "peers")]
mod topic_engine;

pub use data::{Data, Population};
pub use matcher::{Matcher, empty, fill};
pub use mqtide::Mqtide;
pub use naive::Naive;
#[cfg(feature = "peers")]
pub use topic_engine::TopicEngine;

/// Calls `run` with everyone of this build, ours first.
pub fn each(run: &mut impl Run) {
    run.run::<Mqtide>();
    run.run::<Naive>();
    #[cfg(feature = "peers")]
    run.run::<TopicEngine>();
}

/// What is done with each matcher in turn.
pub trait Run {
    /// Does it.
    fn run<M: Matcher + 'static>(&mut self);
}
