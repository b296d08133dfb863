/*
 * graphql_bench SCHEMA [SECONDS]: what one GraphQL request costs, with values in memory.
 *
 * SCHEMA is an SDL file with the message board's types (graphql_bench.graphql). Two measures, a line
 * of JSON each: parse + validate + execute, and the same with a cache of documents. Operations are
 * counted per second of this process's CPU time. bytes_left is what the heap has more after a
 * measure than before it. graphql_bench.mjs runs this beside graphql-js.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "bus/check.h"
#include "server/graphql/document.h"
#include "server/graphql/execute.h"
#include "server/graphql/parser.h"
#include "server/graphql/validate.h"

enum {
    SECONDS_DEFAULT = 2,
    SECONDS_MAX = 60,
    COMMENT_COUNT = 3,
    WARM_UP = 1000,
    BATCH = 1000, /* operations between two looks at the clock */
    STEPS = 1000,
    REGION_BYTES_MAX = 16 * 1024 * 1024,
    NS_PER_S = 1000000000,
};

static const char query[] =
    "{ message(id: 1) { id title content author { name } comments { id content } } }";

static const char expected[] =
    "{\"data\":{\"message\":{\"id\":1,\"title\":\"Hello\",\"content\":\"The first message.\","
    "\"author\":{\"name\":\"Ada\"},\"comments\":[{\"id\":1,\"content\":\"Comment 1\"},{\"id\":2,"
    "\"content\":\"Comment 2\"},{\"id\":3,\"content\":\"Comment 3\"}]}}}";

static const struct parser_limits parser_limits = {
    .source_bytes_max = 256 * 1024,
    .token_count_max = 64 * 1024,
    .depth_max = 100,
};

/* --- values and resolvers --------------------------------------------------------------------- */

struct user {
    struct ast_text name;
};

struct comment {
    int32_t id;
    struct ast_text content;
};

struct message {
    int32_t id;
    struct ast_text title;
    struct ast_text content;
    struct user author;
    struct execute_result comments[COMMENT_COUNT];
};

#define TEXT(literal)                                                                              \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

static const struct comment comments[COMMENT_COUNT] = {
    {1, TEXT("Comment 1")},
    {2, TEXT("Comment 2")},
    {3, TEXT("Comment 3")},
};

static const struct message message = {
    .id = 1,
    .title = TEXT("Hello"),
    .content = TEXT("The first message."),
    .author = {TEXT("Ada")},
    .comments = {{.kind = EXECUTE_OBJECT, .object = {&comments[0], NULL}},
                 {.kind = EXECUTE_OBJECT, .object = {&comments[1], NULL}},
                 {.kind = EXECUTE_OBJECT, .object = {&comments[2], NULL}}},
};

static void answer_object(const struct execute_call *call, const void *object)
{
    struct execute_result result = {.kind = object == NULL ? EXECUTE_NULL : EXECUTE_OBJECT};

    result.object.object = object;
    execute_answer(call->execution, &result);
}

static void answer_text(const struct execute_call *call, struct ast_text text)
{
    const struct execute_result result = {.kind = EXECUTE_STRING, .text = text};

    execute_answer(call->execution, &result);
}

static void answer_int(const struct execute_call *call, int32_t integer)
{
    const struct execute_result result = {.kind = EXECUTE_INT, .integer = integer};

    execute_answer(call->execution, &result);
}

static void resolve_message(struct execute_call *call)
{
    answer_object(call, call->arguments[0].integer == message.id ? &message : NULL);
}

static void resolve_message_id(struct execute_call *call)
{
    answer_int(call, ((const struct message *)call->object)->id);
}

static void resolve_message_title(struct execute_call *call)
{
    answer_text(call, ((const struct message *)call->object)->title);
}

static void resolve_message_content(struct execute_call *call)
{
    answer_text(call, ((const struct message *)call->object)->content);
}

static void resolve_message_author(struct execute_call *call)
{
    answer_object(call, &((const struct message *)call->object)->author);
}

static void resolve_message_comments(struct execute_call *call)
{
    const struct execute_result result = {
        .kind = EXECUTE_LIST,
        .list = {((const struct message *)call->object)->comments, COMMENT_COUNT},
    };

    execute_answer(call->execution, &result);
}

static void resolve_user_name(struct execute_call *call)
{
    answer_text(call, ((const struct user *)call->object)->name);
}

static void resolve_comment_id(struct execute_call *call)
{
    answer_int(call, ((const struct comment *)call->object)->id);
}

static void resolve_comment_content(struct execute_call *call)
{
    answer_text(call, ((const struct comment *)call->object)->content);
}

static const struct {
    const char *type;
    const char *field;
    schema_resolve_function *resolve;
} resolvers[] = {
    {"Query", "message", resolve_message},
    {"Message", "id", resolve_message_id},
    {"Message", "title", resolve_message_title},
    {"Message", "content", resolve_message_content},
    {"Message", "author", resolve_message_author},
    {"Message", "comments", resolve_message_comments},
    {"User", "name", resolve_user_name},
    {"Comment", "id", resolve_comment_id},
    {"Comment", "content", resolve_comment_content},
};

static struct ast_text to_text(const char *string)
{
    return (struct ast_text){string, (uint32_t)strlen(string)};
}

static void bind_resolvers(struct schema *schema)
{
    for (size_t i = 0; i < sizeof resolvers / sizeof *resolvers; i++) {
        const struct schema_type *type = schema_find_type(schema, to_text(resolvers[i].type));
        struct schema_field *field;

        CHECK(type != NULL);
        field = schema_find_field(schema, type, to_text(resolvers[i].field));
        CHECK(field != NULL);
        field->resolve = resolvers[i].resolve;
    }
}

