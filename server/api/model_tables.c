/* @table types and their columns: kinds, defaults, references. */
#include "server/api/model_build.h"

#include "bus/check.h"
#include "server/json/text.h"

/* NULL: the type has no such directive. */
static const struct ast_directive *applied_to_type(const struct schema_type *type,
                                                   enum model_directive directive)
{
    for (const struct schema_part *part = type->parts; part != NULL; part = part->next) {
        const struct ast_directive *found = model_applied(part->definition->directives, directive);

        if (found != NULL)
            return found;
    }
    return NULL;
}

static bool is_root(const struct schema *schema, const struct schema_type *type)
{
    return type == schema->roots[AST_QUERY] || type == schema->roots[AST_MUTATION] ||
           type == schema->roots[AST_SUBSCRIPTION];
}

/* One type for two kinds of operation: nobody could say what its fields do. */
static void check_roots(struct model_builder *builder)
{
    struct schema_type *const *roots = builder->schema->roots;

    for (int i = 1; i < 3; i++) {
        for (int j = 0; j < i; j++) {
            if (roots[i] != NULL && roots[i] == roots[j])
                MODEL_REPORT(builder, roots[i]->definition->name.at,
                             "Type \"%.*s\" cannot be the root of two kinds of operation.",
                             NAME(roots[i]->name));
        }
    }
}

static bool is_table(struct model_builder *builder, const struct schema_type *type)
{
    const struct ast_directive *table;

    if (type->is_built_in || type->kind != SCHEMA_OBJECT)
        return false;
    table = applied_to_type(type, DIRECTIVE_TABLE);
    if (table == NULL)
        return false;
    if (!is_root(builder->schema, type))
        return true;
    MODEL_REPORT(builder, table->node.at, "Root type \"%.*s\" cannot be a @table.",
                 NAME(type->name));
    return false;
}

void model_make_tables(struct model_builder *builder)
{
    const struct schema *schema = builder->schema;
    struct model *model = builder->model;

    check_roots(builder);
    model->tables = region_alloc(builder->region, schema->type_count * sizeof *model->tables);
    if (model->tables == NULL)
        return;
    for (uint32_t i = 0; i < schema->type_count; i++) {
        struct schema_type *type = schema->types[i];
        struct model_table *table = &model->tables[model->table_count];

        if (!is_table(builder, type))
            continue;
        table->type = type;
        table->id = MODEL_NO_COLUMN;
        type->user = table;
        model->table_count++;
    }
    if (model->table_count > CATALOG_TABLES_MAX)
        MODEL_REPORT(builder, model->tables[CATALOG_TABLES_MAX].type->definition->name.at,
                     "There are %u @table types, more than %d.", model->table_count,
                     CATALOG_TABLES_MAX);
}

/* --- kinds ------------------------------------------------------------------------------------ */

bool model_kind_of(const struct schema_ref *ref, enum column_kind *ret_kind, bool *ret_is_list)
{
    static const enum column_kind kinds[] = {
        [SCHEMA_CUSTOM] = COLUMN_JSON,     [SCHEMA_INT] = COLUMN_INT,
        [SCHEMA_FLOAT] = COLUMN_FLOAT,     [SCHEMA_STRING] = COLUMN_STRING,
        [SCHEMA_BOOLEAN] = COLUMN_BOOLEAN, [SCHEMA_ID] = COLUMN_ID,
    };
    const struct schema_type *type = schema_ref_named(ref);
    bool is_list = schema_ref_nullable(ref)->wrapper == SCHEMA_LIST;

    if (!schema_is_leaf(type))
        return false;
    *ret_is_list = is_list;
    if (is_list)
        *ret_kind = COLUMN_JSON;
    else if (type->kind == SCHEMA_ENUM)
        *ret_kind = COLUMN_ENUM;
    else if (ast_text_is(type->name, "DateTime"))
        *ret_kind = COLUMN_DATETIME;
    else
        *ret_kind = kinds[type->scalar];
    return true;
}

bool model_fits(const struct model_column *column, const struct schema_ref *given)
{
    const struct schema_ref *wanted = schema_ref_nullable(column->field->type);

    given = schema_ref_nullable(given);
    if (column->is_list)
        return schema_ref_is_subtype(given, wanted);
    if (column->kind == COLUMN_JSON)
        return true; /* every value can be written as JSON */
    if (given->wrapper == SCHEMA_LIST)
        return false;
    if (given->type == wanted->type)
        return true;
    return given->type->kind == SCHEMA_SCALAR && given->type->scalar == SCHEMA_INT &&
           (column->kind == COLUMN_FLOAT || column->kind == COLUMN_ID);
}

/* --- columns ---------------------------------------------------------------------------------- */

