/*
 * ValuesOfCorrectType (of which literal.c knows the most), UniqueInputFieldNames.
 */
#include "server/graphql/validate_internal.h"

/*
 * A list or object that does not belong where it stands is one error; what is in it would only be
 * others of the same.
 */
void rule_values_of_correct_type(struct validate *validate, const struct ast_node *node)
{
    const struct validate_place *place = &validate->place;
    const struct ast_value *value = (const struct ast_value *)node;

    if (validate->skipped_value != NULL)
        return;
    if (node->kind == AST_OBJECT_FIELD) {
        if (place->input == NULL)
            (void)literal_check_field(&validate->literals, (const struct ast_object_field *)node,
                                      place->outer_input); /* the walk has found its type */
    } else if (node->kind == AST_LIST) {
        if (!literal_check_node(&validate->literals, value, place->outer_input))
            validate->skipped_value = value;
    } else if (!literal_check_node(&validate->literals, value, place->input) &&
               node->kind == AST_OBJECT) {
        validate->skipped_value = value;
    }
}

void rule_values_of_correct_type_leave(struct validate *validate, const struct ast_node *node)
{
    if (validate->skipped_value == (const struct ast_value *)node)
        validate->skipped_value = NULL;
}

void rule_unique_input_field_names(struct validate *validate, const struct ast_node *node)
{
    const struct ast_object_field *field = (const struct ast_object_field *)node;
    const struct ast_object_field *first = validate->place.object->fields;
    const struct validate_groups *twins = validate->place.twins;
    struct graphql_error *error;

    if (twins == NULL || twins->first[validate->place.field_index] == validate->place.field_index)
        return;
    while (!ast_text_equals(first->name.text, field->name.text))
        first = first->next;
    error = REPORT(validate, "There can be only one input field named \"%.*s\".",
                   NAME(field->name.text));
    validate_locate(validate, error, first->name.at);
    validate_locate(validate, error, field->name.at);
}
