//! `mqtide pub` and `mqtide sub` against `mqtide broker`.

mod support;

use std::io::Read;

use support::{Broker, complaint, finish, run, run_with_input, signal, text, wait};

const VERSIONS: [&str; 3] = ["3.1", "311", "mqttv5"];
const QOS: [&str; 3] = ["0", "1", "2"];

#[test]
fn every_version_and_qos_reaches_every_other() {
    let broker = Broker::start();
    for to in VERSIONS {
        for granted in QOS {
            let subscriber = broker.subscribe(&[
                "-V", to, "-q", granted, "-t", "x/#", "-C", "9", "-F", "%t %p %q",
            ]);
            let mut expected = Vec::new();
            for from in VERSIONS {
                for qos in QOS {
                    let payload = format!("{from}-{qos}");
                    let sent =
                        broker.publish(&["-V", from, "-q", qos, "-t", "x/y", "-m", &payload]);
                    assert!(sent.status.success(), "{}", text(&sent.stderr));
                    expected.push(format!("x/y {payload} {}", qos.min(granted)));
                }
            }
            let output = finish(subscriber);
            assert!(output.status.success());
            let mut lines: Vec<_> = text(&output.stdout).lines().map(str::to_owned).collect();
            lines.sort();
            expected.sort();
            assert_eq!(lines, expected, "to {to} at QoS {granted}");
        }
    }
}

#[test]
fn messages_come_from_arguments_files_and_input() {
    let broker = Broker::start();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("message");
    std::fs::write(&path, b"from a file").unwrap();
    let subscriber = broker.subscribe(&["-t", "m", "-q", "1", "-C", "7", "-F", "<%p>"]);
    let publish = |more: &[&str], input: &[u8]| {
        let mut args = broker.args("pub", &["-t", "m", "-q", "1"]);
        args.extend_from_slice(more);
        let output = run_with_input(&args, input);
        assert!(output.status.success(), "{}", text(&output.stderr));
    };
    publish(&["-m", "-argument-"], b"");
    publish(&["-f", path.to_str().unwrap()], b"");
    publish(&["-s"], b"two\nlines");
    publish(&["-l"], b"one\r\ntwo\n");
    publish(&["-n"], b"");
    let url = format!("mqtt://127.0.0.1:{}/m?client_id=by-url", broker.port);
    assert!(
        run(&["pub", "-L", &url, "-q", "1", "-m", "by url"])
            .status
            .success()
    );
    let output = text(&finish(subscriber).stdout);
    assert_eq!(
        output,
        "<-argument->\n<from a file>\n<two\nlines>\n<one>\n<two>\n<>\n<by url>\n"
    );
}

#[test]
fn ten_mebibytes_pass() {
    let broker = Broker::start();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large");
    let payload: Vec<u8> = (0..10 * 1024 * 1024_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0])
        .collect();
    std::fs::write(&path, &payload).unwrap();
    for version in VERSIONS {
        let subscriber =
            broker.subscribe(&["-V", version, "-t", "big", "-q", "2", "-C", "1", "-N"]);
        let sent = broker.publish(&[
            "-V",
            version,
            "-t",
            "big",
            "-q",
            "2",
            "-f",
            path.to_str().unwrap(),
        ]);
        assert!(sent.status.success(), "{}", text(&sent.stderr));
        let received = finish(subscriber).stdout;
        assert!(
            received == payload,
            "{} bytes came with MQTT {version}",
            received.len()
        );
    }
}

#[test]
fn many_lines_keep_their_order() {
    let broker = Broker::start();
    let lines: String = (0..5000).map(|n| format!("line {n}\n")).collect();
    for qos in ["1", "2"] {
        let subscriber = broker.subscribe(&["-t", "lines", "-q", qos, "-C", "5000"]);
        let sent = run_with_input(
            &broker.args("pub", &["-t", "lines", "-q", qos, "-l"]),
            lines.as_bytes(),
        );
        assert!(sent.status.success(), "{}", text(&sent.stderr));
        assert!(
            text(&finish(subscriber).stdout) == lines,
            "order or number differ at QoS {qos}"
        );
    }
}

