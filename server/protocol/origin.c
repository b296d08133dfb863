#include "server/protocol/origin.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "server/net/address.h"
#include "server/net/tcp.h"
#include "server/protocol/service.h"

/* host[:port] taken apart; an IPv6 address without its brackets. */
struct authority {
    struct http_text name;
    struct http_text port; /* empty: none */
    bool is_bracketed;
};

static bool text_equals_nocase(struct http_text a, struct http_text b)
{
    return a.size == b.size && (a.size == 0 || strncasecmp(a.bytes, b.bytes, a.size) == 0);
}

/* Drops @prefix from the front of *text; false when it is not there. */
static bool text_skip(struct http_text *text, const char *prefix)
{
    size_t size = strlen(prefix);

    if (text->size < size || strncasecmp(text->bytes, prefix, size) != 0)
        return false;
    text->bytes += size;
    text->size -= size;
    return true;
}

static bool port_is_valid(struct http_text port)
{
    if (port.size == 0 || port.size > 5)
        return false;
    for (size_t i = 0; i < port.size; i++) {
        if (port.bytes[i] < '0' || port.bytes[i] > '9')
            return false;
    }
    return true;
}

/* The address that the name is, if it is one. */
static int authority_address(const struct authority *authority, struct in6_addr *ret_address)
{
    char name[INET6_ADDRSTRLEN];
    int family = authority->is_bracketed ? AF_INET6 : AF_INET;

    if (authority->name.size >= sizeof name)
        return AF_UNSPEC;
    memcpy(name, authority->name.bytes, authority->name.size);
    name[authority->name.size] = '\0';
    return inet_pton(family, name, ret_address) == 1 ? family : AF_UNSPEC;
}

static bool authority_parse(struct http_text text, struct authority *ret)
{
    struct authority authority = {.is_bracketed = text.size > 0 && text.bytes[0] == '['};
    struct in6_addr address;
    const char *end;
    size_t name_bytes;

    if (authority.is_bracketed) {
        end = memchr(text.bytes, ']', text.size);
        if (end == NULL)
            return false;
        authority.name = (struct http_text){text.bytes + 1, (size_t)(end - text.bytes) - 1};
        name_bytes = (size_t)(end - text.bytes) + 1;
    } else {
        end = text.size == 0 ? NULL : memchr(text.bytes, ':', text.size);
        name_bytes = end == NULL ? text.size : (size_t)(end - text.bytes);
        authority.name = (struct http_text){text.bytes, name_bytes};
    }
    if (authority.name.size == 0)
        return false;
    if (name_bytes < text.size) {
        authority.port =
            (struct http_text){text.bytes + name_bytes + 1, text.size - name_bytes - 1};
        if (text.bytes[name_bytes] != ':' || !port_is_valid(authority.port))
            return false;
    }
    if (authority.is_bracketed && authority_address(&authority, &address) == AF_UNSPEC)
        return false;
    *ret = authority;
    return true;
}

static bool authority_is_loopback(const struct authority *authority)
{
    struct in6_addr address;
    int family = authority_address(authority, &address);

    if (family == AF_INET)
        return address.s6_addr[0] == 127;
    if (family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&address);
    return http_text_equals_any_case(authority->name, "localhost");
}

/* Whether a page cannot have made this Host point at us by a DNS answer of its own. */
static bool authority_is_ours(const struct service_limits *limits,
                              const struct authority *authority)
{
    struct in6_addr address;

    if (authority_address(authority, &address) != AF_UNSPEC ||
        http_text_equals_any_case(authority->name, "localhost"))
        return true;
    for (size_t i = 0; i < limits->host_count; i++) {
        if (http_text_equals_any_case(authority->name, limits->hosts[i]))
            return true;
    }
    return false;
}

static bool authority_equals(const struct authority *a, const struct authority *b, bool is_secure)
{
    struct http_text usual = {is_secure ? "443" : "80", is_secure ? 3 : 2};

    return a->is_bracketed == b->is_bracketed && text_equals_nocase(a->name, b->name) &&
           text_equals_nocase(a->port.size == 0 ? usual : a->port,
                              b->port.size == 0 ? usual : b->port);
}

/* An origin of the web, taken apart. */
struct web_origin {
    struct authority authority;
    bool is_secure;
};

/* False for `null` and whatever else is no page of the web. */
static bool web_origin_parse(struct http_text text, struct web_origin *ret)
{
    bool is_secure = text_skip(&text, "https://");

    if (!is_secure && !text_skip(&text, "http://"))
        return false;
    ret->is_secure = is_secure;
    return authority_parse(text, &ret->authority);
}

/* The list may name the usual port, which browsers leave out; and origins that are not of the web. */
static bool origin_is_listed(const struct service_limits *limits, struct http_text text,
                             const struct web_origin *origin)
{
    for (size_t i = 0; i < limits->cors_origin_count; i++) {
        struct http_text item = {limits->cors_origins[i], strlen(limits->cors_origins[i])};
        struct web_origin listed;

        if (text_equals_nocase(text, item))
            return true;
        if (origin != NULL && web_origin_parse(item, &listed) &&
            origin->is_secure == listed.is_secure &&
            authority_equals(&origin->authority, &listed.authority, origin->is_secure))
            return true;
    }
    return false;
}

bool origin_is_trusted(const struct service_limits *limits, const struct origin_question *question)
{
    struct web_origin origin;
    struct authority host;
    bool is_of_web;

    if (question->origin.size > ORIGIN_BYTES_MAX)
        return false;
    is_of_web = web_origin_parse(question->origin, &origin);
    if (origin_is_listed(limits, question->origin, is_of_web ? &origin : NULL))
        return true;
    if (!is_of_web)
        return false;
    if (question->is_loopback && authority_is_loopback(&origin.authority))
        return true;
    return origin.is_secure == question->is_secure && authority_parse(question->host, &host) &&
           authority_equals(&origin.authority, &host, origin.is_secure) &&
           authority_is_ours(limits, &host);
}

/* Browsers send one. Which of several counts would be anybody's guess. */
static bool has_one_origin(const struct http_request *request)
{
    size_t count = 0;

    for (size_t i = 0; i < request->header_count; i++) {
        if (http_text_equals(request->headers[i].name, "origin"))
            count++;
    }
    return count == 1;
}

enum origin_verdict origin_judge(const struct service_limits *limits,
                                 const struct http_exchange *exchange, struct http_text *ret_origin)
{
    const struct http_request *request = http_request(exchange);
    const struct http_text *origin = http_header(request, "origin");
    const struct http_text *host = http_header(request, "host");
    struct origin_question question = {.is_secure = request->is_secure};
    struct address peer = {.bytes = sizeof peer.storage};

    if (origin == NULL)
        return ORIGIN_NONE;

    /* Who came from a loopback address came to one: only there does the kernel let it in. */
    http_exchange_client(exchange, &peer.storage);
    question.is_loopback = address_is_loopback(&peer);
    question.origin = *origin;
    if (host != NULL)
        question.host = *host;
    *ret_origin = *origin;
    return has_one_origin(request) && origin_is_trusted(limits, &question) ? ORIGIN_TRUSTED
                                                                           : ORIGIN_FOREIGN;
}
