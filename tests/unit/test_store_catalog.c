#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/catalog.h"
#include "tests/unit/store_fixture_rows.h"

static struct catalog *catalog_of(const struct rows_table *tables)
{
    struct catalog *catalog = NULL;
    size_t bytes;
    uint8_t *encoded = rows_catalog(tables, "type Query { hello: String }", &bytes);

    assert_int_equal(catalog_decode(encoded, bytes, &catalog), 0);
    free(encoded);
    return catalog;
}

static struct catalog *nothing(void)
{
    static const struct catalog empty = {.version = 0};
    struct catalog *catalog = NULL;

    assert_int_equal(catalog_copy(&empty, &catalog), 0);
    return catalog;
}

/* What becomes of @catalog, which is freed, under another schema. */
static struct catalog *merged_with(struct catalog *catalog, const struct rows_table *tables)
{
    char reason[CATALOG_REASON_BYTES] = "";
    struct catalog *wanted = catalog_of(tables);
    struct catalog *merged = NULL;

    if (catalog_merge(catalog, wanted, &merged, reason) != 0)
        fail_msg("%s", reason);
    assert_true(catalog_is_same(merged, wanted));
    catalog_free(wanted);
    catalog_free(catalog);
    return merged;
}

static void expect_refusal(const struct rows_table *was, const struct rows_table *now,
                           const char *expected)
{
    struct catalog *catalog = merged_with(nothing(), was);
    struct catalog *wanted = catalog_of(now);
    struct catalog *merged = NULL;
    char reason[CATALOG_REASON_BYTES] = "";

    assert_int_equal(catalog_merge(catalog, wanted, &merged, reason), -EINVAL);
    assert_string_equal(reason, expected);
    assert_false(catalog_is_same(catalog, wanted));
    catalog_free(wanted);
    catalog_free(catalog);
}

static uint16_t number_of(const struct catalog *catalog, const char *table, const char *column)
{
    const struct catalog_table *found = catalog_find_table(catalog, table, strlen(table));
    const struct catalog_column *in;

    assert_non_null(found);
    if (column == NULL)
        return found->number;
    in = catalog_find_column(found, column, strlen(column));
    assert_non_null(in);
    return in->number;
}

/* --- bytes ---------------------------------------------------------------------------------- */

static const struct rows_table full[] = {
    {
        .name = "A",
        .id_kind = COLUMN_ID,
        .columns = {{"name", .kind = COLUMN_STRING, .is_required = true, .is_unique = true},
                    {"kind", .kind = COLUMN_ENUM, .default_json = "\"X\"", .values = "X,Y_1"},
                    {"other", .kind = COLUMN_ID, .references = "A"},
                    {"at", .kind = COLUMN_DATETIME, .now = COLUMN_NOW_WRITE}},
        .indexes = {{.ordered = {"name"}}, {.equal = {"name", "kind"}, .ordered = {"at"}}},
    },
    {.name = "B", .columns = {{"a", .kind = COLUMN_ID, .references = "A"}}},
    {.name = NULL},
};

static void a_catalog_comes_out_as_it_went_in(void **state)
{
    struct catalog *catalog = catalog_of(full);
    struct catalog *copy = NULL;
    const struct catalog_table *table;
    const struct catalog_column *column;

    (void)state;
    assert_int_equal(catalog_copy(catalog, &copy), 0);
    catalog_free(catalog); /* nothing of it is borrowed */
    assert_int_equal(copy->table_count, 2);
    assert_memory_equal(copy->sdl.bytes, "type Query", 10);
    table = catalog_find_table(copy, "A", 1);
    assert_non_null(table);
    assert_ptr_equal(catalog_table(copy, table->number), table);
    assert_null(catalog_find_table(copy, "a", 1));
    assert_null(catalog_table(copy, 9));
    column = catalog_find_column(table, "kind", 4);
    assert_non_null(column);
    assert_int_equal(column->kind, COLUMN_ENUM);
    assert_memory_equal(column->values.bytes, "X,Y_1", 5);
    assert_memory_equal(column->default_json.bytes, "\"X\"", 3);
    assert_ptr_equal(catalog_column(table, column->number), column);
    column = catalog_find_column(table, "name", 4);
    assert_true(column->is_required);
    assert_true(column->is_unique);
    assert_int_equal(catalog_unique_index(table, column->number)->ordered_count, 1);
    assert_null(catalog_unique_index(table, 2));
    assert_int_equal(catalog_find_column(table, "at", 2)->now, COLUMN_NOW_WRITE);
    assert_int_equal(catalog_find_column(table, "other", 5)->references, table->number);
    catalog_free(copy);
}

