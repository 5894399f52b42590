"""Eclipse Paho's Python client against the broker: what all versions share."""

import os
import selectors
import time

import pytest
from paho.mqtt import client as paho

from paho_python import VERSIONS, Client

each_version = pytest.mark.parametrize("version", VERSIONS)
each_qos = pytest.mark.parametrize("qos", [0, 1, 2])
each_transport = pytest.mark.parametrize("transport", ["tcp", "websockets"])


@each_transport
@each_qos
@pytest.mark.parametrize("to", VERSIONS)
@pytest.mark.parametrize("source", VERSIONS)
def test_all_versions_meet(broker, topic, transport, source, to, qos):
    with Client(broker, version=to, transport=transport) as subscriber, Client(broker, version=source) as publisher:
        assert subscriber.subscribe(topic, 2) == 2
        publisher.publish(topic, b"hello", qos)
        message = subscriber.next()
    assert (message.topic, message.payload, message.qos, message.retain) == (topic, b"hello", qos, False)


@each_version
@each_qos
def test_retained(broker, topic, version, qos):
    with Client(broker, version=version) as publisher:
        publisher.publish(topic, b"kept", qos, retain=True)
        publisher.settle()
        with Client(broker, version=version) as later:
            later.subscribe(topic)
            message = later.next()
            assert (message.payload, message.qos, message.retain) == (b"kept", qos, True)
        publisher.publish(topic, b"", qos, retain=True)
        publisher.settle()
        with Client(broker, version=version) as last:
            last.subscribe(topic)
            assert last.silent()


@each_version
@each_qos
def test_will(broker, topic, version, qos):
    with Client(broker, version=version) as watcher:
        watcher.subscribe(topic)
        Client(broker, version=version, will={"topic": topic, "payload": b"gone", "qos": qos}).break_off()
        message = watcher.next()
    assert (message.payload, message.qos) == (b"gone", qos)


@pytest.mark.parametrize("version", ["3.1", "3.1.1"])
@pytest.mark.parametrize("qos", [1, 2])
def test_persistent_session(broker, topic, client_id, version, qos):
    with Client(broker, client_id, version, clean=False) as subscriber:
        assert not subscriber.session_present
        subscriber.subscribe(topic)
    with Client(broker, version=version) as publisher:
        for number in range(20):
            publisher.publish(topic, str(number), qos)
    with Client(broker, client_id, version, clean=False) as resumed:
        # MQTT 3.1 has no session present flag.
        assert resumed.session_present == (version == "3.1.1")
        assert resumed.take(20) == [str(number) for number in range(20)]
    with Client(broker, client_id, version) as clean:
        assert not clean.session_present
    with Client(broker, client_id, version, clean=False) as fresh:
        assert not fresh.session_present


@each_version
def test_takeover(broker, topic, client_id, version):
    if version == "5.0":
        broker.known_fault("mosquitto 2.0.11 closes without a DISCONNECT")
    with Client(broker, client_id, version) as first:
        with Client(broker, client_id, version) as second:
            told, _ = first.ended.get(timeout=10)
            assert told == (version == "5.0")
            second.subscribe(topic)
            second.publish(topic, b"x")
            assert second.next().payload == b"x"


@each_version
def test_unsubscribe(broker, topic, version):
    with Client(broker, version=version) as client:
        client.subscribe(topic)
        reasons = client.unsubscribe(topic), client.unsubscribe(topic)
        client.publish(topic, b"x")
        assert client.silent()
    if version == "5.0":
        assert reasons == ([0x00], [0x11])


@each_version
def test_wildcards(broker, topic, version):
    with Client(broker, version=version) as client:
        client.subscribe(f"{topic}/+")
        client.subscribe(f"{topic}/a/#")
        for name in ("a", "b", "a/b/c", "b/c"):
            client.publish(f"{topic}/{name}", name)
        names = set(client.take(3))
        # `a` matches both filters: one or two copies are allowed.
        while not client.messages.empty():
            names.add(client.next().payload.decode())
        assert names == {"a", "b", "a/b/c"}


@each_version
@each_qos
def test_order_in_flight(broker, topic, version, qos):
    count = 2000
    with Client(broker, version=version) as subscriber, Client(broker, version=version) as publisher:
        subscriber.subscribe(topic)
        for number in range(count):
            publisher.inner.publish(topic, str(number), qos)
        assert subscriber.take(count) == [str(number) for number in range(count)]


@pytest.mark.parametrize("size", [1 << 20, 10 << 20], ids=["1MiB", "10MiB"])
@each_transport
@each_qos
def test_large_payloads(broker, topic, transport, qos, size):
    payload = os.urandom(size)
    # Over WebSocket, Paho drops what the socket does not take at once; so the publisher uses TCP.
    with Client(broker, transport=transport) as subscriber, Client(broker) as publisher:
        subscriber.subscribe(topic)
        publisher.publish(topic, payload, qos)
        assert subscriber.next().payload == payload


class Crowd:
    """Many Paho clients turned by one thread."""

    def __init__(self, broker, topic, count):
        self.topic, self.received, self.subscribed = topic, [], 0
        self.selector = selectors.DefaultSelector()
        self.clients = [self._client(broker, number) for number in range(count)]

    def _client(self, broker, number):
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, f"crowd-{self.topic}-{number}")
        client.on_connect = lambda client, *_: client.subscribe(f"{self.topic}/{number}", 1)
        client.on_subscribe = self._on_subscribe
        client.on_message = lambda _client, _userdata, message: self.received.append((number, int(message.payload)))
        client.connect(broker.host, broker.port)
        self.selector.register(client.socket(), selectors.EVENT_READ, client)
        return client

    def _on_subscribe(self, *_):
        self.subscribed += 1

    def turn_until(self, done):
        deadline = time.monotonic() + 60
        while not done() and time.monotonic() < deadline:
            for key, _ in self.selector.select(0.1):
                key.data.loop_read()
            for client in self.clients:
                if client.want_write():
                    client.loop_write()
        assert done()

    def leave(self):
        for client in self.clients:
            self.selector.unregister(client.socket())
            client.disconnect()
        self.selector.close()


def test_a_thousand_clients(broker, topic):
    """Each client sends to its neighbour."""
    count = 1000
    crowd = Crowd(broker, topic, count)
    try:
        crowd.turn_until(lambda: crowd.subscribed == count)
        for number, client in enumerate(crowd.clients):
            client.publish(f"{topic}/{(number + 1) % count}", str(number), 1)
        crowd.turn_until(lambda: len(crowd.received) == count)
    finally:
        crowd.leave()
    assert sorted(crowd.received) == [(number, (number - 1) % count) for number in range(count)]
