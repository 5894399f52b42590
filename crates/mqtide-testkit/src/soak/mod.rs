//! Churn: clients of every kind against one broker for a while, with checks on loss, order and memory.
//!
//! * Pairs: a publisher numbers its messages on a topic of its own, a subscriber with a lasting session takes them;
//!   both are cut off and come back at random. QoS 1 arrives at least once, QoS 2 exactly once, both in order.
//! * Churners connect, subscribe, leave retained messages, and vanish in every way.
//! * Slow readers subscribe to what is busy and hardly read.
//! * Rivals take each other's session over.

mod churn;
mod pair;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::canary::{Canary, Health};
use crate::memory::resident;

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Soak {
    /// For how long clients come and go.
    pub duration: Duration,
    /// The process of the broker, whose memory is looked at if it is known.
    pub process: Option<u32>,
    /// Where chance begins.
    pub seed: u64,
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// Messages that arrived in order and were none too many.
    pub messages: usize,
    /// Connections that were made.
    pub connections: usize,
    /// Memory of the broker before, at its height, and after, in bytes.
    pub memory: Option<[usize; 3]>,
    /// How the canary fared.
    pub canary: Health,
}

/// Counts that all clients share, and the sign to stop.
#[derive(Debug, Default)]
struct Course {
    stop: AtomicBool,
    messages: AtomicUsize,
    connections: AtomicUsize,
}

impl Course {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn delivered(&self) {
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs all clients, and checks.
///
/// # Errors
/// The first thing that was lost, out of order, twice, or did not return.
pub fn soak(broker: SocketAddr, plan: &Soak) -> Result<Outcome, String> {
    churn::round_of_each(broker, plan.seed)?;
    let before = plan.process.and_then(resident);
    let canary = Canary::start(broker, "soak-canary");
    let course = Course::default();
    let (failures, height) = thread::scope(|scope| {
        let mut clients = Vec::new();
        for at in 0..PAIRS {
            let (qos, seed) = (1 + u8::from(at % 2 == 1), plan.seed.wrapping_add(at));
            let course = &course;
            clients.push(scope.spawn(move || pair::run(broker, at, qos, seed, course)));
        }
        for at in 0..CHURNERS {
            let (course, seed) = (&course, plan.seed.wrapping_add(1000 + at));
            clients.push(scope.spawn(move || churn::run(broker, at, seed, course)));
        }
        let height = watch(plan);
        course.stop.store(true, Ordering::Relaxed);
        let outcomes = clients.into_iter().map(|client| {
            client
                .join()
                .unwrap_or_else(|_| Err("a client panicked".to_owned()))
        });
        (outcomes.filter_map(Result::err).collect::<Vec<_>>(), height)
    });
    let canary = canary.stop()?;
    if let Some(failure) = failures.into_iter().next() {
        return Err(failure);
    }
    churn::clear_retained(broker)?;
    let memory = match before {
        Some(before) => Some([before, height, settle(plan, before)?]),
        None => None,
    };
    Ok(Outcome {
        messages: course.messages.into_inner(),
        connections: course.connections.into_inner(),
        memory,
        canary,
    })
}

/// Lets the time pass; tells the most memory that was seen.
fn watch(plan: &Soak) -> usize {
    let begun = Instant::now();
    let mut height = 0;
    while begun.elapsed() < plan.duration {
        thread::sleep(Duration::from_millis(100).min(plan.duration));
        height = plan.process.and_then(resident).unwrap_or(0).max(height);
    }
    height
}

/// Memory returns, after a while, to what it was, with something for what an allocator keeps.
fn settle(plan: &Soak, before: usize) -> Result<usize, String> {
    let begun = Instant::now();
    loop {
        let after = plan
            .process
            .and_then(resident)
            .ok_or("the broker is gone")?;
        if after <= before + before / 5 + KEPT {
            return Ok(after);
        }
        if begun.elapsed() > Duration::from_secs(30) {
            return Err(format!(
                "the broker held {before} bytes before and {after} after"
            ));
        }
        thread::sleep(Duration::from_millis(100));
    }
}

const PAIRS: u64 = 8;

const CHURNERS: u64 = 8;

const KEPT: usize = 16 * 1024 * 1024;
