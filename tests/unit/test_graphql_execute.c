/*
 * Operations over data written as JSON (execute_fixture.h): each is run at once and late, field by
 * field and whole. What is expected of data, messages, places and paths is graphql-js 16's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/execute_fixture.h"
#include "tests/unit/schema_fixture.h"

static const char sdl[] =
    "scalar JSON\n"
    "enum Color { RED GREEN }\n"
    "interface Node { id: ID! name: String }\n"
    "type User implements Node {\n"
    "  id: ID! name: String friend: User friendN: User! friends: [User!]! nn: String! tags: "
    "[String]\n"
    "}\n"
    "type Dog implements Node { id: ID! name: String barks: Boolean! }\n"
    "type Cat { name: String! }\n"
    "union Pet = Dog | Cat\n"
    "type Query {\n"
    "  int: Int float: Float string: String boolean: Boolean id: ID color: Color json: JSON\n"
    "  nn: Int! ints: [Int] intsN: [Int!] intsNN: [Int!]! matrix: [[Int!]]\n"
    "  user: User users: [User!] userN: User! node: Node pets: [Pet]\n"
    "  echo(a: Int!): String\n"
    "}\n"
    "type Mutation { a: Int b(x: Int): Int! c: User }\n"
    "type Subscription { tick: Int }\n";

static int setup(void **state)
{
    return execute_fixture_setup(state, sdl);
}

struct request {
    const char *query;
    const char *variables;
    const char *data;
    const char *result;
};

static void check(void **state, const struct request *requests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *result = execute_fixture_query(*state, requests[i].query, requests[i].variables,
                                                   requests[i].data);

        if (strcmp(result, requests[i].result) != 0)
            fail_msg("%s\n%s\n%s", requests[i].query, result, requests[i].result);
    }
}

#define CHECK_ALL(state, requests) check(state, requests, sizeof(requests) / sizeof *(requests))

#define ERROR(message, line, column, path)                                                         \
    "{\"message\":\"" message "\",\"locations\":[{\"line\":" line ",\"column\":" column            \
    "}],\"path\":[" path "],\"extensions\":{\"code\":\"INTERNAL\"}}"

/* --- what is selected ------------------------------------------------------------------------- */

static void fields_come_in_the_order_of_their_first_selection(void **state)
{
    static const struct request requests[] = {
        {"{ b: int a: string int }", "", "{\"int\":1,\"string\":\"s\"}",
         "{\"data\":{\"b\":1,\"a\":\"s\",\"int\":1}}"},
        {"{ user { id } ...A user { name } ... { user { nn friend { id } } } } "
         "fragment A on Query { user { friend { name id } } s: string }",
         "",
         "{\"string\":\"z\",\"user\":{\"id\":1,\"name\":\"n\",\"nn\":\"x\",\"friend\":{\"id\":2}}}",
         "{\"data\":{\"user\":{\"id\":\"1\",\"friend\":{\"name\":null,\"id\":\"2\"},\"name\":\"n\","
         "\"nn\":\"x\"},\"s\":\"z\"}}"},
        {"{ ...A ...A ...B } fragment A on Query { int ...B } fragment B on Query { string ...A }",
         "", "{\"int\":1,\"string\":\"s\"}", "{\"data\":{\"int\":1,\"string\":\"s\"}}"},
        {"{ __typename user { t: __typename } }", "", "{\"user\":{}}",
         "{\"data\":{\"__typename\":\"Query\",\"user\":{\"t\":\"User\"}}}"},
        {"mutation { b(x: 1) a c { id } z: b }", "", "{\"a\":1,\"b\":2,\"c\":{\"id\":\"i\"}}",
         "{\"data\":{\"b\":2,\"a\":1,\"c\":{\"id\":\"i\"},\"z\":2}}"},
        {"subscription { tick }", "", "{\"tick\":5}", "{\"data\":{\"tick\":5}}"},
    };

    CHECK_ALL(state, requests);
}

