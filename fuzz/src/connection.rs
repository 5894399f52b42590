use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::LazyLock;
use std::time::Duration;

use mqtide_broker::{Broker, BrokerHandle, Config, Flavour};
use mqtide_testkit::notation::bytes;
use peak_alloc::PeakAlloc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::timeout;

/// Feeds bytes to a broker, in the way that the first two of them say, beside a client that exchanges messages
/// with itself all the while.
///
/// # Panics
///
/// The healthy client is not served, a connection outlives its client, or memory grows beyond the limits or is
/// not given back.
pub fn connection(data: &[u8]) {
    let [plan, step, data @ ..] = data else {
        return;
    };
    // What is allocated once has been, so that every run can be held to what was in use before the first one.
    let at_rest = *AT_REST;
    PeakAlloc.reset_peak_usage();
    RUNTIME.block_on(carry_out(Plan::new(*plan, *step), data));
    let grown = PeakAlloc.peak_usage().saturating_sub(at_rest);
    assert!(grown < GROWN, "{grown} bytes in use at a time");
    let left = PeakAlloc.current_usage().saturating_sub(at_rest);
    assert!(left < LEFT, "{left} bytes left");
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().build().expect("a runtime")
});

static AT_REST: LazyLock<usize> = LazyLock::new(|| {
    for plan in (0..8).flat_map(|preamble| [preamble, preamble | 0xE0]) {
        RUNTIME.block_on(carry_out(Plan::new(plan, 1), &[0xC0, 0]));
    }
    PeakAlloc.current_usage()
});

/// How the bytes get to the broker.
#[derive(Clone, Copy)]
struct Plan {
    /// What the client says first, if it is to get behind CONNECT in any case.
    preamble: &'static [u8],
    /// How many bytes at a time.
    step: usize,
    /// The client reads nothing.
    deaf: bool,
    /// A second connection says the same while the first one is open.
    rival: bool,
    /// One more connection says the same when those are closed.
    returns: bool,
}

impl Plan {
    fn new(plan: u8, step: u8) -> Self {
        Plan {
            preamble: &PREAMBLES[usize::from(plan) % PREAMBLES.len()],
            step: if step == 0 { usize::MAX } else { step.into() },
            deaf: plan & 0x20 != 0,
            rival: plan & 0x40 != 0,
            returns: plan & 0x80 != 0,
        }
    }
}

/// Nothing, and CONNECT in every version, with and without what makes the broker hold back, keep or publish later.
static PREAMBLES: LazyLock<[Vec<u8>; 8]> = LazyLock::new(|| {
    [
        "",
        "10 { \"MQIsdp\" 03 02 003C \"c\" }",
        "10 { \"MQTT\" 04 02 0000 \"c\" }",
        "10 { \"MQTT\" 04 2C 003C \"c\" \"will\" \"gone\" }",
        "10 { \"MQTT\" 05 02 003C {} \"c\" }",
        "10 { \"MQTT\" 05 02 003C { 21 u16:1 22 u16:2 27 u32:64 17 00 19 01 } \"c\" }",
        "10 { \"MQTT\" 05 00 003C { 11 u32:60 22 u16:65535 } \"c\" }",
        "10 { \"MQTT\" 05 06 003C { 11 u32:60 } \"\" { 18 u32:1 } \"will\" \"gone\" }",
    ]
    .map(|connect| bytes(connect).expect("notation"))
});

async fn carry_out(plan: Plan, data: &[u8]) {
    let broker = Broker::builder()
        .config(config())
        .runtime(Flavour::Ambient)
        .workers(NonZeroUsize::MIN)
        .start()
        .await
        .expect("the broker starts");
    let handle = broker.handle();
    let mut canary = Canary::connect(&handle).await;
    let mut clients = vec![attack(&handle, plan, data)];
    canary.exchange().await;
    if plan.rival {
        clients.push(attack(&handle, plan, data));
        canary.exchange().await;
    }
    end(&handle, clients).await;
    canary.exchange().await;
    if plan.returns {
        let client = attack(&handle, plan, data);
        canary.exchange().await;
        end(&handle, vec![client]).await;
        canary.exchange().await;
    }
    let stats = handle.stats();
    assert_eq!(stats.clients_connected, 1, "{stats:?}");
    if stats.clients_disconnected == 0 {
        let subscriptions = (stats.subscriptions, stats.shared_subscriptions);
        assert_eq!(subscriptions, (1, 0), "{stats:?}");
    }
    drop((broker, canary));
    settle(|| handle.stats().connections == 0).await;
    drop(handle);
    // The broker's own tasks end when they get their next turn, and with the last of them goes what it held.
    for _ in 0..LAST_TURNS {
        yield_now().await;
    }
}

