#include "store/rows.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "bus/check.h"
#include "store/error.h"
#include "store/layout.h"
#include "store/row.h"
#include "store/row_key.h"
#include "store/rows_places.h"
#include "store/value.h"

/* --- one row -------------------------------------------------------------------------------- */

static int row_damaged(const struct catalog_table *table, uint64_t id)
{
    return error_set(-EBADMSG, "row %" PRIu64 " of %.*s is damaged", id, (int)table->name.size,
                     table->name.bytes);
}

int rows_get_in(const struct store *store, MDB_txn *txn, const struct catalog_table *table,
                uint64_t id, struct row *ret_row)
{
    uint8_t bytes[ROW_KEY_BYTES];
    MDB_val key = val_of(bytes, sizeof bytes);
    MDB_val data;
    struct row row;
    int rc;

    row_key_write(bytes, table->number, id);
    rc = mdb_get(txn, store->db.row, &key, &data);
    if (rc == MDB_NOTFOUND)
        return -ENOENT;
    if (rc != 0)
        return error_lmdb(rc, "reading a row");
    row = (struct row){.id = id, .value = data.mv_data, .bytes = data.mv_size};
    if (!row_is_sound(&row))
        return row_damaged(table, id);
    *ret_row = row;
    return 0;
}

static void snapshot_check(const struct store *store)
{
    store_check(store);
    CHECK(store->is_snapshot_open);
}

int rows_get(struct store *store, const struct catalog_table *table, uint64_t id,
             struct row *ret_row)
{
    snapshot_check(store);
    return rows_get_in(store, store->snapshot, table, id, ret_row);
}

/* --- a list --------------------------------------------------------------------------------- */

/* One list in the making. Keys from @low on and before @high are walked. */
struct list {
    struct store *store;
    const struct rows_query *query;
    MDB_cursor *cursor;
    struct index_layout layout; /* of query->index */
    struct index_key low;
    struct index_key high;
    size_t prefix_bytes;    /* of each key: what is equal in all */
    unsigned order_place;   /* which column of the index orders; layout.count: the id alone */
    bool is_in_order;       /* keys come as the list wants them, but for cut texts */
    bool has_cut_equal;     /* entries may be of other texts: rows are looked at */
    struct index_key from;  /* the bounds' values, where they are cut */
    struct index_key to;    /* likewise */
    struct index_key after; /* the value of the row behind which the list begins */
    struct place after_place;
    struct places places; /* of rows that do not come in order */
    uint64_t offset_left;
    uint64_t looked_at;
    uint64_t given;
    bool is_over;
    int rc; /* of what cannot return it: a comparison */
    rows_function *on_row;
    void *user;
};

static const struct catalog_column *order_column(const struct list *list)
{
    return list->layout.columns[list->order_place];
}

/* --- order ---------------------------------------------------------------------------------- */

static struct catalog_text text_of(struct list *list, const struct catalog_column *column,
                                   uint64_t id)
{
    struct row row;
    int rc = rows_get_in(list->store, list->store->snapshot, list->query->table, id, &row);

    if (rc == 0)
        return row_column(&row, column);
    list->rc = rc == -ENOENT ? row_damaged(list->query->table, id) : rc;
    return (struct catalog_text){"\"\"", 2};
}

static int values_compare(const struct place *a, const struct place *b)
{
    size_t common = a->value_bytes < b->value_bytes ? a->value_bytes : b->value_bytes;
    int order = common > 0 ? memcmp(a->value, b->value, common) : 0;

    return order != 0 ? order : (int)a->value_bytes - (int)b->value_bytes;
}

static int places_compare(void *user, const struct place *a, const struct place *b)
{
    struct list *list = user;
    int order = values_compare(a, b);

    if (order == 0 && a->is_cut)
        order = value_text_compare(text_of(list, order_column(list), a->id),
                                   text_of(list, order_column(list), b->id));
    if (order == 0)
        order = a->id < b->id ? -1 : a->id > b->id;
    return list->query->is_desc ? -order : order;
}

/* --- the range ------------------------------------------------------------------------------ */

/* A key's value of column @place as a list compares it: what is cut has no hash. */
static void add_value(struct index_key *key, const struct list *list, unsigned place,
                      struct catalog_text json)
{
    index_key_add(key, &list->layout, place, json);
    if (key->is_cut)
        key->size -= INDEX_KEY_HASH_BYTES;
}

static int check_value(const struct list *list, unsigned place, struct catalog_text json)
{
    const struct catalog_column *column = list->layout.columns[place];

    if (json.size == 0 || value_is_good(column, json))
        return 0;
    return error_set(-EINVAL, "%.*s.%.*s is compared with what is none of its type",
                     (int)list->query->table->name.size, list->query->table->name.bytes,
                     (int)column->name.size, column->name.bytes);
}

