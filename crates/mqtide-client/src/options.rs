//! What a client is told before it connects.

use std::fmt;
use std::future::Future;
use std::num::{NonZeroU16, NonZeroU32};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use mqtide_codec::{Connect, ConnectProperties, UserProperties, Version, Will};

use crate::backoff::Backoff;
use crate::error::{BoxError, OptionsError, UrlError};
use crate::queue::QueuePolicy;
use crate::transport::{Connector, Target, TcpConnector};
use crate::url;

/// What a client is told before it connects: where to, as whom, and how to behave.
///
/// Start from a host or a URL, then set what differs from the defaults.
///
/// ```
/// use std::time::Duration;
/// use mqtide_client::{Options, Will, TopicName};
///
/// let options = Options::from_url("mqtt://press-3:secret@broker.example.com/?keep_alive=30")?
///     .client_identifier("press-3")
///     .clean_start(false)
///     .session_expiry(Duration::from_secs(3600))
///     .will(Will { retain: true, ..Will::new(TopicName::from_static("press/3/state"), "offline") });
/// assert_eq!(options.target().port(), 1883);
/// # Ok::<(), mqtide_client::UrlError>(())
/// ```
///
/// Values that do not go together, or that the chosen version of MQTT cannot express, are an error when the
/// client connects ([`ConnectError::Options`](crate::ConnectError::Options)); nothing is silently left out.
#[derive(Clone)]
#[must_use = "options do nothing until a client connects with them"]
pub struct Options {
    pub(crate) target: Target,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) version: Version,
    pub(crate) client_identifier: ByteString,
    pub(crate) credentials: CredentialsSource,
    pub(crate) keep_alive: Duration,
    pub(crate) clean_start: bool,
    pub(crate) session_expiry: Option<Duration>,
    pub(crate) will: Option<Will>,
    pub(crate) receive_maximum: NonZeroU16,
    pub(crate) maximum_in_flight: Option<NonZeroU16>,
    pub(crate) maximum_packet_size: NonZeroU32,
    pub(crate) topic_alias_maximum: u16,
    pub(crate) user_properties: UserProperties,
    pub(crate) connect_timeout: Duration,
    pub(crate) reconnect: Option<Backoff>,
    pub(crate) queue: QueuePolicy,
    pub(crate) queue_messages: usize,
    pub(crate) queue_bytes: usize,
}

impl Options {
    /// Options for a server at this host name or address, port 1883.
    pub fn new(host: impl Into<String>) -> Self {
        Options {
            target: Target::new(host, Target::DEFAULT_PORT),
            connector: Arc::new(TcpConnector),
            version: Version::V5,
            client_identifier: ByteString::new(),
            credentials: CredentialsSource::None,
            keep_alive: Duration::from_secs(60),
            clean_start: true,
            session_expiry: None,
            will: None,
            receive_maximum: DEFAULT_RECEIVE_MAXIMUM,
            maximum_in_flight: None,
            maximum_packet_size: DEFAULT_MAXIMUM_PACKET_SIZE,
            topic_alias_maximum: 16,
            user_properties: UserProperties::default(),
            connect_timeout: Duration::from_secs(10),
            reconnect: Some(Backoff::default()),
            queue: QueuePolicy::Wait,
            queue_messages: 10_000,
            queue_bytes: 16 * 1024 * 1024,
        }
    }

    /// Options from a URL: `mqtt://[USER[:PASSWORD]@]HOST[:PORT][/][?KEY=VALUE&..]`.
    ///
    /// User name, password and values may be percent-encoded; an IPv6 address stands in brackets. Keys are
    /// `client_id`, `keep_alive` (seconds), `clean_start` (`true` or `false`), `session_expiry` (seconds) and
    /// `version` (`3.1`, `3.1.1` or `5`).
    ///
    /// # Errors
    ///
    /// [`UrlError`] says which part is wrong. A key that is not known is an error, too.
    pub fn from_url(url: &str) -> Result<Self, UrlError> {
        url::parse(url)
    }