/// Limits that an input can reach.
fn config() -> Config {
    let mut config = Config::default();
    config.sys_interval = None;
    let limits = &mut config.limits;
    limits.connect_packet_size = 1024;
    limits.packet_size = 64 * 1024;
    limits.receive_maximum = 4;
    limits.in_flight = 4;
    limits.queue_messages = 16;
    limits.queue_bytes = 16 * 1024;
    limits.subscriptions = 32;
    limits.topic_levels = 16;
    limits.retained_messages = 32;
    limits.retained_bytes = 16 * 1024;
    config
}

/// A client that says what it has to say, piece by piece, and stays until its task is ended.
fn attack(handle: &BrokerHandle, plan: Plan, data: &[u8]) -> JoinHandle<()> {
    let mut stream = open(handle);
    let data = data.to_vec();
    tokio::spawn(async move {
        let mut heard = [0; 256];
        for piece in [plan.preamble, &data]
            .iter()
            .flat_map(|bytes| bytes.chunks(plan.step))
        {
            // The broker may have hung up, but must not stop to read.
            if stream.write_all(piece).await.is_err() {
                return;
            }
            yield_now().await;
        }
        if plan.deaf {
            std::future::pending::<()>().await;
        }
        while stream.read(&mut heard).await.is_ok_and(|read| read > 0) {}
    })
}

/// Ends the clients; the broker notices.
async fn end(handle: &BrokerHandle, clients: Vec<JoinHandle<()>>) {
    clients.iter().for_each(JoinHandle::abort);
    settle(|| handle.stats().connections == 1).await;
}

/// Lets the others run until something holds, which must come soon.
async fn settle(holds: impl Fn() -> bool) {
    for _ in 0..TURNS {
        if holds() {
            return;
        }
        yield_now().await;
    }
    panic!("a connection does not end");
}

fn open(handle: &BrokerHandle) -> DuplexStream {
    let (near, far) = duplex(PIPE);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    handle.serve(far, address).expect("the broker runs");
    near
}

/// A client that sends messages to itself, under a name that no input can know.
struct Canary {
    stream: DuplexStream,
    topic: String,
}

impl Canary {
    async fn connect(handle: &BrokerHandle) -> Self {
        let name = RandomState::new().hash_one(0);
        let mut canary = Canary {
            stream: open(handle),
            topic: format!("{name:016x}"),
        };
        let topic = canary.topic.clone();
        canary
            .say(&format!("10 {{ \"MQTT\" 04 02 0000 \"{topic}\" }}"))
            .await;
        assert_eq!(canary.packet().await, [0x20, 2, 0, 0]);
        canary.say(&format!("82 {{ 0001 \"{topic}\" 01 }}")).await;
        assert_eq!(canary.packet().await, [0x90, 3, 0, 1, 1]);
        canary
    }

    /// A message of QoS 1 comes back and is acknowledged.
    async fn exchange(&mut self) {
        let topic = self.topic.clone();
        self.say(&format!("32 {{ \"{topic}\" 0001 'tweet' }}"))
            .await;
        let (mut acknowledged, mut received) = (false, false);
        while !(acknowledged && received) {
            match &self.packet().await[..] {
                [0x40, 2, 0, 1] => acknowledged = true,
                [0x32, _, 0, 16, publish @ ..] if publish.ends_with(b"tweet") => {
                    received = true;
                    let (high, low) = (publish[16], publish[17]);
                    self.say(&format!("40 02 {high:02X}{low:02X}")).await;
                }
                other => panic!("the canary heard {other:02X?}"),
            }
        }
    }

    async fn say(&mut self, notation: &str) {
        let bytes = bytes(notation).expect("notation");
        let sent = timeout(PATIENCE, self.stream.write_all(&bytes)).await;
        sent.expect("the canary is heard").expect("and stays");
    }

    /// The next packet; all of its are short.
    async fn packet(&mut self) -> Vec<u8> {
        let mut packet = vec![0; 2];
        let reading = async {
            self.stream.read_exact(&mut packet).await?;
            let length = packet[1];
            packet.resize(2 + usize::from(length), 0);
            self.stream.read_exact(&mut packet[2..]).await
        };
        let read = timeout(PATIENCE, reading).await;
        read.expect("the canary is answered").expect("and stays");
        packet
    }
}

/// How much a broker with these limits, and what the inputs can make of them, may have in use at a time.
const GROWN: usize = 2 * 1024 * 1024;

/// How much more than before the first input may be in use when a broker is gone.
const LEFT: usize = 16 * 1024;

/// How many turns of the runtime a connection may take to end.
const TURNS: usize = 10_000;

/// How many turns all tasks of a broker get to end.
const LAST_TURNS: usize = 100;

const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes that wait in a stream, either way; less than many answers, so that a client that does not read is felt.
const PIPE: usize = 512;
