#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/model_fixture.h"

#define QUERY "type Query { t(id: Int!): T @get } "

static void assert_text(struct catalog_text text, const char *expected)
{
    assert_int_equal(text.size, strlen(expected));
    if (text.size > 0)
        assert_memory_equal(text.bytes, expected, text.size);
}

static const struct model_column *column(const struct model *model, const char *table,
                                         const char *name)
{
    const struct model_table *of = model_fixture_table(model, table);

    for (uint32_t i = 0; i < of->column_count; i++) {
        if (ast_text_is(of->columns[i].name, name))
            return &of->columns[i];
    }
    fail_msg("%s.%s is no column", table, name);
    return NULL;
}

/* A table's indexes, "a,b|c": equal ones, then ordered ones; a space between them, by number. */
static void assert_indexes(const struct catalog_table *table, const char *expected)
{
    struct text out = {0};

    for (int i = 0; i < table->index_count; i++) {
        const struct catalog_index *index = &table->indexes[i];

        text_add_string(&out, i > 0 ? " " : "");
        for (int j = 0; j < index->equal_count + index->ordered_count; j++) {
            const struct catalog_column *of = catalog_column(table, index->columns[j]);

            text_printf(&out, "%s%.*s",
                        j == index->equal_count ? "|"
                        : j > 0                 ? ","
                                                : "",
                        (int)of->name.size, of->name.bytes);
        }
    }
    text_add(&out, "", 1);
    assert_string_equal(out.bytes, expected);
    text_done(&out);
}

/* The catalog of a store that had another one before. */
static struct catalog *merge(const struct catalog *before, const struct catalog *wanted)
{
    static const struct catalog empty;
    char reason[CATALOG_REASON_BYTES];
    struct catalog *merged = NULL;

    assert_int_equal(catalog_merge(before == NULL ? &empty : before, wanted, &merged, reason), 0);
    return merged;
}

/* --- the built-in schema ---------------------------------------------------------------------- */

static void the_message_board_has_three_tables(void **state)
{
    struct model *model = model_fixture_built_in();
    const struct catalog *wanted = model->wanted;

    (void)state;
    assert_int_equal(model->table_count, 3);
    assert_int_equal(wanted->table_count, 3);
    assert_text(wanted->tables[0].name, "User");
    assert_text(wanted->tables[1].name, "Message");
    assert_text(wanted->tables[2].name, "Comment");
    assert_int_equal(model_fixture_table(model, "Message")->column_count, 8);
    assert_int_equal(column(model, "Message", "title")->kind, COLUMN_STRING);
    assert_false(column(model, "Message", "title")->is_required);
    assert_true(column(model, "Message", "content")->is_required);
    assert_int_equal(column(model, "Message", "metadata")->kind, COLUMN_JSON);
    assert_int_equal(column(model, "Message", "createdAt")->kind, COLUMN_DATETIME);
    assert_int_equal(column(model, "Message", "createdAt")->now, COLUMN_NOW_CREATE);
    assert_int_equal(column(model, "Message", "updatedAt")->now, COLUMN_NOW_WRITE);
    assert_ptr_equal(column(model, "Comment", "messageId")->references,
                     model_fixture_table(model, "Message"));
    assert_int_equal(wanted->tables[2].columns[1].references, 2);
    model_free(model);
}

static void the_message_board_needs_one_index(void **state)
{
    struct model *model = model_fixture_built_in();

    (void)state;
    assert_indexes(&model->wanted->tables[0], "");
    assert_indexes(&model->wanted->tables[1], "");
    assert_indexes(&model->wanted->tables[2], "messageId");
    model_free(model);
}

static void the_catalog_that_is_wanted_can_be_stored(void **state)
{
    struct model *model = model_fixture_built_in();
    size_t bytes = catalog_encoded_bytes(model->wanted);
    uint8_t *encoded = malloc(bytes);
    struct catalog *decoded = NULL;
    size_t sdl_bytes;

    (void)state;
    assert_non_null(encoded);
    catalog_encode(model->wanted, encoded);
    assert_int_equal(catalog_decode(encoded, bytes, &decoded), 0);
    (void)model_built_in_sdl(&sdl_bytes);
    assert_int_equal(decoded->sdl.size, sdl_bytes);
    catalog_free(decoded);
    free(encoded);
    model_free(model);
}

