//! `mqtide pub`: publish messages.

use std::collections::VecDeque;
use std::num::{NonZeroU16, NonZeroUsize};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use mqtide_client::{Client, Outcome, Publish, PublishError, QoS, Receipt, TopicName, Version};

use crate::cmd::connection::{self, Connection, ConnectionArgs, parse_qos};
use crate::cmd::payload::{PayloadArgs, Payloads};
use crate::cmd::property::{Property, Scope};
use crate::failure::Failure;
use crate::runtime::{self, Signals};

/// Flags of `mqtide pub`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, disable_help_flag = true)]
pub(crate) struct PublishArgs {
    /// Topic to publish to.
    #[arg(short, long)]
    topic: Option<String>,
    #[command(flatten)]
    payload: PayloadArgs,
    /// QoS: 0, 1 or 2.
    #[arg(short, long, default_value = "0", value_parser = parse_qos)]
    qos: QoS,
    /// Ask the server to keep the message for future subscribers.
    #[arg(short, long)]
    retain: bool,
    /// Publish the message this many times.
    #[arg(long, default_value = "1", value_name = "N")]
    repeat: NonZeroUsize,
    /// Seconds between repetitions, such as 0.5.
    #[arg(long, default_value = "0", value_parser = parse_seconds, value_name = "SECONDS")]
    repeat_delay: Duration,
    /// How many messages may be on their way at once [default: 1000; at QoS 1 and 2 no more than the server takes,
    /// which is taken to be 20 if MQTT 3 keeps it from saying so].
    #[arg(short = 'M', long, value_name = "N")]
    max_inflight: Option<NonZeroU16>,
    /// Give up after this many seconds (exit code 27).
    #[arg(short = 'W', long, value_parser = parse_seconds, value_name = "SECONDS")]
    timeout: Option<Duration>,
    /// Seconds until the message is no longer worth delivering; MQTT 5.0.
    #[arg(long, value_name = "SECONDS")]
    expiry: Option<u32>,
    /// Content type of the message; MQTT 5.0.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Topic that answers shall go to; MQTT 5.0.
    #[arg(long, value_name = "TOPIC")]
    response_topic: Option<TopicName>,
    /// What answers shall carry; MQTT 5.0.
    #[arg(long, value_name = "TEXT")]
    correlation_data: Option<String>,
    /// User property of the message, may be repeated; MQTT 5.0.
    #[arg(long, num_args = 2, value_names = ["NAME", "VALUE"], action = clap::ArgAction::Append)]
    user_property: Vec<String>,
    #[command(flatten, next_help_heading = "Connection")]
    pub(crate) connection: ConnectionArgs,
}

/// Publishes, and waits until the server has taken everything.
pub(crate) fn run(args: PublishArgs) -> Result<(), Failure> {
    let runtime = runtime::single_threaded()?;
    let outcome = runtime.block_on(publish(args));
    // A read of standard input that is still under way must not hold the process.
    runtime.shutdown_background();
    outcome
}

async fn publish(args: PublishArgs) -> Result<(), Failure> {
    let timeout = args.timeout;
    let mut signals = Signals::listen()?;
    let (publication, connection, payload) = Publication::from_args(args)?;
    let work = publication.run(connection, payload);
    tokio::select! {
        outcome = work => outcome,
        code = signals.next() => Err(Failure::interrupted(code)),
        () = elapsed(timeout) => Err(Failure::timed_out("not everything was published in time")),
    }
}

/// What is published, and how.
#[derive(Debug)]
struct Publication {
    topic: TopicName,
    qos: QoS,
    retain: bool,
    repeat: NonZeroUsize,
    repeat_delay: Duration,
    window: usize,
    expiry: Option<Duration>,
    content_type: Option<String>,
    response_topic: Option<TopicName>,
    correlation_data: Option<String>,
    user_properties: Vec<(String, String)>,
    properties: Vec<Property>,
}

impl Publication {
    fn from_args(args: PublishArgs) -> Result<(Self, Connection, PayloadArgs), Failure> {
        let mut connection =
            args.connection
                .connection(&[Scope::Connect, Scope::Will, Scope::Publish])?;
        if let Some(maximum) = args.max_inflight {
            connection.options = connection.options.maximum_in_flight(maximum);
        }
        let topic = args.topic.or(connection.topic.take());
        let topic = topic.ok_or_else(|| {
            Failure::usage("no topic: give one with -t, or as the path of the URL")
        })?;
        let topic = TopicName::try_from(topic.as_str()).map_err(|error| {
            Failure::usage(format_args!("{topic:?} is no topic to publish to: {error}"))
        })?;
        if args.payload.is_lines() && args.repeat.get() > 1 {
            return Err(Failure::usage(
                "--repeat cannot repeat the lines of standard input (-l)",
            ));
        }
        let publication = Publication {
            topic,
            qos: args.qos,
            retain: args.retain,
            repeat: args.repeat,
            repeat_delay: args.repeat_delay,
            window: args.max_inflight.unwrap_or(DEFAULT_WINDOW).get().into(),
            expiry: args
                .expiry
                .map(|seconds| Duration::from_secs(seconds.into())),
            content_type: args.content_type,
            response_topic: args.response_topic,
            correlation_data: args.correlation_data,
            user_properties: args
                .user_property
                .chunks_exact(2)
                .map(|pair| (pair[0].clone(), pair[1].clone()))
                .collect(),
            properties: std::mem::take(&mut connection.properties),
        };
        publication.check_version(connection.version)?;
        Ok((publication, connection, args.payload))
    }

