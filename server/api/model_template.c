/* Topic templates, and which topics the mutations of a schema can write to. */
#include "server/api/model_build.h"

#include <string.h>

#include "bus/check.h"
#include "bus/record.h"
#include "bus/topic_name.h"
#include "server/json/text.h"
#include "store/command.h"

/* A template that is being read. */
struct reader {
    struct model_builder *builder;
    struct model_work *work;
    const struct ast_value *value;
    struct model_template *template;
};

#define REPORT(reader, ...) MODEL_REPORT((reader)->builder, (reader)->value->node.at, __VA_ARGS__)

/* --- reading ---------------------------------------------------------------------------------- */

/* What can be written into a topic's name. */
static bool is_topic_kind(const struct schema_ref *type)
{
    enum column_kind kind;
    bool is_list;

    return model_kind_of(type, &kind, &is_list) && kind != COLUMN_JSON && kind != COLUMN_FLOAT &&
           kind != COLUMN_DATETIME;
}

static bool is_int(const struct schema_ref *type)
{
    const struct schema_ref *ref = schema_ref_nullable(type);

    return ref->wrapper == SCHEMA_NAMED && ref->type->kind == SCHEMA_SCALAR &&
           ref->type->scalar == SCHEMA_INT;
}

static void report_kind(const struct reader *reader, struct ast_text name,
                        const struct schema_ref *type)
{
    REPORT(reader,
           "\"{%.*s}\" of type \"%s\" cannot be part of a topic: Int, String, ID, Boolean and "
           "enums can.",
           NAME(name), model_ref_text(reader->builder, type));
}

/* {x} of a mutation. False: a mistake was reported. */
static bool read_column(const struct reader *reader, struct ast_text name, bool has_all,
                        struct model_part *part)
{
    const struct model_table *table = reader->work->plan->table;
    uint32_t column = model_find_column(table, name);
    struct model_names names;

    if (column == MODEL_NO_COLUMN) {
        model_names_begin(&names, reader->builder, name);
        model_offer_columns(&names, table);
        REPORT(reader, "\"{%.*s}\" is no column of \"%.*s\".%s", NAME(name),
               NAME(table->type->name), model_names_end(&names));
        return false;
    }
    if (has_all) {
        REPORT(reader,
               "\"{%.*s|all}\" is for arguments of subscriptions: a row's null leaves its "
               "topic out.",
               NAME(name));
        return false;
    }
    if (!is_topic_kind(table->columns[column].field->type)) {
        report_kind(reader, name, table->columns[column].field->type);
        return false;
    }
    *part = (struct model_part){.kind = MODEL_COLUMN_PART, .column = column};
    return true;
}

/* Whether an argument can fill its place whatever a request gives. */
static bool check_input(const struct reader *reader, const struct model_input *input, bool has_all)
{
    const struct schema_field *field = reader->work->plan->field;
    struct ast_text name = input->input->name;

    if (!is_topic_kind(input->input->type)) {
        report_kind(reader, name, input->input->type);
        return false;
    }
    if (has_all && !is_int(input->input->type)) {
        REPORT(reader, "\"{%.*s|all}\" is for Int: \"%.*s\" is of type \"%s\".", NAME(name),
               NAME(name), model_ref_text(reader->builder, input->input->type));
        return false;
    }
    if (!has_all && model_input_is_nullable(field, input)) {
        REPORT(reader, "\"{%.*s}\" can be null: it needs a type with \"!\"%s.", NAME(name),
               is_int(input->input->type) ? ", or \"|all\"" : "");
        return false;
    }
    return true;
}

/* {x} of a subscription. */
static bool read_input(const struct reader *reader, struct ast_text name, bool has_all,
                       struct model_part *part)
{
    const struct model_work *work = reader->work;
    struct model_taken *taken = NULL;
    struct model_names names;

    switch (model_find_input(work, name, &taken)) {
    case MODEL_NOT_FOUND:
        model_names_begin(&names, reader->builder, name);
        model_offer_inputs(&names, work);
        REPORT(reader, "\"{%.*s}\" is no argument of \"%.*s.%.*s\".%s", NAME(name),
               NAME(work->type->name), NAME(work->plan->field->name), model_names_end(&names));
        return false;
    case MODEL_AMBIGUOUS:
        REPORT(reader, "\"%.*s\" stands more than once among what \"%.*s.%.*s\" takes.", NAME(name),
               NAME(work->type->name), NAME(work->plan->field->name));
        return false;
    case MODEL_FOUND:
        break;
    }
    taken->is_used = true;
    *part =
        (struct model_part){.kind = MODEL_INPUT_PART, .input = taken->input, .has_all = has_all};
    return check_input(reader, &taken->input, has_all);
}

static bool is_name(struct ast_text text)
{
    for (uint32_t i = 0; i < text.size; i++) {
        char c = text.bytes[i];

        if (!(c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (i > 0 && c >= '0' && c <= '9')))
            return false;
    }
    return text.size > 0;
}

