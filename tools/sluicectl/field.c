#include "tools/sluicectl/field.h"

#include <limits.h>

struct json_object *field_parse(const char *json, size_t bytes)
{
    struct json_tokener *tokener = bytes <= INT_MAX ? json_tokener_new() : NULL;
    struct json_object *object = NULL;

    if (tokener == NULL)
        return NULL;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    object = json_tokener_parse_ex(tokener, json, (int)bytes);
    if (!json_object_is_type(object, json_type_object)) {
        json_object_put(object);
        object = NULL;
    }
    json_tokener_free(tokener);
    return object;
}

static struct json_object *field(struct json_object *object, const char *name, json_type type)
{
    struct json_object *value = NULL;

    if (!json_object_is_type(object, json_type_object) ||
        !json_object_object_get_ex(object, name, &value) || !json_object_is_type(value, type))
        return NULL;
    return value;
}

struct json_object *field_object(struct json_object *object, const char *name)
{
    return field(object, name, json_type_object);
}

struct json_object *field_array(struct json_object *object, const char *name)
{
    return field(object, name, json_type_array);
}

uint64_t field_number(struct json_object *object, const char *name)
{
    return json_object_get_uint64(field(object, name, json_type_int));
}

double field_double(struct json_object *object, const char *name)
{
    struct json_object *value = field(object, name, json_type_double);

    return value != NULL ? json_object_get_double(value) : (double)field_number(object, name);
}

bool field_true(struct json_object *object, const char *name)
{
    return json_object_get_boolean(field(object, name, json_type_boolean)) != 0;
}

const char *field_text(struct json_object *object, const char *name)
{
    struct json_object *value = field(object, name, json_type_string);

    return value != NULL ? json_object_get_string(value) : "";
}

const char *field_line(struct json_object *object)
{
    return json_object_to_json_string_ext(object,
                                          JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

size_t field_array_count(struct json_object *array)
{
    return array != NULL ? json_object_array_length(array) : 0;
}
