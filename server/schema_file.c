#include "server/schema_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/model.h"
#include "server/json/text.h"
#include "server/whole_file.h"

#define BUILT_IN_NAME "(built in)"

static struct model *build(const char *sdl, size_t bytes, const char *name, FILE *errors)
{
    struct text lines = {0};
    struct model *model = model_build(sdl, bytes, name, &lines);

    if (model == NULL && lines.size == 0)
        (void)fprintf(errors, "sluice: %s: %s\n", name, strerror(ENOMEM));
    else if (model == NULL)
        (void)fprintf(errors, "%.*s%s", (int)lines.size, lines.bytes,
                      lines.bytes[lines.size - 1] == '\n' ? "" : "\n");
    text_done(&lines);
    return model;
}

struct model *schema_file_build(const char *file, FILE *errors)
{
    struct text content = {0};
    struct model *model = NULL;
    int rc;

    if (file == NULL) {
        size_t bytes;
        const char *sdl = model_built_in_sdl(&bytes);

        return build(sdl, bytes, BUILT_IN_NAME, errors);
    }
    rc = whole_file_read(file, SCHEMA_FILE_BYTES_MAX, &content);
    if (rc == -EFBIG)
        (void)fprintf(errors, "sluice: --schema: %s is longer than %d KiB\n", file,
                      SCHEMA_FILE_BYTES_MAX / 1024);
    else if (rc != 0)
        (void)fprintf(errors, "sluice: --schema: %s cannot be read: %s\n", file, strerror(-rc));
    else
        model = build(content.size == 0 ? "" : content.bytes, content.size, file, errors);
    text_done(&content);
    return model;
}
