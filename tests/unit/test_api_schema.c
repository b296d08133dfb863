/* A schema that is not the board: IDs, enums, times, lists, unique values, ranges, cursors, `if`. */
#include "tests/unit/api_fixture.h"

#include <stdio.h>
#include <string.h>

static const char sdl[] =
    "scalar DateTime scalar JSON enum On { CREATE WRITE }\n"
    "directive @table on OBJECT\n"
    "directive @now(on: On!) on FIELD_DEFINITION\n"
    "directive @default(json: String!) on FIELD_DEFINITION\n"
    "directive @unique on FIELD_DEFINITION\n"
    "directive @references(type: String!) on FIELD_DEFINITION\n"
    "directive @value(json: String!) on FIELD_DEFINITION\n"
    "directive @get(where: JSON) on FIELD_DEFINITION\n"
    "directive @list(where: JSON, orderBy: String = \"id\", desc: Boolean = false)"
    " on FIELD_DEFINITION\n"
    "directive @create(topics: [String!]! = []) on FIELD_DEFINITION\n"
    "directive @update(topics: [String!]! = [], if: JSON) on FIELD_DEFINITION\n"
    "directive @delete(topics: [String!]! = []) on FIELD_DEFINITION\n"
    "directive @subscribe(topic: String!, where: JSON) on FIELD_DEFINITION\n"
    "enum Side { BUY SELL }\n"
    "type Order @table {\n"
    "  id: ID!\n"
    "  name: String! @unique\n"
    "  side: Side!\n"
    "  price: Float!\n"
    "  size: Int\n"
    "  isOpen: Boolean! @default(json: \"true\")\n"
    "  due: DateTime\n"
    "  tags: [String!]\n"
    "  dates: [DateTime]\n"
    "  parentId: ID @references(type: \"Order\")\n"
    "  parent: Order @get(where: {id: \"parentId\"})\n"
    "  children: [Order!]! @list(where: {parentId: \"id\"}, orderBy: \"price\", desc: true)\n"
    "}\n"
    "type Limits { places: [Int!]! inner: Inner }\n"
    "type Inner { name: String }\n"
    "input OrderInput { name: String! side: Side! price: Float! size: Int isOpen: Boolean\n"
    "  due: DateTime tags: [String!] dates: [DateTime] parentId: ID }\n"
    "type Query {\n"
    "  version: [Int!]! @value(json: \"[1, 2]\")\n"
    "  order(id: ID!): Order @get\n"
    "  named(name: String!): Order @get(where: {name: \"name\"})\n"
    "  open(id: ID!, isOpen: Boolean): Order @get(where: {id: \"id\", isOpen: \"isOpen\"})\n"
    "  orders(side: Side, min: Float, max: Float, limit: Int = 10, after: ID): [Order!]!\n"
    "    @list(where: {side: \"side\", price: {gte: \"min\", lt: \"max\"}}, orderBy: \"price\")\n"
    "  newest(limit: Int): [Order!]! @list(desc: true)\n"
    "  sized(size: Int!): [Order!]! @list(where: {size: {gt: \"size\"}})\n"
    "  due(until: DateTime!, limit: Int): [Order!]! @list(where: {due: {lte: \"until\"}})\n"
    "  self(id: ID!, limit: Int, offset: Int, after: ID): [Order!]! @list(where: {id: \"id\"})\n"
    "}\n"
    "type Mutation {\n"
    "  create(input: OrderInput!): Order! @create(topics: [\"orders:{side}\"])\n"
    "  update(id: ID!, price: Float, size: Int, due: DateTime, expected: Float): Order\n"
    "    @update(if: {price: \"expected\"})\n"
    "  resize(id: ID!, size: Int, was: Int): Order @update(if: {size: \"was\"})\n"
    "  remove(id: ID!): Order @delete\n"
    "}\n"
    "type Subscription { placed(side: Side!): Order! @subscribe(topic: \"orders:{side}\") }\n";

static int setup(void **state)
{
    *state = api_fixture_new(sdl);
    return 0;
}

static void create(struct api_fixture *f, const char *input)
{
    char query[400];
    const char *answer;

    (void)snprintf(query, sizeof query, "mutation { create(input: %s) { id } }", input);
    answer = api_fixture_ask(f, query);
    if (strstr(answer, "errors") != NULL)
        fail_msg("%s", answer);
}

static void fill(struct api_fixture *f)
{
    create(f, "{name: \"a\", side: BUY, price: 1.5, size: 10, due: \"2026-01-31T12:00:00+02:00\"}");
    create(f, "{name: \"b\", side: SELL, price: 2, parentId: \"1\"}");
    create(f, "{name: \"c\", side: BUY, price: -3e2, size: 30, parentId: 1, isOpen: false}");
    create(f, "{name: \"d\", side: BUY, price: 2, size: 20, tags: [\"x\", \"\\\"y\\\"\"]}");
    create(f, "{name: \"e\", side: SELL, price: 1e21, parentId: \"1\"}");
}

