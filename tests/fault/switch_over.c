/*
 * The live / lagging switch-over, model-checked: server/topics over a real ring and a real store, in
 * random games (switch_acts.h) and in every order of a few actions (switch_explore.h).
 *
 *   switch_over [--short] [--seed N] [--games N] [--steps N] [--seconds N] [--only PART]
 *   switch_over --replay GAME | SCENARIO:ACTIONS
 *
 * --seconds: for each scenario. PART: random, or a scenario's name. Each game and each scenario has a
 * process of its own, so that whatever ends it (an expectation, a CHECK, a sanitizer) can be named: the
 * game's number, or the scenario and the shortest sequence of actions. It ends with
 * "N passed, N failed".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/fault/switch_acts.h"
#include "tests/fault/switch_explore.h"
#include "tests/fault/switch_reached.h"

enum {
    GAMES = 300,
    GAMES_SHORT = 40,
    STEPS = 500,
    FAILURES_MAX = 5, /* then the random part ends */
};

static const double seconds_full = 12;
static const double seconds_short = 1;

struct options {
    uint64_t seed;
    unsigned games;
    unsigned steps;
    double seconds;
    const char *only;   /* NULL: everything */
    const char *replay; /* NULL: nothing */
};

/* Shared with the processes that play. */
struct board {
    struct switch_note note;
    struct switch_played played;
    uint64_t reached[SWITCH_REACHED_COUNT];
};

static double now_seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* this clock cannot fail */
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Runs @play in a process of its own; whether it came to its end. */
static bool run_apart(void (*play)(struct board *board, const struct options *options,
                                   uint64_t number),
                      struct board *board, const struct options *options, uint64_t number)
{
    int status = 0;
    pid_t pid;

