#include "server/http/head.h"

#include <string.h>
#include <strings.h>

#include "server/json/json.h"

enum {
    LENGTH_DIGITS_MAX = 18, /* of Content-Length: what fits into 63 bits for certain */
    PORT_DIGITS_MAX = 5,
};

/* What the fields of one head have told so far. */
struct fields {
    unsigned count;
    unsigned host_count;
    unsigned length_count;
    unsigned coding_count;
    uint64_t content_length;
    const char *reason;
};

bool head_is_token_char(char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

/* Length of the token at @text; 0: there is none. */
static size_t token_length(const char *text, size_t size)
{
    size_t length = 0;

    while (length < size && head_is_token_char(text[length]))
        length++;
    return length;
}

static bool is_hex_digit(char c)
{
    return json_hex_digit((uint8_t)c) >= 0;
}

/* unreserved and sub-delims of RFC 3986: what a name may be made of besides `%` and two digits. */
static bool is_name_char(char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c != '\0' && strchr("-._~!$&'()*+,;=", c) != NULL;
}

/* Length of the name or bracketed IPv6 address at the front of @text; 0: there is none. */
static size_t host_length(struct http_text text)
{
    size_t at = 0;

    if (text.size > 0 && text.bytes[0] == '[') {
        at = 1;
        while (at < text.size &&
               (is_hex_digit(text.bytes[at]) || text.bytes[at] == ':' || text.bytes[at] == '.'))
            at++;
        return at > 2 && at < text.size && text.bytes[at] == ']' ? at + 1 : 0;
    }
    while (at < text.size) {
        if (is_name_char(text.bytes[at]))
            at++;
        else if (at + 2 < text.size && text.bytes[at] == '%' && is_hex_digit(text.bytes[at + 1]) &&
                 is_hex_digit(text.bytes[at + 2]))
            at += 3;
        else
            break;
    }
    return at;
}

/* Length of host[:port] (RFC 9110 section 7.2) at the front of @text; 0: there is no host. */
static size_t authority_length(struct http_text text)
{
    size_t host_bytes = host_length(text);
    size_t at = host_bytes + 1;

    if (host_bytes == 0 || host_bytes == text.size || text.bytes[host_bytes] != ':')
        return host_bytes;
    while (at < text.size && text.bytes[at] >= '0' && text.bytes[at] <= '9' &&
           at - host_bytes <= PORT_DIGITS_MAX)
        at++;
    return at;
}

enum head_result head_find(const char *bytes, size_t size, size_t head_bytes_max, uint32_t *scanned,
                           size_t *ret_head_bytes)
{
    /* Never further than the limit: the result must not depend on how much comes at once. */
    size_t end = size < head_bytes_max ? size : head_bytes_max;
    size_t at = *scanned;

    if (size > 0 && !head_is_token_char(bytes[0]))
        return HEAD_BAD; /* not worth waiting for more: a TLS greeting, a blank, noise */
    for (;;) {
        const char *newline = at < end ? memchr(bytes + at, '\n', end - at) : NULL;
        size_t line_end;

        if (newline == NULL)
            break;
        line_end = (size_t)(newline - bytes);
        if (line_end == 0 || bytes[line_end - 1] != '\r')
            return HEAD_BAD;
        at = line_end + 1;
        if (line_end >= 2 && bytes[line_end - 2] == '\n') {
            *ret_head_bytes = at;
            return HEAD_OK;
        }
    }
    if (size > head_bytes_max)
        return HEAD_TOO_LARGE;
    *scanned = (uint32_t)end;
    return HEAD_MORE;
}

static enum head_result check_version(const char *text, size_t size, bool *ret_is_1_0)
{
    if (size != 8 || memcmp(text, "HTTP/", 5) != 0 || text[6] != '.')
        return HEAD_BAD;
    if (text[5] < '0' || text[5] > '9' || text[7] < '0' || text[7] > '9')
        return HEAD_BAD;
    if (text[5] != '1')
        return HEAD_VERSION;
    *ret_is_1_0 = text[7] == '0';
    return HEAD_OK;
}

/* method SP target SP version, with single spaces and nothing else. */
static enum head_result check_request_line(const char *line, size_t size, bool *ret_is_1_0)
{
    size_t method_bytes = token_length(line, size);
    size_t at = method_bytes + 1;
    size_t target = at;

    if (method_bytes == 0 || at >= size || line[method_bytes] != ' ')
        return HEAD_BAD;
    while (at < size && line[at] > ' ' && line[at] < 0x7F && line[at] != '#')
        at++;
    if (at == target || at >= size || line[at] != ' ')
        return HEAD_BAD;
    return check_version(line + at + 1, size - at - 1, ret_is_1_0);
}

static bool parse_length(struct http_text value, uint64_t *ret_length)
{
    uint64_t length = 0;

    if (value.size == 0 || value.size > LENGTH_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < value.size; i++) {
        if (value.bytes[i] < '0' || value.bytes[i] > '9')
            return false;
        length = length * 10 + (uint64_t)(value.bytes[i] - '0');
    }
    *ret_length = length;
    return true;
}

bool head_is_authority(struct http_text text)
{
    return text.size > 0 && authority_length(text) == text.size;
}

static bool note_host(struct fields *fields, struct http_text value)
{
    fields->host_count++;
    fields->reason = "malformed Host";
    return head_is_authority(value);
}

/* The fields that say where the request goes and where it ends. */
static bool note_field(struct fields *fields, struct http_text name, struct http_text value)
{
    fields->count++;
    if (http_text_equals_any_case(name, "host"))
        return note_host(fields, value);
    if (http_text_equals_any_case(name, "content-length")) {
        fields->length_count++;
        fields->reason = "malformed Content-Length";
        return parse_length(value, &fields->content_length);
    }
    if (http_text_equals_any_case(name, "transfer-encoding")) {
        fields->coding_count++;
        fields->reason = "the only transfer coding known is chunked";
        return http_text_equals_any_case(value, "chunked");
    }
    return true;
}

static struct http_text trim(const char *text, size_t size)
{
    while (size > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        size--;
    }
    while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
        size--;
    return (struct http_text){text, size};
}

/* One field line, without its CRLF. */
static bool check_field(struct fields *fields, const char *line, size_t size)
{
    size_t name_bytes = token_length(line, size);

    fields->reason = "malformed header line";
    if (name_bytes == 0 || name_bytes == size || line[name_bytes] != ':')
        return false; /* a folded line, a blank before the colon, no name, no colon */
    for (size_t i = name_bytes + 1; i < size; i++) {
        unsigned char c = (unsigned char)line[i];

        if ((c < ' ' && c != '\t') || c == 0x7F)
            return false;
    }
    return note_field(fields, (struct http_text){line, name_bytes},
                      trim(line + name_bytes + 1, size - name_bytes - 1));
}

/* What the fields say together. */
static bool judge_fields(struct fields *fields, bool is_1_0)
{
    fields->reason = "exactly one Host is needed";
    if (fields->host_count > 1 || (fields->host_count == 0 && !is_1_0))
        return false;
    fields->reason = "Content-Length and Transfer-Encoding must not be repeated or combined";
    if (fields->length_count + fields->coding_count > 1)
        return false;
    fields->reason = "Transfer-Encoding needs HTTP/1.1";
    return fields->coding_count == 0 || !is_1_0;
}

enum head_result head_check(const char *bytes, size_t head_bytes, struct head_framing *ret_framing,
                            const char **ret_reason)
{
    const char *line = bytes;
    const char *end = bytes + head_bytes - 2; /* of the last field's line */
    struct fields fields = {.reason = "malformed request line"};
    enum head_result result = HEAD_OK;
    bool is_1_0 = false;

    while (line < end && result == HEAD_OK) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t size = (size_t)(newline - line) - 1; /* head_find has seen to the CR */

        if (line == bytes)
            result = check_request_line(line, size, &is_1_0);
        else if (!check_field(&fields, line, size))
            result = HEAD_BAD;
        else if (fields.count > HTTP_HEADERS_MAX)
            result = HEAD_TOO_LARGE;
        line = newline + 1;
    }
    if (result == HEAD_OK && !judge_fields(&fields, is_1_0))
        result = HEAD_BAD;
    if (result != HEAD_OK) {
        *ret_reason = fields.reason;
        if (result == HEAD_TOO_LARGE)
            *ret_reason = "too many header lines";
        if (result == HEAD_VERSION)
            *ret_reason = "HTTP/1.0 and HTTP/1.1 are spoken here";
        return result;
    }
    ret_framing->content_length = fields.content_length;
    ret_framing->is_chunked = fields.coding_count > 0;
    return HEAD_OK;
}