    fn check_version(&self, version: Version) -> Result<(), Failure> {
        let needs_5 = self.expiry.is_some()
            || self.content_type.is_some()
            || self.response_topic.is_some()
            || self.correlation_data.is_some()
            || !self.user_properties.is_empty();
        match version {
            Version::V31 | Version::V311 if needs_5 => Err(Failure::usage(format_args!(
                "{version} has no properties, use -V 5"
            ))),
            _ => Ok(()),
        }
    }

    async fn run(self, connection: Connection, payload: PayloadArgs) -> Result<(), Failure> {
        let Connection {
            options, server, ..
        } = connection;
        // The window bounds what is on its way, so the queue need not.
        let options = options.queue_limits(self.window, usize::MAX);
        let payloads = payload.open().await?;
        let client = Client::connect(options)
            .await
            .map_err(|error| connection::explain(&server, &error))?;
        let mut under_way = UnderWay::new(self.window);
        match payloads {
            Payloads::One(payload) => self.repeat(&client, payload, &mut under_way).await?,
            Payloads::Lines(mut lines) => {
                while let Some(line) = lines.next().await? {
                    under_way.add(self.accepted(&client, line).await?).await?;
                }
            }
        }
        under_way.finish().await?;
        client.close().await.map_err(Failure::new)
    }

    async fn repeat(
        &self,
        client: &Client,
        payload: Bytes,
        under_way: &mut UnderWay,
    ) -> Result<(), Failure> {
        for round in 0..self.repeat.get() {
            if round > 0 && !self.repeat_delay.is_zero() {
                tokio::time::sleep(self.repeat_delay).await;
            }
            under_way
                .add(self.accepted(client, payload.clone()).await?)
                .await?;
        }
        Ok(())
    }

    async fn accepted(&self, client: &Client, payload: Bytes) -> Result<Receipt, Failure> {
        self.message(client, payload)
            .accepted()
            .await
            .map_err(|error| unsent(&error))
    }

    fn message<'a>(&self, client: &'a Client, payload: Bytes) -> Publish<'a> {
        let mut message = client
            .publish(&self.topic, payload)
            .qos(self.qos)
            .retain(self.retain);
        if let Some(expiry) = self.expiry {
            message = message.expiry(expiry);
        }
        if let Some(content_type) = &self.content_type {
            message = message.content_type(content_type.as_str());
        }
        if let Some(topic) = &self.response_topic {
            message = message.response_topic(topic.clone());
        }
        if let Some(data) = &self.correlation_data {
            message = message.correlation_data(data.clone());
        }
        for (name, value) in &self.user_properties {
            message = message.user_property(name.as_str(), value.as_str());
        }
        self.properties
            .iter()
            .fold(message, |message, property| property.publish(message))
    }
}

/// The messages whose outcome is not known yet, oldest first.
struct UnderWay {
    receipts: VecDeque<Receipt>,
    window: usize,
}

impl UnderWay {
    fn new(window: usize) -> Self {
        UnderWay {
            receipts: VecDeque::new(),
            window,
        }
    }

    /// Adds one; waits for the oldest if there are too many.
    async fn add(&mut self, receipt: Receipt) -> Result<(), Failure> {
        self.receipts.push_back(receipt);
        while self.receipts.len() >= self.window {
            self.settle_oldest().await?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<(), Failure> {
        while !self.receipts.is_empty() {
            self.settle_oldest().await?;
        }
        Ok(())
    }

    async fn settle_oldest(&mut self) -> Result<(), Failure> {
        let Some(oldest) = self.receipts.front_mut() else {
            return Ok(());
        };
        let outcome = oldest.await.map_err(|error| unsent(&error))?;
        self.receipts.pop_front();
        match outcome {
            Outcome::Refused { reason, .. } => Err(Failure::new(format_args!(
                "the server refused the message: {reason}"
            ))),
            Outcome::Unknown => Err(Failure::new(
                "the connection was lost, and the session with it; whether the message arrived is unknown",
            )),
            _ => Ok(()),
        }
    }
}

fn unsent(error: &PublishError) -> Failure {
    Failure::new(format_args!("not published: {error}"))
}

/// Resolves when the time is over; never without a limit.
pub(crate) async fn elapsed(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => std::future::pending().await,
    }
}

pub(crate) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| "expected seconds that are not negative".to_owned())
}

const DEFAULT_WINDOW: NonZeroU16 = NonZeroU16::new(1000).unwrap();

const EXAMPLES: &str = "\
Examples:
  mqtide pub -t demo/hello -m 'hello, tide'
      one message to the broker on this machine
  mqtide pub -h broker.example.com -u ada -P secret -t demo/state -m on -q 1 -r
      with credentials, QoS 1, kept for future subscribers
  mqtide pub -L mqtt://ada:secret@broker.example.com/demo/photo -f photo.jpg
      a file; server, credentials and topic as a URL
  tail -f app.log | mqtide pub -t demo/log -l
      each line a message
  mqtide pub -t demo/call -m '{}' --response-topic demo/answer --correlation-data 7
      properties of MQTT 5.0; -D sets any of them: -D publish user-property unit celsius
  mqtide pub -t demo/state -n -r
      clear a retained message

-h is the host, as in mosquitto_pub; help is --help.
Exit codes: 0 the server has taken everything (QoS 0: it was sent), 1 failed, 2 wrong flags, 27 out of time.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_be_fractions() {
        assert_eq!(parse_seconds("0.25"), Ok(Duration::from_millis(250)));
        for text in ["", "x", "-1", "NaN", "inf"] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }
}
