//! The configuration file of the broker: TOML whose keys mirror the flags and the fields of [`mqtide_broker::Config`].
//!
//! A key that does not exist, a value of the wrong kind or out of range is an error that names file, line and column.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mqtide_broker::{Config, ListenAddress, QueueFull};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Visitor};

use crate::failure::Failure;

/// What a configuration file may hold. What is absent keeps its default.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BrokerFile {
    /// Listeners, in the place of the default one.
    #[serde(deserialize_with = "addresses")]
    pub(crate) listen: Vec<ListenAddress>,
    /// Where data lies.
    pub(crate) data_dir: Option<PathBuf>,
    /// Whether everything is kept in memory on purpose.
    pub(crate) ephemeral: bool,
    /// Whether clients without credentials are let in on every listener.
    pub(crate) allow_anonymous: Option<bool>,
    /// Worker threads.
    pub(crate) workers: Option<NonZeroUsize>,
    /// Log level or directives.
    pub(crate) log: Option<String>,
    sys_interval: Option<Interval>,
    stop_grace: Option<Interval>,
    capabilities: CapabilitiesTable,
    limits: LimitsTable,
}

impl BrokerFile {
    /// Reads and checks a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::usage(format_args!("cannot read {}: {error}", path.display()))
        })?;
        BrokerFile::parse(&text)
            .map_err(|error| Failure::usage(format_args!("{}:{error}", path.display())))
    }

    /// Checks the text of a file.
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::locate(text, &error))
    }

    /// Sets what the file says about the broker's behaviour; listeners and access are the caller's to merge with flags.
    pub(crate) fn apply(&self, config: &mut Config) {
        if let Some(interval) = self.sys_interval {
            config.sys_interval = (!interval.0.is_zero()).then_some(interval.0);
        }
        set(&mut config.stop_grace, self.stop_grace.map(|grace| grace.0));
        self.capabilities.apply(config);
        self.limits.apply(config);
    }
}

/// What is wrong with a file, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ConfigError {
    line: usize,
    column: usize,
    message: String,
}

impl ConfigError {
    fn locate(text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start).min(text.len());
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ConfigError {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: error.message().lines().collect::<Vec<_>>().join(", "),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// The table `[capabilities]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CapabilitiesTable {
    maximum_qos: Option<MaximumQoS>,
    retain_available: Option<bool>,
    wildcard_subscription_available: Option<bool>,
    subscription_identifiers_available: Option<bool>,
    shared_subscription_available: Option<bool>,
    response_information: Option<String>,
}

impl CapabilitiesTable {
    fn apply(&self, config: &mut Config) {
        let to = &mut config.capabilities;
        set(&mut to.maximum_qos, self.maximum_qos.map(|qos| qos.0));
        set(&mut to.retain_available, self.retain_available);
        set(
            &mut to.wildcard_subscription_available,
            self.wildcard_subscription_available,
        );
        set(
            &mut to.subscription_identifiers_available,
            self.subscription_identifiers_available,
        );
        set(
            &mut to.shared_subscription_available,
            self.shared_subscription_available,
        );
        if let Some(information) = &self.response_information {
            to.response_information = Some(information.clone());
        }
    }
}

/// The table `[limits]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitsTable {
    connections: Option<usize>,
    half_open_connections: Option<usize>,
    sessions: Option<usize>,
    connect_timeout: Option<Interval>,
    connect_packet_size: Option<Size>,
    packet_size: Option<Size>,
    receive_maximum: Option<u16>,
    in_flight: Option<u16>,
    topic_alias_maximum: Option<u16>,
    outgoing_topic_aliases: Option<u16>,
    keep_alive: Option<u16>,
    session_expiry: Option<u32>,
    queue_messages: Option<usize>,
    queue_bytes: Option<Size>,
    queue_full: Option<Drop>,
    subscriptions: Option<usize>,
    topic_levels: Option<usize>,
    topic_length: Option<usize>,
    retained_messages: Option<usize>,
    retained_bytes: Option<Size>,
    write_stall: Option<Interval>,
}

