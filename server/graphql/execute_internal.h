/*
 * server/graphql/execute_internal.h - between the files that execute; for nobody else.
 *
 * execute.c        operations, the stack, the budget
 * execute_value.c  a resolver's answer into JSON: completing values (section 6.4.3)
 * execute_leaf.c   the result of a scalar or an enum
 */
#ifndef SERVER_GRAPHQL_EXECUTE_INTERNAL_H
#define SERVER_GRAPHQL_EXECUTE_INTERNAL_H

#include "server/graphql/collect.h"
#include "server/graphql/execute.h"
#include "server/graphql/region.h"

/*
 * A selection set or a list that has been begun. The value in hand is that of @field, or, in a list,
 * the item at @index of it.
 */
struct frame {
    struct frame *below;      /* NULL: the root fields */
    struct frame *above;      /* kept for its next use; NULL: none was needed yet */
    struct plan_field *field; /* in a selection set NULL before the first */
    size_t begin;             /* of its own value in the text */
    bool is_nullable;         /* whether a null may stand in its place */
    bool is_list;
    uint32_t index;
    union {
        struct {
            const struct plan *plan;
            const void *object;
        };
        struct {
            const struct execute_result *items;
            uint32_t count;
            const struct schema_ref *item_type;
        };
    };
};

struct execution {
    struct region region; /* holds this struct, too */
    struct execute_options options;
    struct graphql_errors errors;
    struct coerce coerce;
    struct collect collect;
    struct text text; /* the value of "data", as far as it is written */
    struct frame *top;
    struct frame *bottom; /* kept; NULL: not begun */
    struct execute_call call;
    struct execute_result answer;
    bool has_answer;
    bool is_running;
    enum execute_state state;
    int64_t budget; /* below 0: a step was larger than what was left */
};

/* The frame for a value that begins at @begin, with what all frames have. NULL: no memory. */
struct frame *execute_push(struct execution *execution, size_t begin, bool is_nullable);

/*
 * Adds a field error for the value in hand, with the field's places and its path. The message is
 * only made up when it is kept.
 */
__attribute__((format(printf, 3, 4))) void
execute_fail(struct execution *execution, enum graphql_code code, const char *format, ...);
/* Gives the error that another part has just added its path. @count: of errors before it. */
void execute_fail_added(struct execution *execution, uint32_t count);

/*
 * Writes the answer to the value in hand, which is of @type, or begins to: a selection set or list
 * is pushed. After an error null is written where it may stand.
 */
void execute_complete(struct execution *execution, const struct schema_ref *type,
                      const struct execute_result *result);
/* Null, in place of the value in hand or of the nearest around it that may be null. */
void execute_null(struct execution *execution, size_t begin, bool is_nullable);

/* Writes a result that is not null as a leaf of @type. False: an error was added. */
bool execute_leaf(struct execution *execution, const struct schema_type *type,
                  const struct execute_result *result);

/* Room for @bytes more of result; NULL: no memory. Inline, for every field comes here twice. */
static inline char *execute_reserve(struct execution *execution, size_t bytes)
{
    struct text *text = &execution->text;

    if (text->capacity - text->size >= bytes && !text->has_failed)
        return text->bytes + text->size;
    return text_reserve(text, bytes);
}

static inline void execute_write_bytes(struct execution *execution, const char *bytes, size_t size)
{
    char *out = execute_reserve(execution, size);

    if (out == NULL)
        return;
    __builtin_memcpy(out, bytes, size);
    execution->text.size += size;
}

#endif
