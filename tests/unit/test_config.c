/* Options, environment and file: what they mean, who wins, and that every mistake is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/config.h"
#include "server/config_value.h"
#include "server/log.h"
#include "tests/unit/config_fixture.h"

/* --- values ------------------------------------------------------------------------------------ */

static void nothing_said_means_the_defaults(void **state)
{
    struct config_fixture *f = *state;

    assert_int_equal(CONFIG_READ(f, NULL), CONFIG_RUN);
    assert_string_equal(f->errors, "");
    assert_int_equal(f->config->listen.count, 1);
    assert_string_equal(f->config->listen.items[0], "127.0.0.1:8000");
    assert_int_equal(f->config->broker_listen.count, 0);
    assert_string_equal(f->config->data, "./sluice-data");
    assert_string_equal(f->config->run_dir, "/dev/shm");
    assert_true(f->config->workers >= 1);
    assert_null(f->config->user);
    assert_int_equal(f->config->ring_size, 32 << 20);
    assert_int_equal(f->config->map_size, INT64_C(64) << 30);
    assert_int_equal(f->config->durability, DURABILITY_BUFFERED);
    assert_int_equal(f->config->retention_bytes, 1 << 30);
    assert_int_equal(f->config->retention_age, 0);
    assert_int_equal(f->config->drain_timeout, INT64_C(1800000000000));
    assert_int_equal(f->config->tick, INT64_C(10000000000));
    assert_int_equal(f->config->max_connections, 0);
    assert_int_equal(f->config->log_level, LOG_LEVEL_INFO);
    assert_true(f->config->log_connections);
    assert_false(f->config->echo);
    assert_null(f->config->schema);
    assert_int_equal(f->config->graphql_depth, 15);
    assert_int_equal(f->config->graphql_complexity, 10000);
    assert_int_equal(f->config->graphql_document, 256 << 10);
    assert_true(f->config->introspection);
}

static void sizes_and_times_take_their_units_in_either_case(void **state)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } times[] = {
        {"100ms", 100000000},
        {"7", UINT64_C(7000000000)},
        {"7s", UINT64_C(7000000000)},
        {"2m", UINT64_C(120000000000)},
        {"1h", UINT64_C(3600000000000)},
        {"7d", UINT64_C(604800000000000)},
        {"3S", UINT64_C(3000000000)},
        {"0", 0},
        {"off", 0},
    };
    static const struct {
        const char *text;
        uint64_t bytes;
    } sizes[] = {
        {"65536", 65536}, {"64K", 65536}, {"64k", 65536}, {"1M", 1 << 20}, {"1G", 1 << 30}};
    struct config_fixture *f = *state;

    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        assert_int_equal(CONFIG_READ(f, "--drain-timeout", times[i].text), CONFIG_RUN);
        assert_int_equal(f->config->drain_timeout, times[i].ns);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(CONFIG_READ(f, "--max-queue", sizes[i].text), CONFIG_RUN);
        assert_int_equal(f->config->max_queue, sizes[i].bytes);
    }
}

static void a_value_may_stand_behind_a_blank_an_equals_sign_or_the_letter(void **state)
{
    struct config_fixture *f = *state;

    assert_int_equal(CONFIG_READ(f, "--workers", "3"), CONFIG_RUN);
    assert_int_equal(f->config->workers, 3);
    assert_int_equal(CONFIG_READ(f, "--workers=4"), CONFIG_RUN);
    assert_int_equal(f->config->workers, 4);
    assert_int_equal(CONFIG_READ(f, "-w", "5"), CONFIG_RUN);
    assert_int_equal(f->config->workers, 5);
    assert_int_equal(CONFIG_READ(f, "-w6", "-d", "/tmp/x", "-l", "127.0.0.1:1"), CONFIG_RUN);
    assert_int_equal(f->config->workers, 6);
    assert_string_equal(f->config->data, "/tmp/x");
    assert_string_equal(f->config->listen.items[0], "127.0.0.1:1");
}

