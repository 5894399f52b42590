//! `mqtide broker`: how it starts, what it says, how it stops.

mod support;

use std::net::TcpListener;

use mqtide_client::{Client, ConnectError, Options, ReasonCode, State};
use support::{Broker, complaint, mqtide, run, signal, text, wait};

#[test]
fn it_says_where_it_listens_and_what_to_try_next() {
    let broker = Broker::start();
    let port = &broker.port;
    for part in [
        "in memory",
        &format!("mqtide sub -p {port}"),
        &format!("mqtide pub -p {port}"),
        "Ctrl-C",
    ] {
        assert!(
            broker.greeting.contains(part),
            "{part} in {}",
            broker.greeting
        );
    }
    assert!(
        !broker.greeting.contains('\x1b'),
        "colours without a terminal"
    );
}

#[test]
fn it_does_not_pretend_to_write_to_disk() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    let broker = Broker::start_with(&[
        "--listen",
        "mqtt://127.0.0.1:0",
        "--data-dir",
        path.to_str().unwrap(),
    ]);
    assert!(
        broker.greeting.contains("stays unused"),
        "{}",
        broker.greeting
    );
    assert!(!path.exists());
}

#[test]
fn signals_stop_it_gracefully() {
    for name in ["TERM", "INT"] {
        let mut broker = Broker::start();
        signal(&broker.child, name);
        assert_eq!(wait(&mut broker.child).code(), Some(0), "{name}");
    }
}

/// MQTT 5.0 clients are told: DISCONNECT 0x8B.
#[tokio::test]
async fn clients_are_told_that_it_stops() {
    let mut broker = Broker::start();
    let options = Options::new("127.0.0.1")
        .port(broker.port.parse().unwrap())
        .never_reconnect();
    let client = Client::connect(options).await.unwrap();
    let mut state = client.state();
    signal(&broker.child, "TERM");
    let end = loop {
        match state.changed().await {
            Some(State::Closed(end)) => break end,
            Some(_) => {}
            None => panic!("the client ended without a reason"),
        }
    };
    let told = matches!(
        end,
        Some(ConnectError::Disconnected {
            reason: ReasonCode::ServerShuttingDown,
            ..
        })
    );
    assert!(told, "{end:?}");
    assert_eq!(wait(&mut broker.child).code(), Some(0));
}

#[test]
fn a_port_in_use_is_one_line_that_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (code, line) = complaint(&run(&[
        "broker",
        "--listen",
        &format!("mqtt://127.0.0.1:{port}"),
    ]));
    assert_eq!(code, 1);
    assert!(
        line.contains("in use") && line.contains("--listen"),
        "{line}"
    );
}

#[test]
fn a_door_to_the_network_is_not_opened_by_accident() {
    let (code, line) = complaint(&run(&["broker", "--listen", "mqtt://0.0.0.0:0"]));
    assert_eq!(code, 2);
    assert!(line.contains("--allow-anonymous"), "{line}");
}

#[test]
fn mistakes_in_flags_are_one_line() {
    for args in [
        &["broker", "--listne", "x"][..],
        &["broker", "--listen", "http://localhost"],
        &["broker", "--workers", "0"],
        &["broker", "--ephemeral", "--data-dir", "x"],
        &["broker", "--config", "/nonexistent/mqtide.toml"],
        &["broker", "--log", "loud=noise"],
        &["pub", "-t", "a"],
        &["pub", "-t", "a/+", "-m", "x"],
        &["pub", "-m", "x"],
        &["sub", "-t", "a/#/b", "-V", "6"],
        &["sub", "-t", "a", "-F", "%z"],
        &["sub", "-t", "a", "-D", "publish", "content-type", "x"],
        &["sub", "-t", "a", "-c"],
        &["nonsense"],
    ] {
        let (code, line) = complaint(&run(args));
        assert_eq!(code, 2, "{args:?}: {line}");
        assert!(line.starts_with("mqtide: "), "{line}");
    }
}

#[test]
fn mistakes_in_the_configuration_name_their_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mqtide.toml");
    std::fs::write(&path, "[limits]\npacket_size = \"lots\"\n").unwrap();
    let (code, line) = complaint(&run(&["broker", "--config", path.to_str().unwrap()]));
    assert_eq!(code, 2);
    assert!(line.contains("mqtide.toml:2:15: "), "{line}");
}

#[test]
fn the_configuration_is_heeded() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mqtide.toml");
    std::fs::write(
        &path,
        "listen = [\"mqtt://127.0.0.1:0\"]\n[limits]\npacket_size = 1000\n",
    )
    .unwrap();
    let broker = Broker::start_with(&["--config", path.to_str().unwrap()]);
    assert!(
        broker
            .publish(&["-t", "a", "-m", &"x".repeat(900)])
            .status
            .success()
    );
    let refused = broker.publish(&["-t", "a", "-m", &"x".repeat(1000)]);
    let (code, line) = complaint(&refused);
    assert!(code == 1 && line.contains("too large"), "{code} {line}");
}

#[test]
fn help_teaches_by_examples() {
    for command in ["broker", "pub", "sub"] {
        let output = mqtide(&[command, "--help"]).output().unwrap();
        let help = text(&output.stdout);
        assert!(output.status.success());
        assert!(
            help.contains("Examples:") && help.contains(&format!("mqtide {command}")),
            "{help}"
        );
    }
    let output = mqtide(&["--help"]).output().unwrap();
    assert!(text(&output.stdout).contains("mqtide COMMAND --help"));
    assert!(text(&mqtide(&["--version"]).output().unwrap().stdout).starts_with("mqtide "));
}
