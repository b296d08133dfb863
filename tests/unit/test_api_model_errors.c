/* What is wrong with tables, columns, and where directives stand: every start-up error of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <string.h>

#include "tests/unit/model_fixture.h"

/* A schema's queries, and a table of all kinds of columns. */
#define QUERY "type Query { t(id: Int!): T @get } "
#define TABLE                                                                                      \
    "type T @table { id: Int! a: Int! s: String j: JSON l: [Int!] d: DateTime f: Float e: E b: "   \
    "Boolean i: ID } enum E { A B } "

struct mistakes {
    const char *sdl;
    const char *found; /* a line for each */
};

/* A schema with a part that stands there many times, each `#` in it the number of the time. */
struct repeated {
    const char *begin;
    const char *part;
    const char *end;
};

static const struct mistakes of_tables[] = {
    {"type Q @table { a: Int } schema { query: Q }",
     "x:1:8: Root type \"Q\" cannot be a @table.\n"
     "x:1:17: Field \"Q.a\" needs a directive that says what it does: @value, @position, @get, "
     "@list, @history.\n"},
    {"schema { query: Q mutation: Q } type Q { a: Int @value(json: \"1\") }",
     "x:1:38: Type \"Q\" cannot be the root of two kinds of operation.\n"},
    {"type T @table { a: Int } " QUERY,
     "x:1:6: Type \"T\" is a @table: it needs a column \"id\" of type \"Int!\" or \"ID!\".\n"},
    {"type T @table { id: Int } " QUERY,
     "x:1:17: \"T.id\" must be of type \"Int!\" or \"ID!\": it is \"Int\".\n"},
    {"type T @table { id: String! } " QUERY,
     "x:1:17: \"T.id\" must be of type \"Int!\" or \"ID!\": it is \"String!\".\n"},
    {"type T @table { id: [ID!]! } " QUERY,
     "x:1:17: \"T.id\" must be of type \"Int!\" or \"ID!\": it is \"[ID!]!\".\n"},
    {"type T @table { id: ID! @unique @default(json: \"\\\"1\\\"\") } type Query { t(id: ID!): T "
     "@get } ",
     "x:1:33: @default cannot stand on \"T.id\", which the server gives.\n"
     "x:1:25: @unique cannot stand on \"T.id\", which the server gives.\n"},
    {"type T @table { id: Int! u: U o: O n: N t: T ts: [T!] } type O { a: Int } union U = O "
     "interface N { a: Int } " QUERY,
     "x:1:26: \"T.u\" cannot be a column of type \"U\": columns are scalars, enums and lists of "
     "them.\n"
     "x:1:31: \"T.o\" cannot be a column of type \"O\": columns are scalars, enums and lists of "
     "them.\n"
     "x:1:36: \"T.n\" cannot be a column of type \"N\": columns are scalars, enums and lists of "
     "them.\n"
     "x:1:41: \"T.t\" cannot be a column of type \"T\": columns are scalars, enums and lists of "
     "them. Rows come by @get or @list.\n"
     "x:1:46: \"T.ts\" cannot be a column of type \"[T!]\": columns are scalars, enums and lists "
     "of them. Rows come by @get or @list.\n"},
    {"type T @table { id: Int! a(x: Int, y: Int): String } " QUERY,
     "x:1:28: Column \"T.a\" takes no arguments.\n"
     "x:1:36: Column \"T.a\" takes no arguments.\n"},
    {"type T @table { id: Int! a: String @now(on: CREATE) b: [DateTime!] @now(on: WRITE) } " QUERY,
     "x:1:36: @now is for columns of type \"DateTime\": \"T.a\" is \"String\".\n"
     "x:1:68: @now is for columns of type \"DateTime\": \"T.b\" is \"[DateTime!]\".\n"},
    {"type T @table { id: Int! a: JSON @unique b: [Int] @unique } " QUERY,
     "x:1:34: @unique cannot stand on \"T.a\": values of type \"JSON\" cannot be compared.\n"
     "x:1:51: @unique cannot stand on \"T.b\": values of type \"[Int]\" cannot be compared.\n"},
    {"type T @table { id: Int! a: Int @references(type: \"Tt\") b: Int @references(type: "
     "\"Query\") } " QUERY,
     "x:1:51: \"Tt\" is no @table type. Did you mean \"T\"?\n"
     "x:1:82: \"Query\" is no @table type. It can be \"T\".\n"},
    {"type T @table { id: Int! a: ID @references(type: \"T\") b: Int @references(type: \"U\") c: "
     "String @references(type: \"T\") } type U @table { id: ID! } " QUERY,
     "x:1:32: \"T.a\" of type \"ID\" cannot reference \"T.id\" of type \"Int!\".\n"
     "x:1:62: \"T.b\" of type \"Int\" cannot reference \"U.id\" of type \"ID!\".\n"
     "x:1:95: \"T.c\" of type \"String\" cannot reference \"T.id\" of type \"Int!\".\n"},
    {"type T @table { id: Int! a: Int @default(json: \"{\") b: Int @default(json: \"\") c: Int "
     "@default(json: \"1 2\") } " QUERY,
     "x:1:48: The default is no JSON: unexpected end at offset 1.\n"
     "x:1:75: The default is no JSON: unexpected end at offset 0.\n"
     "x:1:101: The default is no JSON: end expected at offset 2.\n"},
    {"type T @table { id: Int! a: Int @default(json: \"1.5\") b: Int @default(json: "
     "\"2147483648\") c: Int! @default(json: \"null\") d: Int @default(json: \"\\\"1\\\"\") "
     "} " QUERY,
     "x:1:48: The default does not fit the type \"Int\".\n"
     "x:1:77: The default does not fit the type \"Int\".\n"
     "x:1:114: The default does not fit the type \"Int!\".\n"
     "x:1:144: The default does not fit the type \"Int\".\n"},
    {"type T @table { id: Int! a: String @default(json: \"1\") b: String @default(json: "
     "\"\\\"\\\\ud800\\\"\") c: Float @default(json: \"1e999\") d: Boolean @default(json: \"0\") "
     "e: ID @default(json: \"true\") f: ID @default(json: \"1.0\") } " QUERY,
     "x:1:51: The default does not fit the type \"String\".\n"
     "x:1:81: The default does not fit the type \"String\".\n"
     "x:1:120: The default does not fit the type \"Float\".\n"
     "x:1:155: The default does not fit the type \"Boolean\".\n"
     "x:1:181: The default does not fit the type \"ID\".\n"
     "x:1:210: The default does not fit the type \"ID\".\n"},
    {"type T @table { id: Int! a: E @default(json: \"\\\"C\\\"\") b: DateTime @default(json: "
     "\"\\\"today\\\"\") c: [Int!] @default(json: \"[null]\") d: [E] @default(json: \"\\\"A\\\"\") "
     "e: DateTime @default(json: \"7\") } enum E { A B } " QUERY,
     "x:1:46: The default does not fit the type \"E\".\n"
     "x:1:82: The default does not fit the type \"DateTime\".\n"
     "x:1:120: The default does not fit the type \"[Int!]\".\n"
     "x:1:152: The default does not fit the type \"[E]\".\n"
     "x:1:188: The default does not fit the type \"DateTime\".\n"},
    {"type T @table { id: Int! "
     "ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
     "ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
     "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc: Int } " QUERY,
     "x:1:26: The name has 256 bytes: more than 255 cannot be stored.\n"},
};

