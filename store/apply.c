#include "store/apply.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "bus/shm.h"
#include "bus/test_point.h"
#include "store/apply_internal.h"
#include "store/error.h"

/* --- the machine ---------------------------------------------------------------------------- */

int apply_new(struct store *store, struct apply **ret_apply)
{
    struct apply *apply = calloc(1, sizeof *apply);

    if (apply == NULL)
        return -ENOMEM;
    apply->store = store;
    *ret_apply = apply;
    return 0;
}

static void buffer_done(struct apply_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct apply_buffer){.bytes = NULL};
}

void apply_free(struct apply *apply)
{
    if (apply == NULL)
        return;
    if (apply->current != apply->committed)
        catalog_free(apply->current);
    catalog_free(apply->committed);
    command_arena_done(&apply->arena);
    buffer_done(&apply->old_row);
    buffer_done(&apply->new_row);
    buffer_done(&apply->payload);
    buffer_done(&apply->result);
    free(apply);
}

void apply_begin(struct apply *apply, MDB_txn *txn)
{
    CHECK(apply->parent == NULL);
    CHECK(apply->current == apply->committed);
    apply->parent = txn;
}

/* One large row should not cost its memory for ever. */
static void buffer_trim(struct apply_buffer *buffer)
{
    if (buffer->allocated > APPLY_KEPT_BYTES)
        buffer_done(buffer);
}

void apply_end(struct apply *apply, bool is_committed)
{
    apply->parent = NULL;
    buffer_trim(&apply->old_row);
    buffer_trim(&apply->new_row);
    buffer_trim(&apply->payload);
    buffer_trim(&apply->result);
    if (apply->current == apply->committed)
        return;
    catalog_free(is_committed ? apply->committed : apply->current);
    if (is_committed)
        apply->committed = apply->current;
    else
        apply->current = apply->committed;
}

/* Takes @catalog over: what comes next in this transaction is executed under it. */
static void catalog_set(struct apply *apply, struct catalog *catalog)
{
    if (apply->current != apply->committed)
        catalog_free(apply->current);
    apply->current = catalog;
}

static int catalog_need(struct apply *apply)
{
    int rc;

    if (apply->committed != NULL)
        return 0;
    rc = catalog_read(apply->store, apply->parent, &apply->committed);
    if (rc == 0)
        apply->current = apply->committed;
    return rc;
}

int apply_reserve(struct apply_buffer *buffer, size_t bytes)
{
    uint8_t *grown;

    if (bytes <= buffer->allocated)
        return 0;
    grown = malloc(bytes);
    if (grown == NULL)
        return error_lmdb(ENOMEM, "making room for %zu bytes of a row", bytes);
    buffer_done(buffer);
    buffer->bytes = grown;
    buffer->allocated = bytes;
    return 0;
}

/* --- refusals ------------------------------------------------------------------------------- */

int apply_refuse(struct apply *apply, const char *code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    apply->code = code;
    /* Cut when names are as long as no schema has them. */
    (void)vsnprintf(apply->message, sizeof apply->message, format, arguments);
    va_end(arguments);
    return APPLY_REFUSED;
}

int apply_refuse_column(struct apply *apply, const char *code, const struct catalog_table *table,
                        const struct catalog_column *column, const char *what)
{
    return apply_refuse(apply, code, "%.*s.%.*s: %s", (int)table->name.size, table->name.bytes,
                        (int)column->name.size, column->name.bytes, what);
}

/* Text as it stands in quotes; what a message should not have anyway becomes a space. */
static size_t message_quote(char *out, const char *message)
{
    char *at = out;

    for (; *message != '\0'; message++) {
        if (*message == '"' || *message == '\\')
            *at++ = '\\';
        if ((unsigned char)*message < 0x20)
            *at++ = ' ';
        else
            *at++ = *message;
    }
    return (size_t)(at - out);
}

/* The payload of a COMMAND that failed; nothing else of it comes out. */
static int refusal_make(struct apply *apply)
{
    char message[2 * APPLY_MESSAGE_BYTES];
    size_t bytes = message_quote(message, apply->message);
    int rc = apply_reserve(&apply->payload, sizeof message + 128);
    int length;

    if (rc != 0)
        return rc;
    length = snprintf((char *)apply->payload.bytes, apply->payload.allocated,
                      "{\"code\":\"%s\",\"message\":\"%.*s\"}", apply->code, (int)bytes, message);
    CHECK(length > 0 && (size_t)length < apply->payload.allocated);
    apply->payload_bytes = (size_t)length;
    apply->topic_count = 0;
    apply->table = 0;
    return 0;
}

/* --- COMMANDs ------------------------------------------------------------------------------- */

int apply_null(struct apply *apply)
{
    int rc = apply_reserve(&apply->payload, 4);

    if (rc != 0)
        return rc;
    memcpy(apply->payload.bytes, "null", 4);
    apply->payload_bytes = 4;
    return 0;
}

static int schema_execute(struct apply *apply)
{
    struct catalog *catalog = NULL;
    int rc = apply_schema(apply, apply->command.catalog, apply->record->seq, &catalog);

    if (rc == 0)
        rc = apply_null(apply);
    if (rc == 0)
        catalog_set(apply, catalog);
    else
        catalog_free(catalog);
    return rc;
}

static int change_execute(struct apply *apply)
{
    const struct command *command = &apply->command;
    const struct catalog_table *table;

    if (command->version != apply->current->version)
        return apply_refuse(apply, "UNAVAILABLE",
                            "the schema was changed while this was on its way: try again");
    table = catalog_table(apply->current, command->table);
    if (table == NULL || table->is_dropped)
        return apply_refuse(apply, "INTERNAL", "there is no table %u", command->table);
    apply->table = table->number;
    if (command->kind == COMMAND_CREATE)
        return apply_create(apply, table);
    if (command->kind == COMMAND_UPDATE)
        return apply_update(apply, table);
    return apply_delete(apply, table);
}

