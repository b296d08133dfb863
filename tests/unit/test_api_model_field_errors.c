/* What is wrong with what fields do, and with topics: every start-up error of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include "tests/unit/model_fixture.h"

/* A schema's queries, and a table of all kinds of columns. */
#define QUERY "type Query { t(id: Int!): T @get } "
#define TABLE                                                                                      \
    "type T @table { id: Int! a: Int! s: String j: JSON l: [Int!] d: DateTime f: Float e: E b: "   \
    "Boolean i: ID } enum E { A B } "

/* A field "x" of the root type in question. */
struct field {
    const char *field; /* behind its name */
    const char *types; /* besides TABLE; NULL: none */
    const char *found; /* a line for each mistake */
};

static const struct field of_queries[] = {
    {": Int @value(json: \"x\")", NULL,
     "x:1:34: The value is no JSON: value expected at offset 0.\n"},
    {": Int! @value(json: \"null\")", NULL, "x:1:35: The value does not fit the type \"Int!\".\n"},
    {": E @value(json: \"\\\"C\\\"\")", NULL, "x:1:32: The value does not fit the type \"E\".\n"},
    {": T @value(json: \"{}\")", NULL,
     "x:1:14: Field \"Query.x\" with @value must be of a scalar, an enum or a list of them: it is "
     "\"T\".\n"},
    {"(y: Int): Int @value(json: \"1\")", NULL,
     "x:1:16: Nothing in \"Query.x\" uses argument \"y\".\n"},
    {": Int! @position", NULL,
     "x:1:14: Field \"Query.x\" with @position must be of a type with exactly the fields epoch and "
     "seq: it is \"Int!\".\n"},
    {": P @position", "type P { epoch: Int! seq: [ID] }",
     "x:1:161: \"P.epoch\" must be of type \"ID!\": it is \"Int!\".\n"
     "x:1:173: \"P.seq\" must be of type \"ID!\": it is \"[ID]\".\n"},
    {": P @position", "type P { epoch: ID! sec: ID! }",
     "x:1:14: Field \"Query.x\" with @position must be of a type with exactly the fields epoch and "
     "seq: it is \"P\".\n"},
    {"(y: Int): P @position", "type P { epoch: ID! seq: ID! }",
     "x:1:16: Nothing in \"Query.x\" uses argument \"y\".\n"},
    {"(id: Int!): Int @get", NULL,
     "x:1:14: Field \"Query.x\" with @get must be of a @table type: it is \"Int\".\n"},
    {"(id: Int!): [T] @get", NULL,
     "x:1:14: Field \"Query.x\" with @get must be of a @table type: it is \"[T]\".\n"},
    {": T @get", NULL, "x:1:19: \"id\" is no argument of \"Query.x\".\n"},
    {"(id: String!): T @get", NULL,
     "x:1:32: The argument \"id\" of type \"String!\" cannot be compared with column \"id\" of "
     "type \"Int!\".\n"},
    {"(id: ID!): T @get", NULL,
     "x:1:28: The argument \"id\" of type \"ID!\" cannot be compared with column \"id\" of type "
     "\"Int!\".\n"},
    {"(id: [Int!]!): T @get", NULL,
     "x:1:32: The argument \"id\" of type \"[Int!]!\" cannot be compared with column \"id\" of "
     "type \"Int!\".\n"},
    {"(ids: Int!): T @get", NULL,
     "x:1:30: \"id\" is no argument of \"Query.x\". Did you mean \"ids\"?\n"},
    {"(id: Int!, y: Int): T @get", NULL, "x:1:26: Nothing in \"Query.x\" uses argument \"y\".\n"},
    {"(s: String): T @get(where: {})", NULL,
     "x:1:42: @get needs a column to find a row by: `where` is empty.\n"},
    {"(s: String): T @get(where: \"s\")", NULL,
     "x:1:42: `where` must be an object: {column: \"argument\"}.\n"},
    {"(s: String): T @get(where: [\"s\"])", NULL,
     "x:1:42: `where` must be an object: {column: \"argument\"}.\n"},
    {"(s: String): T @get(where: {s: s})", NULL,
     "x:1:46: `where` names what a column is compared with: a string is expected here.\n"},
    {"(s: String): T @get(where: {s: 1})", NULL,
     "x:1:46: `where` names what a column is compared with: a string is expected here.\n"},
    {"(s: String): T @get(where: {ss: \"s\"})", NULL,
     "x:1:43: \"ss\" is no column of \"T\". Did you mean \"s\"?\n"},
    {"(s: String): T @get(where: {zzzzzz: \"s\"})", NULL,
     "x:1:43: \"zzzzzz\" is no column of \"T\". It can be \"id\", \"a\", \"s\", \"j\", \"l\", "
     "\"d\", \"f\", \"e\", \"b\" or \"i\".\n"},
    {"(s: String): T @get(where: {s: \"t\"})", NULL,
     "x:1:46: \"t\" is no argument of \"Query.x\". Did you mean \"s\"?\n"},
    {"(s: Int): T @get(where: {s: \"s\"})", NULL,
     "x:1:43: The argument \"s\" of type \"Int\" cannot be compared with column \"s\" of type "
     "\"String\".\n"},
    {"(s: Float): T @get(where: {a: \"s\"})", NULL,
     "x:1:45: The argument \"s\" of type \"Float\" cannot be compared with column \"a\" of type "
     "\"Int!\".\n"},
    {"(j: JSON): T @get(where: {j: \"j\"})", NULL,
     "x:1:41: Column \"j\" of type \"JSON\" cannot be compared with anything.\n"},
    {"(l: [Int!]): T @get(where: {l: \"l\"})", NULL,
     "x:1:43: Column \"l\" of type \"[Int!]\" cannot be compared with anything.\n"},
    {"(s: [String]): T @get(where: {s: \"s\"})", NULL,
     "x:1:48: The argument \"s\" of type \"[String]\" cannot be compared with column \"s\" of type "
     "\"String\".\n"},
    {"(s: String): T @get(where: {d: \"s\"})", NULL,
     "x:1:46: The argument \"s\" of type \"String\" cannot be compared with column \"d\" of type "
     "\"DateTime\".\n"},
    {"(s: DateTime): T @get(where: {s: \"s\"})", NULL,
     "x:1:48: The argument \"s\" of type \"DateTime\" cannot be compared with column \"s\" of type "
     "\"String\".\n"},
    {"(s: String): T @get(where: {e: \"s\"})", NULL,
     "x:1:46: The argument \"s\" of type \"String\" cannot be compared with column \"e\" of type "
     "\"E\".\n"},
    {"(s: On): T @get(where: {e: \"s\"})", NULL,
     "x:1:42: The argument \"s\" of type \"On\" cannot be compared with column \"e\" of type "
     "\"E\".\n"},
    {"(s: Int): T @get(where: {a: {gt: \"s\"}})", NULL,
     "x:1:43: There can be no range of \"a\": @get finds one row by values that are equal; @list "
     "has ranges.\n"},
    {"(s: Int): [T] @list(where: {a: {}})", NULL,
     "x:1:46: A range has one or two of gt, gte, lt and lte.\n"},
    {"(s: Int): [T] @list(where: {a: {eq: \"s\"}})", NULL,
     "x:1:47: \"eq\" is none of gt, gte, lt and lte.\n"},
    {"(s: Int, t: Int): [T] @list(where: {a: {gt: \"s\", gte: \"t\"}})", NULL,
     "x:1:64: A range has one lower end.\n"},
    {"(s: Int, t: Int): [T] @list(where: {a: {lt: \"s\", lte: \"t\"}})", NULL,
     "x:1:64: A range has one upper end.\n"},
    {"(s: Int, t: Float): [T] @list(where: {a: {gt: \"s\"}, f: {lt: \"t\"}})", NULL,
     "x:1:70: There can be no range of \"f\": one column of a `where` can have a range, and "
     "another one has.\n"},
    {"(s: Boolean): [T] @list(where: {b: {gt: \"s\"}})", NULL,
     "x:1:50: There can be no range of \"b\": its values have no order.\n"},
    {"(s: E): [T] @list(where: {e: {gt: \"s\"}})", NULL,
     "x:1:44: There can be no range of \"e\": its values have no order.\n"},
    {"(s: Int): [T] @list(where: {id: {gt: \"s\"}})", NULL,
     "x:1:47: There can be no range of \"id\": a list goes on behind a row by its argument "
     "`after`.\n"},
    {"(a: Int, s: String, d: DateTime, f: Float, e: E, b: Boolean, i: ID): [T] @list(where: {a: "
     "\"a\", s: \"s\", d: \"d\", f: \"f\", e: \"e\", b: \"b\", i: \"i\"})",
     NULL, "x:1:101: `where` has 7 columns, more than 6.\n"},
    {": T @list", NULL,
     "x:1:14: Field \"Query.x\" with @list must be of a list of a @table type: it is \"T\".\n"},
    {": [Int!]! @list", NULL,
     "x:1:14: Field \"Query.x\" with @list must be of a list of a @table type: it is "
     "\"[Int!]!\".\n"},
    {": [[T!]!]! @list", NULL,
     "x:1:14: Field \"Query.x\" with @list must be of a list of a @table type: it is "
     "\"[[T!]!]!\".\n"},
    {": [T] @list(orderBy: \"aa\")", NULL,
     "x:1:36: \"aa\" is no column of \"T\". Did you mean \"a\"?\n"},
    {": [T] @list(orderBy: \"j\")", NULL,
     "x:1:36: Rows cannot be ordered by \"j\" of type \"JSON\".\n"},
    {": [T] @list(orderBy: \"l\")", NULL,
     "x:1:36: Rows cannot be ordered by \"l\" of type \"[Int!]\".\n"},
    {"(limit: String): [T] @list", NULL,
     "x:1:16: Argument \"limit\" of \"Query.x\" must be of type \"Int\": it is \"String\".\n"},
    {"(offset: [Int]): [T] @list", NULL,
     "x:1:16: Argument \"offset\" of \"Query.x\" must be of type \"Int\": it is \"[Int]\".\n"},
    {"(after: Int): [T] @list", NULL,
     "x:1:16: Argument \"after\" of \"Query.x\" must be of type \"ID\": it is \"Int\".\n"},
    {"(limit: Int = 1001, offset: Int = -1): [T] @list", NULL,
     "x:1:29: The default of \"limit\" must be from 0 to 1000.\n"
     "x:1:49: The default of \"offset\" must be from 0 to 2147483647.\n"},
    {"(limit: Int): [T] @list(where: {a: \"limit\"})", NULL,
     "x:1:50: Argument \"limit\" says how much of the list is asked for: it is no condition.\n"},
    {"(lmit: Int): [T] @list", NULL, "x:1:16: Nothing in \"Query.x\" uses argument \"lmit\".\n"},
    {"(w: W): [T] @list(where: {a: \"a\"})", "input W { a: Int b: Int }",
     "x:1:190: Nothing in \"Query.x\" uses field \"b\" of argument \"w\".\n"},
    {"(w: W, a: Int): [T] @list(where: {a: \"a\"})", "input W { a: Int }",
     "x:1:52: \"a\" stands more than once among what \"Query.x\" takes.\n"},
    {"(w: W): [T] @list(where: {a: \"w\"})", "input W { a: Int }",
     "x:1:44: \"w\" is no argument of \"Query.x\". Did you mean \"a\"?\n"},
    {"(w: [W]): [T] @list(where: {a: \"a\"})", "input W { a: Int }",
     "x:1:46: \"a\" is no argument of \"Query.x\". Did you mean \"w\"?\n"},
    {"(topic: String!): [Int] @history", NULL,
     "x:1:14: Field \"Query.x\" with @history must be of a list of a type with exactly the fields "
     "topic, seq, epoch, time and data: it is \"[Int]\".\n"},
    {"(topic: String!): Event @history",
     "type Event { topic: String! seq: ID! epoch: ID! time: DateTime! data: JSON }",
     "x:1:14: Field \"Query.x\" with @history must be of a list of a type with exactly the fields "
     "topic, seq, epoch, time and data: it is \"Event\".\n"},
    {": [Event!]! @history",
     "type Event { topic: String! seq: ID! epoch: ID! time: DateTime! data: JSON }",
     "x:1:14: Field \"Query.x\" with @history needs an argument \"topic\" of type \"String!\".\n"},
    {"(topic: String): [Event!]! @history",
     "type Event { topic: String! seq: ID! epoch: ID! time: DateTime! data: JSON }",
     "x:1:14: Field \"Query.x\" with @history needs an argument \"topic\" of type \"String!\".\n"},
    {"(topic: ID!): [Event!]! @history",
     "type Event { topic: String! seq: ID! epoch: ID! time: DateTime! data: JSON }",
     "x:1:16: Argument \"topic\" of \"Query.x\" must be of type \"String\": it is \"ID!\".\n"},
    {"(topic: String!, since: Int, limit: ID, from: Int): [Event!]! @history",
     "type Event { topic: String! seq: ID! epoch: ID! time: DateTime! data: JSON }",
     "x:1:32: Argument \"since\" of \"Query.x\" must be of type \"ID\": it is \"Int\".\n"
     "x:1:44: Argument \"limit\" of \"Query.x\" must be of type \"Int\": it is \"ID\".\n"},
    {"(topic: String!, limit: Int = 2000): [Event!]! @history",
     "type Event { topic: String! seq: ID! epoch: ID! time: DateTime! data: JSON }",
     "x:1:45: The default of \"limit\" must be from 0 to 1000.\n"},
    {"(topic: String!): [Event!]! @history",
     "type Event { topic: String! seq: Int! epoch: ID! time: DateTime! data: JSON! }",
     "x:1:203: \"Event.seq\" must be of type \"ID!\": it is \"Int!\".\n"
     "x:1:240: \"Event.data\" must be of type \"JSON\": it is \"JSON!\".\n"},
    {"(topic: String!): [Event!]! @history",
     "type Event { topic: String! seq: ID! epoch: ID! time: DateTime! data: JSON x: Int }",
     "x:1:14: Field \"Query.x\" with @history must be of a list of a type with exactly the fields "
     "topic, seq, epoch, time and data: it is \"[Event!]!\".\n"},
};

