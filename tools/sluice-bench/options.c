#include "tools/sluice-bench/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bus/check.h"
#include "tools/sluice-bench/payload.h"

#define NS_PER_MS         UINT64_C(1000000)
#define NS_PER_S          UINT64_C(1000000000)
#define CONNECTIONS_MAX   10000000
#define OUTSTANDING_MAX   65536
#define PAYLOAD_BYTES_MAX (16u << 20)
#define DESCRIPTORS_SPARE 64 /* of a process, for everything but connections */
#define URL_DEFAULT       "ws://127.0.0.1:8000"
#define WINDOW_DEFAULT    64
#define TOPIC_PREFIX_MAX  200

/* What an option's argument is and where it goes. */
enum option_kind {
    KIND_FLAG,
    KIND_COUNT, /* uint32_t */
    KIND_COUNT_64,
    KIND_RATE,
    KIND_SIZE,
    KIND_TIME,
    KIND_TEXT,
    KIND_URL,
    KIND_PIDS,
    KIND_PROTOCOL,
    KIND_VIA,
    KIND_PACE, /* --flat-out */
    KIND_HELP,
    KIND_VERSION,
};

struct option_row {
    const char *name;
    const char *argument; /* NULL: none */
    enum option_kind kind;
    size_t offset;
    uint64_t min;
    uint64_t max;
    const char *help;
};

#define AT(field) offsetof(struct options, field)

/* clang-format off */
static const struct option_row rows[] = {
    {"url", "URL", KIND_URL, 0, 0, 0, "the server; wss: by TLS, whatever its certificate says [" URL_DEFAULT "]"},
    {"protocol", "NAME", KIND_PROTOCOL, 0, 0, 0, "of the connections: room (/ws) or broker (/broker) [room]"},
    {"connections", "N", KIND_COUNT, AT(connection_count), 1, CONNECTIONS_MAX,
     "subscribers; in the room the publishers are among them [100]"},
    {"topics", "K", KIND_COUNT, AT(topic_count), 1, CONNECTIONS_MAX,
     "broker: connection i subscribes to topic i modulo K; messages go to all in turn [1]"},
    {"topic", "PREFIX", KIND_TEXT, AT(topic_prefix), 0, TOPIC_PREFIX_MAX,
     "topics are PREFIX-0, PREFIX-1 ... [bench]"},
    {"size", "BYTES", KIND_SIZE, AT(payload_bytes), PAYLOAD_BYTES_MIN, PAYLOAD_BYTES_MAX,
     "of each message, without the server's wrapping, at least 50 [128]"},
    {"processes", "N", KIND_COUNT, AT(process_count), 1, OPTIONS_PROCESSES_MAX,
     "client processes [as many as the limit of descriptors asks for]"},

    {NULL, "How long", KIND_FLAG, 0, 0, 0, NULL},
    {"messages", "N", KIND_COUNT_64, AT(message_count), 1, UINT64_MAX / 2,
     "publish N in all, instead of --duration"},
    {"duration", "TIME", KIND_TIME, AT(duration_ns), 0, 0, "of the measured part [10s]"},
    {"warmup", "TIME", KIND_TIME, AT(warmup_ns), 0, 0, "before it, not measured [1s]"},
    {"timeout", "TIME", KIND_TIME, AT(timeout_ns), 1, 0,
     "without any progress the run is given up and what is missing is lost [10s]"},

    {NULL, "How to publish", KIND_FLAG, 0, 0, 0, NULL},
    {"window", "W", KIND_COUNT, AT(window_count), 1, OUTSTANDING_MAX,
     "each publisher has W messages on their way: the next is sent when the oldest has "
     "reached all its subscribers (the default, W 64)"},
    {"rate", "R", KIND_RATE, AT(rate), 0, 0,
     "R messages a second in all, whatever comes back"},
    {"flat-out", NULL, KIND_PACE, 0, 0, 0,
     "as fast as --pipeline (broker, HTTP) or the socket (room) lets"},
    {"publishers", "P", KIND_COUNT, AT(publisher_count), 1, PAYLOAD_PUBLISHERS_MAX,
     "how many publish [1]"},
    {"via", "NAME", KIND_VIA, 0, 0, 0,
     "over websocket, or http: POST /topics/TOPIC on kept connections [websocket]"},
    {"pipeline", "N", KIND_COUNT, AT(pipeline_count), 1, OUTSTANDING_MAX,
     "unacknowledged messages of a publisher, flat out (broker and HTTP) [64]"},
    {"durable", NULL, KIND_FLAG, AT(is_durable), 0, 0,
     "ask to be acknowledged when on disk (broker and HTTP)"},
    {"publish-only", NULL, KIND_FLAG, AT(is_publish_only), 0, 0,
     "no subscribers: measure acknowledged publishes a second (broker or HTTP)"},

    {NULL, "Idle connections", KIND_FLAG, 0, 0, 0, NULL},
    {"idle", NULL, KIND_FLAG, AT(is_idle), 0, 0,
     "open the connections, hold them, publish nothing: connections a second, memory of each"},
    {"hold", "TIME", KIND_TIME, AT(hold_ns), 0, 0, "how long to hold them [2s]"},

    {NULL, "The server's costs", KIND_FLAG, 0, 0, 0, NULL},
    {"pids", "PID,PID", KIND_PIDS, 0, 0, 0,
     "the server's processes, for CPU per message and memory per connection"},
    {"children", NULL, KIND_FLAG, AT(with_children), 0, 0, "and the children of these"},

    {NULL, "Other", KIND_FLAG, 0, 0, 0, NULL},
    {"json", NULL, KIND_FLAG, AT(is_json), 0, 0, "print the result as one line of JSON"},
    {"version", NULL, KIND_VERSION, 0, 0, 0, "print the version"},
    {"help", NULL, KIND_HELP, 0, 0, 0, "print this"},
};
/* clang-format on */