static void skip_and_include_leave_selections_out(void **state)
{
    static const struct request requests[] = {
        {"query ($t: Boolean!, $f: Boolean = false) { a: int @skip(if: $t) b: int @include(if: $t) "
         "c: int @skip(if: $f) @include(if: $f) d: int @skip(if: true) @include(if: true) "
         "... @skip(if: $t) { e: int } ...F @include(if: $f) ...F f: int @include(if: false) } "
         "fragment F on Query { g: int }",
         "{\"t\":true}", "{\"int\":1}", "{\"data\":{\"b\":1,\"g\":1}}"},
        {"{ a: int @skip(if: true) user { id @include(if: false) } }", "", "{\"user\":{}}",
         "{\"data\":{\"user\":{}}}"},
        /* A variable that may be null by its default, and is. */
        {"query ($n: Boolean = true) { a: int @skip(if: $n) }", "{\"n\":null}", "{}",
         "{\"data\":null,\"errors\":[{\"message\":\"Argument \\\"if\\\" of non-null type "
         "\\\"Boolean!\\\" must not be null.\",\"locations\":[{\"line\":1,\"column\":47}],"
         "\"extensions\":{\"code\":\"BAD_USER_INPUT\"}}]}"},
        {"query ($n: Boolean = true) { int user { id @skip(if: $n) } }", "{\"n\":null}",
         "{\"user\":{}}",
         "{\"data\":{\"int\":null,\"user\":null},\"errors\":[{\"message\":\"Argument \\\"if\\\" of "
         "non-null type \\\"Boolean!\\\" must not be null.\",\"locations\":[{\"line\":1,\"column\":"
         "54}],\"path\":[\"user\"],\"extensions\":{\"code\":\"BAD_USER_INPUT\"}}]}"},
    };

    CHECK_ALL(state, requests);
}

static void abstract_types_are_what_their_objects_are(void **state)
{
    static const struct request requests[] = {
        {"{ pets { __typename ... on Dog { id } ... on Cat { name } ... on Node { name } } "
         "node { id ... on User { nn } ... on Dog { barks } } }",
         "",
         "{\"pets\":[{\"__typename\":\"Dog\",\"id\":1},{\"__typename\":\"Cat\",\"name\":\"T\"},"
         "null,"
         "{\"__typename\":\"Dog\",\"id\":2,\"name\":\"R\"}],"
         "\"node\":{\"__typename\":\"Dog\",\"id\":3,\"barks\":true}}",
         "{\"data\":{\"pets\":[{\"__typename\":\"Dog\",\"id\":\"1\",\"name\":null},{\"__typename\":"
         "\"Cat\",\"name\":\"T\"},null,{\"__typename\":\"Dog\",\"id\":\"2\",\"name\":\"R\"}],"
         "\"node\":{\"id\":\"3\",\"barks\":true}}}"},
        {"{ node { id } }", "", "{\"node\":{\"id\":1}}",
         "{\"data\":{\"node\":null},\"errors\":[" ERROR(
             "Abstract type \\\"Node\\\" must resolve to an Object type at runtime for field "
             "\\\"Query.node\\\". Either the \\\"Node\\\" type should provide a "
             "\\\"resolveType\\\" "
             "function or each possible type should provide an \\\"isTypeOf\\\" function.",
             "1", "3", "\"node\"") "]}"},
        {"{ node { id } }", "", "{\"node\":{\"__typename\":\"Cat\"}}",
         "{\"data\":{\"node\":null},\"errors\":[" ERROR(
             "Runtime Object type \\\"Cat\\\" is not a possible type for \\\"Node\\\".", "1", "3",
             "\"node\"") "]}"},
        {"{ node { id } }", "", "{\"node\":{\"__typename\":\"Pet\"}}",
         "{\"data\":{\"node\":null},\"errors\":[" ERROR(
             "Abstract type \\\"Node\\\" was resolved to a non-object type \\\"Pet\\\".", "1", "3",
             "\"node\"") "]}"},
        {"{ user { id } }", "", "{\"user\":7}",
         "{\"data\":{\"user\":null},\"errors\":[" ERROR("Expected value of type \\\"User\\\".", "1",
                                                        "3", "\"user\"") "]}"},
    };

    CHECK_ALL(state, requests);
}

/* --- leaves ----------------------------------------------------------------------------------- */

