"""Broker processes: started on free ports, stopped by their own process id."""

import pathlib
import signal
import socket
import subprocess
import time

import pytest

HOST = "127.0.0.1"
START_SECONDS = 20
STOP_SECONDS = 20


def free_port():
    """A TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


class Broker:
    """A broker process with one TCP and one WebSocket listener."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.host, self.port, self.ws_port = HOST, free_port(), free_port()
        self.url, self.ws_url = f"mqtt://{HOST}:{self.port}", f"ws://{HOST}:{self.ws_port}/mqtt"
        self.log = self.folder / "log"

    def command(self):
        raise NotImplementedError

    def known_fault(self, reason):
        """Ends a test that this broker is known to fail; ours has no such leave."""

    def __enter__(self):
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        try:
            for port in (self.port, self.ws_port):
                self._await_listener(port, deadline)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        return self

    def _await_listener(self, port, deadline):
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection((self.host, port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"{self.command()} does not listen on {port}:\n{self.log.read_text()}")

    def __exit__(self, *_):
        """SIGTERM ends a broker gracefully; one that had ended before, or ends badly, is a failure."""
        early = self.process.poll()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        assert early is None and status == 0, f"the broker ended with {status}:\n{self.log.read_text()[-4000:]}"


class Mqtide(Broker):
    """Our broker, as the README starts it but on other ports."""

    def __init__(self, program, folder):
        super().__init__(folder)
        self.program = program

    def command(self):
        return [self.program, "broker", "--listen", self.url, "--listen", self.ws_url, "--ephemeral", "--allow-anonymous"]


class Mosquitto(Broker):
    """Debian's mosquitto 2.0."""

    def known_fault(self, reason):
        pytest.skip(reason)

    def command(self):
        configuration = self.folder / "mosquitto.conf"
        configuration.write_text(
            f"listener {self.port} {HOST}\n"
            f"listener {self.ws_port} {HOST}\nprotocol websockets\n"
            "allow_anonymous true\npersistence false\nmax_queued_messages 0\nuser root\n"
        )
        return ["/usr/sbin/mosquitto", "-c", str(configuration)]