#define ROW_COUNT      (sizeof rows / sizeof rows[0])
#define HELP_COLUMN    24
#define HELP_WIDTH     96
#define ROW_OPTION_MIN 256 /* getopt's value of row i is this + i: never a short option */

/* Prints @text from column HELP_COLUMN on, broken between words. */
static void help_print_wrapped(const char *text)
{
    size_t column = HELP_COLUMN;

    while (*text != '\0') {
        size_t word_bytes = strcspn(text, " ");
        if (column > HELP_COLUMN && column + 1 + word_bytes > HELP_WIDTH) {
            (void)printf("\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (column > HELP_COLUMN) {
            (void)putchar(' ');
            column++;
        }
        (void)printf("%.*s", (int)word_bytes, text);
        column += word_bytes;
        text += word_bytes;
        text += strspn(text, " ");
    }
    (void)putchar('\n');
}

static void help_print(void)
{
    (void)puts("Usage: sluice-bench [OPTION]...\n"
               "A load generator for Sluice and servers that speak like it. Every message carries "
               "its time and\nnumber: what is lost, doubled or out of order is counted for every "
               "subscriber.\n\nThe load");
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].name == NULL) {
            (void)printf("\n%s\n", rows[i].argument);
            continue;
        }
        int bytes = printf("  --%s %s", rows[i].name, rows[i].argument ? rows[i].argument : "");
        (void)printf("%*s", bytes < HELP_COLUMN ? HELP_COLUMN - bytes : 1, "");
        help_print_wrapped(rows[i].help);
    }
    (void)puts("\nSizes take K, M, G; times ms, s, m, h.\n"
               "Exit status: 0; 1 if anything was lost, doubled, out of order, refused or given "
               "up; 2 for a wrong option.");
}

void options_print_table(void)
{
    const char *title = "The load";

    for (size_t i = 0; i < ROW_COUNT; i++) {
        const struct option_row *row = &rows[i];

        if (row->name == NULL)
            title = row->argument;
        else
            (void)printf("bench\t%s\t%s\t%s\t%s\n", title, row->name,
                         row->argument != NULL ? row->argument : "", row->help);
    }
}

static enum options_result complain(const char *name, const char *value, const char *why)
{
    (void)fprintf(stderr, "sluice-bench: --%s %s: %s\n", name, value, why);
    return OPTIONS_BAD;
}

static bool number_parse(const char *text, const char **ret_rest, uint64_t *ret_number)
{
    char *rest;

    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    *ret_number = strtoull(text, &rest, 10);
    *ret_rest = rest;
    return errno == 0;
}