static void leaves_are_written_as_their_types_have_it(void **state)
{
#define LEAVES "{ int float string boolean id color }"
#define DATA(v)                                                                                    \
    "{\"int\":" v ",\"float\":" v ",\"string\":" v ",\"boolean\":" v ",\"id\":" v ",\"color\":" v  \
    "}"
    static const struct request requests[] = {
        {LEAVES, "", "{}",
         "{\"data\":{\"int\":null,\"float\":null,\"string\":null,\"boolean\":null,\"id\":null,"
         "\"color\":null}}"},
        {"{ int float string boolean id }", "", DATA("-12"),
         "{\"data\":{\"int\":-12,\"float\":-12,\"string\":\"-12\",\"boolean\":true,\"id\":\"-12\"}"
         "}"},
        {"{ int float string boolean id }", "", DATA("3.0"),
         "{\"data\":{\"int\":3,\"float\":3,\"string\":\"3\",\"boolean\":true,\"id\":\"3\"}}"},
        {"{ int float string boolean }", "", DATA("true"),
         "{\"data\":{\"int\":1,\"float\":1,\"string\":\"true\",\"boolean\":true}}"},
        {"{ int float string id }", "", DATA("\" 42 \""),
         "{\"data\":{\"int\":42,\"float\":42,\"string\":\" 42 \",\"id\":\" 42 \"}}"},
        {"{ int float string }", "", DATA("\" \""),
         "{\"data\":{\"int\":0,\"float\":0,\"string\":\" \"}}"},
        {"{ int float }", "", DATA("\"-1.50e2\""), "{\"data\":{\"int\":-150,\"float\":-150}}"},
        {"{ int a: int b: int }", "", "{\"int\":2147483647}",
         "{\"data\":{\"int\":2147483647,\"a\":2147483647,\"b\":2147483647}}"},
        {"{ float string }", "", DATA("9007199254740991"),
         "{\"data\":{\"float\":9007199254740991,\"string\":\"9007199254740991\"}}"},
        {"{ string id color }", "", DATA("\"RED\""),
         "{\"data\":{\"string\":\"RED\",\"id\":\"RED\",\"color\":\"RED\"}}"},
        {"{ json a: string }", "", "{\"json\":{\"a\":[1,{}]},\"string\":\"q\\\"\\n\\u0001é\"}",
         "{\"data\":{\"json\":{\"a\":[1,{}]},\"a\":\"q\\\"\\n\\u0001é\"}}"},
        {"{ json }", "", "{\"json\":null}", "{\"data\":{\"json\":null}}"},
        {"{ json }", "", "{\"json\":\"s\"}", "{\"data\":{\"json\":\"s\"}}"},
    };

    CHECK_ALL(state, requests);
}

static void leaves_that_do_not_fit_are_errors(void **state)
{
    static const struct {
        const char *field;
        const char *value;
        const char *message;
    } unfit[] = {
        {"int", "2147483648", "Int cannot represent non 32-bit signed integer value: 2147483648"},
        {"int", "-2147483649.0",
         "Int cannot represent non 32-bit signed integer value: -2147483649"},
        {"int", "1.5", "Int cannot represent non-integer value: 1.5"},
        {"int", "\"\"", "Int cannot represent non-integer value: \\\"\\\""},
        {"int", "\"1x\"", "Int cannot represent non-integer value: \\\"1x\\\""},
        {"int", "\".\"", "Int cannot represent non-integer value: \\\".\\\""},
        {"int", "\"1e\"", "Int cannot represent non-integer value: \\\"1e\\\""},
        {"int", "[]", "Int cannot represent non-integer value: []"},
        {"float", "\"x\"", "Float cannot represent non numeric value: \\\"x\\\""},
        {"float", "\"1e999\"", "Float cannot represent non numeric value: \\\"1e999\\\""},
        {"string", "[1,[2,[3]]]", "String cannot represent value: [1, [2, [Array]]]"},
        {"boolean", "\"true\"", "Boolean cannot represent a non boolean value: \\\"true\\\""},
        {"id", "1.5", "ID cannot represent value: 1.5"},
        {"id", "true", "ID cannot represent value: true"},
        {"color", "\"BLUE\"", "Enum \\\"Color\\\" cannot represent value: \\\"BLUE\\\""},
        {"color", "1", "Enum \\\"Color\\\" cannot represent value: 1"},
    };

    for (size_t i = 0; i < sizeof unfit / sizeof *unfit; i++) {
        char query[64];
        char data[128];
        char expected[512];

        assert_true(snprintf(query, sizeof query, "{ %s }", unfit[i].field) > 0);
        assert_true(snprintf(data, sizeof data, "{\"%s\":%s}", unfit[i].field, unfit[i].value) > 0);
        assert_true(
            snprintf(expected, sizeof expected,
                     "{\"data\":{\"%s\":null},\"errors\":[{\"message\":\"%s\",\"locations\":"
                     "[{\"line\":1,\"column\":3}],\"path\":[\"%s\"],\"extensions\":{\"code\":"
                     "\"INTERNAL\"}}]}",
                     unfit[i].field, unfit[i].message, unfit[i].field) > 0);
        assert_string_equal(execute_fixture_query(*state, query, "", data), expected);
    }
}

