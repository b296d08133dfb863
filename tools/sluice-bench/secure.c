#include "tools/sluice-bench/secure.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>

static SSL_CTX *context;

static int context_open(void)
{
    static const unsigned char http_1_1[] = "\x08http/1.1";

    if (context != NULL)
        return 0;
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) /* OpenSSL cannot be told MSG_NOSIGNAL */
        return -errno;
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL)
        return -ENOMEM;
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    /* A buffer of ours may have moved, or grown, when a write is tried again. */
    (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_set_alpn_protos(context, http_1_1, sizeof http_1_1 - 1) == 0)
        return 0;
    SSL_CTX_free(context);
    context = NULL;
    return -ENOMEM;
}

int secure_open(int fd, struct ssl_st **ret_ssl)
{
    int rc = context_open();
    SSL *ssl;

    if (rc < 0)
        return rc;
    ssl = SSL_new(context);
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return -ENOMEM;
    }
    SSL_set_connect_state(ssl);
    *ret_ssl = ssl;
    return 0;
}

/* Of a call that has not done what it should. */
static ssize_t result_of(const SSL *ssl, int result)
{
    int error = errno; /* SSL_get_error leaves it alone; what it looks at may not */

    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        return error != 0 ? -error : -ECONNRESET;
    default:
        return -EPROTO;
    }
}

int secure_handshake(struct ssl_st *ssl)
{
    int result;
    ssize_t rc;

    ERR_clear_error();
    errno = 0;
    result = SSL_do_handshake(ssl);
    if (result == 1)
        return 0;
    rc = result_of(ssl, result);
    return rc == 0 ? -ECONNRESET : (int)rc;
}

ssize_t secure_recv(struct ssl_st *ssl, void *data, size_t bytes)
{
    size_t got;
    int result;

    ERR_clear_error();
    errno = 0;
    result = SSL_read_ex(ssl, data, bytes, &got);
    return result == 1 ? (ssize_t)got : result_of(ssl, result);
}

ssize_t secure_send(struct ssl_st *ssl, const void *data, size_t bytes)
{
    size_t sent;
    ssize_t rc;
    int result;

    ERR_clear_error();
    errno = 0;
    result = SSL_write_ex(ssl, data, bytes, &sent);
    if (result == 1)
        return (ssize_t)sent;
    rc = result_of(ssl, result);
    return rc == 0 ? -EPIPE : rc;
}

bool secure_wants_write(const struct ssl_st *ssl)
{
    return SSL_want_write(ssl);
}

bool secure_has_more(const struct ssl_st *ssl)
{
    return SSL_pending(ssl) > 0;
}

void secure_close(struct ssl_st *ssl)
{
    SSL_free(ssl);
}
