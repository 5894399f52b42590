"""Eclipse Paho's Python client against the broker: what MQTT 5.0 adds."""

import queue
import time

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from paho_python import Client, properties


def lasting(seconds):
    """CONNECT properties of a session that outlives its connection."""
    return properties("connect", SessionExpiryInterval=seconds)


@pytest.mark.parametrize("qos", [1, 2])
def test_session_resumes(broker, topic, client_id, qos):
    with Client(broker, client_id, connect=lasting(60)) as subscriber:
        assert not subscriber.session_present
        subscriber.subscribe(topic)
    with Client(broker) as publisher:
        for number in range(20):
            publisher.publish(topic, str(number), qos)
    with Client(broker, client_id, clean=False, connect=lasting(60)) as resumed:
        assert resumed.session_present
        assert resumed.take(20) == [str(number) for number in range(20)]
    with Client(broker, client_id) as clean:
        assert not clean.session_present


def test_session_ends_with_the_connection_by_default(broker, topic, client_id):
    with Client(broker, client_id) as subscriber:
        subscriber.subscribe(topic)
    with Client(broker, client_id, clean=False) as again:
        assert not again.session_present


def test_session_expires(broker, client_id):
    with Client(broker, client_id, connect=lasting(1)):
        pass
    time.sleep(2.5)
    with Client(broker, client_id, clean=False) as again:
        assert not again.session_present


def test_disconnect_shortens_the_session(broker, client_id):
    with Client(broker, client_id, connect=lasting(600)) as client:
        client.inner.disconnect(properties=properties("disconnect", SessionExpiryInterval=0))
        client.ended.get(timeout=10)
    with Client(broker, client_id, clean=False) as again:
        assert not again.session_present


def delayed_will(topic, seconds):
    """A will and the properties that delay it."""
    found = properties("willmessage", WillDelayInterval=seconds, ContentType="text/plain")
    return {"topic": topic, "payload": b"gone", "qos": 1, "properties": found}


def test_a_delayed_will_waits(broker, topic, client_id):
    with Client(broker) as watcher:
        watcher.subscribe(topic)
        Client(broker, client_id, connect=lasting(60), will=delayed_will(topic, 2)).break_off()
        assert watcher.silent(1)
        message = watcher.next()
    assert (message.payload, message.properties.ContentType) == (b"gone", "text/plain")


def test_who_returns_in_time_leaves_no_will(broker, topic, client_id):
    with Client(broker) as watcher:
        watcher.subscribe(topic)
        Client(broker, client_id, connect=lasting(60), will=delayed_will(topic, 2)).break_off()
        with Client(broker, client_id, clean=False, connect=lasting(60)) as returned:
            assert returned.session_present
            assert watcher.silent(3)


def test_the_end_of_the_session_ends_the_delay(broker, topic, client_id):
    broker.known_fault("mosquitto 2.0.11 waits for the delay")
    with Client(broker) as watcher:
        watcher.subscribe(topic)
        Client(broker, client_id, connect=lasting(0), will=delayed_will(topic, 600)).break_off()
        assert watcher.next().payload == b"gone"


