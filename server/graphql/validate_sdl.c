/*
 * Type system definitions in a document that is to be executed. They are refused as such, and yet
 * graphql-js's rules look into them, so that an error more or less comes from there.
 */
#include "server/graphql/validate_internal.h"

static void walk_inputs(struct validate *validate, const struct ast_input_value *inputs,
                        enum schema_location location)
{
    for (; inputs != NULL && !validate_is_over(validate); inputs = inputs->next) {
        validate_enter(validate, AST_INPUT_VALUE, &inputs->node);
        validate_walk_type(validate, inputs->type);
        if (inputs->default_value != NULL)
            validate_walk_value(validate, inputs->default_value);
        validate_walk_directives(validate, inputs->directives, location);
    }
}

static void walk_fields(struct validate *validate, const struct ast_field_definition *fields)
{
    for (; fields != NULL && !validate_is_over(validate); fields = fields->next) {
        validate_enter(validate, AST_FIELD_DEFINITION, &fields->node);
        walk_inputs(validate, fields->arguments, SCHEMA_ON_ARGUMENT_DEFINITION);
        validate_walk_type(validate, fields->type);
        validate_walk_directives(validate, fields->directives, SCHEMA_ON_FIELD_DEFINITION);
    }
}

static void walk_values(struct validate *validate, const struct ast_enum_value *values)
{
    for (; values != NULL && !validate_is_over(validate); values = values->next) {
        validate_enter(validate, AST_ENUM_VALUE, &values->node);
        validate_walk_directives(validate, values->directives, SCHEMA_ON_ENUM_VALUE);
    }
}

static void walk_types(struct validate *validate, const struct ast_type *types)
{
    for (; types != NULL && !validate_is_over(validate); types = types->next)
        validate_walk_type(validate, types);
}

void validate_walk_type_system(struct validate *validate, const struct ast_definition *definition)
{
    static const enum schema_location locations[] = {
        [AST_SCHEMA] = SCHEMA_ON_SCHEMA,
        [AST_SCALAR_TYPE] = SCHEMA_ON_SCALAR,
        [AST_OBJECT_TYPE] = SCHEMA_ON_OBJECT,
        [AST_INTERFACE_TYPE] = SCHEMA_ON_INTERFACE,
        [AST_UNION_TYPE] = SCHEMA_ON_UNION,
        [AST_ENUM_TYPE] = SCHEMA_ON_ENUM,
        [AST_INPUT_OBJECT_TYPE] = SCHEMA_ON_INPUT_OBJECT,
    };
    enum ast_kind kind = definition->node.kind;
    /* graphql-js takes the fields of an extension for arguments. */
    enum schema_location of_inputs = kind == AST_INPUT_OBJECT_TYPE && !definition->is_extension
                                         ? SCHEMA_ON_INPUT_FIELD_DEFINITION
                                         : SCHEMA_ON_ARGUMENT_DEFINITION;

    validate_enter(validate, kind, &definition->node);
    if (kind == AST_DIRECTIVE_DEFINITION) {
        walk_inputs(validate, definition->input_values, of_inputs);
        return;
    }
    walk_types(validate, definition->interfaces);
    validate_walk_directives(validate, definition->directives, locations[kind]);
    for (const struct ast_operation_type *type = definition->operation_types;
         type != NULL && !validate_is_over(validate); type = type->next)
        validate_walk_type(validate, type->type);
    walk_fields(validate, definition->fields);
    walk_types(validate, definition->members);
    walk_values(validate, definition->values);
    walk_inputs(validate, definition->input_values, of_inputs);
}
