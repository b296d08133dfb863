#include "tests/unit/store_damage.h"

#include <string.h>

#include "tests/unit/store_sample.h"

static struct store_fixture *sample; /* closed */
static struct verify_report report;  /* of the last look */

int damage_setup(void **state)
{
    (void)state;
    sample = store_fixture_new(NULL);
    assert_int_equal(store_fixture_open(sample), 0);
    sample_fill(sample);
    store_fixture_close(sample);
    return 0;
}

int damage_teardown(void **state)
{
    (void)state;
    store_fixture_free(sample);
    return 0;
}

/* --- expectations ----------------------------------------------------------------------------- */

static void look(const struct store_fixture *fixture)
{
    int rc = verify_store(fixture->dir, NULL, NULL, &report);

    if (rc != 0)
        fail_msg("%d: %s", rc, store_error_text());
}

static void problems_print(void)
{
    for (uint64_t i = 0; i < report.problem_count && i < VERIFY_PROBLEMS_MAX; i++)
        print_error("  %s %llu: %s\n", verify_part_name(report.problems[i].part),
                    (unsigned long long)report.problems[i].seq, report.problems[i].text);
}

/* --- one damage at a time --------------------------------------------------------------------- */

static void damage_make(struct store_fixture *fixture, edit_function *make)
{
    struct edit edit = {.fixture = fixture};

    assert_int_equal(store_fixture_open(fixture), 0);
    edit.db = fixture->store->db;
    assert_int_equal(mdb_txn_begin(fixture->store->mdb, NULL, 0, &edit.txn), 0);
    make(&edit);
    assert_int_equal(mdb_txn_commit(edit.txn), 0);
    store_fixture_close(fixture);
}

static void damage_expect(const struct damage *damage)
{
    for (uint64_t i = 0; i < report.problem_count && i < VERIFY_PROBLEMS_MAX; i++) {
        if (report.problems[i].part == damage->part &&
            strstr(report.problems[i].text, damage->words) != NULL)
            return;
    }
    problems_print();
    fail_msg("%s: nobody says '%s' of %s", damage->what, damage->words,
             verify_part_name(damage->part));
}

void damages_try(const struct damage *damages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct store_fixture *fixture = sample_copy(sample);

        damage_make(fixture, damages[i].make);
        look(fixture);
        damage_expect(&damages[i]);
        store_fixture_free(fixture);
    }
}

/* --- helpers of edits ------------------------------------------------------------------------- */

void edit_put(struct edit *edit, MDB_dbi dbi, MDB_val key, MDB_val data)
{
    assert_int_equal(mdb_put(edit->txn, dbi, &key, &data, 0), 0);
}

void edit_drop(struct edit *edit, MDB_dbi dbi, MDB_val key)
{
    assert_int_equal(mdb_del(edit->txn, dbi, &key, NULL), 0);
}

MDB_val edit_value(struct edit *edit, MDB_dbi dbi, MDB_val key)
{
    static uint8_t copy[512 * 1024];
    MDB_val data;

    assert_int_equal(mdb_get(edit->txn, dbi, &key, &data), 0);
    assert_in_range(data.mv_size, 0, sizeof copy);
    memcpy(copy, data.mv_data, data.mv_size);
    return (MDB_val){data.mv_size, copy};
}

MDB_val edit_text(const char *bytes)
{
    return val_of(bytes, strlen(bytes));
}