static const struct field of_mutations[] = {
    {": Int @create", NULL,
     "x:1:17: Field \"Mutation.x\" with @create must be of a @table type: it is \"Int\".\n"},
    {": [T] @create", NULL,
     "x:1:17: Field \"Mutation.x\" with @create must be of a @table type: it is \"[T]\".\n"},
    {": P @update", "type P { a: Int }",
     "x:1:17: Field \"Mutation.x\" with @update must be of a @table type: it is \"P\".\n"},
    {"(id: Int!): [T!] @delete", NULL,
     "x:1:17: Field \"Mutation.x\" with @delete must be of a @table type: it is \"[T!]\".\n"},
    {": T @create", NULL,
     "x:1:17: \"Mutation.x\" never sets \"T.a\", which cannot be null: it needs an argument of "
     "that name, or the column @default or @now.\n"},
    {"(a: Int): T @create", NULL,
     "x:1:19: \"Mutation.x\": argument \"a\" can be null, and column \"T.a\" cannot.\n"},
    {"(a: Int!, aa: Int): T @create", NULL,
     "x:1:28: \"Mutation.x\": argument \"aa\" is no column of \"T\". Did you mean \"a\"?\n"},
    {"(a: Int!, zzzz: Int): T @create", NULL,
     "x:1:28: \"Mutation.x\": argument \"zzzz\" is no column of \"T\". It can be \"id\", \"a\", "
     "\"s\", \"j\", \"l\", \"d\", \"f\", \"e\", \"b\" or \"i\".\n"},
    {"(a: Int!, id: Int): T @create", NULL,
     "x:1:28: \"Mutation.x\" cannot set \"id\", which the server gives.\n"},
    {"(a: String!): T @create", NULL,
     "x:1:19: \"Mutation.x\": argument \"a\" of type \"String!\" does not fit column \"T.a\" of "
     "type \"Int!\".\n"},
    {"(a: Float!): T @create", NULL,
     "x:1:19: \"Mutation.x\": argument \"a\" of type \"Float!\" does not fit column \"T.a\" of "
     "type \"Int!\".\n"},
    {"(a: ID!): T @create", NULL,
     "x:1:19: \"Mutation.x\": argument \"a\" of type \"ID!\" does not fit column \"T.a\" of type "
     "\"Int!\".\n"},
    {"(a: Int!, s: Int): T @create", NULL,
     "x:1:28: \"Mutation.x\": argument \"s\" of type \"Int\" does not fit column \"T.s\" of type "
     "\"String\".\n"},
    {"(a: Int!, d: String): T @create", NULL,
     "x:1:28: \"Mutation.x\": argument \"d\" of type \"String\" does not fit column \"T.d\" of "
     "type \"DateTime\".\n"},
    {"(a: Int!, e: String): T @create", NULL,
     "x:1:28: \"Mutation.x\": argument \"e\" of type \"String\" does not fit column \"T.e\" of "
     "type \"E\".\n"},
    {"(a: Int!, l: [String!]): T @create", NULL,
     "x:1:28: \"Mutation.x\": argument \"l\" of type \"[String!]\" does not fit column \"T.l\" of "
     "type \"[Int!]\".\n"},
    {"(a: Int!, l: [Int]): T @create", NULL,
     "x:1:28: \"Mutation.x\": argument \"l\" of type \"[Int]\" does not fit column \"T.l\" of type "
     "\"[Int!]\".\n"},
    {"(a: Int!, l: Int): T @create", NULL,
     "x:1:28: \"Mutation.x\": argument \"l\" of type \"Int\" does not fit column \"T.l\" of type "
     "\"[Int!]\".\n"},
    {"(a: Int!, b: [Boolean]): T @create", NULL,
     "x:1:28: \"Mutation.x\": argument \"b\" of type \"[Boolean]\" does not fit column \"T.b\" of "
     "type \"Boolean\".\n"},
    {"(a: Int!, i: String): T @create", NULL,
     "x:1:28: \"Mutation.x\": argument \"i\" of type \"String\" does not fit column \"T.i\" of "
     "type \"ID\".\n"},
    {"(in: I!): T @create", "input I { a: Int }",
     "x:1:206: \"Mutation.x\": field \"a\" of argument \"in\" can be null, and column \"T.a\" "
     "cannot.\n"},
    {"(in: I): T @create", "input I { a: Int! }",
     "x:1:205: \"Mutation.x\": field \"a\" of argument \"in\" can be null, and column \"T.a\" "
     "cannot.\n"},
    {"(in: I!, a: Int!): T @create", "input I { a: Int! }",
     "x:1:27: \"Mutation.x\": field \"a\" of argument \"in\" and argument \"a\" are the same "
     "column.\n"},
    {"(in: I!): T @create", "input I { a: Int! o: O sx: String } input O { s: String }",
     "x:1:214: \"Mutation.x\": field \"o\" of argument \"in\" is no column of \"T\". Did you mean "
     "\"a\", \"b\", \"d\", \"e\", or \"f\"?\n"
     "x:1:219: \"Mutation.x\": field \"sx\" of argument \"in\" is no column of \"T\". Did you mean "
     "\"s\"?\n"},
    {"(in: [I!]!, a: Int!): T @create", "input I { a: Int! }",
     "x:1:19: \"Mutation.x\": argument \"in\" is no column of \"T\". Did you mean \"i\" or "
     "\"id\"?\n"},
    {"(a: Int!): T @update", NULL,
     "x:1:17: Field \"Mutation.x\" with @update needs an argument \"id\" of type \"Int!\".\n"},
    {"(id: Int): T @update", NULL,
     "x:1:19: \"Mutation.x\": argument \"id\" can be null, and says which row it is.\n"},
    {"(id: ID!): T @update", NULL,
     "x:1:19: The argument \"id\" of \"Mutation.x\" must be of type \"Int!\": it is \"ID!\".\n"},
    {"(id: Int!, in: I!): T @update", "input I { id: Int! }",
     "x:1:17: Field \"Mutation.x\" has more than one \"id\" among what it takes.\n"},
    {"(in: I): T @update", "input I { id: Int! }",
     "x:1:205: \"Mutation.x\": field \"id\" of argument \"in\" can be null, and says which row it "
     "is.\n"},
    {"(id: Int!, x: Int): T @update", NULL,
     "x:1:29: \"Mutation.x\": argument \"x\" is no column of \"T\". Did you mean \"a\", \"b\", "
     "\"d\", \"e\", or \"f\"?\n"},
    {"(id: Int!, x: Int): T @update(if: {a: \"y\"})", NULL,
     "x:1:56: \"y\" is no argument of \"Mutation.x\". Did you mean \"x\"?\n"
     "x:1:29: \"Mutation.x\": argument \"x\" is no column of \"T\". Did you mean \"a\", \"b\", "
     "\"d\", \"e\", or \"f\"?\n"},
    {"(id: Int!, x: Int): T @update(if: {aa: \"x\"})", NULL,
     "x:1:53: \"aa\" is no column of \"T\". Did you mean \"a\"?\n"},
    {"(id: Int!, x: String): T @update(if: {a: \"x\"})", NULL,
     "x:1:59: The argument \"x\" of type \"String\" cannot be compared with column \"a\" of type "
     "\"Int!\".\n"},
    {"(id: Int!, x: Int): T @update(if: {a: {gt: \"x\"}})", NULL,
     "x:1:56: There can be no range of \"a\": `if` compares for equality.\n"},
    {"(id: Int!, x: Int): T @update(if: {id: \"x\"})", NULL,
     "x:1:53: \"id\" says which row it is: `if` is about its other columns.\n"},
    {"(id: Int!, x: JSON): T @update(if: {j: \"x\"})", NULL,
     "x:1:54: Column \"j\" of type \"JSON\" cannot be compared with anything.\n"},
    {"(id: Int!): T @update(if: \"x\")", NULL,
     "x:1:44: `if` must be an object: {column: \"argument\"}.\n"},
    {": T @delete", NULL,
     "x:1:17: Field \"Mutation.x\" with @delete needs an argument \"id\" of type \"Int!\".\n"},
    {"(id: Int!, a: Int): T @delete", NULL,
     "x:1:29: Nothing in \"Mutation.x\" uses argument \"a\".\n"},
    {"(id: Float!): T @delete", NULL,
     "x:1:19: The argument \"id\" of \"Mutation.x\" must be of type \"Int!\": it is \"Float!\".\n"},
    {"(topic: String!, data: JSON!): Int @publish", NULL,
     "x:1:17: Field \"Mutation.x\" with @publish must be of a type with exactly the fields topic, "
     "seq, epoch, time and data: it is \"Int\".\n"},
    {"(topic: String!, data: JSON!): [Event] @publish",
     "type Event { topic: String! seq: ID! epoch: ID! time: DateTime! data: JSON }",
     "x:1:17: Field \"Mutation.x\" with @publish must be of a type with exactly the fields topic, "
     "seq, epoch, time and data: it is \"[Event]\".\n"},
    {"(topic: String!): Event! @publish",
     "type Event { topic: String! seq: ID! epoch: ID! time: DateTime! data: JSON }",
     "x:1:17: Field \"Mutation.x\" with @publish needs an argument \"data\" of type \"JSON!\".\n"},
    {"(data: JSON): Event! @publish",
     "type Event { topic: String! seq: ID! epoch: ID! time: DateTime! data: JSON }",
     "x:1:17: Field \"Mutation.x\" with @publish needs an argument \"topic\" of type "
     "\"String!\".\n"},
    {"(topic: String!, data: String!): Event! @publish",
     "type Event { topic: String! seq: ID! epoch: ID! time: DateTime! data: JSON }",
     "x:1:35: Argument \"data\" of \"Mutation.x\" must be of type \"JSON\": it is \"String!\".\n"},
    {"(topic: String!, data: DateTime!): Event! @publish",
     "type Event { topic: String! seq: ID! epoch: ID! time: DateTime! data: JSON }",
     "x:1:35: Argument \"data\" of \"Mutation.x\" must be of type \"JSON\": it is "
     "\"DateTime!\".\n"},
    {"(topic: String!, data: JSON!, x: Int): Event! @publish",
     "type Event { topic: String! seq: ID! epoch: ID! time: DateTime! data: JSON }",
     "x:1:48: Nothing in \"Mutation.x\" uses argument \"x\".\n"},
};