static const struct mistakes of_places[] = {
    {"type Query { a: Int b: T } " TABLE,
     "x:1:14: Field \"Query.a\" needs a directive that says what it does: @value, @position, @get, "
     "@list, @history.\n"
     "x:1:21: Field \"Query.b\" needs a directive that says what it does: @value, @position, @get, "
     "@list, @history.\n"},
    {"type Mutation { a: Int } type Subscription { a: Int } " QUERY TABLE,
     "x:1:17: Field \"Mutation.a\" needs a directive that says what it does: @create, @update, "
     "@delete, @publish.\n"
     "x:1:46: Field \"Subscription.a\" needs a directive that says what it does: @subscribe.\n"},
    {"type Query { a: T @create b: T @subscribe(topic: \"a\") c: Int @now(on: WRITE) d: Int "
     "@unique } " TABLE,
     "x:1:19: Directive \"@create\" cannot stand on \"Query.a\": it is for fields of the mutation "
     "type.\n"
     "x:1:32: Directive \"@subscribe\" cannot stand on \"Query.b\": it is for fields of the "
     "subscription type.\n"
     "x:1:62: Directive \"@now\" cannot stand on \"Query.c\": it is for columns of @table types.\n"
     "x:1:85: Directive \"@unique\" cannot stand on \"Query.d\": it is for columns of @table "
     "types.\n"},
    {"type Mutation { a: T @get b: Int @value(json: \"1\") c: [T!]! @list } " QUERY TABLE,
     "x:1:22: Directive \"@get\" cannot stand on \"Mutation.a\": it is for fields of the query "
     "type and of @table types.\n"
     "x:1:34: Directive \"@value\" cannot stand on \"Mutation.b\": it is for fields of the query "
     "type and of @table types.\n"
     "x:1:61: Directive \"@list\" cannot stand on \"Mutation.c\": it is for fields of the query "
     "type and of @table types.\n"},
    {"type Subscription { a: T @update } " QUERY TABLE,
     "x:1:26: Directive \"@update\" cannot stand on \"Subscription.a\": it is for fields of the "
     "mutation type.\n"},
    {"type T @table { id: Int! a: Int @position b: Int @history c: Int @publish d: Int @delete "
     "} " QUERY,
     "x:1:33: Directive \"@position\" cannot stand on \"T.a\": it is for fields of the query "
     "type.\n"
     "x:1:50: Directive \"@history\" cannot stand on \"T.b\": it is for fields of the query type.\n"
     "x:1:66: Directive \"@publish\" cannot stand on \"T.c\": it is for fields of the mutation "
     "type.\n"
     "x:1:82: Directive \"@delete\" cannot stand on \"T.d\": it is for fields of the mutation "
     "type.\n"},
    {"type Query { a(id: Int!): T @get @list b: Int @value(json: \"1\") @position } " TABLE,
     "x:1:34: Directives \"@get\" and \"@list\" exclude one another.\n"
     "x:1:65: Directives \"@value\" and \"@position\" exclude one another.\n"},
    {"type T @table { id: Int! a: T @get(where: {id: \"id\"}) @unique b: DateTime @now(on: CREATE) "
     "@default(json: \"null\") c: Int @default(json: \"1\") @value(json: \"1\") } " QUERY,
     "x:1:55: Directives \"@get\" and \"@unique\" exclude one another.\n"
     "x:1:92: Directives \"@now\" and \"@default\" exclude one another.\n"
     "x:1:142: Directives \"@default\" and \"@value\" exclude one another.\n"},
    {"type Query { a: O @value(json: \"{}\") t(id: Int!): T @get } type O { a: Int @default(json: "
     "\"1\") b: Int @get } " TABLE,
     "x:1:76: Directive \"@default\" cannot stand on \"O.a\": it is for columns of @table types.\n"
     "x:1:103: Directive \"@get\" cannot stand on \"O.b\": it is for fields of the query type and "
     "of @table types.\n"
     "x:1:14: Field \"Query.a\" with @value must be of a scalar, an enum or a list of them: it is "
     "\"O\".\n"},
    {"interface N { a: Int @unique } " QUERY TABLE,
     "x:1:22: Directive \"@unique\" cannot stand on \"N.a\": it is for columns of @table types.\n"},
    {"type Subscription { o: O @subscribe(topic: \"a\") } type O { t: T q: Query n: [N] u: U a(x: "
     "Int): Int } interface N { a: Int } union U = O " QUERY TABLE,
     "x:1:60: \"O.t\" cannot be of type \"T\": a @table type's rows come by @get or @list, on a "
     "root field or a @table type.\n"
     "x:1:65: \"O.q\" cannot be of type \"Query\": it is a root type.\n"
     "x:1:74: \"O.n\" cannot be of type \"[N]\": nothing says which object type a value is of.\n"
     "x:1:81: \"O.u\" cannot be of type \"U\": nothing says which object type a value is of.\n"
     "x:1:88: \"O.a\" takes no arguments: \"O\" is no @table type.\n"},
};