#[test]
fn properties_arrive_and_are_shown() {
    let broker = Broker::start();
    let subscriber = broker.subscribe(&["-t", "p", "-C", "1", "-F", "json"]);
    let sent = broker.publish(&[
        "-t",
        "p",
        "-m",
        "21",
        "--content-type",
        "text/plain",
        "--response-topic",
        "r",
        "--correlation-data",
        "7",
        "--expiry",
        "60",
        "--user-property",
        "unit",
        "celsius",
        "-D",
        "publish",
        "user-property",
        "a",
        "b",
    ]);
    assert!(sent.status.success(), "{}", text(&sent.stderr));
    let value: serde_json::Value = serde_json::from_slice(&finish(subscriber).stdout).unwrap();
    assert_eq!(
        (&value["topic"], &value["payload"]),
        (&"p".into(), &"21".into())
    );
    let properties = &value["properties"];
    assert_eq!(properties["content-type"], "text/plain");
    assert_eq!(properties["response-topic"], "r");
    assert_eq!(properties["correlation-data"], "7");
    assert_eq!(
        properties["user-properties"],
        serde_json::json!([["unit", "celsius"], ["a", "b"]])
    );
}

#[test]
fn retained_messages_are_selected_and_cleared() {
    let broker = Broker::start();
    let subscribe = |more: &[&str]| {
        let mut args = broker.args("sub", &["-t", "r/#", "-F", "%t %p %r"]);
        args.extend_from_slice(more);
        run(&args)
    };
    assert!(
        broker
            .publish(&["-t", "r/a", "-m", "1", "-r", "-q", "1"])
            .status
            .success()
    );
    assert!(
        broker
            .publish(&["-t", "r/b", "-m", "2", "-r", "-q", "1"])
            .status
            .success()
    );
    assert_eq!(
        text(&subscribe(&["-C", "1", "-T", "r/b"]).stdout),
        "r/a 1 1\n"
    );
    let skipped = subscribe(&["-R", "-W", "1"]);
    assert_eq!(
        (text(&skipped.stdout).as_str(), skipped.status.code()),
        ("", Some(27))
    );
    assert_eq!(
        text(&subscribe(&["-C", "2", "--remove-retained"]).stdout)
            .lines()
            .count(),
        2
    );
    assert_eq!(text(&subscribe(&["-W", "1"]).stdout), "");
}

#[test]
fn a_session_left_behind_is_continued() {
    let broker = Broker::start();
    for version in VERSIONS {
        let id = format!("keeper-{version}");
        let subscribe = |more: &[&str]| {
            let mut args = broker.args(
                "sub",
                &["-V", version, "-i", &id, "-c", "-q", "1", "-t", "kept"],
            );
            args.extend_from_slice(more);
            run(&args)
        };
        assert!(subscribe(&["-E"]).status.success());
        for payload in ["1", "2", "3"] {
            assert!(
                broker
                    .publish(&["-t", "kept", "-q", "1", "-m", payload])
                    .status
                    .success()
            );
        }
        assert_eq!(text(&subscribe(&["-C", "1", "-W", "10"]).stdout), "1\n");
        assert_eq!(text(&subscribe(&["-C", "2", "-W", "10"]).stdout), "2\n3\n");
        // Given up, and so nothing comes any more.
        let unsubscribed =
            run(&broker.args("sub", &["-V", version, "-i", &id, "-c", "-U", "kept"]));
        assert!(
            unsubscribed.status.success(),
            "{}",
            text(&unsubscribed.stderr)
        );
        assert!(
            broker
                .publish(&["-t", "kept", "-q", "1", "-m", "4"])
                .status
                .success()
        );
        let nothing = run(&broker.args(
            "sub",
            &["-V", version, "-i", &id, "-c", "-t", "other", "-W", "1"],
        ));
        assert_eq!(text(&nothing.stdout), "");
    }
}