static void the_last_of_several_values_wins(void **state)
{
    struct config_fixture *f = *state;

    assert_int_equal(CONFIG_READ(f, "-w", "3", "--workers=4"), CONFIG_RUN);
    assert_int_equal(f->config->workers, 4);
}

static void a_switch_alone_means_on_and_takes_a_word(void **state)
{
    struct config_fixture *f = *state;

    assert_int_equal(CONFIG_READ(f, "--echo"), CONFIG_RUN);
    assert_true(f->config->echo);
    assert_int_equal(CONFIG_READ(f, "--echo", "--workers", "2"), CONFIG_RUN);
    assert_true(f->config->echo);
    assert_int_equal(CONFIG_READ(f, "--log-connections", "off"), CONFIG_RUN);
    assert_false(f->config->log_connections);
    assert_int_equal(CONFIG_READ(f, "--log-connections=no"), CONFIG_RUN);
    assert_false(f->config->log_connections);
    assert_int_equal(CONFIG_READ(f, "--echo=perhaps"), CONFIG_WRONG);
    config_assert_says(f, "--echo: \"perhaps\" is neither on nor off");
    assert_int_equal(CONFIG_READ(f, "--introspection", "off", "--schema", "a.graphql"), CONFIG_RUN);
    assert_false(f->config->introspection);
    assert_string_equal(f->config->schema, "a.graphql");
}

static void a_list_is_repeated_or_separated_by_commas(void **state)
{
    struct config_fixture *f = *state;

    assert_int_equal(CONFIG_READ(f, "-l", "127.0.0.1:1, 127.0.0.1:2", "--listen=[::1]:3", "--hosts",
                                 "a.example,b"),
                     CONFIG_RUN);
    assert_int_equal(f->config->listen.count, 3);
    assert_string_equal(f->config->listen.items[1], "127.0.0.1:2");
    assert_string_equal(f->config->listen.items[2], "[::1]:3");
    assert_int_equal(f->config->hosts.count, 2);
    assert_string_equal(f->config->hosts.items[1], "b");
    assert_int_equal(CONFIG_READ(f, "--broker-listen", "off"), CONFIG_RUN);
    assert_int_equal(f->config->broker_listen.count, 0);
}

static void a_choice_is_the_index_of_its_word(void **state)
{
    struct config_fixture *f = *state;

    assert_int_equal(
        CONFIG_READ(f, "--log-level", "error", "--log-format=json", "--durability=Committed"),
        CONFIG_RUN);
    assert_int_equal(f->config->log_level, LOG_LEVEL_ERROR);
    assert_int_equal(f->config->log_format, LOG_FORMAT_JSON);
    assert_int_equal(f->config->durability, DURABILITY_COMMITTED);
    assert_int_equal(CONFIG_READ(f, "--log-level", "warn"), CONFIG_WRONG);
    config_assert_says(f, "--log-level: \"warn\" is none of debug|info|warning|error");
}

static void values_are_written_in_their_largest_unit(void **state)
{
    char text[PARAM_TEXT_BYTES];

    (void)state;
    param_value_text(PARAM_SIZE, 65536, text);
    assert_string_equal(text, "64K");
    param_value_text(PARAM_SIZE, 1000, text);
    assert_string_equal(text, "1000");
    param_value_text(PARAM_TIME, 100000000, text);
    assert_string_equal(text, "100ms");
    param_value_text(PARAM_TIME, UINT64_C(5400000000000), text);
    assert_string_equal(text, "90m");
    param_value_text(PARAM_COUNT, 0, text);
    assert_string_equal(text, "0");
}