static const struct mistakes of_definitions[] = {
    {"directive @auth(role: String) on OBJECT | FIELD_DEFINITION type Query { a: Int @value(json: "
     "\"1\") @auth } directive @value(json: String!) on FIELD_DEFINITION",
     "x:1:12: Directive \"@auth\" is reserved.\n"},
    {"directive @valu(json: String!) on FIELD_DEFINITION directive @cost on OBJECT type Query { a: "
     "Int @valu(json: \"1\") }",
     "x:1:12: Directive \"@valu\" is none that Sluice knows. Did you mean \"value\"?\n"
     "x:1:63: Directive \"@cost\" is none that Sluice knows. Did you mean \"list\"?\n"},
    {"directive @value(json: String) on FIELD_DEFINITION type Query { a: Int @value(json: \"1\") }",
     "x:1:12: Directive \"@value\" must be defined as: directive @value(json: String!) on "
     "FIELD_DEFINITION\n"},
    {"directive @value(json: String!) on FIELD_DEFINITION | OBJECT type Query { a: Int "
     "@value(json: \"1\") }",
     "x:1:12: Directive \"@value\" must be defined as: directive @value(json: String!) on "
     "FIELD_DEFINITION\n"},
    {"directive @value(json: String!) repeatable on FIELD_DEFINITION type Query { a: Int "
     "@value(json: \"1\") }",
     "x:1:12: Directive \"@value\" must be defined as: directive @value(json: String!) on "
     "FIELD_DEFINITION\n"},
    {"directive @value(text: String!) on FIELD_DEFINITION type Query { a: Int @value(text: \"1\") "
     "}",
     "x:1:12: Directive \"@value\" must be defined as: directive @value(json: String!) on "
     "FIELD_DEFINITION\n"},
    {"directive @list(where: JSON, orderBy: String = \"id\", desc: Boolean = true) on "
     "FIELD_DEFINITION directive @value(json: String!) on FIELD_DEFINITION scalar JSON type Query "
     "{ a: Int @value(json: \"1\") }",
     "x:1:12: Directive \"@list\" must be defined as: directive @list(where: JSON, orderBy: String "
     "= \"id\", desc: Boolean = false) on FIELD_DEFINITION\n"},
    {"directive @now(on: On!) on FIELD_DEFINITION enum On { CREATE UPDATE } directive @value(json: "
     "String!) on FIELD_DEFINITION type Query { a: Int @value(json: \"1\") }",
     "x:1:50: \"On\" must be defined as: enum On { CREATE WRITE }\n"},
    {"input JSON { a: Int } enum DateTime { A } directive @value(json: String!) on "
     "FIELD_DEFINITION type Query { a: Int @value(json: \"1\") }",
     "x:1:7: \"JSON\" must be a scalar.\n"
     "x:1:28: \"DateTime\" must be a scalar.\n"},
    {"directive @table on OBJECT | SCALAR type Query { a: Int @value(json: \"1\") }",
     "x:1:57: Unknown directive \"@value\".\n"},
    {"type Query { a: Int @value(json: 1, jsn: \"x\") b: Int @valeu } directive @value(json: "
     "String!) on FIELD_DEFINITION",
     "x:1:37: Unknown argument \"jsn\" on directive \"@value\". Did you mean \"json\"?\n"
     "x:1:54: Unknown directive \"@valeu\".\n"
     "x:1:34: String cannot represent a non string value: 1\n"},
    {"type Query { a: Int", "x:1:20: Syntax Error: Expected Name, found <EOF>.\n"},
};

