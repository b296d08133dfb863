#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/unit/model_fixture.h"

#define QUERY "type Query { t(id: Int!): T @get } "

static void a_template_is_cut_into_its_parts(void **state)
{
    struct model *model = model_fixture_built_in();
    const struct model_field *update = model_fixture_field(model, "Mutation", "updateMessage");
    const struct model_field *updated =
        model_fixture_field(model, "Subscription", "messageUpdated");

    (void)state;
    assert_int_equal(update->template_count, 2);
    assert_int_equal(update->templates[0].part_count, 1);
    model_fixture_expect_name(update->templates[0].parts[0].literal, "message_updates:all");
    assert_int_equal(update->templates[1].part_count, 2);
    assert_int_equal(update->templates[1].parts[1].kind, MODEL_COLUMN_PART);
    assert_int_equal(update->templates[1].parts[1].column, 0);
    assert_int_equal(updated->template_count, 1);
    assert_int_equal(updated->templates[0].parts[0].kind, MODEL_LITERAL);
    assert_int_equal(updated->templates[0].parts[1].kind, MODEL_INPUT_PART);
    assert_true(updated->templates[0].parts[1].has_all);
    model_free(model);
}

static void what_a_subscription_delivers_follows_from_its_type(void **state)
{
    struct model *model = model_fixture_good(
        "type Subscription { rows(a: Int): T! @subscribe(topic: \"a\", where: {a: \"a\"}) "
        "events: Any @subscribe(topic: \"a\") objects: Note! @subscribe(topic: \"a\") } "
        "type Any { data: JSON time: DateTime! epoch: ID! seq: ID! topic: String! } "
        "type Note { topic: String! data: Note } "
        "type T @table { id: Int! a: Int } " QUERY);

    (void)state;
    assert_int_equal(model_fixture_field(model, "Subscription", "rows")->delivery, MODEL_ROWS);
    assert_int_equal(model_fixture_field(model, "Subscription", "rows")->condition_count, 1);
    assert_int_equal(model_fixture_field(model, "Subscription", "events")->delivery, MODEL_EVENTS);
    assert_int_equal(model_fixture_field(model, "Subscription", "objects")->delivery,
                     MODEL_OBJECTS);
    assert_null(model_fixture_field(model, "Subscription", "objects")->table);
    model_free(model);
}

static bool is_row_topic(const struct model *model, const char *topic)
{
    /* Memory that ends where the name ends. */
    size_t size = strlen(topic);
    char *copy = malloc(size + 1);
    bool is;

    assert_non_null(copy);
    memcpy(copy + 1, topic, size);
    is = model_is_row_topic(model, copy + 1, size);
    free(copy);
    return is;
}

static void row_topics_are_those_that_a_mutation_can_write_to(void **state)
{
    static const char *const rows[] = {"messages",
                                       "users",
                                       "message_updates:all",
                                       "comments:7",
                                       "comments:-7",
                                       "message_deletes:12",
                                       "reactions:00012",
                                       "message_updates:2147483648"};
    static const char *const others[] = {"message",
                                         "messages2",
                                         "comments:",
                                         "comments:-",
                                         "comments:all",
                                         "comments:x",
                                         "comments:7x",
                                         "comments:1-",
                                         "message_updates:",
                                         "message_updates:-1",
                                         "news",
                                         "message_updates:all2",
                                         "",
                                         "comments:7:8"};
    struct model *model = model_fixture_built_in();

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_true(is_row_topic(model, rows[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(is_row_topic(model, others[i]));
    assert_false(model->has_any_row_topic);
    model_free(model);
}

static void parts_are_what_their_columns_can_hold(void **state)
{
    static const char *const rows[] = {"b:true",
                                       "b:false",
                                       "e:RED",
                                       "e:REDDER",
                                       "s:",
                                       "s:any/é",
                                       "m-5-RED",
                                       "m--5-RED",
                                       "m-1-true-REDDER",
                                       "mx-5-1true-RED",
                                       "m1-2--3-4-5-false-REDDER"};
    static const char *const others[] = {"b:",       "b:TRUE",        "e:", "e:REDD",
                                         "m-5-BLUE", "m5-trueRED",    "i:", "i:-1",
                                         "i:x",      "m1-x2-true-RED"};
    struct model *model = model_fixture_good(
        "type Mutation { c(b: Boolean, e: E, s: String, a: Int): T @create(topics: [\"b:{b}\", "
        "\"e:{e}\", \"s:{s}\", \"i:{id}\", \"m{s}-{a}-{b}-{e}\", \"m{s}-{a}-{e}\", "
        "\"m{s}-{a}{b}-{e}\"]) } enum E { RED REDDER } "
        "type T @table { id: ID! a: Int b: Boolean e: E s: String } "
        "type Query { t(id: ID!): T @get }");

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!is_row_topic(model, rows[i]))
            fail_msg("%s", rows[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (is_row_topic(model, others[i]))
            fail_msg("%s", others[i]);
    }
    assert_true(is_row_topic(model, "i:12"));
    model_free(model);
}

static void a_name_that_is_too_long_is_no_row_topic(void **state)
{
    struct model *model =
        model_fixture_good("type Mutation { c(s: String): T @create(topics: [\"s{s}\"]) } "
                           "type T @table { id: Int! s: String } " QUERY);
    char name[257];

    (void)state;
    memset(name, 's', sizeof name - 1);
    name[256] = '\0';
    assert_false(is_row_topic(model, name));
    assert_true(is_row_topic(model, name + 1));
    model_free(model);
}

static void a_template_that_begins_with_text_makes_every_topic_a_row_topic(void **state)
{
    struct model *model = model_fixture_good(
        "type Mutation { c(s: String, a: Int): T @create(topics: [\"{a}x\", \"{s}\"]) } "
        "type T @table { id: Int! s: String a: Int } " QUERY);

    (void)state;
    assert_true(model->has_any_row_topic);
    assert_true(is_row_topic(model, "whatever"));
    model_free(model);
    model = model_fixture_good("type Mutation { c(a: Int): T @create(topics: [\"{a}x\", \"{id}\"]) "
                               "} type T @table { id: ID! a: Int } type Query { t(id: ID!): T @get "
                               "}");
    assert_false(model->has_any_row_topic);
    assert_true(is_row_topic(model, "-7x"));
    assert_true(is_row_topic(model, "7"));
    assert_false(is_row_topic(model, "x"));
    model_free(model);
}

static void a_hostile_name_costs_no_more_than_its_length(void **state)
{
    /* Whoever tried every way of cutting it up would not come to an end. */
    struct model *model = model_fixture_good(
        "type Mutation { c(s: String): T @create(topics: [\"{s}a{s}a{s}a{s}a{s}a{s}a{s}a{s}b\"]) } "
        "type T @table { id: Int! s: String } " QUERY);
    char name[256];

    (void)state;
    memset(name, 'a', sizeof name - 1);
    name[255] = '\0';
    assert_false(is_row_topic(model, name));
    name[254] = 'b';
    assert_true(is_row_topic(model, name));
    model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_is_cut_into_its_parts),
        cmocka_unit_test(what_a_subscription_delivers_follows_from_its_type),
        cmocka_unit_test(row_topics_are_those_that_a_mutation_can_write_to),
        cmocka_unit_test(parts_are_what_their_columns_can_hold),
        cmocka_unit_test(a_name_that_is_too_long_is_no_row_topic),
        cmocka_unit_test(a_template_that_begins_with_text_makes_every_topic_a_row_topic),
        cmocka_unit_test(a_hostile_name_costs_no_more_than_its_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
