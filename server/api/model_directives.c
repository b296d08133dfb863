/*
 * The directives: how each must be defined, on which fields it may stand, and which exclude one
 * another. That a definition is there, and that arguments fit it, schema_build has checked.
 */
#include "server/api/model_build.h"

#include <string.h>

#include "bus/check.h"
#include "server/json/text.h"

enum {
    PLACE_QUERY = 1,
    PLACE_MUTATION = 2,
    PLACE_SUBSCRIPTION = 4,
    PLACE_TABLE = 8, /* PLACE_QUERY and so on: the roots' fields */
};

struct directive_rule {
    const char *name;
    const char *definition; /* behind `directive @name` */
    unsigned places;        /* of fields */
    const char *place;      /* the same in words */
    enum model_action action;
};

static const char on_columns[] = "columns of @table types";
static const char on_readers[] = "fields of the query type and of @table types";
static const char on_queries[] = "fields of the query type";
static const char on_mutations[] = "fields of the mutation type";
static const char on_subscriptions[] = "fields of the subscription type";

static const struct directive_rule rules[DIRECTIVE_COUNT] = {
    [DIRECTIVE_TABLE] = {"table", " on OBJECT", 0, "types", MODEL_COLUMN},
    [DIRECTIVE_NOW] = {"now", "(on: On!) on FIELD_DEFINITION", PLACE_TABLE, on_columns,
                       MODEL_COLUMN},
    [DIRECTIVE_DEFAULT] = {"default", "(json: String!) on FIELD_DEFINITION", PLACE_TABLE,
                           on_columns, MODEL_COLUMN},
    [DIRECTIVE_UNIQUE] = {"unique", " on FIELD_DEFINITION", PLACE_TABLE, on_columns, MODEL_COLUMN},
    [DIRECTIVE_REFERENCES] = {"references", "(type: String!) on FIELD_DEFINITION", PLACE_TABLE,
                              on_columns, MODEL_COLUMN},
    [DIRECTIVE_VALUE] = {"value", "(json: String!) on FIELD_DEFINITION", PLACE_QUERY | PLACE_TABLE,
                         on_readers, MODEL_VALUE},
    [DIRECTIVE_POSITION] = {"position", " on FIELD_DEFINITION", PLACE_QUERY, on_queries,
                            MODEL_POSITION},
    [DIRECTIVE_GET] = {"get", "(where: JSON) on FIELD_DEFINITION", PLACE_QUERY | PLACE_TABLE,
                       on_readers, MODEL_GET},
    [DIRECTIVE_LIST] = {"list",
                        "(where: JSON, orderBy: String = \"id\", desc: Boolean = false) on "
                        "FIELD_DEFINITION",
                        PLACE_QUERY | PLACE_TABLE, on_readers, MODEL_LIST},
    [DIRECTIVE_HISTORY] = {"history", " on FIELD_DEFINITION", PLACE_QUERY, on_queries,
                           MODEL_HISTORY},
    [DIRECTIVE_CREATE] = {"create", "(topics: [String!]! = []) on FIELD_DEFINITION", PLACE_MUTATION,
                          on_mutations, MODEL_CREATE},
    [DIRECTIVE_UPDATE] = {"update", "(topics: [String!]! = [], if: JSON) on FIELD_DEFINITION",
                          PLACE_MUTATION, on_mutations, MODEL_UPDATE},
    [DIRECTIVE_DELETE] = {"delete", "(topics: [String!]! = []) on FIELD_DEFINITION", PLACE_MUTATION,
                          on_mutations, MODEL_DELETE},
    [DIRECTIVE_PUBLISH] = {"publish", " on FIELD_DEFINITION", PLACE_MUTATION, on_mutations,
                           MODEL_PUBLISH},
    [DIRECTIVE_SUBSCRIBE] = {"subscribe", "(topic: String!, where: JSON) on FIELD_DEFINITION",
                             PLACE_SUBSCRIPTION, on_subscriptions, MODEL_SUBSCRIBE},
};

const char *model_directive_name(enum model_directive directive)
{
    return rules[directive].name;
}

/* DIRECTIVE_COUNT: none of ours. */
static enum model_directive find_rule(struct ast_text name)
{
    enum model_directive directive = DIRECTIVE_TABLE;

    while (directive < DIRECTIVE_COUNT && !ast_text_is(name, rules[directive].name))
        directive++;
    return directive;
}

const struct ast_directive *model_applied(const struct ast_directive *directives,
                                          enum model_directive directive)
{
    while (directives != NULL && !ast_text_is(directives->name.text, rules[directive].name))
        directives = directives->next;
    return directives;
}

const struct ast_value *model_argument(const struct ast_directive *directive, const char *name)
{
    for (const struct ast_argument *argument = directive->arguments; argument != NULL;
         argument = argument->next) {
        if (ast_text_is(argument->name.text, name))
            return argument->value->node.kind == AST_NULL ? NULL : argument->value;
    }
    return NULL;
}