/* In a transaction of its own inside the commit's: what is refused half-way has changed nothing. */
static int execute_in_child(struct apply *apply)
{
    int rc = mdb_txn_begin(apply->store->mdb, apply->parent, 0, &apply->txn);

    if (rc != 0)
        return error_lmdb(rc, "beginning the execution of operation %" PRIu64, apply->record->seq);
    TEST_POINT(APPLY_BEGUN);
    if (apply->command.kind == COMMAND_SCHEMA)
        rc = schema_execute(apply);
    else
        rc = change_execute(apply);
    if (rc != 0) {
        mdb_txn_abort(apply->txn);
    } else {
        rc = mdb_txn_commit(apply->txn); /* aborts it when it fails */
        TEST_POINT(APPLY_ENDED);
        if (rc != 0)
            rc = error_lmdb(rc, "ending the execution of operation %" PRIu64, apply->record->seq);
    }
    apply->txn = NULL;
    return rc;
}

static int command_execute(struct apply *apply, bool is_poison)
{
    const struct record *record = apply->record;
    int rc = catalog_need(apply);

    if (rc != 0)
        return rc;
    if (is_poison) {
        TEST_POINT(POISON_REFUSED);
        return apply_refuse(apply, "INTERNAL",
                            "the store's writer died of this twice: it is not tried again");
    }
    if ((record->flags & (RECORD_APPLIED | RECORD_FAILED)) != 0)
        return apply_refuse(apply, "INTERNAL", "it says that it was executed already");
    rc = command_decode(record->payload, record->payload_bytes, &apply->arena, &apply->command);
    if (rc == -EBADMSG)
        return apply_refuse(apply, "INTERNAL", "it is no command that this version knows");
    if (rc != 0)
        return error_lmdb(-rc, "reading operation %" PRIu64, record->seq);
    return execute_in_child(apply);
}

static int result_encode(struct apply *apply, unsigned flags, size_t *ret_length)
{
    const struct record *record = apply->record;
    const struct record_spec spec = {
        .kind = RECORD_COMMAND,
        .flags = record->flags | flags,
        .topics = apply->topics,
        .topic_count = apply->topic_count,
        .payload = apply->payload.bytes,
        .payload_bytes = apply->payload_bytes,
        .table = apply->table,
        .origin_slot = record->origin_slot,
        .origin_generation = record->origin_generation,
        .origin_request = record->origin_request,
    };
    size_t length = record_encoded_bytes(&spec);
    int rc = apply_reserve(&apply->result, length);

    CHECK(length != 0);
    if (rc != 0)
        return rc;
    *ret_length = record_encode(apply->result.bytes, &spec);
    record_stamp(apply->result.bytes, record->seq, record->time_ns);
    return 0;
}

/*
 * Whoever comes after our death finds the COMMAND that we were at. It stays after damage, which the
 * writer counts like a death, so that its COMMAND is not tried for ever; a full disk is not its fault.
 */
static void applying_note(const struct apply *apply, uint64_t seq)
{
    if (apply->store->bus != NULL)
        bus_slot_set_applying(apply->store->bus, apply->store->slot, seq);
}

static int command_apply(struct apply *apply, bool is_poison, size_t *ret_length)
{
    unsigned flags = RECORD_APPLIED;
    int rc;

    apply->topic_count = 0;
    apply->table = 0;
    applying_note(apply, apply->record->seq);
    TEST_POINT(APPLY_NOTED);
    rc = command_execute(apply, is_poison);
    if (rc == APPLY_REFUSED) {
        flags |= RECORD_FAILED;
        rc = refusal_make(apply);
    }
    if (rc == 0)
        rc = result_encode(apply, flags, ret_length);
    if (rc != -EBADMSG)
        applying_note(apply, 0);
    TEST_POINT(APPLY_FORGOTTEN);
    return rc;
}

int apply_operation(struct apply *apply, const struct record *record, const void *encoded,
                    bool is_poison, struct apply_result *ret_result)
{
    size_t length;
    int rc;

    CHECK(record->seq != 0);
    CHECK(apply->parent != NULL);
    if (record->kind != RECORD_COMMAND) {
        *ret_result = (struct apply_result){.bytes = encoded, .length = record->length};
        return 0;
    }
    apply->record = record;
    rc = command_apply(apply, is_poison, &length);
    if (rc == 0)
        *ret_result = (struct apply_result){.bytes = apply->result.bytes, .length = length};
    return rc;
}

int apply_schema_try(struct apply *apply, const void *catalog, size_t bytes, bool *ret_is_changed)
{
    struct catalog *wanted = NULL;
    struct catalog *merged = NULL;
    int rc = catalog_need(apply);

    if (rc != 0)
        return rc;
    rc = catalog_decode(catalog, bytes, &wanted);
    if (rc != 0)
        return rc == -EBADMSG ? error_set(-EINVAL, "the schema's catalog is not sound")
                              : error_lmdb(-rc, "reading the schema's catalog");
    *ret_is_changed = !catalog_text_is_equal(apply->current->sdl, wanted->sdl) ||
                      !catalog_is_same(apply->current, wanted);
    catalog_free(wanted);
    if (!*ret_is_changed)
        return 0;
    apply->txn = apply->parent;
    rc = apply_schema(apply, (struct catalog_text){catalog, bytes}, apply->current->version + 1,
                      &merged);
    apply->txn = NULL;
    catalog_free(merged);
    return rc == APPLY_REFUSED ? error_set(-EINVAL, "%s", apply->message) : rc;
}
