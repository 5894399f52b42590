//! Packets by name, to send and to expect.
//!
//! | written | packet |
//! |---|---|
//! | `connect ID ..` | `clean=0` `keep=60` `user=U` `pass=P` `props={ .. }`, `durable` (clean=0, in 5.0 with a Session Expiry Interval of an hour), `sei=` `rm=` `max=` `aliases=` (5.0 alone), `will=TOPIC` `willmsg=` `willq=` `willretain` `willprops={ .. }`, `level=9` `name=MQTX` |
//! | `connack ..` | `sp=1` `rc=00` `props={ .. }`; properties are free when not given |
//! | `publish TOPIC PAYLOAD ..` | `q=1` `id=7` `dup` `retain` `props={ .. }` |
//! | `puback ID [REASON]`, `pubrec`, `pubrel`, `pubcomp` | a reason is left out in 3.x |
//! | `subscribe ID FILTER OPTIONS ..`, `suback ID CODE ..` | |
//! | `unsubscribe ID FILTER ..`, `unsuback ID CODE ..` | codes are left out in 3.x |
//! | `ping`, `pong`, `disconnect [REASON]`, `auth REASON` | |
//!
//! A text that begins with a quote or a bracket is [notation](crate::notation); `-` is the empty payload.

use crate::notation::{Pattern, bytes, hex, variable_byte_integer};

/// The words of a step: positional ones, and `key=value` or flags.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) plain: Vec<String>,
    options: Vec<(String, String)>,
}

impl Words {
    /// Splits at blanks outside quotes and brackets.
    pub(super) fn new(text: &str) -> Self {
        let mut words = Self::default();
        for word in split(text) {
            match word.split_once('=') {
                Some((key, value))
                    if key.chars().all(|c| c.is_ascii_lowercase()) && !key.is_empty() =>
                {
                    words.options.push((key.to_owned(), value.to_owned()));
                }
                _ if FLAGS.contains(&word.as_str()) => words.options.push((word, String::new())),
                _ => words.plain.push(word),
            }
        }
        words
    }

    pub(super) fn option(&self, key: &str) -> Option<&str> {
        self.options
            .iter()
            .rev()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        self.option(key).is_some()
    }

    pub(super) fn word(&self, at: usize) -> Result<&str, String> {
        self.plain
            .get(at)
            .map(String::as_str)
            .ok_or_else(|| format!("word {} is missing", at + 1))
    }

    pub(super) fn number(&self, key: &str, or: u32) -> Result<u32, String> {
        self.option(key).map_or(Ok(or), |text| {
            text.parse().map_err(|_| format!("not a number: {text}"))
        })
    }

    fn properties(&self) -> &str {
        self.option("props").unwrap_or("{}")
    }
}

/// The bytes of a packet to send.
pub(super) fn build(version: u8, words: &Words) -> Result<Vec<u8>, String> {
    let text = match words.word(0)? {
        "connect" => connect(version, words)?,
        "publish" => publish(version, words)?,
        "subscribe" => subscribe(version, words)?,
        "unsubscribe" => unsubscribe(version, words)?,
        "ping" => "C0 00".to_owned(),
        "pong" => "D0 00".to_owned(),
        "disconnect" => reason_packet("E0", version, words.plain.get(1), words),
        "auth" => reason_packet("F0", version, words.plain.get(1), words),
        name => match acknowledgement(name) {
            Some(first) => acknowledge(first, version, words)?,
            None => return Err(format!("unknown packet: {name}")),
        },
    };
    bytes(&text)
}

/// Whether the first word names a packet, so that the line is not notation.
pub(super) fn is_name(word: &str) -> bool {
    NAMES.contains(&word)
}

/// The patterns of which one must match a packet that comes, PUBLISH excepted.
pub(super) fn expectation(version: u8, words: &Words) -> Result<Vec<Pattern>, String> {
    let texts = match words.word(0)? {
        "connack" => vec![connack(version, words)],
        "suback" => vec![subscription_answer("90", version, words, true)?],
        "unsuback" => vec![subscription_answer("B0", version, words, version == 5)?],
        "pong" => vec!["D0 00".to_owned()],
        "disconnect" => reasons("E0", words.plain.get(1)),
        "auth" => vec![format!(
            "F0 {{ {} {} }}",
            words.word(1)?,
            words.option("props").unwrap_or("{ ** }")
        )],
        name => match acknowledgement(name) {
            Some(first) => expected_acknowledgement(first, version, words)?,
            None => return Err(format!("unknown packet: {name}")),
        },
    };
    texts.iter().map(|text| Pattern::parse(text)).collect()
}

/// An MQTT string, from a word.
pub(super) fn string(word: &str) -> String {
    if is_notation(word) {
        word.to_owned()
    } else {
        format!("\"{word}\"")
    }
}

/// Bytes without a length, from a word.
pub(super) fn payload(word: &str) -> String {
    match word {
        "-" => String::new(),
        _ if is_notation(word) => word.to_owned(),
        _ => format!("'{word}'"),
    }
}