static void an_index_is_found_by_its_columns_in_any_order_of_the_equal_ones(void **state)
{
    struct catalog *catalog = catalog_of(full);
    const struct catalog_table *table = catalog_find_table(catalog, "A", 1);
    struct catalog_index like = {.equal_count = 2, .ordered_count = 1, .columns = {2, 1, 4}};

    (void)state;
    assert_ptr_equal(catalog_find_index(table, &like), &table->indexes[1]);
    like.columns[2] = 3;
    assert_null(catalog_find_index(table, &like));
    like = (struct catalog_index){.equal_count = 1, .columns = {1}};
    assert_null(catalog_find_index(table, &like)); /* that one is ordered */
    catalog_free(catalog);
}

static void every_cut_and_many_flips_are_noticed_or_harmless(void **state)
{
    uint64_t random = 5;
    size_t bytes;
    uint8_t *encoded = rows_catalog(full, "sdl", &bytes);
    struct catalog *catalog = NULL;

    (void)state;
    for (size_t i = 0; i < bytes; i++) {
        uint8_t *cut = malloc(i + 1); /* exactly as long, so that a read past it is seen */

        assert_non_null(cut);
        memcpy(cut, encoded, i);
        assert_int_equal(catalog_decode(cut, i, &catalog), -EBADMSG);
        free(cut);
    }
    for (int i = 0; bytes > 0 && i < 20000; i++) {
        size_t at = store_fixture_random(&random) % bytes;
        uint8_t byte = encoded[at];

        encoded[at] = (uint8_t)store_fixture_random(&random);
        if (catalog_decode(encoded, bytes, &catalog) == 0) {
            struct catalog *copy = NULL;

            assert_int_equal(catalog_copy(catalog, &copy), 0);
            assert_true(catalog_is_same(catalog, copy));
            catalog_free(copy);
            catalog_free(catalog);
        }
        encoded[at] = byte;
    }
    free(encoded);
}

static void what_is_not_sound_is_no_catalog(void **state)
{
    static const struct rows_table cases[][3] = {
        {{.name = "A"}, {.name = "A"}},
        {{.name = "A b"}},
        {{.name = "1A"}},
        {{.name = "A", .columns = {{"x", .kind = COLUMN_INT}, {"x", .kind = COLUMN_INT}}}},
        {{.name = "A", .columns = {{"id", .kind = COLUMN_INT}}}},
        {{.name = "A", .columns = {{"x y", .kind = COLUMN_INT}}}},
        {{.name = "A", .columns = {{"x", .kind = 0}}}},
        {{.name = "A", .columns = {{"x", .kind = COLUMN_JSON + 1}}}},
        {{.name = "A", .columns = {{"x", .kind = COLUMN_ENUM}}}},
        {{.name = "A", .columns = {{"x", .kind = COLUMN_ENUM, .values = "A,,B"}}}},
        {{.name = "A", .columns = {{"x", .kind = COLUMN_INT, .values = "A"}}}},
        {{.name = "A", .columns = {{"x", .kind = COLUMN_INT, .now = COLUMN_NOW_WRITE}}}},
        {{.name = "A", .columns = {{"x", .kind = COLUMN_DATETIME, .now = COLUMN_NOW_WRITE + 1}}}},
        {{.name = "A", .columns = {{"x", .kind = COLUMN_INT, .default_json = "\"1\""}}}},
        {{.name = "A", .columns = {{"x", .kind = COLUMN_INT, .references = "B"}}}},
        {{.name = "A", .columns = {{"x", .kind = COLUMN_STRING, .references = "A"}}}},
        {{.name = "A", .columns = {{"x", .kind = COLUMN_INT, .is_unique = true}}}}, /* no index */
        {{.name = "A", .columns = {{"x", .kind = COLUMN_JSON}}, .indexes = {{.equal = {"x"}}}}},
        {{.name = "A",
          .columns = {{"x", .kind = COLUMN_INT}},
          .indexes = {{.equal = {"x"}, .ordered = {"x"}}}}},
        {{.name = "A", .columns = {{"x", .kind = COLUMN_INT}}, .indexes = {{.ordered = {"y"}}}}},
        {{.name = "A", .id_kind = COLUMN_STRING}},
    };
    struct catalog *catalog = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t bytes;
        uint8_t *encoded = rows_catalog(cases[i], "", &bytes);

        if (catalog_decode(encoded, bytes, &catalog) != -EBADMSG)
            fail_msg("case %zu", i);
        free(encoded);
    }
}