/* --- one request ------------------------------------------------------------------------------ */

struct bench {
    const struct schema *schema;
    struct document_cache *cache; /* NULL: without */
    struct text out;
};

static void execute_document(struct bench *bench, const struct ast_document *document)
{
    const struct json_span none = {"", 0};
    const struct limits limits = LIMITS_DEFAULT;
    struct graphql_errors errors;
    struct region region;
    const struct coerce coerce = {bench->schema, document, &region, &errors};
    struct coerce_variables variables;
    struct execute_options options = {
        .schema = bench->schema,
        .document = document,
        .variables = &variables,
        .limits = &limits,
    };
    struct execution *execution;

    region_init(&region, REGION_BYTES_MAX);
    graphql_errors_init(&errors, &region);
    options.operation = execute_select(document, to_text(""), &errors);
    CHECK(options.operation != NULL);
    CHECK(coerce_variables(&coerce, options.operation, none, &variables));
    execution = execute_new(&options);
    CHECK(execution != NULL);
    while (execute_run(execution, STEPS) == EXECUTE_MORE)
        ;
    bench->out.size = 0;
    execute_write(execution, &bench->out);
    text_add(&bench->out, "}", 1);
    execute_free(execution);
    region_done(&region);
}

static void request(struct bench *bench)
{
    struct graphql_errors errors;
    struct ast_document *document;
    struct region region;

    region_init(&region, REGION_BYTES_MAX);
    graphql_errors_init(&errors, &region);
    document = parser_parse(to_text(query), "GraphQL request", &parser_limits, &region, &errors);
    CHECK(document != NULL);
    CHECK(validate_document(bench->schema, document, &region, &errors));
    execute_document(bench, document);
    region_done(&region);
}

static void request_cached(struct bench *bench)
{
    const struct document *document = document_get(bench->cache, query, sizeof query - 1);

    CHECK(document != NULL);
    CHECK(document->errors->count == 0);
    execute_document(bench, document->tree);
    document_unref(document);
}

/* --- measuring -------------------------------------------------------------------------------- */

static int64_t cpu_ns(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now); /* cannot fail with this clock */
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void measure(struct bench *bench, const char *name, void (*run)(struct bench *), int seconds)
{
    struct utsname machine;
    size_t heap_bytes;
    int64_t begin_ns;
    int64_t used_ns = 0;
    uint64_t count = 0;

    CHECK(uname(&machine) == 0);
    for (int i = 0; i < WARM_UP; i++)
        run(bench);
    CHECK(bench->out.size == sizeof expected - 1);
    CHECK(memcmp(bench->out.bytes, expected, bench->out.size) == 0);
    heap_bytes = mallinfo2().uordblks;
    begin_ns = cpu_ns();
    while (used_ns < (int64_t)seconds * NS_PER_S) {
        for (int i = 0; i < BATCH; i++)
            run(bench);
        count += BATCH;
        used_ns = cpu_ns() - begin_ns;
    }
    printf(
        "{\"bench\":\"graphql\",\"program\":\"sluice\",\"measure\":\"%s\",\"operations\":%" PRIu64
        ",\"cpu_seconds\":%.3f,\"operations_per_cpu_second\":%.0f,\"bytes_left\":%td,"
        "\"machine\":\"%s %s\"}\n",
        name, count, (double)used_ns / NS_PER_S, (double)count * NS_PER_S / (double)used_ns,
        (ptrdiff_t)(mallinfo2().uordblks - heap_bytes), machine.sysname, machine.machine);
}

/* The schema of a file; ends the program with what is wrong. */
static struct schema *load_schema(const char *path)
{
    struct graphql_errors errors;
    struct region region;
    struct text text = {0};
    FILE *file = fopen(path, "r");
    struct schema *schema;
    char chunk[4096];
    size_t size;

    if (file == NULL) {
        perror(path);
        exit(1);
    }
    while ((size = fread(chunk, 1, sizeof chunk, file)) > 0)
        text_add(&text, chunk, size);
    CHECK(text_is_whole(&text));
    (void)fclose(file); /* it was only read */
    region_init(&region, REGION_BYTES_MAX);
    graphql_errors_init(&errors, &region);
    schema = schema_build(text.bytes, text.size, path, &errors);
    if (schema == NULL) {
        text.size = 0;
        graphql_errors_print(&errors, path, &text);
        (void)fwrite(text.bytes, 1, text.size, stderr); /* there is nobody else to tell */
        exit(1);
    }
    region_done(&region);
    text_done(&text);
    return schema;
}

int main(int argc, char **argv)
{
    long seconds = argc > 2 ? strtol(argv[2], NULL, 10) : SECONDS_DEFAULT;
    struct document_cache_options options = {
        .limits = parser_limits,
        .count_max = 100,
        .bytes_max = REGION_BYTES_MAX,
    };
    struct bench bench = {0};
    struct schema *schema;

    if (argc < 2 || argc > 3 || seconds < 1 || seconds > SECONDS_MAX) {
        (void)fprintf(stderr, "usage: graphql_bench SCHEMA [SECONDS]\n");
        return 2;
    }
    schema = load_schema(argv[1]);
    bind_resolvers(schema);
    bench.schema = schema;
    options.schema = schema;
    CHECK(document_cache_open(&options, &bench.cache) == 0);
    measure(&bench, "parse + validate + execute", request, (int)seconds);
    measure(&bench, "cached document + execute", request_cached, (int)seconds);
    document_cache_close(bench.cache);
    text_done(&bench.out);
    schema_free(schema);
    return 0;
}
