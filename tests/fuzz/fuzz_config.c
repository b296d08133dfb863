/*
 * Configuration: the input as a file, and its lines as a command line. Whatever they say,
 *
 *   it is taken, and then every number is within its bounds and comes back from its own text; or
 *     it is refused, and then at least one line says what is wrong;
 *   what is said about it begins with the program's name.
 *
 * And as a single value of every option that is a number: it means what a plain reading says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bus/check.h"
#include "server/config.h"
#include "server/config_value.h"
#include "tests/fuzz/target.h"

enum {
    ARGUMENTS_MAX = 64,
};

/* A program's call: what it is told, and what it says. */
struct call {
    char *argv[ARGUMENTS_MAX + 4];
    size_t argument_count;
    char *errors;
    size_t errors_bytes;
    char *output;
    size_t output_bytes;
};

static bool is_number(const struct param *param)
{
    return param->kind == PARAM_COUNT || param->kind == PARAM_SIZE || param->kind == PARAM_TIME;
}

static uint64_t number_of(const struct param *param, const struct config *config)
{
    uint64_t value;

    memcpy(&value, (const char *)config + param->offset, sizeof value);
    return value;
}

static void check_numbers(struct config *config)
{
    for (size_t i = 0; i < param_count(); i++) {
        const struct param *param = param_at(i);
        char reason[PARAM_REASON_BYTES];
        char text[PARAM_TEXT_BYTES];
        uint64_t value;

        if (!is_number(param))
            continue;
        value = number_of(param, config);
        if (value == 0 && *param->default_text == '\0')
            continue; /* nothing was said, and somebody else knows what then */
        CHECK(value >= param->min);
        CHECK(value <= param->max);
        param_value_text(param->kind, value, text);
        CHECK(param_set(param, text, config, reason) == 0);
        CHECK(number_of(param, config) == value);
    }
}

static void check_errors(const struct call *call)
{
    const char *line = call->errors;

    while (*line != '\0') {
        const char *end = strchr(line, '\n');

        CHECK(end != NULL);
        CHECK(strncmp(line, "sluice: ", 8) == 0);
        line = end + 1;
    }
}

static void check_call(struct call *call)
{
    static char *environment[] = {NULL};
    struct config_sources sources = {.argv = call->argv, .environment = environment};
    struct config *config = NULL;
    enum config_result result;

    sources.errors = open_memstream(&call->errors, &call->errors_bytes);
    sources.output = open_memstream(&call->output, &call->output_bytes);
    CHECK(sources.errors != NULL && sources.output != NULL);
    result = config_read(&sources, &config);
    CHECK(fclose(sources.errors) == 0);
    CHECK(fclose(sources.output) == 0);
    check_errors(call);
    CHECK((config != NULL) == (result == CONFIG_RUN || result == CONFIG_CHECKED));
    if (config != NULL) {
        CHECK(call->errors_bytes == 0);
        CHECK(config->listen.count > 0);
        CHECK(config->workers > 0);
        CHECK(config->data != NULL && config->run_dir != NULL);
        check_numbers(config);
    } else if (result == CONFIG_WRONG) {
        CHECK(call->errors_bytes > 0);
    } else {
        CHECK(call->output_bytes > 0);
    }
    config_free(config);
    free(call->errors);
    free(call->output);
}

static void call_with_file(const uint8_t *data, size_t size)
{
    char name[] = "sluice";
    char option[] = "--check-config";
    char file[64];
    struct call call = {.argv = {name, option, file}};
    int fd = memfd_create("config", MFD_CLOEXEC);

    CHECK(fd >= 0);
    CHECK(write(fd, data, size) == (ssize_t)size);
    (void)snprintf(file, sizeof file, "--config=/proc/self/fd/%d", fd);
    check_call(&call);
    CHECK(close(fd) == 0);
}

/* Another file than the input could be one that never ends. */
static bool names_a_file(const char *argument)
{
    return strncmp(argument, "--config", 8) == 0 || strncmp(argument, "-c", 2) == 0;
}

static void call_with_lines(const uint8_t *data, size_t size)
{
    struct call call = {.argv = {"sluice"}, .argument_count = 1};
    char *text = malloc(size + 1);
    char *rest = text;
    char *line;

    CHECK(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    while ((line = strsep(&rest, "\n")) != NULL && call.argument_count < ARGUMENTS_MAX) {
        if (!names_a_file(line))
            call.argv[call.argument_count++] = line;
    }
    check_call(&call);
    free(text);
}

/* --- single values ------------------------------------------------------------------------------ */

/* What a unit stands for; 0: it is none. */
static uint64_t plain_factor(enum param_kind kind, const char *unit)
{
    static const struct {
        enum param_kind kind;
        const char *unit;
        uint64_t factor;
    } units[] = {
        {PARAM_COUNT, "", 1},
        {PARAM_SIZE, "", 1},
        {PARAM_SIZE, "k", UINT64_C(1) << 10},
        {PARAM_SIZE, "m", UINT64_C(1) << 20},
        {PARAM_SIZE, "g", UINT64_C(1) << 30},
        {PARAM_SIZE, "t", UINT64_C(1) << 40},
        {PARAM_TIME, "", UINT64_C(1000000000)},
        {PARAM_TIME, "ms", UINT64_C(1000000)},
        {PARAM_TIME, "s", UINT64_C(1000000000)},
        {PARAM_TIME, "m", UINT64_C(60000000000)},
        {PARAM_TIME, "h", UINT64_C(3600000000000)},
        {PARAM_TIME, "d", UINT64_C(86400000000000)},
    };

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (units[i].kind == kind && strcasecmp(units[i].unit, unit) == 0)
            return units[i].factor;
    }
    return 0;
}

/* False: it is to be refused. */
static bool plain_number(const struct param *param, const char *text, uint64_t *ret)
{
    const char *at = text;
    uint64_t factor;

    *ret = 0;
    if (param->min == 0 && strcasecmp(text, "off") == 0)
        return true;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(*ret, 10, ret) ||
            __builtin_add_overflow(*ret, (uint64_t)(*at - '0'), ret))
            return false;
    }
    factor = plain_factor(param->kind, at);
    if (at == text || factor == 0 || __builtin_mul_overflow(*ret, factor, ret))
        return false;
    return *ret >= param->min && *ret <= param->max;
}

static void check_values(const uint8_t *data, size_t size)
{
    struct config *config = calloc(1, sizeof *config);
    char *text = malloc(size + 1);

    CHECK(config != NULL && text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    for (size_t i = 0; i < param_count(); i++) {
        const struct param *param = param_at(i);
        char reason[PARAM_REASON_BYTES] = "";
        uint64_t wanted;
        int rc;

        if (!is_number(param))
            continue;
        rc = param_set(param, text, config, reason);
        CHECK((rc == 0) == plain_number(param, text, &wanted));
        CHECK(number_of(param, config) == (rc == 0 ? wanted : 0));
        CHECK((rc == 0) == (*reason == '\0'));
    }
    config_free(config);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    call_with_file(data, size);
    call_with_lines(data, size);
    check_values(data, size);
    return 0;
}
