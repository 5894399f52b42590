"""Debian's mosquitto-clients against the broker."""

import hashlib
import os
import subprocess
import time

import pytest

from command_line import MOSQUITTO, VERSIONS

publish, publish_lines, run_subscriber = MOSQUITTO.publish, MOSQUITTO.publish_lines, MOSQUITTO.run_subscriber
QOS = [0, 1, 2]
each_version = pytest.mark.parametrize("version", VERSIONS)
each_qos = pytest.mark.parametrize("qos", QOS)


@each_qos
@pytest.mark.parametrize("to", VERSIONS)
@pytest.mark.parametrize("source", VERSIONS)
def test_all_versions_meet(broker, topic, source, to, qos):
    with MOSQUITTO.subscriber(broker, topic, version=to) as subscriber:
        publish(broker, topic, b"hello", version=source, qos=qos)
        message = subscriber.next()
    assert (message.topic, message.payload, message.qos, message.retain) == (topic, b"hello", qos, False)


@each_version
@pytest.mark.parametrize("granted", QOS)
@pytest.mark.parametrize("published", QOS)
def test_delivery_takes_the_lower_qos(broker, topic, version, published, granted):
    with MOSQUITTO.subscriber(broker, topic, version=version, qos=granted) as subscriber:
        publish(broker, topic, b"x", version=version, qos=published)
        assert subscriber.next().qos == min(published, granted)


@each_version
@each_qos
def test_retained_reaches_later_subscribers(broker, topic, version, qos):
    with MOSQUITTO.subscriber(broker, topic, version=version) as live:
        publish(broker, topic, b"kept", "-r", version=version, qos=qos)
        assert not live.next().retain
    with MOSQUITTO.subscriber(broker, topic, version=version) as later:
        message = later.next()
    assert (message.payload, message.qos, message.retain) == (b"kept", qos, True)


@each_version
def test_an_empty_retained_payload_clears(broker, topic, version):
    publish(broker, topic, b"kept", "-r", version=version, qos=1)
    publish(broker, topic, b"", "-r", version=version, qos=1)
    with MOSQUITTO.subscriber(broker, topic, version=version) as subscriber:
        publish(broker, topic, b"live", version=version)
        assert subscriber.next().payload == b"live"
        assert subscriber.silent()


def test_retained_as_published(broker, topic):
    with MOSQUITTO.subscriber(broker, topic, options=["--retain-as-published"]) as subscriber:
        publish(broker, topic, b"x", "-r")
        assert subscriber.next().retain


def test_only_stale_messages_are_left_out_by_no_retained(broker, topic):
    publish(broker, topic, b"stale", "-r", qos=1)
    with MOSQUITTO.subscriber(broker, topic, options=["-R"]) as subscriber:
        publish(broker, topic, b"fresh")
        assert subscriber.next().payload == b"fresh"


@each_version
@each_qos
def test_the_will_of_a_killed_client(broker, topic, version, qos):
    will = ["--will-topic", f"{topic}/will", "--will-payload", "gone", "--will-qos", str(qos)]
    with MOSQUITTO.subscriber(broker, f"{topic}/will", version=version) as watcher:
        with MOSQUITTO.subscriber(broker, topic, version=version, options=will) as dying:
            dying.kill()
            message = watcher.next()
    assert (message.payload, message.qos, message.retain) == (b"gone", qos, False)


@each_version
def test_a_retained_will(broker, topic, version):
    will = ["--will-topic", f"{topic}/will", "--will-payload", "gone", "--will-retain"]
    with MOSQUITTO.subscriber(broker, f"{topic}/will", version=version) as watcher:
        with MOSQUITTO.subscriber(broker, topic, version=version, options=will) as dying:
            dying.kill()
            watcher.next()
    with MOSQUITTO.subscriber(broker, f"{topic}/will", version=version) as later:
        assert later.next().retain


@each_version
def test_no_will_after_a_disconnect(broker, topic, version):
    will = ["--will-topic", f"{topic}/will", "--will-payload", "gone"]
    with MOSQUITTO.subscriber(broker, f"{topic}/will", version=version) as watcher:
        run_subscriber(broker, "-t", topic, "-E", *will, version=version)
        assert watcher.silent()