/* A number and one of @units, each with its factor; ends with a unit of NULL. */
struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit size_units[] = {
    {"", 1}, {"K", 1u << 10}, {"M", 1u << 20}, {"G", 1u << 30}, {NULL, 0}};
static const struct unit time_units[] = {
    {"ms", NS_PER_MS}, {"s", NS_PER_S}, {"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S}, {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static bool quantity_parse(const char *text, const struct unit *units, uint64_t *ret_value)
{
    const char *rest;
    uint64_t number;

    if (!number_parse(text, &rest, &number))
        return false;
    if (number == 0 && *rest == '\0') {
        *ret_value = 0; /* zero needs no unit */
        return true;
    }
    for (; units->name != NULL; units++) {
        if (strcmp(rest, units->name) == 0)
            return !__builtin_mul_overflow(number, units->factor, ret_value);
    }
    return false;
}

static enum options_result url_parse(const char *url, struct options *options)
{
    static const struct {
        const char *name;
        bool is_secure;
    } schemes[] = {{"ws://", false}, {"http://", false}, {"wss://", true}, {"https://", true}};
    char host[sizeof options->host];
    const char *authority = NULL;

    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (strncmp(url, schemes[i].name, strlen(schemes[i].name)) == 0) {
            authority = url + strlen(schemes[i].name);
            options->is_secure = schemes[i].is_secure;
        }
    }
    if (authority == NULL)
        return complain("url", url, "must be ws://HOST:PORT or wss://HOST:PORT");

    size_t bytes = strcspn(authority, "/");
    if (bytes >= sizeof host || authority[bytes + (authority[bytes] == '/')] != '\0')
        return complain("url", url, "must be ws://HOST:PORT, without a path");
    memcpy(options->host, authority, bytes);
    options->host[bytes] = '\0';
    memcpy(host, options->host, bytes + 1);

    char *colon = strrchr(host, ':');
    if (colon == NULL)
        return complain("url", url, "has no port");
    *colon = '\0';

    const char *name = host;
    if (host[0] == '[' && colon > host && colon[-1] == ']') { /* [::1]:8000 */
        colon[-1] = '\0';
        name = host + 1;
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    int rc = getaddrinfo(name, colon + 1, &hints, &found);
    if (rc != 0)
        return complain("url", url, gai_strerror(rc));
    CHECK(found->ai_addrlen <= sizeof options->address);
    memcpy(&options->address, found->ai_addr, found->ai_addrlen);
    options->address_bytes = found->ai_addrlen;
    freeaddrinfo(found);
    return OPTIONS_RUN;
}

static enum options_result pids_parse(const char *list, struct options *options)
{
    const char *rest = list;

    options->pid_count = 0;
    for (;;) {
        uint64_t pid;
        if (!number_parse(rest, &rest, &pid) || pid == 0 || pid > INT32_MAX)
            return complain("pids", list, "must be process ids, by comma");
        if (options->pid_count == OPTIONS_PIDS_MAX)
            return complain("pids", list, "are too many");
        options->pids[options->pid_count++] = (pid_t)pid;
        if (*rest == '\0')
            return OPTIONS_RUN;
        if (*rest != ',')
            return complain("pids", list, "must be process ids, by comma");
        rest++;
    }
}

static enum options_result choice_parse(const struct option_row *row, const char *value,
                                        const char *const names[2], unsigned *ret_choice)
{
    for (unsigned i = 0; i < 2; i++) {
        if (strcmp(value, names[i]) == 0) {
            *ret_choice = i;
            return OPTIONS_RUN;
        }
    }
    return complain(row->name, value, "no such choice");
}

static enum options_result pace_set(struct options *options, enum options_pace pace)
{
    if (options->pace != OPTIONS_PACE_DEFAULT && options->pace != pace) {
        (void)fputs("sluice-bench: only one of --window, --rate and --flat-out\n", stderr);
        return OPTIONS_BAD;
    }
    options->pace = pace;
    return OPTIONS_RUN;
}

static enum options_result quantity_set(const struct option_row *row, const char *value,
                                        struct options *options)
{
    const struct unit *units = row->kind == KIND_SIZE   ? size_units
                               : row->kind == KIND_TIME ? time_units
                                                        : no_units;
    uint64_t max = row->max != 0 ? row->max : UINT64_MAX;
    uint64_t number;

    if (!quantity_parse(value, units, &number))
        return complain(row->name, value,
                        row->kind == KIND_TIME ? "must be a time such as 500ms or 10s"
                                               : "must be a number");
    if (number < row->min || number > max)
        return complain(row->name, value, "is out of range");

    void *target = (char *)options + row->offset;
    if (row->kind == KIND_COUNT)
        *(uint32_t *)target = (uint32_t)number;
    else
        *(uint64_t *)target = number;
    return row->offset == AT(window_count) ? pace_set(options, OPTIONS_PACE_WINDOW) : OPTIONS_RUN;
}

static enum options_result rate_set(const char *value, struct options *options)
{
    char *rest;

    errno = 0;
    options->rate = strtod(value, &rest);
    if (errno != 0 || *rest != '\0' || !(options->rate >= 0.001) || options->rate > 1e9)
        return complain("rate", value, "must be messages a second");
    return pace_set(options, OPTIONS_PACE_RATE);
}

static enum options_result text_set(const struct option_row *row, const char *value,
                                    struct options *options)
{
    /* What needs no escape in JSON or in a path, so that a topic is the same everywhere. */
    size_t bytes = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                 "._:-");
    if (bytes == 0 || value[bytes] != '\0' || bytes > row->max)
        return complain(row->name, value, "must be letters, digits and . _ : -");
    *(const char **)(void *)((char *)options + row->offset) = value;
    return OPTIONS_RUN;
}

static enum options_result row_apply(const struct option_row *row, const char *value,
                                     struct options *options)
{
    static const char *const protocols[2] = {"room", "broker"};
    static const char *const vias[2] = {"websocket", "http"};
    enum options_result result;
    unsigned choice = 0;

    switch (row->kind) {
    case KIND_FLAG:
        *(bool *)((char *)options + row->offset) = true;
        return OPTIONS_RUN;
    case KIND_COUNT:
    case KIND_COUNT_64:
    case KIND_SIZE:
    case KIND_TIME:
        return quantity_set(row, value, options);
    case KIND_RATE:
        return rate_set(value, options);
    case KIND_TEXT:
        return text_set(row, value, options);
    case KIND_URL:
        return url_parse(value, options);
    case KIND_PIDS:
        return pids_parse(value, options);
    case KIND_PROTOCOL:
        result = choice_parse(row, value, protocols, &choice);
        options->protocol = choice == 0 ? OPTIONS_ROOM : OPTIONS_BROKER;
        return result;
    case KIND_VIA:
        result = choice_parse(row, value, vias, &choice);
        options->via = choice == 0 ? OPTIONS_VIA_WEBSOCKET : OPTIONS_VIA_HTTP;
        return result;
    case KIND_PACE:
        return pace_set(options, OPTIONS_PACE_FLAT_OUT);
    case KIND_HELP:
        help_print();
        return OPTIONS_DONE;
    case KIND_VERSION:
        (void)puts("sluice-bench " SLUICE_VERSION);
        return OPTIONS_DONE;
    }
    UNREACHABLE();
}

/* What the options say together. */
static const char *contradiction(const struct options *options)
{
    bool is_acknowledged = options_is_acknowledged(options);

    if (options->is_idle && options->is_publish_only)
        return "--idle and --publish-only exclude each other";
    if (options->protocol == OPTIONS_ROOM && options->topic_count > 1)
        return "the room is one topic: --topics needs --protocol broker";
    if (options->is_durable && !is_acknowledged)
        return "--durable needs --protocol broker or --via http";
    if (options->is_publish_only && !is_acknowledged)
        return "--publish-only needs --protocol broker or --via http";
    if (options->is_publish_only && options->pace == OPTIONS_PACE_WINDOW)
        return "--window needs subscribers; use --pipeline with --publish-only";
    if (!options_has_publisher_connections(options) &&
        options->publisher_count > options->connection_count / options->process_count)
        return "in the room the publishers are among the connections: more --connections";
    if (options->pace == OPTIONS_PACE_WINDOW &&
        options->topic_count > options->connection_count / options->process_count)
        return "--window needs a subscriber of every topic in each client process";
    return NULL;
}

static uint32_t processes_needed(const struct options *options)
{
    struct rlimit limit;
    uint64_t wanted = options->is_publish_only ? 0 : options->connection_count;

    if (options_has_publisher_connections(options))
        wanted += options->publisher_count;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max <= DESCRIPTORS_SPARE)
        return 1;
    uint64_t each = limit.rlim_max - DESCRIPTORS_SPARE;
    uint64_t count = (wanted + each - 1) / each;
    return count < 1 ? 1 : count > OPTIONS_PROCESSES_MAX ? OPTIONS_PROCESSES_MAX : (uint32_t)count;
}