    /// Sets the port. Default: 1883.
    pub fn port(mut self, port: u16) -> Self {
        self.target = Target::new(self.target.host(), port);
        self
    }

    /// Sets the protocol version. Default: 5.0.
    pub fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// Sets the client identifier. Default: empty, which lets the server choose one (MQTT 5.0 §3.1.3.1);
    /// MQTT 3.1 always needs one, 3.1.1 needs one unless it starts clean.
    pub fn client_identifier(mut self, identifier: impl Into<ByteString>) -> Self {
        self.client_identifier = identifier.into();
        self
    }

    /// Sets user name and password. Default: none.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = CredentialsSource::Fixed(credentials);
        self
    }

    /// Asks `source` for user name and password before each attempt to connect, for those that expire.
    ///
    /// An error counts as a failed attempt. The time it takes counts towards [`connect_timeout`](Self::connect_timeout).
    ///
    /// ```
    /// # async fn fetch_token() -> Result<String, std::io::Error> { Ok("token".into()) }
    /// use mqtide_client::{Credentials, Options};
    ///
    /// let options = Options::new("broker.example.com")
    ///     .credentials_from(|| async { Ok(Credentials::new("press-3", fetch_token().await?)) });
    /// # let _ = options;
    /// ```
    pub fn credentials_from<F, R>(mut self, source: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<Credentials, BoxError>> + Send + 'static,
    {
        self.credentials = CredentialsSource::Asked(Arc::new(move || Box::pin(source())));
        self
    }

    /// Sets the Keep Alive in whole seconds, rounded up: the longest that the client stays silent. Zero turns
    /// it off; at most 65,535 s. The server may set another value (MQTT 5.0 §3.2.2.3.14). Default: 60 s.
    pub fn keep_alive(mut self, keep_alive: Duration) -> Self {
        self.keep_alive = keep_alive;
        self
    }

    /// Sets whether the first connection discards an earlier session (Clean Start; Clean Session in MQTT 3.x).
    /// When the client reconnects by itself, it never discards its own session. Default: `true`.
    pub fn clean_start(mut self, clean_start: bool) -> Self {
        self.clean_start = clean_start;
        self
    }

    /// Sets how long the server keeps the session after the connection has ended, in whole seconds, rounded
    /// up; [`Duration::MAX`] is for ever. MQTT 5.0 only: in MQTT 3.x a session ends with its connection if it
    /// starts clean, and never otherwise.
    ///
    /// Default: the session outlives a lost connection by five minutes, so that nothing is lost with it, and ends
    /// when the client closes.
    pub fn session_expiry(mut self, session_expiry: Duration) -> Self {
        self.session_expiry = Some(session_expiry);
        self
    }

    /// Sets the message that the server publishes if this client goes without taking leave. Default: none.
    pub fn will(mut self, will: Will) -> Self {
        self.will = Some(will);
        self
    }

    /// Sets how many QoS 1 and 2 messages may wait here for their acknowledgement: the window that slow
    /// streams hold. MQTT 5.0 servers are told (MQTT 5.0 §3.1.2.11.3). Default: 256.
    pub fn receive_maximum(mut self, receive_maximum: NonZeroU16) -> Self {
        self.receive_maximum = receive_maximum;
        self
    }

    /// Sets how many QoS 1 and 2 messages may be on their way to the server at once; the Receive Maximum of an MQTT
    /// 5.0 server (MQTT 5.0 §3.2.2.3.3) holds besides. Default: 1,000 in MQTT 5.0, and 20 in MQTT 3.x,
    /// where servers cannot say how many they take, and some close the connection at more.
    pub fn maximum_in_flight(mut self, maximum_in_flight: NonZeroU16) -> Self {
        self.maximum_in_flight = Some(maximum_in_flight);
        self
    }

    /// Sets the size in bytes of the largest packet that is accepted. MQTT 5.0 servers are told and do not
    /// send larger ones; in MQTT 3.x a larger packet ends the connection. Default: 256 KiB.
    pub fn maximum_packet_size(mut self, maximum_packet_size: NonZeroU32) -> Self {
        self.maximum_packet_size = maximum_packet_size;
        self
    }

    /// Sets how many topic aliases the server may use towards this client. MQTT 5.0 only. Default: 16.
    pub fn topic_alias_maximum(mut self, topic_alias_maximum: u16) -> Self {
        self.topic_alias_maximum = topic_alias_maximum;
        self
    }

    /// Adds a user property to CONNECT. MQTT 5.0 only.
    pub fn user_property(
        mut self,
        name: impl Into<ByteString>,
        value: impl Into<ByteString>,
    ) -> Self {
        self.user_properties.push(name, value);
        self
    }

    /// Sets how long an attempt to connect may take, from the name look-up to the CONNACK. Default: 10 s.
    pub fn connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.connect_timeout = connect_timeout;
        self
    }

    /// Sets when to connect again after a connection was lost. Default: [`Backoff::default`].
    pub fn reconnect(mut self, backoff: Backoff) -> Self {
        self.reconnect = Some(backoff);
        self
    }

    /// Closes the client when its connection is lost.
    pub fn never_reconnect(mut self) -> Self {
        self.reconnect = None;
        self
    }

    /// Sets what a publish does when the queue is full. Default: [`QueuePolicy::Wait`].
    pub fn queue_policy(mut self, policy: QueuePolicy) -> Self {
        self.queue = policy;
        self
    }

    /// Bounds the messages that are accepted and not yet settled, by number and by bytes (topic and payload).
    /// Default: 10,000 and 16 MiB.
    pub fn queue_limits(mut self, messages: usize, bytes: usize) -> Self {
        self.queue_messages = messages;
        self.queue_bytes = bytes;
        self
    }

    /// Replaces how connections are made. Default: TCP.
    pub fn connector(mut self, connector: impl Connector) -> Self {
        self.connector = Arc::new(connector);
        self
    }

    /// The server that the client connects to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The protocol version that the client speaks.
    pub fn protocol_version(&self) -> Version {
        self.version
    }

    /// Checks that the options go together, and turns them into the CONNECT packet but for the credentials.
    pub(crate) fn connect_packet(&self) -> Result<Connect, OptionsError> {
        self.check_version()?;
        let mut connect = Connect::new(self.version, self.client_identifier.clone());
        connect.clean_start = self.clean_start;
        connect.keep_alive =
            u16::try_from(whole_seconds(self.keep_alive)).map_err(|_| OptionsError::KeepAlive)?;
        connect.will.clone_from(&self.will);
        if self.version.has_properties() {
            connect.properties = Some(Box::new(self.connect_properties()));
        }
        Ok(connect)
    }

    fn check_version(&self) -> Result<(), OptionsError> {
        let only_in_5 = |option| OptionsError::NotInVersion {
            option,
            version: self.version,
        };
        match self.version {
            Version::V5 => return Ok(()),
            Version::V31 if self.client_identifier.is_empty() => {
                return Err(OptionsError::ClientIdentifier);
            }
            _ if self.client_identifier.is_empty() && !self.clean_start => {
                return Err(OptionsError::ClientIdentifier);
            }
            _ => {}
        }
        if self.session_expiry.is_some() {
            return Err(only_in_5("session expiry"));
        }
        if !self.user_properties.is_empty() {
            return Err(only_in_5("user properties"));
        }
        if self
            .will
            .as_ref()
            .is_some_and(|will| will.properties.is_some())
        {
            return Err(only_in_5("will properties"));
        }
        Ok(())
    }

    /// How many QoS 1 and 2 messages may be on their way to the server, whatever it takes.
    pub(crate) fn send_maximum(&self) -> u16 {
        let unless_set = match self.version {
            Version::V5 => DEFAULT_MAXIMUM_IN_FLIGHT,
            Version::V31 | Version::V311 => UNANNOUNCED_RECEIVE_MAXIMUM,
        };
        self.maximum_in_flight.map_or(unless_set, NonZeroU16::get)
    }

    fn connect_properties(&self) -> ConnectProperties {
        ConnectProperties {
            session_expiry_interval: Some(expiry_seconds(
                self.session_expiry.unwrap_or(DEFAULT_SESSION_EXPIRY),
            )),
            receive_maximum: Some(self.receive_maximum),
            maximum_packet_size: Some(self.maximum_packet_size),
            topic_alias_maximum: (self.topic_alias_maximum > 0).then_some(self.topic_alias_maximum),
            user_properties: self.user_properties.clone(),
            ..ConnectProperties::default()
        }
    }
}

