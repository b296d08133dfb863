/*
 * store/command.h - a COMMAND's payload: one change of a row, or of the schema, to be executed in
 * log order (DESIGN section 3).
 *
 * Shape    everything that decides what comes out stands in it, or in the rows: values, conditions,
 *          topics. Tables and columns go by their numbers in the catalog of `version`; a COMMAND made
 *          under another one fails with UNAVAILABLE.
 * Result   the writer puts it in the COMMAND's place in the log, under the same seq, with
 *          RECORD_APPLIED: the row as JSON, `{"id":1,…}`, on its topics, with its table's number; of
 *          a delete the row as it was; `null` and no topic if there was no such row. A schema
 *          operation's is `null`. With RECORD_FAILED: {"code":"…","message":"…"}, on no topic, codes
 *          as PROTOCOLS section 6 has them: BAD_USER_INPUT, NOT_FOUND, CONFLICT, UNAVAILABLE, INTERNAL.
 * Memory   command_decode gives views into the payload and arrays in the caller's arena.
 * Callers  encode: whoever makes one; decode: the writer, tools.
 */
#ifndef STORE_COMMAND_H
#define STORE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/record.h"
#include "store/catalog.h"

enum command_kind {
    COMMAND_CREATE = 1,
    COMMAND_UPDATE,
    COMMAND_DELETE,
    COMMAND_SCHEMA,
};

enum {
    COMMAND_TOPICS_MAX = RECORD_TOPICS_MAX,
    COMMAND_PARTS_MAX = 16, /* of one topic */
    COMMAND_ROW_BYTES_MAX = 16 * 1024 * 1024,
};

struct command_value {
    uint16_t column;
    struct catalog_text json; /* size 0: null */
};

/* Of a topic: literal text, or what a column holds after the change (before it, of a delete). */
struct command_part {
    bool is_column;
    uint16_t column;
    struct catalog_text literal;
};

struct command_topic {
    const struct command_part *parts;
    uint16_t count;
};

struct command {
    enum command_kind kind;
    uint64_t version; /* of the catalog; COMMAND_SCHEMA: ignored */
    uint16_t table;
    uint64_t id; /* COMMAND_UPDATE, COMMAND_DELETE */
    /* CREATE, UPDATE: the others stay, or are null, or the default, or the time. */
    const struct command_value *values;
    /* UPDATE, DELETE: a column that holds something else is CONFLICT. */
    const struct command_value *conditions;
    /* A null column leaves a topic out, equal ones count once, an invalid name is BAD_USER_INPUT. */
    const struct command_topic *topics;
    uint16_t value_count;
    uint16_t condition_count;
    uint16_t topic_count;
    struct catalog_text catalog; /* COMMAND_SCHEMA: encoded */
};

size_t command_encoded_bytes(const struct command *command);
void command_encode(const struct command *command, uint8_t *out);

/* Where command_decode puts its arrays; grows as needed. Zeroed: empty. */
struct command_arena {
    void *bytes;
    size_t size;
};

/*
 * 0; -EBADMSG: no COMMAND; -ENOMEM. Numbers are not looked up. Good until the next use of @arena.
 */
int command_decode(const void *payload, size_t bytes, struct command_arena *arena,
                   struct command *ret_command);
void command_arena_done(struct command_arena *arena);

#endif
