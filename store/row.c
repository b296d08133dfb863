#include "store/row.h"

#include <assert.h>
#include <string.h>

#include "bus/check.h"
#include "store/code.h"

/* What stands before the pieces. */
struct row_head {
    uint16_t count;
    uint16_t zero;
};

static_assert(sizeof(struct row_head) == 4, "stored as it stands");

static struct row_head head_of(const struct row *row)
{
    struct row_head head;

    memcpy(&head, row->value, sizeof head); /* LMDB aligns to 2 bytes only */
    return head;
}

static uint32_t end_of(const struct row *row, unsigned piece)
{
    uint32_t end;

    memcpy(&end, row->value + sizeof(struct row_head) + piece * sizeof end, sizeof end);
    return end;
}

bool row_is_sound(const struct row *row)
{
    struct row_head head;
    uint32_t before = 0;
    size_t ends_bytes;

    if (row->bytes < sizeof head)
        return false;
    head = head_of(row);
    ends_bytes = sizeof head + head.count * sizeof(uint32_t);
    if (head.count > CATALOG_COLUMNS_MAX || head.zero != 0 || row->bytes < ends_bytes)
        return false;
    for (unsigned i = 0; i < head.count; i++) {
        uint32_t end = end_of(row, i);

        if (end < before)
            return false;
        before = end;
    }
    return row->bytes - ends_bytes == before;
}

struct catalog_text row_column(const struct row *row, const struct catalog_column *column)
{
    struct row_head head = head_of(row);
    const uint8_t *pieces = row->value + sizeof head + head.count * sizeof(uint32_t);
    uint32_t begin;

    if (column->number >= head.count)
        return column->default_json;
    begin = column->number > 0 ? end_of(row, column->number - 1U) : 0;
    return (struct catalog_text){
        .bytes = (const char *)pieces + begin,
        .size = end_of(row, column->number) - begin,
    };
}

void row_pieces_of(const struct row *row, const struct catalog_table *table,
                   struct row_pieces *ret_pieces)
{
    for (int i = 0; i < table->column_count; i++)
        ret_pieces->json[table->columns[i].number] = row_column(row, &table->columns[i]);
}

size_t row_encoded_bytes(const struct catalog_table *table, const struct row_pieces *pieces)
{
    size_t bytes = sizeof(struct row_head) + table->column_count * sizeof(uint32_t);

    for (int i = 0; i < table->column_count; i++)
        bytes += pieces->json[i].size;
    return bytes;
}

void row_encode(const struct catalog_table *table, const struct row_pieces *pieces, uint8_t *out)
{
    struct code_out to = {.start = out};
    size_t end = 0;

    code_put_u16(&to, table->column_count);
    code_put_u16(&to, 0);
    for (int i = 0; i < table->column_count; i++) {
        end += pieces->json[i].size;
        CHECK(end <= UINT32_MAX);
        code_put_u32(&to, (uint32_t)end);
    }
    for (int i = 0; i < table->column_count; i++)
        code_put(&to, pieces->json[i].bytes, pieces->json[i].size);
}

static void put_json(struct code_out *out, const struct catalog_table *table,
                     const struct row_pieces *pieces)
{
    const char *between = "{\"";

    for (int i = 0; i < table->column_count && !table->columns[i].is_dropped; i++) {
        const struct catalog_column *column = &table->columns[i];
        const struct catalog_text *json = &pieces->json[column->number];

        code_put(out, between, 2);
        code_put(out, column->name.bytes, column->name.size);
        code_put(out, "\":", 2);
        if (json->size > 0)
            code_put(out, json->bytes, json->size);
        else
            code_put(out, "null", 4);
        between = ",\"";
    }
    code_put(out, "}", 1);
}

size_t row_json_bytes(const struct catalog_table *table, const struct row_pieces *pieces)
{
    struct code_out out = {.start = NULL};

    put_json(&out, table, pieces);
    return out.bytes;
}

void row_json(const struct catalog_table *table, const struct row_pieces *pieces, char *out)
{
    struct code_out to = {.start = (uint8_t *)out};

    put_json(&to, table, pieces);
}
