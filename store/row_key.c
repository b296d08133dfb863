#include "store/row_key.h"

#include <assert.h>
#include <endian.h>
#include <string.h>
#include <xxhash.h>

#include "bus/check.h"
#include "store/value.h"

enum {
    TAG_NULL = 0,
    TAG_VALUE = 1, /* of a Boolean: false */
    TAG_TRUE = 2,
    INT_BYTES = 1 + 4,
    LONG_BYTES = 1 + 8,
    VALUES_BYTES_MAX = INDEX_KEY_BYTES_MAX - 2 - INDEX_KEY_ID_BYTES,
    TEXT_BYTES_MIN = VALUES_BYTES_MAX / CATALOG_INDEX_COLUMNS_MAX,
};

static_assert(TEXT_BYTES_MIN > 1 + INDEX_KEY_HASH_BYTES, "a cut text has a beginning");

static void put_bytes(struct index_key *key, const void *bytes, size_t size)
{
    CHECK(size <= sizeof key->bytes - key->size);
    memcpy(key->bytes + key->size, bytes, size);
    key->size += size;
}

static void put_tag(struct index_key *key, uint8_t tag)
{
    put_bytes(key, &tag, 1);
}

static void put_u16(struct index_key *key, uint16_t value)
{
    uint16_t big_endian = htobe16(value);

    put_bytes(key, &big_endian, sizeof big_endian);
}

static void put_u64(struct index_key *key, uint64_t value)
{
    uint64_t big_endian = htobe64(value);

    put_bytes(key, &big_endian, sizeof big_endian);
}

/* --- rows ----------------------------------------------------------------------------------- */

void row_key_write(uint8_t out[ROW_KEY_BYTES], uint16_t table, uint64_t id)
{
    uint16_t big_table = htobe16(table);
    uint64_t big_id = htobe64(id);

    memcpy(out, &big_table, sizeof big_table);
    memcpy(out + sizeof big_table, &big_id, sizeof big_id);
}

uint64_t row_key_id(const uint8_t *bytes, size_t size)
{
    uint64_t big_endian;

    CHECK(size >= sizeof big_endian);
    memcpy(&big_endian, bytes + size - sizeof big_endian, sizeof big_endian);
    return be64toh(big_endian);
}

/* --- the layout ----------------------------------------------------------------------------- */

/* Bytes of a value that is not null; 0: a text. */
static size_t value_fixed_bytes(unsigned kind)
{
    switch ((enum column_kind)kind) {
    case COLUMN_INT:
        return INT_BYTES;
    case COLUMN_FLOAT:
    case COLUMN_DATETIME:
        return LONG_BYTES;
    case COLUMN_BOOLEAN:
        return 1;
    case COLUMN_STRING:
    case COLUMN_ID:
    case COLUMN_ENUM:
        return 0;
    case COLUMN_JSON:
        break;
    }
    UNREACHABLE(); /* the catalog was checked */
}

void index_layout_make(const struct catalog_table *table, const struct catalog_index *index,
                       struct index_layout *ret_layout)
{
    struct index_layout layout = {.index = index};
    size_t left = VALUES_BYTES_MAX;
    size_t text_count = 0;

    layout.count = (uint8_t)(index->equal_count + index->ordered_count);
    for (unsigned i = 0; i < layout.count; i++) {
        size_t fixed;

        layout.columns[i] = catalog_column(table, index->columns[i]);
        CHECK(layout.columns[i] != NULL);
        fixed = value_fixed_bytes(layout.columns[i]->kind);
        left -= fixed;
        if (fixed == 0)
            text_count++;
    }
    if (text_count > 0)
        layout.text_bytes = (uint16_t)(left / text_count);
    *ret_layout = layout;
}

/* --- writing -------------------------------------------------------------------------------- */

void index_key_begin(struct index_key *key, const struct index_layout *layout)
{
    key->size = 0;
    key->is_cut = false;
    put_u16(key, layout->index->number);
}

/* The most significant bit first, so that negative numbers come before the others. */
static void put_float(struct index_key *key, double value)
{
    uint64_t bits;

    static_assert(sizeof bits == sizeof value, "IEEE 754");
    memcpy(&bits, &value, sizeof bits);
    bits = (bits >> 63) != 0 ? ~bits : bits | UINT64_C(1) << 63;
    put_u64(key, bits);
}