/* --- errors and nulls ------------------------------------------------------------------------- */

static void an_error_makes_null_of_what_may_be_null(void **state)
{
    static const struct request requests[] = {
        {"{ a: int string b: int }", "", "{\"int\":\"!boom\",\"string\":\"s\"}",
         "{\"data\":{\"a\":null,\"string\":\"s\",\"b\":null},\"errors\":[" ERROR(
             "boom", "1", "3", "\"a\"") "," ERROR("boom", "1", "17", "\"b\"") "]}"},
        /* From the innermost to the nearest that may be null; the rest goes on. */
        {"{ int user { id friend { friendN { nn id } } name } string }", "",
         "{\"int\":1,\"string\":\"s\",\"user\":{\"id\":1,\"name\":\"n\",\"friend\":{\"friendN\":"
         "{\"id\":2}}}}",
         "{\"data\":{\"int\":1,\"user\":{\"id\":\"1\",\"friend\":null,\"name\":\"n\"},\"string\":"
         "\"s\"},\"errors\":[" ERROR("Cannot return null for non-nullable field User.nn.", "1",
                                     "36", "\"user\",\"friend\",\"friendN\",\"nn\"") "]}"},
        /* To the root. */
        {"{ int userN { friendN { id } } string }", "",
         "{\"userN\":{\"friendN\":{\"id\":\"!no\"}}}",
         "{\"data\":null,\"errors\":[" ERROR("no", "1", "25", "\"userN\",\"friendN\",\"id\"") "]}"},
        {"{ nn int }", "", "{\"int\":1}",
         "{\"data\":null,\"errors\":[" ERROR("Cannot return null for non-nullable field Query.nn.",
                                             "1", "3", "\"nn\"") "]}"},
        {"mutation { a b c { id } }", "", "{\"a\":1,\"c\":{\"id\":1}}",
         "{\"data\":null,\"errors\":[" ERROR(
             "Cannot return null for non-nullable field Mutation.b.", "1", "14", "\"b\"") "]}"},
        /* All selections of a field are its places; the code is the resolver's. */
        {"{\n  user { id }\n  user { name }\n}", "", "{\"user\":\"!LIMIT too much\"}",
         "{\"data\":{\"user\":null},\"errors\":[{\"message\":\"too "
         "much\",\"locations\":[{\"line\":2,"
         "\"column\":3},{\"line\":3,\"column\":3}],\"path\":[\"user\"],\"extensions\":{\"code\":"
         "\"LIMIT_EXCEEDED\"}}]}"},
        {"query ($v: Int = 1) { echo(a: $v) int }", "{\"v\":null}", "{\"int\":1}",
         "{\"data\":{\"echo\":null,\"int\":1},\"errors\":[{\"message\":\"Argument \\\"a\\\" of "
         "non-null type \\\"Int!\\\" must not be "
         "null.\",\"locations\":[{\"line\":1,\"column\":31}],"
         "\"path\":[\"echo\"],\"extensions\":{\"code\":\"BAD_USER_INPUT\"}}]}"},
    };

    CHECK_ALL(state, requests);
}

