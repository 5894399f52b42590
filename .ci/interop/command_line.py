"""Publishers and subscribers on the command line: mosquitto's, and ours, which takes the same flags."""

import queue
import subprocess
import threading

VERSIONS = {"3.1": "mqttv31", "3.1.1": "mqttv311", "5.0": "mqttv5"}
WAIT_SECONDS = 30

# One message per line. `%x` is the payload in hexadecimal, so that no payload can look like something else.
_FORMAT = "MESSAGE\t%q\t%r\t%t\t%x"


class CommandLine:
    """A pair of programs, such as mosquitto_pub and mosquitto_sub."""

    def __init__(self, name, publisher, subscriber):
        self.name, self._publisher, self._subscriber = name, publisher, subscriber

    @staticmethod
    def _connection(broker, version):
        return ["-h", broker.host, "-p", str(broker.port), "-V", VERSIONS[version]]

    def publish(self, broker, topic, payload, *options, version="5.0", qos=0):
        """Publishes one payload and waits until it is acknowledged."""
        self._publish(broker, topic, "-s" if payload else "-n", payload, options, version, qos)

    def publish_lines(self, broker, topic, lines, *options, version="5.0", qos=0):
        """Publishes each line as a message over one connection."""
        text = "".join(f"{line}\n" for line in lines)
        try:
            self._publish(broker, topic, "-l", text.encode(), options, version, qos)
        except subprocess.TimeoutExpired:
            # mosquitto_pub 2.0 now and then misses the end of its input and stays, on any broker. Whether the lines
            # have arrived is for the receiver to say.
            if self.name != MOSQUITTO.name:
                raise

    def _publish(self, broker, topic, source, payload, options, version, qos):
        command = [*self._publisher, *self._connection(broker, version), "-t", topic, "-q", str(qos), source, *options]
        done = subprocess.run(command, input=payload, capture_output=True, timeout=WAIT_SECONDS)
        assert done.returncode == 0, done.stderr.decode()

    def run_subscriber(self, broker, *options, version="5.0"):
        """Runs a subscriber until it ends by itself, and returns what it printed."""
        command = [*self._subscriber, *self._connection(broker, version), *options]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT_SECONDS)
        assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
        return done.stdout

    def start_subscriber(self, broker, *options, version="5.0", stdout=subprocess.PIPE):
        """Starts a subscriber; the caller ends it."""
        command = [*self._subscriber, *self._connection(broker, version), *options]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout)

    def subscriber(self, broker, *filters, version="5.0", qos=2, options=(), **reading):
        """A running [`Subscriber`], for `with`."""
        command = [*self._subscriber, *self._connection(broker, version), "-d", "-q", str(qos)]
        command += [argument for topic_filter in filters for argument in ("-t", topic_filter)]
        return Subscriber([*command, *options], **reading)


MOSQUITTO = CommandLine("mosquitto", ["mosquitto_pub"], ["mosquitto_sub"])


class Message:
    """A message as it was printed."""

    def __init__(self, line):
        qos, retain, self.topic, payload = line.split("\t")[1:]
        self.qos, self.retain, self.payload = int(qos), retain == "1", bytes.fromhex(payload)


class Subscriber:
    """A running subscriber whose subscriptions are acknowledged once the `with` block is entered."""

    def __init__(self, command, parse=Message, message_format=_FORMAT):
        # Both programs write to a pipe in blocks unless told otherwise.
        self.command = ["stdbuf", "-oL", *command, "-F", message_format]
        self.parse = parse
        self.messages = queue.Queue()
        self.subscribed = threading.Event()
        self.other_lines = []

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if not self.subscribed.wait(WAIT_SECONDS):
            self.__exit__()
            raise AssertionError(f"no SUBACK: {self.other_lines}")
        return self

    def _read(self):
        for line in self.process.stdout:
            line = line.rstrip("\n")
            if line.startswith("MESSAGE"):
                self.messages.put(self.parse(line))
            else:
                self.other_lines.append(line)
                if "ubscribed" in line:
                    self.subscribed.set()

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.reader.join(WAIT_SECONDS)
        self.process.stdout.close()

    def kill(self):
        """Ends the client without a DISCONNECT."""
        self.process.kill()

    def next(self, seconds=WAIT_SECONDS):
        """The next message; fails if none comes."""
        return self.messages.get(timeout=seconds)

    def take(self, count):
        """The next messages, in order of arrival."""
        return [self.next() for _ in range(count)]

    def silent(self, seconds=0.5):
        """Whether no further message comes for a while."""
        try:
            self.messages.get(timeout=seconds)
        except queue.Empty:
            return True
        return False
