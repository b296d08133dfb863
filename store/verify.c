#include "store/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bus/check.h"
#include "store/error.h"
#include "store/verify_internal.h"

enum {
    ENTRY_COST = 64, /* of looking at one, in bytes of a page */
    ENTRY_BYTES_MIN = 8,
};

static const struct part {
    const char *name;
    const char *advice;
} parts[VERIFY_PART_COUNT] = {
    [VERIFY_FILE] =
        {"file",
         "LMDB's pages are damaged: a server may end when it meets them, and what it writes "
         "may destroy more. Stop it, restore a snapshot, look at the disk"},
    [VERIFY_STATE] =
        {"state",
         "a server may refuse to start, or give numbers a second time: restore a snapshot"},
    [VERIFY_EPOCHS] =
        {"epochs", "resume tokens may be misjudged: clients may be told of gaps that are none, or "
                   "not of one that is"},
    [VERIFY_LOG] =
        {"log",
         "these operations cannot be replayed; all others can, and publishing goes on. Rows "
         "are not concerned. Retention takes them in the end; a snapshot may still have them"},
    [VERIFY_TOPICS] = {"topics",
                       "replaying these topics may leave events out, or fail; other topics are not "
                       "concerned, and neither is what comes from now on"},
    [VERIFY_TRIMMED] =
        {"trimmed", "who resumes on these topics may be told of a gap that is none, or not of one "
                    "that is"},
    [VERIFY_ROWS] = {"rows",
                     "queries that meet these rows fail, and a mutation that does ends the writer: "
                     "restore a snapshot"},
    [VERIFY_INDEXES] =
        {"indexes",
         "lists may leave rows out, or fail, and a mutation of such a row ends the "
         "writer. Rows are whole: a schema without this index, and then with it, makes it "
         "anew"},
};

const char *verify_part_name(enum verify_part part)
{
    CHECK(part < VERIFY_PART_COUNT);
    return parts[part].name;
}

const char *verify_part_advice(enum verify_part part)
{
    CHECK(part < VERIFY_PART_COUNT);
    return parts[part].advice;
}

/* --- problems ------------------------------------------------------------------------------- */

__attribute__((format(printf, 4, 0))) static void note(struct verify_report *report,
                                                       enum verify_part part, uint64_t seq,
                                                       const char *format, va_list arguments)
{
    struct verify_problem *problem;

    if (report->problem_count++ >= VERIFY_PROBLEMS_MAX)
        return;
    problem = &report->problems[report->problem_count - 1];
    problem->part = part;
    problem->seq = seq;
    (void)vsnprintf(problem->text, sizeof problem->text, format, arguments); /* cut if too long */
}

void verify_note(struct verify *verify, uint64_t seq, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    note(verify->report, verify->shared->part, seq, format, arguments);
    va_end(arguments);
}

__attribute__((format(printf, 3, 4))) static void note_file(struct verify_report *report,
                                                            uint64_t seq, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    note(report, VERIFY_FILE, seq, format, arguments);
    va_end(arguments);
}

/* What LMDB itself has wrong in the database that is walked. */
__attribute__((format(printf, 2, 3))) static void note_pages(struct verify *verify,
                                                             const char *format, ...)
{
    char text[VERIFY_TEXT_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments); /* there is room for each of them */
    va_end(arguments);
    note_file(verify->report, 0, "%s: %.400s", parts[verify->shared->part].name, text);
}

struct verify_name verify_name(const void *bytes, size_t size)
{
    const char *from = bytes;
    struct verify_name name = {.text = "'"};
    size_t used = size < RECORD_TOPIC_BYTES_MAX ? size : RECORD_TOPIC_BYTES_MAX;

    for (size_t i = 0; i < used; i++) {
        name.text[1 + i] = from[i];
        if (from[i] == '\0')
            name.text[1 + i] = '?'; /* texts end there */
    }
    (void)snprintf(name.text + 1 + used, sizeof name.text - 1 - used, "%s",
                   used < size ? "...'" : "'"); /* there is room for it */
    return name;
}

/* --- walks ---------------------------------------------------------------------------------- */

uint64_t verify_walk_cost(const struct verify *verify, MDB_dbi dbi)
{
    MDB_stat stat;

    if (mdb_stat(verify->txn, dbi, &stat) != 0)
        return 0;
    return (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) *
               verify->page_bytes +
           stat.ms_entries * ENTRY_COST;
}

bool verify_walk_begin(struct verify *verify, enum verify_part part, MDB_dbi dbi,
                       struct verify_walk *ret_walk)
{
    struct verify_walk walk = {.verify = verify, .dbi = dbi};
    MDB_stat stat;
    int rc;