impl FromStr for Options {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        Options::from_url(url)
    }
}

/// Shows everything but credentials.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("target", &self.target)
            .field("version", &self.version)
            .field("client_identifier", &self.client_identifier)
            .field("keep_alive", &self.keep_alive)
            .field("clean_start", &self.clean_start)
            .field("session_expiry", &self.session_expiry)
            .field("reconnect", &self.reconnect)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

/// A user name and, if wanted, a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub(crate) user_name: Option<ByteString>,
    pub(crate) password: Option<Bytes>,
}

impl Credentials {
    /// User name and password.
    pub fn new(user_name: impl Into<ByteString>, password: impl Into<Bytes>) -> Self {
        Credentials {
            user_name: Some(user_name.into()),
            password: Some(password.into()),
        }
    }

    /// A user name without a password.
    pub fn user_name(user_name: impl Into<ByteString>) -> Self {
        Credentials {
            user_name: Some(user_name.into()),
            password: None,
        }
    }

    /// A password, or a token, without a user name: MQTT 5.0 only (v3.1.1 MQTT-3.1.2-22).
    pub fn password(password: impl Into<Bytes>) -> Self {
        Credentials {
            user_name: None,
            password: Some(password.into()),
        }
    }

    /// Puts them into the packet.
    pub(crate) fn apply(self, connect: &mut Connect) -> Result<(), OptionsError> {
        if self.user_name.is_none() && !connect.version.has_properties() {
            return Err(OptionsError::NotInVersion {
                option: "a password without a user name",
                version: connect.version,
            });
        }
        connect.user_name = self.user_name;
        connect.password = self.password;
        Ok(())
    }
}