static const struct field of_topics[] = {
    {"(a: Int!): T @create(topics: [\"a{a\"])", NULL,
     "x:1:48: The braces of a topic do not match.\n"},
    {"(a: Int!): T @create(topics: [\"a}\"])", NULL,
     "x:1:48: The braces of a topic do not match.\n"},
    {"(a: Int!): T @create(topics: [\"{a{b}\"])", NULL,
     "x:1:48: The braces of a topic do not match.\n"},
    {"(a: Int!): T @create(topics: [\"a{}\"])", NULL,
     "x:1:48: A topic's braces hold a name, or a name and \"|all\": not \"{}\".\n"},
    {"(a: Int!): T @create(topics: [\"{a b}\"])", NULL,
     "x:1:48: A topic's braces hold a name, or a name and \"|all\": not \"{a b}\".\n"},
    {"(a: Int!): T @create(topics: [\"{a|any}\"])", NULL,
     "x:1:48: A topic's braces hold a name, or a name and \"|all\": not \"{a|any}\".\n"},
    {"(a: Int!): T @create(topics: [\"{|all}\"])", NULL,
     "x:1:48: A topic's braces hold a name, or a name and \"|all\": not \"{|all}\".\n"},
    {"(a: Int!): T @create(topics: [\"{1a}\"])", NULL,
     "x:1:48: A topic's braces hold a name, or a name and \"|all\": not \"{1a}\".\n"},
    {"(a: Int!): T @create(topics: \"{aa}\")", NULL,
     "x:1:47: \"{aa}\" is no column of \"T\". Did you mean \"a\"?\n"},
    {"(a: Int!): T @create(topics: [\"{zzzzz}\"])", NULL,
     "x:1:48: \"{zzzzz}\" is no column of \"T\". It can be \"id\", \"a\", \"s\", \"j\", \"l\", "
     "\"d\", \"f\", \"e\", \"b\" or \"i\".\n"},
    {"(a: Int!): T @create(topics: [\"x:{a|all}\"])", NULL,
     "x:1:48: \"{a|all}\" is for arguments of subscriptions: a row's null leaves its topic out.\n"},
    {"(a: Int!): T @create(topics: [\"x:{j}\", \"x:{l}\", \"x:{f}\", \"x:{d}\"])", NULL,
     "x:1:48: \"{j}\" of type \"JSON\" cannot be part of a topic: Int, String, ID, Boolean and "
     "enums can.\n"
     "x:1:57: \"{l}\" of type \"[Int!]\" cannot be part of a topic: Int, String, ID, Boolean and "
     "enums can.\n"
     "x:1:66: \"{f}\" of type \"Float\" cannot be part of a topic: Int, String, ID, Boolean and "
     "enums can.\n"
     "x:1:75: \"{d}\" of type \"DateTime\" cannot be part of a topic: Int, String, ID, Boolean and "
     "enums can.\n"},
    {"(a: Int!): T @create(topics: [\"\"])", NULL,
     "x:1:48: No topic has such a name: it has 1 to 255 bytes, no control characters, and does not "
     "begin with \"$\".\n"},
    {"(a: Int!): T @create(topics: [\"$a\"])", NULL,
     "x:1:48: No topic has such a name: it has 1 to 255 bytes, no control characters, and does not "
     "begin with \"$\".\n"},
    {"(a: Int!): T @create(topics: [\"a\\u0007\"])", NULL,
     "x:1:48: No topic has such a name: it has 1 to 255 bytes, no control characters, and does not "
     "begin with \"$\".\n"},
    {"(a: Int!): T @create(topics: [\"a\\u0085{a}\"])", NULL,
     "x:1:48: No topic has such a name: it has 1 to 255 bytes, no control characters, and does not "
     "begin with \"$\".\n"},
    {"(a: Int!): T @create(topics: "
     "[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"])",
     NULL,
     "x:1:48: No topic has such a name: it has 1 to 255 bytes, no control characters, and does not "
     "begin with \"$\".\n"},
    {"(a: Int!): T @create(topics: [\"{a}{a}{a}{a}{a}{a}{a}{a}{a}{a}{a}{a}{a}{a}{a}{a}{a}\"])",
     NULL, "x:1:48: A topic has at most 16 parts: texts, and what stands in braces.\n"},
    {"(a: Int!): T @create(topics: [\"a0\" \"a1\" \"a2\" \"a3\" \"a4\" \"a5\" \"a6\" \"a7\" \"a8\" "
     "\"a9\" \"a10\" \"a11\" \"a12\" \"a13\" \"a14\" \"a15\" \"a16\"])",
     NULL, "x:1:47: There are 17 topics, more than 16.\n"},
};

