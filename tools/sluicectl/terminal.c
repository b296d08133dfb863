#include "tools/sluicectl/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "bus/check.h"

#define SCREEN_TAKE "\33[?1049h\33[?25l\33[?7l\33[H\33[2J"
#define SCREEN_GIVE "\33[?7h\33[?25h\33[?1049l"

static const int fatal_signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

#define FATAL_COUNT (sizeof fatal_signals / sizeof fatal_signals[0])

static struct termios before; /* of standard input, if that is a terminal */
static struct sigaction actions_before[FATAL_COUNT];
static bool has_before;
static bool is_prepared;
static volatile sig_atomic_t is_taken;

bool terminal_is_there(void)
{
    const char *name = getenv("TERM");

    return isatty(STDOUT_FILENO) && name != NULL && *name != '\0' && strcmp(name, "dumb") != 0;
}

static void put(const char *text, size_t bytes)
{
    ssize_t written = write(STDOUT_FILENO, text, bytes);
    (void)written; /* a terminal that has gone away needs nothing back */
}

/* Only what signal handlers may call. */
void terminal_leave(void)
{
    if (!is_taken)
        return;
    is_taken = 0;
    put(SCREEN_GIVE, strlen(SCREEN_GIVE));
    if (has_before)
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before); /* likewise */
}

/* Gives it back, and lets happen what would have. */
static void on_fatal(int number)
{
    terminal_leave();
    for (size_t i = 0; i < FATAL_COUNT; i++) {
        if (fatal_signals[i] == number)
            (void)sigaction(number, &actions_before[i], NULL); /* as it was: it cannot fail */
    }
    (void)raise(number);
}

static int prepare(void)
{
    struct sigaction action = {.sa_handler = on_fatal, .sa_flags = (int)SA_NODEFER};

    if (atexit(terminal_leave) != 0)
        return -ENOMEM;
    for (size_t i = 0; i < FATAL_COUNT; i++) {
        if (sigaction(fatal_signals[i], &action, &actions_before[i]) != 0)
            return -errno;
    }
    is_prepared = true;
    return 0;
}

int terminal_enter(void)
{
    struct termios keys;
    int rc = is_prepared ? 0 : prepare();

    if (rc != 0)
        return rc;
    if (!has_before)
        has_before = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
    if (has_before) {
        keys = before;
        keys.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
        keys.c_iflag &= (tcflag_t)~IXON; /* Ctrl-S would hold us up, and Ctrl-C with us */
        keys.c_cc[VMIN] = 1;
        keys.c_cc[VTIME] = 0;
        if (tcsetattr(STDIN_FILENO, TCSADRAIN, &keys) != 0)
            return -errno;
    }
    is_taken = 1;
    put(SCREEN_TAKE, strlen(SCREEN_TAKE));
    return 0;
}

void terminal_size(size_t *ret_rows, size_t *ret_columns)
{
    struct winsize size = {0};

    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size); /* a size of 0 is none */
    *ret_rows = size.ws_row > 0 ? size.ws_row : 24;
    *ret_columns = size.ws_col > 0 ? size.ws_col : 80;
}
