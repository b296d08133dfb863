/*
 * tests/unit/store_damage.h - damage made through LMDB itself, one kind at a time, that has to be named.
 */
#ifndef TESTS_UNIT_STORE_DAMAGE_H
#define TESTS_UNIT_STORE_DAMAGE_H

#include <lmdb.h>

#include "store/layout.h"
#include "store/verify.h"
#include "tests/unit/store_fixture.h"

/* A write transaction in a store that is otherwise whole. */
struct edit {
    struct store_fixture *fixture;
    MDB_txn *txn;
    struct store_databases db;
};

typedef void edit_function(struct edit *edit);

struct damage {
    const char *what;
    edit_function *make;
    enum verify_part part; /* which the verification has to name, */
    const char *words;     /* and how */
};

/* cmocka's setup and teardown of a group: the sample (store_sample.h) that is damaged. */
int damage_setup(void **state);
int damage_teardown(void **state);

/* Each on a copy of the sample of its own. */
void damages_try(const struct damage *damages, size_t count);
#define DAMAGES_TRY(damages) damages_try(damages, sizeof(damages) / sizeof((damages)[0]))

void edit_put(struct edit *edit, MDB_dbi dbi, MDB_val key, MDB_val data);
void edit_drop(struct edit *edit, MDB_dbi dbi, MDB_val key);
/* A copy of the value of @key, which the caller may change; until the next call. */
MDB_val edit_value(struct edit *edit, MDB_dbi dbi, MDB_val key);
MDB_val edit_text(const char *bytes);

#endif