static const struct field of_subscriptions[] = {
    {": T! @subscribe(topic: \"\")", NULL,
     "x:1:45: No topic has such a name: it has 1 to 255 bytes, no control characters, and does not "
     "begin with \"$\".\n"},
    {": T! @subscribe(topic: \"$x\")", NULL,
     "x:1:45: No topic has such a name: it has 1 to 255 bytes, no control characters, and does not "
     "begin with \"$\".\n"},
    {": T! @subscribe(topic: \"a{b}\")", NULL,
     "x:1:45: \"{b}\" is no argument of \"Subscription.x\".\n"},
    {"(bb: Int!): T! @subscribe(topic: \"a{b}\")", NULL,
     "x:1:55: \"{b}\" is no argument of \"Subscription.x\". Did you mean \"bb\"?\n"},
    {"(b: Int): T! @subscribe(topic: \"a{b}\")", NULL,
     "x:1:53: \"{b}\" can be null: it needs a type with \"!\", or \"|all\".\n"},
    {"(b: String): T! @subscribe(topic: \"a{b}\")", NULL,
     "x:1:56: \"{b}\" can be null: it needs a type with \"!\".\n"},
    {"(b: String): T! @subscribe(topic: \"a{b|all}\")", NULL,
     "x:1:56: \"{b|all}\" is for Int: \"b\" is of type \"String\".\n"},
    {"(b: [Int]): T! @subscribe(topic: \"a{b|all}\")", NULL,
     "x:1:55: \"{b}\" of type \"[Int]\" cannot be part of a topic: Int, String, ID, Boolean and "
     "enums can.\n"},
    {"(b: Float!): T! @subscribe(topic: \"a{b}\")", NULL,
     "x:1:56: \"{b}\" of type \"Float!\" cannot be part of a topic: Int, String, ID, Boolean and "
     "enums can.\n"},
    {"(b: JSON!): T! @subscribe(topic: \"a{b}\")", NULL,
     "x:1:55: \"{b}\" of type \"JSON!\" cannot be part of a topic: Int, String, ID, Boolean and "
     "enums can.\n"},
    {"(b: DateTime!): T! @subscribe(topic: \"a{b}\")", NULL,
     "x:1:59: \"{b}\" of type \"DateTime!\" cannot be part of a topic: Int, String, ID, Boolean "
     "and enums can.\n"},
    {"(b: I!, c: I!): T! @subscribe(topic: \"a{d}\")", "input I { d: Int! }",
     "x:1:59: \"d\" stands more than once among what \"Subscription.x\" takes.\n"},
    {"(b: I): T! @subscribe(topic: \"a{d}\")", "input I { d: ID! }",
     "x:1:51: \"{d}\" can be null: it needs a type with \"!\".\n"},
    {"(b: I!): T! @subscribe(topic: \"a{b}\")", "input I { d: Int! }",
     "x:1:52: \"{b}\" is no argument of \"Subscription.x\". Did you mean \"d\"?\n"},
    {": Int! @subscribe(topic: \"a\")", NULL,
     "x:1:21: Field \"Subscription.x\" with @subscribe must be of an object type that is no root: "
     "it is \"Int!\".\n"},
    {": [T] @subscribe(topic: \"a\")", NULL,
     "x:1:21: Field \"Subscription.x\" with @subscribe must be of an object type that is no root: "
     "it is \"[T]\".\n"},
    {": Query @subscribe(topic: \"a\")", NULL,
     "x:1:21: Field \"Subscription.x\" with @subscribe must be of an object type that is no root: "
     "it is \"Query\".\n"},
    {"(b: Int): T @subscribe(topic: \"a\")", NULL,
     "x:1:23: Nothing in \"Subscription.x\" uses argument \"b\".\n"},
    {"(b: Int): Event @subscribe(topic: \"a\", where: {data: \"b\"})",
     "type Event { topic: String! seq: ID! epoch: ID! time: DateTime! data: JSON }",
     "x:1:68: `where` is about rows, and \"Event\" is no @table type.\n"},
    {"(b: Int): T @subscribe(topic: \"a\", where: {x: \"b\"})", NULL,
     "x:1:65: \"x\" is no column of \"T\". Did you mean \"a\", \"b\", \"d\", \"e\", or \"f\"?\n"},
    {"(b: Int): T @subscribe(topic: \"a\", where: {a: \"c\"})", NULL,
     "x:1:68: \"c\" is no argument of \"Subscription.x\". Did you mean \"b\"?\n"},
    {"(b: JSON): T @subscribe(topic: \"a\", where: {j: \"b\"})", NULL,
     "x:1:66: Column \"j\" of type \"JSON\" cannot be compared with anything.\n"},
    {"(b: String): T @subscribe(topic: \"a\", where: {a: \"b\"})", NULL,
     "x:1:71: The argument \"b\" of type \"String\" cannot be compared with column \"a\" of type "
     "\"Int!\".\n"},
};