/* Behind the prefix: what the bounds of the first ordered column leave. */
static void set_bounds(struct list *list)
{
    const struct rows_query *query = list->query;
    unsigned place = list->layout.index->equal_count;
    struct index_key prefix = list->low;

    if (query->from.json.size == 0 && query->to.json.size == 0)
        return;
    list->low.is_cut = false;
    if (query->from.json.size > 0) {
        add_value(&list->low, list, place, query->from.json);
        list->from = list->low;
        if (!query->from.is_inclusive && !list->low.is_cut)
            index_key_pass(&list->low);
    } else {
        list->low.bytes[list->low.size++] = 1; /* behind null, which no range has */
    }
    if (query->to.json.size > 0) {
        list->high = prefix;
        list->high.is_cut = false;
        add_value(&list->high, list, place, query->to.json);
        list->to = list->high;
        if (query->to.is_inclusive || list->high.is_cut)
            index_key_pass(&list->high);
    }
}

static int set_index_range(struct list *list)
{
    const struct rows_query *query = list->query;
    const struct catalog_index *index = query->index;
    int rc = 0;

    index_layout_make(query->table, index, &list->layout);
    index_key_begin(&list->low, &list->layout);
    for (unsigned i = 0; rc == 0 && i < index->equal_count; i++) {
        rc = check_value(list, i, query->equal[i]);
        if (rc == 0)
            index_key_add(&list->low, &list->layout, i, query->equal[i]);
    }
    if (rc != 0)
        return rc;
    list->has_cut_equal = list->low.is_cut;
    list->prefix_bytes = list->low.size;
    list->high = list->low;
    index_key_pass(&list->high);
    if (index->ordered_count == 0)
        return 0;
    rc = check_value(list, index->equal_count, query->from.json);
    if (rc == 0)
        rc = check_value(list, index->equal_count, query->to.json);
    if (rc == 0)
        set_bounds(list);
    return rc;
}

static void set_table_range(struct list *list)
{
    uint8_t key[ROW_KEY_BYTES];

    row_key_write(key, list->query->table->number, 0);
    list->prefix_bytes = sizeof key - INDEX_KEY_ID_BYTES;
    memcpy(list->low.bytes, key, list->prefix_bytes);
    list->low.size = list->prefix_bytes;
    list->high = list->low;
    index_key_pass(&list->high);
}

/* Which column orders, and whether the keys have that order. */
static void set_order(struct list *list)
{
    const struct rows_query *query = list->query;
    const struct catalog_index *index = query->index;
    bool has_range = query->from.json.size > 0 || query->to.json.size > 0;

    list->order_place = list->layout.count;
    list->is_in_order = true;
    if (index == NULL || index->ordered_count == 0)
        return;
    if (query->is_by_range || (index->ordered_count == 1 && !has_range))
        list->order_place = index->equal_count;
    else if (index->ordered_count == 2)
        list->order_place = index->equal_count + 1U;
    list->is_in_order = index->ordered_count == 1 && list->order_place == index->equal_count;
}

static int key_compare(const void *a, size_t a_bytes, const struct index_key *b)
{
    size_t common = a_bytes < b->size ? a_bytes : b->size;
    int order = memcmp(a, b->bytes, common);

    if (order != 0)
        return order;
    return a_bytes < b->size ? -1 : a_bytes > b->size;
}

/* Where the row stands behind which the list begins; keys that come in order begin there. */
static int set_after(struct list *list)
{
    const struct rows_query *query = list->query;
    struct index_key key = {.size = list->prefix_bytes};
    struct row row;
    int rc;

    if (!query->has_after)
        return 0;
    rc = rows_get_in(list->store, list->store->snapshot, query->table, query->after_id, &row);
    if (rc != 0)
        return rc;
    list->after_place.id = query->after_id;
    memcpy(key.bytes, list->low.bytes, list->prefix_bytes);
    if (list->order_place < list->layout.count) {
        add_value(&key, list, list->order_place, row_column(&row, order_column(list)));
        list->after = key;
        list->after_place.value = list->after.bytes + list->prefix_bytes;
        list->after_place.value_bytes = (uint16_t)(key.size - list->prefix_bytes);
        list->after_place.is_cut = key.is_cut;
    }
    if (!list->is_in_order)
        return 0;
    if (!key.is_cut)
        index_key_add_id(&key, query->after_id);
    else if (query->is_desc)
        index_key_pass(&key);
    if (!query->is_desc && key_compare(key.bytes, key.size, &list->low) > 0)
        list->low = key;
    if (query->is_desc && key_compare(key.bytes, key.size, &list->high) < 0)
        list->high = key;
    return 0;
}