/* --- the tests -------------------------------------------------------------------------------- */

static void a_mistake_in_a_table_is_told_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof of_tables / sizeof *of_tables; i++)
        model_fixture_expect(of_tables[i].sdl, false, of_tables[i].found);
}

static void a_directive_stands_only_where_it_means_something(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof of_places / sizeof *of_places; i++)
        model_fixture_expect(of_places[i].sdl, false, of_places[i].found);
}

static void the_definitions_of_directives_must_be_ours(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof of_definitions / sizeof *of_definitions; i++)
        model_fixture_expect(of_definitions[i].sdl, true, of_definitions[i].found);
}

/* With @count parts the only mistake is @found. */
static void expect_repeated(const struct repeated *repeated, uint32_t count, const char *found)
{
    struct text sdl = {0};

    text_add_string(&sdl, repeated->begin);
    for (uint32_t i = 0; i < count; i++) {
        const char *rest = repeated->part;

        for (const char *hash = strchr(rest, '#'); hash != NULL; hash = strchr(rest, '#')) {
            text_add(&sdl, rest, (size_t)(hash - rest));
            text_printf(&sdl, "%u", i);
            rest = hash + 1;
        }
        text_add_string(&sdl, rest);
    }
    text_add(&sdl, repeated->end, strlen(repeated->end) + 1);
    assert_true(text_is_whole(&sdl));
    model_fixture_expect(sdl.bytes, false, found);
    text_done(&sdl);
}

