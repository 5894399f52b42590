//! How `mqtide sub` prints a message: the formats of `mosquitto_sub`, and JSON.

use std::fmt::Write as _;
use std::io::{self, Write};

use clap::Args;
use jiff::Zoned;
use mqtide_client::{PayloadFormat, PublishProperties, Received};
use serde::Serialize;

use crate::failure::Failure;

/// Flags about the output.
#[derive(Debug, Default, Args)]
pub(crate) struct FormatArgs {
    /// Print the topic before each message, unless a format says otherwise.
    #[arg(short, long)]
    verbose: bool,
    /// How to print a message: `json`, or a text such as '%t %p' (see below).
    #[arg(short = 'F', long, value_name = "FORMAT", allow_hyphen_values = true)]
    format: Option<String>,
    /// Print no line end after a message.
    #[arg(short = 'N', long = "no-newline")]
    no_newline: bool,
    /// Print JSON over several lines.
    #[arg(long)]
    pretty: bool,
}

/// A format that has been understood.
#[derive(Debug)]
pub(crate) struct Format {
    parts: Vec<Part>,
    pretty: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Payload,
    Hexadecimal {
        upper: bool,
    },
    Length,
    Topic,
    QoS,
    Retained,
    IsoTime,
    UnixTime,
    Time(char),
    ContentType,
    CorrelationData,
    Expiry,
    PayloadFormat,
    UserProperties,
    ResponseTopic,
    SubscriptionIdentifiers,
    /// With the payload as JSON if it is JSON, or always as a text.
    Json {
        embedded: bool,
    },
}

impl Format {
    pub(crate) fn from_args(args: &FormatArgs) -> Result<Self, Failure> {
        let mut parts = match args.format.as_deref() {
            Some("json") => vec![Part::Json { embedded: false }],
            Some(text) => {
                parse(text).map_err(|error| Failure::usage(format_args!("-F: {error}")))?
            }
            None if args.verbose => vec![Part::Topic, Part::Text(" ".to_owned()), Part::Payload],
            None => vec![Part::Payload],
        };
        if !args.no_newline {
            parts.push(Part::Text("\n".to_owned()));
        }
        Ok(Format {
            parts,
            pretty: args.pretty,
        })
    }

    /// Prints a message that has come now.
    pub(crate) fn write(&self, out: &mut impl Write, message: &Received) -> io::Result<()> {
        let mut now = None;
        for part in &self.parts {
            self.write_part(out, part, message, &mut now)?;
        }
        Ok(())
    }

    fn write_part(
        &self,
        out: &mut impl Write,
        part: &Part,
        message: &Received,
        now: &mut Option<Zoned>,
    ) -> io::Result<()> {
        let mut now = || now.get_or_insert_with(Zoned::now).clone();
        let absent = PublishProperties::default();
        let properties = message.properties().unwrap_or(&absent);
        match part {
            Part::Text(text) => out.write_all(text.as_bytes()),
            Part::Payload => out.write_all(message.payload()),
            Part::Hexadecimal { upper } => {
                out.write_all(hexadecimal(message.payload(), *upper).as_bytes())
            }
            Part::Length => write!(out, "{}", message.payload().len()),
            Part::Topic => out.write_all(message.topic().as_str().as_bytes()),
            Part::QoS => write!(out, "{}", message.qos().bits()),
            Part::Retained => write!(out, "{}", u8::from(message.is_retained())),
            Part::IsoTime => out.write_all(iso(&now()).as_bytes()),
            Part::UnixTime => write!(out, "{}", unix(&now())),
            Part::Time(letter) => write!(out, "{}", now().strftime(&format!("%{letter}"))),
            Part::ContentType => write_present(out, properties.content_type.as_deref()),
            Part::CorrelationData => {
                out.write_all(properties.correlation_data.as_deref().unwrap_or_default())
            }
            Part::Expiry => write_present(out, properties.message_expiry_interval),
            Part::PayloadFormat => write_present(
                out,
                properties
                    .payload_format_indicator
                    .map(|format| format as u8),
            ),
            Part::UserProperties => {
                let pairs = properties
                    .user_properties
                    .iter()
                    .map(|(name, value)| format!("{name}:{value}"));
                out.write_all(pairs.collect::<Vec<_>>().join(" ").as_bytes())
            }
            Part::ResponseTopic => write_present(out, properties.response_topic.as_ref()),
            Part::SubscriptionIdentifiers => {
                let numbers = properties
                    .subscription_identifiers
                    .iter()
                    .map(|number| number.as_u32().to_string());
                out.write_all(numbers.collect::<Vec<_>>().join(" ").as_bytes())
            }
            Part::Json { embedded } => {
                self.write_json(out, &JsonMessage::new(message, &now(), *embedded))
            }
        }
    }

    fn write_json(&self, out: &mut impl Write, message: &JsonMessage<'_>) -> io::Result<()> {
        match self.pretty {
            true => serde_json::to_writer_pretty(out, message),
            false => serde_json::to_writer(out, message),
        }
        .map_err(io::Error::from)
    }
}