static void every_field_of_the_message_board_has_a_plan(void **state)
{
    static const struct {
        const char *type;
        const char *field;
        enum model_action action;
        const char *table; /* NULL: none */
    } expected[] = {
        {"Query", "hello", MODEL_VALUE, NULL},
        {"Query", "position", MODEL_POSITION, NULL},
        {"Query", "message", MODEL_GET, "Message"},
        {"Query", "comments", MODEL_LIST, "Comment"},
        {"Query", "history", MODEL_HISTORY, NULL},
        {"Mutation", "createMessage", MODEL_CREATE, "Message"},
        {"Mutation", "setReactions", MODEL_UPDATE, "Comment"},
        {"Mutation", "deleteMessage", MODEL_DELETE, "Message"},
        {"Mutation", "publish", MODEL_PUBLISH, NULL},
        {"Subscription", "messageAdded", MODEL_SUBSCRIBE, "Message"},
        {"Message", "author", MODEL_GET, "User"},
        {"Message", "comments", MODEL_LIST, "Comment"},
        {"Message", "content", MODEL_COLUMN, NULL},
        {"Event", "data", MODEL_MEMBER, NULL},
    };
    struct model *model = model_fixture_built_in();

    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const struct model_field *plan =
            model_fixture_field(model, expected[i].type, expected[i].field);

        assert_int_equal(plan->action, expected[i].action);
        if (expected[i].table == NULL)
            assert_null(plan->table);
        else
            assert_ptr_equal(plan->table, model_fixture_table(model, expected[i].table));
    }
    model_fixture_expect_name(model_fixture_field(model, "Query", "hello")->value,
                              "\"Hello, GraphQL!\"");
    assert_null(model_fixture_field(model, "Query", "message")->parent);
    assert_ptr_equal(model_fixture_field(model, "Message", "author")->parent,
                     model_fixture_table(model, "Message"));
    model_free(model);
}

/* --- queries ---------------------------------------------------------------------------------- */

static void a_condition_takes_an_argument_before_a_column_of_the_parent(void **state)
{
    struct model *model = model_fixture_good(
        "type T @table { id: Int! a: Int u: U @get(where: {id: \"a\"}) v(a: Int): U @get(where: "
        "{id: \"a\"}) w: U @get } type U @table { id: Int! } " QUERY);
    const struct model_field *by_column = model_fixture_field(model, "T", "u");
    const struct model_field *by_argument = model_fixture_field(model, "T", "v");
    const struct model_field *by_id = model_fixture_field(model, "T", "w");

    (void)state;
    assert_int_equal(by_column->condition_count, 1);
    assert_true(by_column->conditions[0].source.is_column);
    assert_int_equal(by_column->conditions[0].source.column, 1);
    assert_false(by_argument->conditions[0].source.is_column);
    assert_int_equal(by_argument->conditions[0].source.input.argument, 0);
    assert_int_equal(by_argument->conditions[0].source.input.member, UINT32_MAX);
    assert_true(by_id->conditions[0].source.is_column);
    assert_int_equal(by_id->conditions[0].source.column, 0);
    model_free(model);
}

static void a_list_knows_its_order_and_its_own_arguments(void **state)
{
    struct model *model = model_fixture_good(
        "type Query { plain: [T!]! @list(where: null, orderBy: null, desc: null) "
        "l(limit: Int, offset: Int = 3, after: ID): [T] @list(orderBy: \"a\", desc: true) } "
        "type T @table { a: Int id: Int! }");
    const struct model_field *plain = model_fixture_field(model, "Query", "plain");
    const struct model_field *list = model_fixture_field(model, "Query", "l");

    (void)state;
    assert_int_equal(plain->order, 1);
    assert_false(plain->is_desc);
    assert_null(plain->limit);
    assert_int_equal(plain->condition_count, 0);
    assert_int_equal(list->order, 0);
    assert_true(list->is_desc);
    model_fixture_expect_name(list->limit->name, "limit");
    model_fixture_expect_name(list->offset->name, "offset");
    model_fixture_expect_name(list->after->name, "after");
    assert_indexes(&model->wanted->tables[0], "|a");
    model_free(model);
}

