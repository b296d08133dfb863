#include "tests/graphql/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/graphql/parser.h"
#include "server/graphql/print.h"
#include "server/graphql/schema.h"
#include "server/graphql/validate.h"

struct ast_document *probe_parse(struct probe *probe, const struct probe_request *request)
{
    struct ast_text source = {request->document.bytes, (uint32_t)request->document.size};
    struct ast_document *document =
        parser_parse(source, "GraphQL request", &PARSER_LIMITS_SDL, &probe->region, &probe->errors);

    if (document == NULL)
        probe_answer_errors(probe);
    return document;
}

void probe_answer_errors(struct probe *probe)
{
    text_add_string(&probe->out, "{\"errors\":");
    graphql_errors_write(&probe->errors, &probe->out);
    text_add_string(&probe->out, "}");
}

const struct schema *probe_schema(const struct probe *probe, const struct probe_request *request)
{
    CHECK(request->schema < PROBE_SCHEMA_COUNT);
    CHECK(probe->schemas[request->schema] != NULL);
    return probe->schemas[request->schema];
}

/* A text that was printed, as a string of the answer. */
static void answer_text(struct probe *probe, struct text *printed)
{
    CHECK(text_is_whole(printed));
    text_add_quoted(&probe->out, printed->bytes, printed->size);
    text_done(printed);
}

static void on_parse(struct probe *probe, const struct probe_request *request)
{
    const struct ast_document *document = probe_parse(probe, request);
    const char *comma = "";
    struct text printed = {0};

    if (document == NULL)
        return;
    print_document(document, &printed);
    text_add_string(&probe->out, "{\"print\":");
    answer_text(probe, &printed);
    text_add_string(&probe->out, ",\"normal\":[");
    for (const struct ast_definition *definition = document->definitions; definition != NULL;
         definition = definition->next) {
        if (definition->node.kind != AST_OPERATION)
            continue;
        print_normal_form(document, definition, &printed);
        text_add_string(&probe->out, comma);
        answer_text(probe, &printed);
        comma = ",";
    }
    text_add_string(&probe->out, "]}");
}

static void on_value(struct probe *probe, const struct probe_request *request)
{
    struct ast_document source = {
        .source = {request->document.bytes, (uint32_t)request->document.size},
        .name = "GraphQL request"};
    const struct ast_value *value = parser_parse_value(&source, &probe->region, &probe->errors);
    struct text printed = {0};

    if (value == NULL) {
        probe_answer_errors(probe);
        return;
    }
    print_value(value, &printed);
    text_add_string(&probe->out, "{\"print\":");
    answer_text(probe, &printed);
    text_add_string(&probe->out, "}");
}

static void on_schema(struct probe *probe, const struct probe_request *request)
{
    struct schema **schema = &probe->schemas[request->schema];
    struct text printed = {0};

    CHECK(request->schema < PROBE_SCHEMA_COUNT);
    schema_free(*schema);
    *schema = schema_build(request->document.bytes, request->document.size, "GraphQL request",
                           &probe->errors);
    if (*schema == NULL) {
        probe_answer_errors(probe);
        return;
    }
    probe_bind(*schema);
    schema_print(*schema, &printed);
    text_add_string(&probe->out, "{\"print\":");
    answer_text(probe, &printed);
    text_add_string(&probe->out, "}");
}

static void on_validate(struct probe *probe, const struct probe_request *request)
{
    const struct schema *schema = probe_schema(probe, request);
    const struct ast_document *document = probe_parse(probe, request);
    bool is_valid;

    if (document == NULL)
        return;
    is_valid = validate_document(schema, document, &probe->region, &probe->errors);
    CHECK(is_valid == (probe->errors.count == 0));
    probe_answer_errors(probe);
}

static const struct command {
    const char *name;
    void (*run)(struct probe *probe, const struct probe_request *request);
} commands[] = {
    {"parse", on_parse},       {"value", on_value},        {"schema", on_schema},
    {"validate", on_validate}, {"execute", probe_execute},
};

