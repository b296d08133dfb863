/* What the store should keep for a schema, and where in its catalog that is. */
#include "server/api/model_build.h"

#include <errno.h>
#include <string.h>

#include "bus/check.h"
#include "server/json/text.h"

/* The indexes of all tables while they are gathered. */
struct indexes {
    struct catalog_index items[CATALOG_INDEXES_MAX];
    uint32_t count;
    uint32_t first; /* of the present table */
    bool has_overflown;
};

static struct catalog_text text_of(struct ast_text text)
{
    return (struct catalog_text){text.bytes, text.size};
}

/* --- columns ---------------------------------------------------------------------------------- */

/* Its names, a comma between. */
static struct catalog_text enum_values(struct model_builder *builder,
                                       const struct schema_type *type)
{
    struct text out = {0};
    struct catalog_text values = {0};

    for (uint32_t i = 0; i < type->value_count; i++) {
        if (i > 0)
            text_add_string(&out, ",");
        text_add(&out, type->values[i].name.bytes, type->values[i].name.size);
    }
    if (text_is_whole(&out))
        values = (struct catalog_text){region_copy(builder->region, out.bytes, out.size), out.size};
    else
        builder->region->has_failed = true;
    text_done(&out);
    return values;
}

static struct catalog_column make_column(struct model_builder *builder,
                                         const struct model_column *column)
{
    struct catalog_column made = {
        .name = text_of(column->name),
        .default_json = column->default_json,
        .number = column->number,
        .kind = (uint8_t)column->kind,
        .now = (uint8_t)column->now,
        .is_required = column->is_required,
        .is_unique = column->is_unique,
    };

    if (column->kind == COLUMN_ENUM)
        made.values = enum_values(builder, schema_ref_named(column->field->type));
    if (column->references != NULL)
        made.references = (uint16_t)(column->references - builder->model->tables + 1);
    return made;
}

/* --- indexes ---------------------------------------------------------------------------------- */

static bool is_same(const struct catalog_index *a, const struct catalog_index *b)
{
    return a->equal_count == b->equal_count && a->ordered_count == b->ordered_count &&
           memcmp(a->columns, b->columns, sizeof a->columns) == 0;
}

static void add_index(struct indexes *indexes, const struct catalog_index *index)
{
    for (uint32_t i = indexes->first; i < indexes->count; i++) {
        if (is_same(&indexes->items[i], index))
            return;
    }
    if (indexes->count == CATALOG_INDEXES_MAX) {
        indexes->has_overflown = true;
        return;
    }
    indexes->items[indexes->count] = *index;
    indexes->items[indexes->count].number = (uint16_t)indexes->count;
    indexes->count++;
}

static void add_indexes(struct indexes *indexes, const struct model_field *plan)
{
    struct catalog_index index;

    for (uint32_t mask = 0; mask < 1U << plan->slot_count; mask++) {
        if (model_mask_is_reachable(plan, mask) && model_index_of(plan, mask, &index))
            add_index(indexes, &index);
    }
}

/* One by which a @unique column's values are found: any whose only column it is. */
static void add_unique_index(struct indexes *indexes, uint16_t number)
{
    const struct catalog_index index = {.equal_count = 1, .columns = {number}};

    for (uint32_t i = indexes->first; i < indexes->count; i++) {
        const struct catalog_index *other = &indexes->items[i];

        if (other->equal_count + other->ordered_count == 1 && other->columns[0] == number)
            return;
    }
    add_index(indexes, &index);
}

static void make_indexes(struct model_builder *builder, struct indexes *indexes,
                         const struct model_table *table, struct catalog_table *made)
{
    const struct model_parts *parts = builder->parts;

    indexes->first = indexes->count;
    for (uint32_t i = 0; i < parts->field_count; i++) {
        if (parts->fields[i].table == table && parts->fields[i].indexes != NULL)
            add_indexes(indexes, &parts->fields[i]);
    }
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (table->columns[i].is_unique)
            add_unique_index(indexes, table->columns[i].number);
    }
    made->index_count = (uint16_t)(indexes->count - indexes->first);
    made->indexes = region_alloc(builder->region, made->index_count * sizeof *made->indexes);
    if (made->indexes != NULL && made->index_count > 0)
        memcpy(made->indexes, &indexes->items[indexes->first],
               made->index_count * sizeof *made->indexes);
}

