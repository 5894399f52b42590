//! Dialogues with a broker as data: what each peer sends and what it must be answered, byte by byte.
//!
//! A file holds cases. A case has a title, the statements that it proves, and steps; each step is a line.
//! `%` stands for a text that no other run of a case uses, so that cases share one broker and run at once.
//!
//! ```text
//! case A second CONNECT ends the connection
//! ids MQTT-3.1.0-2, v3.1.1 MQTT-3.1.0-2
//! versions 5 4
//! A joins %a
//! A> connect %a
//! A closed 82
//! ```
//!
//! | header | says |
//! |---|---|
//! | `case TITLE` | begins a case |
//! | `ids ..` | the statements it proves: `MQTT-3.1.0-2` of 5.0, `v3.1.1 MQTT-3.1.0-2` of 3.1.1 |
//! | `versions 5 4 3` | runs it once for each protocol level; 5 alone when left out |
//! | `broker NAME` | runs it against a broker of another configuration than the default one |
//! | `gap REASON` | the broker is known to fail it: the run fails once it passes, so that the mark goes |
//!
//! | step | does |
//! |---|---|
//! | `A> ..` | sends a packet by name (those of `packet.rs`) or bytes in [notation](crate::notation); opens A first |
//! | `A>> ..` | the same, one byte per write |
//! | `A< .. \| ..` | the next packet is one of these |
//! | `A<~ ..` | the packets of consecutive such lines come in any order |
//! | `A joins ID ..`, `A resumes ID ..` | CONNECT, and CONNACK with Session Present 0 or 1 |
//! | `A subscribes FILTER OPTIONS ..` | SUBSCRIBE, and SUBACK with what was asked |
//! | `A unsubscribes FILTER ..` | UNSUBSCRIBE, and UNSUBACK |
//! | `A publishes TOPIC PAYLOAD ..` | PUBLISH, and its acknowledgements to the end |
//! | `A receives TOPIC PAYLOAD ..` | PUBLISH comes, and is acknowledged to the end |
//! | `A closed`, `A closed 82\|81` | the end of the connection, in 5.0 behind DISCONNECT with this reason |
//! | `A refused 85/02` | CONNACK with this reason in 5.0 / 3.x (`-`: none), then the end |
//! | `A rejected` | the end, perhaps behind a CONNACK of any refusal: where the standard leaves it open |
//! | `A quiet` | PINGREQ is answered by PINGRESP and nothing else |
//! | `A silent 300ms` | nothing comes for so long |
//! | `A opens`, `A leaves`, `A dies`, `A finishes` | TCP connect; DISCONNECT and FIN; RST; FIN |
//! | `wait 300ms` | lets time pass |
//! | `[5] ..`, `[4 3] ..` | a step for these protocol levels alone |
//! | `.. @900..2500ms` | what is expected comes in this span from the start of the step |

mod packet;
mod play;
mod script;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

pub use script::{Case, Line, load};

/// Plays every case of a file once per version, many at a time, and returns what failed, each with file and line.
///
/// `broker` gives the address of the broker of a named configuration, or `None` to leave its cases out.
/// Only cases whose title holds the text of `MQTIDE_WIRE_CASE` are played, when that is set.
///
/// # Errors
/// What in the file could not be read, with its line.
pub fn play_file(
    path: &Path,
    broker: impl Fn(&str) -> Option<SocketAddr>,
) -> Result<Report, String> {
    let only = std::env::var("MQTIDE_WIRE_CASE").unwrap_or_default();
    let runs: Vec<Run> = load(path)?
        .into_iter()
        .filter(|case| case.title.contains(&only))
        .flat_map(|case| runs_of(case, &broker))
        .collect();
    Ok(play_all(&runs))
}

/// The outcome of a file.
#[derive(Debug, Default)]
pub struct Report {
    /// How many runs were played; a case counts once per version.
    pub played: usize,
    /// One text per failure.
    pub failures: Vec<String>,
}

impl Report {
    /// Fails the test with all failures.
    ///
    /// # Panics
    /// When a case failed, or when none was played.
    #[track_caller]
    pub fn assert_passed(&self) {
        let failed = self.failures.len();
        assert!(
            failed == 0,
            "{failed} of {} runs failed:\n\n{}",
            self.played,
            self.failures.join("\n\n")
        );
        assert!(self.played > 0, "no case was played");
    }
}

struct Run {
    case: Case,
    version: u8,
    broker: SocketAddr,
}

fn runs_of(case: Case, broker: &impl Fn(&str) -> Option<SocketAddr>) -> Vec<Run> {
    let Some(broker) = broker(&case.broker) else {
        return Vec::new();
    };
    let run = |version: &u8| Run {
        case: case.clone(),
        version: *version,
        broker,
    };
    case.versions.iter().map(run).collect()
}

fn play_all(runs: &[Run]) -> Report {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(runs.len()) {
            scope.spawn(|| {
                while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failure) = judge(run)
                        && let Ok(mut failures) = failures.lock()
                    {
                        failures.push(failure);
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap_or_default();
    failures.sort();
    Report {
        played: runs.len(),
        failures,
    }
}

/// A case marked as a gap must fail; every other must pass.
fn judge(run: &Run) -> Result<(), String> {
    let begun = Instant::now();
    let outcome = play::play(&run.case, run.version, run.broker);
    if std::env::var_os("MQTIDE_WIRE_TIMES").is_some() {
        eprintln_time(run, begun);
    }
    match (&run.case.gap, outcome) {
        (None, outcome) => outcome,
        (Some(_), Err(_)) => Ok(()),
        (Some(reason), Ok(())) => Err(format!(
            "{}:{}: \"{}\" (version {}) passes now; remove its mark: gap {reason}",
            run.case.file, run.case.line, run.case.title, run.version
        )),
    }
}

#[expect(
    clippy::print_stderr,
    reason = "asked for by the one who runs the cases"
)]
fn eprintln_time(run: &Run, begun: Instant) {
    eprintln!(
        "{:>6} ms  v{}  {}",
        begun.elapsed().as_millis(),
        run.version,
        run.case.title
    );
}

/// Most cases wait, few compute.
const AT_ONCE: usize = 32;
