/*
 * The socket is read and written by a BIO of ours, because OpenSSL's own does not know what we know
 * of it: that a short read has emptied it, that a short write has filled it, and when it is time to
 * let others have their turn. One serves all connections, whichever is `current`: a call of OpenSSL
 * is about one. Only where the kernel shall encrypt OpenSSL's own is used: it is the one that can.
 */
#include "server/net/tls.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "bus/check.h"
#include "server/net/tls_internal.h"

static_assert(TLS_RECORD_BYTES == SSL3_RT_MAX_PLAIN_LENGTH, "a full record");

/* --- errors ------------------------------------------------------------------------------------- */

static char error_text[256];

const char *tls_error_text(void)
{
    return error_text;
}

void tls_note_error(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(error_text, sizeof error_text, format, arguments); /* may be cut */
    va_end(arguments);
}

void tls_note_library_error(void)
{
    unsigned long error = ERR_peek_error();
    const char *reason = ERR_reason_error_string(error);

    if (reason != NULL)
        tls_note_error("%s", reason);
    else
        tls_note_error("error %08lX of OpenSSL", error);
    ERR_clear_error();
}

/* --- the socket --------------------------------------------------------------------------------- */

static struct tls *current; /* whose call is under way */

struct tls *tls_current(const SSL *ssl)
{
    CHECK(current->ssl == ssl);
    return current;
}

static int bio_read(BIO *bio, char *buf, int size)
{
    struct tls *tls = current;
    ssize_t got;

    BIO_clear_retry_flags(bio);
    if (tls->is_dry || tls->fills_left == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    do {
        got = recv(tls->fd, buf, (size_t)size, 0);
    } while (got < 0 && errno == EINTR);
    tls->fills_left--;
    /* Its end may stand right behind what is there, and epoll has told of that already. */
    if (got > 0 && got < size && !tls->is_to_end)
        tls->is_dry = true;
    if (got >= 0)
        return (int)got;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        tls->is_dry = true;
        BIO_set_retry_read(bio);
    } else {
        tls->io_error = errno;
    }
    return -1;
}

static int bio_write(BIO *bio, const char *bytes, int size)
{
    struct tls *tls = current;
    ssize_t sent;

    BIO_clear_retry_flags(bio);
    if (tls->state.is_full) {
        BIO_set_retry_write(bio);
        return -1;
    }
    do {
        sent = send(tls->fd, bytes, (size_t)size, MSG_NOSIGNAL | (tls->has_more ? MSG_MORE : 0));
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        tls->state.is_full = sent < size;
        return (int)sent;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        tls->state.is_full = true;
        BIO_set_retry_write(bio);
    } else {
        tls->io_error = errno;
    }
    return -1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0; /* nothing waits in it; the rest is not for us */
}

/* For bio_of_process. */
static BIO_METHOD *make_method(void)
{
    BIO_METHOD *method =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket of sluice");
    if (method == NULL)
        return NULL;
    if (BIO_meth_set_read(method, bio_read) != 1 || BIO_meth_set_write(method, bio_write) != 1 ||
        BIO_meth_set_ctrl(method, bio_ctrl) != 1) {
        BIO_meth_free(method);
        method = NULL;
    }
    return method;
}

/* It stays, with one reference of its own. NULL: no memory. */
static BIO *bio_of_process(void)
{
    static BIO_METHOD *method;
    static BIO *bio;

    if (method == NULL)
        method = make_method();
    if (method != NULL && bio == NULL) {
        bio = BIO_new(method);
        if (bio != NULL)
            BIO_set_init(bio, 1);
    }
    return bio;
}

static int set_socket(struct tls *tls)
{
    BIO *bio;

    if (tls->context->is_ktls)
        return SSL_set_fd(tls->ssl, tls->fd) == 1 ? 0 : -ENOMEM;
    bio = bio_of_process();
    if (bio == NULL || BIO_up_ref(bio) != 1)
        return -ENOMEM;
    SSL_set_bio(tls->ssl, bio, bio); /* it has that reference now */
    return 0;
}

/* --- beginning and end of one ------------------------------------------------------------------- */

int tls_new(struct tls_context *context, int fd, enum tls_purpose purpose, struct tls **ret_tls)
{
    struct tls *tls = calloc(1, sizeof *tls);

    if (tls == NULL)
        return -ENOMEM;
    tls->context = tls_context_ref(context);
    tls->fd = fd;
    tls->purpose = (uint8_t)purpose;
    tls->security = (struct stream_security){.is_secure = true, .alpn = ""};
    *ret_tls = tls;
    return 0;
}