uint32_t model_find_column(const struct model_table *table, struct ast_text name)
{
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (ast_text_equals(table->columns[i].name, name))
            return i;
    }
    return MODEL_NO_COLUMN;
}

void model_offer_columns(struct model_names *names, const struct model_table *table)
{
    for (uint32_t i = 0; i < table->column_count; i++)
        model_names_offer(names, table->columns[i].name);
}

static void read_now(struct model_builder *builder, const struct model_table *table,
                     struct model_column *column, const struct ast_directive *directive)
{
    const struct ast_value *on = model_argument(directive, "on");

    if (column->kind != COLUMN_DATETIME) {
        MODEL_REPORT(builder, directive->node.at,
                     "@now is for columns of type \"DateTime\": \"%.*s.%.*s\" is \"%s\".",
                     NAME(table->type->name), NAME(column->name),
                     model_ref_text(builder, column->field->type));
        return;
    }
    column->now = ast_text_is(on->text, "WRITE") ? COLUMN_NOW_WRITE : COLUMN_NOW_CREATE;
}

static void read_default(struct model_builder *builder, struct model_column *column,
                         const struct ast_directive *directive)
{
    const struct model_json_place place = {builder->region, column->field->type};
    const struct ast_value *json = model_argument(directive, "json");
    char why[JSON_ERROR_TEXT_BYTES];
    struct ast_text value = {0};
    struct json_error error;

    switch (model_read_json(&place, json->text, &value, &error)) {
    case MODEL_JSON_BROKEN:
        MODEL_REPORT(builder, json->node.at, "The default is no JSON: %s.",
                     json_error_text(&error, why));
        break;
    case MODEL_JSON_MISFIT:
        MODEL_REPORT(builder, json->node.at, "The default does not fit the type \"%s\".",
                     model_ref_text(builder, column->field->type));
        break;
    case MODEL_JSON_FITS:
        if (value.size > CATALOG_TEXT_BYTES_MAX)
            MODEL_REPORT(builder, json->node.at, "The default has more than %d bytes.",
                         CATALOG_TEXT_BYTES_MAX);
        if (!ast_text_is(value, "null")) /* which is what there is without a default */
            column->default_json = (struct catalog_text){value.bytes, value.size};
        break;
    }
}

static void read_unique(struct model_builder *builder, const struct model_table *table,
                        struct model_column *column, const struct ast_directive *directive)
{
    column->is_unique = column->kind != COLUMN_JSON;
    if (!column->is_unique)
        MODEL_REPORT(builder, directive->node.at,
                     "@unique cannot stand on \"%.*s.%.*s\": values of type \"%s\" cannot be "
                     "compared.",
                     NAME(table->type->name), NAME(column->name),
                     model_ref_text(builder, column->field->type));
}

/* `id` is the server's: it takes nothing that a column does. */
static void check_id(struct model_builder *builder, struct model_table *table,
                     const struct model_column *column)
{
    const struct ast_field_definition *definition = column->field->definition;

    if ((column->kind == COLUMN_INT || column->kind == COLUMN_ID) && column->is_required)
        table->id = (uint32_t)(column - table->columns);
    else
        MODEL_REPORT(builder, definition->name.at,
                     "\"%.*s.id\" must be of type \"Int!\" or \"ID!\": it is \"%s\".",
                     NAME(table->type->name), model_ref_text(builder, column->field->type));
    for (int i = DIRECTIVE_NOW; i <= DIRECTIVE_REFERENCES; i++) {
        const struct ast_directive *directive =
            model_applied(definition->directives, (enum model_directive)i);

        if (directive != NULL)
            MODEL_REPORT(builder, directive->node.at,
                         "@%s cannot stand on \"%.*s.id\", which the server gives.",
                         model_directive_name((enum model_directive)i), NAME(table->type->name));
    }
}

static void read_directives(struct model_builder *builder, const struct model_table *table,
                            struct model_column *column)
{
    const struct ast_directive *directives = column->field->definition->directives;
    const struct ast_directive *directive = model_applied(directives, DIRECTIVE_NOW);

    if (directive != NULL)
        read_now(builder, table, column, directive);
    directive = model_applied(directives, DIRECTIVE_DEFAULT);
    if (directive != NULL)
        read_default(builder, column, directive);
    directive = model_applied(directives, DIRECTIVE_UNIQUE);
    if (directive != NULL)
        read_unique(builder, table, column, directive);
}

/* The names of an enum are one text in the catalog. */
static void check_enum(struct model_builder *builder, const struct model_table *table,
                       const struct model_column *column)
{
    const struct schema_type *type = schema_ref_named(column->field->type);
    size_t bytes = 0;

    if (column->kind != COLUMN_ENUM)
        return;
    for (uint32_t i = 0; i < type->value_count; i++)
        bytes += (size_t)type->values[i].name.size + 1;
    if (bytes > CATALOG_TEXT_BYTES_MAX)
        MODEL_REPORT(builder, column->field->definition->name.at,
                     "Column \"%.*s.%.*s\" cannot have the enum \"%.*s\": its names have more than "
                     "%d bytes.",
                     NAME(table->type->name), NAME(column->name), NAME(type->name),
                     CATALOG_TEXT_BYTES_MAX);
}

