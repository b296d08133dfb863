#include "server/graphql/schema.h"

#include <stdlib.h>

#include "bus/check.h"
#include "server/graphql/schema_build.h"
#include "server/json/text.h"

enum {
    FIELDS_FEW = 8, /* so many are compared faster than hashed */
};

void schema_free(struct schema *schema)
{
    if (schema == NULL)
        return;
    region_done(&schema->region);
    free(schema);
}

struct schema_type *schema_find_type(const struct schema *schema, struct ast_text name)
{
    return names_find(&schema->tables->types, NULL, name);
}

struct schema_directive *schema_find_directive(const struct schema *schema, struct ast_text name)
{
    return names_find(&schema->tables->directives, NULL, name);
}

static bool is_meta_name(struct ast_text name)
{
    return name.size > 2 && name.bytes[0] == '_' && name.bytes[1] == '_';
}

static struct schema_field *find_meta_field(const struct schema *schema,
                                            const struct schema_type *type, struct ast_text name)
{
    for (int i = 0; i < SCHEMA_META_COUNT; i++) {
        struct schema_field *field = schema->tables->meta[i];
        bool is_allowed = i == SCHEMA_META_TYPENAME ? schema_is_composite(type)
                                                    : type == schema->roots[AST_QUERY];

        if (is_allowed && ast_text_equals(field->name, name))
            return field;
    }
    return NULL;
}

struct schema_field *schema_find_field(const struct schema *schema, const struct schema_type *type,
                                       struct ast_text name)
{
    if (is_meta_name(name))
        return find_meta_field(schema, type, name);
    if (type->field_count > FIELDS_FEW)
        return names_find(&schema->tables->fields, type, name);
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (ast_text_equals(type->fields[i].name, name))
            return &type->fields[i];
    }
    return NULL;
}

const struct schema_input *schema_find_input(const struct schema_input *inputs, uint32_t count,
                                             struct ast_text name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (ast_text_equals(inputs[i].name, name))
            return &inputs[i];
    }
    return NULL;
}

const struct schema_enum_value *schema_find_value(const struct schema_type *type,
                                                  struct ast_text name)
{
    for (uint32_t i = 0; i < type->value_count; i++) {
        if (ast_text_equals(type->values[i].name, name))
            return &type->values[i];
    }
    return NULL;
}

bool schema_input_is_required(const struct schema_input *input)
{
    return input->type != NULL && schema_ref_is_non_null(input->type) &&
           input->default_literal == NULL;
}

/* Recursion: as deep as the wrappers, which the parser bounds. */
const struct schema_ref *schema_ref_of(const struct schema *schema, const struct ast_type *type,
                                       struct region *region)
{
    const struct schema_type *named;
    const struct schema_ref *of;
    struct schema_ref *ref;

    if (type->node.kind == AST_NAMED) {
        named = schema_find_type(schema, type->name);
        return named == NULL ? NULL : &named->ref;
    }
    of = schema_ref_of(schema, type->of, region);
    if (of == NULL)
        return NULL;
    ref = region_alloc(region, sizeof *ref);
    if (ref == NULL)
        return NULL;
    ref->wrapper = type->node.kind == AST_LIST_OF ? SCHEMA_LIST : SCHEMA_NON_NULL;
    ref->of = of;
    return ref;
}

bool schema_ref_equals(const struct schema_ref *a, const struct schema_ref *b)
{
    while (a->wrapper == b->wrapper && a->wrapper != SCHEMA_NAMED) {
        a = a->of;
        b = b->of;
    }
    return a->wrapper == b->wrapper && a->type == b->type;
}

const struct schema_type *schema_ref_named(const struct schema_ref *ref)
{
    while (ref->wrapper != SCHEMA_NAMED)
        ref = ref->of;
    return ref->type;
}

const struct schema_ref *schema_ref_nullable(const struct schema_ref *ref)
{
    return ref->wrapper == SCHEMA_NON_NULL ? ref->of : ref;
}

