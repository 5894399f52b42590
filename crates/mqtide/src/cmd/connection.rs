//! What `pub` and `sub` share: which server, as whom, with what will.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::{ArgAction, Args};
use mqtide_client::{
    ConnectError, Credentials, Options, QoS, TopicName, UrlError, Version, Will, WillProperties,
};
use url::Url;

use crate::cmd::property::{self, Property, Scope};
use crate::failure::Failure;

/// Flags of both client commands, in the letters of `mosquitto_pub` and `mosquitto_sub`; so `-h` is the host, and
/// help is `--help`.
#[derive(Debug, Args)]
pub(crate) struct ConnectionArgs {
    /// Server to connect to.
    #[arg(short = 'h', long, default_value = "localhost", conflicts_with = "url")]
    host: String,
    /// Port of the server.
    #[arg(short, long, default_value_t = 1883, conflicts_with = "url")]
    port: u16,
    #[arg(short = 'L', long, value_name = "URL", help = URL)]
    url: Option<String>,
    /// User name.
    #[arg(short, long, value_name = "NAME")]
    username: Option<String>,
    /// Password; the environment variable keeps it out of the list of processes.
    #[arg(
        short = 'P',
        long = "password",
        visible_alias = "pw",
        env = "MQTIDE_PASSWORD",
        hide_env_values = true
    )]
    password: Option<String>,
    /// Protocol version: 5, 3.1.1 or 3.1 (or mqttv5, 311, mqttv311, 31, mqttv31) [default: 5].
    #[arg(short = 'V', long, value_parser = parse_version, value_name = "VERSION")]
    protocol_version: Option<Version>,
    /// Client identifier [default: mqtide- and random letters].
    #[arg(short, long, visible_alias = "client-id", value_name = "ID")]
    id: Option<String>,
    /// Client identifier made of this and random letters.
    #[arg(short = 'I', long, value_name = "PREFIX", conflicts_with = "id")]
    id_prefix: Option<String>,
    /// Longest silence in seconds; 0 for no limit [default: 60].
    #[arg(short, long, visible_alias = "keep-alive", value_name = "SECONDS")]
    keepalive: Option<u16>,
    /// Continue the session of this client identifier, and leave it behind at the end (no clean start).
    #[arg(
        short = 'c',
        long = "persistent",
        visible_alias = "disable-clean-session"
    )]
    persistent: bool,
    /// Seconds that the server keeps the session afterwards, or `never` for no end; MQTT 5.0
    /// [default: never with -c, else until this client leaves].
    #[arg(short = 'x', long, value_parser = parse_expiry, value_name = "SECONDS", allow_hyphen_values = true)]
    session_expiry_interval: Option<Expiry>,
    /// Topic of the message that the server publishes if this client is cut off.
    #[arg(long, value_name = "TOPIC")]
    will_topic: Option<String>,
    /// Content of that message.
    #[arg(
        long,
        requires = "will_topic",
        value_name = "MESSAGE",
        allow_hyphen_values = true
    )]
    will_payload: Option<String>,
    /// QoS of that message.
    #[arg(long, requires = "will_topic", default_value = "0", value_parser = parse_qos, value_name = "QOS")]
    will_qos: QoS,
    /// Retain that message.
    #[arg(long, requires = "will_topic")]
    will_retain: bool,
    /// Seconds to wait before publishing that message; MQTT 5.0.
    #[arg(long, requires = "will_topic", value_name = "SECONDS")]
    will_delay: Option<u32>,
    /// Largest packet to accept, in bytes.
    #[arg(long, default_value_t = MAXIMUM_PACKET_SIZE, value_name = "BYTES")]
    max_packet_size: NonZeroU32,
    /// MQTT 5.0 property of a packet: `-D publish content-type text/plain`, `-D connect user-property NAME VALUE`;
    /// may be repeated.
    #[arg(short = 'D', long = "property", num_args = 3..=4, action = ArgAction::Append, allow_hyphen_values = false,
          value_names = ["PACKET", "PROPERTY", "VALUE"])]
    properties: Vec<String>,
    /// Log what goes on, as --log debug does.
    #[arg(short, long)]
    debug: bool,
    /// Print no error messages.
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Print help.
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// What the flags come to.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) options: Options,
    /// The server, for messages.
    pub(crate) server: String,
    /// The topic in the URL.
    pub(crate) topic: Option<String>,
    pub(crate) version: Version,
    /// Properties of the packets other than CONNECT and the will.
    pub(crate) properties: Vec<Property>,
}

