#include "server/graphql/suggest.h"

#include <string.h>

#include "server/graphql/region.h"
#include "server/graphql/schema.h"
#include "server/json/text.h"

static bool is_digit(struct ast_text text, uint32_t i)
{
    return i < text.size && text.bytes[i] >= '0' && text.bytes[i] <= '9';
}

static uint16_t to_lower(uint32_t unit)
{
    return (uint16_t)(unit >= 'A' && unit <= 'Z' ? unit - 'A' + 'a' : unit);
}

/* The digits at *i as a number; one zero stands alone, as in graphql-js. */
static double natural_number(struct ast_text text, uint32_t *i)
{
    double number = 0;

    do {
        number = number * 10 + (text.bytes[*i] - '0');
        (*i)++;
    } while (is_digit(text, *i) && number > 0);
    return number;
}

int suggest_compare(struct ast_text a, struct ast_text b)
{
    uint32_t i = 0;
    uint32_t j = 0;

    while (i < a.size && j < b.size) {
        double left = (unsigned char)a.bytes[i];
        double right = (unsigned char)b.bytes[j];

        if (is_digit(a, i) && is_digit(b, j)) {
            left = natural_number(a, &i);
            right = natural_number(b, &j);
        } else {
            i++;
            j++;
        }
        if (left < right)
            return -1;
        if (left > right)
            return 1;
    }
    return (a.size > b.size) - (a.size < b.size);
}

/* UTF-8 (which the parsers have checked) as UTF-16 units in lower case; counts only without @out. */
static uint32_t to_units(struct ast_text text, uint16_t *out)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < text.size;) {
        uint32_t byte = (unsigned char)text.bytes[i];
        uint32_t length = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
        uint32_t point = length == 1 ? byte : byte & (0xFFU >> (length + 1));

        for (uint32_t k = 1; k < length && i + k < text.size; k++)
            point = point << 6 | ((unsigned char)text.bytes[i + k] & 0x3FU);
        i += length;
        if (point >= 0x10000 && out != NULL) {
            out[count] = (uint16_t)(0xD800 + ((point - 0x10000) >> 10));
            out[count + 1] = (uint16_t)(0xDC00 + ((point - 0x10000) & 0x3FF));
        } else if (out != NULL) {
            out[count] = to_lower(point);
        }
        count += point >= 0x10000 ? 2 : 1;
    }
    return count;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

void suggest_begin(struct suggest *suggest, struct ast_text input, struct region *region)
{
    memset(suggest, 0, sizeof *suggest);
    suggest->region = region;
    suggest->input = input;
    suggest->unit_count = to_units(input, NULL);
    suggest->threshold = suggest->unit_count * 2 / 5 + 1;
}

static bool prepare(struct suggest *suggest)
{
    if (suggest->units != NULL)
        return true;

    size_t columns = (size_t)suggest->unit_count + 1;
    suggest->rows = region_alloc(suggest->region, 3 * columns * sizeof *suggest->rows);
    if (suggest->rows == NULL)
        return false;
    suggest->units = region_alloc(suggest->region, columns * sizeof *suggest->units);
    if (suggest->units == NULL)
        return false;
    (void)to_units(suggest->input, suggest->units); /* counted before */
    return true;
}

static bool differs_in_case_only(const struct suggest *suggest, struct ast_text option)
{
    if (option.size != suggest->unit_count)
        return false;
    for (uint32_t i = 0; i < option.size; i++) {
        if (to_lower((unsigned char)option.bytes[i]) != suggest->units[i])
            return false;
    }
    return true;
}

/*
 * The least number of edits between both, or above the threshold when it certainly is. One row of
 * the usual table per character of the option; two rows back are kept for swaps.
 */
static uint32_t edit_distance(const struct suggest *suggest, struct ast_text option)
{
    const uint16_t *b = suggest->units;
    size_t columns = (size_t)suggest->unit_count + 1;
    uint16_t previous = 0;

    for (uint32_t j = 0; j < columns; j++)
        suggest->rows[j] = j;
    for (uint32_t i = 1; i <= option.size; i++) {
        const uint32_t *before = suggest->rows + (i + 1) % 3 * columns;
        const uint32_t *up = suggest->rows + (i - 1) % 3 * columns;
        uint32_t *row = suggest->rows + i % 3 * columns;
        uint16_t a = to_lower((unsigned char)option.bytes[i - 1]);
        uint32_t smallest = i;

        row[0] = i;
        for (uint32_t j = 1; j < columns; j++) {
            uint32_t cell = smaller(up[j] + 1, row[j - 1] + 1);

            cell = smaller(cell, up[j - 1] + (a == b[j - 1] ? 0 : 1));
            if (i > 1 && j > 1 && a == b[j - 2] && previous == b[j - 1])
                cell = smaller(cell, before[j - 2] + 1);
            row[j] = cell;
            smallest = smaller(smallest, cell);
        }
        if (smallest > suggest->threshold)
            return smallest;
        previous = a;
    }
    return suggest->rows[option.size % 3 * columns + suggest->unit_count];
}

static uint32_t distance_to(struct suggest *suggest, struct ast_text option)
{
    uint32_t size = suggest->unit_count;
    uint32_t apart = option.size > size ? option.size - size : size - option.size;

    if (ast_text_equals(suggest->input, option))
        return 0;
    if (apart > suggest->threshold || !prepare(suggest))
        return UINT32_MAX;
    if (differs_in_case_only(suggest, option))
        return 1;
    return edit_distance(suggest, option);
}

void suggest_hide(struct suggest *suggest, const struct schema *schema)
{
    suggest->is_hidden = !schema->is_introspectable;
}

void suggest_offer(struct suggest *suggest, struct ast_text option)
{
    uint32_t place = suggest->found_count;
    uint32_t distance;

    if (suggest->is_hidden)
        return;
    distance = distance_to(suggest, option);
    if (distance > suggest->threshold)
        return;
    for (uint32_t i = 0; i < suggest->found_count; i++) {
        if (ast_text_equals(suggest->found[i], option))
            return;
    }
    while (place > 0 && (distance < suggest->distances[place - 1] ||
                         (distance == suggest->distances[place - 1] &&
                          suggest_compare(option, suggest->found[place - 1]) < 0)))
        place--;
    if (place == SUGGEST_MAX)
        return;
    if (suggest->found_count < SUGGEST_MAX)
        suggest->found_count++;
    for (uint32_t i = suggest->found_count - 1; i > place; i--) {
        suggest->found[i] = suggest->found[i - 1];
        suggest->distances[i] = suggest->distances[i - 1];
    }
    suggest->found[place] = option;
    suggest->distances[place] = distance;
}

const char *suggest_end(struct suggest *suggest, const char *what)
{
    struct text out = {0};
    const char *sentence = "";

    if (suggest->found_count == 0 || suggest->is_hidden)
        return sentence;
    text_printf(&out, " Did you mean %s%s", what != NULL ? what : "", what != NULL ? " " : "");
    for (uint32_t i = 0; i < suggest->found_count; i++) {
        if (i > 0)
            text_add_string(&out, suggest->found_count > 2 ? ", " : " ");
        if (i > 0 && i == suggest->found_count - 1)
            text_add_string(&out, "or ");
        text_printf(&out, "\"%.*s\"", (int)suggest->found[i].size, suggest->found[i].bytes);
    }
    text_add_string(&out, "?");
    if (text_is_whole(&out)) {
        const char *copy = region_copy(suggest->region, out.bytes, out.size);

        sentence = copy != NULL ? copy : sentence;
    } else {
        suggest->region->has_failed = true;
    }
    text_done(&out);
    return sentence;
}