void tls_free(struct tls *tls)
{
    if (tls == NULL)
        return;
    SSL_free(tls->ssl);
    ERR_clear_error();
    tls_context_unref(tls->context);
    free((char *)(uintptr_t)tls->security.subject); /* made by note_subject */
    free(tls);
}

static int make_ssl(struct tls *tls)
{
    int rc;

    tls->ssl = SSL_new(tls->context->ssl);
    if (tls->ssl == NULL) {
        rc = -ENOMEM;
    } else {
        SSL_set_accept_state(tls->ssl);
        rc = set_socket(tls);
    }
    ERR_clear_error();
    if (rc != 0) {
        SSL_free(tls->ssl);
        tls->ssl = NULL;
        tls_note_error("%s", strerror(-rc));
    }
    return rc;
}

int tls_begin(struct tls *tls)
{
    uint8_t first;
    ssize_t got;

    CHECK(tls->ssl == NULL);
    do {
        got = recv(tls->fd, &first, 1, MSG_PEEK);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return -EAGAIN;
    if (got <= 0) {
        int error = got < 0 ? errno : ECONNRESET;

        tls_note_error("it ended before it said anything");
        return -error;
    }
    return first == TLS_HELLO_BYTE ? make_ssl(tls) : -EPROTOTYPE;
}

bool tls_has_begun(const struct tls *tls)
{
    return tls->ssl != NULL;
}

bool tls_is_ready(const struct tls *tls)
{
    return tls->is_ready;
}

int64_t tls_handshake_timeout_ns(const struct tls *tls)
{
    return tls->context->handshake_timeout_ns;
}

const struct stream_security *tls_security(const struct tls *tls)
{
    return &tls->security;
}

uint64_t tls_raise_delivered(struct tls *tls, uint64_t bytes)
{
    if (bytes > tls->delivered_bytes)
        tls->delivered_bytes = bytes;
    return tls->delivered_bytes;
}

struct tls_state tls_state(const struct tls *tls)
{
    return tls->state;
}

/* --- calls -------------------------------------------------------------------------------------- */

static void begin_call(struct tls *tls, unsigned flags)
{
    current = tls;
    tls->state = (struct tls_state){0};
    tls->has_more = false;
    tls->is_to_end = (flags & TLS_TO_END) != 0;
    tls->is_dry = false;
    tls->fills_left = TLS_FILLS_MAX;
    tls->io_error = 0;
    if (ERR_peek_error() != 0)
        ERR_clear_error(); /* another's, which would pass for ours */
}

static int judge_failure(struct tls *tls, int error)
{
    long verdict = SSL_get_verify_result(tls->ssl);

    if (error == SSL_ERROR_SSL &&
        ERR_GET_REASON(ERR_peek_error()) != SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED)
            tls_note_error("the client's certificate: %s", X509_verify_cert_error_string(verdict));
        else
            tls_note_library_error();
        ERR_clear_error();
        return -EPROTO;
    }
    ERR_clear_error();
    tls_note_error("the connection was cut");
    return -ECONNRESET;
}

/* Of a call of OpenSSL that has failed: 0 (the peer's end) or -errno. */
static int judge(struct tls *tls, int result)
{
    int error = SSL_get_error(tls->ssl, result);

    if (tls->is_flooding || tls->is_greedy) {
        ERR_clear_error();
        tls_note_error("%s", tls->is_greedy ? "its hello is too long"
                                            : "too many messages of TLS itself");
        return -EPROTO;
    }
    if (tls->io_error != 0) {
        ERR_clear_error();
        tls_note_error("%s", strerror(tls->io_error));
        return -tls->io_error;
    }
    switch (error) {
    case SSL_ERROR_WANT_READ:
        return -EAGAIN;
    case SSL_ERROR_WANT_WRITE:
        tls->state.is_full = true; /* kTLS: nobody else has told */
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        return judge_failure(tls, error);
    }
}

/* Likewise, of one that reads: it has either stopped at the socket, or of its own accord. */
static int judge_reading(struct tls *tls, int result)
{
    int rc = judge(tls, result);

    if (rc == -EAGAIN && SSL_want(tls->ssl) == SSL_WRITING)
        tls->state.has_wanted_room = true;
    else if (rc == -EAGAIN)
        tls->state.is_empty = tls->fills_left > 0;
    return rc;
}

void tls_on_info(const SSL *ssl, int where, int value)
{
    struct tls *tls = tls_current(ssl);

    (void)value;
    if (!tls->is_ready || (where & (SSL_CB_LOOP | SSL_CB_ALERT)) == 0)
        return;
    if (++tls->chatter_count <= TLS_CHATTER_MAX || tls->is_flooding)
        return;
    tls->is_flooding = true;
    SSL_set_shutdown(tls->ssl, SSL_RECEIVED_SHUTDOWN); /* OpenSSL would go on while there is more */
}

