//! The one task of a client: connect, carry on, connect again.

use std::future::{Future, pending};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use mqtide_codec::{Connack, Connect, Packet, Version};
use rand::Rng;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::backoff::Waits;
use crate::connection::{Connection, Transferred};
use crate::engine::{Engine, Turn};
use crate::error::ConnectError;
use crate::inbox::Gate;
use crate::options::Options;
use crate::queue::Queue;
use crate::state::State;
use crate::transport::Transport;

/// Owns the connection, and drives the engine with it.
///
/// ```text
/// Connecting -> Up -> Down -> Connecting ..
///      `---------`------`---> Closed
/// ```
pub(crate) struct Driver {
    engine: Engine,
    options: Arc<Options>,
    queue: Arc<Queue>,
    gate: Arc<Gate>,
    announce: watch::Sender<State>,
    /// Who waits for the outcome of the first attempt. If it fails, there is no second one.
    first: Option<FirstOutcome>,
    /// Whether the server has accepted this client before.
    accepted: bool,
    /// The longest silence that the server stands, and when the last packet was written.
    keep_alive: Duration,
    spoke: Instant,
    /// The identifier that the server gave to a client without one.
    assigned: Option<ByteString>,
}

/// Told on the first acceptance, or on the end of the client.
pub(crate) type FirstOutcome = oneshot::Sender<Result<(), ConnectError>>;

/// Why a phase is over.
#[derive(Debug)]
enum Over {
    /// The client is to end.
    Done,
    /// There is no connection (any more).
    Lost(ConnectError),
}

/// Whether a server that does not answer may be given up now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judge {
    Yes,
    No,
}

impl<E: Into<ConnectError>> From<E> for Over {
    fn from(error: E) -> Self {
        Over::Lost(error.into())
    }
}

impl Driver {
    pub(crate) fn new(
        options: Options,
        queue: Arc<Queue>,
        gate: Arc<Gate>,
        announce: watch::Sender<State>,
        first: Option<FirstOutcome>,
    ) -> Self {
        let engine = Engine::new(&options, Arc::clone(&queue));
        let options = Arc::new(options);
        Driver {
            engine,
            options,
            queue,
            gate,
            announce,
            first,
            accepted: false,
            keep_alive: Duration::ZERO,
            spoke: Instant::now(),
            assigned: None,
        }
    }

    /// Runs until the client is closed or may not go on.
    pub(crate) async fn run(mut self) {
        let mut waits = Waits::new(self.options.reconnect.clone().unwrap_or_default());
        let end = loop {
            self.announce.send_replace(State::Connecting);
            let started = Instant::now();
            let error = match self.attempt().await {
                Over::Done => break None,
                Over::Lost(error) => error,
            };
            waits.connection_lasted(started.elapsed());
            if self.is_final(&error) {
                break Some(error);
            }
            let Some(wait) = waits.next(random_within) else {
                break Some(error);
            };
            tracing::warn!(server = %self.options.target, %error, ?wait, "no connection, trying again later");
            self.announce.send_replace(State::Down {
                error,
                retry_in: wait,
            });
            if let Over::Done = self.offline(sleep_until(Instant::now() + wait)).await {
                break None;
            }
        };
        if let Some(error) = &end {
            tracing::debug!(server = %self.options.target, %error, "the client ends");
        }
        if let Some(first) = self.first.take() {
            // Whoever connected may have given up waiting.
            let _ = first.send(Err(end.clone().unwrap_or(ConnectError::Closed)));
        }
        self.engine.end();
        self.announce.send_replace(State::Closed(end));
    }

    fn is_final(&self, error: &ConnectError) -> bool {
        self.first.is_some() || self.options.reconnect.is_none() || !error.is_retryable()
    }

