#include "server/net/tls_context.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "bus/check.h"
#include "bus/keys.h"
#include "server/net/tls_internal.h"

/* What is spoken over HTTP's listeners, the preferred first: each name behind its length. */
#define PROTOCOLS "\x02h2\x08http/1.1\x08http/1.0"

/* Forward secrecy and AEAD. What TLS 1.3 has is all of that kind. */
#define CIPHERS_1_2                                                                                \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
/* A client's wish for larger ones would be paid by us. */
#define GROUPS "X25519:P-256:P-384"

enum {
    AES_KEY_BYTES = 32,
    MAC_KEY_BYTES = KEY_SECRET_BYTES - AES_KEY_BYTES,
    NS_PER_S = 1000000000,
    HELLO_KEPT_BYTES_MAX = 2048, /* clients of today: some 300, with every cipher 500 */
};

/* --- hellos ------------------------------------------------------------------------------------- */

/*
 * What OpenSSL keeps of a ClientHello as long as the connection: up to 128 KiB as they are, or an object
 * of 120 bytes for every 4 of a list of authorities. Nothing else bounds that.
 */
static int on_hello(SSL *ssl, int *ret_alert, void *unused)
{
    static const unsigned kept[] = {
        TLSEXT_TYPE_status_request,
        TLSEXT_TYPE_supported_groups,
        TLSEXT_TYPE_signature_algorithms,
        TLSEXT_TYPE_signature_algorithms_cert,
        TLSEXT_TYPE_application_layer_protocol_negotiation,
        TLSEXT_TYPE_certificate_authorities,
    };
    const unsigned char *bytes;
    size_t total_bytes = SSL_client_hello_get0_ciphers(ssl, &bytes);

    (void)unused;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        size_t size = 0;

        if (SSL_client_hello_get0_ext(ssl, kept[i], &bytes, &size) == 1)
            total_bytes += size;
    }
    if (total_bytes <= HELLO_KEPT_BYTES_MAX)
        return SSL_CLIENT_HELLO_SUCCESS;
    tls_current(ssl)->is_greedy = true;
    *ret_alert = SSL_AD_HANDSHAKE_FAILURE;
    return SSL_CLIENT_HELLO_ERROR;
}

/* --- protocols ---------------------------------------------------------------------------------- */

/* OpenSSL says what it is called with. NOLINTNEXTLINE(readability-function-size) */
static int on_alpn(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_bytes,
                   const unsigned char *offered, unsigned offered_bytes, void *unused)
{
    static const unsigned char protocols[] = PROTOCOLS;
    unsigned char *name;

    (void)unused;
    /* For the raw broker there is no name: who has one means another server, or was talked into it. */
    if (tls_current(ssl)->purpose == TLS_FOR_LINES ||
        SSL_select_next_proto(&name, ret_bytes, protocols, sizeof protocols - 1, offered,
                              offered_bytes) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* no_application_protocol (RFC 7301) */
    *ret_name = name;
    return SSL_TLSEXT_ERR_OK;
}

/* --- names -------------------------------------------------------------------------------------- */

/* That it was understood is all there is to say: on_certificate has looked at it. */
static int on_server_name(SSL *ssl, int *ret_alert, void *unused)
{
    (void)ssl;
    (void)ret_alert;
    (void)unused;
    return SSL_TLSEXT_ERR_OK;
}

static bool is_any_like(struct tls_certificate *const *list, size_t count,
                        const struct tls_certificate *certificate)
{
    for (size_t i = 0; i < count; i++) {
        if (tls_certificates_are_alike(list[i], certificate))
            return true;
    }
    return false;
}

/* The certificates for @name, the first of each kind of key. Returns how many. */
static size_t choose(const struct tls_context *context, const char *name, bool is_exact,
                     struct tls_certificate *chosen[TLS_CERTIFICATES_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < context->certificate_count; i++) {
        struct tls_certificate *certificate = context->certificates[i];

        if (tls_certificate_is_for(certificate, name, is_exact) &&
            !is_any_like(chosen, count, certificate))
            chosen[count++] = certificate;
    }
    return count;
}

/* What the context itself has is for whoever asks for no name, or for one that we do not know. */
static int on_certificate(SSL *ssl, void *unused)
{
    const struct tls_context *context = tls_current(ssl)->context;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    struct tls_certificate *chosen[TLS_CERTIFICATES_MAX];
    size_t count;

    (void)unused;
    if (name == NULL || context->certificate_count == 1)
        return 1;
    count = choose(context, name, true, chosen);
    if (count == 0)
        count = choose(context, name, false, chosen);
    if (count == 0)
        return 1;
    SSL_certs_clear(ssl);
    for (size_t i = 0; i < count; i++) {
        if (tls_certificate_use(chosen[i], ssl) != 0)
            return 0; /* internal_error */
    }
    return 1;
}

/* --- tickets ------------------------------------------------------------------------------------ */

static int set_ticket_key(const struct key *key, const unsigned char *iv, EVP_CIPHER_CTX *cipher,
                          EVP_MAC_CTX *mac, int is_sealing)
{
    char digest[] = "SHA256";
    uint8_t mac_key[MAC_KEY_BYTES];
    OSSL_PARAM params[3];
    int rc;

    memcpy(mac_key, key->secret + AES_KEY_BYTES, sizeof mac_key);
    params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, mac_key, sizeof mac_key);
    params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
    params[2] = OSSL_PARAM_construct_end();
    rc = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->secret, iv, is_sealing) == 1 &&
         EVP_MAC_CTX_set_params(mac, params) == 1;
    OPENSSL_cleanse(mac_key, sizeof mac_key);
    return rc;
}

