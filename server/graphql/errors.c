#include "server/graphql/errors.h"

#include <stdarg.h>
#include <string.h>

#include "bus/check.h"
#include "server/graphql/ast.h"
#include "server/graphql/region.h"
#include "server/json/text.h"

enum {
    LOCATION_CAPACITY_MIN = 2,
    MARK_COUNT = 256, /* places in a source that are remembered while errors are shown */
};

static const char *const code_names[] = {
    [GRAPHQL_PARSE_FAILED] = "GRAPHQL_PARSE_FAILED",
    [GRAPHQL_VALIDATION_FAILED] = "GRAPHQL_VALIDATION_FAILED",
    [GRAPHQL_BAD_USER_INPUT] = "BAD_USER_INPUT",
    [GRAPHQL_NOT_FOUND] = "NOT_FOUND",
    [GRAPHQL_CONFLICT] = "CONFLICT",
    [GRAPHQL_LIMIT_EXCEEDED] = "LIMIT_EXCEEDED",
    [GRAPHQL_STORAGE_FULL] = "STORAGE_FULL",
    [GRAPHQL_RATE_LIMITED] = "RATE_LIMITED",
    [GRAPHQL_UNAVAILABLE] = "UNAVAILABLE",
    [GRAPHQL_UNAUTHENTICATED] = "UNAUTHENTICATED",
    [GRAPHQL_FORBIDDEN] = "FORBIDDEN",
    [GRAPHQL_GAP] = "GAP",
    [GRAPHQL_INTERNAL] = "INTERNAL",
};

/* A place in a source, with the line and column that were counted up to it. */
struct place {
    uint32_t at;
    uint32_t line;
    uint32_t column;
};

/*
 * Errors come mostly in the order of the source: who shows many of them goes on from the last place,
 * so that the cost is one walk through the source and not one for each. For those that do not, the
 * walk leaves marks behind it, @stride bytes apart, and they begin at the last one before them.
 */
struct walk {
    const struct ast_document *document;
    struct place place;
    uint32_t stride;
    uint32_t mark_count;
    struct place marks[MARK_COUNT];
};

void graphql_errors_init(struct graphql_errors *errors, struct region *region)
{
    *errors = (struct graphql_errors){.region = region};
}

static void append(struct graphql_errors *errors, struct graphql_error *error)
{
    if (errors->last != NULL)
        errors->last->next = error;
    else
        errors->first = error;
    errors->last = error;
    errors->count++;
}

/* The one behind the last. */
static void add_overflow(struct graphql_errors *errors, enum graphql_code code)
{
    struct graphql_error *error = region_alloc(errors->region, sizeof *error);

    errors->has_overflown = true;
    if (error == NULL)
        return;
    error->code = code;
    error->message = code == GRAPHQL_VALIDATION_FAILED
                         ? "Too many validation errors, error limit reached. Validation aborted."
                         : "Too many errors, error limit reached.";
    append(errors, error);
}

struct graphql_error *graphql_errors_add(struct graphql_errors *errors, enum graphql_code code,
                                         const char *format, ...)
{
    struct graphql_error *error;
    va_list arguments;

    if (errors->has_overflown)
        return NULL;
    if (errors->count == ERRORS_MAX) {
        add_overflow(errors, code);
        return NULL;
    }
    error = region_alloc(errors->region, sizeof *error);
    if (error == NULL)
        return NULL;
    error->code = code;
    va_start(arguments, format);
    error->message = region_vprintf(errors->region, format, arguments);
    va_end(arguments);
    if (error->message == NULL)
        return NULL;
    append(errors, error);
    return error;
}

void graphql_error_locate(struct graphql_errors *errors, struct graphql_error *error,
                          const struct ast_document *document, uint32_t at)
{
    if (error == NULL)
        return;
    if (error->location_count == error->location_capacity) {
        uint32_t capacity =
            error->location_capacity > 0 ? 2 * error->location_capacity : LOCATION_CAPACITY_MIN;
        struct graphql_location *grown = region_alloc(errors->region, capacity * sizeof *grown);

        if (grown == NULL)
            return;
        if (error->location_count > 0)
            memcpy(grown, error->locations, error->location_count * sizeof *grown);
        error->locations = grown;
        error->location_capacity = capacity;
    }
    error->locations[error->location_count++] = (struct graphql_location){document, at};
}

const char *graphql_code_name(enum graphql_code code)
{
    CHECK((size_t)code < sizeof code_names / sizeof code_names[0]);
    return code_names[code];
}