static void both_ends_of_a_range_share_a_slot(void **state)
{
    struct model *model =
        model_fixture_good("type Query { l(from: Float!, to: Int, s: String): [T] @list(where: {f: "
                           "{gte: \"from\", lt: "
                           "\"to\"}, s: \"s\"}) } type T @table { id: Int! f: Float s: String }");
    const struct model_field *list = model_fixture_field(model, "Query", "l");

    (void)state;
    assert_int_equal(list->condition_count, 3);
    assert_int_equal(list->slot_count, 2);
    assert_int_equal(list->conditions[0].operator, MODEL_GTE);
    assert_int_equal(list->conditions[1].operator, MODEL_LT);
    assert_int_equal(list->conditions[2].operator, MODEL_EQUAL);
    assert_int_equal(list->conditions[0].slot, list->conditions[1].slot);
    assert_int_not_equal(list->conditions[0].slot, list->conditions[2].slot);
    assert_indexes(&model->wanted->tables[0], "|f s|f"); /* `from` is always given */
    model_free(model);
}

static void members_of_an_input_object_count_as_arguments(void **state)
{
    struct model *model = model_fixture_good(
        "type Query { l(w: W!): [T] @list(where: {a: \"a\", b: \"b\"}) } input W { b: Int a: Int! }"
        "type T @table { id: Int! a: Int b: Int }");
    const struct model_field *list = model_fixture_field(model, "Query", "l");

    (void)state;
    assert_int_equal(list->conditions[0].source.input.argument, 0);
    assert_int_equal(list->conditions[0].source.input.member, 1);
    model_fixture_expect_name(list->conditions[0].source.input.input->name, "a");
    assert_indexes(&model->wanted->tables[0], "a a,b");
    model_free(model);
}

/* --- indexes ---------------------------------------------------------------------------------- */

static void there_is_an_index_for_each_mask_that_can_come(void **state)
{
    struct model *model = model_fixture_file("tools/examples/orders.graphql");

    (void)state;
    assert_indexes(&model->wanted->tables[0], "symbol |symbol");
    assert_indexes(&model->wanted->tables[1],
                   "instrumentId|price instrumentId,status|price instrumentId,side|price "
                   "instrumentId,side,status|price |changedAt reference");
    model_free(model);
}

static void no_index_is_made_for_rows_that_are_found_by_their_id(void **state)
{
    struct model *model = model_fixture_good(
        "type Query { g(id: Int, a: Int): T @get(where: {id: \"id\", a: \"a\"}) "
        "l(id: Int!, a: Int): [T] @list(where: {id: \"id\", a: \"a\"}, orderBy: \"b\") } "
        "type T @table { id: Int! a: Int b: Int }");

    (void)state;
    assert_indexes(&model->wanted->tables[0], "a"); /* the first one's, when it has no id */
    model_free(model);
}

static void an_order_that_a_condition_fixes_is_no_column_of_its_index(void **state)
{
    struct model *model = model_fixture_good(
        "type Query { l(a: Int, b: Int): [T] @list(where: {a: \"a\", b: {gt: \"b\"}}, orderBy: "
        "\"a\") m(b: Int): [T] @list(where: {b: {lte: \"b\"}}, orderBy: \"b\") } "
        "type T @table { id: Int! a: Int b: Int }");

    (void)state;
    assert_indexes(&model->wanted->tables[0], "|a a |b,a a|b |b");
    model_free(model);
}

static void equal_columns_stand_by_their_numbers(void **state)
{
    struct model *model = model_fixture_good(
        "type Query { l(a: Int!, b: Int!): [T] @list(where: {b: \"b\", a: \"a\"}) "
        "m(a: Int!, b: Int!): [T] @list(where: {a: \"a\", b: \"b\"}) } "
        "type T @table { id: Int! a: Int b: Int }");

    (void)state;
    assert_indexes(&model->wanted->tables[0], "a,b"); /* one for both */
    model_free(model);
}

static void a_unique_column_is_found_by_an_index_of_it_alone(void **state)
{
    struct model *model =
        model_fixture_good("type Query { l: [T] @list(orderBy: \"a\") } "
                           "type T @table { id: Int! a: Int @unique b: String @unique }");

    (void)state;
    assert_true(model->wanted->tables[0].columns[1].is_unique);
    assert_indexes(&model->wanted->tables[0], "|a b"); /* the order's serves for a, too */
    model_free(model);
}

/* --- mutations -------------------------------------------------------------------------------- */

static void a_mutation_assigns_arguments_to_columns_of_their_names(void **state)
{
    struct model *model = model_fixture_built_in();
    const struct model_field *create = model_fixture_field(model, "Mutation", "createMessage");
    const struct model_field *update = model_fixture_field(model, "Mutation", "setReactions");

    (void)state;
    assert_int_equal(create->assignment_count, 5);
    assert_int_equal(create->assignments[0].column, 1);
    assert_int_equal(create->assignments[0].input.argument, 0);
    assert_int_equal(create->assignments[4].column, 5);
    assert_int_equal(update->id.argument, 0);
    assert_int_equal(update->assignment_count, 1);
    assert_int_equal(update->assignments[0].input.argument, 1);
    model_free(model);
}

