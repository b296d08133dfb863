#include "server/http/forwarded.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "server/http/http.h"
#include "server/net/network.h"

/*
 * "192.0.2.43", "192.0.2.43:47011", "[2001:db8::17]:47011", and, as X-Forwarded-For is written, an IPv6 address
 * without brackets. False: "unknown", "_hidden", anything else.
 */
static bool parse_node(struct http_text text, struct sockaddr_storage *ret_address)
{
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)ret_address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)ret_address;
    char host[INET6_ADDRSTRLEN];
    const char *end;

    *ret_address = (struct sockaddr_storage){.ss_family = AF_UNSPEC};
    if (text.size > 0 && text.bytes[0] == '[') {
        end = memchr(text.bytes, ']', text.size);
        if (end == NULL)
            return false;
        text.bytes++;
        text.size = (size_t)(end - text.bytes);
    } else {
        end = text.size > 0 ? memchr(text.bytes, ':', text.size) : NULL;
        if (end != NULL && memchr(end + 1, ':', text.size - (size_t)(end + 1 - text.bytes)) == NULL)
            text.size = (size_t)(end - text.bytes); /* one colon: a port follows */
    }
    if (text.size == 0 || text.size >= sizeof host)
        return false;
    memcpy(host, text.bytes, text.size);
    host[text.size] = '\0';
    if (inet_pton(AF_INET, host, &in->sin_addr) == 1)
        in->sin_family = AF_INET;
    else if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1)
        in6->sin6_family = AF_INET6;
    return ret_address->ss_family != AF_UNSPEC;
}

/* The last elements of the list that a header's lines are together: nobody has more proxies. */
struct hops {
    struct http_element elements[FORWARDED_HOPS_MAX];
    size_t count; /* of all */
};

/* A quoted string in it does not end. */
static bool is_left_open(struct http_text text)
{
    bool is_quoted = false;

    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] == '"')
            is_quoted = !is_quoted;
        else if (is_quoted && text.bytes[i] == '\\')
            i++;
    }
    return is_quoted;
}

/* As http_element_next, but a comma is one in quotes, too. */
static bool next_between_commas(struct http_text *list, struct http_element *ret_element)
{
    const char *comma = list->size > 0 ? memchr(list->bytes, ',', list->size) : NULL;
    struct http_text piece = {list->bytes,
                              comma != NULL ? (size_t)(comma - list->bytes) : list->size};

    if (list->size == 0)
        return false;
    list->bytes += piece.size + (comma != NULL ? 1 : 0);
    list->size -= piece.size + (comma != NULL ? 1 : 0);
    if (!http_element_next(&piece, ret_element))
        *ret_element = (struct http_element){.token = {0}}; /* an empty one */
    return true;
}

/*
 * X-Forwarded-* know no quotes. In Forwarded one that is left open is the client's, and must not take what the
 * proxy has appended: the client would be taken for the proxy.
 */
static void hops_read(const struct http_request *request, const char *name, bool has_quotes,
                      struct hops *ret_hops)
{
    ret_hops->count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        struct http_text list = request->headers[i].value;
        bool (*next)(struct http_text *, struct http_element *) =
            has_quotes && !is_left_open(list) ? http_element_next : next_between_commas;

        if (!http_text_equals(request->headers[i].name, name))
            continue;
        while (next(&list, &ret_hops->elements[ret_hops->count % FORWARDED_HOPS_MAX]))
            ret_hops->count++;
    }
}

/* The @n-th from the end; NULL: it is not there, or not kept. */
static const struct http_element *hop(const struct hops *hops, size_t n)
{
    if (n >= hops->count || n >= FORWARDED_HOPS_MAX)
        return NULL;
    return &hops->elements[(hops->count - 1 - n) % FORWARDED_HOPS_MAX];
}

/* An element of Forwarded has no token of its own: its first pair stands where one would be. */
static bool forwarded_parameter(const struct http_element *element, const char *name,
                                struct http_text *ret_value)
{
    struct http_text first = element->token;
    struct http_parameter parameter;

    if (http_parameter_next(&first, &parameter) && parameter.has_value &&
        http_text_equals_any_case(parameter.name, name)) {
        *ret_value = parameter.value;
        return true;
    }
    return http_element_parameter(element, name, ret_value);
}

static struct forwarded read_x_forwarded(const struct http_request *request,
                                         const struct network *trusted, size_t trusted_count)
{
    struct forwarded forwarded = {.address = {.ss_family = AF_UNSPEC}};
    const struct http_element *element;
    struct hops hops;

    hops_read(request, "x-forwarded-for", false, &hops);
    for (size_t n = 0; (element = hop(&hops, n)) != NULL; n++) {
        if (!parse_node(element->token, &forwarded.address) ||
            !networks_have(trusted, trusted_count, &forwarded.address))
            break;
    }
    /* A chain's last proxy says how it was reached itself, or what it was told. */
    hops_read(request, "x-forwarded-proto", false, &hops);
    element = hop(&hops, 0);
    forwarded.is_secure = element != NULL && http_text_equals_any_case(element->token, "https");
    return forwarded;
}

static struct forwarded read_forwarded(const struct http_request *request,
                                       const struct network *trusted, size_t trusted_count)
{
    struct forwarded forwarded = {.address = {.ss_family = AF_UNSPEC}};
    const struct http_element *element;
    struct hops hops;

    hops_read(request, "forwarded", true, &hops);
    for (size_t n = 0; (element = hop(&hops, n)) != NULL; n++) {
        struct http_text text = {0};

        forwarded.is_secure = forwarded_parameter(element, "proto", &text) &&
                              http_text_equals_any_case(text, "https");
        text = (struct http_text){0};
        (void)forwarded_parameter(element, "for", &text); /* an empty one is none */
        if (!parse_node(text, &forwarded.address) ||
            !networks_have(trusted, trusted_count, &forwarded.address))
            break;
    }
    return forwarded;
}

struct forwarded forwarded_read(const struct http_request *request, const struct network *trusted,
                                size_t trusted_count)
{
    if (http_header(request, "x-forwarded-for") != NULL ||
        http_header(request, "x-forwarded-proto") != NULL)
        return read_x_forwarded(request, trusted, trusted_count);
    return read_forwarded(request, trusted, trusted_count);
}