    /// One connection, from the first step to the end.
    async fn attempt(&mut self) -> Over {
        let options = Arc::clone(&self.options);
        let connect = match self.connect_packet() {
            Ok(connect) => connect,
            Err(error) => return error.into(),
        };
        let mut opened = None;
        let opening = async { opened = Some(open(&options, connect).await) };
        if let Over::Done = self.offline(opening).await {
            return Over::Done;
        }
        let (transport, connect) = match opened {
            Some(Ok(opened)) => opened,
            Some(Err(error)) => return error.into(),
            None => return ConnectError::Timeout.into(),
        };
        let maximum = self.options.maximum_packet_size.get();
        let connection = Connection::new(transport, self.options.version, maximum);
        let over = match self.engine.connect(connect) {
            Ok(()) => self.online(connection).await,
            Err(error) => error.into(),
        };
        self.engine.disconnected();
        over
    }

    /// The CONNECT of the next attempt. A client that was accepted before goes on with its session, as far as
    /// the version can say so: in MQTT 3.x, a session that starts clean also ends with its connection.
    fn connect_packet(&self) -> Result<Connect, ConnectError> {
        let mut connect = self.options.connect_packet()?;
        if self.accepted && connect.version == Version::V5 {
            connect.clean_start = false;
        }
        if let Some(assigned) = &self.assigned {
            connect.client_identifier = assigned.clone();
        }
        Ok(connect)
    }

    /// Waits for `done` while there is no connection, and takes commands meanwhile.
    async fn offline(&mut self, done: impl Future<Output = ()>) -> Over {
        let mut done = std::pin::pin!(done);
        loop {
            self.engine.take_commands();
            if self.engine.is_done() {
                return Over::Done;
            }
            tokio::select! {
                () = &mut done => return Over::Lost(ConnectError::Timeout),
                () = self.queue.woken() => {}
                () = until(self.engine.closing_deadline()) => {}
            }
        }
    }

    /// Carries on until the connection is lost or the client is to end.
    async fn online(&mut self, mut connection: Connection) -> Over {
        let over = loop {
            match self.turn(&mut connection).await {
                Ok(()) => {}
                Err(over) => break over,
            }
        };
        self.part(connection, &over).await;
        over
    }

    /// Take input, drive, write, sleep.
    async fn turn(&mut self, connection: &mut Connection) -> Result<(), Over> {
        self.keep_alive(connection, Judge::No)?;
        self.engine.take_commands();
        while self.may_read() {
            let Some(packet) = connection.next_packet()? else {
                break;
            };
            self.engine.handle_packet(packet)?;
            self.news()?;
        }
        self.write(connection)?;
        self.news()?;
        // What has just settled may make room for more, or leave nothing to do.
        self.engine.take_commands();
        if self.engine.is_done() && connection.is_flushed() {
            return Err(Over::Done);
        }
        self.write(connection)?;
        self.sleep(connection).await
    }

    /// Not while a stream with back-pressure is full, or the application owes too many acknowledgements.
    fn may_read(&self) -> bool {
        self.gate.is_open() && self.engine.has_window()
    }