/* --- handshake ---------------------------------------------------------------------------------- */

static void note_alpn(struct tls *tls)
{
    static const char *const known[] = {"h2", "http/1.1", "http/1.0"};
    const unsigned char *name = NULL;
    unsigned bytes = 0;

    SSL_get0_alpn_selected(tls->ssl, &name, &bytes);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (bytes == strlen(known[i]) && memcmp(name, known[i], bytes) == 0)
            tls->security.alpn = known[i];
    }
}

/* A copy, terminated: RFC 2253, but with letters of other alphabets as they are. */
static int copy_subject(const X509 *certificate, char **ret_subject)
{
    BIO *text = BIO_new(BIO_s_mem());
    char *subject = calloc(1, TLS_SUBJECT_BYTES_MAX + 1);
    int rc = -ENOMEM;
    int size;

    if (text == NULL || subject == NULL)
        goto fail;
    rc = -EPROTO;
    size = X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0,
                              XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    if (size < 0 || BIO_pending(text) > TLS_SUBJECT_BYTES_MAX)
        goto fail;
    size = BIO_read(text, subject, TLS_SUBJECT_BYTES_MAX);
    if (size > 0 && strlen(subject) != (size_t)size)
        goto fail; /* whoever reads it as text would see another name */
    BIO_free(text);
    *ret_subject = subject;
    return 0;

fail:
    BIO_free(text);
    free(subject);
    return rc;
}

static int note_subject(struct tls *tls)
{
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    char *subject = NULL;
    int rc;

    if (certificate == NULL)
        return 0;
    if (SSL_get_verify_result(tls->ssl) != X509_V_OK) {
        tls_note_error("the client's certificate is not verified");
        return -EPROTO;
    }
    rc = copy_subject(certificate, &subject);
    ERR_clear_error();
    if (rc != 0)
        tls_note_error("the subject of the client's certificate: %s",
                       rc == -ENOMEM ? strerror(ENOMEM) : "too long, or not text");
    else
        tls->security.subject = subject;
    return rc;
}

static void forget_key(EVP_PKEY *key)
{
    (void)EVP_PKEY_set_type(key,
                            EVP_PKEY_NONE); /* there is none of that type: what it held is freed */
    EVP_PKEY_free(key);
}

/*
 * OpenSSL keeps what was only for the handshake as long as the connection. The keys that were
 * exchanged: half a KiB, and a secret that could still open what has been recorded. The client's
 * ciphers: as much again if it knows them all. Their list is OpenSSL's, which frees it; we empty it,
 * because nobody asks any more what the client could have had.
 */
static void forget_handshake(struct tls *tls)
{
    STACK_OF(SSL_CIPHER) *ciphers = SSL_get_client_ciphers(tls->ssl);
    EVP_PKEY *own = NULL;
    EVP_PKEY *peers = NULL;

    if (SSL_get_tmp_key(tls->ssl, &own) == 1)
        forget_key(own);
    if (SSL_get_peer_tmp_key(tls->ssl, &peers) == 1)
        forget_key(peers);
    if (ciphers != NULL) {
        sk_SSL_CIPHER_zero(ciphers);
        (void)sk_SSL_CIPHER_reserve(ciphers, 0); /* frees its room; if not, that only stays */
    }
    ERR_clear_error();
}

int tls_handshake(struct tls *tls, unsigned flags)
{
    int result;
    int rc;

    CHECK(!tls->is_ready);
    begin_call(tls, flags);
    result = SSL_do_handshake(tls->ssl);
    if (result != 1) {
        rc = judge_reading(tls, result);
        if (rc != 0)
            return rc;
        tls_note_error("the client has given it up");
        return -ECONNRESET;
    }
    rc = note_subject(tls);
    if (rc != 0)
        return rc;
    note_alpn(tls);
    forget_handshake(tls);
    tls->is_ready = true;
    return 0;
}

void tls_describe(const struct tls *tls, struct tls_outcome *ret_outcome)
{
    *ret_outcome = (struct tls_outcome){
        .version = SSL_get_version(tls->ssl),
        .cipher = SSL_get_cipher_name(tls->ssl),
        .is_resumed = SSL_session_reused(tls->ssl) == 1,
    };
}

/* --- data --------------------------------------------------------------------------------------- */

static void forgive_chatter(struct tls *tls, size_t bytes)
{
    tls->quiet_bytes += (uint32_t)bytes;
    if (tls->quiet_bytes < TLS_CHATTER_BYTES)
        return;
    tls->quiet_bytes = 0;
    tls->chatter_count = 0;
}