/* --- the tests -------------------------------------------------------------------------------- */

static void expect(const char *begin, const struct field *field, const char *end)
{
    struct text sdl = {0};

    text_add_string(&sdl, begin);
    text_add_string(&sdl, field->field);
    text_add_string(&sdl, " } ");
    text_add_string(&sdl, end);
    text_add_string(&sdl, field->types == NULL ? "" : field->types);
    text_add(&sdl, "", 1);
    assert_true(text_is_whole(&sdl));
    model_fixture_expect(sdl.bytes, false, field->found);
    text_done(&sdl);
}

static void a_mistake_in_a_query_is_told_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof of_queries / sizeof *of_queries; i++)
        expect("type Query { x", &of_queries[i], TABLE);
}

static void conditions_below_a_row_ask_for_its_columns_too(void **state)
{
    (void)state;
    model_fixture_expect(
        "type T @table { id: Int! s: String u: U @get(where: {id: \"sid\"}) us: [U!]! @list(where: "
        "{i: \"s\"}) v: [U!]! @list(where: {i: \"j\"}) j: JSON w(x: String): U @get(where: {i: "
        "\"s\"}) } type U @table { id: Int! i: Int } " QUERY,
        false,
        "x:1:58: \"sid\" is no argument of \"T.u\", and no column of its type. Did you mean \"id\" "
        "or \"s\"?\n"
        "x:1:93: The parent's column \"s\" of type \"String\" cannot be compared with column \"i\" "
        "of type \"Int\".\n"
        "x:1:125: The parent's column \"j\" of type \"JSON\" cannot be compared with column \"i\" "
        "of type \"Int\".\n"
        "x:1:171: The parent's column \"s\" of type \"String\" cannot be compared with column "
        "\"i\" of type \"Int\".\n");
}

static void a_mistake_in_a_mutation_is_told_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof of_mutations / sizeof *of_mutations; i++)
        expect("type Mutation { x", &of_mutations[i], QUERY TABLE);
}

static void a_mistake_in_a_topic_is_told_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof of_topics / sizeof *of_topics; i++)
        expect("type Mutation { x", &of_topics[i], QUERY TABLE);
}

static void a_mistake_in_a_subscription_is_told_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof of_subscriptions / sizeof *of_subscriptions; i++)
        expect("type Subscription { x", &of_subscriptions[i], QUERY TABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mistake_in_a_query_is_told_with_its_place),
        cmocka_unit_test(conditions_below_a_row_ask_for_its_columns_too),
        cmocka_unit_test(a_mistake_in_a_mutation_is_told_with_its_place),
        cmocka_unit_test(a_mistake_in_a_topic_is_told_with_its_place),
        cmocka_unit_test(a_mistake_in_a_subscription_is_told_with_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