/// MQTT-4.6.0-6, v3.1.1 MQTT-4.6.0-6
#[test]
fn what_a_session_has_kept_comes_in_its_order() {
    let broker = Broker::start();
    let lines: String = (0..200).map(|n| format!("{n}\n")).collect();
    for version in VERSIONS {
        for qos in ["1", "2"] {
            let id = format!("order-{version}-{qos}");
            let session = ["-V", version, "-i", &id, "-c", "-q", qos, "-t", &id];
            let subscribe = |more: &[&str]| run(&broker.args("sub", &[&session, more].concat()));
            assert!(subscribe(&["-E"]).status.success());
            let publisher = broker.args("pub", &["-V", version, "-t", &id, "-q", qos, "-l"]);
            let sent = run_with_input(&publisher, lines.as_bytes());
            assert!(sent.status.success(), "{}", text(&sent.stderr));
            let kept = subscribe(&["-C", "200", "-W", "30"]);
            assert_eq!(text(&kept.stdout), lines, "MQTT {version} at QoS {qos}");
        }
    }
}

#[test]
fn a_will_is_published_when_its_owner_is_killed() {
    let broker = Broker::start();
    let watcher = broker.subscribe(&["-t", "will", "-C", "1", "-v"]);
    let mut doomed =
        broker.subscribe(&["-t", "x", "--will-topic", "will", "--will-payload", "gone"]);
    doomed.kill().unwrap();
    doomed.wait().unwrap();
    assert_eq!(text(&finish(watcher).stdout), "will gone\n");
}

#[test]
fn signals_and_closed_outputs_end_a_subscriber_quietly() {
    let broker = Broker::start();
    let mut interrupted = broker.subscribe(&["-t", "s"]);
    signal(&interrupted, "INT");
    assert_eq!(wait(&mut interrupted).code(), Some(0));

    let mut reader = broker.subscribe(&["-t", "s"]);
    let mut stdout = reader.stdout.take().unwrap();
    assert!(broker.publish(&["-t", "s", "-m", "first"]).status.success());
    let mut first = [0; 6];
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    assert!(
        broker
            .publish(&["-t", "s", "-m", "second"])
            .status
            .success()
    );
    assert_eq!(wait(&mut reader).code(), Some(0));
}

#[test]
fn nobody_listening_is_one_line_that_says_what_to_do() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
        .to_string();
    for args in [&["pub", "-t", "a", "-m", "b"][..], &["sub", "-t", "a"]] {
        let mut args = args.to_vec();
        args.extend(["-h", "127.0.0.1", "-p", &free]);
        let (code, line) = complaint(&run(&args));
        assert_eq!(code, 1);
        assert!(line.contains("mqtide broker"), "{line}");
    }
    let quiet = run(&[
        "pub",
        "-t",
        "a",
        "-m",
        "b",
        "-h",
        "127.0.0.1",
        "-p",
        &free,
        "--quiet",
    ]);
    assert_eq!(
        (quiet.status.code(), text(&quiet.stderr).as_str()),
        (Some(1), "")
    );
}

#[test]
fn clients_outlive_their_broker() {
    let broker = Broker::start();
    let subscriber = broker.subscribe(&["-t", "again", "-q", "1", "-C", "1"]);
    let listen = format!("mqtt://127.0.0.1:{}", broker.port);
    drop(broker);
    let broker = Broker::start_with(&["--listen", &listen]);
    // The new broker knows nothing of the subscriber until that has come back.
    let args = ["-t", "again", "-q", "1", "-m", "still here", "-r"];
    assert!(broker.publish(&args).status.success());
    assert_eq!(text(&finish(subscriber).stdout), "still here\n");
}