fn write_present(out: &mut impl Write, value: Option<impl std::fmt::Display>) -> io::Result<()> {
    value.map_or(Ok(()), |value| write!(out, "{value}"))
}

fn hexadecimal(bytes: &[u8], upper: bool) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = match upper {
            true => write!(text, "{byte:02X}"),
            false => write!(text, "{byte:02x}"),
        };
    }
    text
}

fn iso(now: &Zoned) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S.%6f%z").to_string()
}

fn unix(now: &Zoned) -> String {
    let timestamp = now.timestamp();
    format!(
        "{}.{:09}",
        timestamp.as_second(),
        timestamp.subsec_nanosecond()
    )
}

/// Understands `%t`, `@H`, `\n` and the like.
fn parse(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let mut letter = || {
            rest.next()
                .ok_or_else(|| format!("{c:?} at the end stands for nothing"))
        };
        let part = match c {
            '\\' => {
                plain.push(escaped(letter()?)?);
                continue;
            }
            '%' => directive(letter()?)?,
            '@' => time(letter()?)?,
            other => Part::Text(other.to_string()),
        };
        match part {
            Part::Text(text) => plain.push_str(&text),
            part => {
                flush(&mut plain, &mut parts);
                parts.push(part);
            }
        }
    }
    flush(&mut plain, &mut parts);
    Ok(parts)
}

fn flush(plain: &mut String, parts: &mut Vec<Part>) {
    if !plain.is_empty() {
        parts.push(Part::Text(std::mem::take(plain)));
    }
}

fn escaped(letter: char) -> Result<char, String> {
    match letter {
        'n' => Ok('\n'),
        't' => Ok('\t'),
        'r' => Ok('\r'),
        '0' => Ok('\0'),
        'a' => Ok('\x07'),
        'e' => Ok('\x1b'),
        'v' => Ok('\x0b'),
        '\\' => Ok('\\'),
        _ => Err(format!("\\{letter} stands for nothing")),
    }
}

fn directive(letter: char) -> Result<Part, String> {
    Ok(match letter {
        '%' => Part::Text("%".to_owned()),
        'p' => Part::Payload,
        'x' => Part::Hexadecimal { upper: false },
        'X' => Part::Hexadecimal { upper: true },
        'l' => Part::Length,
        't' => Part::Topic,
        'q' => Part::QoS,
        'r' => Part::Retained,
        'I' => Part::IsoTime,
        'U' => Part::UnixTime,
        'C' => Part::ContentType,
        'D' => Part::CorrelationData,
        'E' => Part::Expiry,
        'F' => Part::PayloadFormat,
        'P' => Part::UserProperties,
        'R' => Part::ResponseTopic,
        'S' => Part::SubscriptionIdentifiers,
        'j' => Part::Json { embedded: true },
        'J' => Part::Json { embedded: false },
        'A' | 'm' => {
            return Err(format!(
                "%{letter}: aliases and packet identifiers end with the packet"
            ));
        }
        _ => return Err(format!("%{letter} stands for nothing")),
    })
}

/// The letters of strftime that stand for a time of day or a date.
fn time(letter: char) -> Result<Part, String> {
    match letter {
        '@' => Ok(Part::Text("@".to_owned())),
        'a' | 'A' | 'b' | 'B' | 'C' | 'd' | 'D' | 'e' | 'F' | 'g' | 'G' | 'h' | 'H' | 'I' | 'j'
        | 'k' | 'l' | 'm' | 'M' | 'n' | 'N' | 'p' | 'P' | 'R' | 's' | 'S' | 't' | 'T' | 'u'
        | 'U' | 'V' | 'w' | 'W' | 'y' | 'Y' | 'z' | 'Z' => Ok(Part::Time(letter)),
        _ => Err(format!("@{letter} stands for nothing")),
    }
}

