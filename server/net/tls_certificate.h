/*
 * server/net/tls_certificate.h - a certificate with its chain and its key, from PEM text.
 *
 * Text     a chain is the server's own certificate, then those above it; a key stands alone or in the
 *          same text. Other blocks beside them do no harm. A key under a passphrase is refused: nobody
 *          is there to be asked.
 * Callers  whoever has read the files: the master while it still may, before the first fork; at a
 *          reload whoever is given their text. (Nothing here opens a file.)
 * Memory   tls_certificate_new allocates, the last tls_certificate_unref frees and wipes. Texts stay
 *          the caller's; it wipes those of keys.
 * Errors   0; -ENOMEM; -EINVAL: tls_error_text() (tls.h) says why, without a name and without a secret.
 */
#ifndef SERVER_NET_TLS_CERTIFICATE_H
#define SERVER_NET_TLS_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>

struct tls_certificate;

enum {
    TLS_DOUBT_BYTES = 160,
};

struct tls_text {
    const char *bytes;
    size_t size;
};

/* What in a pair is wrong. */
enum tls_part {
    TLS_PART_CHAIN,
    TLS_PART_KEY,
};

/* @ret_wrong: set with -EINVAL. */
int tls_certificate_new(struct tls_text chain, struct tls_text key,
                        struct tls_certificate **ret_certificate, enum tls_part *ret_wrong);
void tls_certificate_unref(struct tls_certificate *certificate);

/* It works, but hardly as it is meant: it has expired, or is not valid yet. False: all is well. */
bool tls_certificate_doubt(const struct tls_certificate *certificate, char out[TLS_DOUBT_BYTES]);
/* It is for the names of hosts, and not only for whoever asks for none of them. */
bool tls_certificate_has_name(const struct tls_certificate *certificate);

#endif