static void a_limit_that_is_0_or_off_is_none(void **state)
{
    struct config_fixture *f = *state;

    assert_int_equal(CONFIG_READ(f, NULL), CONFIG_RUN);
    assert_int_equal(f->config->max_per_address, 0);
    assert_int_equal(f->config->max_rate, 0);
    assert_int_equal(f->config->max_byte_rate, 0);
    config_write_file(f, "max_per_address = 20\nmax_rate = 20\nmax_byte_rate = 20K\n");
    assert_int_equal(CONFIG_READ(f, "-c", f->file), CONFIG_RUN);
    assert_int_equal(f->config->max_per_address, 20);
    assert_int_equal(f->config->max_rate, 20);
    assert_int_equal(f->config->max_byte_rate, 20 * 1024);
    assert_int_equal(CONFIG_READ(f, "-c", f->file, "--max-per-address=0", "--max-rate", "off",
                                 "--max-byte-rate", "Off"),
                     CONFIG_RUN);
    assert_int_equal(f->config->max_per_address, 0);
    assert_int_equal(f->config->max_rate, 0);
    assert_int_equal(f->config->max_byte_rate, 0);
}

/* --- who wins --------------------------------------------------------------------------------------- */

static void an_option_wins_over_the_environment_and_that_over_the_file(void **state)
{
    struct config_fixture *f = *state;
    const char *const environment[] = {"SLUICE_WORKERS=4", "SLUICE_TICK=4s", "PATH=/bin", NULL};

    config_write_file(f, "workers = 3\ntick = 3s\nmax_queue = 1M ; a comment\n");
    assert_int_equal(
        config_read_with(f, (const char *const[]){"-c", f->file, "-w", "5", NULL}, environment),
        CONFIG_RUN);
    assert_int_equal(f->config->workers, 5);
    assert_int_equal(f->config->tick, INT64_C(4000000000));
    assert_int_equal(f->config->max_queue, 1 << 20);
}

static void a_list_of_a_higher_level_replaces_the_lower_one(void **state)
{
    struct config_fixture *f = *state;
    const char *const environment[] = {"SLUICE_HOSTS=c", NULL};

    config_write_file(f, "listen = 127.0.0.1:1\nlisten = 127.0.0.1:2\nhosts = a,b\n");
    assert_int_equal(config_read_with(f, (const char *const[]){"-c", f->file, NULL}, environment),
                     CONFIG_RUN);
    assert_int_equal(f->config->listen.count, 2);
    assert_int_equal(f->config->hosts.count, 1);
    assert_string_equal(f->config->hosts.items[0], "c");
    assert_int_equal(CONFIG_READ(f, "-c", f->file, "-l", "127.0.0.1:3"), CONFIG_RUN);
    assert_int_equal(f->config->listen.count, 1);
    assert_string_equal(f->config->listen.items[0], "127.0.0.1:3");
}

static void the_file_may_be_named_by_the_environment(void **state)
{
    struct config_fixture *f = *state;
    char variable[128];
    const char *environment[] = {variable, NULL};

    config_write_file(
        f,
        "\xef\xbb\xbf# a comment\n[server]\n  workers = 7\n; another\n\n[limits]\nmax_head=2K\n");
    (void)snprintf(variable, sizeof variable, "SLUICE_CONFIG=%s", f->file);
    assert_int_equal(config_read_with(f, (const char *const[]){NULL}, environment), CONFIG_RUN);
    assert_string_equal(f->errors, "");
    assert_int_equal(f->config->workers, 7);
    assert_int_equal(f->config->max_head, 2048);
}

static void systemd_says_where_data_and_ring_are(void **state)
{
    struct config_fixture *f = *state;
    const char *const environment[] = {"STATE_DIRECTORY=/var/lib/sluice:/var/lib/other",
                                       "RUNTIME_DIRECTORY=/run/sluice", NULL};

    assert_int_equal(config_read_with(f, (const char *const[]){NULL}, environment), CONFIG_RUN);
    assert_string_equal(f->config->data, "/var/lib/sluice");
    assert_string_equal(f->config->run_dir, "/run/sluice");
    assert_int_equal(config_read_with(f, (const char *const[]){"-d", "here", NULL}, environment),
                     CONFIG_RUN);
    assert_string_equal(f->config->data, "here");
}