/*
 * Writes the text's bytes, at most @bytes_max of them, so that none is 0: 0 is 1 1 and 1 is 1 2,
 * the order stays. Whether it was all.
 */
static bool put_text_bytes(struct index_key *key, struct catalog_text json, size_t bytes_max)
{
    size_t end = key->size + bytes_max;
    struct catalog_text piece;
    size_t offset = 0;

    while (value_text_next(json, &offset, &piece)) {
        for (size_t i = 0; i < piece.size; i++) {
            uint8_t byte = (uint8_t)piece.bytes[i];

            if (byte <= 1) {
                if (key->size == end)
                    return false;
                key->bytes[key->size++] = 1;
                byte++;
            }
            if (key->size == end)
                return false;
            key->bytes[key->size++] = byte;
        }
    }
    return true;
}

/* Its end is a 0, which comes before any other byte: "a" before "ab". */
static void put_text(struct index_key *key, struct catalog_text json, size_t bytes_max)
{
    size_t begin = key->size;
    size_t whole_max = bytes_max - INDEX_KEY_HASH_BYTES - 1; /* and the end */

    CHECK(key->size + bytes_max <= sizeof key->bytes);
    put_tag(key, TAG_VALUE);
    if (put_text_bytes(key, json, whole_max - 1)) {
        put_tag(key, 0);
        return;
    }
    /* No 0 where a whole one has its end at the latest: that is how a cut one is known. */
    key->size = begin + 1;
    (void)put_text_bytes(key, json, whole_max);
    put_u64(key, XXH3_64bits(json.bytes, json.size));
    key->is_cut = true;
    CHECK(key->size == begin + bytes_max);
}

void index_key_add(struct index_key *key, const struct index_layout *layout, unsigned place,
                   struct catalog_text json)
{
    uint32_t big_endian;

    CHECK(place < layout->count);
    if (json.size == 0) {
        put_tag(key, TAG_NULL);
        return;
    }
    switch ((enum column_kind)layout->columns[place]->kind) {
    case COLUMN_INT:
        put_tag(key, TAG_VALUE);
        big_endian = htobe32((uint32_t)value_int(json) ^ UINT32_C(0x80000000));
        put_bytes(key, &big_endian, sizeof big_endian);
        return;
    case COLUMN_FLOAT:
        put_tag(key, TAG_VALUE);
        put_float(key, value_float(json));
        return;
    case COLUMN_DATETIME:
        put_tag(key, TAG_VALUE);
        put_u64(key, value_datetime(json));
        return;
    case COLUMN_BOOLEAN:
        put_tag(key, json.bytes[0] == 't' ? TAG_TRUE : TAG_VALUE);
        return;
    case COLUMN_STRING:
    case COLUMN_ID:
    case COLUMN_ENUM:
        put_text(key, json, layout->text_bytes);
        return;
    case COLUMN_JSON:
        break;
    }
    UNREACHABLE(); /* the catalog was checked */
}

void index_key_add_id(struct index_key *key, uint64_t id)
{
    put_u64(key, id);
}

void index_key_pass(struct index_key *key)
{
    while (key->size > 0 && key->bytes[key->size - 1] == UINT8_MAX)
        key->size--;
    CHECK(key->size > 0);
    key->bytes[key->size - 1]++;
}

/* --- reading -------------------------------------------------------------------------------- */

static size_t text_value_bytes(const uint8_t *bytes, size_t size, size_t text_bytes,
                               bool *ret_is_cut)
{
    size_t whole_max = text_bytes - INDEX_KEY_HASH_BYTES; /* with the end */
    const uint8_t *end = memchr(bytes, 0, size < whole_max ? size : whole_max);

    *ret_is_cut = end == NULL;
    if (end != NULL)
        return (size_t)(end - bytes) + 1;
    return size < text_bytes ? 0 : text_bytes;
}

size_t index_value_bytes(const struct index_layout *layout, unsigned place, const uint8_t *bytes,
                         size_t size, bool *ret_is_cut)
{
    size_t fixed = value_fixed_bytes(layout->columns[place]->kind);

    *ret_is_cut = false;
    if (size == 0)
        return 0;
    if (bytes[0] == TAG_NULL)
        return 1;
    if (fixed == 0)
        return text_value_bytes(bytes, size, layout->text_bytes, ret_is_cut);
    return size < fixed ? 0 : fixed;
}