impl ConnectionArgs {
    pub(crate) fn default_log_level(&self) -> &'static str {
        match (self.debug, self.quiet) {
            (true, _) => "debug",
            (false, true) => "off",
            (false, false) => "warn",
        }
    }

    /// Whether a session is continued and left behind.
    pub(crate) fn is_persistent(&self) -> bool {
        self.persistent
    }

    /// Checks the flags against each other; properties can be set on the packets in `allowed`.
    pub(crate) fn connection(&self, allowed: &[Scope]) -> Result<Connection, Failure> {
        // What a flag says wins over what the URL says.
        let (mut options, topic) = self.target()?;
        if let Some(version) = self.protocol_version {
            options = options.version(version);
        }
        if let Some(seconds) = self.keepalive {
            options = options.keep_alive(Duration::from_secs(seconds.into()));
        }
        let version = options.protocol_version();
        let properties = property::parse_all(&self.properties, allowed).map_err(Failure::usage)?;
        if version != Version::V5 && !properties.is_empty() {
            return Err(Failure::usage(format_args!(
                "-D: {version} has no properties, use -V 5"
            )));
        }
        if let Some(will) = self.will(&properties)? {
            options = options.will(will);
        }
        if let Some(credentials) = self.credentials() {
            options = options.credentials(credentials);
        }
        options = self.session(options)?;
        options = options.maximum_packet_size(self.max_packet_size);
        for property in &properties {
            options = property.connect(options);
        }
        Ok(Connection {
            server: options.target().to_string(),
            options,
            topic,
            version,
            properties: properties
                .into_iter()
                .filter(|property| !property.is_for_connect())
                .collect(),
        })
    }

    fn target(&self) -> Result<(Options, Option<String>), Failure> {
        let Some(text) = &self.url else {
            return Ok((Options::new(self.host.as_str()).port(self.port), None));
        };
        let wrong = |error: UrlError| Failure::usage(format_args!("--url {text}: {error}"));
        let mut url = Url::parse(text).map_err(|_| wrong(UrlError::Malformed))?;
        let topic = url.path().strip_prefix('/').unwrap_or_default().to_owned();
        url.set_path("");
        let options = Options::from_url(url.as_str()).map_err(wrong)?;
        let topic = percent_encoding::percent_decode_str(&topic)
            .decode_utf8()
            .map_err(|_| wrong(UrlError::Malformed))?
            .into_owned();
        Ok((options, Some(topic).filter(|topic| !topic.is_empty())))
    }

    fn credentials(&self) -> Option<Credentials> {
        match (&self.username, &self.password) {
            (None, None) => None,
            (None, Some(password)) => Some(Credentials::password(password.clone())),
            (Some(name), None) => Some(Credentials::user_name(name.as_str())),
            (Some(name), Some(password)) => Some(Credentials::new(name.as_str(), password.clone())),
        }
    }

    fn session(&self, options: Options) -> Result<Options, Failure> {
        if self.persistent
            && self.id.is_none()
            && self
                .url
                .as_ref()
                .is_none_or(|url| !url.contains("client_id="))
        {
            return Err(Failure::usage(
                "-c continues the session of a client identifier: give it with -i",
            ));
        }
        let mut options = options;
        match (&self.id, &self.id_prefix) {
            (Some(id), _) => options = options.client_identifier(id.as_str()),
            (None, Some(prefix)) => options = options.client_identifier(random_identifier(prefix)),
            (None, None)
                if self
                    .url
                    .as_ref()
                    .is_some_and(|url| url.contains("client_id=")) => {}
            (None, None) => options = options.client_identifier(random_identifier("mqtide-")),
        }
        if self.persistent {
            options = options.clean_start(false);
        }
        let expiry = match (
            self.session_expiry_interval,
            self.persistent,
            options.protocol_version(),
        ) {
            (Some(_), _, version) if version != Version::V5 => {
                return Err(Failure::usage(format_args!(
                    "-x: {version} has no session expiry, use -V 5"
                )));
            }
            (Some(expiry), ..) => Some(expiry.0),
            (None, true, Version::V5) => Some(Duration::MAX),
            (None, ..) => None,
        };
        Ok(match expiry {
            Some(expiry) => options.session_expiry(expiry),
            None => options,
        })
    }

    fn will(&self, properties: &[Property]) -> Result<Option<Will>, Failure> {
        let Some(topic) = &self.will_topic else {
            return match properties
                .iter()
                .any(|property| property.scope() == Scope::Will)
            {
                true => Err(Failure::usage(
                    "-D will: there is no will without --will-topic",
                )),
                false => Ok(None),
            };
        };
        let topic = TopicName::try_from(topic.as_str())
            .map_err(|error| Failure::usage(format_args!("--will-topic {topic}: {error}")))?;
        let mut will = Will::new(topic, self.will_payload.clone().unwrap_or_default());
        will.qos = self.will_qos;
        will.retain = self.will_retain;
        let mut will_properties = WillProperties {
            will_delay_interval: self.will_delay,
            ..WillProperties::default()
        };
        properties
            .iter()
            .for_each(|property| property.will(&mut will_properties));
        if will_properties != WillProperties::default() {
            will.properties = Some(Box::new(will_properties));
        }
        Ok(Some(will))
    }
}