static void what_a_store_has_no_room_for_is_told(void **state)
{
    static const struct repeated defaults = {
        "type T @table { id: Int! a: JSON @default(json: \"\\\"", "0123456789abcdef",
        "\\\"\") } type Query { t: [T] @list }"};
    static const struct repeated names = {"type T @table { id: Int! e: E } " QUERY "enum E { ",
                                          "NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN# ", "}"};
    static const struct repeated columns = {"type T @table { id: Int! ", "c#: Int ",
                                            "} type Query { t: [T] @list }"};
    static const struct repeated tables = {"type Query { t(id: Int!): T0 @get } ",
                                           "type T# @table { id: Int! }\n", ""};

    (void)state;
    expect_repeated(&defaults, 1024, "x:1:49: The default has more than 16384 bytes.\n");
    expect_repeated(&names, 500,
                    "x:1:26: Column \"T.e\" cannot have the enum \"E\": its names have more than "
                    "16384 bytes.\n");
    expect_repeated(&columns, 250, "x:1:6: Type \"T\" has 251 columns, more than 250.\n");
    expect_repeated(&tables, 1001, "x:1001:6: There are 1001 @table types, more than 1000.\n");
}

static void lists_may_not_need_more_indexes_than_a_store_has(void **state)
{
    static const struct repeated lists = {
        "type T @table { id: Int! a: Int b: Int c: Int d: Int e: Int f: Int ",
        "c#: Int l#(a: Int, b: Int, c: Int, d: Int, e: Int, f: Int): [T!]! @list(where: {a: \"a\", "
        "b: \"b\", c: \"c\", d: \"d\", e: \"e\", f: \"f\"}, orderBy: \"c#\")\n",
        "} type Query { t: [T] @list }"};

    (void)state;
    expect_repeated(&lists, 157, "x:1:1: The lists of this schema need more than 10000 indexes.\n");
}

static void values_beyond_a_limit_are_not_looked_at(void **state)
{
    static const struct repeated arguments = {"type Query { x(", "a#: Int ",
                                              "): [T] @list } " TABLE};

    (void)state;
    expect_repeated(&arguments, 1001, "x:1:14: Field \"Query.x\" takes more than 1000 values.\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mistake_in_a_table_is_told_with_its_place),
        cmocka_unit_test(a_directive_stands_only_where_it_means_something),
        cmocka_unit_test(the_definitions_of_directives_must_be_ours),
        cmocka_unit_test(what_a_store_has_no_room_for_is_told),
        cmocka_unit_test(lists_may_not_need_more_indexes_than_a_store_has),
        cmocka_unit_test(values_beyond_a_limit_are_not_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