/*
 * In TLS 1.3 clients use a ticket once (RFC 8446 section C.4), so that each that opens is replaced.
 * 1: done; 2: done, and a new ticket is due; 0: not one of ours, or none can be made; -1: error.
 */
/* OpenSSL says what it is called with. NOLINTNEXTLINE(readability-function-size) */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int is_sealing)
{
    const struct keys *keys = tls_current(ssl)->context->keys;
    bool is_newest = true;
    struct key key;
    int rc = -1;

    if (is_sealing != 0 ? !keys_newest(keys, &key) : !keys_find(keys, name, &key, &is_newest))
        return 0;
    if (is_sealing != 0) {
        memcpy(name, key.name, sizeof key.name);
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
            goto done;
    }
    if (set_ticket_key(&key, iv, cipher, mac, is_sealing) != 0)
        rc = is_newest && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
done:
    OPENSSL_cleanse(&key, sizeof key);
    return rc;
}

static int set_tickets(SSL_CTX *ssl, const struct keys *keys)
{
    (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_timeout(ssl, (long)(TLS_TICKET_NS / NS_PER_S));
    if (keys == NULL) {
        (void)SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
        return SSL_CTX_set_num_tickets(ssl, 0);
    }
    /* One is enough: nothing forbids to use it again, since nothing is sent before the handshake. */
    return SSL_CTX_set_num_tickets(ssl, 1) == 1 &&
           SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, on_ticket) == 1;
}

/* --- clients ------------------------------------------------------------------------------------ */

/* A ticket is good only where the same client CA, or none, is asked for. */
static int set_session_context(SSL_CTX *ssl, struct tls_text client_ca)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned bytes = 0;

    if (EVP_Digest(client_ca.size == 0 ? "" : client_ca.bytes, client_ca.size, digest, &bytes,
                   EVP_sha256(), NULL) != 1)
        return 0;
    return SSL_CTX_set_session_id_context(ssl, digest, bytes);
}

static int add_client_ca(SSL_CTX *ssl, X509 *ca)
{
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), ca) == 1 &&
           SSL_CTX_add_client_CA(ssl, ca) == 1;
}

/* Every certificate in the text. */
static int set_client_ca(SSL_CTX *ssl, struct tls_text text)
{
    STACK_OF(X509) *list = NULL;
    int rc = tls_read_certificates(text, &list);

    for (int i = 0; rc == 0 && i < sk_X509_num(list); i++) {
        if (add_client_ca(ssl, sk_X509_value(list, i)) != 1) {
            tls_note_library_error();
            rc = -EINVAL;
        }
    }
    sk_X509_pop_free(list, X509_free);
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL); /* if there is one, and only then */
    return rc;
}