/* --- merging -------------------------------------------------------------------------------- */

static void what_is_there_keeps_its_numbers(void **state)
{
    static const struct rows_table first[] = {
        {.name = "A",
         .columns = {{"x", .kind = COLUMN_INT},
                     {"y", .kind = COLUMN_INT},
                     {"z", .kind = COLUMN_STRING}}},
        {.name = "B", .columns = {{"x", .kind = COLUMN_INT}}},
        {.name = NULL},
    };
    static const struct rows_table second[] = {
        {.name = "C", .columns = {{"b", .kind = COLUMN_INT, .references = "B"}}},
        {.name = "B", .columns = {{"w", .kind = COLUMN_FLOAT}, {"x", .kind = COLUMN_INT}}},
        {.name = "A",
         .columns = {{"z", .kind = COLUMN_STRING},
                     {"n", .kind = COLUMN_INT},
                     {"x", .kind = COLUMN_INT}}},
        {.name = NULL},
    };
    struct catalog *catalog = merged_with(nothing(), first);
    const struct catalog_table *table;

    (void)state;
    assert_int_equal(number_of(catalog, "A", NULL), 1);
    assert_int_equal(number_of(catalog, "B", NULL), 2);
    assert_int_equal(number_of(catalog, "A", "z"), 3);
    catalog = merged_with(catalog, second);
    assert_int_equal(number_of(catalog, "A", NULL), 1);
    assert_int_equal(number_of(catalog, "B", NULL), 2);
    assert_int_equal(number_of(catalog, "C", NULL), 3);
    assert_int_equal(number_of(catalog, "A", "x"), 1);
    assert_int_equal(number_of(catalog, "A", "z"), 3);
    assert_int_equal(number_of(catalog, "A", "n"), 4);
    assert_int_equal(number_of(catalog, "B", "x"), 1);
    assert_int_equal(number_of(catalog, "B", "w"), 2);
    table = catalog_find_table(catalog, "A", 1);
    assert_null(catalog_find_column(table, "y", 1)); /* dropped, but there */
    assert_int_equal(table->column_count, 5);
    assert_true(table->columns[4].is_dropped);
    assert_int_equal(table->columns[4].number, 2);
    assert_memory_equal(table->columns[1].name.bytes, "z", 1); /* the schema's order */
    assert_int_equal(catalog_find_table(catalog, "C", 1)->columns[1].references, 2);
    catalog_free(catalog);
}