static void lists_answer_their_items(void **state)
{
    static const struct request requests[] = {
        {"{ ints intsN intsNN matrix }", "",
         "{\"ints\":[1,null,2],\"intsN\":[],\"intsNN\":[3],\"matrix\":[[1,2],null,[]]}",
         "{\"data\":{\"ints\":[1,null,2],\"intsN\":[],\"intsNN\":[3],\"matrix\":[[1,2],null,[]]}}"},
        {"{ ints }", "", "{\"ints\":[\"!a\",1,\"x\"]}",
         "{\"data\":{\"ints\":[null,1,null]},\"errors\":[" ERROR(
             "a", "1", "3",
             "\"ints\",0") "," ERROR("Int cannot represent non-integer value: \\\"x\\\"", "1", "3",
                                     "\"ints\",2") "]}"},
        /* Nothing behind the first error of a list whose items are not null is looked at. */
        {"{ intsN int }", "", "{\"intsN\":[1,null,\"!x\"],\"int\":5}",
         "{\"data\":{\"intsN\":null,\"int\":5},\"errors\":[" ERROR(
             "Cannot return null for non-nullable field Query.intsN.", "1", "3",
             "\"intsN\",1") "]}"},
        {"{ intsNN int }", "", "{\"intsNN\":[1,\"!x\"],\"int\":5}",
         "{\"data\":null,\"errors\":[" ERROR("x", "1", "3", "\"intsNN\",1") "]}"},
        {"{ matrix }", "", "{\"matrix\":[[1],[2,null],[3]]}",
         "{\"data\":{\"matrix\":[[1],null,[3]]},\"errors\":[" ERROR(
             "Cannot return null for non-nullable field Query.matrix.", "1", "3",
             "\"matrix\",1,1") "]}"},
        {"{ ints }", "", "{\"ints\":5}",
         "{\"data\":{\"ints\":null},\"errors\":[" ERROR(
             "Expected Iterable, but did not find one for field \\\"Query.ints\\\".", "1", "3",
             "\"ints\"") "]}"},
        {"{ users { id tags friends { id } } }", "",
         "{\"users\":[{\"id\":1,\"tags\":[\"a\",null],\"friends\":[]},{\"id\":2,\"friends\":[{"
         "\"id\":"
         "3},{\"id\":4}]}]}",
         "{\"data\":{\"users\":[{\"id\":\"1\",\"tags\":[\"a\",null],\"friends\":[]},{\"id\":\"2\","
         "\"tags\":null,\"friends\":[{\"id\":\"3\"},{\"id\":\"4\"}]}]}}"},
        {"{ users { friend { friends { nn } } id } int }", "",
         "{\"int\":1,\"users\":[{\"id\":1,\"friend\":{\"friends\":[{\"nn\":\"a\"},{\"nn\":\"!b\"}]}"
         "},"
         "{\"id\":2}]}",
         "{\"data\":{\"users\":[{\"friend\":null,\"id\":\"1\"},{\"friend\":null,\"id\":\"2\"}],"
         "\"int\":1},\"errors\":[" ERROR("b", "1", "30",
                                         "\"users\",0,\"friend\",\"friends\",1,\"nn\"") "]}"},
    };

    CHECK_ALL(state, requests);
}

static void a_list_has_a_limit(void **state)
{
    struct execute_fixture *f = *state;

    f->limits.list_items_max = 2;
    assert_string_equal(
        execute_fixture_query(f, "{ ints intsN }", "", "{\"ints\":[1,2],\"intsN\":[1,2,3]}"),
        "{\"data\":{\"ints\":[1,2],\"intsN\":null},\"errors\":[{\"message\":\"Field "
        "\\\"Query.intsN\\\" has a list of 3 items, more than the 2 that are "
        "allowed.\",\"locations\":[{\"line\":1,\"column\":8}],\"path\":[\"intsN\"],"
        "\"extensions\":{\"code\":\"LIMIT_EXCEEDED\"}}]}");
    /* Introspection is as long as the schema. */
    assert_null(strstr(execute_fixture_query(f, "{ __schema { types { name } } }", "", "{}"),
                       "\"errors\""));
}

