#include <stdlib.h>
#include <string.h>

#include "store/row_key.h"
#include "store/value.h"
#include "tests/unit/store_fixture.h"

static struct catalog_text text_of(const char *text)
{
    return (struct catalog_text){text, strlen(text)};
}

static const struct {
    enum column_kind kind;
    const char *json;
    bool is_good;
} forms[] = {
    {COLUMN_INT, "0", true},
    {COLUMN_INT, "-0", true},
    {COLUMN_INT, "2147483647", true},
    {COLUMN_INT, "-2147483648", true},
    {COLUMN_INT, "-2147483649", false},
    {COLUMN_INT, "99999999999", false},
    {COLUMN_INT, "1e3", false},
    {COLUMN_INT, "1.0", false},
    {COLUMN_INT, "00", false},
    {COLUMN_INT, "+1", false},
    {COLUMN_INT, "1 ", false},
    {COLUMN_FLOAT, "1e3", true},
    {COLUMN_FLOAT, "-0.5E-7", true},
    {COLUMN_FLOAT, "1.7976931348623157e308", true},
    {COLUMN_FLOAT, "1e309", false},
    {COLUMN_FLOAT, "1.", false},
    {COLUMN_FLOAT, ".5", false},
    {COLUMN_FLOAT, "1e", false},
    {COLUMN_FLOAT, "1e+", false},
    {COLUMN_FLOAT, "NaN", false},
    {COLUMN_FLOAT, "Infinity", false},
    {COLUMN_FLOAT, "0x10", false},
    {COLUMN_FLOAT, "-", false},
    {COLUMN_BOOLEAN, "true", true},
    {COLUMN_BOOLEAN, "false", true},
    {COLUMN_BOOLEAN, "null", false},
    {COLUMN_BOOLEAN, "TRUE", false},
    {COLUMN_STRING, "\"\"", true},
    {COLUMN_STRING, "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\\u000b\"", true},
    {COLUMN_STRING, "\"\\u000a\"", false}, /* that is \n: a text has one form */
    {COLUMN_STRING, "\"\\u001F\"", false},
    {COLUMN_STRING, "\"\\u0020\"", false},
    {COLUMN_STRING, "\"\\u00e4\"", false},
    {COLUMN_STRING, "\"\\u00\"", false},
    {COLUMN_STRING, "\"\\x\"", false},
    {COLUMN_STRING, "\"a\"\"", false},
    {COLUMN_STRING, "a", false},
    {COLUMN_STRING, "", false},
    {COLUMN_ID, "\"17\"", true},
    {COLUMN_ID, "17", false},
    {COLUMN_ENUM, "\"A\"", true},
    {COLUMN_ENUM, "\"BC\"", true},
    {COLUMN_ENUM, "\"B\"", false},
    {COLUMN_ENUM, "\"\"", false},
    {COLUMN_ENUM, "\"A,BC\"", false},
    {COLUMN_ENUM, "A", false},
    {COLUMN_DATETIME, "\"2026-01-31T12:00:00.123456Z\"", true},
    {COLUMN_DATETIME, "\"2016-12-31T23:59:60.999999Z\"", true},
    {COLUMN_DATETIME, "\"2026-01-31T12:60:00.123456Z\"", false},
    {COLUMN_DATETIME, "\"2026-01-31T12:00:61.123456Z\"", false},
    {COLUMN_DATETIME, "\"2026-01-31 12:00:00.123456Z\"", false},
    {COLUMN_DATETIME, "\"2026-01-31T12:00:00.123456\"", false},
    {COLUMN_DATETIME, "\"2026-01-31T12:00:00.12345Z\"", false},
    {COLUMN_JSON, "{\"any\":1}", true},
    {COLUMN_JSON, "", false},
    {(enum column_kind)0, "1", false},
};

static void a_value_has_the_form_of_its_column(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        const struct catalog_column column = {
            .kind = (uint8_t)forms[i].kind,
            .values = forms[i].kind == COLUMN_ENUM ? text_of("A,BC") : text_of(""),
        };

        if (value_is_good(&column, text_of(forms[i].json)) != forms[i].is_good)
            fail_msg("%s", forms[i].json);
    }
}

static void a_number_may_be_long_but_not_endless(void **state)
{
    const struct catalog_column column = {.kind = COLUMN_FLOAT};
    char digits[VALUE_NUMBER_BYTES_MAX + 2];

    (void)state;
    memset(digits, '0', sizeof digits);
    digits[0] = '1';
    digits[1] = '.';
    assert_true(value_is_good(&column, (struct catalog_text){digits, VALUE_NUMBER_BYTES_MAX}));
    assert_false(value_is_good(&column, (struct catalog_text){digits, VALUE_NUMBER_BYTES_MAX + 1}));
}

static void an_id_is_a_number_without_zeros_in_front(void **state)
{
    uint64_t id = 0;

    (void)state;
    assert_true(value_id(COLUMN_INT, text_of("7"), &id));
    assert_int_equal(id, 7);
    assert_true(value_id(COLUMN_ID, text_of("\"18446744073709551615\""), &id));
    assert_int_equal(id, UINT64_MAX);
    assert_false(value_id(COLUMN_ID, text_of("\"18446744073709551616\""), &id));
    assert_false(value_id(COLUMN_INT, text_of("0"), &id));
    assert_false(value_id(COLUMN_INT, text_of("-1"), &id));
    assert_false(value_id(COLUMN_ID, text_of("\"\""), &id));
    assert_false(value_id(COLUMN_ID, text_of("\"a\""), &id));
    assert_false(value_id(COLUMN_ID, text_of("\"1a\""), &id));
}