static void what_is_dropped_comes_back_as_it_was(void **state)
{
    static const struct rows_table with[] = {
        {.name = "A",
         .columns = {{"x", .kind = COLUMN_INT, .is_required = true}, {"y", .kind = COLUMN_INT}},
         .indexes = {{.equal = {"x"}}}},
        {.name = "B", .columns = {{"a", .kind = COLUMN_INT, .references = "A"}}},
        {.name = NULL},
    };
    static const struct rows_table without[] = {
        {.name = "B", .columns = {{"b", .kind = COLUMN_INT}}},
        {.name = NULL},
    };
    struct catalog *catalog = merged_with(nothing(), with);
    uint16_t first_index = catalog->tables[0].indexes[0].number;

    (void)state;
    catalog = merged_with(catalog, without);
    assert_null(catalog_find_table(catalog, "A", 1));
    assert_true(catalog_table(catalog, 1)->is_dropped);
    assert_int_equal(catalog_table(catalog, 1)->index_count, 0);
    catalog = merged_with(catalog, with);
    assert_int_equal(number_of(catalog, "A", NULL), 1);
    assert_int_equal(number_of(catalog, "A", "y"), 2);
    assert_int_equal(number_of(catalog, "B", "a"), 1);
    assert_true(catalog_find_column(catalog_table(catalog, 1), "x", 1)->is_required);
    /* Its entries went, so it is another one. */
    assert_int_not_equal(catalog_table(catalog, 1)->indexes[0].number, first_index);
    catalog_free(catalog);
}

static void an_index_is_made_anew_when_a_default_of_it_changes(void **state)
{
    static const struct rows_table first[] = {
        {.name = "A",
         .columns = {{"x", .kind = COLUMN_INT, .default_json = "1"}, {"y", .kind = COLUMN_INT}},
         .indexes = {{.equal = {"x"}}, {.equal = {"y"}}}},
        {.name = NULL},
    };
    static const struct rows_table second[] = {
        {.name = "A",
         .columns = {{"y", .kind = COLUMN_INT}, {"x", .kind = COLUMN_INT, .default_json = "2"}},
         .indexes = {{.equal = {"y"}}, {.equal = {"y", "x"}}, {.equal = {"x"}}}},
        {.name = NULL},
    };
    struct catalog *catalog = merged_with(nothing(), first);
    const struct catalog_table *table;

    (void)state;
    catalog = merged_with(catalog, second);
    table = &catalog->tables[0];
    assert_int_equal(table->index_count, 3);
    assert_int_equal(table->indexes[0].number, 1); /* y */
    assert_int_equal(table->indexes[1].number, 2); /* both, by their lasting numbers */
    assert_int_equal(table->indexes[1].columns[0], 1);
    assert_int_equal(table->indexes[1].columns[1], 2);
    assert_int_equal(table->indexes[2].number, 3); /* x */
    catalog_free(catalog);
}

static void a_kind_cannot_change_even_after_it_was_dropped(void **state)
{
    static const struct rows_table string[] = {
        {.name = "Message", .columns = {{"title", .kind = COLUMN_STRING}}}, {.name = NULL}};
    static const struct rows_table integer[] = {
        {.name = "Message", .columns = {{"title", .kind = COLUMN_INT}}}, {.name = NULL}};
    static const struct rows_table bare[] = {{.name = "Message"}, {.name = NULL}};
    static const struct rows_table keyed[] = {{.name = "Message", .id_kind = COLUMN_ID},
                                              {.name = NULL}};
    char reason[CATALOG_REASON_BYTES] = "";
    struct catalog *catalog;
    struct catalog *wanted;
    struct catalog *merged = NULL;

    (void)state;
    expect_refusal(string, integer, "Message.title: was String, cannot become Int");
    expect_refusal(bare, keyed, "Message.id: was Int, cannot become ID");
    catalog = merged_with(merged_with(nothing(), string), bare);
    wanted = catalog_of(integer);
    assert_int_equal(catalog_merge(catalog, wanted, &merged, reason), -EINVAL);
    assert_string_equal(reason, "Message.title: was String, cannot become Int");
    catalog_free(wanted);
    catalog_free(merged_with(catalog, string));
}

