/*
 * tools/sluicectl/field.h - reading the server's JSON objects by json-c.
 *
 * What is missing, or of another type, reads as 0, "", false or NULL: a newer or older server's object
 * may have other fields. Published values are never read so: json_span.h keeps them as they are.
 * Memory   Objects, arrays and texts are borrowed from the object that they are in.
 */
#ifndef TOOLS_SLUICECTL_FIELD_H
#define TOOLS_SLUICECTL_FIELD_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An object of the caller's, to put; NULL: it is none. */
struct json_object *field_parse(const char *json, size_t bytes);

/* @object may be NULL: then everything is missing. */
struct json_object *field_object(struct json_object *object, const char *name);
struct json_object *field_array(struct json_object *object, const char *name);
uint64_t field_number(struct json_object *object, const char *name);
double field_double(struct json_object *object, const char *name);
bool field_true(struct json_object *object, const char *name);
const char *field_text(struct json_object *object, const char *name);

/* As one line of compact JSON; valid as long as the object is. */
const char *field_line(struct json_object *object);

/* Of NULL: 0. */
size_t field_array_count(struct json_object *array);

#endif
