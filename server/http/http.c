/* Texts of requests: header fields, and targets. */
#include "server/http/http.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "server/json/json.h"

/* --- headers ------------------------------------------------------------------------------------ */

bool http_text_equals(struct http_text text, const char *string)
{
    return text.size == strlen(string) && memcmp(text.bytes, string, text.size) == 0;
}

bool http_text_equals_any_case(struct http_text text, const char *string)
{
    return text.size == strlen(string) && strncasecmp(text.bytes, string, text.size) == 0;
}

const struct http_text *http_header(const struct http_request *request, const char *name)
{
    size_t size = strlen(name);

    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];

        if (header->name.size == size && memcmp(header->name.bytes, name, size) == 0)
            return &header->value;
    }
    return NULL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/*
 * Takes the text up to the next @separator (or the end) off the front of *rest, without blanks
 * around it; a separator inside a quoted string is none. False: nothing is left.
 */
static bool next_part(struct http_text *rest, char separator, struct http_text *ret_part)
{
    struct http_text part = {rest->bytes, 0};
    bool is_quoted = false;
    size_t at = 0;

    if (rest->size == 0)
        return false;
    for (; at < rest->size && (is_quoted || rest->bytes[at] != separator); at++) {
        if (rest->bytes[at] == '"')
            is_quoted = !is_quoted;
        else if (is_quoted && rest->bytes[at] == '\\' && at + 1 < rest->size)
            at++;
    }
    part.size = at;
    if (at < rest->size)
        at++;
    rest->bytes += at;
    rest->size -= at;
    while (part.size > 0 && is_blank(part.bytes[0])) {
        part.bytes++;
        part.size--;
    }
    while (part.size > 0 && is_blank(part.bytes[part.size - 1]))
        part.size--;
    *ret_part = part;
    return true;
}

bool http_header_has_token(const struct http_request *request, const char *name, const char *token)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct http_text rest = request->headers[i].value;
        struct http_text part;

        if (!http_text_equals(request->headers[i].name, name))
            continue;
        while (next_part(&rest, ',', &part)) {
            if (http_text_equals_any_case(part, token))
                return true;
        }
    }
    return false;
}

/* qvalue of RFC 9110 section 12.4.2, in thousandths; what is none counts as 0. */
static int parse_quality(struct http_text text)
{
    int unit = HTTP_QUALITY_MAX;
    int quality = 0;

    if (text.size == 0 || text.size > 5)
        return 0;
    for (size_t i = 0; i < text.size; i++) {
        if (i == 1 && text.bytes[i] == '.')
            continue;
        if (i == 1 || text.bytes[i] < '0' || text.bytes[i] > '9')
            return 0;
        quality += (text.bytes[i] - '0') * unit;
        unit /= 10;
    }
    return quality <= HTTP_QUALITY_MAX ? quality : 0;
}

bool http_element_next(struct http_text *list, struct http_element *ret_element)
{
    struct http_text part;

    if (!next_part(list, ',', &part))
        return false;
    if (!next_part(&part, ';', &ret_element->token))
        ret_element->token = part; /* an empty one: `a,,b` */
    ret_element->parameters = part;
    return true;
}

bool http_element_is(const struct http_element *element, const char *token)
{
    return http_text_equals_any_case(element->token, token);
}

bool http_parameter_next(struct http_text *rest, struct http_parameter *ret_parameter)
{
    struct http_text part;
    const char *equals;

    if (!next_part(rest, ';', &part))
        return false;
    equals = part.size > 0 ? memchr(part.bytes, '=', part.size) : NULL;
    *ret_parameter = (struct http_parameter){.name = part, .has_value = equals != NULL};
    if (equals == NULL)
        return true;
    ret_parameter->name.size = (size_t)(equals - part.bytes);
    part.size -= ret_parameter->name.size + 1;
    part.bytes = equals + 1;
    if (part.size >= 2 && part.bytes[0] == '"' && part.bytes[part.size - 1] == '"') {
        part.bytes++;
        part.size -= 2;
    }
    ret_parameter->value = part;
    return true;
}

bool http_element_parameter(const struct http_element *element, const char *name,
                            struct http_text *ret_value)
{
    struct http_text rest = element->parameters;
    struct http_parameter parameter;

    while (http_parameter_next(&rest, &parameter)) {
        if (parameter.has_value && http_text_equals_any_case(parameter.name, name)) {
            *ret_value = parameter.value;
            return true;
        }
    }
    return false;
}

int http_element_quality(const struct http_element *element)
{
    struct http_text text;

    return http_element_parameter(element, "q", &text) ? parse_quality(text) : HTTP_QUALITY_MAX;
}

int http_header_quality(const struct http_request *request, const char *name, const char *token)
{
    int best = -1;

    for (size_t i = 0; i < request->header_count; i++) {
        struct http_text rest = request->headers[i].value;
        struct http_element element;

        if (!http_text_equals(request->headers[i].name, name))
            continue;
        while (http_element_next(&rest, &element)) {
            int quality;

            if (!http_element_is(&element, token))
                continue;
            quality = http_element_quality(&element);
            best = quality > best ? quality : best;
        }
    }
    return best;
}

bool http_accepts(const struct http_request *request, const char *media_type)
{
    return http_header_quality(request, "accept", media_type) > 0;
}

/* --- targets ------------------------------------------------------------------------------------ */

ptrdiff_t http_decode(struct http_text text, char *buf, size_t buf_bytes)
{
    size_t used = 0;

    for (size_t i = 0; i < text.size; i++) {
        char c = text.bytes[i];

        if (c == '%') {
            int high = i + 2 < text.size ? json_hex_digit((uint8_t)text.bytes[i + 1]) : -1;
            int low = i + 2 < text.size ? json_hex_digit((uint8_t)text.bytes[i + 2]) : -1;

            if (high < 0 || low < 0)
                return -EILSEQ;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (used == buf_bytes)
            return -ENOBUFS;
        buf[used++] = c;
    }
    return utf8_is_valid(buf, used) ? (ptrdiff_t)used : -EILSEQ;
}

bool http_query_get(struct http_text query, const char *name, struct http_text *ret_value)
{
    size_t name_bytes = strlen(name);

    while (query.size > 0) {
        const char *mark = memchr(query.bytes, '&', query.size);
        size_t size = mark != NULL ? (size_t)(mark - query.bytes) : query.size;

        if (size >= name_bytes && memcmp(query.bytes, name, name_bytes) == 0 &&
            (size == name_bytes || query.bytes[name_bytes] == '=')) {
            size_t skipped = size == name_bytes ? size : name_bytes + 1;

            *ret_value = (struct http_text){query.bytes + skipped, size - skipped};
            return true;
        }
        if (mark != NULL)
            size++;
        query.bytes += size;
        query.size -= size;
    }
    return false;
}