/* --- definitions ------------------------------------------------------------------------------ */

/* As the rules have it: what stands behind the name. */
static void print_definition(const struct schema_directive *directive, struct text *out)
{
    const char *separator = " on ";

    for (uint32_t i = 0; i < directive->argument_count; i++) {
        const struct schema_input *argument = &directive->arguments[i];

        text_printf(out, "%s%.*s: ", i == 0 ? "(" : ", ", NAME(argument->name));
        schema_ref_print(argument->type, out);
        if (argument->default_value != NULL) {
            text_add_string(out, " = ");
            schema_print_default(argument, out);
        }
    }
    if (directive->argument_count > 0)
        text_add_string(out, ")");
    if (directive->is_repeatable)
        text_add_string(out, " repeatable");
    for (int i = 0; i < SCHEMA_LOCATION_COUNT; i++) {
        if ((directive->locations & 1U << i) == 0)
            continue;
        text_printf(out, "%s%s", separator, schema_location_name((enum schema_location)i));
        separator = " | ";
    }
}

static void check_definition(struct model_builder *builder,
                             const struct schema_directive *directive,
                             const struct directive_rule *rule)
{
    struct text found = {0};

    print_definition(directive, &found);
    if (!text_is_whole(&found))
        builder->scratch.has_failed = true;
    else if (found.size != strlen(rule->definition) ||
             memcmp(found.bytes, rule->definition, found.size) != 0)
        MODEL_REPORT(builder, directive->definition->name.at,
                     "Directive \"@%s\" must be defined as: directive @%s%s", rule->name,
                     rule->name, rule->definition);
    text_done(&found);
}

static void report_unknown(struct model_builder *builder, const struct schema_directive *directive)
{
    struct model_names names;

    model_names_begin(&names, builder, directive->name);
    for (int i = 0; i < DIRECTIVE_COUNT; i++)
        suggest_offer(&names.suggest,
                      (struct ast_text){rules[i].name, (uint32_t)strlen(rules[i].name)});
    MODEL_REPORT(builder, directive->definition->name.at,
                 "Directive \"@%.*s\" is none that Sluice knows.%s", NAME(directive->name),
                 model_names_end(&names));
}

static bool is_standard(struct ast_text name)
{
    return ast_text_is(name, "include") || ast_text_is(name, "skip") ||
           ast_text_is(name, "deprecated") || ast_text_is(name, "specifiedBy");
}

/* The types that our directives' arguments have, beside built-in ones. */
static void check_types(struct model_builder *builder)
{
    const struct ast_text json = {"JSON", 4};
    const struct ast_text on = {"On", 2};
    const struct ast_text date_time = {"DateTime", 8};
    const struct schema_type *type = schema_find_type(builder->schema, json);

    if (type != NULL && type->kind != SCHEMA_SCALAR)
        MODEL_REPORT(builder, type->definition->name.at, "\"JSON\" must be a scalar.");
    type = schema_find_type(builder->schema, date_time);
    if (type != NULL && type->kind != SCHEMA_SCALAR)
        MODEL_REPORT(builder, type->definition->name.at, "\"DateTime\" must be a scalar.");
    type = schema_find_type(builder->schema, on);
    if (type != NULL && schema_find_directive(builder->schema, (struct ast_text){"now", 3}) &&
        (type->kind != SCHEMA_ENUM || type->value_count != 2 ||
         schema_find_value(type, (struct ast_text){"CREATE", 6}) == NULL ||
         schema_find_value(type, (struct ast_text){"WRITE", 5}) == NULL))
        MODEL_REPORT(builder, type->definition->name.at,
                     "\"On\" must be defined as: enum On { CREATE WRITE }");
}

void model_check_definitions(struct model_builder *builder)
{
    const struct schema *schema = builder->schema;

    for (uint32_t i = 0; i < schema->directive_count; i++) {
        const struct schema_directive *directive = schema->directives[i];
        enum model_directive rule = find_rule(directive->name);

        if (directive->is_built_in || is_standard(directive->name))
            continue;
        if (ast_text_is(directive->name, "auth"))
            MODEL_REPORT(builder, directive->definition->name.at,
                         "Directive \"@auth\" is reserved.");
        else if (rule == DIRECTIVE_COUNT)
            report_unknown(builder, directive);
        else
            check_definition(builder, directive, &rules[rule]);
    }
    check_types(builder);
}

/* --- fields ----------------------------------------------------------------------------------- */

static unsigned place_of(const struct model_builder *builder, const struct schema_type *type)
{
    if (type == builder->schema->roots[AST_QUERY])
        return PLACE_QUERY;
    if (type == builder->schema->roots[AST_MUTATION])
        return PLACE_MUTATION;
    if (type == builder->schema->roots[AST_SUBSCRIPTION])
        return PLACE_SUBSCRIPTION;
    return type->user != NULL ? PLACE_TABLE : 0;
}