@each_version
def test_wildcards(broker, topic, version):
    with MOSQUITTO.subscriber(broker, f"{topic}/+/end", f"{topic}/deep/#", version=version) as subscriber:
        for name in ("one/end", "one/two/end", "deep", "deep/a/b", "/end", "deeper"):
            publish(broker, f"{topic}/{name}", name.encode(), version=version)
        received = [message.payload for message in subscriber.take(4)]
        assert subscriber.silent()
    assert received == [b"one/end", b"deep", b"deep/a/b", b"/end"]


@each_version
def test_overlapping_filters_deliver_at_the_highest_qos(broker, topic, version):
    with MOSQUITTO.subscriber(broker, f"{topic}/#", f"{topic}/+", version=version, qos=1) as subscriber:
        publish(broker, f"{topic}/a", b"x", version=version, qos=2)
        assert subscriber.next().qos == 1


@each_version
def test_wildcards_do_not_see_dollar_topics(broker, version):
    with MOSQUITTO.subscriber(broker, "#", "+/broker/version", version=version) as subscriber:
        sys = run_subscriber(broker, "-t", "$SYS/broker/version", "-C", "1", "-W", "10", version=version)
        assert sys.strip()
        time.sleep(0.5)
        topics = [subscriber.messages.get().topic for _ in range(subscriber.messages.qsize())]
    assert not [name for name in topics if name.startswith("$")]


@pytest.mark.parametrize(
    "name",
    [
        "version",
        "uptime",
        "clients/connected",
        "clients/total",
        "clients/maximum",
        "messages/received",
        "messages/sent",
        "bytes/received",
        "bytes/sent",
        "publish/messages/received",
        "publish/messages/sent",
        "retained messages/count",
        "subscriptions/count",
    ],
)
def test_sys_topics(broker, name):
    value = run_subscriber(broker, "-t", f"$SYS/broker/{name}", "-C", "1", "-W", "15").strip()
    assert value
    if name not in ("version", "uptime"):
        assert int(value) >= 0


@each_version
@pytest.mark.parametrize("qos", [1, 2])
def test_a_persistent_session_keeps_messages(broker, topic, client_id, version, qos):
    if (version, qos) == ("5.0", 2):
        broker.known_fault("mosquitto 2.0.11 exceeds the Receive Maximum at QoS 2")
    session = ["-i", client_id, "-c", "-q", str(qos), "-t", topic]
    run_subscriber(broker, *session, "-E", version=version)
    publish_lines(broker, topic, range(50), version=version, qos=qos)
    kept = run_subscriber(broker, *session, "-C", "50", "-W", "20", version=version)
    assert kept.decode().split() == [str(number) for number in range(50)]
    run_subscriber(broker, "-i", client_id, "-t", topic, "-E", version=version)


@each_version
def test_a_clean_session_keeps_nothing(broker, topic, client_id, version):
    session = ["-i", client_id, "-q", "1", "-t", topic]
    run_subscriber(broker, *session, "-E", version=version)
    publish(broker, topic, b"lost", version=version, qos=1)
    with MOSQUITTO.subscriber(broker, topic, version=version, options=["-i", client_id]) as subscriber:
        assert subscriber.silent()


@pytest.mark.parametrize("version", ["3.1.1", "5.0"])
@each_qos
def test_a_shared_subscription_shares(broker, topic, version, qos):
    shared, count = f"$share/group/{topic}", 100
    members = [MOSQUITTO.subscriber(broker, shared, version=version) for _ in range(2)]
    with members[0] as one, members[1] as two:
        publish_lines(broker, topic, range(count), version=version, qos=qos)
        deadline = time.monotonic() + 20
        while one.messages.qsize() + two.messages.qsize() < count and time.monotonic() < deadline:
            time.sleep(0.05)
        shares = [[int(message.payload) for message in member.take(member.messages.qsize())] for member in (one, two)]
        assert one.silent() and two.silent(0)
    assert sorted(shares[0] + shares[1]) == list(range(count))
    assert all(shares), "each member gets some"


