/* From SDL to a model: drives the other files, and answers questions. */
#include "server/api/model.h"

#include <stdlib.h>

#include "server/api/model_build.h"
#include "server/api/model_built_in.h"
#include "server/json/text.h"

/* All steps; errors say how they went. */
static void build(struct model_builder *builder)
{
    model_check_definitions(builder);
    if (builder->errors->count > 0)
        return; /* what directives say can be understood only if they are ours */
    model_make_tables(builder);
    model_gather_fields(builder);
    if (builder->region->has_failed || builder->scratch.has_failed)
        return; /* what follows relies on the fields */
    model_make_columns(builder);
    model_plan_fields(builder);
    if (builder->errors->count > 0 || builder->region->has_failed)
        return; /* there will be no model */
    model_gather_patterns(builder);
    model_make_catalog(builder);
}

/* A model of nothing yet. NULL: no memory. */
static struct model *new_model(void)
{
    struct model *model = calloc(1, sizeof *model);

    if (model == NULL)
        return NULL;
    model->parts = calloc(1, sizeof *model->parts);
    if (model->parts == NULL) {
        free(model);
        return NULL;
    }
    region_init(&model->parts->region, SCHEMA_BYTES_MAX);
    return model;
}

struct model *model_build(const char *sdl, size_t sdl_bytes, const char *file_name,
                          struct text *ret_errors)
{
    struct model *model = new_model();
    struct region region;
    struct graphql_errors errors;
    struct model_builder builder = {.model = model, .errors = &errors};
    bool is_good = false;

    if (model == NULL)
        return NULL;
    region_init(&region, SCHEMA_BYTES_MAX);
    region_init(&builder.scratch, SCHEMA_BYTES_MAX);
    graphql_errors_init(&errors, &region);
    model->schema = schema_build(sdl, sdl_bytes, file_name, &errors);
    if (model->schema != NULL) {
        builder.schema = model->schema;
        builder.parts = model->parts;
        builder.region = &model->parts->region;
        build(&builder);
        is_good = errors.count == 0;
    }
    if (region.has_failed || builder.scratch.has_failed || model->parts->region.has_failed)
        is_good = false;
    else
        graphql_errors_print(&errors, file_name, ret_errors);
    region_done(&builder.scratch);
    region_done(&region);
    if (is_good)
        return model;
    model_free(model);
    return NULL;
}

void model_free(struct model *model)
{
    if (model == NULL)
        return;
    schema_free(model->schema);
    region_done(&model->parts->region);
    free(model->parts);
    free(model);
}

const char *model_built_in_sdl(size_t *ret_bytes)
{
    *ret_bytes = model_built_in_bytes;
    return (const char *)model_built_in;
}