/// Shows the user name alone.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user_name", &self.user_name)
            .finish_non_exhaustive()
    }
}

/// Where credentials come from.
#[derive(Clone)]
pub(crate) enum CredentialsSource {
    None,
    Fixed(Credentials),
    Asked(Arc<AskCredentials>),
}

type AskCredentials =
    dyn Fn() -> Pin<Box<dyn Future<Output = Result<Credentials, BoxError>> + Send>> + Send + Sync;

impl CredentialsSource {
    /// The credentials for the next attempt.
    pub(crate) async fn ask(&self) -> Result<Option<Credentials>, BoxError> {
        match self {
            CredentialsSource::None => Ok(None),
            CredentialsSource::Fixed(credentials) => Ok(Some(credentials.clone())),
            CredentialsSource::Asked(ask) => ask().await.map(Some),
        }
    }
}

fn whole_seconds(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0))
}

/// A Session Expiry Interval; whatever does not fit is for ever.
pub(crate) fn expiry_seconds(duration: Duration) -> u32 {
    u32::try_from(whole_seconds(duration)).unwrap_or(u32::MAX)
}

const DEFAULT_SESSION_EXPIRY: Duration = Duration::from_secs(300);
const DEFAULT_RECEIVE_MAXIMUM: NonZeroU16 = NonZeroU16::new(256).unwrap();
const DEFAULT_MAXIMUM_IN_FLIGHT: u16 = 1000;
/// What a server is taken to stand that cannot say so: the least that is usual.
const UNANNOUNCED_RECEIVE_MAXIMUM: u16 = 20;
const DEFAULT_MAXIMUM_PACKET_SIZE: NonZeroU32 = NonZeroU32::new(256 * 1024).unwrap();