/* --- giving rows ---------------------------------------------------------------------------- */

/* Whether the row that comes next is one of those before the list's offset. */
static bool is_skipped(struct list *list)
{
    if (list->offset_left == 0)
        return false;
    list->offset_left--;
    return true;
}

static void give_row(struct list *list, const struct row *row)
{
    list->given++;
    if (!list->on_row(list->user, row) || list->given == list->query->limit)
        list->is_over = true;
}

static int give_place(struct list *list, const struct place *place)
{
    const struct catalog_table *table = list->query->table;
    struct row row;
    int rc;

    if (is_skipped(list))
        return 0;
    rc = rows_get_in(list->store, list->store->snapshot, table, place->id, &row);
    if (rc == -ENOENT)
        return error_set(-EBADMSG, "an index is damaged: row %" PRIu64 " of %.*s is not there",
                         place->id, (int)table->name.size, table->name.bytes);
    if (rc == 0)
        give_row(list, &row);
    return rc;
}

/* Gives what was gathered, in order. */
static int give_places(struct list *list)
{
    places_sort(&list->places);
    for (size_t i = 0; i < list->places.count && !list->is_over; i++) {
        int rc = list->rc != 0 ? list->rc : give_place(list, &list->places.items[i]);

        if (rc != 0)
            return rc;
    }
    places_clear(&list->places);
    return list->rc;
}

static int gather(struct list *list, const struct place *place)
{
    int rc;

    if (list->places.count == 0) {
        uint64_t bound = list->offset_left + (list->query->limit - list->given);

        list->places.bound = bound < ROWS_PASSED_MAX ? (size_t)bound : (size_t)ROWS_PASSED_MAX;
    }
    rc = places_add(&list->places, place);
    return rc == 0 ? list->rc : error_lmdb(-rc, "ordering rows");
}

/* --- entries -------------------------------------------------------------------------------- */

/* Whether a cut text is on its side of a bound that begins like it: only the row knows. */
static bool is_within(struct list *list, const struct place *first)
{
    const struct rows_query *query = list->query;
    const struct catalog_column *column = list->layout.columns[query->index->equal_count];
    const struct rows_bound *bounds[] = {&query->from, &query->to};
    const struct index_key *keys[] = {&list->from, &list->to};

    for (int i = 0; i < 2; i++) {
        size_t bytes = keys[i]->size - list->prefix_bytes;
        int order;

        if (!keys[i]->is_cut || bytes != first->value_bytes ||
            memcmp(keys[i]->bytes + list->prefix_bytes, first->value, bytes) != 0)
            continue;
        order = value_text_compare(text_of(list, column, first->id), bounds[i]->json);
        if (i == 1)
            order = -order;
        if (order < 0 || (order == 0 && !bounds[i]->is_inclusive))
            return false;
    }
    return true;
}

static bool is_equal(struct list *list, uint64_t id)
{
    const struct rows_query *query = list->query;

    for (unsigned i = 0; i < query->index->equal_count; i++) {
        const struct catalog_column *column = list->layout.columns[i];

        if (!value_is_equal((enum column_kind)column->kind, text_of(list, column, id),
                            query->equal[i]))
            return false;
    }
    return true;
}

/* Takes a key apart. *ret_first: by its first ordered column, *ret_place: by what orders. */
static int read_entry(const struct list *list, const MDB_val *key, struct place *ret_first,
                      struct place *ret_place)
{
    const uint8_t *bytes = key->mv_data;
    size_t end = key->mv_size - INDEX_KEY_ID_BYTES;
    size_t at = list->prefix_bytes;
    struct place place;

    if (key->mv_size < at + INDEX_KEY_ID_BYTES)
        return error_set(-EBADMSG, "an index is damaged: an entry has %zu bytes", key->mv_size);
    *ret_first = (struct place){.id = row_key_id(bytes, key->mv_size)};
    *ret_place = *ret_first;
    for (unsigned i = list->layout.index->equal_count; i < list->layout.count; i++) {
        bool is_cut;
        size_t size = index_value_bytes(&list->layout, i, bytes + at, end - at, &is_cut);

        if (size == 0)
            return error_set(-EBADMSG, "an index is damaged: a value ends too soon");
        place = (struct place){
            .id = ret_first->id,
            .value = bytes + at,
            .value_bytes = (uint16_t)(is_cut ? size - INDEX_KEY_HASH_BYTES : size),
            .is_cut = is_cut,
        };
        if (i == list->layout.index->equal_count)
            *ret_first = place;
        if (i == list->order_place)
            *ret_place = place;
        at += size;
    }
    return 0;
}

