//! A broker in a process of its own, whose memory is its own: this test program, started again. It tells how much
//! of its heap is in use, for each line that it reads.
//!
//! To judge another broker, set `MQTIDE_TEST_BROKER=127.0.0.1:1883` and `MQTIDE_TEST_PROCESS` to its process, and
//! run one test at a time.

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use mqtide_broker::Broker;
use mqtide_testkit::memory::resident;
use mqtide_testkit::raw::Peer;

use super::Running;

/// The process; it ends with its input, so also with the process that started it.
pub(crate) struct ChildBroker {
    child: Option<(Child, Lines<BufReader<ChildStdout>>)>,
    process: u32,
    /// Where it takes TCP connections.
    pub(crate) tcp: SocketAddr,
    /// Where it takes WebSocket connections.
    #[allow(
        dead_code,
        reason = "each test file is a crate of its own and uses what it needs"
    )]
    pub(crate) websocket: SocketAddr,
}

impl ChildBroker {
    pub(crate) fn start() -> Self {
        if let (Ok(address), Ok(process)) = (
            std::env::var("MQTIDE_TEST_BROKER"),
            std::env::var("MQTIDE_TEST_PROCESS"),
        ) {
            let tcp = address.parse().expect("MQTIDE_TEST_BROKER is HOST:PORT");
            let process = process.parse().expect("MQTIDE_TEST_PROCESS is a number");
            return Self {
                child: None,
                process,
                tcp,
                websocket: tcp,
            };
        }
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", ENTRY, "--nocapture"])
            .env(MARK, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a broker in its own process");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let tcp = told(&mut lines).parse().expect("an address");
        let websocket = told(&mut lines).parse().expect("an address");
        Self {
            process: child.id(),
            child: Some((child, lines)),
            tcp,
            websocket,
        }
    }

    pub(crate) fn process(&self) -> u32 {
        self.process
    }

    /// How many bytes of its heap are in use; of a broker from outside, how many are resident.
    #[allow(
        dead_code,
        reason = "each test file is a crate of its own and uses what it needs"
    )]
    pub(crate) fn memory(&mut self) -> usize {
        let Some((child, lines)) = &mut self.child else {
            return resident(self.process).expect("the broker lives");
        };
        let input = child.stdin.as_mut().expect("its input");
        input.write_all(b"?\n").expect("the broker lives");
        told(lines).parse().expect("a number of bytes")
    }

    /// It lives until now, and ends in order.
    #[track_caller]
    pub(crate) fn end(self) {
        let Some((mut child, _)) = self.child else {
            return;
        };
        let ended = child.try_wait().expect("its state");
        assert!(ended.is_none(), "the broker ended: {ended:?}");
        drop(child.stdin.take());
        assert!(child.wait().expect("its end").success());
    }
}

/// What the child says next; the test program around it prints lines of its own.
fn told(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    let said = lines
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once(MARK)?.1.to_owned()));
    said.expect("the broker lives")
}

/// The body of the test that every program with child brokers has, called [`ENTRY`]. In the child process it serves
/// until its input ends; else it shows that such a broker starts, serves and ends.
#[expect(clippy::print_stdout, reason = "the parent reads it")]
pub(crate) fn serve_or_show() {
    let running = Running::start(Broker::builder());
    if std::env::var_os(MARK).is_some() {
        println!("{MARK}{}\n{MARK}{}", running.tcp(), running.websocket());
        for _ in std::io::stdin().lines() {
            println!("{MARK}{}", peak_alloc::PeakAlloc.current_usage());
        }
        std::process::exit(0);
    }
    let mut peer = Peer::opening(running.tcp(), "10 { \"MQTT\" 04 02 003C \"guest\" }");
    peer.expect("20 02 00 00");
    drop(running);
    peer.expect_closed();
}

const ENTRY: &str = "the_broker_of_these_tests_runs_and_ends";

const MARK: &str = "MQTIDE_CHILD_BROKER_SAYS_";