/* --- the catalog ------------------------------------------------------------------------------ */

static void make_table(struct model_builder *builder, struct indexes *indexes, uint32_t index)
{
    const struct model_table *table = &builder->model->tables[index];
    struct catalog_table *made = &builder->model->wanted->tables[index];

    made->name = text_of(table->type->name);
    made->number = (uint16_t)(index + 1);
    made->id_column = (uint16_t)table->id;
    made->column_count = (uint16_t)table->column_count;
    made->columns = region_alloc(builder->region, table->column_count * sizeof *made->columns);
    if (made->columns == NULL)
        return;
    for (uint32_t i = 0; i < table->column_count; i++)
        made->columns[i] = make_column(builder, &table->columns[i]);
    make_indexes(builder, indexes, table, made);
}

/* The greatest length of what is kept by its name. */
static void check_name(struct model_builder *builder, struct ast_text name, uint32_t at)
{
    if (name.size > CATALOG_NAME_BYTES_MAX)
        MODEL_REPORT(builder, at, "The name has %u bytes: more than %d cannot be stored.",
                     name.size, CATALOG_NAME_BYTES_MAX);
}

static void check_names(struct model_builder *builder, const struct model_table *table)
{
    check_name(builder, table->type->name, table->type->definition->name.at);
    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct model_column *column = &table->columns[i];
        const struct schema_type *type = schema_ref_named(column->field->type);

        check_name(builder, column->name, column->field->definition->name.at);
        for (uint32_t j = 0; column->kind == COLUMN_ENUM && j < type->value_count; j++)
            check_name(builder, type->values[j].name, type->values[j].definition->name.at);
    }
}

void model_make_catalog(struct model_builder *builder)
{
    struct model *model = builder->model;
    struct catalog *wanted = region_alloc(builder->region, sizeof *wanted);
    struct indexes *indexes = region_alloc(&builder->scratch, sizeof *indexes);

    if (wanted == NULL || indexes == NULL)
        return;
    wanted->tables = region_alloc(builder->region, model->table_count * sizeof *wanted->tables);
    if (wanted->tables == NULL)
        return;
    model->wanted = wanted;
    wanted->table_count = (uint16_t)model->table_count;
    wanted->tables_used = wanted->table_count;
    wanted->sdl = text_of(model->schema->document->source);
    for (uint32_t i = 0; i < model->table_count; i++) {
        check_names(builder, &model->tables[i]);
        make_table(builder, indexes, i);
    }
    wanted->indexes_used = indexes->count;
    if (indexes->has_overflown)
        MODEL_REPORT(builder, 0, "The lists of this schema need more than %d indexes.",
                     CATALOG_INDEXES_MAX);
}

/* --- binding ---------------------------------------------------------------------------------- */

static int bind_table(struct model_table *table, const struct catalog *catalog)
{
    table->stored = catalog_find_table(catalog, table->type->name.bytes, table->type->name.size);
    if (table->stored == NULL)
        return -ESTALE;
    for (uint32_t i = 0; i < table->column_count; i++) {
        struct model_column *column = &table->columns[i];
        const struct catalog_column *stored =
            catalog_find_column(table->stored, column->name.bytes, column->name.size);

        if (stored == NULL)
            return -ESTALE;
        column->number = stored->number;
    }
    return 0;
}

static int bind_indexes(struct model_field *plan)
{
    struct catalog_index like;

    for (uint32_t mask = 0; mask < 1U << plan->slot_count; mask++) {
        plan->indexes[mask] = NULL;
        if (!model_mask_is_reachable(plan, mask) || !model_index_of(plan, mask, &like))
            continue;
        plan->indexes[mask] = catalog_find_index(plan->table->stored, &like);
        if (plan->indexes[mask] == NULL)
            return -ESTALE;
    }
    return 0;
}

int model_bind(struct model *model, const struct catalog *catalog)
{
    int rc = catalog_is_same(catalog, model->wanted) ? 0 : -ESTALE;

    for (uint32_t i = 0; rc == 0 && i < model->table_count; i++)
        rc = bind_table(&model->tables[i], catalog);
    for (uint32_t i = 0; rc == 0 && i < model->parts->field_count; i++) {
        if (model->parts->fields[i].indexes != NULL)
            rc = bind_indexes(&model->parts->fields[i]);
    }
    return rc;
}
