//! A seeded simulator of one client and one server over a bad network and slow disks.
//!
//! Both ends are the session machines, driven as their documentation says. The network delays bytes,
//! breaks at any of them and lets the client dial again; both machines crash and lose what their
//! stores had not finished. At the end everything is left in peace, and the laws are checked: QoS 1
//! at least once, QoS 2 exactly once, in order, nothing acknowledged is lost, identifiers neither
//! leak nor collide, no more in flight than the Receive Maximum, every operation settles once, and
//! all comes to rest.
//!
//! The same seed gives the same schedule: `cargo run -p mqtide-testkit --bin simulate -- --seed N`
//! shows one packet by packet.

mod audit;
mod client;
mod disk;
mod ledger;
mod message;
mod pipe;
mod random;
mod scene;
mod server;
mod store;
mod terms;

use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;

use mqtide_session::Instant;

use self::client::Client;
pub use self::ledger::Broken;
use self::random::Random;
use self::scene::{Line, Scene};
use self::server::Server;
use self::terms::Terms;

/// A schedule in which a law was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed that leads there.
    pub seed: u64,
    /// The law.
    pub broken: Broken,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, broken } = self;
        write!(
            f,
            "{broken}\nreplay: cargo run -p mqtide-testkit --bin simulate -- --seed {seed}"
        )
    }
}

impl std::error::Error for Failure {}

/// Runs the schedule of a seed.
///
/// # Errors
///
/// The law that was broken, with the seed.
pub fn run(seed: u64) -> Result<(), Failure> {
    World::new(seed, false)
        .run()
        .map_err(|broken| Failure { seed, broken })
}

/// Runs the schedule of a seed, and tells everything that happened.
pub fn replay(seed: u64) -> (Vec<String>, Result<(), Failure>) {
    let mut world = World::new(seed, true);
    world.scene.note(|| format!("{:?}", world.terms));
    let outcome = world.run().map_err(|broken| Failure { seed, broken });
    (world.scene.take_trace(), outcome)
}

struct World {
    terms: Terms,
    scene: Scene,
    client: Client,
    server: Server,
    /// What happens to both ends, in order.
    script: VecDeque<(Instant, Turn)>,
}

/// An event that comes from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Publish,
    Deliver,
    Subscribe,
    Cut,
    CrashClient,
    CrashServer,
    RestartClient,
    RestartServer,
}

impl World {
    fn new(seed: u64, traced: bool) -> Self {
        let mut scene = Scene::new(seed, traced);
        let terms = Terms::draw(&mut scene.random);
        let script = script(&terms, &mut scene.random);
        let (client, server) = (Client::new(terms.clone()), Server::new(terms.clone()));
        Self {
            terms,
            scene,
            client,
            server,
            script,
        }
    }

    fn run(&mut self) -> Result<(), Broken> {
        for _ in 0..LONGEST {
            let Some(next) = self.next_event() else { break };
            self.scene.now = next.max(self.scene.now);
            self.take_turns()?;
            self.step()?;
            if self.script.is_empty() && self.is_quiet() {
                return self.judge();
            }
        }
        Err(Broken(format!(
            "no rest: {:?}, {:?}",
            self.client, self.server
        )))
    }

    fn next_event(&self) -> Option<Instant> {
        let turn = self.script.front().map(|(at, _)| *at);
        let ends = [
            self.client.next_event(&self.scene),
            self.server.next_event(&self.scene),
        ];
        ends.into_iter().chain([turn]).flatten().min()
    }

    fn take_turns(&mut self) -> Result<(), Broken> {
        while self
            .script
            .front()
            .is_some_and(|(at, _)| *at <= self.scene.now)
        {
            let turn = self.script.pop_front();
            turn.map_or(Ok(()), |(_, turn)| self.take(turn))?;
        }
        Ok(())
    }

    fn take(&mut self, turn: Turn) -> Result<(), Broken> {
        let scene = &mut self.scene;
        let qos = message::qos(&mut scene.random);
        match turn {
            Turn::Publish => self.client.publish(qos, scene),
            Turn::Deliver => self.server.deliver(qos, scene),
            Turn::Subscribe => self.client.subscribe(scene),
            Turn::Cut => {
                self.client.cut(scene);
                Ok(())
            }
            Turn::CrashClient => self.client.crash(scene),
            Turn::CrashServer => self.server.crash(scene),
            Turn::RestartClient => self.client.restart(scene),
            Turn::RestartServer => self.server.restart(scene),
        }
    }

    fn step(&mut self) -> Result<(), Broken> {
        if let Some(link) = self.client.step(&mut self.scene)? {
            self.server.admit(Line::server(link), self.scene.now);
        }
        self.server.step(&mut self.scene)
    }

    fn is_quiet(&self) -> bool {
        self.client.is_quiet() && self.server.is_quiet()
    }

    fn judge(&self) -> Result<(), Broken> {
        self.client.check_disk()?;
        self.server.check_disk()?;
        self.scene.up.judge()?;
        self.scene.down.judge()
    }
}

/// Everything that comes from outside, at random times, in order.
fn script(terms: &Terms, random: &mut Random) -> VecDeque<(Instant, Turn)> {
    let mut script = Vec::new();
    let mut add = |turn: Turn, times: usize, random: &mut Random| {
        for _ in 0..times {
            script.push((Instant::ZERO + random.delay(terms.calm), turn));
        }
    };
    let (up, down) = (
        random.below(terms.messages + 1),
        random.below(terms.messages + 1),
    );
    add(Turn::Publish, up, random);
    add(Turn::Deliver, down, random);
    add(Turn::Subscribe, random.below(3), random);
    add(Turn::Cut, random.below(terms.cuts + 1), random);
    add(Turn::CrashClient, random.below(terms.crashes + 1), random);
    add(Turn::CrashServer, random.below(terms.crashes + 1), random);
    add(
        Turn::RestartClient,
        random.below(terms.restarts + 1),
        random,
    );
    add(
        Turn::RestartServer,
        random.below(terms.restarts + 1),
        random,
    );
    script.sort_by_key(|(at, _)| *at);
    script.into()
}

/// Events of one schedule; none needs a tenth of them.
const LONGEST: usize = 200_000;

/// How many schedules [`run_for`] has run, and the first that failed.
#[derive(Debug)]
pub struct Tally {
    /// Schedules that kept all laws.
    pub passed: u64,
    /// The one that did not, with which the run stopped.
    pub failure: Option<Failure>,
}

/// Runs the schedules from `seed` on until the time is up or one fails.
pub fn run_for(seed: u64, time: Duration) -> Tally {
    let start = std::time::Instant::now();
    let mut passed = 0;
    while start.elapsed() < time {
        if let Err(failure) = run(seed.wrapping_add(passed)) {
            return Tally {
                passed,
                failure: Some(failure),
            };
        }
        passed += 1;
    }
    Tally {
        passed,
        failure: None,
    }
}