static const struct member {
    const char *name;
    enum { MEMBER_TEXT, MEMBER_BYTES, MEMBER_NUMBER, MEMBER_JSON } kind;
    size_t offset;
} members[] = {
    {"command", MEMBER_TEXT, offsetof(struct probe_request, command)},
    {"document", MEMBER_TEXT, offsetof(struct probe_request, document)},
    {"bytes", MEMBER_BYTES, offsetof(struct probe_request, document)},
    {"operation", MEMBER_TEXT, offsetof(struct probe_request, operation)},
    {"variables", MEMBER_JSON, offsetof(struct probe_request, variables)},
    {"schema", MEMBER_NUMBER, offsetof(struct probe_request, schema)},
    {"seed", MEMBER_NUMBER, offsetof(struct probe_request, seed)},
    {"steps", MEMBER_NUMBER, offsetof(struct probe_request, steps)},
    {"later", MEMBER_NUMBER, offsetof(struct probe_request, later)},
    {"json", MEMBER_NUMBER, offsetof(struct probe_request, json)},
    {"depth", MEMBER_NUMBER, offsetof(struct probe_request, depth_max)},
    {"complexity", MEMBER_NUMBER, offsetof(struct probe_request, complexity_max)},
    {"aliases", MEMBER_NUMBER, offsetof(struct probe_request, alias_count_max)},
    {"roots", MEMBER_NUMBER, offsetof(struct probe_request, root_field_count_max)},
    {"items", MEMBER_NUMBER, offsetof(struct probe_request, list_items_max)},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* The buffer is cut to the text's own size. */
static void read_text(struct json_span value, struct probe_text *ret_text)
{
    char *bytes = malloc(value.size);
    ptrdiff_t size;

    CHECK(bytes != NULL);
    size = json_string_decode(value, bytes, value.size);
    CHECK(size >= 0);
    ret_text->size = (size_t)size;
    ret_text->bytes = malloc(ret_text->size + (size == 0));
    CHECK(ret_text->bytes != NULL);
    memcpy(ret_text->bytes, bytes, ret_text->size);
    free(bytes);
}

/* What JSON cannot carry as it is: two hexadecimal digits for each byte. */
static void read_bytes(struct json_span value, struct probe_text *ret_text)
{
    struct probe_text digits;

    read_text(value, &digits);
    ret_text->size = digits.size / 2;
    ret_text->bytes = malloc(ret_text->size + (ret_text->size == 0));
    CHECK(ret_text->bytes != NULL);
    for (size_t i = 0; i < ret_text->size; i++) {
        char pair[] = {digits.bytes[2 * i], digits.bytes[2 * i + 1], '\0'};

        ret_text->bytes[i] = (char)strtoul(pair, NULL, 16);
    }
    free(digits.bytes);
}

static void read_member(struct probe_request *request, struct json_span key, struct json_span value)
{
    const struct member *member = members;
    bool is_number = true;
    void *place;

    while (!json_string_equals(key, member->name)) {
        member++;
        CHECK(member < members + COUNT(members));
    }
    place = (char *)request + member->offset;
    if (member->kind == MEMBER_TEXT)
        read_text(value, place);
    else if (member->kind == MEMBER_BYTES)
        read_bytes(value, place);
    else if (member->kind == MEMBER_NUMBER)
        is_number = json_uint64(value, place);
    else
        *(struct json_span *)place = value;
    CHECK(is_number);
}

static void request_done(struct probe_request *request)
{
    free(request->command.bytes);
    free(request->document.bytes);
    free(request->operation.bytes);
}

static void run(struct probe *probe, const struct probe_request *request)
{
    const struct command *command = commands;

    CHECK(request->command.bytes != NULL);
    while (strlen(command->name) != request->command.size ||
           memcmp(command->name, request->command.bytes, request->command.size) != 0) {
        command++;
        CHECK(command < commands + COUNT(commands));
    }
    region_init(&probe->region, PROBE_REGION_BYTES);
    graphql_errors_init(&probe->errors, &probe->region);
    probe->out.size = 0;
    command->run(probe, request);
    CHECK(!probe->region.has_failed);
    CHECK(text_is_whole(&probe->out));
    region_done(&probe->region);
}

static void answer(struct probe *probe, char *line, size_t size)
{
    struct probe_request request = {.schema = 0};
    struct json_span object = {line, size};
    struct json_span key;
    struct json_span value;
    size_t offset = 0;
    size_t written;
    int flushed;

    while (json_object_next(object, &offset, &key, &value))
        read_member(&request, key, value);
    run(probe, &request);
    request_done(&request);
    text_add_string(&probe->out, "\n");
    written = fwrite(probe->out.bytes, 1, probe->out.size, stdout);
    CHECK(written == probe->out.size);
    flushed = fflush(stdout);
    CHECK(flushed == 0);
}

int main(void)
{
    struct probe *probe = calloc(1, sizeof *probe);
    struct json_error error;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;

    CHECK(probe != NULL);
    while ((length = getline(&line, &capacity, stdin)) > 0) {
        ptrdiff_t size = json_compact(line, (size_t)length, line, &error);

        CHECK(size > 0);
        answer(probe, line, (size_t)size);
    }
    for (size_t i = 0; i < PROBE_SCHEMA_COUNT; i++)
        schema_free(probe->schemas[i]);
    text_done(&probe->out);
    free(line);
    free(probe);
    return 0;
}
