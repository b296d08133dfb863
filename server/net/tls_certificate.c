#include "server/net/tls_certificate.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "bus/check.h"
#include "server/net/tls_internal.h"

enum {
    DATE_BYTES = 64,
};

/* --- reading ---------------------------------------------------------------------------------- */

/* Nobody types one in; PEM would ask the terminal otherwise. */
static int refuse_passphrase(char *buf, int size, int is_writing, void *user)
{
    bool *was_asked = user;

    (void)buf;
    (void)size;
    (void)is_writing;
    *was_asked = true;
    return -1;
}

static BIO *open_text(struct tls_text text)
{
    return BIO_new_mem_buf(text.size == 0 ? "" : text.bytes,
                           text.size > INT_MAX ? INT_MAX : (int)text.size);
}

/* The text's end, and not something broken, has stopped PEM_read_bio. The queue is empty then. */
static bool is_at_end(void)
{
    unsigned long error = ERR_peek_last_error();

    if (ERR_GET_LIB(error) != ERR_LIB_PEM || ERR_GET_REASON(error) != PEM_R_NO_START_LINE)
        return false;
    ERR_clear_error();
    return true;
}

int tls_read_certificates(struct tls_text text, STACK_OF(X509) * *ret_list)
{
    BIO *pem = open_text(text);
    STACK_OF(X509) *list = sk_X509_new_null();
    X509 *next = NULL;
    int rc = -ENOMEM;

    if (pem == NULL || list == NULL)
        goto fail;
    while ((next = PEM_read_bio_X509(pem, NULL, NULL, NULL)) != NULL) {
        if (sk_X509_push(list, next) <= 0) {
            X509_free(next);
            goto fail;
        }
    }
    rc = -EINVAL;
    if (!is_at_end()) {
        tls_note_library_error();
        goto fail;
    }
    if (sk_X509_num(list) == 0) {
        tls_note_error("there is no certificate in it (PEM: BEGIN CERTIFICATE)");
        goto fail;
    }
    BIO_free(pem);
    *ret_list = list;
    return 0;

fail:
    ERR_clear_error();
    BIO_free(pem);
    sk_X509_pop_free(list, X509_free);
    return rc;
}

/* PEM_read_bio would only say that it is "unsupported". */
static bool holds_key(struct tls_text text)
{
    static const char mark[] = "PRIVATE KEY-----";

    return text.size > 0 && memmem(text.bytes, text.size, mark, sizeof mark - 1) != NULL;
}

static int read_key(struct tls_certificate *certificate, BIO *text, bool is_there)
{
    bool was_asked = false;

    if (is_there)
        certificate->key = PEM_read_bio_PrivateKey(text, NULL, refuse_passphrase, &was_asked);
    if (certificate->key != NULL)
        return 0;
    if (was_asked)
        tls_note_error("the key is under a passphrase, which nobody could be asked for");
    else if (!is_there)
        tls_note_error("there is no private key in it (PEM: BEGIN PRIVATE KEY)");
    else
        tls_note_library_error();
    ERR_clear_error();
    return -EINVAL;
}

/* In the library's words ("ee key too small"): whose they are is said. */
static void note_refusal(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    tls_note_error("OpenSSL refuses it: %s", reason != NULL ? reason : "it does not say why");
    ERR_clear_error();
}

/* What a connection would be refused for: it fits, and is strong enough. */
static int try_certificate(const struct tls_certificate *certificate, enum tls_part *ret_wrong)
{
    SSL_CTX *ssl = NULL;
    int rc = -EINVAL;

    *ret_wrong = TLS_PART_KEY;
    if (X509_check_private_key(certificate->leaf, certificate->key) != 1) {
        ERR_clear_error();
        tls_note_error("the key is not the certificate's");
        return rc;
    }
    *ret_wrong = TLS_PART_CHAIN;
    ssl = SSL_CTX_new(TLS_server_method());
    if (ssl == NULL)
        return -ENOMEM;
    if (SSL_CTX_use_cert_and_key(ssl, certificate->leaf, certificate->key, certificate->chain, 1) ==
        1)
        rc = 0;
    else
        note_refusal();
    SSL_CTX_free(ssl);
    return rc;
}

int tls_certificate_new(struct tls_text chain, struct tls_text key,
                        struct tls_certificate **ret_certificate, enum tls_part *ret_wrong)
{
    struct tls_certificate *certificate = calloc(1, sizeof *certificate);
    BIO *key_text = open_text(key);
    int rc = -ENOMEM;

