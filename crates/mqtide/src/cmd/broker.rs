//! `mqtide broker`: serve MQTT clients.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv6Addr, TcpListener, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use mqtide_broker::{Broker, BrokerError, Config, Flavour, ListenAddress};

use crate::cli::LogArgs;
use crate::config::BrokerFile;
use crate::failure::Failure;
use crate::logging;
use crate::output::Palette;
use crate::runtime::{self, RuntimeFlavour, Signals};

/// Flags of `mqtide broker`. A flag wins over the configuration file.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BrokerArgs {
    #[arg(short, long, value_name = "URL", help = LISTEN)]
    listen: Vec<ListenAddress>,
    /// Keep everything in memory, on purpose.
    #[arg(long, conflicts_with = "data_dir")]
    ephemeral: bool,
    /// Directory for sessions and retained messages. This release keeps them in memory whatever is given here.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Configuration file (TOML); its keys mirror these flags.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Let clients in without credentials on every listener; without it, on loopback addresses only.
    #[arg(long)]
    allow_anonymous: bool,
    /// Worker threads [default: one for every two cores].
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// How connections are spread over threads.
    #[arg(long, value_enum, default_value_t, value_name = "FLAVOUR")]
    runtime: RuntimeFlavour,
}

/// Runs the broker until a signal stops it.
pub(crate) fn run(args: BrokerArgs, mut log: LogArgs) -> Result<(), Failure> {
    let file = match &args.config {
        Some(path) => BrokerFile::read(path)?,
        None => BrokerFile::default(),
    };
    log.log = log.log.or_else(|| file.log.clone());
    logging::start(&log, "info")?;
    let plan = Plan::merge(args, file)?;
    let runtime = match plan.flavour {
        Flavour::Ambient => runtime::work_stealing(plan.config.workers.map(NonZeroUsize::get))?,
        _ => runtime::single_threaded()?,
    };
    runtime.block_on(serve(plan))
}

async fn serve(plan: Plan) -> Result<(), Failure> {
    // Before the first client can come, so that no signal finds the default handler in place.
    let mut signals = Signals::listen()?;
    let builder = Broker::builder().config(plan.config).runtime(plan.flavour);
    let broker = builder.start().await.map_err(|error| explain(&error))?;
    let mut out = io::stdout().lock();
    if let Err(error) = greet(
        &mut out,
        Palette::stdout(),
        broker.addresses(),
        &plan.data,
        plan.open,
    ) {
        tracing::warn!(%error, "the greeting could not be shown");
    }
    drop(out);
    signals.next().await;
    tracing::info!("stopping; a second signal stops at once");
    signals.unless_forced(broker.stop()).await
}

/// What flags and file together ask for.
#[derive(Debug)]
struct Plan {
    config: Config,
    flavour: Flavour,
    data: Data,
    /// Whether anonymous clients may come from elsewhere.
    open: bool,
}

/// Where the data is asked to lie.
#[derive(Debug, PartialEq, Eq)]
enum Data {
    Unspecified,
    Ephemeral,
    Directory(PathBuf),
}

impl Plan {
    fn merge(args: BrokerArgs, file: BrokerFile) -> Result<Self, Failure> {
        let mut config = Config::default();
        file.apply(&mut config);
        config.allow_anonymous = args.allow_anonymous || file.allow_anonymous.unwrap_or(false);
        config.workers = args.workers.or(file.workers);
        config.listeners = match (args.listen, file.listen) {
            (flags, _) if !flags.is_empty() => flags,
            (_, file) if !file.is_empty() => file,
            _ => default_listeners(),
        };
        if !config.allow_anonymous {
            config.listeners.iter().try_for_each(refuse_open_door)?;
        }
        let data = match (args.ephemeral, args.data_dir) {
            (true, _) => Data::Ephemeral,
            (false, Some(directory)) => Data::Directory(directory),
            (false, None) if file.ephemeral => Data::Ephemeral,
            (false, None) => file.data_dir.map_or(Data::Unspecified, Data::Directory),
        };
        let flavour = match args.runtime {
            RuntimeFlavour::Pinned => Flavour::Pinned,
            RuntimeFlavour::Stealing => Flavour::Ambient,
        };
        Ok(Plan {
            open: config.allow_anonymous,
            config,
            flavour,
            data,
        })
    }
}