    verify->shared->part = part;
    verify->shared->at_seq = 0;
    rc = mdb_stat(verify->txn, dbi, &stat);
    if (rc == 0 && dbi != FREE_LIST_DBI)
        rc = mdb_dbi_flags(verify->txn, dbi, &walk.flags);
    if (rc == 0)
        rc = mdb_cursor_open(verify->txn, dbi, &walk.cursor);
    if (rc != 0) {
        note_pages(verify, "it cannot be read: %s", mdb_strerror(rc));
        return false;
    }
    /* Pages that lead in a circle shall not be followed for ever. */
    walk.count_max = verify->page_count * verify->page_bytes / ENTRY_BYTES_MIN;
    if (stat.ms_entries < walk.count_max)
        walk.count_max = stat.ms_entries;
    walk.cost = verify_walk_cost(verify, dbi);
    *ret_walk = walk;
    return true;
}

/* Where the first page that @value lies on begins. */
static uintptr_t page_start(const struct verify *verify, const MDB_val *value)
{
    uintptr_t at = (uintptr_t)value->mv_data;

    return at - at % verify->page_bytes;
}

/*
 * A page begins with its number. That is how it is known where page 0 would be: LMDB does not tell
 * where it has mapped the file.
 */
static bool is_own_page(struct verify *verify, const MDB_val *value)
{
    uintptr_t start = page_start(verify, value);
    uint64_t number;

    memcpy(&number, (const uint8_t *)value->mv_data - ((uintptr_t)value->mv_data - start),
           sizeof number);
    if (verify->map == 0)
        verify->map = start - number * verify->page_bytes;
    return start == verify->map + number * verify->page_bytes;
}

/* Whether a page that @value lies on is on the list of free ones, too. */
static bool is_on_free_page(const struct verify *verify, const MDB_val *value)
{
    uintptr_t end = (uintptr_t)value->mv_data + value->mv_size;
    uint64_t page = (page_start(verify, value) - verify->map) / verify->page_bytes;

    if (verify->free_pages == NULL)
        return false;
    for (; page < verify->page_count && verify->map + page * verify->page_bytes < end; page++) {
        if ((verify->free_pages[page / 8] >> (page % 8) & 1) != 0)
            return true;
    }
    return false;
}

static void pages_check(const struct verify_walk *walk)
{
    struct verify *verify = walk->verify;

    if (!is_own_page(verify, &walk->key) ||
        (walk->data.mv_size > 0 && !is_own_page(verify, &walk->data)))
        note_pages(verify, "the page of entry %" PRIu64 " has another number in its head",
                   walk->count);
    else if (is_on_free_page(verify, &walk->key) || is_on_free_page(verify, &walk->data))
        note_pages(verify, "entry %" PRIu64 " lies on a page that is on the list of free ones",
                   walk->count);
}

/* Behind the entry before? Equal keys are in order only where a key may have several values. */
static bool is_in_order(const struct verify_walk *walk, const MDB_val *key, const MDB_val *data,
                        bool *ret_is_new_key)
{
    MDB_txn *txn = walk->verify->txn;
    int order = walk->count > 0 ? mdb_cmp(txn, walk->dbi, &walk->key, key) : -1;

    *ret_is_new_key = order != 0;
    if (order == 0 && (walk->flags & MDB_DUPSORT) != 0)
        order = mdb_dcmp(txn, walk->dbi, &walk->data, data);
    return order < 0;
}

/* By its key it must be found there: a walk passes by what leads a search astray. */
static bool is_found(const struct verify_walk *walk)
{
    MDB_val key = walk->key;
    MDB_val data;

    if (walk->dbi == FREE_LIST_DBI)
        return true; /* LMDB lets nobody search there */
    return mdb_get(walk->verify->txn, walk->dbi, &key, &data) == 0 &&
           data.mv_data == walk->data.mv_data && data.mv_size == walk->data.mv_size;
}

