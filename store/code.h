/*
 * store/code.h - numbers and texts one behind the other, as catalogs and COMMANDs are encoded.
 *
 * Little-endian as the machine has them, without padding; a text is its size (4 bytes) and its
 * bytes.
 * Callers  store/ only.
 */
#ifndef STORE_CODE_H
#define STORE_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "store/catalog.h"

/* Where is written; NULL: only counted. */
struct code_out {
    uint8_t *start;
    size_t bytes;
};

static inline void code_put(struct code_out *out, const void *bytes, size_t size)
{
    if (out->start != NULL && size > 0)
        memcpy(out->start + out->bytes, bytes, size);
    out->bytes += size;
}

static inline void code_put_u8(struct code_out *out, uint8_t value)
{
    code_put(out, &value, sizeof value);
}

static inline void code_put_u16(struct code_out *out, uint16_t value)
{
    code_put(out, &value, sizeof value);
}

static inline void code_put_u32(struct code_out *out, uint32_t value)
{
    code_put(out, &value, sizeof value);
}

static inline void code_put_u64(struct code_out *out, uint64_t value)
{
    code_put(out, &value, sizeof value);
}

static inline void code_put_text(struct code_out *out, struct catalog_text text)
{
    code_put_u32(out, (uint32_t)text.size);
    code_put(out, text.bytes, text.size);
}

/* What is left to read. Once something was missing everything reads as 0. */
struct code_in {
    const uint8_t *at;
    size_t left;
    bool is_bad;
};

static inline void code_get(struct code_in *in, void *out, size_t size)
{
    if (in->is_bad || size > in->left) {
        in->is_bad = true;
        memset(out, 0, size);
        return;
    }
    memcpy(out, in->at, size);
    in->at += size;
    in->left -= size;
}

static inline uint8_t code_get_u8(struct code_in *in)
{
    uint8_t value;

    code_get(in, &value, sizeof value);
    return value;
}

static inline uint16_t code_get_u16(struct code_in *in)
{
    uint16_t value;

    code_get(in, &value, sizeof value);
    return value;
}

static inline uint32_t code_get_u32(struct code_in *in)
{
    uint32_t value;

    code_get(in, &value, sizeof value);
    return value;
}

static inline uint64_t code_get_u64(struct code_in *in)
{
    uint64_t value;

    code_get(in, &value, sizeof value);
    return value;
}

/* A view into what is read; one of more than @bytes_max is bad. */
static inline struct catalog_text code_get_text(struct code_in *in, size_t bytes_max)
{
    struct catalog_text text = {.bytes = "", .size = code_get_u32(in)};

    if (in->is_bad || text.size > in->left || text.size > bytes_max) {
        in->is_bad = true;
        text.size = 0;
        return text;
    }
    if (text.size > 0)
        text.bytes = (const char *)in->at;
    in->at += text.size;
    in->left -= text.size;
    return text;
}

#endif