static void systemd_s_configuration_directory_may_have_a_file(void **state)
{
    struct config_fixture *f = *state;
    char directory[] = "/tmp/sluice-test-config-XXXXXX";
    char variable[128];
    char file[128];
    const char *const none[] = {NULL};
    const char *environment[] = {variable, NULL, NULL};

    assert_non_null(mkdtemp(directory));
    (void)snprintf(variable, sizeof variable, "CONFIGURATION_DIRECTORY=%s:/nowhere", directory);
    (void)snprintf(file, sizeof file, "%s/sluice.conf", directory);
    assert_int_equal(config_read_with(f, none, environment), CONFIG_RUN);
    assert_string_equal(f->errors, "");

    config_write_file(f, "workers = 7\n");
    assert_int_equal(symlink(f->file, file), 0);
    assert_int_equal(config_read_with(f, none, environment), CONFIG_RUN);
    assert_int_equal(f->config->workers, 7);
    config_write_file(f, "workers = none\n");
    assert_int_equal(config_read_with(f, none, environment), CONFIG_WRONG);
    config_assert_says(f, file);
    environment[1] = "SLUICE_CONFIG=/dev/null"; /* whoever names one means that one */
    assert_int_equal(config_read_with(f, none, environment), CONFIG_RUN);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(directory), 0);
}

/* --- what is wrong ------------------------------------------------------------------------------------ */

static void a_wrong_value_is_named_with_its_option_and_reason(void **state)
{
    static const struct {
        const char *option;
        const char *value;
        const char *message;
    } cases[] = {
        {"--workers", "0", "--workers: 0 is out of range (1 to 64)"},
        {"--workers", "65", "--workers: 65 is out of range (1 to 64)"},
        {"--workers", "many", "--workers: \"many\" is not a whole number"},
        {"--workers", "-1", "--workers: \"-1\" is not a whole number"},
        {"--workers", "2 ", "--workers: \"2 \" is not a whole number"},
        {"--workers", "", "--workers: a value is missing (N)"},
        {"--data", "", "--data: a value is missing (DIR)"},
        {"--hosts", "", "--hosts: a value is missing (NAME,...)"},
        {"--hosts", " , ", "--hosts: a value is missing (NAME,...)"},
        {"--log-format=", NULL, "--log-format: a value is missing (text|json)"},
        {"--echo=", NULL, "--echo: a value is missing (on|off)"},
        {"--ring-size", "3M", "--ring-size: 3M is not a power of two (2M and 4M are)"},
        {"--ring-size", "1K", "--ring-size: 1K is out of range (64K to 16G)"},
        {"--ring-size", "32MB", "--ring-size: \"32MB\" is not a size"},
        {"--ring-size", "99999999999999999999",
         "--ring-size: 99999999999999999999 is out of range"},
        {"--map-size", "64M", "--map-size: 64M is too small for the ring: at least 128M"},
        {"--drain-timeout", "5 parsecs", "--drain-timeout: \"5 parsecs\" is not a time"},
        {"--drain-timeout", "8d", "--drain-timeout: 8d is out of range (0 to 7d)"},
        {"--ping-timeout", "off", "--ping-timeout: \"off\" is not a time"},
        {"--max-per-address", "few", "--max-per-address: \"few\" is not a whole number, or off"},
        {"--max-per-address", "-1", "--max-per-address: \"-1\" is not a whole number, or off"},
        {"--max-per-address", "4294967296",
         "--max-per-address: 4294967296 is out of range (0 to 4294967295)"},
        {"--max-rate", "10/s", "--max-rate: \"10/s\" is not a whole number, or off"},
        {"--max-rate", "1.5", "--max-rate: \"1.5\" is not a whole number, or off"},
        {"--max-rate", "1000001", "--max-rate: 1000001 is out of range (0 to 1000000)"},
        {"--max-byte-rate", "64KB", "--max-byte-rate: \"64KB\" is not a size"},
        {"--max-byte-rate", "2T", "--max-byte-rate: 2T is out of range (0 to 1T)"},
        {"--graphql-depth", "0", "--graphql-depth: 0 is out of range (1 to 1000)"},
        {"--graphql-complexity", "off", "--graphql-complexity: \"off\" is not a whole number"},
        {"--graphql-document", "17M", "--graphql-document: 17M is out of range (1K to 16M)"},
        {"--max-connections", "0", "--max-connections: 0 is out of range (1 to 4294967295)"},
        {"--max-connections", "off", "--max-connections: \"off\" is not a whole number"},
        {"--listen", "nowhere", "--listen: \"nowhere\" is no address: "},
        {"--listen", "127.0.0.1:99999", "--listen: \"127.0.0.1:99999\" is no address: "},
        {"--listen", "off", "--listen: at least one address is needed"},
        {"--broker-listen", "8888", "--broker-listen: \"8888\" is no address: "},
        {"--cors-origins", "example.org", "--cors-origins: \"example.org\" is no origin"},
        {"--cors-origins", "https://a/", "--cors-origins: \"https://a/\" is no origin"},
        {"--user", "nobody-of-that-name", "--user: there is no user nobody-of-that-name"},
    };
    struct config_fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(CONFIG_READ(f, cases[i].option, cases[i].value), CONFIG_WRONG);
        config_assert_says(f, cases[i].message);
        assert_int_equal(config_count_lines(f->errors), 1);
        assert_null(f->config);
    }
}

