#include "server/http/head_parse.h"

/* Both of us have an enum of this name; theirs is not needed here. */
#define http_method http_parser_method
#include <http_parser.h>
#undef http_method

struct parse {
    char *head; /* to write to: the parser gives const pointers into it */
    struct http_request *request;
    struct http_text target;
    bool is_in_value; /* the last piece belonged to a value: a name begins a new field */
    bool has_too_many;
};

static void append(struct http_text *text, const char *at, size_t length)
{
    /* All of the head is given at once, so the pieces of a text lie one behind the other. */
    if (text->size == 0)
        text->bytes = at;
    text->size += length;
}

static int on_url(http_parser *parser, const char *at, size_t length)
{
    struct parse *parse = parser->data;

    append(&parse->target, at, length);
    return 0;
}

static int on_header_field(http_parser *parser, const char *at, size_t length)
{
    struct parse *parse = parser->data;
    struct http_request *request = parse->request;
    char *name = parse->head + (at - parse->head);

    if (request->header_count == 0 || parse->is_in_value) {
        if (request->header_count == HTTP_HEADERS_MAX) {
            parse->has_too_many = true;
            return -1;
        }
        request->headers[request->header_count++] = (struct http_header){{at, 0}, {at, 0}};
        parse->is_in_value = false;
    }
    for (size_t i = 0; i < length; i++) {
        if (name[i] >= 'A' && name[i] <= 'Z')
            name[i] = (char)(name[i] | 0x20);
    }
    append(&request->headers[request->header_count - 1].name, at, length);
    return 0;
}

static int on_header_value(http_parser *parser, const char *at, size_t length)
{
    struct parse *parse = parser->data;

    parse->is_in_value = true;
    append(&parse->request->headers[parse->request->header_count - 1].value, at, length);
    return 0;
}

static int on_headers_complete(http_parser *parser)
{
    (void)parser;
    return 1; /* bodies are body.c's affair */
}

static enum http_method method_of(const http_parser *parser)
{
    switch (parser->method) {
    case HTTP_GET:
        return HTTP_METHOD_GET;
    case HTTP_HEAD:
        return HTTP_METHOD_HEAD;
    case HTTP_POST:
        return HTTP_METHOD_POST;
    case HTTP_OPTIONS:
        return HTTP_METHOD_OPTIONS;
    default:
        return HTTP_METHOD_OTHER;
    }
}

static void trim_values(struct http_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct http_text *value = &request->headers[i].value;

        while (value->size > 0 &&
               (value->bytes[value->size - 1] == ' ' || value->bytes[value->size - 1] == '\t'))
            value->size--;
    }
}

static void set_host(struct http_request *request, struct http_text authority)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (http_text_equals(request->headers[i].name, "host"))
            request->headers[i].value = authority;
    }
}

/* RFC 9112 section 9.3. The parser's own answer heeds Proxy-Connection, and not every `close`. */
static bool is_kept_alive(const struct http_request *request)
{
    if (http_header_has_token(request, "connection", "close"))
        return false;
    return !request->is_http_1_0 || http_header_has_token(request, "connection", "keep-alive");
}

/* Path and query, and Host as the target has it. */
static enum head_result take_target(struct http_request *request, struct http_text text)
{
    struct head_target target;

    if (!head_split_target(text, &target))
        return HEAD_BAD;
    if (target.path.bytes[0] == '*' && request->method != HTTP_METHOD_OPTIONS)
        return HEAD_BAD;
    request->is_for_https = target.is_https;
    request->path = target.path;
    request->query = target.query;
    if (target.authority.size > 0)
        set_host(request, target.authority);
    return HEAD_OK;
}

bool head_knows_method(struct http_text method)
{
#define NAME(number, name, string) #string,
    static const char *const names[] = {HTTP_METHOD_MAP(NAME)};
#undef NAME

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (http_text_equals(method, names[i]))
            return true;
    }
    return false;
}

enum head_result head_parse(char *head, size_t head_bytes, struct http_request *ret_request,
                            bool *ret_is_keep_alive)
{
    static const http_parser_settings settings = {
        .on_url = on_url,
        .on_header_field = on_header_field,
        .on_header_value = on_header_value,
        .on_headers_complete = on_headers_complete,
    };
    struct parse parse = {.head = head, .request = ret_request};
    enum head_result result;
    http_parser parser;

    ret_request->header_count = 0;
    http_parser_init(&parser, HTTP_REQUEST);
    /* One value for the whole process; ours is the limit that counts. */
    http_parser_set_max_header_size(UINT32_MAX / 2);
    parser.data = &parse;
    if (http_parser_execute(&parser, &settings, head, head_bytes) != head_bytes ||
        HTTP_PARSER_ERRNO(&parser) != HPE_OK) {
        if (HTTP_PARSER_ERRNO(&parser) == HPE_INVALID_METHOD)
            return HEAD_UNKNOWN_METHOD;
        return parse.has_too_many ? HEAD_TOO_LARGE : HEAD_BAD;
    }
    if (parser.method == HTTP_CONNECT)
        return HEAD_UNKNOWN_METHOD;
    ret_request->method = method_of(&parser);
    ret_request->is_http_1_0 = parser.http_major == 1 && parser.http_minor == 0;
    trim_values(ret_request);
    result = take_target(ret_request, parse.target);
    if (result == HEAD_OK)
        *ret_is_keep_alive = is_kept_alive(ret_request);
    return result;
}