/// A received PUBLISH, taken apart by hand.
#[derive(Debug)]
pub(super) struct Publish {
    pub(super) first: u8,
    pub(super) topic: Vec<u8>,
    pub(super) id: Option<u16>,
    pub(super) properties: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

impl Publish {
    pub(super) fn parse(version: u8, packet: &[u8]) -> Option<Self> {
        let first = *packet.first().filter(|first| **first >> 4 == 3)?;
        let (_, taken) = variable_byte_integer(packet.get(1..)?)?;
        let mut rest = packet.get(1 + taken..)?;
        let length = usize::from(take_u16(&mut rest)?);
        let topic = take(&mut rest, length)?;
        let id = if first & 0x06 == 0 {
            None
        } else {
            Some(take_u16(&mut rest)?)
        };
        let mut properties = Vec::new();
        if version == 5 {
            let (length, taken) = variable_byte_integer(rest)?;
            properties = take(&mut rest, taken + length)?;
        }
        Some(Self {
            first,
            topic,
            id,
            properties,
            payload: rest.to_vec(),
        })
    }

    pub(super) fn qos(&self) -> u8 {
        (self.first >> 1) & 3
    }

    /// What differs from the words of a step, if anything does.
    pub(super) fn differs(&self, words: &Words) -> Result<Option<String>, String> {
        let mut topic = Vec::new();
        let text = self.topic.clone();
        topic.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
        topic.extend(text);
        let checks = [
            ("topic", string(words.word(1)?), &topic),
            ("payload", payload(words.word(2)?), &self.payload),
            (
                "props",
                words.option("props").unwrap_or("**").to_owned(),
                &self.properties,
            ),
        ];
        for (what, expected, found) in checks {
            if !Pattern::parse(&expected)?.matches(found) {
                return Ok(Some(format!("{what} is {}, not {expected}", hex(found))));
            }
        }
        let expected = 0x30 | publish_flags(words)?;
        let differs = self.first != expected;
        Ok(differs.then(|| format!("first byte is {:02X}, not {expected:02X}", self.first)))
    }
}

fn connect(version: u8, words: &Words) -> Result<String, String> {
    let durable = words.flag("durable");
    let mut flags = if durable || words.option("clean") == Some("0") {
        0
    } else {
        0x02
    };
    let mut body = string(words.word(1)?);
    if let Some(topic) = words.option("will") {
        flags |= 0x04
            | (words.number("willq", 0)? << 3)
            | if words.flag("willretain") { 0x20 } else { 0 };
        let properties = if version == 5 {
            words.option("willprops").unwrap_or("{}")
        } else {
            ""
        };
        let message = payload(words.option("willmsg").unwrap_or("-"));
        body += &format!(" {properties} {} [ {message} ]", string(topic));
    }
    for (key, flag) in [("user", 0x80), ("pass", 0x40)] {
        if let Some(value) = words.option(key) {
            flags |= flag;
            body += &format!(" [ {} ]", payload(value));
        }
    }
    let name = words
        .option("name")
        .unwrap_or(if version == 3 { "MQIsdp" } else { "MQTT" });
    let level = words.number("level", u32::from(version))?;
    let flags = words
        .option("flags")
        .map_or_else(|| format!("{flags:02X}"), str::to_owned);
    let keep_alive = words.number("keep", 60)?;
    let properties = if version == 5 {
        connect_properties(words, durable)
    } else {
        String::new()
    };
    Ok(format!(
        "10 {{ {} u8:{level} {flags} u16:{keep_alive} {properties} {body} }}",
        string(name)
    ))
}

fn connect_properties(words: &Words, durable: bool) -> String {
    let mut inner = String::new();
    if durable && !words.flag("sei") {
        inner += " 11 u32:3600";
    }
    for (key, notation) in [
        ("sei", "11 u32:"),
        ("rm", "21 u16:"),
        ("max", "27 u32:"),
        ("aliases", "22 u16:"),
    ] {
        if let Some(value) = words.option(key) {
            inner += &format!(" {notation}{value}");
        }
    }
    let given = words.properties().trim_matches(['{', '}']).to_owned();
    format!("{{ {inner} {given} }}")
}

fn publish(version: u8, words: &Words) -> Result<String, String> {
    let flags = publish_flags(words)?;
    let id = if flags & 0x06 == 0 {
        String::new()
    } else {
        format!("u16:{}", words.number("id", 1)?)
    };
    let properties = if version == 5 { words.properties() } else { "" };
    let (topic, payload) = (string(words.word(1)?), payload(words.word(2)?));
    Ok(format!(
        "{:02X} {{ {topic} {id} {properties} {payload} }}",
        0x30 | flags
    ))
}

fn publish_flags(words: &Words) -> Result<u8, String> {
    let qos = u8::try_from(words.number("q", 0)?).map_err(|error| error.to_string())?;
    let flag = |name: &str, bit: u8| if words.flag(name) { bit } else { 0 };
    Ok((qos << 1) | flag("retain", 0x01) | flag("dup", 0x08))
}

fn subscribe(version: u8, words: &Words) -> Result<String, String> {
    let mut body = String::new();
    for pair in words.plain[2..].chunks(2) {
        let [filter, options] = pair else {
            return Err("a filter without options".to_owned());
        };
        body += &format!(" {} {:0>2}", string(filter), options);
    }
    let properties = if version == 5 { words.properties() } else { "" };
    Ok(format!(
        "82 {{ u16:{} {properties} {body} }}",
        words.word(1)?
    ))
}

fn unsubscribe(version: u8, words: &Words) -> Result<String, String> {
    let body: Vec<String> = words.plain[2..]
        .iter()
        .map(|filter| string(filter))
        .collect();
    let properties = if version == 5 { words.properties() } else { "" };
    Ok(format!(
        "A2 {{ u16:{} {properties} {} }}",
        words.word(1)?,
        body.join(" ")
    ))
}

fn acknowledgement(name: &str) -> Option<&'static str> {
    match name {
        "puback" => Some("40"),
        "pubrec" => Some("50"),
        "pubrel" => Some("62"),
        "pubcomp" => Some("70"),
        _ => None,
    }
}