static void columns_have_their_forms(void **state)
{
    struct api_fixture *f = *state;

    fill(f);
    api_expect(f, "{ order(id: \"1\") { id side price size isOpen due tags parentId } }",
               "{\"data\":{\"order\":{\"id\":\"1\",\"side\":\"BUY\",\"price\":1.5,\"size\":10,"
               "\"isOpen\":true,\"due\":\"TIME\",\"tags\":null,\"parentId\":null}}}");
    api_expect(f, "{ order(id: 3) { price isOpen parentId parent { name } } }",
               "{\"data\":{\"order\":{\"price\":-300,\"isOpen\":false,\"parentId\":\"1\","
               "\"parent\":{\"name\":\"a\"}}}}");
    api_expect(f, "{ order(id: 4) { tags price } a: order(id: 5) { price } version }",
               "{\"data\":{\"order\":{\"tags\":[\"x\",\"\\\"y\\\"\"],\"price\":2},"
               "\"a\":{\"price\":1e+21},\"version\":[1,2]}}");
    api_expect(f,
               "{ order(id: \"01\") { id } a: order(id: \"x\") { id } b: order(id: \"\") { id } "
               "c: order(id: \"99999999999999999999\") { id } }",
               "{\"data\":{\"order\":null,\"a\":null,\"b\":null,\"c\":null}}");
}

static void rows_are_found_by_other_columns(void **state)
{
    struct api_fixture *f = *state;

    fill(f);
    api_expect(f, "{ named(name: \"d\") { id } a: named(name: \"D\") { id } }",
               "{\"data\":{\"named\":{\"id\":\"4\"},\"a\":null}}");
    api_expect(f,
               "{ open(id: 3, isOpen: true) { id } a: open(id: 3, isOpen: false) { id } "
               "b: open(id: 3) { id } c: open(id: 3, isOpen: null) { id } }",
               "{\"data\":{\"open\":null,\"a\":{\"id\":\"3\"},\"b\":{\"id\":\"3\"},"
               "\"c\":{\"id\":\"3\"}}}");
    api_expect(f, "{ order(id: 1) { children { name price } } }",
               "{\"data\":{\"order\":{\"children\":[{\"name\":\"e\",\"price\":1e+21},"
               "{\"name\":\"b\",\"price\":2},{\"name\":\"c\",\"price\":-300}]}}}");
}

static void lists_have_ranges_and_cursors(void **state)
{
    struct api_fixture *f = *state;

    fill(f);
    api_expect(f, "{ orders { name } }",
               "{\"data\":{\"orders\":[{\"name\":\"c\"},{\"name\":\"a\"},{\"name\":\"b\"},"
               "{\"name\":\"d\"},{\"name\":\"e\"}]}}");
    api_expect(f,
               "{ orders(side: BUY, min: 1.5, max: 2) { name } "
               "a: orders(min: 1.5, max: 3) { name } b: orders(side: SELL, min: 2) { name } "
               "c: orders(side: null, max: 1.5) { name } }",
               "{\"data\":{\"orders\":[{\"name\":\"a\"}],"
               "\"a\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"d\"}],"
               "\"b\":[{\"name\":\"b\"},{\"name\":\"e\"}],\"c\":[{\"name\":\"c\"}]}}");
    api_expect(f,
               "{ orders(limit: 2, after: \"1\") { name } a: orders(after: \"5\") { name } "
               "b: newest(limit: 2) { name } c: sized(size: 10) { name } }",
               "{\"data\":{\"orders\":[{\"name\":\"b\"},{\"name\":\"d\"}],\"a\":[],"
               "\"b\":[{\"name\":\"e\"},{\"name\":\"d\"}],"
               "\"c\":[{\"name\":\"c\"},{\"name\":\"d\"}]}}");
    api_expect(f,
               "{ due(until: \"2026-01-31T10:00:00Z\") { name } "
               "a: due(until: \"2026-01-31T11:59:59.999+02:00\") { name } }",
               "{\"data\":{\"due\":[{\"name\":\"a\"}],\"a\":[]}}");
    api_expect_error(f, "{ orders(after: \"99\") { name } }", "NOT_FOUND", "99");
    api_expect_error(f, "{ orders(after: \"x\") { name } }", "BAD_USER_INPUT", "after");
    api_expect_error(f, "{ due(until: \"tomorrow\") { name } }", "BAD_USER_INPUT",
                     "Argument \\\"until\\\" must be a time as RFC 3339 has it");
}

static void a_list_by_id_has_one_row_at_most(void **state)
{
    struct api_fixture *f = *state;

    fill(f);
    api_expect(f,
               "{ self(id: 2) { name } a: self(id: 2, offset: 1) { name } "
               "b: self(id: 2, limit: 0) { name } c: self(id: 2, after: 1) { name } "
               "d: self(id: 2, after: 2) { name } e: self(id: 77) { name } }",
               "{\"data\":{\"self\":[{\"name\":\"b\"}],\"a\":[],\"b\":[],\"c\":[{\"name\":\"b\"}],"
               "\"d\":[],\"e\":[]}}");
}