ssize_t tls_recv(struct tls *tls, void *buf, size_t size, unsigned flags)
{
    bool is_peek = (flags & TLS_PEEK) != 0;
    size_t got = 0;
    int rc = 0;

    CHECK(tls->is_ready);
    begin_call(tls, flags);
    if (tls->has_ending)
        return tls->ending;
    while (got < size) {
        size_t more = 0;
        int result = is_peek ? SSL_peek_ex(tls->ssl, buf, size, &more)
                             : SSL_read_ex(tls->ssl, (char *)buf + got, size - got, &more);

        if (result != 1) {
            rc = judge_reading(tls, result);
            break;
        }
        got += more;
        if (is_peek)
            return (ssize_t)got;
    }
    forgive_chatter(tls, got);
    if (got == 0)
        return rc;
    if (got < size && rc != -EAGAIN) {
        tls->has_ending = true; /* behind what there is */
        tls->ending = rc;
    }
    return (ssize_t)got;
}

bool tls_has_pending(const struct tls *tls)
{
    return tls->has_ending || (tls->ssl != NULL && SSL_has_pending(tls->ssl) == 1);
}

/* A place in an array of ranges. */
struct place {
    const struct iovec *iov;
    int count;    /* of ranges from here on */
    size_t taken; /* of the first */
};

static void move_on(struct place *place, size_t bytes)
{
    while (place->count > 0 && bytes >= place->iov->iov_len - place->taken) {
        bytes -= place->iov->iov_len - place->taken;
        place->iov++;
        place->count--;
        place->taken = 0;
    }
    place->taken += bytes;
}

/* What goes into one record: where it stands if it is in one piece, else copied together. */
static const uint8_t *next_record(struct place place, size_t *ret_bytes)
{
    static uint8_t gathered[TLS_RECORD_BYTES]; /* the process's: nothing stays in it */
    size_t bytes = place.iov->iov_len - place.taken;
    const uint8_t *first = (const uint8_t *)place.iov->iov_base + place.taken;

    if (bytes >= TLS_RECORD_BYTES || place.count == 1) {
        *ret_bytes = bytes < TLS_RECORD_BYTES ? bytes : TLS_RECORD_BYTES;
        return first;
    }
    bytes = 0;
    while (place.count > 0 && bytes < TLS_RECORD_BYTES) {
        size_t piece = place.iov->iov_len - place.taken;

        if (piece > TLS_RECORD_BYTES - bytes)
            piece = TLS_RECORD_BYTES - bytes;
        memcpy(gathered + bytes, (const uint8_t *)place.iov->iov_base + place.taken, piece);
        bytes += piece;
        move_on(&place, piece);
    }
    *ret_bytes = bytes;
    return gathered;
}

/* More than the next @bytes are to be sent from there on. */
static bool is_longer(struct place place, size_t bytes)
{
    move_on(&place, bytes);
    return place.count > 0;
}

ssize_t tls_send(struct tls *tls, const struct iovec *iov, int iov_count)
{
    struct place place = {.iov = iov, .count = iov_count};
    size_t sent = 0;
    int rc = 0;

    CHECK(tls->is_ready);
    begin_call(tls, 0);
    while (rc == 0 && place.count > 0 && !tls->state.is_full) {
        size_t bytes;
        size_t written = 0;
        const uint8_t *record = next_record(place, &bytes);
        int result;

        CHECK(bytes >= tls->offered_bytes);
        tls->has_more = is_longer(place, bytes);
        result = SSL_write_ex(tls->ssl, record, bytes, &written);
        if (result == 1) {
            tls->offered_bytes = 0;
            sent += written;
            move_on(&place, written);
            continue;
        }
        rc = judge(tls, result);
        if (rc == 0)
            rc = -EPROTO; /* no error, and nothing written: it cannot be */
        if (rc == -EAGAIN)
            tls->offered_bytes = (uint32_t)bytes;
        tls->state.has_wanted_input = rc == -EAGAIN && SSL_want(tls->ssl) == SSL_READING;
    }
    if (rc != 0 && rc != -EAGAIN)
        return rc;
    return sent > 0 || rc == 0 ? (ssize_t)sent : -EAGAIN;
}

int tls_shut(struct tls *tls)
{
    int result;

    if (!tls->is_ready)
        return 0;
    begin_call(tls, 0);
    result = SSL_shutdown(tls->ssl);
    if (result >= 0 || judge(tls, result) != -EAGAIN) {
        ERR_clear_error();
        return 0; /* what could not be said will not be heard either */
    }
    return -EAGAIN;
}
