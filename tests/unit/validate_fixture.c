#include "tests/unit/validate_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/graphql/validate.h"
#include "tests/unit/schema_fixture.h"

enum {
    PLACES_MAX = 20, /* of one error in a text: each is counted from the beginning */
};

static const char sdl[] =
    "scalar JSON\n"
    "directive @onField(a: Int) on FIELD\n"
    "directive @many(n: Int!) repeatable on FIELD\n"
    "interface Being { id: ID! name(full: Boolean): String }\n"
    "interface Pet implements Being { id: ID! name(full: Boolean): String owner: Human }\n"
    "enum Color { RED GREEN BLUE }\n"
    "type Dog implements Pet & Being { id: ID! name(full: Boolean): String owner: Human\n"
    "  barks: Boolean volume: Int at(x: Int, y: Int = 0): Boolean mother: Dog }\n"
    "type Cat implements Pet & Being { id: ID! name(full: Boolean): String owner: Human\n"
    "  meows: Boolean volume: Float color: Color }\n"
    "type Human implements Being { id: ID! name(full: Boolean): String pets(limit: Int): [Pet!]!\n"
    "  friends: [Human!]! }\n"
    "union CatOrDog = Cat | Dog\n"
    "input Point { x: Int! y: Int = 0 next: Point tags: [String!] color: Color any: JSON }\n"
    "type Query { dog: Dog cat: Cat pet: Pet being: Being human(id: ID!): Human version: String!\n"
    "  catOrDog: CatOrDog humans(limit: Int = 5): [Human!]! all: [Human!]!\n"
    "  draw(at: Point, colors: [Color!], json: JSON, times: Int! = 1, size: Float, on: Boolean,\n"
    "    text: String, id: ID): Int }\n"
    "type Mutation { move(to: Point!): Int }\n"
    "type Subscription { ticks: Int moved(id: ID): Dog }\n";

void validate_fixture_init(struct validate_fixture *f)
{
    graphql_fixture_init(&f->base, FIXTURE_REGION_BYTES);
    f->schema = schema_fixture_good(&f->base, sdl);
    f->document = NULL;
}

void validate_fixture_done(struct validate_fixture *f)
{
    schema_free(f->schema);
    graphql_fixture_done(&f->base);
}

int validate_fixture_setup(void **state)
{
    struct validate_fixture *f = malloc(sizeof *f);

    assert_non_null(f);
    validate_fixture_init(f);
    *state = f;
    return 0;
}

int validate_fixture_teardown(void **state)
{
    validate_fixture_done(*state);
    free(*state);
    return 0;
}

void validate_fixture_parse(struct validate_fixture *f, const char *document)
{
    region_reset(&f->base.region);
    graphql_errors_init(&f->base.errors, &f->base.region);
    f->document = graphql_fixture_parse(&f->base, document);
    if (f->document == NULL)
        fail_msg("%.200s: %s", document, graphql_fixture_errors(&f->base));
}

const char *validate_fixture_lines(struct validate_fixture *f)
{
    struct text *out = &f->base.out;

    out->size = 0;
    for (const struct graphql_error *error = f->base.errors.first; error != NULL;
         error = error->next) {
        for (uint32_t i = 0; i < error->location_count && i < PLACES_MAX; i++) {
            uint32_t line;
            uint32_t column;

            graphql_line_column(&error->locations[i], &line, &column);
            text_printf(out, "%s%u:%u", i > 0 ? "," : "", line, column);
        }
        text_printf(out, "%s%s\n", error->location_count > 0 ? " " : "", error->message);
    }
    return graphql_fixture_take(&f->base);
}

const char *validate_fixture_errors(struct validate_fixture *f, const char *document)
{
    bool is_valid;

    validate_fixture_parse(f, document);
    is_valid = validate_document(f->schema, f->document, &f->base.region, &f->base.errors);
    assert_false(f->base.region.has_failed);
    assert_int_equal(is_valid, f->base.errors.count == 0);
    return validate_fixture_lines(f);
}
