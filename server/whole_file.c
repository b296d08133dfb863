#include "server/whole_file.h"

#include <errno.h>
#include <stdio.h>

#include "server/json/text.h"

enum {
    READ_BYTES = 64 * 1024, /* at a time */
};

static int read_all(FILE *file, size_t bytes_max, struct text *content)
{
    while (content->size <= bytes_max) {
        char *end = text_reserve(content, READ_BYTES);
        size_t bytes;

        if (end == NULL)
            return -ENOMEM;
        errno = 0;
        bytes = fread(end, 1, READ_BYTES, file);
        text_grow(content, end + bytes);
        if (ferror(file))
            return errno != 0 ? -errno : -EIO;
        if (bytes == 0)
            return 0;
    }
    return -EFBIG;
}

int whole_file_read(const char *name, size_t bytes_max, struct text *content)
{
    FILE *file = fopen(name, "re");
    int rc;

    if (file == NULL)
        return -errno;
    rc = read_all(file, bytes_max, content);
    (void)fclose(file); /* only read */
    return rc;
}
