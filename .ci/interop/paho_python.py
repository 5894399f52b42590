"""Eclipse Paho's Python client with its callbacks turned into queues."""

import queue
import threading

from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

VERSIONS = {"3.1": paho.MQTTv31, "3.1.1": paho.MQTTv311, "5.0": paho.MQTTv5}
WAIT_SECONDS = 30


def properties(packet, **values):
    """Properties of a packet, such as `properties("connect", SessionExpiryInterval=60)`."""
    made = Properties(getattr(PacketTypes, packet.upper()))
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Client:
    """One network connection of a Paho client; `with` disconnects it at the end."""

    def __init__(self, broker, client_id="", version="5.0", clean=True, transport="tcp", connect=None, **setup):
        """`connect` holds properties of CONNECT; `setup` is `will`, `manual_ack` or `keepalive`."""
        fifth = version == "5.0"
        self.fifth = fifth
        self.inner = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=VERSIONS[version],
            transport=transport,
            clean_session=None if fifth else clean,
            manual_ack=setup.get("manual_ack", False),
            reconnect_on_failure=False,
        )
        self.messages, self.answers, self.ended = queue.Queue(), {}, queue.Queue()
        self.connack = queue.Queue()
        self._changed = threading.Condition()
        self._listen()
        if "will" in setup:
            self.inner.will_set(**setup["will"])
        self.inner.max_inflight_messages_set(setup.get("max_inflight", 20))
        port = broker.ws_port if transport == "websockets" else broker.port
        more = {"clean_start": clean, "properties": connect} if fifth else {}
        self.inner.connect(broker.host, port, keepalive=setup.get("keepalive", 60), **more)
        self.inner.loop_start()
        self.session_present, self.reason, self.properties = self.connack.get(timeout=WAIT_SECONDS)

    def _listen(self):
        def on_connect(_client, _userdata, flags, reason, found):
            self.connack.put((flags.session_present, reason, found))

        def on_message(_client, _userdata, message):
            self.messages.put(message)

        def on_answer(_client, _userdata, mid, reasons, _found):
            with self._changed:
                self.answers[mid] = reasons
                self._changed.notify_all()

        def on_disconnect(_client, _userdata, flags, reason, _found):
            self.ended.put((flags.is_disconnect_packet_from_server, reason))

        self.inner.on_connect, self.inner.on_message = on_connect, on_message
        self.inner.on_subscribe = self.inner.on_unsubscribe = on_answer
        self.inner.on_publish = on_answer
        self.inner.on_disconnect = on_disconnect

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.inner.disconnect()
        self.inner.loop_stop()

    def _answer(self, mid):
        with self._changed:
            assert self._changed.wait_for(lambda: mid in self.answers, WAIT_SECONDS), "no answer"
            return self.answers.pop(mid)

    def subscribe(self, topic_filter, qos=2, found=None, **options):
        """Subscribes, awaits SUBACK and returns its reason code."""
        if self.fifth:
            _, mid = self.inner.subscribe(topic_filter, options=SubscribeOptions(qos, **options), properties=found)
        else:
            _, mid = self.inner.subscribe(topic_filter, qos)
        return self._answer(mid)[0].value

    def unsubscribe(self, topic_filter):
        """Unsubscribes, awaits UNSUBACK and returns its reason codes, of which MQTT 3 has none."""
        _, mid = self.inner.unsubscribe(topic_filter)
        return [reason.value for reason in self._answer(mid)]

    def publish(self, topic, payload, qos=1, retain=False, **values):
        """Publishes, awaits the last acknowledgement and returns its reason code."""
        found = properties("publish", **values) if values else None
        sent = self.inner.publish(topic, payload, qos, retain, properties=found)
        return self._answer(sent.mid).value

    def settle(self):
        """A round trip: the broker has then handled what was sent before, QoS 0 included."""
        self.unsubscribe("nothing/of/this/name")

    def next(self, seconds=WAIT_SECONDS):
        """The next message; fails if none comes."""
        return self.messages.get(timeout=seconds)

    def take(self, count):
        """Payloads of the next messages, as text."""
        return [self.next().payload.decode() for _ in range(count)]

    def silent(self, seconds=0.4):
        """Whether no further message comes for a while."""
        try:
            self.messages.get(timeout=seconds)
        except queue.Empty:
            return True
        return False

    def break_off(self):
        """Closes the socket without a DISCONNECT."""
        self.inner.loop_stop()
        self.inner.socket().close()