@each_version
@each_qos
def test_order(broker, topic, version, qos):
    if (version, qos) == ("5.0", 2):
        broker.known_fault("mosquitto 2.0.11 exceeds the Receive Maximum at QoS 2")
    with MOSQUITTO.subscriber(broker, topic, version=version) as subscriber:
        publish_lines(broker, topic, range(1000), version=version, qos=qos)
        received = [int(message.payload) for message in subscriber.take(1000)]
    assert received == list(range(1000))


@pytest.mark.parametrize("size", [1 << 20, 10 << 20], ids=["1MiB", "10MiB"])
@pytest.mark.parametrize("version", VERSIONS)
@each_qos
def test_large_payloads(broker, topic, tmp_path, version, qos, size):
    payload = os.urandom(size)
    received = tmp_path / "received"
    publish(broker, f"{topic}/ready", b"ready", "-r", version=version, qos=1)
    options = ["-t", f"{topic}/#", "-q", str(qos), "-C", "2", "-N", "-W", "30"]
    with received.open("wb") as sink:
        subscriber = MOSQUITTO.start_subscriber(broker, *options, version=version, stdout=sink)
        try:
            # The retained marker shows that the subscription stands.
            deadline = time.monotonic() + 10
            while received.stat().st_size < len(b"ready") and time.monotonic() < deadline:
                time.sleep(0.02)
            publish(broker, f"{topic}/large", payload, version=version, qos=qos)
            assert subscriber.wait(30) == 0
        finally:
            subscriber.kill()
            subscriber.wait()
    found = received.read_bytes()
    assert len(found) == len(b"ready") + size
    assert hashlib.sha256(found[len(b"ready") :]).digest() == hashlib.sha256(payload).digest()


def test_publish_properties_pass(broker, topic):
    properties = {
        "content-type": ["text/plain"],
        "response-topic": [f"{topic}/answer"],
        "correlation-data": ["c-1"],
        "user-property": ["unit", "kelvin"],
    }
    options = [word for name, values in properties.items() for word in ("-D", "publish", name, *values)]
    reading = {"message_format": "MESSAGE\t%C\t%R\t%D\t%P", "parse": lambda line: line.split("\t")[1:]}
    with MOSQUITTO.subscriber(broker, topic, **reading) as subscriber:
        publish(broker, topic, b"x", *options, qos=1)
        assert subscriber.next() == ["text/plain", f"{topic}/answer", "c-1", "unit:kelvin"]


def test_topic_alias_from_the_publisher(broker, topic):
    with MOSQUITTO.subscriber(broker, topic) as subscriber:
        publish_lines(broker, topic, range(20), "-D", "publish", "topic-alias", "3", qos=1)
        received = subscriber.take(20)
    assert [(message.topic, int(message.payload)) for message in received] == [(topic, n) for n in range(20)]


@pytest.mark.parametrize("version", ["3.1.1", "5.0"])
def test_request_and_response(broker, topic, version):
    with MOSQUITTO.subscriber(broker, f"{topic}/question", version=version) as responder:
        command = ["mosquitto_rr", "-h", broker.host, "-p", str(broker.port), "-V", VERSIONS[version], "-W", "20"]
        command += ["-t", f"{topic}/question", "-e", f"{topic}/answer", "-m", "how much", "-q", "1"]
        asking = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        try:
            assert responder.next().payload == b"how much"
            publish(broker, f"{topic}/answer", b"that much", version=version, qos=1)
            answer, _ = asking.communicate(timeout=20)
        finally:
            asking.kill()
            asking.wait()
    assert (asking.returncode, answer) == (0, b"that much\n")


@each_version
def test_keep_alive_keeps_a_quiet_client(broker, topic, version):
    with MOSQUITTO.subscriber(broker, topic, version=version, options=["-k", "5"]) as subscriber:
        time.sleep(9)
        publish(broker, topic, b"still here", version=version)
        assert subscriber.next().payload == b"still here"
        assert "Connection lost" not in " ".join(subscriber.other_lines)