bool verify_walk_next(struct verify_walk *walk)
{
    struct verify *verify = walk->verify;
    bool is_ordered;
    MDB_val key;
    MDB_val data;
    int rc = mdb_cursor_get(walk->cursor, &key, &data, MDB_NEXT);

    if (rc == MDB_NOTFOUND)
        return false;
    if (rc == 0 && walk->count == walk->count_max) {
        note_pages(verify, "it has more than the %" PRIu64 " entries that are counted",
                   walk->count_max);
        walk->count++; /* said: the end need not say it again */
        return false;
    }
    if (rc != 0) {
        note_pages(verify, "behind entry %" PRIu64 " of %" PRIu64 " it cannot be read: %s",
                   walk->count, walk->count_max, mdb_strerror(rc));
        walk->count = walk->count_max;
        return false;
    }
    is_ordered = is_in_order(walk, &key, &data, &walk->is_new_key);
    walk->key = key;
    walk->data = data;
    walk->count++;
    if (!is_ordered)
        note_pages(verify, "entry %" PRIu64 " is out of order", walk->count);
    if (walk->is_new_key && !is_found(walk))
        note_pages(verify, "entry %" PRIu64 " cannot be found by its key", walk->count);
    pages_check(walk);
    apart_say(verify->line,
              verify->done +
                  (uint64_t)((double)walk->cost * (double)walk->count / (double)walk->count_max),
              verify->total);
    return true;
}

void verify_walk_end(struct verify_walk *walk)
{
    if (walk->count < walk->count_max)
        note_pages(walk->verify, "it has %" PRIu64 " entries, but %" PRIu64 " are counted",
                   walk->count, walk->count_max);
    walk->verify->done += walk->cost;
    mdb_cursor_close(walk->cursor);
}

/* --- the child ------------------------------------------------------------------------------ */

static void fail(struct verify *verify, int rc)
{
    verify->shared->rc = rc;
    (void)snprintf(verify->shared->error_text, sizeof verify->shared->error_text, "%s",
                   store_error_text()); /* as long as that one at most */
}

static int sizes_read(struct verify *verify)
{
    MDB_envinfo info;
    MDB_stat stat;
    struct stat file;
    mdb_filehandle_t fd;
    int rc = mdb_env_info(verify->store->mdb, &info);

    if (rc == 0)
        rc = mdb_env_stat(verify->store->mdb, &stat);
    if (rc == 0)
        rc = mdb_env_get_fd(verify->store->mdb, &fd);
    if (rc == 0 && fstat(fd, &file) != 0)
        rc = errno;
    if (rc != 0)
        return error_lmdb(rc, "reading the size of %s", STORE_FILE_DATA);
    verify->page_bytes = stat.ms_psize;
    verify->page_count = (uint64_t)info.me_last_pgno + 1;
    verify->shared->pages_end = verify->page_count * stat.ms_psize;
    verify->report->file_bytes = (uint64_t)file.st_size;
    verify->report->page_count = verify->page_count;
    if ((uint64_t)file.st_size % stat.ms_psize != 0)
        verify_note(verify, 0, "%s was cut: its %" PRIu64 " bytes are no whole pages of %u",
                    STORE_FILE_DATA, (uint64_t)file.st_size, stat.ms_psize);
    return 0;
}

/* Opens the databases. False: that says it all, and was noted. */
static bool databases_open(struct verify *verify)
{
    const struct store_database *database;
    int rc = store_databases_open(verify->store, verify->txn);

    if (rc == -ENOENT && verify->visit.number == 0) {
        fail(verify, rc); /* it was being made, and its maker died */
        return false;
    }
    if (rc != 0) {
        verify_note(verify, 0, "%s; nothing else could be looked at", store_error_text());
        return false;
    }
    for (size_t i = 0; (database = store_database(i)) != NULL; i++) {
        unsigned flags = 0;
        MDB_dbi dbi;

        memcpy(&dbi, (char *)&verify->store->db + database->offset, sizeof dbi);
        rc = mdb_dbi_flags(verify->txn, dbi, &flags);
        if (rc != 0 || flags != database->flags) {
            verify_note(verify, 0,
                        "the database '%s' is another kind of database than it should be; nothing "
                        "else could be looked at",
                        database->name);
            return false;
        }
        verify->total += verify_walk_cost(verify, dbi);
    }
    return true;
}

/* The state first: everything else is compared with it. False: of another format. */
static bool meta_read(struct verify *verify)
{
    struct verify_report *report = verify->report;
    int rc = store_meta_read(verify->store, verify->txn, &verify->meta);

    if (rc != 0) {
        verify->shared->part = VERIFY_STATE;
        verify_note(verify, 0, "%s", store_error_text());
        return rc != -ENOTSUP;
    }
    verify->has_meta = true;
    report->is_clean = verify->meta.is_clean != 0;
    report->epoch = verify->meta.epoch;
    report->first_seq = verify->meta.first_seq;
    report->last_seq = verify->meta.committed_seq;
    report->last_time_ns = verify->meta.committed_time_ns;
    return true;
}