/* --- keys ----------------------------------------------------------------------------------- */

static struct catalog_column columns[] = {
    {.number = 0, .kind = COLUMN_INT},     {.number = 1, .kind = COLUMN_STRING},
    {.number = 2, .kind = COLUMN_FLOAT},   {.number = 3, .kind = COLUMN_DATETIME},
    {.number = 4, .kind = COLUMN_BOOLEAN},
};
static const struct catalog_table table = {.columns = columns, .column_count = 5};

static struct index_key key_of(uint16_t column, const char *json)
{
    const struct catalog_index index = {.number = 7, .ordered_count = 1, .columns = {column}};
    struct index_layout layout;
    struct index_key key;
    bool is_cut;

    index_layout_make(&table, &index, &layout);
    index_key_begin(&key, &layout);
    index_key_add(&key, &layout, 0, json != NULL ? text_of(json) : (struct catalog_text){NULL, 0});
    assert_int_equal(index_value_bytes(&layout, 0, key.bytes + 2, key.size - 2, &is_cut),
                     key.size - 2);
    assert_int_equal(is_cut, key.is_cut);
    return key;
}

static void keys_have_the_order_of_their_values(void **state)
{
    static const struct {
        uint16_t column;
        const char *json[8]; /* ascending */
    } cases[] = {
        {0, {NULL, "-2147483648", "-1", "0", "1", "2147483647"}},
        {1,
         {NULL, "\"\"", "\"\\u0000\"", "\"\\u0001\"", "\"\\u0002\"", "\"a\"", "\"a\\u0000\"",
          "\"ab\""}},
        {1, {"\"Z\"", "\"\\\\\"", "\"a\"", "\"\xc3\xa4\"", "\"\xf0\x9f\x98\x80\""}},
        {2, {NULL, "-1e300", "-1", "-0.5", "0", "1e-300", "0.5", "1e300"}},
        {3,
         {NULL, "\"0001-01-01T00:00:00.000000Z\"", "\"2026-01-31T12:00:00.123456Z\"",
          "\"2026-01-31T12:00:00.123457Z\"", "\"2026-01-31T12:00:01.000000Z\"",
          "\"2026-02-01T00:00:00.000000Z\"", "\"9999-12-31T23:59:60.999999Z\""}},
        {4, {NULL, "false", "true"}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t j = 1; j < 8 && cases[i].json[j] != NULL; j++) {
            struct index_key a = key_of(cases[i].column, cases[i].json[j - 1]);
            struct index_key b = key_of(cases[i].column, cases[i].json[j]);
            size_t common = a.size < b.size ? a.size : b.size;
            int order = memcmp(a.bytes, b.bytes, common);

            if (order > 0 || (order == 0 && a.size >= b.size))
                fail_msg("%s", cases[i].json[j]);
        }
    }
}

static void a_key_has_room_for_any_values(void **state)
{
    static struct catalog_column texts[CATALOG_INDEX_COLUMNS_MAX];
    const struct catalog_table wide = {.columns = texts, .column_count = CATALOG_INDEX_COLUMNS_MAX};
    struct catalog_index index = {.number = 65533};
    char *text = malloc(10001);
    struct index_layout layout;
    struct index_key key;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', 10000);
    text[0] = '"';
    text[9999] = '"';
    text[10000] = '\0';
    for (unsigned count = 1; count <= CATALOG_INDEX_COLUMNS_MAX; count++) {
        texts[count - 1] = (struct catalog_column){
            .number = (uint16_t)(count - 1),
            .kind = COLUMN_STRING,
        };
        index.columns[count - 1] = (uint16_t)(count - 1);
        index.equal_count = (uint8_t)count;
        index_layout_make(&wide, &index, &layout);
        index_key_begin(&key, &layout);
        for (unsigned place = 0; place < count; place++)
            index_key_add(&key, &layout, place, text_of(text));
        assert_true(key.is_cut);
        index_key_add_id(&key, UINT64_MAX);
        assert_true(key.size <= INDEX_KEY_BYTES_MAX);
        assert_true(key.size + count > INDEX_KEY_BYTES_MAX);
    }
    free(text);
}

static void what_ends_too_soon_is_no_value(void **state)
{
    const struct catalog_index index = {.number = 7, .ordered_count = 2, .columns = {1, 0}};
    struct index_layout layout;
    struct index_key key;
    bool is_cut;

    (void)state;
    index_layout_make(&table, &index, &layout);
    index_key_begin(&key, &layout);
    index_key_add(&key, &layout, 0, text_of("\"text\""));
    for (size_t size = 0; size < key.size - 2; size++)
        assert_int_equal(index_value_bytes(&layout, 0, key.bytes + 2, size, &is_cut), 0);
    assert_int_equal(index_value_bytes(&layout, 1, (const uint8_t *)"\x01\x02\x03", 3, &is_cut), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_has_the_form_of_its_column),
        cmocka_unit_test(a_number_may_be_long_but_not_endless),
        cmocka_unit_test(an_id_is_a_number_without_zeros_in_front),
        cmocka_unit_test(keys_have_the_order_of_their_values),
        cmocka_unit_test(a_key_has_room_for_any_values),
        cmocka_unit_test(what_ends_too_soon_is_no_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