static int take_entry(struct list *list, const MDB_val *key)
{
    struct place first;
    struct place place;
    bool is_wanted;
    int rc = read_entry(list, key, &first, &place);

    if (rc != 0)
        return rc;
    /* Of texts that begin alike the group ends here. */
    if (list->is_in_order && list->places.count > 0 &&
        values_compare(&place, &list->places.items[0]) != 0) {
        rc = give_places(list);
        if (rc != 0 || list->is_over)
            return rc;
    }
    is_wanted = !first.is_cut || is_within(list, &first);
    if (is_wanted && list->has_cut_equal)
        is_wanted = is_equal(list, first.id);
    if (is_wanted && list->query->has_after)
        is_wanted = places_compare(list, &place, &list->after_place) > 0;
    if (!is_wanted || list->rc != 0)
        return list->rc;
    if (list->is_in_order && !place.is_cut)
        return give_place(list, &place);
    return gather(list, &place);
}

static int take_row(struct list *list, const MDB_val *key, const MDB_val *data)
{
    struct row row = {.value = data->mv_data, .bytes = data->mv_size};

    if (key->mv_size != ROW_KEY_BYTES)
        return error_set(-EBADMSG, "a row's key is damaged: it has %zu bytes", key->mv_size);
    row.id = row_key_id(key->mv_data, key->mv_size);
    if (list->query->has_after && row.id == list->query->after_id)
        return 0;
    if (is_skipped(list))
        return 0;
    if (!row_is_sound(&row))
        return row_damaged(list->query->table, row.id);
    give_row(list, &row);
    return 0;
}

/* --- the walk ------------------------------------------------------------------------------- */

static int walk_first(struct list *list, MDB_val *key, MDB_val *data)
{
    const struct index_key *start = list->query->is_desc ? &list->high : &list->low;
    int rc;

    *key = val_of(start->bytes, start->size);
    rc = mdb_cursor_get(list->cursor, key, data, MDB_SET_RANGE);
    if (!list->query->is_desc)
        return rc;
    if (rc == MDB_NOTFOUND)
        return mdb_cursor_get(list->cursor, key, data, MDB_LAST);
    return rc == 0 ? mdb_cursor_get(list->cursor, key, data, MDB_PREV) : rc;
}

static bool is_in_range(const struct list *list, const MDB_val *key)
{
    if (list->query->is_desc)
        return key_compare(key->mv_data, key->mv_size, &list->low) >= 0;
    return key_compare(key->mv_data, key->mv_size, &list->high) < 0;
}

static int walk(struct list *list)
{
    MDB_cursor_op next = list->query->is_desc ? MDB_PREV : MDB_NEXT;
    MDB_val key;
    MDB_val data;
    int rc = walk_first(list, &key, &data);

    while (rc == 0 && is_in_range(list, &key)) {
        int result;

        if (list->looked_at++ > ROWS_PASSED_MAX + list->given)
            return error_set(-E2BIG, "a list passes over more than %d rows", ROWS_PASSED_MAX);
        if (list->query->index != NULL)
            result = take_entry(list, &key);
        else
            result = take_row(list, &key, &data);
        if (result != 0 || list->is_over)
            return result;
        rc = mdb_cursor_get(list->cursor, &key, &data, next);
    }
    if (rc != 0 && rc != MDB_NOTFOUND)
        return error_lmdb(rc, "listing rows");
    return give_places(list);
}

int rows_list(struct store *store, const struct rows_query *query, rows_function *on_row,
              void *user)
{
    struct list list = {
        .store = store,
        .query = query,
        .offset_left = query->offset,
        .on_row = on_row,
        .user = user,
        .places = {.compare = places_compare},
    };
    MDB_dbi dbi = query->index != NULL ? store->db.index : store->db.row;
    int rc = 0;

    snapshot_check(store);
    CHECK(query->limit > 0);
    list.places.user = &list;
    if (query->index != NULL)
        rc = set_index_range(&list);
    else
        set_table_range(&list);
    if (rc != 0)
        return rc;
    set_order(&list);
    rc = set_after(&list);
    if (rc != 0)
        return rc;
    rc = mdb_cursor_open(store->snapshot, dbi, &list.cursor);
    if (rc != 0)
        return error_lmdb(rc, "listing rows");
    rc = walk(&list);
    mdb_cursor_close(list.cursor);
    places_done(&list.places);
    return rc;
}
