"""`mqtide pub` and `mqtide sub` with Debian's mosquitto, and beside its clients on either broker."""

import hashlib
import os
import subprocess

import pytest

from command_line import MOSQUITTO, VERSIONS, CommandLine

each_version = pytest.mark.parametrize("version", VERSIONS)
each_qos = pytest.mark.parametrize("qos", [0, 1, 2])


@pytest.fixture(scope="session")
def ours(mqtide_program):
    """Our own command line."""
    return CommandLine("mqtide", [mqtide_program, "pub"], [mqtide_program, "sub"])


@pytest.fixture(params=["broker", "mosquitto"])
def server(request):
    """The broker under test, and Debian's."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["both ours", "we publish", "we subscribe"])
def sides(request, ours):
    """Publisher and subscriber, at least one of them ours."""
    return {"both ours": (ours, ours), "we publish": (ours, MOSQUITTO), "we subscribe": (MOSQUITTO, ours)}[request.param]


@each_qos
@pytest.mark.parametrize("to", VERSIONS)
@pytest.mark.parametrize("source", VERSIONS)
def test_all_versions_meet(server, sides, topic, source, to, qos):
    publisher, subscriber = sides
    with subscriber.subscriber(server, topic, version=to) as receiving:
        publisher.publish(server, topic, b"hello", version=source, qos=qos)
        message = receiving.next()
    assert (message.topic, message.payload, message.qos, message.retain) == (topic, b"hello", qos, False)


@each_version
def test_retained(server, sides, topic, version):
    publisher, subscriber = sides
    publisher.publish(server, topic, b"kept", "-r", version=version, qos=1)
    with subscriber.subscriber(server, topic, version=version) as later:
        message = later.next()
    assert (message.payload, message.qos, message.retain) == (b"kept", 1, True)
    publisher.publish(server, topic, b"", "-r", version=version, qos=1)
    with subscriber.subscriber(server, topic, version=version) as last:
        assert last.silent()


@each_version
@each_qos
def test_the_will_of_a_killed_client(server, ours, topic, version, qos):
    will = ["--will-topic", f"{topic}/will", "--will-payload", "gone", "--will-qos", str(qos)]
    with MOSQUITTO.subscriber(server, f"{topic}/will", version=version) as watcher:
        with ours.subscriber(server, topic, version=version, options=will) as dying:
            dying.kill()
            message = watcher.next()
    assert (message.payload, message.qos) == (b"gone", qos)


@each_version
def test_wildcards(server, sides, topic, version):
    publisher, subscriber = sides
    with subscriber.subscriber(server, f"{topic}/+/end", f"{topic}/deep/#", version=version) as receiving:
        for name in ("one/end", "one/two/end", "deep", "deep/a/b", "deeper"):
            publisher.publish(server, f"{topic}/{name}", name.encode(), version=version)
        received = [message.payload for message in receiving.take(3)]
        assert receiving.silent()
    assert received == [b"one/end", b"deep", b"deep/a/b"]


@each_version
@pytest.mark.parametrize("qos", [1, 2])
def test_a_persistent_session_keeps_messages(server, sides, topic, client_id, version, qos):
    publisher, subscriber = sides
    if (version, qos) == ("5.0", 2):
        server.known_fault("mosquitto 2.0.11 exceeds the Receive Maximum at QoS 2")
    session = ["-i", client_id, "-c", "-q", str(qos), "-t", topic]
    subscriber.run_subscriber(server, *session, "-E", version=version)
    # Mosquitto closes a connection that has more in flight, and MQTT 3 cannot tell.
    publisher.publish_lines(server, topic, range(50), "-M", "20", version=version, qos=qos)
    kept = subscriber.run_subscriber(server, *session, "-C", "50", "-W", "20", version=version)
    assert kept.decode().split() == [str(number) for number in range(50)]


@each_version
@each_qos
def test_order(server, sides, topic, version, qos):
    publisher, subscriber = sides
    if qos == 2:
        server.known_fault("mosquitto 2.0.11 holds neither side to 20 messages in flight, and closes at more")
    with subscriber.subscriber(server, topic, version=version) as receiving:
        publisher.publish_lines(server, topic, range(500), version=version, qos=qos)
        received = [int(message.payload) for message in receiving.take(500)]
    assert received == list(range(500))


@pytest.mark.parametrize("version", ["3.1.1", "5.0"])
def test_shared_subscription(server, ours, topic, version):
    shared = f"$share/group/{topic}"
    with ours.subscriber(server, shared, version=version) as one:
        with MOSQUITTO.subscriber(server, shared, version=version) as two:
            ours.publish_lines(server, topic, range(40), version=version, qos=1)
            shares = [[int(message.payload) for message in member.take(20)] for member in (one, two)]
    assert sorted(shares[0] + shares[1]) == list(range(40))


@pytest.mark.parametrize("size", [1 << 20, 10 << 20], ids=["1MiB", "10MiB"])
@pytest.mark.parametrize("version", VERSIONS)
@each_qos
def test_large_payloads(server, sides, topic, tmp_path, version, qos, size):
    publisher, subscriber = sides
    payload, file = os.urandom(size), tmp_path / "payload"
    file.write_bytes(payload)
    publisher.publish(server, topic, payload, "-r", version=version, qos=qos)
    options = ["-t", topic, "-q", str(qos), "-C", "1", "-N", "-W", "20"]
    received = subscriber.run_subscriber(server, *options, version=version)
    assert len(received) == size
    assert hashlib.sha256(received).digest() == hashlib.sha256(payload).digest()
    publisher.publish(server, topic, b"", "-r", version=version)


def test_publish_properties_pass(server, sides, topic):
    publisher, subscriber = sides
    properties = {
        "content-type": ["text/plain"],
        "response-topic": [f"{topic}/answer"],
        "correlation-data": ["c-1"],
        "user-property": ["unit", "kelvin"],
    }
    options = [word for name, values in properties.items() for word in ("-D", "publish", name, *values)]
    reading = {"message_format": "MESSAGE\t%C\t%R\t%D\t%P", "parse": lambda line: line.split("\t")[1:]}
    with subscriber.subscriber(server, topic, **reading) as receiving:
        publisher.publish(server, topic, b"x", *options, qos=1)
        assert receiving.next() == ["text/plain", f"{topic}/answer", "c-1", "unit:kelvin"]


def test_message_sources_and_formats(server, ours, mqtide_program, topic, tmp_path):
    file = tmp_path / "message"
    file.write_text("from a file")
    url = f"mqtt://{server.host}:{server.port}/{topic}"
    with ours.subscriber(server, topic) as receiving:
        for source in (["-m", "from an argument"], ["-f", file], ["-n"]):
            subprocess.run([mqtide_program, "pub", "-L", url, *source], check=True, timeout=20)
        payloads = [message.payload for message in receiving.take(3)]
    assert payloads == [b"from an argument", b"from a file", b""]


def test_refused_connection(ours, mqtide_program):
    """One clear line and a status that is not zero."""
    command = [mqtide_program, "pub", "-h", "127.0.0.1", "-p", "1", "-t", "x", "-m", "x"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1, done.stderr