/// Why no connection could be made, and what to do about it.
pub(crate) fn explain(server: &str, error: &ConnectError) -> Failure {
    match error {
        ConnectError::Io(source) if source.kind() == std::io::ErrorKind::ConnectionRefused => {
            Failure::new(format_args!(
                "{server}: nobody listens there; is the broker running? `mqtide broker` starts one"
            ))
        }
        ConnectError::Options(error) => Failure::usage(error),
        error => Failure::new(format_args!("{server}: {error}")),
    }
}

/// Seconds that a session is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expiry(Duration);

fn parse_expiry(text: &str) -> Result<Expiry, String> {
    match text {
        "never" | "-1" | "∞" => Ok(Expiry(Duration::MAX)),
        seconds => seconds
            .parse::<u32>()
            .map(|seconds| Expiry(Duration::from_secs(seconds.into())))
            .map_err(|_| "expected seconds from 0 to 4294967295, or `never`".to_owned()),
    }
}

pub(crate) fn parse_qos(text: &str) -> Result<QoS, String> {
    match text {
        "0" => Ok(QoS::AtMostOnce),
        "1" => Ok(QoS::AtLeastOnce),
        "2" => Ok(QoS::ExactlyOnce),
        _ => Err("expected 0, 1 or 2".to_owned()),
    }
}

fn parse_version(text: &str) -> Result<Version, String> {
    match text {
        "5" | "5.0" | "mqttv5" => Ok(Version::V5),
        "3.1.1" | "311" | "mqttv311" => Ok(Version::V311),
        "3.1" | "31" | "mqttv31" => Ok(Version::V31),
        _ => Err("expected 5, 3.1.1 or 3.1".to_owned()),
    }
}

/// A prefix and nine letters or digits: within the 23 bytes that every server takes, if the prefix is short.
fn random_identifier(prefix: &str) -> String {
    let suffix = (0..9).map(|_| {
        char::from(rand::Rng::sample(
            &mut rand::rng(),
            rand::distr::Alphanumeric,
        ))
    });
    prefix.chars().chain(suffix).collect()
}

/// All that MQTT can express: these programs are tools, and have no reason to refuse a message.
const MAXIMUM_PACKET_SIZE: NonZeroU32 = NonZeroU32::new(268_435_460).unwrap();

const URL: &str = "Server, and if wanted credentials, topic and options, in one: \
    mqtt://[USER[:PASSWORD]@]HOST[:PORT][/TOPIC][?client_id=ID&keep_alive=SECONDS&..]";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    #[command(disable_help_flag = true)]
    struct Flags {
        #[command(flatten)]
        connection: ConnectionArgs,
    }

    fn connection(flags: &[&str]) -> Result<Connection, Failure> {
        let flags = std::iter::once(&"test").chain(flags);
        Flags::parse_from(flags)
            .connection
            .connection(&[Scope::Connect])
    }

    #[test]
    fn a_url_gives_server_topic_and_options_and_flags_win() {
        let url = "mqtt://[::1]:1884/a/b%2Fc?version=3.1.1&client_id=x";
        let from_url = connection(&["-L", url]).unwrap();
        assert_eq!(from_url.server, "[::1]:1884");
        assert_eq!(from_url.topic.as_deref(), Some("a/b/c"));
        assert_eq!(from_url.version, Version::V311);
        assert_eq!(
            connection(&["-L", url, "-V", "5"]).unwrap().version,
            Version::V5
        );
        assert_eq!(connection(&[]).unwrap().version, Version::V5);
    }

    #[test]
    fn flags_that_do_not_go_together_are_mistakes() {
        for (flags, part) in [
            (&["-c"][..], "-i"),
            (&["-V", "311", "-x", "5"], "-V 5"),
            (
                &["-V", "31", "-D", "connect", "receive-maximum", "5"],
                "-V 5",
            ),
            (&["-L", "mqtts://h"], "mqtts"),
            (&["--will-topic", "a/#"], "--will-topic"),
        ] {
            let error = connection(flags).unwrap_err().to_string();
            assert!(error.contains(part), "{flags:?}: {error}");
        }
    }
}
