#include "server/websocket/handshake.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/http.h"
#include "server/websocket/websocket.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 section 1.3 */

enum {
    KEY_BYTES = 24,                                     /* base64 of 16 bytes */
    ACCEPT_BYTES = (SHA_DIGEST_LENGTH + 2) / 3 * 4 + 1, /* with the terminator that OpenSSL adds */
};

static int refuse(struct http_exchange *exchange, int status, const char *message,
                  const char *headers)
{
    http_respond_error(exchange, status, "bad_handshake", message, headers);
    return -EINVAL;
}

static bool is_base64_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

/* 16 bytes in base64: 22 characters and two of padding. */
static bool key_is_valid(const struct http_text *key)
{
    if (key->size != KEY_BYTES || memcmp(key->bytes + KEY_BYTES - 2, "==", 2) != 0)
        return false;
    for (size_t i = 0; i < KEY_BYTES - 2; i++) {
        if (!is_base64_char(key->bytes[i]))
            return false;
    }
    return true;
}

/* The value of a header that must stand there exactly once; NULL otherwise. */
static const struct http_text *single_header(const struct http_request *request, const char *name)
{
    const struct http_text *found = NULL;

    for (size_t i = 0; i < request->header_count; i++) {
        if (!http_text_equals(request->headers[i].name, name))
            continue;
        if (found != NULL)
            return NULL;
        found = &request->headers[i].value;
    }
    return found;
}

/* 1, or -EINVAL: refused. */
static int check_version(struct http_exchange *exchange)
{
    const struct http_text *version =
        single_header(http_request(exchange), "sec-websocket-version");

    if (version != NULL && http_text_equals(*version, "13"))
        return 1;
    return refuse(exchange, 426, "Sec-WebSocket-Version must be 13",
                  "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n");
}

int websocket_check(struct http_exchange *exchange)
{
    const struct http_request *request = http_request(exchange);
    const struct http_text *key;

    if (request->method == HTTP_METHOD_CONNECT)
        return check_version(exchange);
    if (!http_header_has_token(request, "upgrade", "websocket"))
        return 0;
    if (request->method != HTTP_METHOD_GET)
        return refuse(exchange, 405, "a WebSocket handshake is a GET", "Allow: GET\r\n");
    if (request->is_http_1_0)
        return refuse(exchange, 400, "a WebSocket handshake needs HTTP/1.1", NULL);
    if (request->body_bytes > 0)
        return refuse(exchange, 400, "a WebSocket handshake has no body", NULL);
    if (!http_header_has_token(request, "connection", "upgrade"))
        return refuse(exchange, 400, "Connection must name Upgrade", NULL);
    if (check_version(exchange) < 0)
        return -EINVAL;
    key = single_header(request, "sec-websocket-key");
    if (key == NULL || !key_is_valid(key))
        return refuse(exchange, 400, "Sec-WebSocket-Key must be 16 bytes in base64", NULL);
    return 1;
}

void handshake_prepare(void)
{
    unsigned char digest[SHA_DIGEST_LENGTH];

    (void)SHA1((const unsigned char *)GUID, sizeof GUID - 1, digest); /* returns digest */
}

static void accept_key(const struct http_request *request, unsigned char ret_accept[ACCEPT_BYTES])
{
    const struct http_text *key = http_header(request, "sec-websocket-key");
    unsigned char text[KEY_BYTES + sizeof GUID - 1];
    unsigned char digest[SHA_DIGEST_LENGTH];

    memcpy(text, key->bytes, KEY_BYTES);
    memcpy(text + KEY_BYTES, GUID, sizeof GUID - 1);
    (void)SHA1(text, sizeof text, digest);                    /* returns digest */
    (void)EVP_EncodeBlock(ret_accept, digest, sizeof digest); /* always ACCEPT_BYTES - 1 */
}

char *handshake_headers(const struct http_request *request, const char *protocol,
                        const char *extensions)
{
    static const char upgrade[] = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Accept: ";
    bool is_upgrade = request->method != HTTP_METHOD_CONNECT;
    unsigned char accept[ACCEPT_BYTES] = "";
    char *headers;

    if (is_upgrade)
        accept_key(request, accept);
    if (asprintf(&headers, "%s%s%s%s%s%s%s%s%s", is_upgrade ? upgrade : "", (const char *)accept,
                 is_upgrade ? "\r\n" : "", protocol != NULL ? "Sec-WebSocket-Protocol: " : "",
                 protocol != NULL ? protocol : "", protocol != NULL ? "\r\n" : "",
                 extensions[0] != '\0' ? "Sec-WebSocket-Extensions: " : "", extensions,
                 extensions[0] != '\0' ? "\r\n" : "") < 0)
        return NULL;
    return headers;
}