static bool exclude(enum model_directive a, enum model_directive b)
{
    if (rules[a].action != MODEL_COLUMN || rules[b].action != MODEL_COLUMN)
        return true;
    return (a == DIRECTIVE_NOW && b == DIRECTIVE_DEFAULT) ||
           (a == DIRECTIVE_DEFAULT && b == DIRECTIVE_NOW);
}

/* Against those before it on the same field. False: a mistake was reported. */
static bool check_exclusion(struct model_builder *builder, const struct ast_field_definition *field,
                            const struct ast_directive *directive)
{
    enum model_directive rule = find_rule(directive->name.text);

    for (const struct ast_directive *other = field->directives; other != directive;
         other = other->next) {
        enum model_directive other_rule = find_rule(other->name.text);

        if (other_rule == DIRECTIVE_COUNT || !exclude(rule, other_rule))
            continue;
        MODEL_REPORT(builder, directive->node.at,
                     "Directives \"@%s\" and \"@%s\" exclude one another.", rules[other_rule].name,
                     rules[rule].name);
        return false;
    }
    return true;
}

static void report_no_directive(struct model_builder *builder, const struct model_work *work,
                                unsigned place)
{
    struct text list = {0};
    const char *separator = "";

    for (int i = 0; i < DIRECTIVE_COUNT; i++) {
        if ((rules[i].places & place) == 0)
            continue;
        text_printf(&list, "%s@%s", separator, rules[i].name);
        separator = ", ";
    }
    if (text_is_whole(&list))
        MODEL_REPORT(builder, work->plan->field->definition->name.at,
                     "Field \"%.*s.%.*s\" needs a directive that says what it does: %.*s.",
                     NAME(work->type->name), NAME(work->plan->field->name), (int)list.size,
                     list.bytes);
    else
        builder->scratch.has_failed = true;
    text_done(&list);
}

/* Finds the one directive that says what a field does, or that it is a column. */
static void gather_field(struct model_builder *builder, struct model_work *work)
{
    const struct ast_field_definition *definition = work->plan->field->definition;
    unsigned place = place_of(builder, work->type);
    bool is_wrong = false;

    for (const struct ast_directive *directive = definition->directives; directive != NULL;
         directive = directive->next) {
        enum model_directive rule = find_rule(directive->name.text);

        if (rule == DIRECTIVE_COUNT)
            continue; /* @deprecated, or one that was reported */
        if ((rules[rule].places & place) == 0) {
            MODEL_REPORT(builder, directive->node.at,
                         "Directive \"@%s\" cannot stand on \"%.*s.%.*s\": it is for %s.",
                         rules[rule].name, NAME(work->type->name), NAME(work->plan->field->name),
                         rules[rule].place);
            is_wrong = true;
        } else if (!check_exclusion(builder, definition, directive)) {
            is_wrong = true;
        } else if (rules[rule].action != MODEL_COLUMN) {
            work->directive = directive;
            work->plan->action = rules[rule].action;
        }
    }
    if (work->directive == NULL && place == PLACE_TABLE && !is_wrong)
        work->plan->action = MODEL_COLUMN;
    else if (work->directive == NULL && place != 0 && place != PLACE_TABLE && !is_wrong)
        report_no_directive(builder, work, place);
    if (is_wrong) {
        work->directive = NULL;
        work->plan->action = MODEL_MEMBER;
    }
}

static uint32_t count_fields(const struct schema *schema)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < schema->type_count; i++) {
        if (!schema->types[i]->is_built_in)
            count += schema->types[i]->field_count;
    }
    return count;
}

void model_gather_fields(struct model_builder *builder)
{
    const struct schema *schema = builder->schema;
    struct model_parts *parts = builder->parts;
    uint32_t count = count_fields(schema);

    parts->fields = region_alloc(builder->region, count * sizeof *parts->fields);
    builder->works = region_alloc(&builder->scratch, count * sizeof *builder->works);
    if (parts->fields == NULL || builder->works == NULL)
        return;
    for (uint32_t i = 0; i < schema->type_count; i++) {
        const struct schema_type *type = schema->types[i];

        for (uint32_t j = 0; j < type->field_count && !type->is_built_in; j++) {
            struct model_work *work = &builder->works[parts->field_count];
            struct model_field *plan = &parts->fields[parts->field_count++];

            *plan = (struct model_field){
                .action = MODEL_MEMBER, .field = &type->fields[j], .column = MODEL_NO_COLUMN};
            plan->parent = type->user;
            type->fields[j].user = plan;
            *work = (struct model_work){.plan = plan, .type = type};
            gather_field(builder, work);
        }
    }
    CHECK(parts->field_count == count);
}
