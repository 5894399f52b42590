/* The asynchronous client's connection, with its callbacks awaited where a program wants to wait. */
#ifndef ASYNC_H
#define ASYNC_H

#include "common.h"

#include <MQTTAsync.h>

static volatile int failed;

/* Waits until a counter that callbacks raise has reached a value. */
static void await(const volatile int *counter, int value, const char *what)
{
    for (int turn = 0; *counter < value && !failed; turn++) {
        if (turn == WAIT_SECONDS * 1000) {
            fprintf(stderr, "%s: timeout at %d of %d\n", what, *counter, value);
            exit(1);
        }
        usleep(1000);
    }
    check(failed, what);
}

static void on_success(void *context, MQTTAsync_successData *data)
{
    (void)data;
    ++*(volatile int *)context;
}

static void on_success5(void *context, MQTTAsync_successData5 *data)
{
    (void)data;
    ++*(volatile int *)context;
}

static void on_failure(void *context, MQTTAsync_failureData *data)
{
    (void)context;
    failed = data && data->code ? data->code : -1;
}

static void on_failure5(void *context, MQTTAsync_failureData5 *data)
{
    (void)context;
    failed = data && data->code ? data->code : -1;
}

/* Options of a call that raises `counter` once the broker has answered. */
static MQTTAsync_responseOptions counted(int version, volatile int *counter)
{
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    options.context = (void *)counter;
    if (version == MQTTVERSION_5) {
        options.onSuccess5 = on_success5;
        options.onFailure5 = on_failure5;
    } else {
        options.onSuccess = on_success;
        options.onFailure = on_failure;
    }
    return options;
}

static MQTTAsync create(const Arguments *arguments)
{
    MQTTAsync client;
    MQTTAsync_createOptions options = MQTTAsync_createOptions_initializer;
    options.MQTTVersion = arguments->version;
    options.maxBufferedMessages = 10000;
    check(MQTTAsync_createWithOptions(&client, arguments->uri, arguments->client_id, MQTTCLIENT_PERSISTENCE_NONE, NULL,
                                      &options),
          "create");
    return client;
}

static void connect_to_broker(MQTTAsync client, int version)
{
    static volatile int connected;
    MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer;
    MQTTAsync_connectOptions options5 = MQTTAsync_connectOptions_initializer5;
    MQTTAsync_connectOptions *chosen = version == MQTTVERSION_5 ? &options5 : &options;
    chosen->keepAliveInterval = 20;
    chosen->MQTTVersion = version;
    chosen->context = (void *)&connected;
    if (version == MQTTVERSION_5) {
        chosen->cleanstart = 1;
        chosen->onSuccess5 = on_success5;
        chosen->onFailure5 = on_failure5;
    } else {
        chosen->cleansession = 1;
        chosen->onSuccess = on_success;
        chosen->onFailure = on_failure;
    }
    check(MQTTAsync_connect(client, chosen), "connect");
    await(&connected, 1, "CONNACK");
}

static void disconnect(MQTTAsync client, int version)
{
    static volatile int disconnected;
    MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer;
    MQTTAsync_disconnectOptions options5 = MQTTAsync_disconnectOptions_initializer5;
    MQTTAsync_disconnectOptions *chosen = version == MQTTVERSION_5 ? &options5 : &options;
    chosen->context = (void *)&disconnected;
    if (version == MQTTVERSION_5)
        chosen->onSuccess5 = on_success5;
    else
        chosen->onSuccess = on_success;
    check(MQTTAsync_disconnect(client, chosen), "disconnect");
    await(&disconnected, 1, "disconnect");
    MQTTAsync_destroy(&client);
}

#endif