static void make_column(struct model_builder *builder, struct model_table *table,
                        struct schema_field *field)
{
    struct model_column *column = &table->columns[table->column_count];
    const struct schema_type *type = schema_ref_named(field->type);
    struct model_field *plan = field->user;

    *column = (struct model_column){.name = field->name, .field = field};
    column->is_required = schema_ref_is_non_null(field->type);
    column->number = (uint16_t)table->column_count; /* the schema's own */
    if (!model_kind_of(field->type, &column->kind, &column->is_list)) {
        MODEL_REPORT(builder, field->definition->name.at,
                     "\"%.*s.%.*s\" cannot be a column of type \"%s\": columns are scalars, enums "
                     "and lists of them.%s",
                     NAME(table->type->name), NAME(field->name),
                     model_ref_text(builder, field->type),
                     type->user != NULL ? " Rows come by @get or @list." : "");
        plan->action = MODEL_MEMBER;
        return;
    }
    plan->column = table->column_count++;
    for (uint32_t i = 0; i < field->argument_count; i++)
        MODEL_REPORT(builder, field->arguments[i].definition->name.at,
                     "Column \"%.*s.%.*s\" takes no arguments.", NAME(table->type->name),
                     NAME(field->name));
    check_enum(builder, table, column);
    if (ast_text_is(column->name, "id"))
        check_id(builder, table, column);
    else
        read_directives(builder, table, column);
}

static void make_columns(struct model_builder *builder, struct model_table *table)
{
    const struct schema_type *type = table->type;

    table->columns = region_alloc(builder->region, type->field_count * sizeof *table->columns);
    if (table->columns == NULL)
        return;
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (model_field_of(&type->fields[i])->action == MODEL_COLUMN)
            make_column(builder, table, &type->fields[i]);
    }
    if (table->column_count > CATALOG_COLUMNS_MAX)
        MODEL_REPORT(builder, type->definition->name.at,
                     "Type \"%.*s\" has %u columns, more than %d.", NAME(type->name),
                     table->column_count, CATALOG_COLUMNS_MAX);
    if (model_find_column(table, (struct ast_text){"id", 2}) == MODEL_NO_COLUMN)
        MODEL_REPORT(
            builder, type->definition->name.at,
            "Type \"%.*s\" is a @table: it needs a column \"id\" of type \"Int!\" or \"ID!\".",
            NAME(type->name));
}

/* --- references ------------------------------------------------------------------------------- */

static const struct model_table *find_table(struct model_builder *builder,
                                            const struct ast_value *name)
{
    const struct schema_type *type = schema_find_type(builder->schema, name->text);
    struct model_names names;

    if (type != NULL && type->user != NULL)
        return type->user;
    model_names_begin(&names, builder, name->text);
    for (uint32_t i = 0; i < builder->model->table_count; i++)
        model_names_offer(&names, builder->model->tables[i].type->name);
    MODEL_REPORT(builder, name->node.at, "\"%.*s\" is no @table type.%s", NAME(name->text),
                 model_names_end(&names));
    return NULL;
}

static void read_reference(struct model_builder *builder, const struct model_table *table,
                           struct model_column *column)
{
    const struct ast_directive *directive =
        model_applied(column->field->definition->directives, DIRECTIVE_REFERENCES);
    const struct model_column *id;

    if (directive == NULL || ast_text_is(column->name, "id"))
        return;
    column->references = find_table(builder, model_argument(directive, "type"));
    if (column->references == NULL || column->references->id == MODEL_NO_COLUMN)
        return;
    id = &column->references->columns[column->references->id];
    if (id->kind != column->kind)
        MODEL_REPORT(builder, directive->node.at,
                     "\"%.*s.%.*s\" of type \"%s\" cannot reference \"%.*s.id\" of type \"%s\".",
                     NAME(table->type->name), NAME(column->name),
                     model_ref_text(builder, column->field->type),
                     NAME(column->references->type->name),
                     model_ref_text(builder, id->field->type));
}

void model_make_columns(struct model_builder *builder)
{
    struct model *model = builder->model;

    for (uint32_t i = 0; i < model->table_count; i++)
        make_columns(builder, &model->tables[i]);
    for (uint32_t i = 0; i < model->table_count; i++) {
        for (uint32_t j = 0; j < model->tables[i].column_count; j++)
            read_reference(builder, &model->tables[i], &model->tables[i].columns[j]);
    }
}
