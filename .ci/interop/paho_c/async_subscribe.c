/* Prints COUNT messages, received by the asynchronous client, after a line that says it is subscribed. */
#include "async.h"

static volatile int arrived;

static int on_message(void *context, char *topic, int length, MQTTAsync_message *message)
{
    (void)context;
    (void)length;
    printf("%d %s %.*s\n", message->qos, topic, message->payloadlen, (const char *)message->payload);
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    arrived++;
    return 1;
}

int main(int argc, char **argv)
{
    static volatile int subscribed;
    Arguments arguments = parse(argc, argv);
    MQTTAsync client = create(&arguments);
    check(MQTTAsync_setCallbacks(client, NULL, NULL, on_message, NULL), "callbacks");
    connect_to_broker(client, arguments.version);
    MQTTAsync_responseOptions options = counted(arguments.version, &subscribed);
    check(MQTTAsync_subscribe(client, arguments.topic, arguments.qos, &options), "subscribe");
    await(&subscribed, 1, "SUBACK");
    puts("subscribed");
    fflush(stdout);
    await(&arrived, arguments.count, "messages");
    fflush(stdout);
    disconnect(client, arguments.version);
    return 0;
}
