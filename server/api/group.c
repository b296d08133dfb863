/*
 * A group has a style per (kind, length of id) that its members have: an encoding of the topics. The
 * frame's head tells its length, so it depends on that of the id, and on nothing else of it.
 */
#include "server/api/group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "bus/check.h"
#include "bus/hash.h"
#include "bus/shm.h"
#include "server/api/api_internal.h"
#include "server/api/live.h"
#include "server/json/text.h"
#include "server/websocket/websocket.h"

#define BEFORE_ID "{\"id\":"

enum {
    /* What stands around a result, without the id. */
    FRAME_OVERHEAD_BYTES = 96,
};

struct group_style {
    struct encoding encoding; /* the first member: what the topics call back with */
    struct topics_encoding *added;
    struct group_style *next; /* of the group */
    struct group *group;
    uint32_t member_count;
    uint16_t id_bytes;
    uint8_t kind;   /* enum group_style_kind */
    uint8_t window; /* enum deflate_window */
};

struct group {
    UT_hash_handle hh;
    struct api *api;
    struct live *live;
    struct group_style *styles;
    /* What became of the event that was executed last. */
    struct text result;  /* LIVE_MADE */
    uint64_t result_seq; /* 0: none is kept */
    enum live_result result_kind;
    struct group *prev; /* utlist, of the set's results: while there is memory in `result` */
    struct group *next;
    uint32_t key_bytes;
    char key[];
};

/* Made with the first group, freed with the last. */
struct group_set {
    struct group *groups;  /* uthash, by key */
    struct group *results; /* the one executed last stands first */
    size_t result_bytes;   /* of memory in them */
    uint64_t seed;
};

/* --- results ------------------------------------------------------------------------------------ */

/* Out of the list of those that are kept. */
// NOLINTNEXTLINE(readability-function-size): the nesting is utlist's
static void result_take_out(struct group_set *set, struct group *group)
{
    if (group->result.capacity == 0)
        return; /* it is not in it */
    DL_DELETE(set->results, group);
    CHECK(set->result_bytes >= group->result.capacity);
    set->result_bytes -= group->result.capacity;
}

static void result_drop(struct group_set *set, struct group *group)
{
    result_take_out(set, group);
    text_done(&group->result);
    group->result = (struct text){0};
    group->result_seq = 0;
}

/* It is the newest now; the oldest make room for it. */
static void result_keep(struct group_set *set, struct group *group)
{
    if (group->result.capacity == 0)
        return;
    set->result_bytes += group->result.capacity;
    DL_PREPEND(set->results, group);
    while (set->result_bytes > GROUP_RESULTS_BYTES_MAX) {
        struct group *oldest = set->results->prev;

        if (oldest == group)
            break; /* the newest one stays, however large */
        result_drop(set, oldest);
    }
}

/* 0, or as live_execute. */
static int execute(struct group *group, const struct event *event)
{
    struct group_set *set = group->api->groups;
    int rc;

    if (group->result_seq == event->seq)
        return 0;
    result_take_out(set, group);
    group->result.size = 0;
    group->result_seq = 0;
    rc = live_execute(group->live, event, &group->result);
    if (rc >= 0 && !text_is_whole(&group->result))
        rc = -ENOMEM;
    result_keep(set, group);
    if (rc < 0) {
        result_drop(set, group);
        return rc;
    }
    group->result_seq = event->seq;
    group->result_kind = (enum live_result)rc;
    return 0;
}

/* --- frames ------------------------------------------------------------------------------------- */

static const struct group_style *style_of(const struct encoding *encoding)
{
    return (const struct group_style *)(const void *)encoding;
}

static char *put(char *out, const char *bytes, size_t size)
{
    memcpy(out, bytes, size);
    return out + size;
}

static char *put_string(char *out, const char *string)
{
    return put(out, string, strlen(string));
}

static ptrdiff_t frame_bytes_max(const struct encoding *encoding, const struct event *event)
{
    const struct group_style *style = style_of(encoding);
    int rc = execute(style->group, event);

    if (rc == -EAGAIN)
        return -EAGAIN;
    if (rc != 0)
        return -ENOMEM; /* the store cannot be read: likewise, who comes back finds out what can be had */
    if (style->group->result_kind == LIVE_PASSED_OVER)
        return 0;
    return (ptrdiff_t)(FRAME_OVERHEAD_BYTES + style->group->result.size);
}

/*
 * A frame of @bytes whose text behind the id is worth compressing becomes one whose text up to and with the id
 * is a block of its own, as it is: the same for all, whatever their ids are. Returns its length.
 */
