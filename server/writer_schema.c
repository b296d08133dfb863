/*
 * The schema that is to be served becomes the store's. It travels as any other change does, through the
 * ring and by a commit: whoever reads the log finds where it changed, and rows, indexes and schema
 * change together.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bus/record.h"
#include "bus/ring.h"
#include "bus/shm.h"
#include "bus/stats.h"
#include "bus/test_point.h"
#include "server/api/model.h"
#include "server/config.h"
#include "server/log.h"
#include "server/writer.h"
#include "store/catalog.h"
#include "store/command.h"
#include "store/log.h"

enum {
    KEPT_TRIES_MAX = 10,   /* of a commit that has to come first, a second apart */
    KEPT_TRIES_SERVED = 2, /* when it need not: before the ballast is let go, and behind that */
};

static enum child_exit failed(int rc, const char *what, const char *why)
{
    log_error(LOG_STORE_FAILED, "%s: %s", what, why);
    if (rc == -ESTALE)
        return CHILD_EXIT_STORE_TAKEN;
    return rc == -ENOTRECOVERABLE ? CHILD_EXIT_LOCK_LOST : CHILD_EXIT_FAILED;
}

/* --- what the store has ------------------------------------------------------------------------- */

static bool is_served(const struct catalog *stored, const struct catalog *wanted)
{
    return stored->version != 0 && stored->sdl.size == wanted->sdl.size &&
           memcmp(stored->sdl.bytes, wanted->sdl.bytes, wanted->sdl.size) == 0 &&
           catalog_is_same(stored, wanted);
}

/* Whether the store's schema is @wanted, and the operation that made it (0: none has). */
static int look(struct writer *writer, const struct catalog *wanted, bool *ret_is_served,
                uint64_t *ret_version)
{
    struct catalog *stored = NULL;
    int rc = store_snapshot_begin(writer->store, writer->meta.committed_seq);

    if (rc == 0)
        rc = catalog_load(writer->store, &stored);
    if (rc == 0) {
        *ret_is_served = is_served(stored, wanted);
        *ret_version = stored->version;
        catalog_free(stored);
    }
    store_snapshot_end(writer->store);
    return rc;
}

/* --- the operation ------------------------------------------------------------------------------ */

/* NULL: no memory. */
static uint8_t *make_payload(struct catalog_text catalog, size_t *ret_bytes)
{
    const struct command command = {.kind = COMMAND_SCHEMA, .catalog = catalog};
    size_t bytes = command_encoded_bytes(&command);
    uint8_t *payload = malloc(bytes);

    if (payload == NULL)
        return NULL;
    command_encode(&command, payload);
    *ret_bytes = bytes;
    return payload;
}

static int append_record(struct writer *writer, const struct record_spec *spec)
{
    size_t bytes = record_encoded_bytes(spec);
    struct ring_appended appended;
    void *record;
    int rc;

    if (bytes == 0)
        return -EMSGSIZE;
    record = malloc(bytes);
    if (record == NULL)
        return -ENOMEM;
    (void)record_encode(record, spec); /* as long as it was measured */
    rc = ring_append(writer->bus, record, bytes, &appended);
    if (rc == 0)
        stat_add(writer->bus, writer->slot, stat_published(STAT_PROTOCOL_SERVER, true), 1);
    free(record);
    return rc;
}

static int append(struct writer *writer, struct catalog_text catalog)
{
    struct record_spec spec = {
        .kind = RECORD_COMMAND,
        .flags = RECORD_URGENT,
        .origin_slot = (uint16_t)writer->slot,
        .origin_generation = bus_slot_generation(writer->bus, writer->slot),
    };
    uint8_t *payload = make_payload(catalog, &spec.payload_bytes);
    int rc;

    if (payload == NULL)
        return -ENOMEM;
    spec.payload = payload;
    rc = append_record(writer, &spec);
    free(payload);
    return rc;
}

static const char *append_error_text(int rc)
{
    switch (rc) {
    case -EMSGSIZE:
        return "it is longer than a quarter of the ring (--ring-size)";
    case -ENOSPC:
        return "storage is full";
    case -EAGAIN:
        return "the ring cannot take it";
    default:
        return strerror(-rc);
    }
}

/* --- all of it ------------------------------------------------------------------------------------ */

/* Says no before anything is written: nothing of the refused schema is ever in the log. */
static enum child_exit try_schema(struct writer *writer, struct catalog_text catalog)
{
    bool is_changed;
    int rc = commit_schema_try(writer->store, catalog.bytes, catalog.size, &is_changed);