impl LimitsTable {
    fn apply(&self, config: &mut Config) {
        let to = &mut config.limits;
        set(&mut to.connections, self.connections);
        set(&mut to.half_open_connections, self.half_open_connections);
        set(&mut to.sessions, self.sessions);
        set(
            &mut to.connect_timeout,
            self.connect_timeout.map(|time| time.0),
        );
        set(
            &mut to.connect_packet_size,
            self.connect_packet_size.map(Size::packet),
        );
        set(&mut to.packet_size, self.packet_size.map(Size::packet));
        set(&mut to.receive_maximum, self.receive_maximum);
        set(&mut to.in_flight, self.in_flight);
        set(&mut to.topic_alias_maximum, self.topic_alias_maximum);
        set(&mut to.outgoing_topic_aliases, self.outgoing_topic_aliases);
        set(&mut to.keep_alive, self.keep_alive);
        set(&mut to.session_expiry, self.session_expiry);
        set(&mut to.queue_messages, self.queue_messages);
        set(&mut to.queue_bytes, self.queue_bytes.map(Size::bytes));
        set(&mut to.queue_full, self.queue_full.map(Drop::policy));
        set(&mut to.subscriptions, self.subscriptions);
        set(&mut to.topic_levels, self.topic_levels);
        set(&mut to.topic_length, self.topic_length);
        set(&mut to.retained_messages, self.retained_messages);
        set(&mut to.retained_bytes, self.retained_bytes.map(Size::bytes));
        set(&mut to.write_stall, self.write_stall.map(|time| time.0));
    }
}

fn set<T>(to: &mut T, from: Option<T>) {
    if let Some(value) = from {
        *to = value;
    }
}

/// A duration: seconds as a number, or a text with a unit, such as `"500ms"`, `"10s"`, `"5m"`, `"2h"`, `"7d"`.
#[derive(Clone, Copy, Debug)]
struct Interval(Duration);

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let quantity = Quantity::deserialize(deserializer)?;
        let milliseconds = quantity.scaled(&[
            ("", 1000),
            ("ms", 1),
            ("s", 1000),
            ("m", 60_000),
            ("h", 3_600_000),
            ("d", 86_400_000),
        ]);
        milliseconds
            .map(|ms| Interval(Duration::from_millis(ms)))
            .ok_or_else(|| D::Error::custom("expected a duration: seconds, or a text such as \"500ms\", \"10s\", \"5m\", \"2h\" or \"7d\""))
    }
}

/// A size: bytes as a number, or a text with a unit, such as `"64KiB"`, `"16MiB"`, `"1GiB"`, `"1MB"`.
#[derive(Clone, Copy, Debug)]
struct Size(u32);

impl Size {
    fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    fn packet(self) -> u32 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let quantity = Quantity::deserialize(deserializer)?;
        let units = [
            ("", 1),
            ("B", 1),
            ("kB", 1000),
            ("KiB", 1 << 10),
            ("MB", 1_000_000),
            ("MiB", 1 << 20),
            ("GB", 1_000_000_000),
            ("GiB", 1 << 30),
        ];
        let bytes = quantity.scaled(&units);
        bytes
            .and_then(|bytes| u32::try_from(bytes).ok())
            .map(Size)
            .ok_or_else(|| D::Error::custom("expected a size below 4 GiB: bytes, or a text such as \"64KiB\", \"16MiB\" or \"1GiB\""))
    }
}

/// A non-negative number and its unit.
#[derive(Debug, PartialEq, Eq)]
struct Quantity {
    number: u64,
    unit: String,
}

impl Quantity {
    fn scaled(&self, units: &[(&str, u64)]) -> Option<u64> {
        let (_, factor) = units.iter().find(|(unit, _)| *unit == self.unit)?;
        self.number.checked_mul(*factor)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(QuantityVisitor)
    }
}

struct QuantityVisitor;

impl Visitor<'_> for QuantityVisitor {
    type Value = Quantity;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a text of a number and a unit")
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Quantity, E> {
        let number = u64::try_from(number)
            .map_err(|_| E::custom("expected a number that is not negative"))?;
        Ok(Quantity {
            number,
            unit: String::new(),
        })
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Quantity, E> {
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let number = number
            .parse()
            .map_err(|_| E::custom(format_args!("{text:?} does not start with a number")))?;
        Ok(Quantity {
            number,
            unit: unit.trim().to_owned(),
        })
    }
}

/// A QoS level.
#[derive(Clone, Copy, Debug)]
struct MaximumQoS(u8);

impl<'de> Deserialize<'de> for MaximumQoS {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            level @ 0..=2 => Ok(MaximumQoS(level)),
            _ => Err(D::Error::custom("expected 0, 1 or 2")),
        }
    }
}

/// Which message gives way at a full queue.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Drop {
    DropNewest,
    DropOldest,
}

impl Drop {
    fn policy(self) -> QueueFull {
        match self {
            Drop::DropNewest => QueueFull::DropNewest,
            Drop::DropOldest => QueueFull::DropOldest,
        }
    }
}

fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ListenAddress>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let parse = |text: &String| text.parse().map_err(D::Error::custom);
    texts.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_changes_nothing() {
        let mut config = Config::default();
        let before = format!("{config:?}");
        BrokerFile::parse("").unwrap().apply(&mut config);
        assert_eq!(format!("{config:?}"), before);
    }

    #[test]
    fn every_key_arrives() {
        let file = BrokerFile::parse(
            r#"
            listen = ["mqtt://127.0.0.1:1883", "ws://127.0.0.1:8083/mqtt"]
            data_dir = "/var/lib/mqtide"
            allow_anonymous = true
            workers = 3
            log = "debug"
            sys_interval = 0
            stop_grace = "250ms"

            [capabilities]
            maximum_qos = 1
            retain_available = false
            wildcard_subscription_available = false
            subscription_identifiers_available = false
            shared_subscription_available = false
            response_information = "reply/"

            [limits]
            connections = 10
            half_open_connections = 11
            sessions = 12
            connect_timeout = "13s"
            connect_packet_size = "14KiB"
            packet_size = "15MiB"
            receive_maximum = 16
            in_flight = 17
            topic_alias_maximum = 18
            outgoing_topic_aliases = 19
            keep_alive = 20
            session_expiry = 21
            queue_messages = 22
            queue_bytes = "23 kB"
            queue_full = "drop-oldest"
            subscriptions = 24
            topic_levels = 25
            topic_length = 26
            retained_messages = 27
            retained_bytes = 28
            write_stall = "1m"
            "#,
        )
        .unwrap();
        assert_eq!(file.listen.len(), 2);
        assert_eq!(file.data_dir.as_deref(), Some(Path::new("/var/lib/mqtide")));
        assert_eq!(file.workers.map(NonZeroUsize::get), Some(3));
        assert_eq!(
            (file.allow_anonymous, file.log.as_deref()),
            (Some(true), Some("debug"))
        );

        let mut config = Config::default();
        file.apply(&mut config);
        assert_eq!(config.sys_interval, None);
        assert_eq!(config.stop_grace, Duration::from_millis(250));
        let capabilities = &config.capabilities;
        assert_eq!(capabilities.maximum_qos, 1);
        assert!(!capabilities.retain_available && !capabilities.wildcard_subscription_available);
        assert!(
            !capabilities.subscription_identifiers_available
                && !capabilities.shared_subscription_available
        );
        assert_eq!(capabilities.response_information.as_deref(), Some("reply/"));
        let limits = &config.limits;
        assert_eq!(
            (
                limits.connections,
                limits.half_open_connections,
                limits.sessions
            ),
            (10, 11, 12)
        );
        assert_eq!(limits.connect_timeout, Duration::from_secs(13));
        assert_eq!(
            (limits.connect_packet_size, limits.packet_size),
            (14 << 10, 15 << 20)
        );
        assert_eq!((limits.receive_maximum, limits.in_flight), (16, 17));
        assert_eq!(
            (limits.topic_alias_maximum, limits.outgoing_topic_aliases),
            (18, 19)
        );
        assert_eq!((limits.keep_alive, limits.session_expiry), (20, 21));
        assert_eq!((limits.queue_messages, limits.queue_bytes), (22, 23_000));
        assert_eq!(limits.queue_full, QueueFull::DropOldest);
        assert_eq!(
            (
                limits.subscriptions,
                limits.topic_levels,
                limits.topic_length
            ),
            (24, 25, 26)
        );
        assert_eq!((limits.retained_messages, limits.retained_bytes), (27, 28));
        assert_eq!(limits.write_stall, Duration::from_secs(60));
    }

    #[test]
    fn an_error_names_line_and_column() {
        let cases = [
            (
                "listen = [\"mqtt://[::1]\"]\n\nlisten_on = 3\n",
                "3:1: unknown field `listen_on`",
            ),
            ("workers = 2\nworkers = 3\n", "2:1: duplicate key"),
            ("workers = 0\n", "1:11: "),
            (
                "[limits]\npacket_size = \"16 MiBi\"\n",
                "2:15: expected a size",
            ),
            ("[limits]\nreceive_maximum = 70000\n", "2:19: "),
            (
                "[limits]\nconnect_timeout = \"soon\"\n",
                "2:19: \"soon\" does not start with a number",
            ),
            (
                "[capabilities]\nmaximum_qos = 3\n",
                "2:15: expected 0, 1 or 2",
            ),
            ("listen = [\"http://localhost\"]\n", "1:"),
            ("listen = [\n", "1:"),
        ];
        for (text, start) in cases {
            let error = BrokerFile::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(start), "{text:?}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