fn acknowledge(first: &str, version: u8, words: &Words) -> Result<String, String> {
    let reason = if version == 5 {
        words.plain.get(2).map_or("", String::as_str)
    } else {
        ""
    };
    let properties = words.option("props").unwrap_or("");
    Ok(format!(
        "{first} {{ u16:{} {reason} {properties} }}",
        words.word(1)?
    ))
}

fn expected_acknowledgement(
    first: &str,
    version: u8,
    words: &Words,
) -> Result<Vec<String>, String> {
    let id = words.word(1)?;
    let reasons = words.plain.get(2).map_or("00", String::as_str);
    if version != 5 {
        return Ok(vec![format!("{first} {{ u16:{id} }}")]);
    }
    let mut texts = Vec::new();
    for reason in reasons.split('|') {
        if reason == "00" && !words.flag("props") {
            texts.push(format!("{first} {{ u16:{id} }}"));
        }
        texts.push(format!(
            "{first} {{ u16:{id} {reason} {} }}",
            words.option("props").unwrap_or("**")
        ));
    }
    Ok(texts)
}

fn connack(version: u8, words: &Words) -> String {
    let present = words.option("sp").unwrap_or("0");
    let reason = words.option("rc").unwrap_or("00");
    let properties = if version == 5 {
        words.option("props").unwrap_or("{ ** }")
    } else {
        ""
    };
    format!("20 {{ 0{present} {reason} {properties} }}")
}

fn subscription_answer(
    first: &str,
    version: u8,
    words: &Words,
    codes: bool,
) -> Result<String, String> {
    let properties = if version == 5 {
        words.option("props").unwrap_or("{ ** }")
    } else {
        ""
    };
    let codes = if codes {
        words.plain[2..].join(" ")
    } else {
        String::new()
    };
    Ok(format!(
        "{first} {{ u16:{} {properties} {codes} }}",
        words.word(1)?
    ))
}

fn reason_packet(first: &str, version: u8, reason: Option<&String>, words: &Words) -> String {
    match reason {
        Some(reason) if version == 5 => {
            format!(
                "{first} {{ {reason} {} }}",
                words.option("props").unwrap_or("")
            )
        }
        _ => format!("{first} 00"),
    }
}

fn reasons(first: &str, list: Option<&String>) -> Vec<String> {
    let list = list.map_or("00", String::as_str);
    list.split('|')
        .map(|reason| format!("{first} {{ {reason} ** }}"))
        .collect()
}

fn split(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut quote, mut depth) = (None, 0_usize);
    for c in text.chars() {
        match quote {
            Some(mark) if c == mark => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if matches!(c, '{' | '[' | '(') => depth += 1,
            None if matches!(c, '}' | ']' | ')') => depth = depth.saturating_sub(1),
            None if c.is_whitespace() && depth == 0 => {
                words.push(String::new());
                continue;
            }
            None => {}
        }
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn is_notation(word: &str) -> bool {
    word == "**" || word.starts_with(['"', '\'', '{', '[', '('])
}

fn take_u16(rest: &mut &[u8]) -> Option<u16> {
    let (head, tail) = rest.split_at_checked(2)?;
    *rest = tail;
    Some(u16::from_be_bytes([head[0], head[1]]))
}

fn take(rest: &mut &[u8], length: usize) -> Option<Vec<u8>> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head.to_vec())
}

const FLAGS: [&str; 4] = ["durable", "willretain", "dup", "retain"];

const NAMES: [&str; 15] = [
    "connect",
    "connack",
    "publish",
    "puback",
    "pubrec",
    "pubrel",
    "pubcomp",
    "subscribe",
    "suback",
    "unsubscribe",
    "unsuback",
    "ping",
    "pong",
    "disconnect",
    "auth",
];