/* What stands between two braces. */
static bool read_place(const struct reader *reader, struct ast_text place, struct model_part *part)
{
    static const char all[] = "|all";
    const size_t all_bytes = sizeof all - 1;
    bool has_all =
        place.size > all_bytes && memcmp(place.bytes + place.size - all_bytes, all, all_bytes) == 0;
    struct ast_text name = {place.bytes, place.size - (has_all ? (uint32_t)all_bytes : 0)};

    if (!is_name(name)) {
        REPORT(reader, "A topic's braces hold a name, or a name and \"|all\": not \"{%.*s}\".",
               NAME(place));
        return false;
    }
    if (reader->work->plan->action == MODEL_SUBSCRIBE)
        return read_input(reader, name, has_all, part);
    return read_column(reader, name, has_all, part);
}

/* Bytes up to the next brace, or all. */
static uint32_t literal_bytes(struct ast_text rest)
{
    uint32_t bytes = 0;

    while (bytes < rest.size && rest.bytes[bytes] != '{' && rest.bytes[bytes] != '}')
        bytes++;
    return bytes;
}

/* The next part of @rest, which it is cut off from. False: a mistake was reported. */
static bool read_part(const struct reader *reader, struct ast_text *rest, struct model_part *part)
{
    uint32_t bytes = literal_bytes(*rest);
    struct ast_text place;

    if (bytes > 0) {
        *part = (struct model_part){.kind = MODEL_LITERAL, .literal = {rest->bytes, bytes}};
        rest->bytes += bytes;
        rest->size -= bytes;
        return true;
    }
    place = (struct ast_text){rest->bytes + 1, rest->size - 1};
    bytes = literal_bytes(place);
    if (rest->bytes[0] == '}' || bytes == place.size || place.bytes[bytes] == '{') {
        REPORT(reader, "The braces of a topic do not match.");
        return false;
    }
    place.size = bytes;
    rest->bytes += bytes + 2;
    rest->size -= bytes + 2;
    return read_place(reader, place, part);
}

/* With the shortest values that there are: what is invalid then is always. */
static void check_name(const struct reader *reader)
{
    const struct model_template *template = reader->template;
    struct text name = {0};

    if (template->part_count > 0 && template->parts[0].kind != MODEL_LITERAL)
        text_add_string(&name, "x");
    for (uint32_t i = 0; i < template->part_count; i++)
        text_add(&name, template->parts[i].literal.bytes, template->parts[i].literal.size);
    if (!text_is_whole(&name))
        reader->builder->scratch.has_failed = true;
    else if (name.size == 0 || !topic_name_is_allowed(name.bytes, name.size))
        REPORT(reader,
               "No topic has such a name: it has 1 to %d bytes, no control characters, "
               "and does not begin with \"$\".",
               RECORD_TOPIC_BYTES_MAX);
    text_done(&name);
}

static void read_template(struct model_builder *builder, struct model_work *work,
                          const struct ast_value *value, struct model_template *ret_template)
{
    struct reader reader = {builder, work, value, ret_template};
    struct ast_text rest = value->text;

    ret_template->parts =
        region_alloc(builder->region, COMMAND_PARTS_MAX * sizeof *ret_template->parts);
    if (ret_template->parts == NULL)
        return;
    while (rest.size > 0) {
        if (ret_template->part_count == COMMAND_PARTS_MAX) {
            REPORT(&reader, "A topic has at most %d parts: texts, and what stands in braces.",
                   COMMAND_PARTS_MAX);
            return;
        }
        if (!read_part(&reader, &rest, &ret_template->parts[ret_template->part_count]))
            return;
        ret_template->part_count++;
    }
    check_name(&reader);
}

void model_read_topics(struct model_builder *builder, struct model_work *work)
{
    const struct ast_value *topics = model_argument(work->directive, "topics");
    struct model_field *plan = work->plan;
    const struct ast_value *first;
    uint32_t count;

    if (topics == NULL)
        return;
    first = topics->node.kind == AST_LIST ? topics->items : topics; /* one is a list of one */
    count = topics->node.kind == AST_LIST ? topics->count : 1;
    if (count > COMMAND_TOPICS_MAX) {
        MODEL_REPORT(builder, topics->node.at, "There are %u topics, more than %d.", count,
                     COMMAND_TOPICS_MAX);
        return;
    }
    plan->templates = region_alloc(builder->region, count * sizeof *plan->templates);
    if (plan->templates == NULL)
        return;
    plan->template_count = count;
    for (uint32_t i = 0; i < count; i++, first = first->next)
        read_template(builder, work, first, &plan->templates[i]);
}

void model_read_topic(struct model_builder *builder, struct model_work *work)
{
    const struct ast_value *topic = model_argument(work->directive, "topic");
    struct model_field *plan = work->plan;

    plan->templates = region_alloc(builder->region, sizeof *plan->templates);
    if (plan->templates == NULL)
        return;
    plan->template_count = 1;
    read_template(builder, work, topic, plan->templates);
}

/* --- row topics ------------------------------------------------------------------------------- */

static bool is_mutation(const struct model_field *plan)
{
    return plan->action == MODEL_CREATE || plan->action == MODEL_UPDATE ||
           plan->action == MODEL_DELETE;
}

