#include "server/client_log.h"

#include <stdio.h>

#include "bus/stats.h"
#include "server/log.h"
#include "server/protocol/client.h"

enum {
    ID_BYTES = 32,
    FIELDS_MAX = 12,
};

/* A line's fields, as they are put together. */
struct client_fields {
    struct client_view view;
    char id[ID_BYTES];
    struct log_field fields[FIELDS_MAX];
    size_t count;
};

static void add(struct client_fields *line, struct log_field field)
{
    line->fields[line->count++] = field;
}

/* Who it is. */
static void begin(struct client_fields *line, unsigned worker_index, const struct client *client)
{
    client_describe(client, &line->view);
    line->count = 0;
    (void)snprintf(line->id, sizeof line->id, "%u-%u", worker_index, (unsigned)line->view.number);
    add(line, log_text(LOG_FIELD_CLIENT, line->id));
    add(line, log_told(log_text(LOG_FIELD_PROTOCOL, stat_protocol_name(line->view.protocol))));
    if (line->view.name[0] != '\0')
        add(line, log_told(log_text(LOG_FIELD_NAME, line->view.name)));
    add(line, log_text(LOG_FIELD_PEER, line->view.peer));
    add(line, log_text(LOG_FIELD_TRANSPORT, line->view.transport));
}

static void write_line(const struct client_fields *line, enum log_level level, enum log_event event,
                       const char *what)
{
    const struct client_view *view = &line->view;

    log_fields(level, event, line->fields, line->count, "%s%s%s %s",
               stat_protocol_name(view->protocol), view->name[0] != '\0' ? " " : "", view->name,
               what);
}

void client_log_joined(unsigned worker_index, const struct client *client)
{
    struct client_fields line;

    if (!log_has_level(LOG_LEVEL_DEBUG))
        return;
    begin(&line, worker_index, client);
    write_line(&line, LOG_LEVEL_DEBUG, LOG_CLIENT_JOINED, "came");
}

void client_log_left(unsigned worker_index, const struct client *client)
{
    const char *reason = stat_close_reason_name((enum stat_close_reason)client->reason);
    struct client_fields line;

    if (!log_has_level(LOG_LEVEL_INFO))
        return;
    begin(&line, worker_index, client);
    add(&line, log_text(LOG_FIELD_REASON, reason));
    if (client->close_code != 0)
        add(&line, log_u64(LOG_FIELD_CLOSE_CODE, client->close_code));
    add(&line, log_ns(LOG_FIELD_SECONDS, line.view.age_ns));
    add(&line, log_u64(LOG_FIELD_MESSAGES_IN, line.view.messages_in));
    add(&line, log_u64(LOG_FIELD_MESSAGES_OUT, line.view.messages_out));
    add(&line, log_u64(LOG_FIELD_BYTES_IN, line.view.bytes_in));
    add(&line, log_u64(LOG_FIELD_BYTES_OUT, line.view.bytes_out));
    write_line(&line, LOG_LEVEL_INFO, LOG_CLIENT_LEFT, "left");
}