static void an_input_object_is_opened_unless_it_is_a_column(void **state)
{
    struct model *model = model_fixture_good(
        "type Mutation { c(in: I!, more: J): T @create } input I { a: Int! } input J { x: Int } "
        "type T @table { id: Int! a: Int! more: JSON } " QUERY);
    const struct model_field *create = model_fixture_field(model, "Mutation", "c");

    (void)state;
    assert_int_equal(create->assignment_count, 2);
    assert_int_equal(create->assignments[0].column, 1);
    assert_int_equal(create->assignments[0].input.member, 0);
    assert_int_equal(create->assignments[1].column, 2);
    assert_int_equal(create->assignments[1].input.member, UINT32_MAX);
    model_free(model);
}

static void what_if_compares_is_not_assigned(void **state)
{
    struct model *model =
        model_fixture_good("type Mutation { u(id: Int!, from: Int, a: Int, b: Int): T "
                           "@update(if: {a: \"from\", b: \"b\"}) } "
                           "type T @table { id: Int! a: Int b: Int } " QUERY);
    const struct model_field *update = model_fixture_field(model, "Mutation", "u");

    (void)state;
    assert_int_equal(update->condition_count, 2);
    assert_int_equal(update->conditions[0].column, 1);
    assert_int_equal(update->conditions[0].source.input.argument, 1);
    assert_int_equal(update->assignment_count, 1);
    assert_int_equal(update->assignments[0].column, 1);
    assert_null(update->indexes);
    model_free(model);
}

static void a_required_column_may_be_left_to_its_default_or_the_time(void **state)
{
    struct model *model = model_fixture_good(
        "type Mutation { c: T @create d(a: Int, t: DateTime): T @create } type T @table { id: Int! "
        "a: Int! @default(json: \" 7 \") t: DateTime! @now(on: CREATE) } " QUERY);

    (void)state;
    assert_int_equal(model_fixture_field(model, "Mutation", "c")->assignment_count, 0);
    assert_int_equal(model_fixture_field(model, "Mutation", "d")->assignment_count, 2);
    model_free(model);
}

static void numbers_fit_where_they_lose_nothing(void **state)
{
    (void)state;
    model_free(model_fixture_good(
        "type Mutation { c(f: Int!, i: Int!, j: [Boolean], l: [Int!]!): T @create } type T @table "
        "{ id: Int! f: Float! i: ID! j: JSON l: [Int]! } " QUERY));
}

static void defaults_have_the_form_of_their_columns(void **state)
{
    static const char *const expected[][2] = {
        {"a", "-7"},
        {"b", "1.5"},
        {"c", "\"a\\\"b/é\""},
        {"d", "true"},
        {"e", "\"12\""},
        {"f", "\"B\""},
        {"g", "\"2026-01-31T10:00:00.500000Z\""},
        {"h", "{\"x\":[1.50]}"},
        {"i", "[1,null]"},
        {"j", ""},
    };
    struct model *model = model_fixture_good(
        "type T @table { id: Int! a: Int @default(json: \"-7\") b: Float @default(json: \"15e-1\") "
        "c: String @default(json: \"\\\"a\\\\u0022b\\\\/\\\\u00e9\\\"\") d: Boolean @default(json: "
        "\"true\") e: ID @default(json: \"12\") f: E @default(json: \"\\\"B\\\"\") g: DateTime "
        "@default(json: \"\\\"2026-01-31T12:00:00.5+02:00\\\"\") h: JSON @default(json: \"{ "
        "\\\"x\\\" : [1.50] }\") i: [Int] @default(json: \"[1, null]\") j: Int @default(json: "
        "\"null\") } enum E { A B } " QUERY);

    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_text(column(model, "T", expected[i][0])->default_json, expected[i][1]);
    assert_true(column(model, "T", "i")->is_list);
    assert_text(model->wanted->tables[0].columns[6].values, "A,B");
    catalog_free(merge(NULL, model->wanted)); /* which looks at the forms */
    model_free(model);
}

/* --- binding ---------------------------------------------------------------------------------- */