static void everything(struct verify *verify)
{
    verify->shared->part = VERIFY_FILE;
    if (!databases_open(verify))
        return;
    verify->total += verify_walk_cost(verify, FREE_LIST_DBI);
    verify->total += verify->total / 4; /* accounting for the pages */
    verify_pages(verify);
    if (!meta_read(verify))
        return;
    verify_state(verify);
    verify_epochs(verify);
    verify_log(verify);
    verify_rows(verify);
    if (verify->report->problem_count == 0)
        verify_account(verify);
    apart_say(verify->line, verify->total, verify->total);
}

/* What the parent and the child know of each other. */
struct job {
    const char *data_dir;
    bool is_served;
    struct verify_shared *shared;
    verify_progress *on_progress;
    void *user;
};

static void work(void *user, struct apart_line *line)
{
    struct job *job = user;
    struct verify verify = {.shared = job->shared, .report = &job->shared->report, .line = line};
    int rc = visit_begin(job->data_dir, job->is_served, &verify.visit);

    if (rc == -EBADMSG) {
        verify_note(&verify, 0, "%s; nothing else could be looked at", store_error_text());
        return;
    }
    if (rc != 0) {
        fail(&verify, rc);
        return;
    }
    verify.store = verify.visit.store;
    verify.txn = verify.visit.txn;
    verify.report->store_id = verify.visit.store_id;
    rc = sizes_read(&verify);
    if (rc == 0)
        everything(&verify);
    else
        fail(&verify, rc);
    job->shared->is_overtaken = visit_is_overtaken(&verify.visit);
    visit_end(&verify.visit);
}

/* --- the parent ----------------------------------------------------------------------------- */

static bool on_progress(void *user, uint64_t done, uint64_t total)
{
    struct job *job = user;

    return job->on_progress == NULL || job->on_progress(job->user, done, total);
}

/* The child has met what ends a process. */
static void note_death(struct verify_shared *shared, int signal_number)
{
    struct verify_report *report = &shared->report;
    const char *what = signal_number > 0 ? strsignal(signal_number) : "an error";
    char place[64] = "";

    if (shared->at_seq != 0)
        (void)snprintf(place, sizeof place, " near operation %" PRIu64, shared->at_seq);
    if (signal_number == SIGBUS && report->file_bytes < shared->pages_end)
        note_file(report, shared->at_seq,
                  "%s was cut: it has %" PRIu64 " bytes, its pages end at %" PRIu64
                  "; what is missing was met in %s%s, and nothing behind it was looked at",
                  STORE_FILE_DATA, report->file_bytes, shared->pages_end, parts[shared->part].name,
                  place);
    else
        note_file(report, shared->at_seq,
                  "the pages of %s%s are damaged: reading them ended the process (%s), and nothing "
                  "behind them was looked at",
                  parts[shared->part].name, place, what);
}

/* One visit. 1: a server has come and written meanwhile: it must be made anew. */
static int visit_once(struct job *job)
{
    const struct apart apart = {.work = work, .on_progress = on_progress, .user = job};
    struct verify_shared *shared = job->shared;
    int signal_number = 0;
    int rc;

    memset(shared, 0, sizeof *shared);
    rc = apart_run(&apart, &signal_number);
    if (rc == -ECANCELED)
        return error_set(rc, "the check was interrupted");
    if (rc != 0)
        return error_lmdb(-rc, "starting a process that reads the store");
    if (shared->rc != 0)
        return error_set(shared->rc, "%s", shared->error_text);
    if (shared->is_overtaken)
        return 1;
    if (signal_number != 0) {
        if (!job->is_served && visit_is_served(job->data_dir))
            return 1;
        note_death(shared, signal_number);
    }
    shared->report.is_served = job->is_served;
    return 0;
}

int verify_store(const char *data_dir, verify_progress *on_verified, void *user,
                 struct verify_report *ret_report)
{
    struct job job = {
        .data_dir = data_dir,
        .is_served = visit_is_served(data_dir),
        .shared = apart_alloc(sizeof *job.shared),
        .on_progress = on_verified,
        .user = user,
    };
    int rc;

    if (job.shared == NULL)
        return error_lmdb(ENOMEM, "making room for what is found");
    rc = visit_once(&job);
    if (rc == 1) {
        job.is_served = true;
        rc = visit_once(&job);
    }
    if (rc == 1)
        rc = error_set(-EAGAIN,
                       "%s is written while it is read, and its %s/lock.mdb has no room for a "
                       "reader (is it on a read-only file system?): stop the server first",
                       data_dir, STORE_DIR);
    if (rc == 0)
        *ret_report = job.shared->report;
    apart_free(job.shared, sizeof *job.shared);
    return rc;
}
