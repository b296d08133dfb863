#include "server/tls_worker.h"

#include "bus/stats.h"
#include "server/log.h"
#include "server/net/tls.h"
#include "server/worker.h"

static void tell(const char *peer, const struct stream_security *security,
                 const struct tls_outcome *outcome)
{
    const struct log_field fields[] = {log_told(log_text(LOG_FIELD_PEER, peer))};

    if (outcome->error != NULL)
        log_fields(LOG_LEVEL_DEBUG, LOG_TLS_HANDSHAKE, fields, 1, "no TLS with %s: %s", peer,
                   outcome->error);
    else
        log_fields(LOG_LEVEL_DEBUG, LOG_TLS_HANDSHAKE, fields, 1, "TLS with %s: %s %s%s%s%s%s%s",
                   peer, outcome->version, outcome->cipher, *security->alpn != '\0' ? ", " : "",
                   security->alpn, outcome->is_resumed ? ", resumed" : "",
                   security->subject != NULL ? ", client " : "",
                   security->subject != NULL ? security->subject : "");
}

void tls_worker_on_handshake(void *user, const struct stream *stream,
                             const struct tls_outcome *outcome)
{
    struct worker *worker = user;
    char peer[TCP_ADDRESS_TEXT_MAX];

    stat_add(worker->bus, worker->slot,
             outcome->error != NULL ? STAT_TLS_FAILED : STAT_TLS_HANDSHAKES, 1);
    if (outcome->error == NULL && outcome->is_resumed)
        stat_add(worker->bus, worker->slot, STAT_TLS_RESUMED, 1);
    if (!log_has_level(LOG_LEVEL_DEBUG))
        return;
    stream_peer_text(stream, peer, sizeof peer);
    tell(peer, stream_security(stream), outcome);
}