static void what_the_command_line_cannot_mean_is_refused(void **state)
{
    struct config_fixture *f = *state;

    assert_int_equal(CONFIG_READ(f, "--nonsense"), CONFIG_WRONG);
    config_assert_says(f, "--nonsense: no such option");
    assert_int_equal(CONFIG_READ(f, "--work", "3"), CONFIG_WRONG);
    config_assert_says(f, "--work: no such option");
    assert_int_equal(CONFIG_READ(f, "-x"), CONFIG_WRONG);
    config_assert_says(f, "-x: no such option");
    assert_int_equal(CONFIG_READ(f, "stray"), CONFIG_WRONG);
    config_assert_says(f, "stray: not an option");
    assert_int_equal(CONFIG_READ(f, "--workers"), CONFIG_WRONG);
    config_assert_says(f, "--workers: a value is missing (N)");
    assert_int_equal(CONFIG_READ(f, "--data", "--echo"), CONFIG_WRONG);
    config_assert_says(f, "--data: a value is missing (DIR)");
    assert_int_equal(CONFIG_READ(f, "--check-config=yes"), CONFIG_WRONG);
    config_assert_says(f, "--check-config: takes no value");
    assert_int_equal(CONFIG_READ(f, "--config"), CONFIG_WRONG);
    config_assert_says(f, "--config: a value is missing (FILE)");
}

static void an_option_that_this_version_does_not_have_is_not_swallowed(void **state)
{
    static const char *const later[] = {"--redis", "--cluster"};
    struct config_fixture *f = *state;

    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++) {
        assert_int_equal(CONFIG_READ(f, later[i], "x"), CONFIG_WRONG);
        config_assert_says(f, "no such option");
    }
}

static void every_wrong_value_is_named_not_the_first_alone(void **state)
{
    struct config_fixture *f = *state;
    const char *const environment[] = {"SLUICE_DURABILITY=maybe", NULL};

    config_write_file(f, "workers = none\n\ntick = soon\nno_such = 1\n");
    assert_int_equal(config_read_with(f,
                                      (const char *const[]){"-c", f->file, "--ring-size", "3M",
                                                            "--max-head=1", NULL},
                                      environment),
                     CONFIG_WRONG);
    config_assert_says(f, ":1: workers: \"none\"");
    config_assert_says(f, ":3: tick: \"soon\"");
    config_assert_says(f, ":4: no_such: no such option");
    config_assert_says(f, "SLUICE_DURABILITY: \"maybe\"");
    config_assert_says(f, "--ring-size: 3M");
    config_assert_says(f, "--max-head: 1 is out of range (1K to 1M)");
    assert_int_equal(config_count_lines(f->errors), 6);
}

