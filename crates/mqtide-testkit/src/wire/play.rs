//! Playing one case against a broker.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::packet::{Publish, Words, build, expectation, is_name};
use super::script::{Case, Line};
use crate::notation::{Pattern, bytes, hex};
use crate::raw::{Heard, PATIENCE, Peer};

/// Plays a case for one version; an error names file, line and what was heard instead.
pub(super) fn play(case: &Case, version: u8, broker: SocketAddr) -> Result<(), String> {
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let token = format!("r{:x}x{run}v{version}", std::process::id());
    let mut stage = Stage {
        broker,
        version,
        token,
        connections: BTreeMap::new(),
        names: BTreeMap::new(),
    };
    let steps: Vec<&Line> = case
        .steps
        .iter()
        .filter(|line| line.is_for(version))
        .collect();
    let mut at = 0;
    while let Some(line) = steps.get(at) {
        at += 1;
        let outcome = if line.text.contains("<~ ") {
            let group: Vec<&Line> = steps[at - 1..]
                .iter()
                .copied()
                .take_while(|line| line.text.contains("<~ "))
                .collect();
            at += group.len() - 1;
            stage.any_order(&group)
        } else {
            stage.step(&line.text)
        };
        outcome.map_err(|error| {
            format!(
                "{}:{}: \"{}\" (version {version})\n    {}\n    {error}",
                case.file, line.number, case.title, line.text
            )
        })?;
    }
    Ok(())
}

impl Line {
    fn is_for(&self, version: u8) -> bool {
        self.versions
            .as_ref()
            .is_none_or(|versions| versions.contains(&version))
    }
}

struct Stage {
    broker: SocketAddr,
    version: u8,
    token: String,
    connections: BTreeMap<String, Connection>,
    /// Packet identifiers that the broker chose, by the name a step gave them.
    names: BTreeMap<String, u16>,
}

struct Connection {
    peer: Peer,
    version: u8,
    next_identifier: u16,
    /// PUBLISH packets that came while a step waited for the answer to its own packet.
    ahead: VecDeque<Vec<u8>>,
}

impl Connection {
    fn hear(&mut self, within: Duration) -> Heard {
        self.ahead
            .pop_front()
            .map_or_else(|| self.peer.hear(within), Heard::Packet)
    }

    /// The next packet that is no PUBLISH: those may come before any answer.
    fn answer(&mut self) -> Heard {
        loop {
            match self.peer.hear(PATIENCE) {
                Heard::Packet(packet) if packet.first().is_some_and(|first| first >> 4 == 3) => {
                    self.ahead.push_back(packet);
                }
                other => return other,
            }
        }
    }
}

impl Stage {
    fn step(&mut self, text: &str) -> Result<(), String> {
        let text = text.replace('%', &self.token);
        let (text, span) = span(&text)?;
        let begun = Instant::now();
        self.act(
            text,
            span.map_or(PATIENCE, |(_, latest)| latest.max(PATIENCE)),
        )?;
        match span {
            Some((earliest, latest)) => in_time(begun.elapsed(), earliest, latest),
            None => Ok(()),
        }
    }

