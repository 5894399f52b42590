//! `mqtide sub`: subscribe to topics and print the messages.

use std::future::IntoFuture;
use std::io::{self, BufWriter, Stdout, Write};
use std::num::NonZeroU64;
use std::time::Duration;

use clap::Args;
use mqtide_client::{
    Client, QoS, Received, RetainHandling, State, Subscribe, SubscribeError, Subscription,
    TopicFilter,
};

use crate::cmd::connection::{self, Connection, ConnectionArgs, parse_qos};
use crate::cmd::format::{Format, FormatArgs};
use crate::cmd::property::Scope;
use crate::cmd::publish::{elapsed, parse_seconds};
use crate::failure::Failure;
use crate::runtime::{self, Signals};

/// Flags of `mqtide sub`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, disable_help_flag = true)]
pub(crate) struct SubscribeArgs {
    /// Topic filter to subscribe to; `+` stands for a level, `#` for all that follow; may be repeated.
    #[arg(short, long, value_name = "FILTER")]
    topic: Vec<String>,
    /// Topic filter to unsubscribe from, of a session that is continued; may be repeated.
    #[arg(short = 'U', long, value_name = "FILTER")]
    unsubscribe: Vec<String>,
    /// Highest QoS to receive messages with: 0, 1 or 2.
    #[arg(short, long, default_value = "0", value_parser = parse_qos)]
    qos: QoS,
    /// Disconnect and exit after this many messages.
    #[arg(short = 'C', long, value_name = "N")]
    count: Option<NonZeroU64>,
    /// Exit after this many seconds (exit code 27).
    #[arg(short = 'W', long, value_parser = parse_seconds, value_name = "SECONDS")]
    timeout: Option<Duration>,
    /// Exit as soon as the server has granted the subscriptions.
    #[arg(short = 'E', long)]
    exit_after_subscribe: bool,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    selection: Selection,
    /// Clear the retained messages that are printed.
    #[arg(long)]
    remove_retained: bool,
    /// Leave out messages of this client itself; MQTT 5.0.
    #[arg(long)]
    no_local: bool,
    /// Keep the retain flag as the publisher set it; MQTT 5.0.
    #[arg(long)]
    retain_as_published: bool,
    /// Which retained messages to send first: always, new (only for a new subscription) or never; MQTT 5.0.
    #[arg(long, value_parser = parse_retain_handling, value_name = "WHEN")]
    retain_handling: Option<RetainHandling>,
    #[command(flatten, next_help_heading = "Connection")]
    pub(crate) connection: ConnectionArgs,
}

/// Which messages are printed.
#[derive(Debug, Args)]
struct Selection {
    /// Do not print retained messages.
    #[arg(short = 'R', long)]
    no_retained: bool,
    /// Print retained messages only, and exit at the first other one.
    #[arg(long, conflicts_with = "no_retained")]
    retained_only: bool,
    /// Do not print messages that match this filter; may be repeated.
    #[arg(short = 'T', long, value_name = "FILTER")]
    filter_out: Vec<TopicFilter>,
}

/// What to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Print,
    Skip,
    Stop,
}

impl Selection {
    fn judge(&self, message: &Received) -> Verdict {
        match message.is_retained() {
            true if self.no_retained => Verdict::Skip,
            false if self.retained_only => Verdict::Stop,
            _ if self
                .filter_out
                .iter()
                .any(|filter| filter.matches(message.topic())) =>
            {
                Verdict::Skip
            }
            _ => Verdict::Print,
        }
    }
}

/// Prints until the count, the time, a signal or a closed output ends it.
pub(crate) fn run(args: SubscribeArgs) -> Result<(), Failure> {
    // Printing may block, so the client works on a thread of its own.
    runtime::work_stealing(Some(1))?.block_on(subscribe(args))
}

async fn subscribe(args: SubscribeArgs) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let format = Format::from_args(&args.format)?;
    let (filters, connection) = args.filters()?;
    let mut over = std::pin::pin!(elapsed(args.timeout));
    let out_of_time = || Failure::timed_out("the time is over");

    let client = tokio::select! {
        client = Client::connect(connection.options) => {
            client.map_err(|error| connection::explain(&connection.server, &error))?
        }
        code = signals.next() => return Err(Failure::interrupted(code)),
        () = &mut over => return Err(out_of_time()),
    };
    // Dropped after the client has closed: a stream that is dropped before unsubscribes, and what a session shall
    // bring next time has to stay subscribed to.
    let mut subscription = None;
    let outcome = tokio::select! {
        outcome = args.receive(&client, &filters, format, &mut subscription) => outcome,
        _ = signals.next() => Ok(()),
        () = &mut over => Err(out_of_time()),
    };
    let closed = signals.unless_forced(client.close().into_future()).await?;
    outcome.and(closed.map_err(Failure::new))
}

impl SubscribeArgs {
    fn filters(&self) -> Result<(Vec<String>, Connection), Failure> {
        let mut connection = self.connection.connection(&[Scope::Connect, Scope::Will])?;
        let filters: Vec<_> = self
            .topic
            .iter()
            .cloned()
            .chain(connection.topic.take())
            .collect();
        if filters.is_empty() && self.unsubscribe.is_empty() {
            return Err(Failure::usage(
                "nothing to subscribe to: give a filter with -t, or as the path of the URL",
            ));
        }
        Ok((filters, connection))
    }

