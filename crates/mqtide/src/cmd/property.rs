//! `-D PACKET PROPERTY VALUE`: MQTT 5.0 properties by the names that `mosquitto_pub` uses.

use bytes::Bytes;
use mqtide_client::{Options, PayloadFormat, Publish, TopicName, WillProperties};

/// Which packet a property belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Connect,
    Will,
    Publish,
}

impl Scope {
    const fn name(self) -> &'static str {
        match self {
            Scope::Connect => "connect",
            Scope::Will => "will",
            Scope::Publish => "publish",
        }
    }
}

/// A property and its packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Property {
    scope: Scope,
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    User(String, String),
    ContentType(String),
    ResponseTopic(TopicName),
    CorrelationData(Bytes),
    MessageExpiry(u32),
    PayloadFormat(PayloadFormat),
    WillDelay(u32),
    SessionExpiry(u32),
    ReceiveMaximum(std::num::NonZeroU16),
    TopicAliasMaximum(u16),
}

impl Property {
    pub(crate) fn scope(&self) -> Scope {
        self.scope
    }

    pub(crate) fn is_for_connect(&self) -> bool {
        self.scope != Scope::Publish
    }

    /// Adds the property to a message.
    pub(crate) fn publish<'a>(&self, publish: Publish<'a>) -> Publish<'a> {
        if self.scope != Scope::Publish {
            return publish;
        }
        match self.value.clone() {
            Value::User(name, value) => publish.user_property(name, value),
            Value::ContentType(content_type) => publish.content_type(content_type),
            Value::ResponseTopic(topic) => publish.response_topic(topic),
            Value::CorrelationData(data) => publish.correlation_data(data),
            Value::MessageExpiry(seconds) => {
                publish.expiry(std::time::Duration::from_secs(seconds.into()))
            }
            Value::PayloadFormat(PayloadFormat::Utf8) => publish.text(),
            _ => publish,
        }
    }

    /// Adds the property to a will.
    pub(crate) fn will(&self, will: &mut WillProperties) {
        if self.scope != Scope::Will {
            return;
        }
        match self.value.clone() {
            Value::User(name, value) => will.user_properties.push(name, value),
            Value::ContentType(content_type) => will.content_type = Some(content_type.into()),
            Value::ResponseTopic(topic) => will.response_topic = Some(topic),
            Value::CorrelationData(data) => will.correlation_data = Some(data),
            Value::MessageExpiry(seconds) => will.message_expiry_interval = Some(seconds),
            Value::PayloadFormat(format) => will.payload_format_indicator = Some(format),
            Value::WillDelay(seconds) => will.will_delay_interval = Some(seconds),
            _ => {}
        }
    }

    /// Adds the property to CONNECT.
    pub(crate) fn connect(&self, options: Options) -> Options {
        if self.scope != Scope::Connect {
            return options;
        }
        match self.value.clone() {
            Value::User(name, value) => options.user_property(name, value),
            Value::SessionExpiry(u32::MAX) => options.session_expiry(std::time::Duration::MAX),
            Value::SessionExpiry(seconds) => {
                options.session_expiry(std::time::Duration::from_secs(seconds.into()))
            }
            Value::ReceiveMaximum(maximum) => options.receive_maximum(maximum),
            Value::TopicAliasMaximum(maximum) => options.topic_alias_maximum(maximum),
            _ => options,
        }
    }
}

/// Parses the values of all `-D` flags, which come in one list: three each, or four for a user property.
pub(crate) fn parse_all(words: &[String], allowed: &[Scope]) -> Result<Vec<Property>, String> {
    let mut properties = Vec::new();
    let mut rest = words;
    while let [packet, name, value, more @ ..] = rest {
        let scope = scope(packet, allowed)?;
        let (value, more) = match (name.as_str(), more) {
            ("user-property", [second, more @ ..]) => {
                (Value::User(value.clone(), second.clone()), more)
            }
            ("user-property", []) => {
                return Err("-D: user-property takes a name and a value".to_owned());
            }
            (name, more) => (parse(scope, name, value)?, more),
        };
        properties.push(Property { scope, value });
        rest = more;
    }
    match rest {
        [] => Ok(properties),
        _ => Err(format!(
            "-D: {rest:?} does not have the form PACKET PROPERTY VALUE"
        )),
    }
}

