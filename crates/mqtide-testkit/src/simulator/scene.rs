//! What both ends share: time, chance, the network, and the books.

use std::collections::BTreeMap;

use bytes::BytesMut;
use mqtide_codec::{Framer, Packet, Version, decode, encode};
use mqtide_session::Instant;

use super::ledger::{Broken, Ledger, Way};
use super::pipe::{Arrival, Pipe};
use super::random::Random;

/// Everything that is neither client nor server.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) now: Instant,
    pub(super) random: Random,
    /// Client to server.
    pub(super) up: Ledger,
    /// Server to client.
    pub(super) down: Ledger,
    links: BTreeMap<LinkId, Link>,
    next_link: LinkId,
    trace: Option<Vec<String>>,
}

/// Names a network connection.
pub(super) type LinkId = u32;

#[derive(Debug, Default)]
struct Link {
    up: Pipe,
    down: Pipe,
}

impl Scene {
    pub(super) fn new(seed: u64, traced: bool) -> Self {
        Self {
            now: Instant::from_micros(1),
            random: Random::new(seed),
            up: Ledger::new(Way::Up),
            down: Ledger::new(Way::Down),
            links: BTreeMap::new(),
            next_link: 0,
            trace: traced.then(Vec::new),
        }
    }

    /// Notes what happens, if anybody wants to read it.
    pub(super) fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>12} {}", self.now.as_micros(), what()));
        }
    }

    pub(super) fn take_trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    /// The client dials. What it writes arrives behind everything that it wrote to earlier
    /// connections: against a CONNECT that comes out of the past, no protocol can do anything.
    pub(super) fn dial(&mut self) -> LinkId {
        let id = self.next_link;
        self.next_link += 1;
        let up = Pipe::behind(self.links.values().map(|link| &link.up));
        let down = Pipe::default();
        self.links.insert(id, Link { up, down });
        id
    }

    /// The network breaks, at any byte in both directions.
    pub(super) fn cut(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.up.cut(self.now, &mut self.random);
            link.down.cut(self.now, &mut self.random);
        }
    }

    /// One end closes: what it has written still arrives, what it has not read does not matter.
    pub(super) fn close(&mut self, id: LinkId, way: Way) {
        if let Some(link) = self.links.get_mut(&id) {
            let (own, other) = match way {
                Way::Up => (&mut link.up, &mut link.down),
                Way::Down => (&mut link.down, &mut link.up),
            };
            own.close(self.now, &mut self.random);
            other.cut(self.now, &mut self.random);
        }
    }

    pub(super) fn write(&mut self, id: LinkId, way: Way, bytes: &[u8]) {
        if let Some(link) = self.links.get_mut(&id) {
            link.pipe(way).write(self.now, bytes, &mut self.random);
        }
    }

    pub(super) fn read(&mut self, id: LinkId, way: Way) -> Option<Arrival> {
        let now = self.now;
        self.links.get_mut(&id)?.pipe(way).read(now)
    }

    pub(super) fn next_arrival(&self, id: LinkId, way: Way) -> Option<Instant> {
        let link = self.links.get(&id)?;
        match way {
            Way::Up => link.up.next_arrival(),
            Way::Down => link.down.next_arrival(),
        }
    }
}

impl Link {
    fn pipe(&mut self, way: Way) -> &mut Pipe {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}

/// One end of a connection: bytes to packets and back.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) link: LinkId,
    /// The way in which this end writes.
    way: Way,
    version: Version,
    framer: Framer,
    buffer: BytesMut,
}

impl Line {
    /// A client's end.
    pub(super) fn client(link: LinkId, version: Version) -> Self {
        let framer = Framer::new(version);
        Self {
            link,
            way: Way::Up,
            version,
            framer,
            buffer: BytesMut::new(),
        }
    }

    /// A server's end, before CONNECT.
    pub(super) fn server(link: LinkId) -> Self {
        let framer = Framer::unknown_version();
        Self {
            link,
            way: Way::Down,
            version: Version::V5,
            framer,
            buffer: BytesMut::new(),
        }
    }

    pub(super) fn set_version(&mut self, version: Version) {
        self.version = version;
        self.framer.set_version(version);
    }

    pub(super) fn fill(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole packet. The other end is ours too, so one that cannot be read breaks a law.
    pub(super) fn next(&mut self) -> Result<Option<Packet>, Broken> {
        let frame = self
            .framer
            .next_frame(&mut self.buffer)
            .map_err(|error| self.unreadable(&error))?;
        let Some(frame) = frame else { return Ok(None) };
        decode(frame, self.version)
            .map(Some)
            .map_err(|error| self.unreadable(&error))
    }

    fn unreadable(&self, error: &dyn core::fmt::Display) -> Broken {
        Broken(format!(
            "{:?} cannot read what was written to it: {error}",
            self.way
        ))
    }

    pub(super) fn write(&self, scene: &mut Scene, packet: &Packet) -> Result<(), Broken> {
        let mut bytes = BytesMut::new();
        encode(packet, self.version, &mut bytes)
            .map_err(|error| Broken(format!("{packet:?} cannot be written: {error}")))?;
        scene.note(|| format!("{:?} #{} {packet:?}", self.way, self.link));
        scene.write(self.link, self.way, &bytes);
        Ok(())
    }
}