    fn act(&mut self, text: &str, patience: Duration) -> Result<(), String> {
        let (actor, rest) = text.split_once(' ').ok_or("a step of one word")?;
        if actor == "wait" {
            std::thread::sleep(duration(rest)?);
            return Ok(());
        }
        if let Some(name) = actor.strip_suffix(">>") {
            return self.send(name, rest, true);
        }
        if let Some(name) = actor.strip_suffix('>') {
            return self.send(name, rest, false);
        }
        if let Some(name) = actor.strip_suffix('<') {
            let heard = self.connection(name)?.hear(patience);
            return self.check_any(name, rest, &heard);
        }
        let (verb, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        self.verb(actor, verb, rest, patience)
    }

    fn verb(
        &mut self,
        name: &str,
        verb: &str,
        rest: &str,
        patience: Duration,
    ) -> Result<(), String> {
        match verb {
            "opens" => self.open(name).map(|_| ()),
            "joins" => self.join(name, rest, "connack sp=0"),
            "resumes" => {
                let present = if self.version == 3 {
                    "connack sp=0"
                } else {
                    "connack sp=1"
                };
                self.join(name, rest, present)
            }
            "subscribes" => self.subscribe(name, rest),
            "unsubscribes" => self.unsubscribe(name, rest),
            "publishes" => self.publish(name, rest),
            "receives" => self.receive(name, rest),
            "closed" => self.closed(name, rest, patience),
            "refused" => self.refused(name, rest),
            "rejected" => self.rejected(name),
            "quiet" => self.quiet(name),
            "silent" => match self.connection(name)?.hear(duration(rest)?) {
                Heard::Silence => Ok(()),
                other => Err(format!("heard: {other}")),
            },
            "leaves" => self.leave(name),
            "dies" => {
                let connection = self.connections.remove(name).ok_or("no such connection")?;
                connection.peer.reset();
                // Nothing tells when the broker has noticed.
                std::thread::sleep(MOMENT);
                Ok(())
            }
            "finishes" => self
                .connection(name)?
                .peer
                .finish()
                .map_err(|error| error.to_string()),
            _ => Err(format!("unknown step: {verb}")),
        }
    }

    fn open(&mut self, name: &str) -> Result<&mut Connection, String> {
        let peer = Peer::connect(self.broker).map_err(|error| error.to_string())?;
        let connection = Connection {
            peer,
            version: self.version,
            next_identifier: FIRST_OWN,
            ahead: VecDeque::new(),
        };
        self.connections.insert(name.to_owned(), connection);
        self.connection(name)
    }

    fn connection(&mut self, name: &str) -> Result<&mut Connection, String> {
        self.connections
            .get_mut(name)
            .ok_or_else(|| format!("{name} has no connection"))
    }

    fn send(&mut self, name: &str, text: &str, each_byte: bool) -> Result<(), String> {
        let text = &self.with_names(text);
        if !self.connections.contains_key(name) {
            self.open(name)?;
        }
        let connection = self.connection(name)?;
        let words = Words::new(text);
        let bytes = if is_name(words.word(0)?) {
            if let Some(version) = words.option("v") {
                connection.version = version.parse().map_err(|_| "v must be 3, 4 or 5")?;
            }
            build(connection.version, &words)?
        } else {
            bytes(text)?
        };
        // A connection that the broker has closed swallows the bytes: the next expectation tells.
        if each_byte {
            let _ = bytes
                .iter()
                .try_for_each(|byte| connection.peer.send(&[*byte]));
        } else {
            let _ = connection.peer.send(&bytes);
        }
        Ok(())
    }

    /// Replaces `$name` by the packet identifier that was given this name.
    fn with_names(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, id)| {
            text.replace(&format!("${name}"), &id.to_string())
        })
    }

    fn join(&mut self, name: &str, rest: &str, answer: &str) -> Result<(), String> {
        self.connections.remove(name);
        self.send(name, &format!("connect {rest}"), false)?;
        let heard = self.connection(name)?.hear(PATIENCE);
        self.check(name, answer, &heard)
    }

    fn expect(&mut self, name: &str, text: &str) -> Result<(), String> {
        let heard = self.connection(name)?.answer();
        self.check(name, text, &heard)
    }

    fn check_any(&mut self, name: &str, text: &str, heard: &Heard) -> Result<(), String> {
        let mut outcome = Err("nothing expected".to_owned());
        for alternative in text.split(" | ") {
            outcome = self.check(name, alternative, heard);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    fn check(&mut self, name: &str, text: &str, heard: &Heard) -> Result<(), String> {
        let Heard::Packet(packet) = heard else {
            return Err(format!("heard: {heard}"));
        };
        let text = &self.with_names(text);
        let version = self.connection(name)?.version;
        let words = Words::new(text);
        let patterns = match words.word(0)? {
            "publish" => return self.check_publish(version, &words, packet),
            word if is_name(word) => expectation(version, &words)?,
            _ => vec![Pattern::parse(text)?],
        };
        let matched = patterns.iter().any(|pattern| pattern.matches(packet));
        if matched {
            Ok(())
        } else {
            Err(format!("heard: packet {}", hex(packet)))
        }
    }

    fn check_publish(&mut self, version: u8, words: &Words, packet: &[u8]) -> Result<(), String> {
        let publish = Publish::parse(version, packet)
            .ok_or_else(|| format!("heard: packet {}", hex(packet)))?;
        if let Some(difference) = publish.differs(words)? {
            return Err(format!("{difference}\n    heard: packet {}", hex(packet)));
        }
        let (Some(wanted), Some(id)) = (words.option("id"), publish.id) else {
            return Ok(());
        };
        match wanted.parse::<u16>() {
            Ok(wanted) if wanted != id => Err(format!("packet identifier is {id}, not {wanted}")),
            Ok(_) => Ok(()),
            Err(_) => {
                self.names.insert(wanted.to_owned(), id);
                Ok(())
            }
        }
    }

    fn any_order(&mut self, group: &[&Line]) -> Result<(), String> {
        let mut expected: Vec<(String, String)> = Vec::new();
        for line in group {
            let text = line.text.replace('%', &self.token);
            let (name, rest) = text.split_once("<~ ").ok_or("not a step of any order")?;
            expected.push((name.to_owned(), rest.to_owned()));
        }
        while let Some((name, _)) = expected.first().cloned() {
            let heard = self.connection(&name)?.hear(PATIENCE);
            let mut found = None;
            for (at, (other, text)) in expected.iter().enumerate() {
                if *other == name && self.check_any(&name, text, &heard).is_ok() {
                    found = Some(at);
                    break;
                }
            }
            expected.remove(
                found.ok_or_else(|| format!("none of the packets expected; heard: {heard}"))?,
            );
        }
        Ok(())
    }

    fn own_identifier(&mut self, name: &str) -> Result<u16, String> {
        let connection = self.connection(name)?;
        connection.next_identifier += 1;
        Ok(connection.next_identifier)
    }

    fn subscribe(&mut self, name: &str, rest: &str) -> Result<(), String> {
        let id = self.own_identifier(name)?;
        let words = Words::new(rest);
        let granted = words.plain.chunks(2).map(|pair| {
            let options = pair.get(1).ok_or("a filter without options")?;
            u8::from_str_radix(options, 16)
                .map(|options| format!("{:02X}", options & 3))
                .map_err(|_| "options are hexadecimal")
        });
        let granted = granted.collect::<Result<Vec<String>, _>>()?.join(" ");
        self.send(name, &format!("subscribe {id} {rest}"), false)?;
        self.expect(name, &format!("suback {id} {granted}"))
    }

    fn unsubscribe(&mut self, name: &str, rest: &str) -> Result<(), String> {
        let id = self.own_identifier(name)?;
        self.send(name, &format!("unsubscribe {id} {rest}"), false)?;
        self.expect(
            name,
            &format!(
                "unsuback {id} {}",
                "00 ".repeat(Words::new(rest).plain.len())
            ),
        )
    }

    fn publish(&mut self, name: &str, rest: &str) -> Result<(), String> {
        let id = self.own_identifier(name)?;
        self.send(name, &format!("publish {rest} id={id}"), false)?;
        match Words::new(rest).option("q") {
            Some("1") => self.expect(name, &format!("puback {id} 00|10")),
            Some("2") => {
                self.expect(name, &format!("pubrec {id} 00|10"))?;
                self.send(name, &format!("pubrel {id}"), false)?;
                self.expect(name, &format!("pubcomp {id}"))
            }
            // Nothing answers QoS 0; what is answered behind it tells that it has been read.
            _ => {
                self.send(name, "ping", false)?;
                self.expect(name, "pong")
            }
        }
    }

    fn receive(&mut self, name: &str, rest: &str) -> Result<(), String> {
        let connection = self.connection(name)?;
        let version = connection.version;
        let heard = connection.hear(PATIENCE);
        self.check(name, &format!("publish {rest}"), &heard)?;
        let Heard::Packet(packet) = &heard else {
            return Err(format!("heard: {heard}"));
        };
        let publish = Publish::parse(version, packet).ok_or("no PUBLISH")?;
        match (publish.qos(), publish.id) {
            (1, Some(id)) => self.send(name, &format!("puback {id}"), false),
            (2, Some(id)) => {
                self.send(name, &format!("pubrec {id}"), false)?;
                self.expect(name, &format!("pubrel {id}"))?;
                self.send(name, &format!("pubcomp {id}"), false)
            }
            _ => Ok(()),
        }
    }

    /// DISCONNECT, and the end that follows it; what was on its way is lost.
    fn leave(&mut self, name: &str) -> Result<(), String> {
        self.send(name, "disconnect", false)?;
        let mut connection = self.connections.remove(name).ok_or("no such connection")?;
        while let Heard::Packet(_) = connection.peer.hear(PATIENCE) {}
        Ok(())
    }

    fn closed(&mut self, name: &str, reasons: &str, patience: Duration) -> Result<(), String> {
        let connection = self.connection(name)?;
        if connection.version == 5 && !reasons.is_empty() {
            let heard = connection.hear(patience);
            self.check(name, &format!("disconnect {reasons}"), &heard)?;
        }
        match self.connection(name)?.hear(patience) {
            Heard::Closed => Ok(()),
            other => Err(format!(
                "expected the end of the connection, heard: {other}"
            )),
        }
    }

    fn refused(&mut self, name: &str, reasons: &str) -> Result<(), String> {
        let (five, three) = reasons.split_once('/').unwrap_or((reasons, reasons));
        let version = self.connection(name)?.version;
        let reason = if version == 5 { five } else { three };
        if reason != "-" {
            let alternatives: Vec<String> = reason
                .split('|')
                .map(|reason| format!("connack rc={reason}"))
                .collect();
            let heard = self.connection(name)?.hear(PATIENCE);
            self.check_any(name, &alternatives.join(" | "), &heard)?;
        }
        self.closed(name, "", PATIENCE)
    }

    /// At most a CONNACK that is no success goes before the end.
    fn rejected(&mut self, name: &str) -> Result<(), String> {
        match self.connection(name)?.hear(PATIENCE) {
            Heard::Closed => Ok(()),
            Heard::Packet(packet) if matches!(packet[..], [0x20, _, 0, reason, ..] if reason != 0) => {
                self.closed(name, "", PATIENCE)
            }
            other => Err(format!("heard: {other}")),
        }
    }

    /// PINGRESP alone is not enough: what another thread of the broker routes may come a moment behind it.
    fn quiet(&mut self, name: &str) -> Result<(), String> {
        self.send(name, "ping", false)?;
        let heard = self.connection(name)?.hear(PATIENCE);
        self.check(name, "pong", &heard)?;
        match self.connection(name)?.hear(MOMENT) {
            Heard::Silence => Ok(()),
            other => Err(format!("heard: {other}")),
        }
    }
}

/// The earliest and the latest moment, from the start of a step.
type Span = (Duration, Duration);

fn span(text: &str) -> Result<(&str, Option<Span>), String> {
    let Some((text, span)) = text.rsplit_once(" @") else {
        return Ok((text, None));
    };
    let (from, to) = span
        .split_once("..")
        .ok_or("a span is written @900..2500ms")?;
    Ok((text, Some((duration(&format!("{from}ms"))?, duration(to)?))))
}

fn in_time(took: Duration, earliest: Duration, latest: Duration) -> Result<(), String> {
    if took < earliest || took > latest {
        return Err(format!("came after {} ms", took.as_millis()));
    }
    Ok(())
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text
        .trim()
        .strip_suffix("ms")
        .ok_or_else(|| format!("a time is written 300ms, not {text}"))?;
    digits
        .parse()
        .map(Duration::from_millis)
        .map_err(|_| format!("not a number: {digits}"))
}

static RUNS: AtomicUsize = AtomicUsize::new(0);

/// Identifiers that steps choose by themselves lie above those that cases write.
const FIRST_OWN: u16 = 1000;

const MOMENT: Duration = Duration::from_millis(60);