/* Recursion: as deep as the wrappers, which the parser bounds. */
void schema_ref_print(const struct schema_ref *ref, struct text *out)
{
    switch (ref->wrapper) {
    case SCHEMA_NAMED:
        text_add(out, ref->type->name.bytes, ref->type->name.size);
        break;
    case SCHEMA_LIST:
        text_add_string(out, "[");
        schema_ref_print(ref->of, out);
        text_add_string(out, "]");
        break;
    case SCHEMA_NON_NULL:
        schema_ref_print(ref->of, out);
        text_add_string(out, "!");
        break;
    }
}

bool schema_is_leaf(const struct schema_type *type)
{
    return type->kind == SCHEMA_SCALAR || type->kind == SCHEMA_ENUM;
}

bool schema_is_composite(const struct schema_type *type)
{
    return type->kind == SCHEMA_OBJECT || type->kind == SCHEMA_INTERFACE ||
           type->kind == SCHEMA_UNION;
}

bool schema_is_input(const struct schema_type *type)
{
    return schema_is_leaf(type) || type->kind == SCHEMA_INPUT_OBJECT;
}

bool schema_is_output(const struct schema_type *type)
{
    return type->kind != SCHEMA_INPUT_OBJECT;
}

bool schema_is_possible(const struct schema_type *abstract, const struct schema_type *object)
{
    bool is_union = abstract->kind == SCHEMA_UNION;
    const struct schema_type **of = is_union ? object->unions : object->interfaces;
    uint32_t count = is_union ? object->union_count : object->interface_count;

    if (abstract == object)
        return true;
    for (uint32_t i = 0; i < count; i++) {
        if (of[i] == abstract)
            return true;
    }
    return false;
}

bool schema_ref_is_subtype(const struct schema_ref *sub, const struct schema_ref *super)
{
    while (super->wrapper != SCHEMA_NAMED || sub->wrapper != SCHEMA_NAMED) {
        if (sub->wrapper == super->wrapper)
            super = super->of;
        else if (sub->wrapper != SCHEMA_NON_NULL)
            return false;
        sub = sub->of;
    }
    return schema_is_possible(super->type, sub->type);
}

const char *schema_location_name(enum schema_location location)
{
    static const char *const names[SCHEMA_LOCATION_COUNT] = {
        [SCHEMA_ON_QUERY] = "QUERY",
        [SCHEMA_ON_MUTATION] = "MUTATION",
        [SCHEMA_ON_SUBSCRIPTION] = "SUBSCRIPTION",
        [SCHEMA_ON_FIELD] = "FIELD",
        [SCHEMA_ON_FRAGMENT_DEFINITION] = "FRAGMENT_DEFINITION",
        [SCHEMA_ON_FRAGMENT_SPREAD] = "FRAGMENT_SPREAD",
        [SCHEMA_ON_INLINE_FRAGMENT] = "INLINE_FRAGMENT",
        [SCHEMA_ON_VARIABLE_DEFINITION] = "VARIABLE_DEFINITION",
        [SCHEMA_ON_SCHEMA] = "SCHEMA",
        [SCHEMA_ON_SCALAR] = "SCALAR",
        [SCHEMA_ON_OBJECT] = "OBJECT",
        [SCHEMA_ON_FIELD_DEFINITION] = "FIELD_DEFINITION",
        [SCHEMA_ON_ARGUMENT_DEFINITION] = "ARGUMENT_DEFINITION",
        [SCHEMA_ON_INTERFACE] = "INTERFACE",
        [SCHEMA_ON_UNION] = "UNION",
        [SCHEMA_ON_ENUM] = "ENUM",
        [SCHEMA_ON_ENUM_VALUE] = "ENUM_VALUE",
        [SCHEMA_ON_INPUT_OBJECT] = "INPUT_OBJECT",
        [SCHEMA_ON_INPUT_FIELD_DEFINITION] = "INPUT_FIELD_DEFINITION",
    };

    CHECK(location < SCHEMA_LOCATION_COUNT);
    return names[location];
}
