#include "server/protocol/graphql_accept.h"

#include <stddef.h>

#include "bus/check.h"
#include "server/http/http.h"

/* How exactly a range of Accept matches; more is better. */
enum match {
    MATCH_NONE,
    MATCH_ANYTHING, /* any type at all */
    MATCH_TYPE,     /* `application`, whatever it is */
    MATCH_NAME,
};

/* What Accept says of one of ours. */
struct wish {
    enum match match;
    int quality;
    size_t at; /* its place in the list */
};

static const struct medium {
    const char *token;
    const char *content_type;
    bool is_for_wildcards;
} media[GRAPHQL_MEDIA_COUNT] = {
    [GRAPHQL_MEDIA_JSON] = {"application/json", "application/json; charset=utf-8", true},
    [GRAPHQL_MEDIA_RESPONSE_JSON] = {"application/graphql-response+json",
                                     "application/graphql-response+json; charset=utf-8", true},
    [GRAPHQL_MEDIA_EVENT_STREAM] = {"text/event-stream", "text/event-stream", false},
    [GRAPHQL_MEDIA_HTML] = {"text/html", "text/html; charset=utf-8", false},
};

bool graphql_accept_is_utf8(const struct http_element *element)
{
    struct http_text charset;

    if (!http_element_parameter(element, "charset", &charset))
        return true;
    return http_text_equals_any_case(charset, "utf-8") ||
           http_text_equals_any_case(charset, "utf8");
}

static enum match match_of(const struct http_element *element, const struct medium *medium)
{
    if (http_element_is(element, medium->token))
        return MATCH_NAME;
    if (medium->is_for_wildcards && http_element_is(element, "application/*"))
        return MATCH_TYPE;
    if (medium->is_for_wildcards && http_element_is(element, "*/*"))
        return MATCH_ANYTHING;
    return MATCH_NONE;
}

/* The most specific range decides; of several such, the kindest. */
static void take_element(struct wish wishes[GRAPHQL_MEDIA_COUNT],
                         const struct http_element *element, size_t at)
{
    int quality = http_element_quality(element);

    if (!graphql_accept_is_utf8(element))
        return;
    for (size_t i = 0; i < GRAPHQL_MEDIA_COUNT; i++) {
        enum match match = match_of(element, &media[i]);

        if (match == MATCH_NONE || match < wishes[i].match ||
            (match == wishes[i].match && quality <= wishes[i].quality))
            continue;
        wishes[i] = (struct wish){match, quality, at};
    }
}

static bool is_preferred(const struct wish *wish, const struct wish *to)
{
    if (wish->quality != to->quality)
        return wish->quality > to->quality;
    if ((wish->match == MATCH_NAME) != (to->match == MATCH_NAME))
        return wish->match == MATCH_NAME;
    return wish->at < to->at;
}

enum graphql_media graphql_accept_choose(const struct http_request *request, bool has_html)
{
    struct wish wishes[GRAPHQL_MEDIA_COUNT] = {0};
    struct wish best = {0};
    enum graphql_media chosen = GRAPHQL_MEDIA_NONE;
    size_t count = 0;

    for (size_t i = 0; i < request->header_count; i++) {
        struct http_text list = request->headers[i].value;
        struct http_element element;

        if (!http_text_equals(request->headers[i].name, "accept"))
            continue;
        while (http_element_next(&list, &element)) {
            if (element.token.size > 0)
                take_element(wishes, &element, count++);
        }
    }
    if (count == 0)
        return GRAPHQL_MEDIA_JSON;
    for (enum graphql_media i = 0; i < GRAPHQL_MEDIA_COUNT; i++) {
        if (wishes[i].quality == 0 || (i == GRAPHQL_MEDIA_HTML && !has_html) ||
            (chosen != GRAPHQL_MEDIA_NONE && !is_preferred(&wishes[i], &best)))
            continue;
        best = wishes[i];
        chosen = i;
    }
    return chosen;
}

const char *graphql_accept_content_type(enum graphql_media medium)
{
    CHECK((size_t)medium <= GRAPHQL_MEDIA_NONE);
    return media[medium == GRAPHQL_MEDIA_NONE ? GRAPHQL_MEDIA_JSON : medium].content_type;
}
