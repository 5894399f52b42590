"""Eclipse Paho's C client, synchronous and asynchronous, against the broker."""

import pathlib
import subprocess

import pytest

SOURCES = pathlib.Path(__file__).parent / "paho_c"
VERSIONS = {"3.1": "3", "3.1.1": "4", "5.0": "5"}
# The synchronous client looks for an acknowledgement ten times a second.
COUNTS = {"sync_publish": 20, "async_publish": 200}
WAIT_SECONDS = 60

each_version = pytest.mark.parametrize("version", VERSIONS)
each_qos = pytest.mark.parametrize("qos", [0, 1, 2])


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """The three programs, compiled against Debian's libpaho-mqtt-dev."""
    folder = tmp_path_factory.mktemp("paho_c")
    for name, library in [
        ("sync_publish", "paho-mqtt3c"),
        ("async_publish", "paho-mqtt3a"),
        ("async_subscribe", "paho-mqtt3a"),
    ]:
        command = ["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-o", folder / name]
        subprocess.run([*command, SOURCES / f"{name}.c", f"-l{library}"], check=True)
    return folder


@pytest.fixture
def start(broker, programs, topic):
    """Starts a program on the topic of the test."""

    def start(name, client_id, version, qos, count):
        arguments = [f"tcp://{broker.host}:{broker.port}", client_id, VERSIONS[version], topic, str(qos), str(count)]
        return subprocess.Popen([programs / name, *arguments], stdout=subprocess.PIPE, text=True)

    return start


@each_qos
@each_version
@pytest.mark.parametrize("publisher", COUNTS)
def test_paho_c(broker, start, topic, client_id, publisher, version, qos):
    if publisher == "async_publish" and version != "5.0" and qos == 2:
        broker.known_fault("mosquitto 2.0.11 closes MQTT 3 connections with more than 20 messages in flight")
    count = COUNTS[publisher]
    with start("async_subscribe", f"{client_id}s", version, 2, count) as subscriber:
        try:
            assert subscriber.stdout.readline() == "subscribed\n"
            with start(publisher, f"{client_id}p", version, qos, count) as publishing:
                assert publishing.wait(WAIT_SECONDS) == 0
            received, _ = subscriber.communicate(timeout=WAIT_SECONDS)
        finally:
            subscriber.kill()
    assert received.splitlines() == [f"{qos} {topic} {number}" for number in range(count)]
    assert subscriber.returncode == 0
