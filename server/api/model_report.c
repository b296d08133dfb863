/* What is wrong with a schema, where, and what could have been meant. */
#include "server/api/model_build.h"

#include "server/json/text.h"

void model_locate(struct model_builder *builder, struct graphql_error *error, uint32_t at)
{
    graphql_error_locate(builder->errors, error, builder->schema->document, at);
}

/* A copy in the scratch region of what was written; "" without memory. */
static const char *keep(struct model_builder *builder, struct text *out)
{
    const char *copy = NULL;

    if (text_is_whole(out))
        copy = region_copy(&builder->scratch, out->bytes, out->size);
    else
        builder->scratch.has_failed = true;
    text_done(out);
    return copy == NULL ? "" : copy;
}

const char *model_ref_text(struct model_builder *builder, const struct schema_ref *ref)
{
    struct text out = {0};

    schema_ref_print(ref, &out);
    return keep(builder, &out);
}

void model_names_begin(struct model_names *names, struct model_builder *builder,
                       struct ast_text unknown)
{
    names->builder = builder;
    names->known_count = 0;
    suggest_begin(&names->suggest, unknown, &builder->scratch);
}

void model_names_offer(struct model_names *names, struct ast_text option)
{
    if (names->builder->errors->has_overflown)
        return; /* nobody will see it */
    suggest_offer(&names->suggest, option);
    if (names->known_count < MODEL_KNOWN_MAX)
        names->known[names->known_count] = option;
    names->known_count++;
}

const char *model_names_end(struct model_names *names)
{
    const char *near = suggest_end(&names->suggest, NULL);
    uint32_t kept = names->known_count < MODEL_KNOWN_MAX ? names->known_count : MODEL_KNOWN_MAX;
    struct text out = {0};

    if (*near != '\0' || names->known_count == 0)
        return near;
    text_add_string(&out, " It can be");
    for (uint32_t i = 0; i < kept; i++) {
        bool is_last = i > 0 && i + 1 == names->known_count;

        text_printf(&out, "%s \"%.*s\"", is_last ? " or" : i > 0 ? "," : "", NAME(names->known[i]));
    }
    text_printf(&out, names->known_count > kept ? ", and so on (%u in all)." : ".",
                names->known_count);
    return keep(names->builder, &out);
}
