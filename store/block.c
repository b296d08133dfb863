#include "store/block.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "bus/check.h"

static uint64_t check_of(const struct block_head *head, const uint8_t *records, size_t bytes)
{
    uint64_t seed = XXH3_64bits(head, offsetof(struct block_head, check));

    return XXH3_64bits_withSeed(records, bytes, seed);
}

void block_seal(void *value, const struct block_head *head, size_t records_bytes)
{
    struct block_head sealed = *head;

    CHECK(head->version == BLOCK_VERSION);
    CHECK(head->count > 0);
    CHECK(head->first_seq > 0);
    CHECK(head->last_seq >= head->first_seq);
    sealed.check = check_of(head, (const uint8_t *)value + sizeof sealed, records_bytes);
    memcpy(value, &sealed, sizeof sealed);
}

int block_decode(const void *value, size_t bytes, struct block *ret_block)
{
    struct block_head head;
    size_t records_bytes = bytes - sizeof head;

    if (bytes < sizeof head)
        return -EBADMSG;
    memcpy(&head, value, sizeof head);
    if (head.version != BLOCK_VERSION || head.count == 0)
        return -EBADMSG;
    if (head.first_seq == 0 || head.last_seq < head.first_seq)
        return -EBADMSG;
    if (records_bytes % RECORD_ALIGN != 0)
        return -EBADMSG;
    if (head.count > records_bytes / sizeof(struct record_head))
        return -EBADMSG;

    ret_block->head = head;
    ret_block->records = (const uint8_t *)value + sizeof head;
    ret_block->records_bytes = records_bytes;
    return 0;
}

bool block_verify(const void *value, size_t bytes)
{
    struct block block;

    if (block_decode(value, bytes, &block) != 0)
        return false;
    return block.head.check == check_of(&block.head, block.records, block.records_bytes);
}

enum record_result block_next(const struct block *block, size_t *offset, struct record *ret_record)
{
    enum record_result result;

    CHECK(*offset <= block->records_bytes);
    if (*offset == block->records_bytes)
        return RECORD_MORE;
    result = record_decode(block->records + *offset, block->records_bytes - *offset, ret_record);
    if (result != RECORD_OK)
        return RECORD_BAD; /* a record cut by the block's end is damage too */
    if (ret_record->seq < block->head.first_seq || ret_record->seq > block->head.last_seq)
        return RECORD_BAD;
    *offset += ret_record->length;
    return RECORD_OK;
}