static void so_many_errors_and_no_more(void **state)
{
    enum { COUNT = 10000 };
    struct execute_fixture *f = *state;
    struct text data = {0};
    const char *result;

    f->limits.list_items_max = COUNT;
    text_add_string(&data, "{\"ints\":[\"!e\"");
    for (int i = 1; i < COUNT; i++)
        text_add_string(&data, ",1.5");
    text_add(&data, "]}", 3);
    assert_true(text_is_whole(&data));
    result = execute_fixture_query(f, "{ ints }", "", data.bytes);
    assert_non_null(strstr(result, "\"path\":[\"ints\",99],"));
    assert_null(strstr(result, "\"path\":[\"ints\",100],"));
    assert_non_null(strstr(result, "Too many errors, error limit reached."));
    text_done(&data);
}

/* --- operations ------------------------------------------------------------------------------- */

static void the_operation_is_chosen_by_name(void **state)
{
    struct execute_fixture *f = *state;
    static const char query[] = "query A { int } fragment F on Query { int } query B { string }";

    assert_true(execute_fixture_prepare(f, query, "", "B"));
    assert_non_null(execute_fixture_begin(f, "{\"string\":\"s\"}"));
    assert_int_equal(execute_fixture_run(f, 1), EXECUTE_DONE);
    assert_string_equal(execute_fixture_result(f), "{\"data\":{\"string\":\"s\"}}");

    assert_false(execute_fixture_prepare(f, query, "", "C"));
    assert_string_equal(f->base.errors.first->message, "Unknown operation named \"C\".");
    assert_int_equal(f->base.errors.first->code, GRAPHQL_BAD_USER_INPUT);
    assert_false(execute_fixture_prepare(f, query, "", ""));
    assert_string_equal(f->base.errors.first->message,
                        "Must provide operation name if query contains multiple operations.");
    assert_false(execute_fixture_prepare(f, "fragment F on Query { int }", "", ""));
    assert_string_equal(f->base.errors.first->message, "Must provide an operation.");
    assert_int_equal(f->base.errors.count, 1);
}

static void an_operation_without_its_root_type_gives_null(void **state)
{
    struct execute_fixture f;

    (void)state;
    execute_fixture_init(&f, "type Query { a: Int }");
    assert_string_equal(
        execute_fixture_query(&f, " mutation { a }", "", "{}"),
        "{\"data\":null,\"errors\":[{\"message\":\"Schema is not configured to execute mutation "
        "operation.\",\"locations\":[{\"line\":1,\"column\":2}],\"extensions\":{\"code\":"
        "\"GRAPHQL_VALIDATION_FAILED\"}}]}");
    execute_fixture_done(&f);
}

/* --- JSON as an answer ------------------------------------------------------------------------ */

static void answer_json(struct execute_call *call)
{
    const struct execute_result result = {
        .kind = EXECUTE_JSON,
        .text = schema_fixture_text(call->field->user),
    };

    execute_answer(call->execution, &result);
}

static void json_becomes_what_the_type_asks_for(void **state)
{
    static const struct {
        const char *field;
        const char *json;
        const char *value; /* NULL: null with an error */
    } answers[] = {
        {"int", "5", "5"},
        {"int", "-5", "-5"},
        {"int", "null", "null"},
        {"int", "1.5", NULL},
        {"int", "{\"a\":1}", NULL},
        {"float", "1.50", "1.5"},
        {"string", "\"a\\u0041\\n\"", "\"aA\\n\""},
        {"string", "7", "\"7\""},
        {"string", "[1]", NULL},
        {"boolean", "true", "true"},
        {"id", "18446744073709551615", "\"18446744073709552000\""},
        {"id", "9007199254740993", "\"9007199254740993\""},
        {"color", "\"\\u0052ED\"", "\"RED\""},
        {"color", "\"NO\"", NULL},
        {"json", "{\"a\":[1.50]}", "{\"a\":[1.50]}"},
        {"json", "null", "null"},
        {"ints", "[1,null,2]", "[1,null,2]"},
        {"ints", "[]", "[]"},
        {"ints", "7", NULL},
        {"matrix", "[[1],null]", "[[1],null]"},
        {"user", "{\"id\":1}", NULL},
    };
    struct execute_fixture *f = *state;

    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct schema_field *field = schema_fixture_field(f->schema, "Query", answers[i].field);
        struct text query = {0};
        struct text expected = {0};
        char *json = strdup(answers[i].json);

        field->resolve = answer_json;
        field->user = json;
        text_printf(&query, "{ %s%s }", answers[i].field,
                    strcmp(answers[i].field, "user") == 0 ? " { id }" : "");
        text_add(&query, "", 1);
        text_printf(&expected, "{\"data\":{\"%s\":%s}%s", answers[i].field,
                    answers[i].value == NULL ? "null" : answers[i].value,
                    answers[i].value == NULL ? ",\"errors\":[" : "}");
        assert_true(execute_fixture_prepare(f, query.bytes, "", ""));
        assert_non_null(execute_fixture_begin(f, "{}"));
        assert_int_equal(execute_fixture_run(f, 1), EXECUTE_DONE);
        assert_memory_equal(execute_fixture_result(f), expected.bytes, expected.size);
        text_done(&expected);
        text_done(&query);
        free(json);
    }
}