    if (certificate == NULL || key_text == NULL)
        goto fail;
    certificate->refs = 1;
    *ret_wrong = TLS_PART_CHAIN;
    rc = tls_read_certificates(chain, &certificate->chain);
    if (rc != 0)
        goto fail;
    certificate->leaf = sk_X509_shift(certificate->chain);
    *ret_wrong = TLS_PART_KEY;
    rc = read_key(certificate, key_text, holds_key(key));
    if (rc != 0)
        goto fail;
    rc = try_certificate(certificate, ret_wrong);
    if (rc != 0)
        goto fail;
    BIO_free(key_text);
    *ret_certificate = certificate;
    return 0;

fail:
    ERR_clear_error();
    BIO_free(key_text);
    tls_certificate_unref(certificate);
    return rc;
}

void tls_certificate_unref(struct tls_certificate *certificate)
{
    if (certificate == NULL)
        return;
    if (certificate->refs > 1) {
        certificate->refs--;
        return;
    }
    X509_free(certificate->leaf);
    EVP_PKEY_free(certificate->key);
    sk_X509_pop_free(certificate->chain, X509_free);
    free(certificate);
}

/* --- what it says ----------------------------------------------------------------------------- */

/* "Jan  1 00:00:00 2030 GMT"; "?" when it cannot be read. */
static void write_date(const ASN1_TIME *time, char out[DATE_BYTES])
{
    BIO *text = BIO_new(BIO_s_mem());
    int size = 0;

    if (text != NULL && ASN1_TIME_print(text, time) == 1)
        size = BIO_read(text, out, DATE_BYTES - 1);
    if (size <= 0) {
        out[0] = '?';
        size = 1;
    }
    out[size] = '\0';
    BIO_free(text);
    ERR_clear_error();
}

bool tls_certificate_doubt(const struct tls_certificate *certificate, char out[TLS_DOUBT_BYTES])
{
    const ASN1_TIME *begin = X509_get0_notBefore(certificate->leaf);
    const ASN1_TIME *end = X509_get0_notAfter(certificate->leaf);
    char date[DATE_BYTES];

    if (X509_cmp_current_time(end) < 0) {
        write_date(end, date);
        (void)snprintf(out, TLS_DOUBT_BYTES, "the certificate has expired: %s", date);
        return true;
    }
    if (X509_cmp_current_time(begin) > 0) {
        write_date(begin, date);
        (void)snprintf(out, TLS_DOUBT_BYTES, "the certificate is not valid before %s", date);
        return true;
    }
    return false;
}

static GENERAL_NAMES *names_of(const struct tls_certificate *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate->leaf, NID_subject_alt_name, NULL, NULL);

    ERR_clear_error(); /* one that cannot be read is none */
    return names;
}

/* The host's name at @index; NULL: it is something else. */
static const ASN1_IA5STRING *host_name_at(const GENERAL_NAMES *names, int index)
{
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);

    return name->type == GEN_DNS ? name->d.dNSName : NULL;
}

static bool has_name(const GENERAL_NAMES *names, const ASN1_IA5STRING *wanted)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const ASN1_IA5STRING *name = host_name_at(names, i);

        if (name == NULL)
            continue;
        if (wanted == NULL || (ASN1_STRING_length(name) == ASN1_STRING_length(wanted) &&
                               strncasecmp((const char *)ASN1_STRING_get0_data(name),
                                           (const char *)ASN1_STRING_get0_data(wanted),
                                           (size_t)ASN1_STRING_length(wanted)) == 0))
            return true;
    }
    return false;
}

bool tls_certificate_has_name(const struct tls_certificate *certificate)
{
    GENERAL_NAMES *names = names_of(certificate);
    bool result = has_name(names, NULL);

    GENERAL_NAMES_free(names);
    return result;
}

bool tls_certificates_meet(const struct tls_certificate *one, const struct tls_certificate *other)
{
    GENERAL_NAMES *names = names_of(one);
    GENERAL_NAMES *others = names_of(other);
    bool result = !has_name(names, NULL) && !has_name(others, NULL);

    for (int i = 0; !result && i < sk_GENERAL_NAME_num(names); i++) {
        const ASN1_IA5STRING *name = host_name_at(names, i);

        result = name != NULL && has_name(others, name);
    }
    GENERAL_NAMES_free(names);
    GENERAL_NAMES_free(others);
    return result;
}

bool tls_certificate_is_for(const struct tls_certificate *certificate, const char *name,
                            bool is_exact)
{
    unsigned flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    bool result;

    if (is_exact)
        flags |= X509_CHECK_FLAG_NO_WILDCARDS;
    result = X509_check_host(certificate->leaf, name, strlen(name), flags, NULL) == 1;
    ERR_clear_error();
    return result;
}

bool tls_certificates_are_alike(const struct tls_certificate *one,
                                const struct tls_certificate *other)
{
    return EVP_PKEY_get_base_id(one->key) == EVP_PKEY_get_base_id(other->key);
}

int tls_certificate_use(const struct tls_certificate *certificate, SSL *ssl)
{
    if (SSL_use_cert_and_key(ssl, certificate->leaf, certificate->key, certificate->chain, 1) == 1)
        return 0;
    tls_note_library_error();
    return -EINVAL;
}
