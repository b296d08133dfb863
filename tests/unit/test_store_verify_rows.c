/* Damage of rows and their indexes: each is found, and named. */
#include <stdio.h>
#include <string.h>

#include "store/row_key.h"
#include "tests/unit/store_damage.h"
#include "tests/unit/store_fixture_rows.h"

enum {
    THING = 1,
    CODE = 1, /* its columns */
    RANK = 2,
    BY_CODE = 0, /* its indexes */
    BY_RANK = 1,
};

static void row_put(struct edit *edit, uint16_t table, uint64_t id, MDB_val value)
{
    uint8_t key[ROW_KEY_BYTES];

    row_key_write(key, table, id);
    edit_put(edit, edit->db.row, val_of(key, sizeof key), value);
}

static MDB_val row_value(struct edit *edit, uint64_t id)
{
    uint8_t key[ROW_KEY_BYTES];

    row_key_write(key, THING, id);
    return edit_value(edit, edit->db.row, val_of(key, sizeof key));
}

static void row_gone(struct edit *edit)
{
    uint8_t key[ROW_KEY_BYTES];

    row_key_write(key, THING, 4);
    edit_drop(edit, edit->db.row, val_of(key, sizeof key));
}

static void row_cut(struct edit *edit)
{
    MDB_val value = row_value(edit, 4);

    value.mv_size--;
    row_put(edit, THING, 4, value);
}

static void row_of_no_table(struct edit *edit)
{
    row_put(edit, 77, 4, row_value(edit, 4));
}

static void row_with_a_short_key(struct edit *edit)
{
    edit_put(edit, edit->db.row, val_of("\0\1\0", 3), edit_text("x"));
}

static void row_of_a_later_id(struct edit *edit)
{
    edit_put(edit, edit->db.meta, val_of("id\0\1", 4), val_of("\5\0\0\0\0\0\0\0", 8));
}

/* Writes over the first place where @from stands in row 4. */
static void row_overwrite(struct edit *edit, const char *from, const char *to)
{
    MDB_val value = row_value(edit, 4);
    uint8_t *at = memmem(value.mv_data, value.mv_size, from, strlen(from));

    assert_non_null(at);
    memcpy(at, to, strlen(to));
    row_put(edit, THING, 4, value);
}

static void row_with_another_type(struct edit *edit)
{
    row_overwrite(edit, "\"code 4\"", "\"code 4 ");
}

static void row_with_another_id(struct edit *edit)
{
    row_overwrite(edit, "4\"code", "6\"code");
}

/* The rank of 4 is 1: its piece gets no byte, and the code's one more. */
static void row_with_a_null(struct edit *edit)
{
    MDB_val value = row_value(edit, 4);
    uint32_t *ends = (uint32_t *)((uint8_t *)value.mv_data + 4);

    ends[CODE] = ends[RANK];
    row_put(edit, THING, 4, value);
}

static void damage_of_rows_is_named(void **state)
{
    static const struct damage damages[] = {
        {"no row", row_gone, VERIFY_INDEXES, "an entry of row 4 of Thing, which is not there"},
        {"a stump", row_cut, VERIFY_ROWS, "row 4 of Thing is damaged"},
        {"a table", row_of_no_table, VERIFY_ROWS, "rows of table 77, which there is not"},
        {"a key", row_with_a_short_key, VERIFY_ROWS, "has 3 bytes"},
        {"an id", row_of_a_later_id, VERIFY_ROWS,
         "row 6 of Thing: the last id that was given is 5"},
        {"a type", row_with_another_type, VERIFY_ROWS, "row 4 of Thing: code has a value"},
        {"its id", row_with_another_id, VERIFY_ROWS, "row 4 of Thing: its id is another"},
        {"null", row_with_a_null, VERIFY_ROWS, "row 4 of Thing: rank is null"},
    };

    (void)state;
    DAMAGES_TRY(damages);
}

static struct index_key entry_of(struct edit *edit, int index, const char *json, uint64_t id)
{
    const struct catalog_table *table = rows_table_of(edit->fixture, "Thing");
    struct index_layout layout;
    struct index_key key;

