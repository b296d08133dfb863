#include "server/api/request.h"

#include "server/graphql/coerce.h"
#include "server/topics/event.h"

/* What each member holds; size 0: absent or null. */
struct members {
    struct json_span query;
    struct json_span operation_name;
    struct json_span variables;
    struct json_span extensions;
};

static bool is_given(struct json_span value)
{
    return value.size > 0 && json_type(value) != JSON_NULL;
}

/* False: it is no string. */
static bool read_text(struct json_span value, struct region *region, struct ast_text *ret_text)
{
    return is_given(value) && json_type(value) == JSON_STRING &&
           coerce_string(value, region, ret_text);
}

static void collect_members(struct json_span object, struct members *members)
{
    struct json_span key;
    struct json_span value;
    size_t offset = 0;

    while (json_object_next(object, &offset, &key, &value)) {
        if (json_string_equals(key, "query"))
            members->query = value;
        else if (json_string_equals(key, "variables"))
            members->variables = value;
        else if (json_string_equals(key, "operationName"))
            members->operation_name = value;
        else if (json_string_equals(key, "extensions"))
            members->extensions = value;
    }
}

/* --- resume ----------------------------------------------------------------------------------- */

static bool read_seq(struct json_span value, struct region *region, uint64_t *ret_seq)
{
    struct ast_text text;

    if (is_given(value) && json_type(value) == JSON_NUMBER)
        return json_uint64(value, ret_seq);
    return read_text(value, region, &text) &&
           json_uint64((struct json_span){text.bytes, text.size}, ret_seq);
}

static bool read_epoch(struct json_span value, struct region *region, uint64_t *ret_epoch)
{
    struct ast_text text;

    return read_text(value, region, &text) && event_epoch_parse(text.bytes, text.size, ret_epoch);
}

static const char *parse_resume(struct json_span object, struct region *region,
                                struct resume *ret_resume)
{
    struct json_span epoch = {0};
    struct json_span seq = {0};
    struct json_span key;
    struct json_span value;
    size_t offset = 0;

    if (json_type(object) != JSON_OBJECT)
        return "`extensions.resume` must be an object";
    while (json_object_next(object, &offset, &key, &value)) {
        if (json_string_equals(key, "epoch"))
            epoch = value;
        else if (json_string_equals(key, "seq"))
            seq = value;
    }
    if (!read_seq(seq, region, &ret_resume->since))
        return "`extensions.resume.seq` must be a string of decimal digits, or an integer";
    if (!read_epoch(epoch, region, &ret_resume->epoch))
        return "`extensions.resume.epoch` must be a string of 16 hex digits";
    ret_resume->has_since = true;
    ret_resume->has_epoch = true;
    return NULL;
}

static const char *parse_extensions(struct json_span extensions, struct region *region,
                                    struct resume *ret_resume)
{
    struct json_span resume = {0};
    struct json_span key;
    struct json_span value;
    size_t offset = 0;

    while (json_object_next(extensions, &offset, &key, &value)) {
        if (json_string_equals(key, "resume"))
            resume = value;
    }
    return is_given(resume) ? parse_resume(resume, region, ret_resume) : NULL;
}

/* --- all -------------------------------------------------------------------------------------- */

const char *request_parse(struct json_span json, struct region *region,
                          struct api_request *ret_request)
{
    struct api_request request = {0};
    struct members members = {0};
    const char *reason = NULL;

    if (json_type(json) != JSON_OBJECT)
        return "a GraphQL request must be a JSON object";
    collect_members(json, &members);
    if (!read_text(members.query, region, &request.query))
        return "`query` must be given, as a string";
    if (is_given(members.operation_name) &&
        !read_text(members.operation_name, region, &request.operation_name))
        return "`operationName` must be a string or null";
    if (is_given(members.variables)) {
        if (json_type(members.variables) != JSON_OBJECT)
            return "`variables` must be an object or null";
        request.variables = members.variables;
    }
    if (is_given(members.extensions)) {
        if (json_type(members.extensions) != JSON_OBJECT)
            return "`extensions` must be an object or null";
        reason = parse_extensions(members.extensions, region, &request.resume);
    }
    if (reason == NULL)
        *ret_request = request;
    return reason;
}