/* Whether a part can be any text at all. */
static bool is_any_text(const struct model_table *table, const struct model_part *part)
{
    const struct model_column *column;

    if (part->kind != MODEL_COLUMN_PART || part->column == table->id)
        return false;
    column = &table->columns[part->column];
    return column->kind == COLUMN_STRING || column->kind == COLUMN_ID;
}

void model_gather_patterns(struct model_builder *builder)
{
    struct model_parts *parts = builder->parts;
    size_t count = 0;

    for (uint32_t i = 0; i < parts->field_count; i++)
        count += is_mutation(&parts->fields[i]) ? parts->fields[i].template_count : 0;
    parts->patterns = region_alloc(builder->region, count * sizeof *parts->patterns);
    if (parts->patterns == NULL)
        return;
    for (uint32_t i = 0; i < parts->field_count; i++) {
        const struct model_field *plan = &parts->fields[i];

        for (uint32_t j = 0; is_mutation(plan) && j < plan->template_count; j++) {
            parts->patterns[parts->pattern_count++] =
                (struct model_pattern){plan->table, &plan->templates[j]};
            if (is_any_text(plan->table, &plan->templates[j].parts[0]))
                builder->model->has_any_row_topic = true;
        }
    }
}

/*
 * Which places of a topic the parts so far can have reached: each part leads from the places before
 * it to those behind it, so that the cost is that of the parts times the bytes, whatever the topic.
 */
struct places {
    bool is_reached[RECORD_TOPIC_BYTES_MAX + 1];
};

static void pass_text(const struct places *from, struct ast_text topic, struct ast_text text,
                      struct places *to)
{
    for (uint32_t i = 0; i + text.size <= topic.size; i++) {
        if (from->is_reached[i] && memcmp(topic.bytes + i, text.bytes, text.size) == 0)
            to->is_reached[i + text.size] = true;
    }
}

/* Digits; @with_minus: one may stand before them. */
static void pass_digits(const struct places *from, struct ast_text topic, bool with_minus,
                        struct places *to)
{
    bool is_inside = false;

    for (uint32_t i = 0; i < topic.size; i++) {
        bool is_digit = topic.bytes[i] >= '0' && topic.bytes[i] <= '9';
        bool is_behind_minus =
            with_minus && i > 0 && topic.bytes[i - 1] == '-' && from->is_reached[i - 1];

        is_inside = is_digit && (is_inside || from->is_reached[i] || is_behind_minus);
        if (is_inside)
            to->is_reached[i + 1] = true;
    }
}

static void pass_any(const struct places *from, struct ast_text topic, struct places *to)
{
    bool is_inside = false;

    for (uint32_t i = 0; i <= topic.size; i++) {
        is_inside = is_inside || from->is_reached[i];
        to->is_reached[i] = is_inside;
    }
}

static void pass_column(const struct places *from, struct ast_text topic,
                        const struct model_column *column, struct places *to)
{
    const struct schema_type *type = schema_ref_named(column->field->type);

    switch (column->kind) {
    case COLUMN_INT:
        pass_digits(from, topic, true, to);
        break;
    case COLUMN_BOOLEAN:
        pass_text(from, topic, (struct ast_text){"true", 4}, to);
        pass_text(from, topic, (struct ast_text){"false", 5}, to);
        break;
    case COLUMN_ENUM:
        for (uint32_t i = 0; i < type->value_count; i++)
            pass_text(from, topic, type->values[i].name, to);
        break;
    case COLUMN_STRING:
    case COLUMN_ID:
        pass_any(from, topic, to);
        break;
    case COLUMN_FLOAT:
    case COLUMN_DATETIME:
    case COLUMN_JSON:
        UNREACHABLE();
    }
}

static bool matches(const struct model_pattern *pattern, struct ast_text topic)
{
    const struct model_table *table = pattern->table;
    const struct model_part *part = pattern->template->parts;
    struct places from = {.is_reached = {true}};

    /* Most topics are told apart by how they begin. */
    if (part->kind == MODEL_LITERAL &&
        (part->literal.size > topic.size ||
         memcmp(part->literal.bytes, topic.bytes, part->literal.size) != 0))
        return false;
    for (uint32_t i = 0; i < pattern->template->part_count; i++, part++) {
        struct places to = {0};

        if (part->kind == MODEL_LITERAL)
            pass_text(&from, topic, part->literal, &to);
        else if (part->column == table->id)
            pass_digits(&from, topic, false, &to);
        else
            pass_column(&from, topic, &table->columns[part->column], &to);
        from = to;
    }
    return from.is_reached[topic.size];
}

bool model_is_row_topic(const struct model *model, const char *topic, size_t topic_bytes)
{
    const struct model_parts *parts = model->parts;

    if (topic_bytes > RECORD_TOPIC_BYTES_MAX)
        return false;
    for (uint32_t i = 0; i < parts->pattern_count; i++) {
        if (matches(&parts->patterns[i], (struct ast_text){topic, (uint32_t)topic_bytes}))
            return true;
    }
    return false;
}
