"""MQTT.js against the broker, over TCP and WebSocket."""

import pathlib
import shutil
import subprocess

import pytest

SCRIPT = pathlib.Path(__file__).parent / "mqttjs.js"
VERSIONS = {"3.1": "3", "3.1.1": "4", "5.0": "5"}

ANY_VERSION = [
    "qos0",
    "qos1",
    "qos2",
    "large1",
    "large10",
    "retained",
    "will",
    "wildcard",
    "persistent",
    "takeover",
    "keepalive",
]
SHARED = ["shared"]
ONLY_V5 = ["alias", "aliasOverMaximum", "properties", "assignedClientIdentifier", "receiveMaximum"]

CASES = [
    *[(version, case) for version in VERSIONS for case in ANY_VERSION],
    *[(version, case) for version in ("3.1.1", "5.0") for case in SHARED],
    *[("5.0", case) for case in ONLY_V5],
]


@pytest.mark.parametrize(("version", "case"), CASES, ids=lambda value: value)
@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_mqttjs(broker, topic, transport, version, case):
    if transport == "ws" and case.startswith("large"):
        broker.known_fault("mosquitto 2.0.11 stops reading over libwebsockets")
    if (version, case) == ("5.0", "takeover"):
        broker.known_fault("mosquitto 2.0.11 closes without a DISCONNECT")
    if case == "receiveMaximum":
        broker.known_fault("mosquitto 2.0.11 exceeds the Receive Maximum at QoS 2")
    url = broker.ws_url if transport == "ws" else broker.url
    node = shutil.which("node")
    assert node, "node is missing"
    command = [node, SCRIPT, case, url, VERSIONS[version], topic]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