fn scope(packet: &str, allowed: &[Scope]) -> Result<Scope, String> {
    let found = allowed.iter().copied().find(|scope| scope.name() == packet);
    found.ok_or_else(|| {
        let names: Vec<_> = allowed.iter().map(|scope| scope.name()).collect();
        format!(
            "-D {packet}: no properties can be set there, only on {}",
            names.join(", ")
        )
    })
}

fn parse(scope: Scope, name: &str, value: &str) -> Result<Value, String> {
    let wrong = |what: &str| format!("-D {} {name} {value}: expected {what}", scope.name());
    let seconds = || value.parse().map_err(|_| wrong("seconds"));
    Ok(match (scope, name) {
        (Scope::Publish | Scope::Will, "content-type") => Value::ContentType(value.to_owned()),
        (Scope::Publish | Scope::Will, "response-topic") => Value::ResponseTopic(
            TopicName::try_from(value).map_err(|error| wrong(&format!("a topic ({error})")))?,
        ),
        (Scope::Publish | Scope::Will, "correlation-data") => {
            Value::CorrelationData(Bytes::copy_from_slice(value.as_bytes()))
        }
        (Scope::Publish | Scope::Will, "message-expiry-interval") => {
            Value::MessageExpiry(seconds()?)
        }
        (Scope::Publish | Scope::Will, "payload-format-indicator") => {
            Value::PayloadFormat(match value {
                "0" => PayloadFormat::Unspecified,
                "1" => PayloadFormat::Utf8,
                _ => return Err(wrong("0 or 1")),
            })
        }
        (Scope::Will, "will-delay-interval") => Value::WillDelay(seconds()?),
        (Scope::Connect, "session-expiry-interval") => Value::SessionExpiry(seconds()?),
        (Scope::Connect, "receive-maximum") => Value::ReceiveMaximum(
            value
                .parse()
                .map_err(|_| wrong("a number from 1 to 65535"))?,
        ),
        (Scope::Connect, "topic-alias-maximum") => Value::TopicAliasMaximum(
            value
                .parse()
                .map_err(|_| wrong("a number from 0 to 65535"))?,
        ),
        _ => {
            return Err(format!(
                "-D {}: there is no property {name} to set",
                scope.name()
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[Scope] = &[Scope::Connect, Scope::Will, Scope::Publish];

    fn words(text: &str) -> Vec<String> {
        text.split(' ')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn three_words_each_and_four_for_user_properties() {
        let text =
            "publish user-property a b publish content-type text/plain connect receive-maximum 5";
        let properties = parse_all(&words(text), ALL).unwrap();
        assert_eq!(properties.len(), 3);
        assert_eq!(properties[0].value, Value::User("a".into(), "b".into()));
        assert!(!properties[0].is_for_connect() && properties[2].is_for_connect());
        assert_eq!(parse_all(&[], ALL), Ok(Vec::new()));
    }

    #[test]
    fn errors_say_what_is_wrong() {
        for (text, part) in [
            ("publish content-type", "PACKET PROPERTY VALUE"),
            ("publish user-property a", "a name and a value"),
            ("puback reason-string x", "only on connect, will, publish"),
            (
                "publish session-expiry-interval 1",
                "no property session-expiry-interval",
            ),
            ("publish message-expiry-interval soon", "expected seconds"),
            ("publish response-topic a/#", "expected a topic"),
            ("connect receive-maximum 0", "from 1 to 65535"),
        ] {
            let error = parse_all(&words(text), ALL).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn will_properties_are_set() {
        let mut will = WillProperties::default();
        let text = "will will-delay-interval 3 will payload-format-indicator 1 will content-type t";
        for property in parse_all(&words(text), ALL).unwrap() {
            property.will(&mut will);
        }
        assert_eq!(will.will_delay_interval, Some(3));
        assert_eq!(will.payload_format_indicator, Some(PayloadFormat::Utf8));
        assert_eq!(will.content_type.as_deref(), Some("t"));
    }
}
