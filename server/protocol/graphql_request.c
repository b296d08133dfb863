#include "server/protocol/graphql_request.h"

#include <stddef.h>
#include <string.h>

#include "server/api/request.h"
#include "server/http/http.h"
#include "server/json/json.h"
#include "server/protocol/graphql_accept.h"
#include "server/protocol/put.h"
#include "server/protocol/service.h"

enum {
    PARAMETERS_OVERHEAD_BYTES = 128, /* the names and punctuation of what a GET is rewritten to */
};

static const struct parameter {
    const char *name;
    bool is_json; /* else it is text */
} parameters[] = {
    {"query", false},
    {"operationName", false},
    {"variables", true},
    {"extensions", true},
};

static bool refuse(struct graphql_refusal *ret_refusal, enum answer_refusal refusal,
                   const char *reason)
{
    *ret_refusal = (struct graphql_refusal){refusal, reason};
    return false;
}

/* A checked, compact object. */
static bool parse(struct json_span object, struct region *region, struct api_request *ret_request,
                  struct graphql_refusal *ret_refusal)
{
    const char *reason = request_parse(object, region, ret_request);

    if (region->has_failed)
        return refuse(ret_refusal, ANSWER_UNAVAILABLE, "out of memory");
    return reason == NULL || refuse(ret_refusal, ANSWER_BAD_REQUEST, reason);
}

/* --- POST ------------------------------------------------------------------------------------- */

static bool is_json(const struct http_text *content_type)
{
    struct http_element element;
    struct http_text list;

    if (content_type == NULL)
        return false;
    list = *content_type;
    return http_element_next(&list, &element) && http_element_is(&element, "application/json") &&
           graphql_accept_is_utf8(&element);
}

static bool is_coded(const struct http_text *content_encoding)
{
    struct http_element element;
    struct http_text list;

    if (content_encoding == NULL)
        return false;
    list = *content_encoding;
    return !http_element_next(&list, &element) || !http_element_is(&element, "identity") ||
           list.size > 0;
}

static bool read_post(struct service *service, const struct http_request *request,
                      struct region *region, struct api_request *ret_request,
                      struct graphql_refusal *ret_refusal)
{
    struct json_error error;
    ptrdiff_t size;
    char *json;

    if (!is_json(http_header(request, "content-type")))
        return refuse(ret_refusal, ANSWER_UNSUPPORTED_TYPE,
                      "send application/json, in UTF-8, as Content-Type");
    if (is_coded(http_header(request, "content-encoding")))
        return refuse(ret_refusal, ANSWER_UNSUPPORTED_TYPE,
                      "send the body as it is, without Content-Encoding");
    if (request->body_bytes == 0)
        return refuse(ret_refusal, ANSWER_BAD_JSON, "the body is missing");
    json = service_scratch(service, request->body_bytes + JSON_ERROR_TEXT_BYTES);
    if (json == NULL)
        return refuse(ret_refusal, ANSWER_UNAVAILABLE, "out of memory");
    size = json_compact((const char *)request->body, request->body_bytes, json, &error);
    if (size < 0)
        return refuse(ret_refusal, ANSWER_BAD_JSON, json_error_text(&error, json));
    return parse((struct json_span){json, (size_t)size}, region, ret_request, ret_refusal);
}

/* --- GET -------------------------------------------------------------------------------------- */

/* Decodes a value of the query string into @out, as long as it; -EILSEQ. */
static ptrdiff_t decode_form(struct http_text value, char *out)
{
    for (size_t i = 0; i < value.size; i++) {
        out[i] = value.bytes[i];
        if (out[i] == '+')
            out[i] = ' ';
    }
    return http_decode((struct http_text){out, value.size}, out, value.size);
}

/*
 * Adds `"name":value` to the object that ends at *end. @decoded: room for the value as it was before
 * it was encoded.
 */
static bool add_parameter(const struct parameter *parameter, struct http_text raw, char *decoded,
                          char **end, struct graphql_refusal *ret_refusal)
{
    struct json_error error;
    ptrdiff_t size = decode_form(raw, decoded);

    if (size < 0)
        return refuse(ret_refusal, ANSWER_BAD_REQUEST,
                      "the query string is not percent-encoded UTF-8");
    if ((*end)[-1] != '{')
        *end = put_literal(*end, ",");
    *end = put_quoted(*end, parameter->name, strlen(parameter->name));
    *end = put_literal(*end, ":");
    if (!parameter->is_json) {
        *end = put_quoted(*end, decoded, (size_t)size);
        return true;
    }
    size = json_compact(decoded, (size_t)size, *end, &error);
    if (size < 0)
        return refuse(ret_refusal, ANSWER_BAD_JSON,
                      parameter->name[0] == 'v' ? "`variables` is not JSON"
                                                : "`extensions` is not JSON");
    *end += size;
    return true;
}

/* What it asks is written as the body that a POST would have. */
static bool read_get(struct service *service, const struct http_request *request,
                     struct region *region, struct api_request *ret_request,
                     struct graphql_refusal *ret_refusal)
{
    size_t query_bytes = request->query.size;
    char *decoded = service_scratch(service, query_bytes + PARAMETERS_OVERHEAD_BYTES +
                                                 json_quoted_bytes_max(query_bytes));
    char *json;
    char *end;

    if (decoded == NULL)
        return refuse(ret_refusal, ANSWER_UNAVAILABLE, "out of memory");
    json = decoded + query_bytes;
    end = put_literal(json, "{");
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++) {
        struct http_text raw;

        if (!http_query_get(request->query, parameters[i].name, &raw) || raw.size == 0)
            continue;
        if (!add_parameter(&parameters[i], raw, decoded, &end, ret_refusal))
            return false;
    }
    end = put_literal(end, "}");
    return parse((struct json_span){json, (size_t)(end - json)}, region, ret_request, ret_refusal);
}

bool graphql_request_read(struct service *service, const struct http_request *request,
                          struct region *region, struct api_request *ret_request,
                          struct graphql_refusal *ret_refusal)
{
    if (request->method == HTTP_METHOD_POST)
        return read_post(service, request, region, ret_request, ret_refusal);
    return read_get(service, request, region, ret_request, ret_refusal);
}
