/* Publishes COUNT messages with the asynchronous client, many in flight, and awaits them all. */
#include "async.h"

int main(int argc, char **argv)
{
    static volatile int completed;
    Arguments arguments = parse(argc, argv);
    MQTTAsync client = create(&arguments);
    connect_to_broker(client, arguments.version);
    for (int number = 0; number < arguments.count; number++) {
        char payload[32];
        MQTTAsync_message message = MQTTAsync_message_initializer;
        MQTTAsync_responseOptions options = counted(arguments.version, &completed);
        message.payload = payload;
        message.payloadlen = snprintf(payload, sizeof payload, "%d", number);
        message.qos = arguments.qos;
        check(MQTTAsync_sendMessage(client, arguments.topic, &message, &options), "publish");
    }
    await(&completed, arguments.count, "publish");
    disconnect(client, arguments.version);
    return 0;
}