static void a_mistake_in_a_file_is_named_with_its_line(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"# x\n\nworkers = 0\n", ":3: workers: 0 is out of range"},
        {"workers\n", ":1: not of the form"},
        {"workers = 2\nworkers = 3\n", ":2: workers: stands in line 1 already"},
        {"max-queue = 1M\n", ":1: max-queue: no such option; did you mean max_queue?"},
        {"ring_size = 3M\n", ":1: ring_size: 3M is not a power of two"},
        {"[section\n", ":1: not of the form"},
    };
    struct config_fixture *f = *state;
    char place[128];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        config_write_file(f, cases[i].text);
        assert_int_equal(CONFIG_READ(f, "-c", f->file), CONFIG_WRONG);
        (void)snprintf(place, sizeof place, "%s%s", f->file, cases[i].message);
        config_assert_says(f, place);
        assert_int_equal(config_count_lines(f->errors), 1);
    }
}

static void a_line_too_long_for_the_parser_is_refused_not_cut(void **state)
{
    struct config_fixture *f = *state;
    char text[512];

    memset(text, 'x', sizeof text);
    memcpy(text, "hosts = ", 8);
    text[sizeof text - 1] = '\0';
    config_write_file(f, text);
    assert_int_equal(CONFIG_READ(f, "-c", f->file), CONFIG_WRONG);
    config_assert_says(f, ":1: a line has at most");
    text[0] = '#'; /* a comment may be as long as it likes */
    config_write_file(f, text);
    assert_int_equal(CONFIG_READ(f, "-c", f->file), CONFIG_RUN);
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
    struct config_fixture *f = *state;
    const char *const none[] = {NULL};
    const char *const nowhere[] = {"SLUICE_CONFIG=/nowhere/sluice.conf", NULL};
    const char *const empty[] = {"SLUICE_CONFIG=", NULL};

    assert_int_equal(CONFIG_READ(f, "--config", "/nowhere/sluice.conf"), CONFIG_WRONG);
    config_assert_says(f, "--config: /nowhere/sluice.conf cannot be read: No such file");
    assert_int_equal(CONFIG_READ(f, "--config=/tmp"), CONFIG_WRONG);
    config_assert_says(f, "--config: /tmp cannot be read: Is a directory");
    assert_int_equal(CONFIG_READ(f, "--config=/dev/zero"), CONFIG_WRONG);
    config_assert_says(f, "--config: /dev/zero is longer than 1024 KiB");
    assert_int_equal(CONFIG_READ(f, "--config="), CONFIG_WRONG);
    config_assert_says(f, "--config: a value is missing (FILE)");
    assert_int_equal(config_read_with(f, none, nowhere), CONFIG_WRONG);
    config_assert_says(f, "SLUICE_CONFIG: /nowhere/sluice.conf cannot be read: No such file");
    assert_int_equal(config_read_with(f, none, empty), CONFIG_WRONG);
    config_assert_says(f, "SLUICE_CONFIG: a value is missing (FILE)");
}

static void one_file_is_read_not_the_last_of_several(void **state)
{
    struct config_fixture *f = *state;

    config_write_file(f, "workers = 2\n");
    assert_int_equal(CONFIG_READ(f, "-c", f->file, "--config", f->file), CONFIG_WRONG);
    config_assert_says(f, "--config: one file is read, and this is another");
}

static void an_unknown_variable_of_ours_is_only_warned_about(void **state)
{
    struct config_fixture *f = *state;
    const char *const environment[] = {"SLUICE_WROKERS=3", "SLUICE_XYZZY=1", NULL};

    assert_int_equal(config_read_with(f, (const char *const[]){NULL}, environment), CONFIG_RUN);
    assert_string_equal(f->errors, ""); /* main logs them */
    assert_int_equal(f->config->warnings.count, 2);
    assert_string_equal(f->config->warnings.items[0],
                        "SLUICE_WROKERS: no such option, ignored; did you mean SLUICE_WORKERS?");
    assert_string_equal(f->config->warnings.items[1], "SLUICE_XYZZY: no such option, ignored");
    assert_int_equal(config_read_with(f, (const char *const[]){"-w", "0", NULL}, environment),
                     CONFIG_WRONG);
    config_assert_says(f, "sluice: warning: SLUICE_XYZZY: no such option, ignored\n");
}