def test_disconnect_with_will(broker, topic):
    with Client(broker) as watcher:
        watcher.subscribe(topic)
        with Client(broker, will={"topic": topic, "payload": b"gone"}) as leaving:
            leaving.inner.disconnect(ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message"))
            assert watcher.next().payload == b"gone"


def test_topic_alias_to_the_broker(broker, topic):
    with Client(broker) as subscriber, Client(broker) as publisher:
        assert publisher.properties.TopicAliasMaximum >= 2
        subscriber.subscribe(f"{topic}/#")
        publisher.publish(f"{topic}/a", b"1", TopicAlias=1)
        publisher.publish(f"{topic}/b", b"2", TopicAlias=2)
        publisher.publish("", b"3", TopicAlias=1)
        publisher.publish(f"{topic}/c", b"4", TopicAlias=1)
        publisher.publish("", b"5", TopicAlias=1)
        received = [subscriber.next() for _ in range(5)]
    assert [message.payload for message in received] == [b"1", b"2", b"3", b"4", b"5"]
    assert [message.topic for message in received] == [f"{topic}/{name}" for name in "abacc"]


def test_an_alias_over_the_maximum(broker, topic):
    with Client(broker) as publisher:
        over = publisher.properties.TopicAliasMaximum + 1
        publisher.inner.publish(topic, b"x", properties=properties("publish", TopicAlias=over))
        # Paho does not parse the reason code of so short a DISCONNECT.
        told, _ = publisher.ended.get(timeout=10)
    assert told


def test_user_properties_keep_their_order(broker, topic):
    pairs = [("a", "1"), ("b", "2"), ("a", "3"), ("", ""), ("ключ", "значение")]
    with Client(broker) as client:
        client.subscribe(topic)
        client.publish(topic, b"x", UserProperty=pairs)
        assert client.next().properties.UserProperty == pairs


def test_request_and_response(broker, topic):
    with Client(broker) as responder, Client(broker) as requester:
        responder.subscribe(f"{topic}/question")
        requester.subscribe(f"{topic}/answer")
        requester.publish(
            f"{topic}/question", b"?", ResponseTopic=f"{topic}/answer", CorrelationData=b"\x00\xff\x10"
        )
        question = responder.next()
        responder.publish(question.properties.ResponseTopic, b"!", CorrelationData=question.properties.CorrelationData)
        answer = requester.next()
    assert (answer.payload, answer.properties.CorrelationData) == (b"!", b"\x00\xff\x10")


def test_payload_format_and_content_type(broker, topic):
    with Client(broker) as client:
        client.subscribe(topic)
        client.publish(topic, "grün", PayloadFormatIndicator=1, ContentType="text/plain")
        found = client.next().properties
    assert (found.PayloadFormatIndicator, found.ContentType) == (1, "text/plain")


def test_subscription_identifiers(broker, topic):
    with Client(broker) as client:
        client.subscribe(f"{topic}/a", found=properties("subscribe", SubscriptionIdentifier=7))
        client.subscribe(f"{topic}/#", found=properties("subscribe", SubscriptionIdentifier=268435455))
        client.publish(f"{topic}/b", b"one")
        assert client.next().properties.SubscriptionIdentifier == [268435455]
        client.publish(f"{topic}/a", b"both")
        # One copy with both identifiers, or one copy for each.
        found = client.next().properties.SubscriptionIdentifier
        if len(found) == 1:
            found += client.next().properties.SubscriptionIdentifier
        assert sorted(found) == [7, 268435455]
        assert client.silent()


def test_no_local(broker, topic):
    with Client(broker) as client, Client(broker) as other:
        client.subscribe(topic, noLocal=True)
        client.publish(topic, b"own")
        other.publish(topic, b"other")
        assert client.next().payload == b"other"
        assert client.silent()


@pytest.mark.parametrize(("handling", "first", "again"), [(0, True, True), (1, True, False), (2, False, False)])
def test_retain_handling(broker, topic, handling, first, again):
    with Client(broker) as client:
        client.publish(topic, b"kept", retain=True)
        for expected in (first, again):
            client.subscribe(topic, retainHandling=handling)
            assert (not client.silent()) == expected


@pytest.mark.parametrize("as_published", [False, True])
def test_retain_as_published(broker, topic, as_published):
    with Client(broker) as client:
        client.subscribe(topic, retainAsPublished=as_published)
        client.publish(topic, b"x", retain=True)
        assert client.next().retain == as_published


def test_message_expiry(broker, topic, client_id):
    with Client(broker, client_id, connect=lasting(60)) as subscriber:
        subscriber.subscribe(topic)
    with Client(broker) as publisher:
        publisher.publish(topic, b"short", MessageExpiryInterval=1)
        publisher.publish(topic, b"long", MessageExpiryInterval=100)
        publisher.publish(topic, b"endless")
    time.sleep(2.5)
    with Client(broker, client_id, clean=False) as resumed:
        long, endless = resumed.next(), resumed.next()
        assert resumed.silent()
    assert (long.payload, endless.payload) == (b"long", b"endless")
    assert 90 <= long.properties.MessageExpiryInterval <= 98
    assert not hasattr(endless.properties, "MessageExpiryInterval")


def test_a_retained_message_expires(broker, topic):
    with Client(broker) as client:
        client.publish(topic, b"kept", retain=True, MessageExpiryInterval=1)
        time.sleep(2.5)
        client.subscribe(topic)
        assert client.silent()


@pytest.mark.parametrize("qos", [1, 2])
def test_receive_maximum_of_the_client(broker, topic, qos):
    with Client(broker, connect=properties("connect", ReceiveMaximum=2), manual_ack=True) as subscriber:
        subscriber.subscribe(topic)
        with Client(broker) as publisher:
            for number in range(5):
                publisher.publish(topic, str(number), qos)
        held = [subscriber.next(), subscriber.next()]
        assert subscriber.silent(), "a third message waits for an acknowledgement"
        for _ in range(3):
            oldest = held.pop(0)
            subscriber.inner.ack(oldest.mid, oldest.qos)
            held.append(subscriber.next())
        assert [message.payload for message in held] == [b"3", b"4"]


def test_maximum_packet_size_of_the_client(broker, topic):
    with Client(broker, connect=properties("connect", MaximumPacketSize=200)) as subscriber:
        subscriber.subscribe(topic)
        with Client(broker) as publisher:
            publisher.publish(topic, b"x" * 300)
            publisher.publish(topic, b"fits")
        assert subscriber.next().payload == b"fits"


def test_assigned_client_identifier(broker):
    with Client(broker) as one, Client(broker) as two:
        names = [client.properties.AssignedClientIdentifier for client in (one, two)]
    assert all(names) and names[0] != names[1]


def test_no_identifier_is_assigned_to_who_has_one(broker, client_id):
    with Client(broker, client_id) as client:
        assert not hasattr(client.properties, "AssignedClientIdentifier")


def test_shared_subscription(broker, topic):
    with Client(broker) as one, Client(broker) as two, Client(broker) as publisher:
        for member in (one, two):
            assert member.subscribe(f"$share/group/{topic}") == 2
        for number in range(50):
            publisher.publish(topic, str(number))
        time.sleep(0.5)
        shares = [member.take(member.messages.qsize()) for member in (one, two)]
    assert sorted(map(int, shares[0] + shares[1])) == list(range(50))
    assert all(shares)


def test_a_member_that_leaves_hands_its_messages_on(broker, topic):
    broker.known_fault("mosquitto 2.0.11 drops what waits for the leaving member")
    with Client(broker) as staying:
        staying.subscribe(f"$share/group/{topic}", qos=1)
        leaving = Client(broker, connect=properties("connect", ReceiveMaximum=1), manual_ack=True)
        leaving.subscribe(f"$share/group/{topic}", qos=1)
        with Client(broker) as publisher:
            for number in range(20):
                publisher.publish(topic, str(number))
        time.sleep(0.3)
        leaving.break_off()
        received = set()
        while len(received) < 20:
            try:
                received.add(int(staying.next(5).payload))
            except queue.Empty:
                break
    # What the leaving member had received may count as delivered.
    assert len(received) >= 19


def test_publish_without_subscribers(broker, topic):
    with Client(broker) as client:
        assert client.publish(topic, b"x", 1) in (0x00, 0x10)


def test_enhanced_authentication_is_refused(broker):
    with Client(broker, connect=properties("connect", AuthenticationMethod="SCRAM-SHA-256")) as client:
        assert client.reason.value == 0x8C
