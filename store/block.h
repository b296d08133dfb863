/*
 * store/block.h - the log's unit on disk: up to 64 KiB of records in the ring's own format.
 *
 * Shape    struct block_head, then `count` records (bus/record.h) with ascending seq, COMMANDs
 *          replaced by their results. A larger record is a block of its own. Never rewritten.
 * Memory   views borrow the map: valid until the snapshot ends. Blocks lie 8-byte aligned there.
 */
#ifndef STORE_BLOCK_H
#define STORE_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/record.h"

enum {
    BLOCK_VERSION = 1,
    /*
     * Of records; one larger record alone may exceed it. With block_head (40) and the header of
     * LMDB's page (16) a full block is 16 pages exactly, not a nearly empty 17th.
     */
    BLOCK_BYTES_MAX = 64 * 1024 - 40 - 16,
};

struct block_head {
    uint32_t version;
    uint32_t count; /* of records */
    uint64_t first_seq;
    uint64_t last_seq;
    int64_t last_time_ns;
    uint64_t check; /* XXH3-64 of the records, seeded with that of the head before this field */
};

struct block {
    struct block_head head;
    const uint8_t *records;
    size_t records_bytes;
};

/* Writes @head with its check before the @records_bytes of records that lie behind it. */
void block_seal(void *value, const struct block_head *head, size_t records_bytes);
/* Structure of the head against @bytes; not the check. 0 or -EBADMSG. */
int block_decode(const void *value, size_t bytes, struct block *ret_block);
bool block_verify(const void *value, size_t bytes);
/*
 * Walks the records: start with *offset = 0. RECORD_OK with the next one, RECORD_MORE at the end,
 * RECORD_BAD on damage.
 */
enum record_result block_next(const struct block *block, size_t *offset, struct record *ret_record);

#endif