    index_layout_make(table, &table->indexes[index], &layout);
    index_key_begin(&key, &layout);
    index_key_add(&key, &layout, 0, (struct catalog_text){json, strlen(json)});
    index_key_add_id(&key, id);
    return key;
}

static void index_entry_gone(struct edit *edit)
{
    struct index_key key = entry_of(edit, BY_CODE, "\"code 4\"", 4);

    edit_drop(edit, edit->db.index, val_of(key.bytes, key.size));
}

static void index_entry_of_no_row(struct edit *edit)
{
    struct index_key key = entry_of(edit, BY_CODE, "\"code 7\"", 7); /* deleted */

    edit_put(edit, edit->db.index, val_of(key.bytes, key.size), val_of("", 0));
}

static void index_entry_of_another_value(struct edit *edit)
{
    struct index_key key = entry_of(edit, BY_RANK, "2147483647", 4);

    edit_put(edit, edit->db.index, val_of(key.bytes, key.size), val_of("", 0));
}

static void index_entry_with_a_value(struct edit *edit)
{
    struct index_key key = entry_of(edit, BY_CODE, "\"code 4\"", 4);

    edit_put(edit, edit->db.index, val_of(key.bytes, key.size), edit_text("x"));
}

static void index_never_made(struct edit *edit)
{
    edit_put(edit, edit->db.index, val_of("\1\1\1\0\0\0\0\0\0\0\4", 11), val_of("", 0));
}

static void index_entry_cut(struct edit *edit)
{
    edit_put(edit, edit->db.index, val_of("\0\1\1", 3), val_of("", 0));
}

/* Row @id gets the code of @like, and its index has it so. */
static void code_twice(struct edit *edit, uint64_t id, const char *old, const char *like)
{
    struct index_key key = entry_of(edit, BY_CODE, old, id);
    MDB_val value = row_value(edit, id);
    uint8_t *at = memmem(value.mv_data, value.mv_size, old, strlen(old));

    assert_non_null(at);
    assert_int_equal(strlen(old), strlen(like));
    memcpy(at, like, strlen(like));
    row_put(edit, THING, id, value);
    edit_drop(edit, edit->db.index, val_of(key.bytes, key.size));
    key = entry_of(edit, BY_CODE, like, id);
    edit_put(edit, edit->db.index, val_of(key.bytes, key.size), val_of("", 0));
}

static void unique_twice(struct edit *edit)
{
    code_twice(edit, 8, "\"code 8\"", "\"code 4\"");
}

static void unique_twice_in_long_texts(struct edit *edit)
{
    char old[700];
    char like[700];

    (void)snprintf(old, sizeof old, "\"%0600d-6\"", 0);
    (void)snprintf(like, sizeof like, "\"%0600d-3\"", 0);
    code_twice(edit, 6, old, like);
}

static void damage_of_indexes_is_named(void **state)
{
    static const struct damage damages[] = {
        {"one less", index_entry_gone, VERIFY_INDEXES, "row 4 of Thing has no entry in index 0"},
        {"no row", index_entry_of_no_row, VERIFY_INDEXES, "row 7 of Thing, which is not there"},
        {"a value", index_entry_of_another_value, VERIFY_INDEXES, "row 4 of Thing with another"},
        {"a content", index_entry_with_a_value, VERIFY_INDEXES, "is damaged"},
        {"an index", index_never_made, VERIFY_INDEXES, "entries of index 257, which there is not"},
        {"a stump", index_entry_cut, VERIFY_INDEXES, "is damaged"},
        {"a code", unique_twice, VERIFY_INDEXES, "row 8 of Thing has the same code as row 4"},
        {"a long code", unique_twice_in_long_texts, VERIFY_INDEXES, "row 6 of Thing has the same"},
    };

    (void)state;
    DAMAGES_TRY(damages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_of_rows_is_named),
        cmocka_unit_test(damage_of_indexes_is_named),
    };

    return cmocka_run_group_tests_name("store verify rows", tests, damage_setup, damage_teardown);
}
