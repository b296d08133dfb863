#include "server/http/assets.h"

#include <stdio.h>
#include <string.h>

#include "bus/check.h"

#define VARY "Vary: Accept, Accept-Encoding\r\n"

enum {
    HEADERS_BYTES_MAX = 4096, /* policies are ours, and @headers bounded */
    QUALITY_LEAST = 1,        /* of identity, when nothing is said of it: better than nothing */
};

const struct asset *asset_find(struct http_text path)
{
    size_t count;
    const struct asset *assets = asset_table(&count);

    for (size_t i = 0; i < count; i++) {
        if (http_text_equals(path, assets[i].path))
            return &assets[i];
    }
    return NULL;
}

/* --- what the client takes ---------------------------------------------------------------------- */

/* -1: nothing is said of it. */
static int coding_quality(const struct http_request *request, const char *coding)
{
    int quality = http_header_quality(request, "accept-encoding", coding);

    return quality >= 0 ? quality : http_header_quality(request, "accept-encoding", "*");
}

static int gzip_quality(const struct http_request *request)
{
    /* Its old name (RFC 9110 section 8.4.1.3); `*` has a say in neither if it is named. */
    int quality = http_header_quality(request, "accept-encoding", "x-gzip");

    return quality >= 0 ? quality : coding_quality(request, "gzip");
}

/* NULL: the client takes none. */
static const struct asset_variant *choose_variant(const struct asset *asset,
                                                  const struct http_request *request)
{
    int gzip = asset->gzip.etag != NULL ? gzip_quality(request) : 0;
    int plain = coding_quality(request, "identity");

    if (plain < 0)
        plain = QUALITY_LEAST;
    if (gzip > 0 && gzip >= plain)
        return &asset->gzip;
    return plain > 0 ? &asset->plain : NULL;
}

/* --- what the client has ------------------------------------------------------------------------ */

/* Takes a tag, quotes and all, off the front of a list; false: there is none, or what is none. */
static bool next_tag(struct http_text *rest, struct http_text *ret_tag, bool *ret_is_weak)
{
    const char *end;

    while (rest->size > 0 && strchr(" \t,", rest->bytes[0]) != NULL) {
        rest->bytes++;
        rest->size--;
    }
    *ret_is_weak = rest->size >= 2 && memcmp(rest->bytes, "W/", 2) == 0;
    if (*ret_is_weak) {
        rest->bytes += 2;
        rest->size -= 2;
    }
    if (rest->size < 2 || rest->bytes[0] != '"')
        return false;
    end = memchr(rest->bytes + 1, '"', rest->size - 1);
    if (end == NULL)
        return false;
    *ret_tag = (struct http_text){rest->bytes, (size_t)(end - rest->bytes) + 1};
    rest->bytes += ret_tag->size;
    rest->size -= ret_tag->size;
    return true;
}

/* Whether the list header names this tag, or any by `*`; W/ matches in weak comparison only. */
static bool names_tag(const struct http_request *request, const char *name, const char *etag,
                      bool is_weak_comparison)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct http_text rest = request->headers[i].value;
        struct http_text tag;
        bool is_weak;

        if (!http_text_equals(request->headers[i].name, name))
            continue;
        if (http_text_equals(rest, "*"))
            return true;
        while (next_tag(&rest, &tag, &is_weak)) {
            if (http_text_equals(tag, etag) && (is_weak_comparison || !is_weak))
                return true;
        }
    }
    return false;
}

/* --- answering ---------------------------------------------------------------------------------- */

/* Also those that a 304 must have had as a 200 (RFC 9110 section 15.4.5). */
static void write_headers(char out[HEADERS_BYTES_MAX], const struct asset_variant *variant,
                          const char *more)
{
    int length = snprintf(out, HEADERS_BYTES_MAX,
                          "ETag: %s\r\nCache-Control: no-cache\r\n" VARY "%s", variant->etag, more);

    CHECK(length >= 0);
    CHECK(length < HEADERS_BYTES_MAX);
}

static void respond_whole(struct http_exchange *exchange, const struct asset *asset,
                          const struct asset_variant *variant, const char *headers)
{
    char more[HEADERS_BYTES_MAX / 2];
    char lines[HEADERS_BYTES_MAX];
    const struct http_response response = {
        .status = 200,
        .content_type = asset->content_type,
        .headers = lines,
        .body = variant->bytes,
        .body_bytes = variant->size,
        .arena = variant->arena,
    };
    int length =
        snprintf(more, sizeof more, "%s%s%s%sX-Content-Type-Options: nosniff\r\n%s",
                 variant == &asset->gzip ? "Content-Encoding: gzip\r\n" : "",
                 asset->policy != NULL ? "Content-Security-Policy: " : "",
                 asset->policy != NULL ? asset->policy : "",
                 asset->policy != NULL ? "\r\nReferrer-Policy: no-referrer\r\n" : "", headers);

    CHECK(length >= 0);
    CHECK((size_t)length < sizeof more);
    write_headers(lines, variant, more);
    http_respond(exchange, &response);
}

static void respond_not_modified(struct http_exchange *exchange,
                                 const struct asset_variant *variant, const char *headers)
{
    char lines[HEADERS_BYTES_MAX];

    write_headers(lines, variant, headers);
    http_respond(exchange, &(struct http_response){.status = 304, .headers = lines});
}

static void refuse(struct http_exchange *exchange, int status, const char *code,
                   const char *message, const char *headers)
{
    char lines[HEADERS_BYTES_MAX];
    int length = snprintf(lines, sizeof lines, VARY "%s", headers);

    CHECK(length >= 0);
    CHECK((size_t)length < sizeof lines);
    http_respond_error(exchange, status, code, message, lines);
}

void asset_respond(struct http_exchange *exchange, const struct asset *asset, const char *headers)
{
    const struct http_request *request = http_request(exchange);
    const struct asset_variant *variant = choose_variant(asset, request);

    if (headers == NULL)
        headers = "";
    if (variant == NULL)
        refuse(exchange, 406, "not_acceptable", "there is gzip, or no coding at all", headers);
    else if (http_header(request, "if-match") != NULL &&
             !names_tag(request, "if-match", variant->etag, false))
        refuse(exchange, 412, "precondition_failed", "it has another ETag", headers);
    else if (names_tag(request, "if-none-match", variant->etag, true))
        respond_not_modified(exchange, variant, headers);
    else
        respond_whole(exchange, asset, variant, headers);
}
