/*
 * Prints the tables of the code, one row a line, columns by tabs: what manuals and sample configuration
 * are made of (tools/manual/make.py, which knows the columns). A program of the build, not installed.
 *
 *   option  section, its title, letter, name, kind, argument, default, least, greatest, help, details
 *   event   name, fields, what it tells
 *   field   name, what it is
 *   metric  name, kind, whether it is there for each worker, labels, help
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bus/check.h"
#include "bus/stats.h"
#include "server/config_value.h"
#include "server/log_events.h"
#include "server/protocol/metrics.h"

/* Texts up to a NULL. */
static void print_row(const char *first, ...)
{
    const char *text;
    va_list texts;

    (void)fputs(first, stdout);
    va_start(texts, first);
    while ((text = va_arg(texts, const char *)) != NULL) {
        CHECK(strpbrk(text, "\t\n") == NULL);
        (void)printf("\t%s", text);
    }
    va_end(texts);
    (void)putchar('\n');
}

static const char *kind_name(enum param_kind kind)
{
    static const char *const names[] = {"text", "list",   "count", "size",
                                        "time", "switch", "choice"};

    return names[kind];
}

static bool is_number(enum param_kind kind)
{
    return kind == PARAM_COUNT || kind == PARAM_SIZE || kind == PARAM_TIME;
}

static void print_option(const struct param *param)
{
    const char letter[] = {param->short_name, '\0'};
    char min[PARAM_TEXT_BYTES] = "";
    char max[PARAM_TEXT_BYTES] = "";

    if (is_number(param->kind)) {
        param_value_text(param->kind, param->min, min);
        if (param->max < UINT64_MAX)
            param_value_text(param->kind, param->max, max);
    }
    print_row("option", param_group_word(param->group), param_group_title(param->group), letter,
              param->name, kind_name(param->kind), param->argument, param->default_text, min, max,
              param->help, param->details, NULL);
}

static void print_events(void)
{
#define PRINT_EVENT(id, name, bound, fields, what) print_row("event", name, fields, what, NULL);
    LOG_EVENTS(PRINT_EVENT)
#undef PRINT_EVENT
#define PRINT_FIELD(id, name, what) print_row("field", name, what, NULL);
    LOG_FIELDS(PRINT_FIELD)
#undef PRINT_FIELD
}

static void print_metric(const struct stat_info *info)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};

    if (*info->name != '\0')
        print_row("metric", info->name, kinds[info->kind], info->is_per_worker ? "worker" : "",
                  stat_label_names(info->label), info->help, NULL);
}

static void print_metrics(void)
{
    print_row("metric", "build_info", "gauge", "", "version, compiler", METRICS_BUILD_INFO, NULL);
#define PRINT_GAUGE(name, unit, read, help) print_row("metric", name, "gauge", "", "", help, NULL);
    METRICS_GAUGES(PRINT_GAUGE)
#undef PRINT_GAUGE
    for (unsigned i = 0; i < stat_info_count(); i++)
        print_metric(stat_info(i));
}

int main(void)
{
    for (size_t i = 0; i < param_count(); i++)
        print_option(param_at(i));
    print_events();
    print_metrics();
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