static size_t compress(const struct group_style *style, uint8_t *out, size_t *splice, size_t bytes)
{
    size_t before_bytes = sizeof BEFORE_ID - 1;
    uint8_t head[WEBSOCKET_HEAD_BYTES_MAX + DEFLATE_STORED_HEAD_BYTES];
    const uint8_t *rest;
    size_t rest_bytes;
    size_t head_bytes;

    rest = deflate_message((enum deflate_window)style->window, out + *splice, bytes - *splice,
                           DEFLATE_STORED_HEAD_BYTES + 1, &rest_bytes);
    if (rest == NULL)
        return bytes;
    head_bytes = websocket_compressed_head(head, DEFLATE_STORED_HEAD_BYTES + before_bytes +
                                                     style->id_bytes + rest_bytes);
    deflate_stored_head(head + head_bytes, (uint16_t)(before_bytes + style->id_bytes));
    head_bytes += DEFLATE_STORED_HEAD_BYTES;
    memcpy(out, head, head_bytes);
    memcpy(out + head_bytes, BEFORE_ID, before_bytes);
    *splice = head_bytes + before_bytes;
    memcpy(out + *splice, rest, rest_bytes);
    return *splice + rest_bytes;
}

static size_t encode_websocket(const struct encoding *encoding, const struct event *event,
                               uint8_t *out, size_t *ret_splice)
{
    const struct group_style *style = style_of(encoding);
    const struct text *result = &style->group->result;
    const char *behind = style->kind == GROUP_OLD_WS ? ",\"type\":\"data\",\"payload\":"
                                                     : ",\"type\":\"next\",\"payload\":";
    size_t text_bytes = sizeof BEFORE_ID - 1 + style->id_bytes + strlen(behind) + result->size + 1;
    char *end = (char *)out + websocket_frame_head(out, text_bytes);

    CHECK(style->group->result_seq == event->seq);
    end = put(end, BEFORE_ID, sizeof BEFORE_ID - 1);
    *ret_splice = (size_t)(end - (char *)out);
    end = put_string(end, behind);
    end = put(end, result->bytes, result->size);
    *end++ = '}';
    return compress(style, out, ret_splice, (size_t)(end - (char *)out));
}

/* The result is compact JSON: one line. */
static size_t encode_event_stream(const struct encoding *encoding, const struct event *event,
                                  uint8_t *out, size_t *ret_splice)
{
    const struct group_style *style = style_of(encoding);
    const struct text *result = &style->group->result;
    char *end = put_string((char *)out, "id: ");

    (void)ret_splice; /* it has none */
    CHECK(style->group->result_seq == event->seq);
    event_epoch(end, bus_epoch(style->group->api->options.bus));
    end = put_string(end + EVENT_EPOCH_BYTES, "-");
    end += event_decimal(end, event->seq);
    end = put_string(end, "\nevent: next\ndata: ");
    end = put(end, result->bytes, result->size);
    end = put_string(end, "\n\n");
    return (size_t)(end - (char *)out);
}

/* --- groups and styles ---------------------------------------------------------------------------- */

static void set_free_if_empty(struct api *api)
{
    if (api->groups == NULL || api->groups->groups != NULL)
        return;
    CHECK(api->groups->result_bytes == 0);
    free(api->groups);
    api->groups = NULL;
}

static struct group_set *set_get(struct api *api)
{
    struct group_set *set = api->groups;

    if (set != NULL)
        return set;
    set = calloc(1, sizeof *set);
    if (set == NULL || hash_seed_make(&set->seed) != 0) {
        free(set);
        return NULL;
    }
    api->groups = set;
    return set;
}

// NOLINTNEXTLINE(readability-function-size): the nesting is uthash's
static void group_free(struct group *group)
{
    struct api *api = group->api;

    CHECK(group->styles == NULL);
    if (group->hh.tbl != NULL)
        HASH_DELETE(hh, api->groups->groups, group);
    result_drop(api->groups, group);
    live_free(group->live);
    free(group);
    set_free_if_empty(api);
}

// NOLINTNEXTLINE(readability-function-size): the nesting is uthash's
static int group_new(struct operation *operation, const struct text *key, unsigned hash,
                     struct group **ret_group)
{
    struct api *api = operation->context.api;
    struct group *group = calloc(1, sizeof *group + key->size);
    int rc = -ENOMEM;

    if (group == NULL)
        return -ENOMEM;
    group->api = api;
    group->key_bytes = (uint32_t)key->size;
    memcpy(group->key, key->bytes, key->size);
    rc = live_new(operation, &group->live);
    if (rc != 0)
        goto fail;
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, api->groups->groups, group->key, (unsigned)key->size, hash,
                                group);
    if (group->hh.tbl == NULL) { /* how uthash says that it had no memory */
        rc = -ENOMEM;
        goto fail;
    }
    *ret_group = group;
    return 0;

fail:
    live_free(group->live);
    free(group);
    return rc;
}

// NOLINTNEXTLINE(readability-function-size): the nesting is uthash's
static int group_get(struct operation *operation, struct group **ret_group)
{
    struct group_set *set = set_get(operation->context.api);
    struct group *group = NULL;
    struct text key = {0};
    unsigned hash;
    int rc = 0;

    if (set == NULL)
        return -ENOMEM;
    live_key(operation, &key);
    if (!text_is_whole(&key)) {
        text_done(&key);
        return -ENOMEM;
    }
    hash = (unsigned)hash_bytes(set->seed, key.bytes, key.size);
    HASH_FIND_BYHASHVALUE(hh, set->groups, key.bytes, (unsigned)key.size, hash, group);
    if (group == NULL)
        rc = group_new(operation, &key, hash, &group);
    text_done(&key);
    if (rc == 0)
        *ret_group = group;
    return rc;
}