/// Both loopback addresses, so that `localhost` works whichever a client tries first; IPv6 only where it exists.
fn default_listeners() -> Vec<ListenAddress> {
    let mut addresses = vec![ListenAddress::tcp(([127, 0, 0, 1], DEFAULT_PORT).into())];
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        addresses.push(ListenAddress::tcp(
            (Ipv6Addr::LOCALHOST, DEFAULT_PORT).into(),
        ));
    }
    addresses
}

/// A broker that strangers reach and that asks nobody for credentials is never an accident here.
fn refuse_open_door(address: &ListenAddress) -> Result<(), Failure> {
    if is_loopback(address) {
        return Ok(());
    }
    Err(Failure::usage(format_args!(
        "{address} can be reached from other machines, and nothing asks their clients for credentials; \
         listen on a loopback address, or add --allow-anonymous if everyone may come in"
    )))
}

/// Whether all that the host stands for is loopback. A name that does not resolve fails when it is listened on.
fn is_loopback(address: &ListenAddress) -> bool {
    if let Ok(ip) = address.host().parse::<IpAddr>() {
        return ip.is_loopback();
    }
    let Ok(resolved) = (address.host(), address.port()).to_socket_addrs() else {
        return true;
    };
    resolved
        .into_iter()
        .all(|resolved| resolved.ip().is_loopback())
}

/// The error of the library, and what to do about it.
fn explain(error: &BrokerError) -> Failure {
    let BrokerError::Listen { address, source } = error else {
        return Failure::usage(error);
    };
    let advice = match source.kind() {
        io::ErrorKind::AddrInUse => format!(
            "{address}: the port is in use, probably by another broker; stop that one, or choose another port, \
             such as --listen {}",
            with_port(
                address,
                address.port().checked_add(1).unwrap_or(DEFAULT_PORT)
            )
        ),
        io::ErrorKind::PermissionDenied => {
            format!(
                "{address}: not permitted; ports below 1024 usually need privileges, choose a higher one"
            )
        }
        io::ErrorKind::AddrNotAvailable => {
            format!(
                "{address}: this machine does not have that address; 0.0.0.0 and [::] mean all that it has"
            )
        }
        _ => format!("cannot listen on {address}: {source}"),
    };
    Failure::new(advice)
}

fn with_port(address: &ListenAddress, port: u16) -> String {
    address
        .to_string()
        .replacen(&format!(":{}", address.port()), &format!(":{port}"), 1)
}

/// Says what runs where, and what to try next.
fn greet(
    out: &mut impl Write,
    palette: Palette,
    addresses: &[ListenAddress],
    data: &Data,
    open: bool,
) -> io::Result<()> {
    let line = |out: &mut dyn Write, label: &str, text: &dyn std::fmt::Display| {
        let label = format!("{label:<10}");
        writeln!(out, "  {} {text}", palette.label(&label))
    };
    let title = format!("mqtide {}", env!("CARGO_PKG_VERSION"));
    writeln!(
        out,
        "{}, a broker for MQTT 3.1, 3.1.1 and 5.0",
        palette.strong(&title)
    )?;
    for (index, address) in addresses.iter().enumerate() {
        line(out, if index == 0 { "listening" } else { "" }, &address)?;
    }
    line(
        out,
        "data",
        &"in memory: sessions and retained messages end with this process",
    )?;
    if let Data::Directory(directory) = data {
        let notice = format!(
            "{} stays unused, as this release writes no data to disk",
            directory.display()
        );
        line(out, "", &palette.caution(&notice))?;
    }
    let access = if open {
        "everyone, without credentials"
    } else {
        "clients on this machine, without credentials"
    };
    line(out, "access", &access)?;
    if let Some(address) = addresses
        .iter()
        .find(|address| address.protocol() == mqtide_broker::ListenProtocol::Tcp)
    {
        let port = if address.port() == DEFAULT_PORT {
            String::new()
        } else {
            format!(" -p {}", address.port())
        };
        line(out, "try", &format_args!("mqtide sub{port} -t 'demo/#' -v"))?;
        line(
            out,
            "",
            &format_args!("mqtide pub{port} -t demo/hello -m 'hello, tide'"),
        )?;
    }
    line(out, "stop", &"Ctrl-C")?;
    out.flush()
}

