/* Publishes COUNT messages with the synchronous client, each awaited before the next. */
#include "common.h"

#include <MQTTClient.h>

static void connect_to_broker(MQTTClient client, int version)
{
    if (version == MQTTVERSION_5) {
        MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer5;
        options.keepAliveInterval = 20;
        MQTTResponse response = MQTTClient_connect5(client, &options, NULL, NULL);
        check(response.reasonCode, "connect");
        MQTTResponse_free(response);
        return;
    }
    MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
    options.keepAliveInterval = 20;
    options.cleansession = 1;
    options.MQTTVersion = version;
    check(MQTTClient_connect(client, &options), "connect");
}

static void publish(MQTTClient client, const Arguments *arguments, int number)
{
    char payload[32];
    MQTTClient_message message = MQTTClient_message_initializer;
    MQTTClient_deliveryToken token;
    message.payload = payload;
    message.payloadlen = snprintf(payload, sizeof payload, "%d", number);
    message.qos = arguments->qos;
    if (arguments->version == MQTTVERSION_5) {
        MQTTResponse response = MQTTClient_publishMessage5(client, arguments->topic, &message, &token);
        check(response.reasonCode, "publish");
        MQTTResponse_free(response);
    } else {
        check(MQTTClient_publishMessage(client, arguments->topic, &message, &token), "publish");
    }
    check(MQTTClient_waitForCompletion(client, token, WAIT_SECONDS * 1000), "completion");
}

int main(int argc, char **argv)
{
    Arguments arguments = parse(argc, argv);
    MQTTClient client;
    MQTTClient_createOptions options = MQTTClient_createOptions_initializer;
    options.MQTTVersion = arguments.version;
    check(MQTTClient_createWithOptions(&client, arguments.uri, arguments.client_id, MQTTCLIENT_PERSISTENCE_NONE, NULL,
                                       &options),
          "create");
    connect_to_broker(client, arguments.version);
    for (int number = 0; number < arguments.count; number++)
        publish(client, &arguments, number);
    if (arguments.version == MQTTVERSION_5)
        check(MQTTClient_disconnect5(client, 1000, MQTTREASONCODE_SUCCESS, NULL), "disconnect");
    else
        check(MQTTClient_disconnect(client, 1000), "disconnect");
    MQTTClient_destroy(&client);
    return 0;
}