    (void)fflush(stdout);
    pid = fork();
    if (pid == 0) {
        play(board, options, number);
        exit(EXIT_SUCCESS); /* with the leak check */
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return false;
    if (WIFSIGNALED(status))
        (void)fprintf(stderr, "wrong: ended by signal %d\n", WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

/* --- random games --------------------------------------------------------------------------------- */

static void play_game(struct board *board, const struct options *options, uint64_t number)
{
    const struct switch_played played = switch_acts_play(
        number, options->steps, options->replay != NULL, board->reached, &board->note.step);

    board->played.operations += played.operations;
    board->played.messages += played.messages;
    board->played.gaps += played.gaps;
    board->played.turns += played.turns;
}

static unsigned play_games(struct board *board, const struct options *options)
{
    double from = now_seconds();
    unsigned failed = 0;

    for (unsigned i = 0; i < options->games && failed < FAILURES_MAX; i++) {
        uint64_t number = options->seed * 1000000 + i;

        if (run_apart(play_game, board, options, number))
            continue;
        failed++;
        (void)printf("game %llu failed at action %u; again: --steps %u --replay %llu\n",
                     (unsigned long long)number, board->note.step, options->steps,
                     (unsigned long long)number);
    }
    (void)printf(
        "random: %u games, %llu operations, %llu messages, %llu gaps, %llu turns (%.0f s)\n",
        options->games, (unsigned long long)board->played.operations,
        (unsigned long long)board->played.messages, (unsigned long long)board->played.gaps,
        (unsigned long long)board->played.turns, now_seconds() - from);
    return failed;
}

/* What was reached how often; how much never. */
static unsigned tell_reached(const struct board *board)
{
    static const char *const texts[] = {
#define TEXT(name, text) text,
        SWITCH_REACHED(TEXT)
#undef TEXT
    };
    unsigned missing = 0;

    for (unsigned i = 0; i < SWITCH_REACHED_COUNT; i++) {
        (void)printf("%10llu  %s%s\n", (unsigned long long)board->reached[i], texts[i],
                     board->reached[i] == 0 ? "   <- NEVER" : "");
        missing += board->reached[i] == 0 ? 1 : 0;
    }
    return missing;
}

/* --- scenarios ------------------------------------------------------------------------------------ */

static void explore(struct board *board, const struct options *options, uint64_t number)
{
    switch_explore((unsigned)number, options->seconds, board->reached, &board->note);
}

static bool explore_scenario(struct board *board, const struct options *options, unsigned number)
{
    const char *name = switch_scenario_name(number);
    double from = now_seconds();
    const struct switch_note *note = &board->note;

    board->note = (struct switch_note){0};
    if (!run_apart(explore, board, options, number)) {
        (void)printf("%s: failed, with no shorter sequence; again: --replay %s:%s\n", name, name,
                     note->path);
        return false;
    }
    (void)printf("%s: every sequence of %u actions%s: %llu states, %llu sequences (%.0f s)\n", name,
                 note->depth, note->is_complete ? ", and there are no other states" : "",
                 (unsigned long long)note->states, (unsigned long long)note->sequences,
                 now_seconds() - from);
    return true;
}

/* --- the program ---------------------------------------------------------------------------------- */

static bool is_wanted(const struct options *options, const char *part)
{
    return options->only == NULL || strcmp(options->only, part) == 0;
}

static int run_all(struct board *board, const struct options *options)
{
    unsigned passed = 0;
    unsigned failed = 0;

    if (is_wanted(options, "random")) {
        unsigned wrong = play_games(board, options);

        wrong += options->games >= GAMES_SHORT ? tell_reached(board) : 0;
        passed += wrong == 0 ? 1 : 0;
        failed += wrong == 0 ? 0 : 1;
    }
    for (unsigned i = 0; switch_scenario_name(i) != NULL; i++) {
        if (!is_wanted(options, switch_scenario_name(i)))
            continue;
        if (explore_scenario(board, options, i))
            passed++;
        else
            failed++;
    }
    (void)printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 && passed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* In this very process: for a debugger. */
static int replay(struct board *board, const struct options *options)
{
    size_t name_bytes = strcspn(options->replay, ":");
    const char *path = options->replay + name_bytes;
    unsigned scenario = 0;

    if (*path == '\0') {
        play_game(board, options, strtoull(options->replay, NULL, 10));
        return EXIT_SUCCESS;
    }
    for (; switch_scenario_name(scenario) != NULL; scenario++) {
        const char *name = switch_scenario_name(scenario);

        if (strlen(name) == name_bytes && memcmp(name, options->replay, name_bytes) == 0)
            break;
    }
    if (switch_scenario_name(scenario) == NULL ||
        !switch_explore_replay(scenario, path + 1, board->reached)) {
        (void)fprintf(stderr, "no such scenario or action: %s\n", options->replay);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

static bool read_options(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (strcmp(argv[i], "--short") == 0) {
            options->games = GAMES_SHORT;
            options->seconds = seconds_short;
            continue;
        }
        if (value == NULL)
            return false;
        if (strcmp(argv[i], "--seed") == 0)
            options->seed = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--games") == 0)
            options->games = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--steps") == 0)
            options->steps = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0)
            options->seconds = strtod(value, NULL);
        else if (strcmp(argv[i], "--only") == 0)
            options->only = value;
        else if (strcmp(argv[i], "--replay") == 0)
            options->replay = value;
        else
            return false;
        i++;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct options options = {.seed = 1, .games = GAMES, .steps = STEPS, .seconds = seconds_full};
    struct board *board =
        mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (!read_options(argc, argv, &options) || board == MAP_FAILED) {
        (void)fprintf(stderr, "usage: switch_over [--short] [--seed N] [--games N] [--steps N] "
                              "[--seconds N] [--only PART] [--replay GAME|SCENARIO:ACTIONS]\n");
        return EXIT_FAILURE;
    }
    (void)setenv("CMOCKA_TEST_ABORT", "1", 1); /* the fixtures' assertions end a process */
    return options.replay != NULL ? replay(board, &options) : run_all(board, &options);
}