/* Bytes of "http://" or "https://" at the beginning of @target; 0: it has none. */
static size_t scheme_length(struct http_text target)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t size = strlen(schemes[i]);

        if (target.size >= size && strncasecmp(target.bytes, schemes[i], size) == 0)
            return size;
    }
    return 0;
}

/* The rest of the absolute form, behind the scheme: takes the authority off *path. */
static bool take_authority(struct http_text *path, struct http_text *ret_authority)
{
    size_t bytes = authority_length(*path);

    *ret_authority = (struct http_text){path->bytes, bytes};
    path->bytes += bytes;
    path->size -= bytes;
    return bytes > 0 && (path->size == 0 || path->bytes[0] == '/' || path->bytes[0] == '?');
}

bool head_split_target(struct http_text target, struct head_target *ret_target)
{
    struct http_text end = {target.bytes + target.size, 0};
    struct head_target split = {.path = target, .query = end, .authority = end};
    size_t scheme = scheme_length(target);
    const char *mark;

    split.path.bytes += scheme;
    split.path.size -= scheme;
    split.is_https = scheme == sizeof "https://" - 1;
    if (scheme > 0 && !take_authority(&split.path, &split.authority))
        return false;
    if (scheme == 0 && target.size == 1 && target.bytes[0] == '*') {
        *ret_target = split;
        return true;
    }
    if (scheme == 0 && (target.size == 0 || target.bytes[0] != '/'))
        return false;
    mark = split.path.size > 0 ? memchr(split.path.bytes, '?', split.path.size) : NULL;
    if (mark != NULL) {
        split.query = (struct http_text){mark + 1, (size_t)(end.bytes - mark) - 1};
        split.path.size = (size_t)(mark - split.path.bytes);
    }
    if (split.path.size == 0)
        split.path = (struct http_text){"/", 1};
    *ret_target = split;
    return true;
}
