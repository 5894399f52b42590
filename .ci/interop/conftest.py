"""Brokers under test, and the options that choose them.

    pytest --mqtide=target/release/mqtide            # our broker, started here on free ports
    pytest --mqtide=... --broker mosquitto           # Debian's, to check the checks themselves
"""

import itertools
import shutil

import pytest

from brokers import Mosquitto, Mqtide

_numbers = itertools.count(1)


def pytest_addoption(parser):
    parser.addoption("--mqtide", required=True, help="path of the mqtide program")
    parser.addoption("--broker", choices=["mqtide", "mosquitto"], default="mqtide", help="the broker under test")


@pytest.fixture(scope="session")
def mqtide_program(request):
    """Path of the mqtide program."""
    program = shutil.which(request.config.getoption("--mqtide"))
    assert program, "--mqtide names no program"
    return program


@pytest.fixture(scope="session")
def broker(request, tmp_path_factory):
    """The broker under test."""
    folder = tmp_path_factory.mktemp("broker")
    if request.config.getoption("--broker") == "mosquitto":
        started = Mosquitto(folder)
    else:
        started = Mqtide(request.getfixturevalue("mqtide_program"), folder)
    with started:
        yield started


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory):
    """Debian's mosquitto, for our own client."""
    with Mosquitto(tmp_path_factory.mktemp("mosquitto")) as started:
        yield started


@pytest.fixture
def topic():
    """A topic that no other test uses."""
    return f"interop/{next(_numbers)}"


@pytest.fixture
def client_id():
    """A client identifier that no other test uses, short enough for MQTT 3.1."""
    return f"interop-{next(_numbers)}"


def pytest_terminal_summary(terminalreporter):
    passed, failed = (len(terminalreporter.stats.get(outcome, [])) for outcome in ("passed", "failed"))
    errors = len(terminalreporter.stats.get("error", []))
    terminalreporter.write_line(f"interop: {passed} passed, {failed + errors} failed")