static void columns_ever_are_bounded(void **state)
{
    struct rows_table tables[2] = {{.name = "A"}, {.name = NULL}};
    struct catalog *catalog = nothing();
    char names[ROWS_COLUMNS_MAX][16];
    char reason[CATALOG_REASON_BYTES] = "";
    struct catalog *wanted;
    struct catalog *merged = NULL;
    int rc = 0;
    int used = 0;

    (void)state;
    while (rc == 0) {
        for (int i = 0; i < 10; i++) {
            (void)snprintf(names[i], sizeof names[i], "c%d", used++);
            tables[0].columns[i] = (struct rows_column){.name = names[i], .kind = COLUMN_INT};
        }
        wanted = catalog_of(tables);
        rc = catalog_merge(catalog, wanted, &merged, reason);
        catalog_free(wanted);
        if (rc == 0) {
            catalog_free(catalog);
            catalog = merged;
        }
    }
    assert_int_equal(rc, -EINVAL);
    assert_int_equal(used, 250); /* with the id 249 fit */
    assert_string_equal(reason, "A: a table has room for 250 columns, dropped ones included");
    catalog_free(catalog);
}

static void sameness_is_of_what_counts(void **state)
{
    static const struct rows_table base[] = {
        {.name = "A", .columns = {{"x", .kind = COLUMN_INT}, {"y", .kind = COLUMN_INT}}},
        {.name = "B"},
        {.name = NULL},
    };
    static const struct rows_table variants[][3] = {
        {{.name = "A", .columns = {{"y", .kind = COLUMN_INT}, {"x", .kind = COLUMN_INT}}},
         {.name = "B"}},
        {{.name = "A",
          .columns = {{"x", .kind = COLUMN_INT, .is_required = true}, {"y", .kind = COLUMN_INT}}},
         {.name = "B"}},
        {{.name = "A",
          .columns = {{"x", .kind = COLUMN_INT, .default_json = "1"}, {"y", .kind = COLUMN_INT}}},
         {.name = "B"}},
        {{.name = "A",
          .columns = {{"x", .kind = COLUMN_INT}, {"y", .kind = COLUMN_INT}},
          .indexes = {{.equal = {"x"}}}},
         {.name = "B"}},
        {{.name = "A", .columns = {{"x", .kind = COLUMN_INT}, {"y", .kind = COLUMN_INT}}}},
        {{.name = "A",
          .columns = {{"x", .kind = COLUMN_INT}, {"y", .kind = COLUMN_INT, .references = "B"}}},
         {.name = "B"}},
    };
    static const struct rows_table swapped[] = {
        {.name = "B"},
        {.name = "A", .columns = {{"x", .kind = COLUMN_INT}, {"y", .kind = COLUMN_INT}}},
        {.name = NULL},
    };
    struct catalog *catalog = merged_with(nothing(), base);
    struct catalog *wanted = catalog_of(swapped);

    (void)state;
    assert_true(catalog_is_same(catalog, wanted));
    catalog_free(wanted);
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        wanted = catalog_of(variants[i]);
        assert_false(catalog_is_same(catalog, wanted));
        catalog_free(wanted);
    }
    catalog_free(catalog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_catalog_comes_out_as_it_went_in),
        cmocka_unit_test(an_index_is_found_by_its_columns_in_any_order_of_the_equal_ones),
        cmocka_unit_test(every_cut_and_many_flips_are_noticed_or_harmless),
        cmocka_unit_test(what_is_not_sound_is_no_catalog),
        cmocka_unit_test(what_is_there_keeps_its_numbers),
        cmocka_unit_test(what_is_dropped_comes_back_as_it_was),
        cmocka_unit_test(an_index_is_made_anew_when_a_default_of_it_changes),
        cmocka_unit_test(a_kind_cannot_change_even_after_it_was_dropped),
        cmocka_unit_test(columns_ever_are_bounded),
        cmocka_unit_test(sameness_is_of_what_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
