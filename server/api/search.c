#include "server/api/search.h"

#include "server/api/column_value.h"
#include "store/value.h"

/* The value of a condition; *ret_json.size 0: null, or not given. False: as search_begin. */
static bool read_source(const struct model_field *plan, const struct model_condition *condition,
                        const struct search_source *source, struct catalog_text *ret_json,
                        const char **ret_reason)
{
    const struct model_column *column = &plan->table->columns[condition->column];
    const struct value *value;
    const char *wrong;

    *ret_reason = NULL;
    *ret_json = (struct catalog_text){0};
    if (condition->source.is_column) {
        const struct model_column *given =
            &source->parent->table->columns[condition->source.column];

        *ret_json = column_value_as(column, given->kind,
                                    resolve_row_column(source->parent, condition->source.column),
                                    source->region);
        return !source->region->has_failed;
    }
    value = resolve_input(source->arguments, &condition->source.input);
    if (value->kind == VALUE_ABSENT || value->kind == VALUE_NULL)
        return true;
    wrong = column_value(column, value, source->region, ret_json);
    if (wrong == NULL)
        return !source->region->has_failed;
    *ret_reason = region_printf(source->region, "Argument \"%.*s\" %s.",
                                (int)condition->source.input.input->name.size,
                                condition->source.input.input->name.bytes, wrong);
    return false;
}

bool search_begin(struct search *search, const struct model_field *plan,
                  const struct search_source *source, const char **ret_reason)
{
    *ret_reason = NULL;
    *search = (struct search){.plan = plan};
    search->conditions =
        region_alloc(source->region, plan->condition_count * sizeof *search->conditions + 1);
    if (search->conditions == NULL)
        return false;
    for (uint32_t i = 0; i < plan->condition_count; i++) {
        const struct model_condition *condition = &plan->conditions[i];
        struct catalog_text json;

        if (!read_source(plan, condition, source, &json, ret_reason))
            return false;
        if (json.size > 0) {
            search->conditions[search->count++] = (struct search_condition){condition, json};
            search->mask |= UINT32_C(1) << condition->slot;
        } else if (condition->source.is_column) {
            search->is_empty = true;
        }
    }
    return true;
}

static bool does_hold(const struct search *search, const struct search_condition *wanted,
                      struct catalog_text json)
{
    enum column_kind kind = search->plan->table->columns[wanted->condition->column].kind;
    int order;

    if (json.size == 0)
        return false;
    if (wanted->condition->operator== MODEL_EQUAL)
        return value_is_equal(kind, json, wanted->json);
    order = column_value_compare(kind, json, wanted->json);
    switch (wanted->condition->operator) {
    case MODEL_GT:
        return order > 0;
    case MODEL_GTE:
        return order >= 0;
    case MODEL_LT:
        return order < 0;
    case MODEL_LTE:
        return order <= 0;
    case MODEL_EQUAL:
        break;
    }
    return false;
}

bool search_matches(const struct search *search, const void *object, search_column_function *column)
{
    for (uint32_t i = 0; i < search->count; i++) {
        const struct search_condition *wanted = &search->conditions[i];

        if (!does_hold(search, wanted, column(object, wanted->condition->column)))
            return false;
    }
    return !search->is_empty;
}

const struct search_condition *search_equal(const struct search *search, uint32_t column)
{
    for (uint32_t i = 0; i < search->count; i++) {
        const struct model_condition *condition = search->conditions[i].condition;

        if (condition->column == column && condition->operator== MODEL_EQUAL)
            return &search->conditions[i];
    }
    return NULL;
}
