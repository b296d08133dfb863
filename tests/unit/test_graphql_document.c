#include "server/graphql/document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/unit/schema_fixture.h"

enum {
    COUNT_MAX = 4,
    BYTES_MAX = 1024 * 1024,
    SOURCE_BYTES_MAX = 4000,
};

struct fixture {
    struct graphql_fixture base;
    struct schema *schema;
    struct document_cache *cache;
};

static int setup(void **state)
{
    struct fixture *f = malloc(sizeof *f);
    struct document_cache_options options = {
        .limits = PARSER_LIMITS_SDL,
        .count_max = COUNT_MAX,
        .bytes_max = BYTES_MAX,
    };

    assert_non_null(f);
    graphql_fixture_init(&f->base, FIXTURE_REGION_BYTES);
    f->schema = schema_fixture_good(&f->base, "type Query { a: Int b(c: String): Int }");
    options.schema = f->schema;
    options.limits.source_bytes_max = SOURCE_BYTES_MAX;
    assert_int_equal(document_cache_open(&options, &f->cache), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    document_cache_close(f->cache);
    schema_free(f->schema);
    graphql_fixture_done(&f->base);
    free(f);
    return 0;
}

/* A copy that is gone at once, and ends where it ends. */
static const struct document *get(struct fixture *f, const char *text)
{
    size_t size = strlen(text);
    char *copy = malloc(size > 0 ? size : 1);
    const struct document *document;

    assert_non_null(copy);
    memcpy(copy, text, size);
    document = document_get(f->cache, copy, size);
    free(copy);
    assert_non_null(document);
    return document;
}

/* Gets it and gives it back; whether it was there before is seen by its address. */
static const struct document *touch(struct fixture *f, const char *text)
{
    const struct document *document = get(f, text);

    document_unref(document);
    return document;
}

static void a_document_is_parsed_once(void **state)
{
    const struct document *first = get(*state, "{ a }");
    const struct document *again = get(*state, "{ a }");
    const struct document *other = get(*state, "{ a  }");

    assert_ptr_equal(first, again);
    assert_ptr_not_equal(first, other);
    assert_int_equal(first->errors->count, 0);
    assert_int_equal(first->tree->definition_count, 1);
    assert_string_equal(first->tree->name, "GraphQL request");
    document_unref(first);
    document_unref(again);
    document_unref(other);
    document_unref(NULL);
}

static void errors_are_kept_like_trees(void **state)
{
    struct fixture *f = *state;
    const struct document *broken = get(f, "{ a");
    const struct document *invalid = get(f, "{\n  no }");
    const struct document *empty = get(f, "");

    assert_null(broken->tree);
    assert_int_equal(broken->errors->count, 1);
    assert_int_equal(broken->errors->first->code, GRAPHQL_PARSE_FAILED);
    assert_non_null(invalid->tree);
    assert_int_equal(invalid->errors->count, 1);
    assert_int_equal(invalid->errors->first->code, GRAPHQL_VALIDATION_FAILED);
    f->base.out.size = 0;
    graphql_errors_write(invalid->errors, &f->base.out);
    assert_non_null(strstr(graphql_fixture_take(&f->base), "{\"line\":2,\"column\":3}"));
    assert_null(empty->tree);
    assert_ptr_equal(broken, touch(f, "{ a"));
    assert_ptr_equal(invalid, touch(f, "{\n  no }"));
    document_unref(broken);
    document_unref(invalid);
    document_unref(empty);
}

static void the_least_recently_used_is_dropped(void **state)
{
    struct fixture *f = *state;
    const struct document *a = get(f, "{ a }");
    const struct document *b = get(f, "{ b }");

    (void)touch(f, "{ c }");
    (void)touch(f, "{ d }");
    assert_ptr_equal(a, touch(f, "{ a }"));
    (void)touch(f, "{ e }"); /* instead of b, which is the oldest now */
    assert_ptr_equal(a, touch(f, "{ a }"));
    assert_ptr_not_equal(b, touch(f, "{ b }"));
    assert_int_equal(b->errors->count, 0); /* a reference keeps it */
    assert_int_equal(b->tree->definition_count, 1);
    document_unref(a);
    document_unref(b);
}

static void memory_is_bounded_too(void **state)
{
    struct fixture *f = *state;
    struct document_cache_options options = {
        .schema = f->schema,
        .limits = PARSER_LIMITS_SDL,
        .count_max = 1000,
        .bytes_max = 1, /* less than any document */
    };
    struct document_cache *cache;
    const struct document *first;
    const struct document *again;

    assert_int_equal(document_cache_open(&options, &cache), 0);
    first = document_get(cache, "{ a }", 5);
    again = document_get(cache, "{ a }", 5);
    assert_ptr_not_equal(first, again); /* it was not kept */
    assert_int_equal(first->errors->count, 0);
    assert_int_equal(again->errors->count, 0);
    document_unref(first);
    document_unref(again);
    document_cache_close(cache);
}

static void what_is_too_long_is_refused_and_not_kept(void **state)
{
    struct fixture *f = *state;
    char *text = malloc(SOURCE_BYTES_MAX + 1);
    const struct document *first;
    const struct document *again;

    assert_non_null(text);
    memset(text, ' ', SOURCE_BYTES_MAX + 1);
    memcpy(text, "{ a }", 5);
    first = document_get(f->cache, text, SOURCE_BYTES_MAX);
    assert_int_equal(first->errors->count, 0);
    document_unref(first);
    first = document_get(f->cache, text, SOURCE_BYTES_MAX + 1);
    again = document_get(f->cache, text, SOURCE_BYTES_MAX + 1);
    free(text);
    assert_ptr_not_equal(first, again);
    assert_null(first->tree);
    assert_int_equal(first->errors->first->code, GRAPHQL_LIMIT_EXCEEDED);
    f->base.out.size = 0;
    graphql_errors_write(first->errors, &f->base.out); /* its places are in the copy */
    assert_non_null(graphql_fixture_take(&f->base));
    document_unref(first);
    document_unref(again);
}

static void references_outlive_the_cache(void **state)
{
    struct fixture *f = *state;
    const struct document *document = get(f, "{ a }");

    assert_ptr_equal(document_ref(document), document);
    document_unref(document);
    document_cache_close(f->cache);
    f->cache = NULL;
    assert_int_equal(document->tree->definition_count, 1);
    assert_true(ast_text_is(document->tree->source, "{ a }"));
    document_unref(document);
    document_cache_close(NULL);
}

/* Against a list that is searched: the same documents are there. */
static void who_holds_a_document_twice_pays_once(void **state)
{
    struct fixture *f = *state;
    const struct document *document = get(f, "{ a }");
    size_t bytes = document_hold(document);

    assert_in_range(bytes, 1, BYTES_MAX);
    assert_int_equal(document_hold(document), 0);
    assert_int_equal(document_let_go(document), 0);
    assert_int_equal(document_let_go(document), bytes);
    assert_int_equal(document_hold(document), bytes);
    assert_int_equal(document_let_go(document), bytes);
    document_unref(document);
}

static void it_holds_what_was_used_last(void **state)
{
    enum { TEXTS = 12, ROUNDS = 5000 };
    struct fixture *f = *state;
    const struct document *kept[TEXTS] = {NULL};
    int recent[COUNT_MAX] = {-1, -1, -1, -1};
    uint32_t random = 1;

    for (int i = 0; i < ROUNDS; i++) {
        char text[] = "{ a#_ \n}";
        const struct document *document;
        int index;
        int place = 0;

        random = random * 1664525 + 1013904223;
        index = (int)((random >> 16) % TEXTS);
        text[4] = (char)('a' + index);
        document = get(f, text);
        while (place < COUNT_MAX && recent[place] != index)
            place++;
        if (place < COUNT_MAX)
            assert_ptr_equal(document, kept[index]);
        else if (kept[index] != NULL)
            assert_ptr_not_equal(document, kept[index]);
        if (place == COUNT_MAX)
            place--;
        memmove(recent + 1, recent, (size_t)place * sizeof *recent);
        recent[0] = index;
        if (document == kept[index]) {
            document_unref(document);
        } else {
            document_unref(kept[index]);
            kept[index] = document; /* so that no address is used again meanwhile */
        }
    }
    for (int i = 0; i < TEXTS; i++)
        document_unref(kept[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_document_is_parsed_once),
        TEST(errors_are_kept_like_trees),
        TEST(the_least_recently_used_is_dropped),
        TEST(memory_is_bounded_too),
        TEST(what_is_too_long_is_refused_and_not_kept),
        TEST(references_outlive_the_cache),
        TEST(who_holds_a_document_twice_pays_once),
        TEST(it_holds_what_was_used_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