static void a_name_that_is_nearly_one_is_recognised(void **state)
{
    static const struct {
        const char *option;
        const char *message;
    } cases[] = {
        {"--wrokers", "--wrokers: no such option; did you mean --workers?"},
        {"--worker=3", "--worker: no such option; did you mean --workers?"},
        {"--Workers", "--Workers: no such option; did you mean --workers?"},
        {"--drain_timeout", "--drain_timeout: no such option; did you mean --drain-timeout?"},
        {"--max-con", "--max-con: no such option; did you mean --max-connections?"},
        {"--drain", "did you mean --drain-timeout, --drain-spread or --drain-accept?"},
        {"--check", "did you mean --check-config?"},
        {"--xyzzy", "--xyzzy: no such option (sluice --help lists them)"},
        {"--", "--: no such option (sluice --help lists them)"},
    };
    struct config_fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *value = strchr(cases[i].option, '=') == NULL ? "value" : NULL;

        assert_int_equal(CONFIG_READ(f, cases[i].option, value), CONFIG_WRONG);
        config_assert_says(f, cases[i].message);
        assert_int_equal(config_count_lines(f->errors), 1); /* the value is no mistake of its own */
    }
    config_write_file(f, "drain_timout = 5m\nretention = 1G\n");
    assert_int_equal(CONFIG_READ(f, "-c", f->file), CONFIG_WRONG);
    config_assert_says(f, ":1: drain_timout: no such option; did you mean drain_timeout?");
    config_assert_says(f, ":2: retention: no such option; did you mean retention_bytes, "
                          "retention_age or retention_events?");
}

static void the_same_place_twice_is_refused(void **state)
{
    struct config_fixture *f = *state;

    assert_int_equal(CONFIG_READ(f, "-l", "127.0.0.1:1,localhost:1"), CONFIG_WRONG);
    config_assert_says(f, "--listen: localhost:1 is to be listened to twice, once as 127.0.0.1:1");
    assert_int_equal(CONFIG_READ(f, "-l", "[::1]:1", "--broker-listen", "[::1]:1"), CONFIG_WRONG);
    config_assert_says(f, "--broker-listen: [::1]:1 is to be listened to twice, once as [::1]:1");
    assert_int_equal(CONFIG_READ(f, "-l", "0.0.0.0:1,127.0.0.1:1"), CONFIG_WRONG);
    config_assert_says(f, "--listen: 127.0.0.1:1 is to be listened to twice, once as 0.0.0.0:1");
    assert_int_equal(CONFIG_READ(f, "-l", "0.0.0.0:1,[::]:1,unix:a,unix:b"), CONFIG_RUN);
    assert_int_equal(CONFIG_READ(f, "-l", "127.0.0.1:0,127.0.0.1:0,[::1]:0,[::1]:0"), CONFIG_RUN);
}

static void values_that_hardly_go_together_are_warned_about(void **state)
{
    static const struct {
        const char *arguments[5];
        const char *message; /* NULL: all is well */
    } cases[] = {
        {{"--max-message=16M", "--ring-size=1M", "--map-size=2G"}, "--max-message: a publish is"},
        {{"--ring-size=1M", "--map-size=2G"}, "--ring-size: a publish is at most a quarter of the"},
        {{"--max-message=8M"}, NULL},
        {{"--map-size=512M"}, "--map-size: a log of 1G does not fit into a store of 512M"},
        {{"--retention-bytes=64G"}, "--retention-bytes: a log of 64G does not fit"},
        {{"--retention-bytes=off", "--map-size=512M"}, NULL},
        {{"--drain-spread=1h"}, "--drain-spread: 1h is longer than drain-timeout, 30m"},
        {{"--drain-accept=31m"}, "--drain-accept: 31m is longer than drain-timeout, 30m"},
        {{"--drain-accept=30m", "--drain-spread=30m"}, NULL},
        {{"--graphql-document=2M"}, "--graphql-document: a document is part of a message"},
        {{"--max-message=1K"}, NULL},
    };
    struct config_fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(config_read_with(f, cases[i].arguments, NULL), CONFIG_RUN);
        assert_string_equal(f->errors, "");
        assert_int_equal(f->config->warnings.count, cases[i].message != NULL);
        if (cases[i].message != NULL)
            assert_memory_equal(f->config->warnings.items[0], cases[i].message,
                                strlen(cases[i].message));
    }
}