static void a_list_without_a_limit_is_whole_or_refused(void **state)
{
    struct api_fixture *f = *state;
    char query[200];

    for (int i = 0; i <= 1000; i++) {
        struct operation *operation;

        (void)snprintf(query, sizeof query,
                       "mutation { create(input: {name: \"n%d\", side: BUY, price: 1, size: %d}) "
                       "{ id } }",
                       i, i);
        operation = api_fixture_operation(f, query, NULL);
        (void)operation_run(operation, api_fixture_on_done, f);
        operation_free(operation);
        if (i % 100 == 0) {
            (void)api_fixture_turn(f);
            topics_commit(f->base, NULL);
        }
    }
    (void)api_fixture_turn(f);
    topics_commit(f->base, NULL);
    assert_null(strstr(api_fixture_ask(f, "{ sized(size: 0) { id } }"), "errors"));
    api_expect_error(f, "{ sized(size: -1) { id } }", "LIMIT_EXCEEDED", "more than 1000 rows");
}

static void a_unique_value_is_a_conflict_the_second_time(void **state)
{
    struct api_fixture *f = *state;

    fill(f);
    api_expect_error(f, "mutation { create(input: {name: \"a\", side: BUY, price: 1}) { id } }",
                     "CONFLICT", "name");
    (void)api_fixture_ask(f, "mutation { remove(id: 1) { id } }");
    api_expect(f, "mutation { create(input: {name: \"a\", side: BUY, price: 1}) { id } }",
               "{\"data\":{\"create\":{\"id\":\"6\"}}}");
}

static void an_update_compares_and_sets(void **state)
{
    struct api_fixture *f = *state;

    fill(f);
    api_expect(f, "mutation { update(id: 1, price: 7, expected: 1.5) { price } }",
               "{\"data\":{\"update\":{\"price\":7}}}");
    api_expect_error(f, "mutation { update(id: 1, price: 8, expected: 1.5) { price } }", "CONFLICT",
                     "price");
    api_expect(f, "mutation { update(id: 1, size: null, due: null) { price size due } }",
               "{\"data\":{\"update\":{\"price\":7,\"size\":null,\"due\":null}}}");
    api_expect(f, "mutation { resize(id: 1, size: 5, was: null) { size } }",
               "{\"data\":{\"resize\":{\"size\":5}}}");
    api_expect_error(f, "mutation { resize(id: 1, size: 6, was: null) { size } }", "CONFLICT",
                     "size");
    api_expect_error(f, "mutation { resize(id: 1, size: 6, was: 4) { size } }", "CONFLICT", "size");
}

static void wrong_values_are_refused_before_they_are_sent(void **state)
{
    struct api_fixture *f = *state;
    uint64_t seq = ring_tail(f->base->bus).seq;

    api_expect_error(f,
                     "mutation { create(input: {name: \"x\", side: BUY, price: 1, "
                     "due: \"2026-02-30T00:00:00Z\"}) { id } }",
                     "BAD_USER_INPUT", "Argument \\\"due\\\" must be a time");
    api_expect_error(f,
                     "mutation { create(input: {name: \"x\", side: BUY, price: 1, due: 7}) "
                     "{ id } }",
                     "BAD_USER_INPUT", "Argument \\\"due\\\" must be a time");
    api_expect_error(f,
                     "mutation { create(input: {name: \"x\", side: BUY, price: 1, "
                     "dates: [null, \"x\"]}) { id } }",
                     "BAD_USER_INPUT", "Argument \\\"dates\\\" must be a list of times");
    api_expect_error(f,
                     "mutation { create(input: {name: \"x\", side: BUY, price: 1, "
                     "isOpen: null}) { id } }",
                     "BAD_USER_INPUT", "Argument \\\"isOpen\\\" must not be null.");
    assert_int_equal(ring_tail(f->base->bus).seq, seq);
    api_expect(f,
               "mutation { create(input: {name: \"x\", side: BUY, price: 1, "
               "dates: [null, \"2026-01-31T12:00:00Z\"]}) { dates } }",
               "{\"data\":{\"create\":{\"dates\":[null,\"TIME\"]}}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(columns_have_their_forms, setup, api_teardown),
        cmocka_unit_test_setup_teardown(rows_are_found_by_other_columns, setup, api_teardown),
        cmocka_unit_test_setup_teardown(lists_have_ranges_and_cursors, setup, api_teardown),
        cmocka_unit_test_setup_teardown(a_list_by_id_has_one_row_at_most, setup, api_teardown),
        cmocka_unit_test_setup_teardown(a_list_without_a_limit_is_whole_or_refused, setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(a_unique_value_is_a_conflict_the_second_time, setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(an_update_compares_and_sets, setup, api_teardown),
        cmocka_unit_test_setup_teardown(wrong_values_are_refused_before_they_are_sent, setup,
                                        api_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
