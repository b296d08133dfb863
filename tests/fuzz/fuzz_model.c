/*
 * Models from any SDL: what is built wants a catalog that the store takes, is bound to it, has a plan
 * for every field, and knows the topics that its own templates make; what is not built has mistakes
 * with their places. An input without definitions of directives gets the built-in ones.
 */
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/api/model.h"
#include "server/json/text.h"
#include "tests/fuzz/target.h"

/* The first of the type is enough. */
static const char *sample_of(const struct model_column *column)
{
    switch (column->kind) {
    case COLUMN_INT:
    case COLUMN_ID:
        return "12";
    case COLUMN_STRING:
        return "a topic";
    case COLUMN_BOOLEAN:
        return "true";
    case COLUMN_FLOAT:
    case COLUMN_DATETIME:
    case COLUMN_JSON:
    case COLUMN_ENUM:
        break;
    }
    UNREACHABLE(); /* an enum's has another length */
}

/* A topic that a mutation can write to. */
static void check_template(const struct model *model, const struct model_field *plan,
                           const struct model_template *template)
{
    struct text topic = {0};

    for (uint32_t i = 0; i < template->part_count; i++) {
        const struct model_part *part = &template->parts[i];
        const struct model_column *column;

        if (part->kind == MODEL_LITERAL) {
            text_add(&topic, part->literal.bytes, part->literal.size);
            continue;
        }
        column = &plan->table->columns[part->column];
        if (column->kind == COLUMN_ENUM) {
            const struct schema_type *type = schema_ref_named(column->field->type);

            text_add(&topic, type->values->name.bytes, type->values->name.size);
        } else {
            text_add_string(&topic, sample_of(column));
        }
    }
    CHECK(text_is_whole(&topic));
    if (topic.size <= 255)
        CHECK(model_is_row_topic(model, topic.bytes, topic.size));
    text_done(&topic);
}

static void check_field(const struct model *model, const struct schema_field *field)
{
    const struct model_field *plan = model_field_of(field);
    bool is_mutation;

    CHECK(plan != NULL);
    CHECK(plan->field == field);
    is_mutation = plan->action == MODEL_CREATE || plan->action == MODEL_UPDATE ||
                  plan->action == MODEL_DELETE;
    CHECK(!is_mutation || plan->table != NULL);
    CHECK(plan->slot_count <= MODEL_SLOTS_MAX);
    for (uint32_t i = 0; i < plan->condition_count; i++) {
        CHECK(plan->conditions[i].slot < plan->slot_count);
        CHECK(plan->conditions[i].column < plan->table->column_count);
        CHECK(!plan->conditions[i].source.is_column ||
              plan->conditions[i].source.column < plan->parent->column_count);
    }
    for (uint32_t i = 0; is_mutation && i < plan->template_count; i++)
        check_template(model, plan, &plan->templates[i]);
}

static void check_model(struct model *model)
{
    static const struct catalog empty;
    char reason[CATALOG_REASON_BYTES];
    struct catalog *merged = NULL;

    for (uint32_t i = 0; i < model->schema->type_count; i++) {
        const struct schema_type *type = model->schema->types[i];

        for (uint32_t j = 0; j < type->field_count && !type->is_built_in; j++)
            check_field(model, &type->fields[j]);
    }
    CHECK(catalog_merge(&empty, model->wanted, &merged, reason) == 0);
    CHECK(model_bind(model, merged) == 0);
    CHECK(catalog_is_same(merged, model->wanted));
    catalog_free(merged);
}

/* "fuzz:1:2: message" lines, at least one. */
static void check_errors(const struct text *errors)
{
    static const char name[] = "fuzz:";

    CHECK(text_is_whole(errors));
    CHECK(errors->size > 0);
    CHECK(errors->bytes[errors->size - 1] == '\n');
    CHECK(memcmp(errors->bytes, name, sizeof name - 1) == 0);
}

static void add_definitions(struct text *sdl)
{
    size_t bytes;
    const char *built_in = model_built_in_sdl(&bytes);
    const char *begin = memmem(built_in, bytes, "scalar DateTime", 15);
    const char *last = memmem(built_in, bytes, "directive @subscribe", 20);

    CHECK(begin != NULL);
    CHECK(last != NULL);
    text_add_string(sdl, "\n");
    text_add(sdl, begin, (size_t)(last - begin));
    text_add_string(sdl, "directive @subscribe(topic: String!, where: JSON) on FIELD_DEFINITION");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text sdl = {0};
    struct text errors = {0};
    struct model *model;

    text_add(&sdl, data, size);
    if (memmem(data, size, "directive", 9) == NULL)
        add_definitions(&sdl);
    CHECK(text_is_whole(&sdl));
    model = model_build(sdl.bytes, sdl.size, "fuzz", &errors);
    if (model == NULL) {
        check_errors(&errors);
    } else {
        CHECK(errors.size == 0);
        check_model(model);
        (void)model_is_row_topic(model, (const char *)data, size); /* any name is one or not */
    }
    model_free(model);
    text_done(&errors);
    text_done(&sdl);
    return 0;
}