/* --- all of it ---------------------------------------------------------------------------------- */

/* False: OpenSSL says why. */
static bool set_protocol(SSL_CTX *ssl, bool is_ktls)
{
    uint64_t options = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION;

    if (is_ktls)
        options |= SSL_OP_ENABLE_KTLS;
    (void)SSL_CTX_clear_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_options(ssl, options);
    (void)SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ssl, 1);
    SSL_CTX_set_client_hello_cb(ssl, on_hello, NULL);
    SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
    (void)SSL_CTX_set_tlsext_servername_callback(ssl, on_server_name);
    SSL_CTX_set_cert_cb(ssl, on_certificate, NULL);
    SSL_CTX_set_info_callback(ssl, tls_on_info);
    return SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ssl, CIPHERS_1_2) == 1 &&
           SSL_CTX_set1_groups_list(ssl, GROUPS) == 1;
}

/* The first, and those of other kinds of keys for a name of its own. */
static int set_default(struct tls_context *context)
{
    struct tls_certificate *chosen[TLS_CERTIFICATES_MAX];
    size_t count = 0;

    for (size_t i = 0; i < context->certificate_count; i++) {
        struct tls_certificate *certificate = context->certificates[i];

        if (is_any_like(chosen, count, certificate) ||
            !tls_certificates_meet(context->certificates[0], certificate))
            continue;
        chosen[count++] = certificate;
        if (SSL_CTX_use_cert_and_key(context->ssl, certificate->leaf, certificate->key,
                                     certificate->chain, 1) != 1)
            return 0;
    }
    return 1;
}

static int set_up(struct tls_context *context, const struct tls_options *options)
{
    int rc = 0;

    context->ssl = SSL_CTX_new(TLS_server_method());
    if (context->ssl == NULL)
        return -ENOMEM;
    if (options->client_ca.size > 0)
        rc = set_client_ca(context->ssl, options->client_ca);
    if (rc != 0)
        return rc;
    if (!set_protocol(context->ssl, options->is_ktls) ||
        set_tickets(context->ssl, options->keys) != 1 ||
        set_session_context(context->ssl, options->client_ca) != 1 || set_default(context) != 1) {
        tls_note_library_error();
        return -EINVAL;
    }
    return 0;
}

int tls_context_new(const struct tls_options *options, struct tls_context **ret_context)
{
    struct tls_context *context = calloc(1, sizeof *context);
    int rc;

    CHECK(options->certificate_count > 0);
    CHECK(options->certificate_count <= TLS_CERTIFICATES_MAX);
    if (context == NULL)
        return -ENOMEM;
    context->refs = 1;
    context->is_ktls = options->is_ktls;
    context->keys = options->keys;
    context->handshake_timeout_ns = options->handshake_timeout_ns;
    for (size_t i = 0; i < options->certificate_count; i++) {
        context->certificates[i] = options->certificates[i];
        context->certificates[i]->refs++;
        context->certificate_count++;
    }
    rc = set_up(context, options);
    ERR_clear_error();
    if (rc != 0) {
        tls_context_unref(context);
        return rc;
    }
    *ret_context = context;
    return 0;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    CHECK(context->refs > 0);
    CHECK(context->refs < UINT32_MAX);
    context->refs++;
    return context;
}

void tls_context_unref(struct tls_context *context)
{
    if (context == NULL)
        return;
    CHECK(context->refs > 0);
    if (--context->refs > 0)
        return;
    SSL_CTX_free(context->ssl);
    for (size_t i = 0; i < context->certificate_count; i++)
        tls_certificate_unref(context->certificates[i]);
    free(context);
}

/* A socket without a peer is refused with ENOTCONN, but only by a kernel that knows the word. */
bool tls_is_ktls_possible(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_known;

    if (fd < 0)
        return false;
    is_known = setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") == 0 || errno == ENOTCONN;
    (void)close(fd); /* it was only a question */
    return is_known;
}