#[cfg(test)]
mod tests {
    use mqtide_codec::WillProperties;
    use mqtide_topic::TopicName;

    use super::*;

    fn options() -> Options {
        Options::new("localhost").client_identifier("c")
    }

    #[test]
    fn defaults_make_a_clean_5_0_connect() {
        let connect = Options::new("localhost").connect_packet().unwrap();
        assert_eq!(
            (connect.version, connect.clean_start, connect.keep_alive),
            (Version::V5, true, 60)
        );
        let properties = connect.properties.unwrap();
        assert_eq!(properties.receive_maximum.map(NonZeroU16::get), Some(256));
        assert_eq!(
            properties.maximum_packet_size.map(NonZeroU32::get),
            Some(256 * 1024)
        );
        assert_eq!(properties.session_expiry_interval, Some(300));
    }

    #[test]
    fn seconds_are_rounded_up_and_bounded() {
        let connect = options()
            .keep_alive(Duration::from_millis(1500))
            .connect_packet()
            .unwrap();
        assert_eq!(connect.keep_alive, 2);
        let too_long = options()
            .keep_alive(Duration::from_secs(65_536))
            .connect_packet();
        assert!(matches!(too_long, Err(OptionsError::KeepAlive)));
        assert_eq!(expiry_seconds(Duration::MAX), u32::MAX);
    }

    #[test]
    fn older_versions_refuse_what_they_cannot_express() {
        let will = Will {
            properties: Some(Box::<WillProperties>::default()),
            ..Will::new(TopicName::from_static("w"), "")
        };
        for version in [Version::V31, Version::V311] {
            for options in [
                options().session_expiry(Duration::from_secs(1)),
                options().user_property("a", "b"),
                options().will(will.clone()),
            ] {
                let result = options.version(version).connect_packet();
                assert!(
                    matches!(result, Err(OptionsError::NotInVersion { .. })),
                    "{result:?}"
                );
            }
            assert!(
                options()
                    .version(version)
                    .connect_packet()
                    .unwrap()
                    .properties
                    .is_none()
            );
        }
    }

    /// v3.1.1 MQTT-3.1.3-7
    #[test]
    fn an_empty_client_identifier_needs_a_clean_session_or_5_0() {
        let empty = || Options::new("localhost");
        assert!(empty().clean_start(false).connect_packet().is_ok());
        assert!(empty().version(Version::V311).connect_packet().is_ok());
        for refused in [
            empty().version(Version::V31),
            empty().version(Version::V311).clean_start(false),
        ] {
            assert!(matches!(
                refused.connect_packet(),
                Err(OptionsError::ClientIdentifier)
            ));
        }
    }

    /// v3.1.1 MQTT-3.1.2-22
    #[test]
    fn a_lone_password_needs_5_0() {
        let mut connect = options().version(Version::V311).connect_packet().unwrap();
        let refused = Credentials::password("token").apply(&mut connect);
        assert!(matches!(refused, Err(OptionsError::NotInVersion { .. })));
        let mut connect = options().connect_packet().unwrap();
        Credentials::password("token").apply(&mut connect).unwrap();
        assert_eq!(
            (connect.user_name, connect.password),
            (None, Some(Bytes::from("token")))
        );
    }

    #[test]
    fn debug_output_hides_secrets() {
        let text = format!(
            "{:?} {:?}",
            options().credentials(Credentials::new("u", "secret")),
            Credentials::new("u", "secret")
        );
        assert!(!text.contains("secret"), "{text}");
    }
}
