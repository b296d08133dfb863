/* The two tables that everything about the command line is made from. */
#include <limits.h>
#include <string.h>

#include "tools/sluicectl/command.h"

#define AT(field)   offsetof(struct command_options, field)
#define EVERYWHERE  NULL
#define WITHOUT_SET COMMAND_OPTION_NOWHERE

/* clang-format off */
static const struct command commands[] = {
    {"health", "", 0, 0, health_command,
     "show whether the server is well, its workers and its log",
     "Exits with 1 unless the server is healthy: while it drains, or when publishing is impossible, "
     "too.\n"
     "With --json: the server's own object, as GET /health has it."},
    {"topics", "", 0, 0, topics_command,
     "list the topics with kept events: subscribers, last number",
     ""},
    {"publish", "TOPIC MESSAGE", 2, 2, publish_command,
     "publish one message to a topic, and say its number",
     "MESSAGE is text, published as a JSON string; with --json-value it is a JSON value and published "
     "as that. If it is - it is read from standard input, to its end, every byte of it: a line "
     "break at the end belongs to it. What begins with - otherwise stands behind --, after all options."},
    {"subscribe", "TOPIC...", 1, COMMAND_OPERANDS_MAX, subscribe_command,
     "print the events of topics as they come, until Ctrl-C",
     "One line for each: number, time, the topic if there are several, and the value as JSON. With "
     "--json: the object that broker clients get, one on a line.\n"
     "When its worker dies or the server is restarted it comes back by itself and goes on where "
     "it was, without a gap or a double. Events that the server no longer has are told on standard error, "
     "with --json also by a line {\"type\":\"gap\",...}. It lets a server that shuts down go, and waits "
     "for the next.\n"
     "Topics are followed separately: one topic's events come in order, those of several in the "
     "order of arrival."},
    {"log", "", 0, 0, log_command,
     "print the operations of the log, whatever topic they are of",
     "One line for each: number, time, kind, topics by comma, and the value as JSON. The kind is "
     "event; row, what a change of rows came to; schema; or failed.\n"
     "Without --from: the newest, 100 of them unless --limit says; with --follow none unless --limit "
     "says. With --from: from there to the end, or --limit of them."},
    {"top", "", 0, 0, top_command,
     "watch the server: processes, rates, busiest topics, lagging clients",
     "A live table, renewed each second; q or Ctrl-C leaves. When standard output is no "
     "terminal, with --once or with --json: what happened within one second, once.\n"
     "With --json: {\"seconds\":...,\"rates\":{...},\"lagging\":[...],\"server\":{...}}, rates per "
     "second, and the server's own object with its totals."},
    {"clients", "", 0, 0, clients_command,
     "list the clients that are connected, of all workers",
     "Of each: its id, protocol, name in the room, address, how long it has been there, messages and bytes from "
     "and to it, bytes that wait for it, and subscriptions, of which so many lag."},
    {"kick", "CLIENT", 1, 1, kick_command,
     "close a client's connection, or all of one name",
     "CLIENT is an id as `sluicectl clients` shows it (0-17), or a name in the room. Exits with 1 if there "
     "is none."},
    {"check", "DATA_DIR", 1, 1, check_command,
     "verify a store: blocks, checksums, order, index, epochs, rows",
     "Reads everything in DATA_DIR and holds it against everything else: one consistent state, also "
     "while a server runs, which goes on meanwhile. Nothing is changed, and of a store that no server "
     "has no file is touched.\n"
     "Where the last server has left operations in its ring that are not in the store, it says how many, "
     "if the ring is in $SLUICE_RUN_DIR, $RUNTIME_DIRECTORY, /run/sluice or /dev/shm: a start takes them "
     "over.\n"
     "Says what is there, or each problem with its place, up to 100 of them, and what they mean for who "
     "uses the server. A text in a row has no checksum: that it was changed into another one cannot "
     "be noticed.\n"
     "With --json: {\"whole\":true,...,\"problem_count\":0,\"problems\":[]}; a problem is "
     "{\"part\":\"log\",\"seq\":17,\"text\":\"...\"}, seq only where it is about an operation or "
     "the block that begins with it.\n"
     "Exits with 1 if anything is wrong, or nothing could be read. Whoever may not write "
     "DATA_DIR/store/lock.mdb cannot check the store of a running server."},
    {"snapshot", "DATA_DIR DEST", 2, 2, snapshot_command,
     "copy a store, consistent, while the server runs",
     "DEST is a directory that does not exist yet, in one that does, or is empty. The copy is the store at one moment, without "
     "free pages, with the modes of the original's files, and for root their owner. It is verified before "
     "it gets its name: when the command ends with 0 it is whole and on disk, and otherwise not there at all. "
     "Only a kill -9 leaves a DEST.XXXXXX (or, in a DEST that was there, DEST/snapshot.XXXXXX) behind.\n"
     "A server can be started on it beside the first one. It has a number of its own and begins a new epoch: "
     "a client that comes from the original, and knows more than the copy has, is told so. Events that the "
     "server has not committed yet, at most a moment's, are not in it.\n"
     "While it copies, the original's file grows by what is published.\n"
     "With --json: what `check --json` says of the copy, and {\"dest\":...,\"checked\":true}."},
    {"drain", "", 0, 0, drain_command,
     "tell the server to let its clients finish, and end",
     "What SIGTERM does. Asked for again, the wait is cut short, as by a second signal."},
    {"reload", "", 0, 0, reload_command,
     "make the server read its configuration again: not there yet",
     ""},
    {"upgrade", "", 0, 0, upgrade_command,
     "put a new binary in the running one's place: not there yet",
     ""},
};