static void style_free(struct group_style *style)
{
    struct group *group = style->group;

    CHECK(style->member_count == 0);
    LL_DELETE(group->styles, style);
    if (style->added != NULL)
        topics_remove_encoding(group->api->options.topics, style->added);
    free(style);
}

static struct group_style *style_get(struct group *group, const struct group_join_options *options,
                                     size_t id_bytes)
{
    enum group_style_kind kind = options->style;
    struct group_style *style;

    for (style = group->styles; style != NULL; style = style->next) {
        if (style->kind == kind && style->id_bytes == id_bytes && style->window == options->window)
            return style;
    }
    style = calloc(1, sizeof *style);
    if (style == NULL)
        return NULL;
    style->encoding = (struct encoding){
        .name = "graphql",
        .protocol =
            kind == GROUP_EVENT_STREAM ? STAT_PROTOCOL_GRAPHQL_SSE : STAT_PROTOCOL_GRAPHQL_WS,
        .is_spliced = id_bytes > 0,
        .frame_bytes_max = frame_bytes_max,
        .encode = kind == GROUP_EVENT_STREAM ? encode_event_stream : encode_websocket,
    };
    style->group = group;
    style->id_bytes = (uint16_t)id_bytes;
    style->kind = (uint8_t)kind;
    style->window = (uint8_t)options->window;
    LL_PREPEND(group->styles, style);
    style->added = topics_add_encoding(group->api->options.topics, &style->encoding);
    if (style->added == NULL) {
        style_free(style);
        return NULL;
    }
    return style;
}

/* --- members -------------------------------------------------------------------------------------- */

static void refuse(struct operation *operation, int error)
{
    if (error == -E2BIG)
        operation_refuse(operation, GRAPHQL_LIMIT_EXCEEDED, "there are too many subscriptions");
    else if (error != -EINVAL) /* which live_new has said */
        operation_refuse(operation, GRAPHQL_UNAVAILABLE,
                         "the subscription could not be made, try again later");
}

static int join_style(struct group_style *style, struct group_member *member,
                      const struct group_join_options *options, struct subscribed *ret)
{
    struct topics *topics = style->group->api->options.topics;
    struct record_topic topic = live_topic(style->group->live);

    subscriber_init(&member->spliced.subscriber, options->stream, style->added, options->handlers,
                    options->user);
    member->style = style;
    style->member_count++;
    if (options->id != NULL) {
        arena_ref(options->id);
        member->spliced.splice =
            (struct range){.arena = options->id, .length = options->id->capacity};
    }
    return topics_subscribe(topics, &member->spliced.subscriber, topic.name, topic.bytes,
                            options->resume, ret);
}

int group_join(struct operation *operation, struct group_member *member,
               const struct group_join_options *options, struct subscribed *ret)
{
    size_t id_bytes = options->id != NULL ? options->id->capacity : 0;
    struct group_style *style = NULL;
    struct group *group = NULL;
    int rc;

    CHECK((options->style == GROUP_EVENT_STREAM) == (id_bytes == 0));
    CHECK(id_bytes <= GROUP_ID_BYTES_MAX);
    *member = (struct group_member){0};
    rc = group_get(operation, &group);
    if (rc == 0) {
        style = style_get(group, options, id_bytes);
        rc = style != NULL ? join_style(style, member, options, ret) : -ENOMEM;
    }
    if (rc == 0)
        return 0;
    if (style != NULL)
        group_leave(member);
    else if (group != NULL && group->styles == NULL)
        group_free(group);
    set_free_if_empty(operation->context.api);
    refuse(operation, rc);
    return rc;
}

void group_leave(struct group_member *member)
{
    struct group_style *style = member->style;
    struct group *group;

    if (style == NULL)
        return;
    group = style->group;
    subscriber_done(group->api->options.topics, &member->spliced.subscriber);
    arena_unref(member->spliced.splice.arena);
    member->spliced.splice = (struct range){0};
    member->style = NULL;
    CHECK(style->member_count > 0);
    if (--style->member_count > 0)
        return;
    style_free(style);
    if (group->styles == NULL)
        group_free(group);
}

void group_write_gap(const struct group_member *member, uint64_t oldest, struct text *out)
{
    char epoch[EVENT_EPOCH_BYTES];
    char seq[EVENT_DECIMAL_BYTES_MAX];

    event_epoch(epoch, bus_epoch(member->style->group->api->options.bus));
    text_add_string(out, "{\"errors\":[{\"message\":\"events that belong here are no longer kept\","
                         "\"extensions\":{\"code\":\"GAP\",\"oldest\":\"");
    text_add(out, seq, event_decimal(seq, oldest));
    text_add_string(out, "\",\"epoch\":\"");
    text_add(out, epoch, sizeof epoch);
    text_add_string(out, "\"}}]}");
}
