/* topics: all of them, page by page. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sluicectl/command.h"
#include "tools/sluicectl/control.h"
#include "tools/sluicectl/field.h"
#include "tools/sluicectl/message.h"
#include "tools/sluicectl/table.h"

#define PAGE_TOPICS 1000

/* The next page, after the topic of that name (NULL: the first). NULL: it has been said why not. */
static struct json_object *ask_page(struct control *control, const char *prefix, const char *after)
{
    char *prefix_text = control_escape(prefix, strlen(prefix));
    char *after_text = after != NULL ? control_escape(after, strlen(after)) : NULL;
    char *target = NULL;
    struct json_object *page = NULL;

    if (prefix_text == NULL || (after != NULL && after_text == NULL) ||
        asprintf(&target, "/topics?limit=%d&prefix=%s%s%s", PAGE_TOPICS, prefix_text,
                 after != NULL ? "&after=" : "", after != NULL ? after_text : "") < 0) {
        target = NULL;
        (void)message_error("%s", strerror(ENOMEM));
    } else {
        const struct control_request request = {.target = target};
        page = control_ask_object(control, CONTROL_ANY, &request, 0);
    }
    free(target);
    free(after_text);
    free(prefix_text);
    return page;
}

/* Adds a page's topics to all. The last one's name is borrowed from @all; NULL: none came. */
static const char *take_page(struct json_object *page, struct json_object *all)
{
    struct json_object *topics = field_array(page, "topics");
    size_t count = field_array_count(topics);
    const char *last = NULL;

    for (size_t i = 0; i < count; i++) {
        struct json_object *topic = json_object_array_get_idx(topics, i);

        if (json_object_array_add(all, json_object_get(topic)) != 0) {
            json_object_put(topic); /* the reference that it was not given */
            return NULL;
        }
        last = field_text(topic, "topic");
    }
    return count == PAGE_TOPICS ? last : NULL;
}

/* Who lists while topics come and go may miss such ones; @ret_epoch is the first page's. */
static bool collect(struct control *control, const char *prefix, struct json_object *all,
                    char epoch[32])
{
    const char *after = NULL;

    do {
        struct json_object *page = ask_page(control, prefix, after);
        if (page == NULL)
            return false;
        (void)snprintf(epoch, 32, "%s", field_text(page, "epoch"));
        after = take_page(page, all);
        json_object_put(page);
    } while (after != NULL);
    return true;
}

static int show_json(struct json_object *all, const char *epoch)
{
    struct json_object *result = json_object_new_object();

    if (result == NULL ||
        json_object_object_add(result, "epoch", json_object_new_string(epoch)) != 0 ||
        json_object_object_add(result, "topics", json_object_get(all)) != 0) {
        json_object_put(result);
        return message_error("%s", strerror(ENOMEM));
    }
    (void)puts(field_line(result));
    json_object_put(result);
    return COMMAND_DONE;
}

static int show_table(struct json_object *all)
{
    static const struct table_column columns[] = {
        {"SUBSCRIBERS", true}, {"LAST NUMBER", true}, {"TOPIC", false}};
    struct table table;

    table_init(&table, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < json_object_array_length(all); i++) {
        struct json_object *topic = json_object_array_get_idx(all, i);

        table_add_count(&table, field_number(topic, "subscribers"));
        table_add_count(&table, field_number(topic, "last_seq"));
        table_add_text(&table, field_text(topic, "topic"));
    }
    int rc = table_write(&table, stdout, SIZE_MAX);
    table_done(&table);
    return rc == 0 ? COMMAND_DONE : message_error("%s", strerror(-rc));
}

int topics_command(const struct command_options *options, int argc, char **argv)
{
    struct control control;
    char epoch[32] = "";
    int status = control_open(options, &control);

    (void)argc;
    (void)argv;
    if (status != COMMAND_DONE)
        return status;
    struct json_object *all = json_object_new_array();
    if (all == NULL)
        status = message_error("%s", strerror(ENOMEM));
    else if (!collect(&control, options->prefix != NULL ? options->prefix : "", all, epoch))
        status = COMMAND_FAILED;
    else
        status = options->is_json ? show_json(all, epoch) : show_table(all);
    json_object_put(all);
    control_close(&control);
    return status;
}