const DEFAULT_PORT: u16 = 1883;

const LISTEN: &str = "Where to listen: mqtt://HOST[:PORT] or ws://HOST[:PORT][/PATH]; may be repeated. Port 0 lets \
    the system choose [default: mqtt://127.0.0.1:1883 and mqtt://[::1]:1883]";

const EXAMPLES: &str = "\
Examples:
  mqtide broker
      a broker for this machine: MQTT 3.1, 3.1.1 and 5.0 on port 1883
  mqtide broker --listen mqtt://127.0.0.1:1884 --listen ws://127.0.0.1:8083/mqtt
      another port, and WebSocket beside it
  mqtide broker --listen mqtt://0.0.0.0 --allow-anonymous
      for everyone on the network, without credentials
  mqtide broker --config mqtide.toml
      with a file such as:
          listen = [\"mqtt://127.0.0.1:1883\"]
          stop_grace = \"5s\"
          [limits]
          packet_size = \"1MiB\"
          queue_messages = 10000

Ctrl-C and SIGTERM stop gracefully; a second one stops at once.
Exit codes: 0 stopped by a signal, 1 could not run, 2 wrong flags or configuration.";

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> BrokerArgs {
        BrokerArgs {
            listen: Vec::new(),
            ephemeral: false,
            data_dir: None,
            config: None,
            allow_anonymous: false,
            workers: None,
            runtime: RuntimeFlavour::Pinned,
        }
    }

    fn greeting(data: &Data) -> String {
        let mut out = Vec::new();
        let addresses = ["mqtt://127.0.0.1:1884".parse().unwrap()];
        greet(&mut out, Palette::plain(), &addresses, data, false).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_default_is_loopback_on_port_1883() {
        let plan = Plan::merge(args(), BrokerFile::default()).unwrap();
        assert_eq!(
            plan.config.listeners[0].to_string(),
            "mqtt://127.0.0.1:1883"
        );
        assert!(plan.config.listeners.iter().all(is_loopback));
        assert!(!plan.config.allow_anonymous);
    }

    #[test]
    fn flags_win_over_the_file() {
        let file = BrokerFile::parse(
            "listen = [\"mqtt://127.0.0.1:7\"]\nworkers = 9\ndata_dir = \"/file\"",
        )
        .unwrap();
        let flags = BrokerArgs {
            listen: vec!["mqtt://127.0.0.1:8".parse().unwrap()],
            workers: NonZeroUsize::new(2),
            ephemeral: true,
            ..args()
        };
        let plan = Plan::merge(flags, file).unwrap();
        assert_eq!(plan.config.listeners[0].port(), 8);
        assert_eq!(plan.config.workers.map(NonZeroUsize::get), Some(2));
        assert_eq!(plan.data, Data::Ephemeral);
    }

    #[test]
    fn a_door_to_the_network_needs_allow_anonymous() {
        let open = || BrokerArgs {
            listen: vec!["mqtt://0.0.0.0:0".parse().unwrap()],
            ..args()
        };
        let refused = Plan::merge(open(), BrokerFile::default())
            .unwrap_err()
            .to_string();
        assert!(refused.contains("--allow-anonymous"), "{refused}");
        let allowed = BrokerArgs {
            allow_anonymous: true,
            ..open()
        };
        assert!(Plan::merge(allowed, BrokerFile::default()).unwrap().open);
    }

    #[test]
    fn the_greeting_tells_address_data_and_next_step() {
        let text = greeting(&Data::Unspecified);
        for part in [
            "mqtt://127.0.0.1:1884",
            "in memory",
            "mqtide sub -p 1884",
            "mqtide pub -p 1884",
            "Ctrl-C",
        ] {
            assert!(text.contains(part), "{part} in:\n{text}");
        }
        assert!(greeting(&Data::Directory("/data".into())).contains("/data stays unused"));
    }

    #[test]
    fn a_port_in_use_is_explained() {
        let address: ListenAddress = "mqtt://[::1]:1883".parse().unwrap();
        let error = BrokerError::Listen {
            address,
            source: io::ErrorKind::AddrInUse.into(),
        };
        let text = explain(&error).to_string();
        assert!(
            text.contains("in use") && text.contains("--listen mqtt://[::1]:1884"),
            "{text}"
        );
    }
}