static const struct command_option options[] = {
    {'d', "data", "DATA", COMMAND_OPTION_TEXT, AT(data_dir), WITHOUT_SET, 0, 0, EVERYWHERE,
     "the server's data directory ($SLUICE_DATA, $STATE_DIRECTORY, ./sluice-data or /var/lib/sluice, "
     "whichever is there first)"},
    {'\0', "json", NULL, COMMAND_OPTION_FLAG, AT(is_json), WITHOUT_SET, 0, 0, EVERYWHERE,
     "print JSON"},
    {'q', "quiet", NULL, COMMAND_OPTION_FLAG, AT(is_quiet), WITHOUT_SET, 0, 0, EVERYWHERE,
     "neither progress nor notes on standard error; errors still"},
    {'h', "help", NULL, COMMAND_OPTION_HELP, WITHOUT_SET, WITHOUT_SET, 0, 0, EVERYWHERE,
     "show this text, or that of a command, and exit"},
    {'\0', "version", NULL, COMMAND_OPTION_VERSION, WITHOUT_SET, WITHOUT_SET, 0, 0, EVERYWHERE,
     "show the version and exit"},

    {'\0', "prefix", "PREFIX", COMMAND_OPTION_TEXT, AT(prefix), WITHOUT_SET, 0, 0, "topics",
     "only topics whose names begin so"},
    {'\0', "durable", NULL, COMMAND_OPTION_FLAG, AT(is_durable), WITHOUT_SET, 0, 0, "publish",
     "wait until the message is on disk"},
    {'\0', "json-value", NULL, COMMAND_OPTION_FLAG, AT(is_json_value), WITHOUT_SET, 0, 0, "publish",
     "MESSAGE is a JSON value, not text"},
    {'\0', "since", "N", COMMAND_OPTION_NUMBER, AT(since), AT(has_since), 0, UINT64_MAX, "subscribe",
     "first everything after number N that is kept (0: all of it)"},
    {'\0', "epoch", "EPOCH", COMMAND_OPTION_TEXT, AT(epoch), WITHOUT_SET, 0, 0, "subscribe",
     "of which N is: if a power cut has taken what it counted, that is told"},
    {'\0', "topic", "TOPIC", COMMAND_OPTION_TEXT, AT(topic), WITHOUT_SET, 0, 0, "log",
     "only operations on this topic"},
    {'\0', "from", "N", COMMAND_OPTION_NUMBER, AT(from), WITHOUT_SET, 1, UINT64_MAX, "log",
     "begin with number N"},
    {'\0', "limit", "N", COMMAND_OPTION_NUMBER, AT(limit), AT(has_limit), 1, UINT64_MAX, "log",
     "print at most N operations"},
    {'\0', "follow", NULL, COMMAND_OPTION_FLAG, AT(is_follow), WITHOUT_SET, 0, 0, "log",
     "go on with what comes, until Ctrl-C"},
    {'\0', "once", NULL, COMMAND_OPTION_FLAG, AT(is_once), WITHOUT_SET, 0, 0, "top",
     "print one table, over one second, and exit"},
    {'\0', "lagging", NULL, COMMAND_OPTION_FLAG, AT(is_lagging), WITHOUT_SET, 0, 0, "clients",
     "only clients with subscriptions that lag"},
    {'\0', "wait", NULL, COMMAND_OPTION_FLAG, AT(is_wait), WITHOUT_SET, 0, 0, "drain",
     "show how far it is until the server is gone"},
    {'\0', "no-check", NULL, COMMAND_OPTION_FLAG, AT(is_unchecked), WITHOUT_SET, 0, 0, "snapshot",
     "do not verify the copy: what is damaged is copied as it is"},
};
/* clang-format on */

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < command_count(); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

size_t command_count(void)
{
    return sizeof commands / sizeof commands[0];
}

const struct command *command_at(size_t index)
{
    return &commands[index];
}

size_t command_option_count(void)
{
    return sizeof options / sizeof options[0];
}

const struct command_option *command_option_at(size_t index)
{
    return &options[index];
}
