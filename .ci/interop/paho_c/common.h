/* Arguments and failures that the three programs share. */
#ifndef COMMON_H
#define COMMON_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_SECONDS = 20 };

typedef struct {
    const char *uri, *client_id, *topic;
    int version; /* 3: MQTT 3.1, 4: 3.1.1, 5: 5.0 */
    int qos, count;
} Arguments;

/* usage: PROGRAM URI CLIENT-ID VERSION TOPIC QOS COUNT */
static Arguments parse(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: %s URI CLIENT-ID VERSION TOPIC QOS COUNT\n", argv[0]);
        exit(2);
    }
    Arguments found = {argv[1], argv[2], argv[4], atoi(argv[3]), atoi(argv[5]), atoi(argv[6])};
    return found;
}

static void check(int code, const char *what)
{
    if (code != 0) {
        fprintf(stderr, "%s: %d\n", what, code);
        exit(1);
    }
}

#endif