/// A message as `mosquitto_sub` shows it in JSON. A payload that is not UTF-8 is given in hexadecimal instead.
#[derive(Debug, Serialize)]
struct JsonMessage<'a> {
    tst: String,
    topic: &'a str,
    qos: u8,
    retain: u8,
    payloadlen: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<JsonProperties<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<JsonPayload<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_hex: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum JsonPayload<'a> {
    Text(&'a str),
    Value(serde_json::Value),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct JsonProperties<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_format_indicator: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_expiry_interval: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_data: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    user_properties: Vec<[&'a str; 2]>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscription_identifiers: Vec<u32>,
}

impl<'a> JsonMessage<'a> {
    fn new(message: &'a Received, now: &Zoned, embedded: bool) -> Self {
        let text = std::str::from_utf8(message.payload()).ok();
        let value = text
            .filter(|_| embedded)
            .and_then(|text| serde_json::from_str(text).ok());
        JsonMessage {
            tst: iso(now),
            topic: message.topic().as_str(),
            qos: message.qos().bits(),
            retain: message.is_retained().into(),
            payloadlen: message.payload().len(),
            properties: message.properties().map(JsonProperties::new),
            payload: value
                .map(JsonPayload::Value)
                .or(text.map(JsonPayload::Text)),
            payload_hex: text
                .is_none()
                .then(|| hexadecimal(message.payload(), false)),
        }
    }
}

impl<'a> JsonProperties<'a> {
    fn new(properties: &'a PublishProperties) -> Self {
        let PublishProperties {
            user_properties,
            subscription_identifiers,
            ..
        } = properties;
        JsonProperties {
            payload_format_indicator: properties
                .payload_format_indicator
                .map(|format: PayloadFormat| format as u8),
            message_expiry_interval: properties.message_expiry_interval,
            content_type: properties.content_type.as_deref(),
            response_topic: properties
                .response_topic
                .as_ref()
                .map(|topic| topic.as_str()),
            correlation_data: properties
                .correlation_data
                .as_ref()
                .map(|data| String::from_utf8_lossy(data).into_owned()),
            user_properties: user_properties
                .iter()
                .map(|(name, value)| [name, value])
                .collect(),
            subscription_identifiers: subscription_identifiers
                .iter()
                .map(|number| number.as_u32())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use mqtide_client::{Message, TopicName};

    use super::*;

    fn show(flags: &FormatArgs, message: Message) -> String {
        let mut out = Vec::new();
        Format::from_args(flags)
            .unwrap()
            .write(&mut out, &message.into())
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    fn formatted(format: &str, message: Message) -> String {
        show(
            &FormatArgs {
                format: Some(format.to_owned()),
                ..FormatArgs::default()
            },
            message,
        )
    }

    fn message(payload: &'static [u8]) -> Message {
        Message::new(TopicName::from_static("a/b"), payload)
    }

    fn with_properties(payload: &'static [u8]) -> Message {
        let mut properties = PublishProperties {
            payload_format_indicator: Some(PayloadFormat::Utf8),
            message_expiry_interval: Some(60),
            content_type: Some("text/plain".into()),
            response_topic: Some(TopicName::from_static("r")),
            correlation_data: Some("7".into()),
            ..PublishProperties::default()
        };
        properties.user_properties.push("unit", "celsius");
        Message {
            properties: Some(Box::new(properties)),
            ..message(payload)
        }
    }

    #[test]
    fn plain_and_verbose() {
        assert_eq!(show(&FormatArgs::default(), message(b"21")), "21\n");
        assert_eq!(
            show(
                &FormatArgs {
                    verbose: true,
                    ..FormatArgs::default()
                },
                message(b"21")
            ),
            "a/b 21\n"
        );
        assert_eq!(
            show(
                &FormatArgs {
                    no_newline: true,
                    ..FormatArgs::default()
                },
                message(b"21")
            ),
            "21"
        );
    }

    #[test]
    fn letters() {
        assert_eq!(
            formatted("%t|%p|%x|%X|%l|%q|%r|%%|@@|\\t", message(b"\x0a")),
            "a/b|\n|0a|0A|1|0|0|%|@|\t\n"
        );
        assert_eq!(
            formatted("%C %D %E %F %P %R", with_properties(b"")),
            "text/plain 7 60 1 unit:celsius r\n"
        );
        assert_eq!(formatted("%C%D%E%F%P%R%S", message(b"")), "\n");
        let time = formatted("%I", message(b""));
        assert_eq!(
            (time.len(), &time[10..11]),
            ("2026-11-20T13:26:47.000000+0000\n".len(), "T"),
            "{time}"
        );
        assert!(
            formatted("%U", message(b""))
                .trim()
                .split_once('.')
                .unwrap()
                .0
                .parse::<u64>()
                .unwrap()
                > 1_700_000_000
        );
        assert_eq!(formatted("@Y-@m", message(b"")).len(), "2026-11\n".len());
    }

    #[test]
    fn json() {
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let value = parse(&formatted("json", with_properties(b"{\"v\":1}")));
        assert_eq!(
            (&value["topic"], &value["qos"], &value["payloadlen"]),
            (&"a/b".into(), &0.into(), &7.into())
        );
        assert_eq!(value["payload"], "{\"v\":1}");
        assert_eq!(value["properties"]["content-type"], "text/plain");
        assert_eq!(value["properties"]["user-properties"][0][1], "celsius");
        assert_eq!(
            parse(&formatted("%j", message(b"{\"v\":1}")))["payload"]["v"],
            1
        );
        assert_eq!(
            parse(&formatted("%j", message(b"no json")))["payload"],
            "no json"
        );
        let binary = parse(&formatted("%J", message(b"\xff\x00")));
        assert_eq!(
            (&binary["payload_hex"], binary.get("payload")),
            (&"ff00".into(), None)
        );
    }

    #[test]
    fn what_stands_for_nothing_is_an_error() {
        for format in ["%", "%z", "@", "@!", "\\", "\\q", "%m"] {
            let flags = FormatArgs {
                format: Some(format.to_owned()),
                ..FormatArgs::default()
            };
            assert!(Format::from_args(&flags).is_err(), "{format}");
        }
    }
}
