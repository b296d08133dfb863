#include "tests/unit/graphql_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

void graphql_fixture_init(struct graphql_fixture *fixture, size_t region_bytes_max)
{
    *fixture = (struct graphql_fixture){.source = NULL};
    region_init(&fixture->region, region_bytes_max);
    graphql_errors_init(&fixture->errors, &fixture->region);
}

void graphql_fixture_done(struct graphql_fixture *fixture)
{
    text_done(&fixture->out);
    free(fixture->source);
    region_done(&fixture->region);
}

struct ast_document *graphql_fixture_parse_limited(struct graphql_fixture *fixture,
                                                   struct ast_text source,
                                                   const struct parser_limits *limits)
{
    free(fixture->source);
    fixture->source = malloc(source.size > 0 ? source.size : 1);
    assert_non_null(fixture->source);
    memcpy(fixture->source, source.bytes, source.size);
    return parser_parse((struct ast_text){fixture->source, source.size}, "test.graphql", limits,
                        &fixture->region, &fixture->errors);
}

int graphql_fixture_setup(void **state)
{
    static struct graphql_fixture fixture;

    graphql_fixture_init(&fixture, FIXTURE_REGION_BYTES);
    *state = &fixture;
    return 0;
}

int graphql_fixture_teardown(void **state)
{
    graphql_fixture_done(*state);
    return 0;
}

struct ast_document *graphql_fixture_parse(struct graphql_fixture *fixture, const char *source)
{
    return graphql_fixture_parse_limited(
        fixture, (struct ast_text){source, (uint32_t)strlen(source)}, &PARSER_LIMITS_SDL);
}

const char *graphql_fixture_take(struct graphql_fixture *fixture)
{
    text_add(&fixture->out, "", 1);
    assert_true(text_is_whole(&fixture->out));
    fixture->out.size = 0;
    return fixture->out.bytes;
}

const char *graphql_fixture_errors(struct graphql_fixture *fixture)
{
    fixture->out.size = 0;
    graphql_errors_write(&fixture->errors, &fixture->out);
    return graphql_fixture_take(fixture);
}