/* --- what is only shown ------------------------------------------------------------------------------------ */

static void version_and_help_are_shown_and_nothing_else_happens(void **state)
{
    struct config_fixture *f = *state;

    assert_int_equal(CONFIG_READ(f, "--version"), CONFIG_SHOWN);
    assert_string_equal(f->output, "sluice " SLUICE_VERSION "\n");
    assert_int_equal(CONFIG_READ(f, "-h"), CONFIG_SHOWN);
    for (size_t i = 0; i < param_count(); i++)
        assert_non_null(strstr(f->output, param_at(i)->name));
    for (const char *line = f->output; *line != '\0'; line += strcspn(line, "\n") + 1)
        assert_in_range(strcspn(line, "\n"), 0, 80);
    assert_null(f->config);
}

static void check_config_is_told_apart_when_all_is_well(void **state)
{
    struct config_fixture *f = *state;

    assert_int_equal(CONFIG_READ(f, "--check-config", "--workers", "2"), CONFIG_CHECKED);
    assert_string_equal(f->output, "");
    assert_non_null(f->config);
    assert_int_equal(CONFIG_READ(f, "--check-config", "--workers", "0"), CONFIG_WRONG);
    assert_int_equal(CONFIG_READ(f, "--check-config", "-w3", "--log-level", "debug"),
                     CONFIG_CHECKED);
    assert_non_null(
        strstr(f->output, "\nworkers = 3                                  ; --workers"));
    assert_non_null(strstr(f->output, "\nretention_age = off                          ; default"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, config_set_up, config_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_said_means_the_defaults),
        TEST(sizes_and_times_take_their_units_in_either_case),
        TEST(a_value_may_stand_behind_a_blank_an_equals_sign_or_the_letter),
        TEST(the_last_of_several_values_wins),
        TEST(a_switch_alone_means_on_and_takes_a_word),
        TEST(a_list_is_repeated_or_separated_by_commas),
        TEST(a_choice_is_the_index_of_its_word),
        TEST(values_are_written_in_their_largest_unit),
        TEST(a_limit_that_is_0_or_off_is_none),
        TEST(an_option_wins_over_the_environment_and_that_over_the_file),
        TEST(a_list_of_a_higher_level_replaces_the_lower_one),
        TEST(the_file_may_be_named_by_the_environment),
        TEST(systemd_says_where_data_and_ring_are),
        TEST(systemd_s_configuration_directory_may_have_a_file),
        TEST(a_wrong_value_is_named_with_its_option_and_reason),
        TEST(what_the_command_line_cannot_mean_is_refused),
        TEST(an_option_that_this_version_does_not_have_is_not_swallowed),
        TEST(every_wrong_value_is_named_not_the_first_alone),
        TEST(a_mistake_in_a_file_is_named_with_its_line),
        TEST(a_line_too_long_for_the_parser_is_refused_not_cut),
        TEST(a_file_that_cannot_be_read_is_named),
        TEST(an_unknown_variable_of_ours_is_only_warned_about),
        TEST(one_file_is_read_not_the_last_of_several),
        TEST(a_name_that_is_nearly_one_is_recognised),
        TEST(the_same_place_twice_is_refused),
        TEST(values_that_hardly_go_together_are_warned_about),
        TEST(version_and_help_are_shown_and_nothing_else_happens),
        TEST(check_config_is_told_apart_when_all_is_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
