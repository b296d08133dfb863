/*
 * store/apply_internal.h - what the files of the state machine share.
 *
 * Included by store/apply*.c only. A function that executes returns 0, APPLY_REFUSED (the COMMAND
 * cannot be executed: code and message are set) or -errno.
 */
#ifndef STORE_APPLY_INTERNAL_H
#define STORE_APPLY_INTERNAL_H

#include "bus/rfc3339.h"
#include "store/apply.h"
#include "store/command.h"
#include "store/layout.h"
#include "store/row.h"

enum {
    APPLY_REFUSED = 1,
    APPLY_MESSAGE_BYTES = 1024,
    /* Buffers that had to grow further than this are given back after the transaction. */
    APPLY_KEPT_BYTES = 1024 * 1024,
};

struct apply_buffer {
    uint8_t *bytes;
    size_t allocated;
};

struct apply {
    struct store *store;
    MDB_txn *parent;
    MDB_txn *txn;              /* the child of the COMMAND in execution */
    struct catalog *committed; /* NULL: not read yet */
    struct catalog *current;   /* ... as the transaction has it */
    const struct record *record;

    struct command command;
    struct command_arena arena;
    struct row_pieces before; /* the row as it was; views into old_row */
    struct row_pieces pieces; /* ... and as it will be; views into these, the COMMAND and below */
    struct apply_buffer old_row;
    struct apply_buffer new_row;
    char now_json[RFC3339_BYTES + 2];
    char id_json[24];

    /* What comes out. */
    uint16_t table;
    struct record_topic topics[COMMAND_TOPICS_MAX];
    char topic_names[COMMAND_TOPICS_MAX][RECORD_TOPIC_BYTES_MAX];
    size_t topic_count;
    struct apply_buffer payload;
    size_t payload_bytes;
    const char *code; /* of a COMMAND that is refused, and why */
    char message[APPLY_MESSAGE_BYTES];
    struct apply_buffer result;
};

/* Makes it hold @bytes at least; what it held is lost. 0 or -ENOMEM (with text). */
int apply_reserve(struct apply_buffer *buffer, size_t bytes);

/* Keeps both; APPLY_REFUSED. */
int apply_refuse(struct apply *apply, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same about one column: "Message.title: @what". */
int apply_refuse_column(struct apply *apply, const char *code, const struct catalog_table *table,
                        const struct catalog_column *column, const char *what);

/* Makes the result `null`. */
int apply_null(struct apply *apply);

/* The COMMAND's kinds. */
int apply_create(struct apply *apply, const struct catalog_table *table);
int apply_update(struct apply *apply, const struct catalog_table *table);
int apply_delete(struct apply *apply, const struct catalog_table *table);
/* *ret_catalog is what is in force then. Also refuses with code BAD_USER_INPUT. */
int apply_schema(struct apply *apply, struct catalog_text catalog, uint64_t version,
                 struct catalog **ret_catalog);

/* The result's topics, of the row that apply->pieces are. */
int apply_topics(struct apply *apply, const struct catalog_table *table);

/* A value of a row, and where it stands. */
struct apply_value {
    const struct catalog_table *table;
    const struct catalog_column *column;
    struct catalog_text json;
};

/* Whether another row than @own_id has @value, whose column is unique. */
int apply_unique_is_taken(struct apply *apply, const struct apply_value *value, uint64_t own_id,
                          bool *ret_is_taken);
/* Whether @target, which @column refers to, has the row that @json is the id of. */
int apply_reference_exists(struct apply *apply, const struct catalog_table *target,
                           const struct catalog_column *column, struct catalog_text json,
                           bool *ret_exists);
/* Enters a row in one index. */
int apply_entry_put(struct apply *apply, const struct catalog_table *table,
                    const struct catalog_index *index, const struct row_pieces *pieces,
                    uint64_t id);

#endif