static enum options_result options_complete(struct options *options)
{
    if (options->address_bytes == 0) {
        enum options_result result = url_parse(URL_DEFAULT, options);
        if (result != OPTIONS_RUN)
            return result;
    }
    if (options->is_idle) {
        options->pace = OPTIONS_PACE_FLAT_OUT; /* of nobody */
        options->publisher_count = 0;
    }
    if (options->pace == OPTIONS_PACE_DEFAULT)
        options->pace = options->is_publish_only ? OPTIONS_PACE_FLAT_OUT : OPTIONS_PACE_WINDOW;
    if (options->process_count == 0)
        options->process_count = processes_needed(options);

    const char *why = contradiction(options);
    if (why != NULL) {
        (void)fprintf(stderr, "sluice-bench: %s\n", why);
        return OPTIONS_BAD;
    }
    if (options->is_publish_only)
        options->connection_count = 0;
    return OPTIONS_RUN;
}

enum options_result options_read(int argc, char **argv, struct options *ret_options)
{
    struct option long_options[ROW_COUNT + 1] = {0};
    size_t long_count = 0;
    int value;

    *ret_options = (struct options){
        .connection_count = 100,
        .topic_count = 1,
        .publisher_count = 1,
        .pipeline_count = 64,
        .window_count = WINDOW_DEFAULT,
        .payload_bytes = 128,
        .duration_ns = 10 * NS_PER_S,
        .warmup_ns = NS_PER_S,
        .hold_ns = 2 * NS_PER_S,
        .timeout_ns = 10 * NS_PER_S,
        .topic_prefix = "bench",
    };
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].name == NULL)
            continue;
        long_options[long_count++] = (struct option){
            .name = rows[i].name,
            .has_arg = rows[i].argument ? required_argument : no_argument,
            .val = ROW_OPTION_MIN + (int)i,
        };
    }

    while ((value = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (value < ROW_OPTION_MIN)
            return OPTIONS_BAD; /* getopt has said why */
        enum options_result result = row_apply(&rows[value - ROW_OPTION_MIN], optarg, ret_options);
        if (result != OPTIONS_RUN)
            return result;
    }
    if (optind < argc) {
        (void)fprintf(stderr, "sluice-bench: %s: not an option\n", argv[optind]);
        return OPTIONS_BAD;
    }
    return options_complete(ret_options);
}

bool options_has_publisher_connections(const struct options *options)
{
    return options->protocol == OPTIONS_BROKER || options->via == OPTIONS_VIA_HTTP;
}

bool options_is_acknowledged(const struct options *options)
{
    return options_has_publisher_connections(options);
}

uint32_t options_first_connection(const struct options *options, uint32_t process)
{
    return (uint32_t)((uint64_t)options->connection_count * process / options->process_count);
}

uint32_t options_publisher_process(const struct options *options, uint32_t publisher)
{
    /* With a window every delivery of every process counts: one process keeps that account. */
    return options->pace == OPTIONS_PACE_WINDOW ? 0 : publisher % options->process_count;
}

uint32_t options_subscriber_count(const struct options *options, uint32_t topic, uint32_t from,
                                  uint32_t to)
{
    uint32_t below_to = to > topic ? (to - topic - 1) / options->topic_count + 1 : 0;
    uint32_t below_from = from > topic ? (from - topic - 1) / options->topic_count + 1 : 0;
    return below_to - below_from;
}