    async fn receive(
        &self,
        client: &Client,
        filters: &[String],
        format: Format,
        subscription: &mut Option<Subscription>,
    ) -> Result<(), Failure> {
        for filter in &self.unsubscribe {
            client
                .unsubscribe(filter)
                .await
                .map_err(|error| Failure::new(format_args!("{filter}: {error}")))?;
        }
        let Some(request) = self.request(client, filters) else {
            return Ok(());
        };
        let granted = request.await.map_err(|error| explain(&error))?;
        let subscription = subscription.insert(granted);
        tracing::debug!(?filters, "subscribed");
        if self.exit_after_subscribe {
            return Ok(());
        }
        let printer = Printer {
            out: BufWriter::new(io::stdout()),
            format,
            unflushed: Vec::new(),
        };
        self.print(client, subscription, printer).await
    }

    /// All filters in one stream, so that a message which several of them match is printed once.
    fn request<'a>(&self, client: &'a Client, filters: &[String]) -> Option<Subscribe<'a>> {
        let (first, others) = filters.split_first()?;
        let mut request = others
            .iter()
            .fold(client.subscribe(first), Subscribe::and)
            .qos(self.qos);
        // What a continued session brings besides these filters is printed, too, and in its order.
        if self.connection.is_persistent() {
            request = request.with_unclaimed();
        }
        if self.no_local {
            request = request.no_local();
        }
        if self.retain_as_published {
            request = request.retain_as_published();
        }
        if let Some(handling) = self.retain_handling {
            request = request.retain_handling(handling);
        }
        Some(request)
    }

    async fn print(
        &self,
        client: &Client,
        subscription: &mut Subscription,
        mut printer: Printer,
    ) -> Result<(), Failure> {
        let mut left = self.count.map(NonZeroU64::get);
        while left != Some(0) {
            let message = match subscription.try_next() {
                Some(message) => message,
                None => {
                    printer.flush()?;
                    let Some(message) = subscription.next().await else {
                        return Err(ended(client, subscription));
                    };
                    message
                }
            };
            match self.selection.judge(&message) {
                Verdict::Skip => continue,
                Verdict::Stop => break,
                Verdict::Print => {}
            }
            if self.remove_retained && message.is_retained() {
                let cleared = client
                    .publish(message.topic(), "")
                    .retain(true)
                    .accepted()
                    .await;
                // The outcome of the clearing is the server's affair; closing waits for it.
                drop(cleared.map_err(Failure::new)?);
            }
            printer.print(message)?;
            left = left.map(|left| left - 1);
        }
        printer.flush()
    }
}

/// Prints messages, many with one system call when many come at once. A message is acknowledged once it has been
/// written to where standard output leads.
struct Printer {
    out: BufWriter<Stdout>,
    format: Format,
    unflushed: Vec<Received>,
}

impl Printer {
    fn print(&mut self, message: Received) -> Result<(), Failure> {
        self.format.write(&mut self.out, &message)?;
        self.unflushed.push(message);
        if self.unflushed.len() >= MAXIMUM_UNFLUSHED {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush()?;
        self.unflushed.clear();
        Ok(())
    }
}

fn explain(error: &SubscribeError) -> Failure {
    match error {
        SubscribeError::Filter(_) | SubscribeError::Options(_) => {
            Failure::usage(format_args!("-t: {error}"))
        }
        error => Failure::new(error),
    }
}

/// Why there are no more messages.
fn ended(client: &Client, subscription: &Subscription) -> Failure {
    if let Some(refused) = subscription.refused() {
        return explain(&refused);
    }
    match client.state().current() {
        State::Closed(Some(error)) => Failure::new(error),
        _ => Failure::new("the subscription has ended"),
    }
}

fn parse_retain_handling(text: &str) -> Result<RetainHandling, String> {
    match text {
        "always" | "0" => Ok(RetainHandling::SendAtSubscribe),
        "new" | "1" => Ok(RetainHandling::SendIfNew),
        "never" | "2" => Ok(RetainHandling::DoNotSend),
        _ => Err("expected always, new or never".to_owned()),
    }
}

/// Within the window that the client announces, with room to spare: messages that wait here hold their place in it.
const MAXIMUM_UNFLUSHED: usize = 64;

const EXAMPLES: &str = "\
Examples:
  mqtide sub -t 'demo/#' -v
      all messages below demo/, each with its topic
  mqtide sub -h broker.example.com -u ada -P secret -t 'press/+/temp' -q 1
      with credentials, QoS 1
  mqtide sub -L 'mqtt://broker.example.com/demo/state' -C 1 -W 5
      the next message of one topic, for at most 5 seconds
  mqtide sub -t 'demo/#' -F '%I %t %q %p'
      time, topic, QoS and content of each message
  mqtide sub -t 'demo/#' -F json | jq .payload
      a line of JSON for each message
  mqtide sub -i logger -c -q 1 -t 'log/#'
      continue the session `logger`: what came in the meantime is printed first

Formats (-F):
  %t topic   %p payload   %x payload in hexadecimal   %l its length   %q QoS   %r retained (0, 1)
  %I time as ISO 8601   %U time in seconds since 1970   %j, %J JSON   @X time by strftime, as in @H:@M:@S
  %C content type   %D correlation data   %E expiry   %F format (0, 1)   %P user properties   %R response topic
  %S subscription identifiers   %% percent   @@ at   \\n \\t \\r \\0 \\e \\\\ as in C

-h is the host, as in mosquitto_sub; help is --help.
Exit codes: 0 done or stopped by a signal, 1 failed or refused, 2 wrong flags, 27 out of time.";