static void binding_finds_what_the_store_has_given_other_numbers(void **state)
{
    struct model *before =
        model_fixture_good("type U @table { id: Int! x: Int } type T @table { b: Int old: Int id: "
                           "Int! } " QUERY);
    struct model *model = model_fixture_good(
        "type Query { l(a: Int, b: Int!): [T] @list(where: {a: \"a\", b: \"b\"}, orderBy: \"c\") } "
        "type T @table { id: Int! a: Int b: Int c: Int }");
    struct catalog *first = merge(NULL, before->wanted);
    struct catalog *second = merge(first, model->wanted);
    const struct model_field *list = model_fixture_field(model, "Query", "l");

    (void)state;
    assert_int_equal(model_bind(model, second), 0);
    assert_int_equal(model->tables[0].stored->number, 2);
    assert_int_equal(column(model, "T", "b")->number, 0);
    assert_int_equal(column(model, "T", "id")->number, 2);
    assert_int_equal(column(model, "T", "a")->number, 3);
    assert_null(list->indexes[0]); /* b is always given */
    assert_null(list->indexes[1]);
    assert_int_equal(list->indexes[2]->equal_count, 1);
    assert_int_equal(list->indexes[2]->columns[0], 0);
    assert_int_equal(list->indexes[3]->equal_count, 2);
    assert_int_equal(list->indexes[3]->columns[0], 0);
    assert_int_equal(list->indexes[3]->columns[1], 3);
    assert_int_equal(list->indexes[3]->columns[2], 4);
    assert_int_equal(model_bind(model, second), 0); /* again: a reload */
    catalog_free(first);
    catalog_free(second);
    model_free(before);
    model_free(model);
}

static void another_schema_cannot_be_bound(void **state)
{
    struct model *model = model_fixture_built_in();
    struct model *other = model_fixture_good("type T @table { id: Int! } " QUERY);
    struct catalog *catalog = merge(NULL, other->wanted);

    (void)state;
    assert_int_equal(model_bind(model, catalog), -ESTALE);
    assert_int_equal(model_bind(other, catalog), 0);
    catalog_free(catalog);
    catalog = merge(NULL, model->wanted);
    assert_int_equal(model_bind(model, catalog), 0);
    assert_int_equal(model_bind(other, catalog), -ESTALE);
    catalog_free(catalog);
    model_free(other);
    model_free(model);
}

static void mistakes_are_named_with_the_file(void **state)
{
    struct text errors = {0};

    (void)state;
    assert_null(model_build("type Query {", 12, "some dir/my.graphql", &errors));
    text_add(&errors, "", 1);
    assert_string_equal(errors.bytes,
                        "some dir/my.graphql:1:13: Syntax Error: Expected Name, found <EOF>.\n");
    text_done(&errors);
    model_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_message_board_has_three_tables),
        cmocka_unit_test(the_message_board_needs_one_index),
        cmocka_unit_test(the_catalog_that_is_wanted_can_be_stored),
        cmocka_unit_test(every_field_of_the_message_board_has_a_plan),
        cmocka_unit_test(a_condition_takes_an_argument_before_a_column_of_the_parent),
        cmocka_unit_test(a_list_knows_its_order_and_its_own_arguments),
        cmocka_unit_test(both_ends_of_a_range_share_a_slot),
        cmocka_unit_test(members_of_an_input_object_count_as_arguments),
        cmocka_unit_test(there_is_an_index_for_each_mask_that_can_come),
        cmocka_unit_test(no_index_is_made_for_rows_that_are_found_by_their_id),
        cmocka_unit_test(an_order_that_a_condition_fixes_is_no_column_of_its_index),
        cmocka_unit_test(equal_columns_stand_by_their_numbers),
        cmocka_unit_test(a_unique_column_is_found_by_an_index_of_it_alone),
        cmocka_unit_test(a_mutation_assigns_arguments_to_columns_of_their_names),
        cmocka_unit_test(an_input_object_is_opened_unless_it_is_a_column),
        cmocka_unit_test(what_if_compares_is_not_assigned),
        cmocka_unit_test(a_required_column_may_be_left_to_its_default_or_the_time),
        cmocka_unit_test(numbers_fit_where_they_lose_nothing),
        cmocka_unit_test(defaults_have_the_form_of_their_columns),
        cmocka_unit_test(binding_finds_what_the_store_has_given_other_numbers),
        cmocka_unit_test(another_schema_cannot_be_bound),
        cmocka_unit_test(mistakes_are_named_with_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