    TEST_POINT(SCHEMA_TRIED);
    if (rc == 0)
        return CHILD_EXIT_DONE;
    if (rc != -EINVAL)
        return failed(rc, "the schema cannot be tried", store_error_text());
    log_error(LOG_SCHEMA_REFUSED, "the schema %s does not fit the rows in %s: %s",
              writer->config->schema != NULL ? writer->config->schema : "(built in)",
              writer->config->data, store_error_text());
    log_error(
        LOG_SCHEMA_REFUSED,
        "nothing has changed: what was served before still can be; take back what does not fit, "
        "or serve this schema from another --data");
    return CHILD_EXIT_SCHEMA_REFUSED;
}

/* Appends the operation, commits it, and looks whether it did what it should. */
static enum child_exit commit_schema(struct writer *writer, const struct model *model,
                                     struct catalog_text catalog)
{
    bool has_become = false;
    uint64_t version = 0;
    struct log_field seq;
    int rc = append(writer, catalog);

    if (rc != 0)
        return failed(rc, "the schema cannot be stored", append_error_text(rc));
    TEST_POINT(SCHEMA_APPENDED);
    rc = writer_commit_all(writer, KEPT_TRIES_MAX);
    TEST_POINT(SCHEMA_COMMITTED);
    if (rc != 0)
        return failed(rc, "the schema cannot be stored", strerror(-rc));
    rc = look(writer, model->wanted, &has_become, &version);
    if (rc != 0)
        return failed(rc, "the schema cannot be read back", store_error_text());
    if (!has_become)
        return failed(-EIO, "the schema cannot be stored", "its operation has failed");
    seq = log_told(log_u64(LOG_FIELD_SEQ, version));
    log_fields(LOG_LEVEL_INFO, LOG_SCHEMA_STORED, &seq, 1,
               "the schema of %u table%s is operation %" PRIu64, model->table_count,
               model->table_count == 1 ? "" : "s", version);
    return CHILD_EXIT_DONE;
}

/* Whether there is a schema operation among @records. 1, 0 or -errno. */
static int has_schema(const uint8_t *records, size_t bytes, struct command_arena *arena)
{
    struct record record;
    struct command command;

    for (size_t at = 0; at < bytes; at += record.length) {
        int rc;

        if (record_decode(records + at, bytes - at, &record) != RECORD_OK)
            return -EBADMSG;
        if (record.kind != RECORD_COMMAND)
            continue;
        rc = command_decode(record.payload, record.payload_bytes, arena, &command);
        if (rc == -ENOMEM)
            return rc;
        if (rc == 0 && command.kind == COMMAND_SCHEMA)
            return 1;
    }
    return 0;
}

/* Whether the ring has kept one: then the store's schema is not the last one. 1, 0 or -errno. */
static int keeps_schema(struct writer *writer)
{
    const uint64_t limit_pos = ring_tail(writer->bus).pos;
    uint64_t pos = writer->meta.committed_pos;
    struct command_arena arena = {0};
    int rc = 0;

    while (rc == 0 && pos != limit_pos) {
        ptrdiff_t bytes = writer_read_ring(writer, &pos, limit_pos);

        rc = bytes > 0 ? has_schema(writer->buf, (size_t)bytes, &arena) : -EIO;
    }
    command_arena_done(&arena);
    return rc;
}

/*
 * COMMANDs that the ring has kept are executed under the schema they were made for: before another one
 * is adopted. There may be no room for them. With the schema that the store has already they can
 * wait: what is stored can be read meanwhile.
 */
static int commit_kept(struct writer *writer, const struct model *model)
{
    bool is_there = false;
    uint64_t version;
    int rc = look(writer, model->wanted, &is_there, &version);

    if (rc != 0)
        return rc;
    rc = writer_commit_all(writer, is_there ? KEPT_TRIES_SERVED : KEPT_TRIES_MAX);
    if (rc == -ENOSPC && is_there && keeps_schema(writer) == 0)
        rc = 0;
    return rc;
}

enum child_exit writer_adopt_schema(struct writer *writer, const struct model *model)
{
    enum child_exit status = CHILD_EXIT_FAILED;
    bool is_there = false;
    uint64_t version;
    struct catalog_text catalog;
    uint8_t *bytes;
    int rc = commit_kept(writer, model);

    TEST_POINT(RECOVER_REPLAYED);
    if (rc != 0)
        return failed(rc, "what the ring has kept cannot be committed", strerror(-rc));
    rc = look(writer, model->wanted, &is_there, &version);
    if (rc != 0)
        return failed(rc, "the store's schema cannot be read", store_error_text());
    if (is_there)
        return CHILD_EXIT_DONE;
    catalog.size = catalog_encoded_bytes(model->wanted);
    bytes = malloc(catalog.size);
    if (bytes == NULL)
        return failed(-ENOMEM, "the schema cannot be stored", strerror(ENOMEM));
    catalog_encode(model->wanted, bytes);
    catalog.bytes = (const char *)bytes;
    status = try_schema(writer, catalog);
    if (status == CHILD_EXIT_DONE)
        status = commit_schema(writer, model, catalog);
    free(bytes);
    return status;
}
