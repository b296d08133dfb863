/*
 * tools/sluicectl/json_span.h - parts of a JSON text as they were written.
 *
 * Published values are passed on as they stand: a tree (json-c) would change large numbers, repeated
 * keys and lone surrogates. Only bounds are found here; that the text is JSON is its writer's to know,
 * and of what is none some part is returned, never anything outside of it.
 */
#ifndef TOOLS_SLUICECTL_JSON_SPAN_H
#define TOOLS_SLUICECTL_JSON_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_span {
    const char *at;
    size_t bytes;
};

/* The value of the first member of that name, which has nothing that JSON escapes. */
bool json_span_member(struct json_span object, const char *name, struct json_span *ret_value);

/* A member that is a number from 0 to UINT64_MAX. */
bool json_span_number(struct json_span object, const char *name, uint64_t *ret_number);

/*
 * The elements of an array, one after the other. *cursor begins as {0} and is this function's.
 */
bool json_span_element(struct json_span array, struct json_span *cursor,
                       struct json_span *ret_element);

/* Between its quotes; all of it when it is no string. */
struct json_span json_span_unquoted(struct json_span string);

#endif