    fn news(&mut self) -> Result<(), Over> {
        while let Some(turn) = self.engine.next_turn() {
            match turn {
                Turn::Up(connack) => self.up(connack),
                Turn::Down(ConnectError::Timeout) if self.is_up() => {
                    return Err(ConnectError::KeepAlive.into());
                }
                Turn::Down(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn up(&mut self, connack: Arc<Connack>) {
        tracing::debug!(server = %self.options.target, session_present = connack.session_present, "connected");
        if !self.accepted && self.may_be_resumed(&connack) {
            self.engine.inherit_session();
        }
        self.accepted = true;
        if let Some(first) = self.first.take() {
            let _ = first.send(Ok(()));
        }
        let properties = connack.properties.as_deref();
        let server_keep_alive = properties.and_then(|properties| properties.server_keep_alive);
        let seconds = |seconds: u16| Duration::from_secs(seconds.into());
        self.keep_alive = server_keep_alive.map_or(self.options.keep_alive, seconds);
        if let Some(assigned) =
            properties.and_then(|properties| properties.assigned_client_identifier.clone())
        {
            self.assigned = Some(assigned);
        }
        self.announce.send_replace(State::Up(connack));
    }

    /// Whether the server may go on with the session of an earlier run. MQTT 3.1 cannot say so: it may, unless it
    /// was asked not to.
    fn may_be_resumed(&self, connack: &Connack) -> bool {
        match self.options.version {
            Version::V31 => !self.options.clean_start,
            Version::V311 | Version::V5 => connack.session_present,
        }
    }

    fn is_up(&self) -> bool {
        matches!(*self.announce.borrow(), State::Up(_))
    }

    /// Moves packets from the session to the connection, as many as it can take.
    fn write(&mut self, connection: &mut Connection) -> Result<(), Over> {
        while !connection.is_congested() {
            let Some(packet) = self.engine.next_packet() else {
                break;
            };
            self.push(connection, &packet)?;
        }
        Ok(())
    }

    fn push(&mut self, connection: &mut Connection, packet: &Packet) -> Result<(), Over> {
        self.spoke = Instant::now();
        let unfit = |error| ConnectError::Request(Arc::new(Box::new(error)));
        Ok(connection.push(packet).map_err(unfit)?)
    }

    async fn sleep(&mut self, connection: &mut Connection) -> Result<(), Over> {
        let may_read = self.may_read();
        let alarm = match may_read || !self.engine.awaits_pingresp() {
            true => self.engine.timeout(),
            false => self.end_of_silence(),
        };
        tokio::select! {
            // First what the server says: its silence is judged only when it has said nothing.
            biased;
            transferred = connection.transfer(may_read) => match transferred? {
                Transferred::Bytes => Ok(()),
                Transferred::End => Err(ConnectError::ClosedByServer.into()),
            },
            () = self.queue.woken() => Ok(()),
            () = until(self.engine.closing_deadline()) => Ok(()),
            () = until(alarm) => self.keep_alive(connection, if may_read { Judge::Yes } else { Judge::No }),
        }
    }

    /// Does what the time asks for.
    ///
    /// A server is not judged by a PINGRESP that may lie unread, behind messages that a slow stream holds up;
    /// and for as long as that takes, it is told that this client lives.
    fn keep_alive(&mut self, connection: &mut Connection, judge: Judge) -> Result<(), Over> {
        let now = Instant::now();
        let is_past = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if self.engine.awaits_pingresp() && judge == Judge::No {
            if is_past(self.end_of_silence()) {
                self.push(connection, &Packet::Pingreq)?;
            }
        } else if is_past(self.engine.timeout()) {
            self.engine.handle_timeout();
        }
        Ok(())
    }

    /// When the client must be heard again; a quarter of the time is left for the way to the server.
    fn end_of_silence(&self) -> Option<Instant> {
        (!self.keep_alive.is_zero()).then(|| self.spoke + self.keep_alive * 3 / 4)
    }

    /// Says what is left to say, and ends the connection.
    async fn part(&mut self, mut connection: Connection, over: &Over) {
        match over {
            Over::Done => self.engine.say_goodbye(),
            Over::Lost(ConnectError::Decode(error)) => self.engine.reject(error.reason()),
            Over::Lost(ConnectError::Protocol(_)) => {}
            Over::Lost(_) => return,
        }
        while let Some(packet) = self.engine.next_packet() {
            if connection.push(&packet).is_err() {
                break;
            }
        }
        // A server that does not read, or does not close, is left alone after a while.
        let _ = timeout(FAREWELL, connection.finish()).await;
    }
}

/// Asks for credentials and makes the network connection.
async fn open(
    options: &Options,
    mut connect: Connect,
) -> Result<(Box<dyn Transport>, Connect), ConnectError> {
    let opening = async {
        let credentials = options.credentials.ask().await;
        let credentials =
            credentials.map_err(|error| ConnectError::Credentials(Arc::new(error)))?;
        if let Some(credentials) = credentials {
            credentials.apply(&mut connect)?;
        }
        let transport = options.connector.connect(&options.target).await?;
        Ok((transport, connect))
    };
    timeout(options.connect_timeout, opening)
        .await
        .unwrap_or(Err(ConnectError::Timeout))
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

fn random_within(range: RangeInclusive<Duration>) -> Duration {
    rand::rng().random_range(range)
}

/// How long the last packets may take to leave.
const FAREWELL: Duration = Duration::from_secs(1);
