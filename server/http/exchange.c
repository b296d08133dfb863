/* Exchanges, whichever HTTP they are of: what they are made of decides; and what all refuse alike. */
#include "server/http/exchange.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/http/connection.h"
#include "server/json/json.h"
#include "server/net/stream.h"
#include "server/net/tcp.h"

#define RETRY_AFTER "Retry-After: 2\r\n"

const struct http_request *http_request(const struct http_exchange *exchange)
{
    return &exchange->request;
}

void http_exchange_set_user(struct http_exchange *exchange, void (*on_gone)(void *user), void *user)
{
    exchange->on_gone = on_gone;
    exchange->user = user;
}

struct stream *http_exchange_stream(const struct http_exchange *exchange)
{
    return exchange->operations->stream(exchange);
}

void http_exchange_give_ticket(struct http_exchange *exchange, uint64_t ticket)
{
    CHECK(exchange->request.is_http_2);
    CHECK(exchange->ticket == 0);
    CHECK(ticket != 0);
    exchange->ticket = ticket;
}

bool http_exchange_is_old(const struct http_exchange *exchange)
{
    return exchange->operations->is_old(exchange);
}

void http_exchange_set_client(struct http_exchange *exchange,
                              const struct sockaddr_storage *address, bool is_secure)
{
    exchange->request.is_secure = exchange->request.is_secure || is_secure;
    if (address == NULL || address->ss_family == AF_UNSPEC)
        return;
    if (exchange->client == NULL)
        exchange->client = malloc(sizeof *exchange->client);
    if (exchange->client != NULL) /* else it stays the proxy's */
        *exchange->client = *address;
}

void http_exchange_client(const struct http_exchange *exchange,
                          struct sockaddr_storage *ret_address)
{
    if (exchange->client != NULL)
        *ret_address = *exchange->client;
    else
        tcp_peer_address(http_exchange_stream(exchange), ret_address);
}

void http_exchange_name(const struct http_exchange *exchange, struct stream *stream)
{
    if (exchange->client != NULL)
        stream_name_peer(stream, exchange->client);
}

void http_exchange_done(struct http_exchange *exchange)
{
    free(exchange->client);
    exchange->client = NULL;
}

void http_respond(struct http_exchange *exchange, const struct http_response *response)
{
    exchange->operations->respond(exchange, response);
}

struct stream *http_begin_stream(struct http_exchange *exchange, const char *content_type,
                                 const char *headers)
{
    return exchange->operations->begin_stream(exchange, content_type, headers);
}

struct stream *http_upgrade(struct http_exchange *exchange, const char *headers)
{
    return exchange->operations->upgrade(exchange, headers);
}

/* --- refusals ----------------------------------------------------------------------------------- */

bool http_expectation_is_known(const struct http_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];

        if (http_text_equals(header->name, "expect") &&
            !http_text_equals_any_case(header->value, "100-continue"))
            return false;
    }
    return true;
}

static void refuse_size(struct http_refusal *refusal, const char *what, uint32_t bytes_max)
{
    (void)snprintf(refusal->message, sizeof refusal->message,
                   "the %s is over the limit of %" PRIu32 " bytes", what, bytes_max);
}

struct http_refusal http_refuse_head_size(const struct http_limits *limits)
{
    struct http_refusal refusal = {.status = 431, .code = "head_too_large"};

    refuse_size(&refusal, "head", limits->head_bytes_max);
    return refusal;
}

bool http_refuse_body(enum body_result result, const struct http_limits *limits,
                      struct http_refusal *ret_refusal)
{
    switch (result) {
    case BODY_BAD:
        *ret_refusal = (struct http_refusal){400, "bad_request", "malformed chunked body"};
        return true;
    case BODY_TOO_LARGE:
        *ret_refusal = (struct http_refusal){.status = 413, .code = "too_large"};
        refuse_size(ret_refusal, "body", limits->body_bytes_max);
        return true;
    case BODY_NO_MEMORY:
        *ret_refusal =
            (struct http_refusal){503, "unavailable", "no room for a body that is not whole"};
        return true;
    case BODY_MORE:
    case BODY_DONE:
    default:
        return false;
    }
}

const char *http_refusal_headers(const struct http_connection *connection,
                                 const struct http_exchange *exchange, int status,
                                 char lines[HTTP_LINES_BYTES_MAX])
{
    const struct http_server *server = connection->server;
    const char *headers = status == 503 ? RETRY_AFTER : NULL;

    if (status != 503 && status != 408)
        http_connection_tell(connection, HTTP_MALFORMED);
    if (exchange == NULL || server->handlers->on_refusal == NULL)
        return headers;
    server->handlers->on_refusal(server->user, exchange, headers, lines);
    return lines;
}

char *http_error_body(const char *code, const char *message, size_t *ret_bytes)
{
    static const char begin[] = "{\"error\":{\"code\":";
    static const char middle[] = ",\"message\":";
    static const char end[] = "}}";
    size_t code_bytes = strlen(code);
    size_t message_bytes = strlen(message);
    char *body = malloc(sizeof begin + sizeof middle + sizeof end +
                        json_quoted_bytes_max(code_bytes) + json_quoted_bytes_max(message_bytes));
    char *at = body;

    if (body == NULL)
        return NULL;
    memcpy(at, begin, sizeof begin - 1);
    at += sizeof begin - 1;
    at += json_quote(at, code, code_bytes);
    memcpy(at, middle, sizeof middle - 1);
    at += sizeof middle - 1;
    at += json_quote(at, message, message_bytes);
    memcpy(at, end, sizeof end - 1);
    at += sizeof end - 1;
    *ret_bytes = (size_t)(at - body);
    return body;
}

void http_respond_error(struct http_exchange *exchange, int status, const char *code,
                        const char *message, const char *headers)
{
    struct http_response response = {.status = status, .headers = headers};
    char *body = http_error_body(code, message, &response.body_bytes);

    /* Without memory for the text the status must do. */
    response.content_type = body != NULL ? "application/json" : NULL;
    response.body = body;
    http_respond(exchange, &response);
    free(body);
}