/* Over one byte. A line ends with CR, LF or CR LF; between those two is column 0 of the next. */
static void place_step(struct place *place, struct ast_text source)
{
    const unsigned char *bytes = (const unsigned char *)source.bytes;
    unsigned char c = bytes[place->at++];

    if (c == '\r') {
        place->line++;
        place->column = place->at < source.size && bytes[place->at] == '\n' ? 0 : 1;
    } else if (c == '\n') {
        if (place->at < 2 || bytes[place->at - 2] != '\r')
            place->line++;
        place->column = 1;
    } else if (c >= 0xF0) {
        place->column += 2; /* past U+FFFF: two units of UTF-16 */
    } else if (c < 0x80 || c >= 0xC0) {
        place->column++; /* all but continuation bytes */
    }
}

static void walk_begin(struct walk *walk, const struct ast_document *document)
{
    walk->document = document;
    walk->place = (struct place){.line = 1, .column = 1};
    walk->stride = document->source.size / MARK_COUNT + 1; /* so many are enough */
    walk->marks[0] = walk->place;
    walk->mark_count = 1;
}

static const struct place *walk_to(struct walk *walk, const struct graphql_location *location)
{
    struct ast_text source = location->document->source;
    uint32_t at = location->at < source.size ? location->at : source.size;

    if (walk->document != location->document)
        walk_begin(walk, location->document);
    if (at < walk->place.at)
        walk->place = walk->marks[at / walk->stride];
    while (walk->place.at < at) {
        place_step(&walk->place, source);
        if (walk->place.at == walk->mark_count * walk->stride && walk->mark_count < MARK_COUNT)
            walk->marks[walk->mark_count++] = walk->place;
    }
    return &walk->place;
}

void graphql_line_column(const struct graphql_location *location, uint32_t *ret_line,
                         uint32_t *ret_column)
{
    struct ast_text source = location->document->source;
    struct place place = {.line = 1, .column = 1};

    while (place.at < location->at && place.at < source.size)
        place_step(&place, source);
    *ret_line = place.line;
    *ret_column = place.column;
}

static void write_locations(const struct graphql_error *error, struct walk *walk, struct text *out)
{
    text_add_string(out, ",\"locations\":[");
    for (uint32_t i = 0; i < error->location_count; i++) {
        const struct place *place = walk_to(walk, &error->locations[i]);

        text_printf(out, "%s{\"line\":%u,\"column\":%u}", i > 0 ? "," : "", place->line,
                    place->column);
    }
    text_add_string(out, "]");
}

/*
 * From the root to the leaf, each step found from the leaf anew: a path is as long as the limit of
 * depth allows, and recursion or a second list would not be shorter.
 */
static void write_path(const struct graphql_path *leaf, struct text *out)
{
    uint32_t count = 0;

    for (const struct graphql_path *step = leaf; step != NULL; step = step->parent)
        count++;
    text_add_string(out, ",\"path\":[");
    for (uint32_t i = count; i > 0; i--) {
        const struct graphql_path *step = leaf;

        for (uint32_t up = 1; up < i; up++)
            step = step->parent;
        if (step->key != NULL)
            text_add_quoted(out, step->key, step->key_bytes);
        else
            text_printf(out, "%u", step->index);
        if (i > 1)
            text_add_string(out, ",");
    }
    text_add_string(out, "]");
}

static void write_error(const struct graphql_error *error, struct walk *walk, struct text *out)
{
    text_add_string(out, "{\"message\":");
    text_add_quoted(out, error->message, strlen(error->message));
    if (error->location_count > 0)
        write_locations(error, walk, out);
    if (error->path != NULL)
        write_path(error->path, out);
    text_add_string(out, ",\"extensions\":{\"code\":\"");
    text_add_string(out, graphql_code_name(error->code));
    text_add_string(out, "\"}}");
}

void graphql_error_write(const struct graphql_error *error, struct text *out)
{
    struct walk walk;

    walk.document = NULL;
    write_error(error, &walk, out);
}

void graphql_errors_write(const struct graphql_errors *errors, struct text *out)
{
    struct walk walk;

    walk.document = NULL;
    text_add_string(out, "[");
    for (const struct graphql_error *error = errors->first; error != NULL; error = error->next) {
        if (error != errors->first)
            text_add_string(out, ",");
        write_error(error, &walk, out);
    }
    text_add_string(out, "]");
}

static void print_place(const struct graphql_location *location, struct walk *walk,
                        struct text *out)
{
    const struct place *place = walk_to(walk, location);

    text_add_string(out, location->document->name);
    text_printf(out, ":%u:%u: ", place->line, place->column);
}

void graphql_errors_print(const struct graphql_errors *errors, const char *file_name,
                          struct text *out)
{
    struct walk walk;

    walk.document = NULL;
    for (const struct graphql_error *error = errors->first; error != NULL; error = error->next) {
        if (error->location_count > 0)
            print_place(&error->locations[0], &walk, out);
        else
            text_printf(out, "%s:1:1: ", file_name);
        text_add_string(out, error->message);
        text_add_string(out, "\n");
        for (uint32_t i = 1; i < error->location_count; i++) {
            print_place(&error->locations[i], &walk, out);
            text_add_string(out, "and here\n");
        }
    }
}