static void answer_number(struct execute_call *call)
{
    const double *number = call->field->user;
    const struct execute_result result = {.kind = EXECUTE_FLOAT, .number = *number};

    execute_answer(call->execution, &result);
}

static void what_json_has_no_number_for_is_an_error(void **state)
{
    static const char *const fields[] = {"int", "float", "string", "boolean", "id", "json"};
    static double numbers[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
    static const char *const shown[] = {"value: NaN", "value: Infinity", "value: -Infinity"};
    struct execute_fixture *f = *state;

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct schema_field *field = schema_fixture_field(f->schema, "Query", fields[i]);
        char query[32];

        assert_true(snprintf(query, sizeof query, "{ a: %s }", fields[i]) > 0);
        field->resolve = answer_number;
        for (size_t j = 0; j < sizeof numbers / sizeof *numbers; j++) {
            const char *result;

            field->user = &numbers[j];
            assert_true(execute_fixture_prepare(f, query, "", ""));
            assert_non_null(execute_fixture_begin(f, "{}"));
            assert_int_equal(execute_fixture_run(f, 1), EXECUTE_DONE);
            result = execute_fixture_result(f);
            assert_memory_equal(result, "{\"data\":{\"a\":null},", 19);
            assert_non_null(strstr(result, shown[j]));
        }
    }
}

/* --- the message board ------------------------------------------------------------------------ */

static void the_board_introspects_itself(void **state)
{
    struct execute_fixture f;
    char *board = schema_fixture_board();

    (void)state;
    execute_fixture_init(&f, board);
    assert_string_equal(
        execute_fixture_query(
            &f,
            "{ __schema { queryType { name } } __type(name: \"Position\") { kind fields { name "
            "type "
            "{ kind ofType { name } } } } message(id: 1) { id author { name } comments { id } } }",
            "", "{\"message\":{\"id\":1,\"author\":{\"name\":\"Ada\"},\"comments\":[{\"id\":2}]}}"),
        "{\"data\":{\"__schema\":{\"queryType\":{\"name\":\"Query\"}},\"__type\":{\"kind\":"
        "\"OBJECT\","
        "\"fields\":[{\"name\":\"epoch\",\"type\":{\"kind\":\"NON_NULL\",\"ofType\":{\"name\":"
        "\"ID\"}}"
        "},{\"name\":\"seq\",\"type\":{\"kind\":\"NON_NULL\",\"ofType\":{\"name\":\"ID\"}}}]},"
        "\"message\":{\"id\":1,\"author\":{\"name\":\"Ada\"},\"comments\":[{\"id\":2}]}}}");
    execute_fixture_done(&f);
    free(board);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, execute_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fields_come_in_the_order_of_their_first_selection),
        TEST(skip_and_include_leave_selections_out),
        TEST(abstract_types_are_what_their_objects_are),
        TEST(leaves_are_written_as_their_types_have_it),
        TEST(leaves_that_do_not_fit_are_errors),
        TEST(an_error_makes_null_of_what_may_be_null),
        TEST(lists_answer_their_items),
        TEST(a_list_has_a_limit),
        TEST(so_many_errors_and_no_more),
        TEST(the_operation_is_chosen_by_name),
        cmocka_unit_test(an_operation_without_its_root_type_gives_null),
        TEST(json_becomes_what_the_type_asks_for),
        TEST(what_json_has_no_number_for_is_an_error),
        cmocka_unit_test(the_board_introspects_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
