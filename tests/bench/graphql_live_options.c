#include "tests/bench/graphql_live_options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/sluice-bench/clock.h"
#include "tools/sluice-bench/payload.h"

_Noreturn static void wrong(const char *argument)
{
    (void)fprintf(stderr, "graphql_live_load: what is %s?\n", argument);
    exit(2);
}

/* "3:TEXT": a line that three frames answer. */
static void line_add(struct live_script *script, char *argument)
{
    char *text;
    unsigned long count = strtoul(argument, &text, 10);

    if (*text != ':' || script->line_count == LIVE_LINES_MAX)
        wrong(argument);
    script->lines[script->line_count++] =
        (struct live_line){.text = text + 1, .answer_count = (uint32_t)count};
}

static uint32_t number_read(const char *argument, unsigned long max)
{
    char *end;
    unsigned long value = strtoul(argument, &end, 10);

    if (*argument == '\0' || *end != '\0' || value > max)
        wrong(argument);
    return (uint32_t)value;
}

static void address_set(struct live_options *options, const char *port)
{
    struct sockaddr_in *address = (struct sockaddr_in *)&options->place.address;

    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address->sin_port = htons((uint16_t)number_read(port, UINT16_MAX));
    options->place.address_bytes = sizeof *address;
    (void)snprintf(options->place.host, sizeof options->place.host, "127.0.0.1:%s", port);
}

enum option_id {
    OPTION_PORT = 256,
    OPTION_PID,
    OPTION_SUBSCRIBERS,
    OPTION_SUBSCRIBER_PATH,
    OPTION_SUBSCRIBER_PROTOCOL,
    OPTION_SUBSCRIBER_SAYS,
    OPTION_PUBLISHERS,
    OPTION_PUBLISHER_PATH,
    OPTION_PUBLISHER_PROTOCOL,
    OPTION_PUBLISHER_SAYS,
    OPTION_PUBLISH,
    OPTION_ANSWERS,
    OPTION_HTTP,
    OPTION_WINDOW,
    OPTION_RATE,
    OPTION_SIZE,
    OPTION_SECONDS,
};

static const struct option long_options[] = {
    {"port", required_argument, NULL, OPTION_PORT},
    {"pid", required_argument, NULL, OPTION_PID},
    {"subscribers", required_argument, NULL, OPTION_SUBSCRIBERS},
    {"subscriber-path", required_argument, NULL, OPTION_SUBSCRIBER_PATH},
    {"subscriber-protocol", required_argument, NULL, OPTION_SUBSCRIBER_PROTOCOL},
    {"subscriber-says", required_argument, NULL, OPTION_SUBSCRIBER_SAYS},
    {"publishers", required_argument, NULL, OPTION_PUBLISHERS},
    {"publisher-path", required_argument, NULL, OPTION_PUBLISHER_PATH},
    {"publisher-protocol", required_argument, NULL, OPTION_PUBLISHER_PROTOCOL},
    {"publisher-says", required_argument, NULL, OPTION_PUBLISHER_SAYS},
    {"publish", required_argument, NULL, OPTION_PUBLISH},
    {"answers", required_argument, NULL, OPTION_ANSWERS},
    {"http", no_argument, NULL, OPTION_HTTP},
    {"window", required_argument, NULL, OPTION_WINDOW},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"size", required_argument, NULL, OPTION_SIZE},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {0},
};

static void option_take(struct live_options *options, enum option_id id, char *argument)
{
    switch (id) {
    case OPTION_PORT:
        address_set(options, argument);
        break;
    case OPTION_PID:
        options->pid = (pid_t)number_read(argument, INT32_MAX);
        break;
    case OPTION_SUBSCRIBERS:
        options->subscriber_count = number_read(argument, LIVE_PEERS_MAX);
        break;
    case OPTION_SUBSCRIBER_PATH:
        options->subscriber.path = argument;
        break;
    case OPTION_SUBSCRIBER_PROTOCOL:
        options->subscriber.protocol = argument;
        break;
    case OPTION_SUBSCRIBER_SAYS:
        line_add(&options->subscriber, argument);
        break;
    case OPTION_PUBLISHERS:
        options->publisher_count = number_read(argument, LIVE_PEERS_MAX);
        break;
    case OPTION_PUBLISHER_PATH:
        options->publisher.path = argument;
        break;
    case OPTION_PUBLISHER_PROTOCOL:
        options->publisher.protocol = argument;
        break;
    case OPTION_PUBLISHER_SAYS:
        line_add(&options->publisher, argument);
        break;
    case OPTION_PUBLISH:
        options->publish = argument;
        break;
    case OPTION_ANSWERS:
        options->answer_count = number_read(argument, 16);
        break;
    case OPTION_HTTP:
        options->is_http = true;
        break;
    case OPTION_WINDOW:
        options->window = number_read(argument, LIVE_WINDOW_MAX);
        break;
    case OPTION_RATE:
        options->rate = (double)number_read(argument, 10000000);
        break;
    case OPTION_SIZE:
        options->payload_bytes = number_read(argument, 16u << 10);
        break;
    case OPTION_SECONDS:
        options->duration_ns = number_read(argument, 3600) * CLOCK_NS_PER_S;
        break;
    }
}

bool live_options_read(int argc, char **argv, struct live_options *ret_options)
{
    int id;

    *ret_options = (struct live_options){
        .answer_count = 1,
        .publisher_count = 1,
        .window = 1,
        .payload_bytes = 128,
        .duration_ns = 5 * CLOCK_NS_PER_S,
        .warmup_ns = CLOCK_NS_PER_S,
    };
    while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (id == '?')
            return false;
        option_take(ret_options, (enum option_id)id, optarg);
    }
    if (ret_options->place.address_bytes > 0 && ret_options->publish != NULL &&
        ret_options->publisher_count > 0 && ret_options->publisher.path != NULL &&
        ret_options->payload_bytes >= PAYLOAD_BYTES_MIN)
        return true;
    (void)fputs("graphql_live_load: it needs --port, --publisher-path and --publish\n", stderr);
    return false;
}
