#include "server/tls_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/config.h"
#include "server/json/text.h"
#include "server/net/tls.h"
#include "server/net/tls_context.h"
#include "server/whole_file.h"

#define CERT_OPTION      "tls-cert"
#define KEY_OPTION       "tls-key"
#define CLIENT_CA_OPTION "tls-client-ca"

enum {
    LINE_BYTES = 512, /* longer names are cut */
    REASON_BYTES = 256,
};

struct loading {
    const struct config *config;
    const struct tls_files_told *told;
    struct tls_certificate *certificates[TLS_CERTIFICATES_MAX];
    size_t count;
    int rc; /* the first error */
};

static void wrong(struct loading *loading, const char *option, const char *file, int rc,
                  const char *reason)
{
    char line[LINE_BYTES];

    (void)snprintf(line, sizeof line, "%s: %s", file, reason);
    if (loading->told->on_wrong != NULL)
        loading->told->on_wrong(loading->told->user, option, line);
    if (loading->rc == 0)
        loading->rc = rc;
}

static void doubt(const struct loading *loading, const char *file, const char *reason)
{
    char line[LINE_BYTES];

    (void)snprintf(line, sizeof line, "%s: %s", file, reason);
    if (loading->told->on_doubt != NULL)
        loading->told->on_doubt(loading->told->user, CERT_OPTION, line);
}

static bool read_file(struct loading *loading, const char *option, const char *file,
                      struct text *content)
{
    int rc = whole_file_read(file, TLS_FILE_BYTES_MAX, content);

    if (rc == -EFBIG)
        wrong(loading, option, file, rc, "it is longer than any certificate or key");
    else if (rc != 0)
        wrong(loading, option, file, rc, strerror(-rc));
    return rc == 0;
}

/* It may have held a key. */
static void drop_text(struct text *content)
{
    if (content->bytes != NULL)
        explicit_bzero(content->bytes, content->size);
    text_done(content);
}

static struct tls_text span_of(const struct text *content)
{
    return (struct tls_text){.bytes = content->bytes, .size = content->size};
}

static void judge_certificate(const struct loading *loading, const char *file)
{
    const struct tls_certificate *certificate = loading->certificates[loading->count - 1];
    char reason[TLS_DOUBT_BYTES];

    if (tls_certificate_doubt(certificate, reason))
        doubt(loading, file, reason);
    if (loading->count > 1 && !tls_certificate_has_name(certificate))
        doubt(loading, file,
              "the certificate names no host (subjectAltName), so that nobody is ever given it");
}

/* They belong together by their order alone, so that both are named. */
static void wrong_key(struct loading *loading, const char *key_file, const char *cert_file, int rc)
{
    char reason[REASON_BYTES];

    (void)snprintf(reason, sizeof reason, "%s (%s)", tls_error_text(), cert_file);
    wrong(loading, KEY_OPTION, key_file, rc, reason);
}

static void make_certificate(struct loading *loading, const char *cert_file, const char *key_file,
                             struct tls_text chain, struct tls_text key)
{
    enum tls_part part = TLS_PART_CHAIN;
    int rc = tls_certificate_new(chain, key, &loading->certificates[loading->count], &part);

    if (rc == 0) {
        loading->count++;
        judge_certificate(loading, cert_file);
    } else if (rc != -EINVAL) {
        wrong(loading, CERT_OPTION, cert_file, rc, strerror(-rc));
    } else if (part == TLS_PART_CHAIN || key_file == NULL) {
        wrong(loading, CERT_OPTION, cert_file, rc, tls_error_text());
    } else {
        wrong_key(loading, key_file, cert_file, rc);
    }
}

static void load_pair(struct loading *loading, size_t index)
{
    const struct config *config = loading->config;
    const char *cert_file = config->tls_cert.items[index];
    const char *key_file = index < config->tls_key.count ? config->tls_key.items[index] : NULL;
    struct text chain = {0};
    struct text key = {0};
    bool is_read = read_file(loading, CERT_OPTION, cert_file, &chain);

    if (key_file != NULL)
        is_read = read_file(loading, KEY_OPTION, key_file, &key) && is_read;
    if (is_read)
        make_certificate(loading, cert_file, key_file, span_of(&chain),
                         span_of(key_file != NULL ? &key : &chain));
    drop_text(&chain);
    drop_text(&key);
}

static void make_context(struct loading *loading, const struct keys *keys,
                         struct tls_context **ret_context)
{
    const struct config *config = loading->config;
    const char *file = config->tls_client_ca;
    struct text client_ca = {0};
    struct tls_options options = {
        .certificates = loading->certificates,
        .certificate_count = loading->count,
        .keys = keys,
        .handshake_timeout_ns = (int64_t)config->handshake_timeout,
        .is_ktls = config->ktls,
    };

    if (file != NULL && read_file(loading, CLIENT_CA_OPTION, file, &client_ca) &&
        client_ca.size == 0)
        wrong(loading, CLIENT_CA_OPTION, file, -EINVAL, "it is empty");
    options.client_ca = span_of(&client_ca);
    if (loading->rc == 0) {
        int rc = tls_context_new(&options, ret_context);

        if (rc != 0)
            wrong(loading, file != NULL ? CLIENT_CA_OPTION : CERT_OPTION,
                  file != NULL ? file : config->tls_cert.items[0], rc,
                  rc == -EINVAL ? tls_error_text() : strerror(-rc));
    }
    drop_text(&client_ca);
}

int tls_files_load(const struct config *config, const struct keys *keys,
                   const struct tls_files_told *told, struct tls_context **ret_context)
{
    struct loading loading = {.config = config, .told = told};

    *ret_context = NULL;
    if (config->tls_cert.count == 0)
        return 0;
    if (config->tls_cert.count > TLS_CERTIFICATES_MAX) {
        wrong(&loading, CERT_OPTION, config->tls_cert.items[TLS_CERTIFICATES_MAX], -EINVAL,
              "more certificates than a server can have");
        return loading.rc;
    }
    for (size_t i = 0; i < config->tls_cert.count; i++)
        load_pair(&loading, i);
    if (loading.count == config->tls_cert.count) /* else a client CA would be told of alone */
        make_context(&loading, keys, ret_context);
    for (size_t i = 0; i < loading.count; i++)
        tls_certificate_unref(loading.certificates[i]);
    return loading.rc;
}
