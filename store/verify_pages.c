/*
 * What LMDB keeps about its own pages: the two heads of the file, the list of free pages, and whether
 * every page is used once.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/verify_internal.h"

enum {
    HEAD_PAGES = 2,        /* the heads: never free */
    HEAD_ATTEMPTS_MAX = 8, /* a server may write one between two looks */
};

/* --- the heads ------------------------------------------------------------------------------ */

static int head_read(const struct verify *verify, int fd, unsigned place, uint64_t *ret_number)
{
    off_t at = (off_t)(place * verify->page_bytes + STORE_HEAD_NUMBER_AT);
    ssize_t got = pread(fd, ret_number, sizeof *ret_number, at);

    return got == (ssize_t)sizeof *ret_number ? 0 : -EIO;
}

/* Both heads as they were at one moment. */
static int heads_read(const struct verify *verify, uint64_t ret_numbers[HEAD_PAGES])
{
    uint64_t again = 0;
    mdb_filehandle_t fd;
    int rc = mdb_env_get_fd(verify->store->mdb, &fd) == 0 ? 0 : -EINVAL;

    for (int i = 0; rc == 0 && i < HEAD_ATTEMPTS_MAX; i++) {
        rc = head_read(verify, fd, 0, &ret_numbers[0]);
        if (rc == 0)
            rc = head_read(verify, fd, 1, &ret_numbers[1]);
        if (rc == 0)
            rc = head_read(verify, fd, 0, &again);
        if (again == ret_numbers[0])
            break;
    }
    return rc;
}

/*
 * Transactions write the heads in turn, the even ones the first, so that the other one is whole at any
 * time; the greater number counts. A flipped bit in one of the numbers would quietly bring back
 * the state before: the store would lack its last commit.
 */
static void heads_check(struct verify *verify)
{
    uint64_t numbers[HEAD_PAGES] = {0};

    if (heads_read(verify, numbers) != 0) {
        verify_note(verify, 0, "the heads of %s cannot be read", STORE_FILE_DATA);
        return;
    }
    if (numbers[0] % 2 != 0 || numbers[1] % 2 != 1 ||
        (numbers[0] + 1 != numbers[1] && numbers[1] + 1 != numbers[0]))
        verify_note(verify, 0,
                    "the heads of %s are of transactions %" PRIu64 " and %" PRIu64
                    ", which do not follow each other: the last commit may be lost",
                    STORE_FILE_DATA, numbers[0], numbers[1]);
}

/* --- free pages ----------------------------------------------------------------------------- */

/* Notes one page of the list of transaction @number; false: the rest of it makes no sense. */
static bool page_take(struct verify *verify, uint64_t page, uint64_t number)
{
    uint8_t *bits;

    if (page < HEAD_PAGES || page >= verify->page_count) {
        verify_note(verify, 0,
                    "transaction %" PRIu64 " has freed page %" PRIu64
                    ", but the file's are %d to %" PRIu64,
                    number, page, HEAD_PAGES, verify->page_count - 1);
        return false;
    }
    bits = &verify->free_pages[page / 8];
    if ((*bits >> (page % 8) & 1) != 0) {
        verify_note(verify, 0, "page %" PRIu64 " is on the list of free ones twice", page);
        return false;
    }
    *bits = (uint8_t)(*bits | 1U << (page % 8));
    verify->report->free_page_count++;
    return true;
}

/* What one transaction has freed: a count, and so many numbers. */
static void list_check(struct verify_walk *walk)
{
    struct verify *verify = walk->verify;
    const uint8_t *bytes = walk->data.mv_data;
    uint64_t number = key_read(&walk->key);
    uint64_t count = 0;
    uint64_t page;

    if (walk->data.mv_size >= sizeof count)
        memcpy(&count, bytes, sizeof count);
    if (walk->key.mv_size != sizeof number || number > verify->visit.number ||
        walk->data.mv_size < sizeof count ||
        count > walk->data.mv_size / sizeof page - 1) { /* there may be room for more */
        verify_note(verify, 0, "entry %" PRIu64 " of the list of free pages is damaged",
                    walk->count);
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        memcpy(&page, bytes + (i + 1) * sizeof page, sizeof page);
        if (!page_take(verify, page, number))
            return;
    }
}

void verify_pages(struct verify *verify)
{
    struct verify_walk walk;

    heads_check(verify);
    if (!verify_walk_begin(verify, VERIFY_FILE, FREE_LIST_DBI, &walk))
        return;
    verify->free_pages = calloc(verify->page_count / 8 + 1, 1);
    if (verify->free_pages == NULL) {
        verify_note(verify, 0, "there is no memory for a list of its %" PRIu64 " pages",
                    verify->page_count);
        return;
    }
    while (verify_walk_next(&walk))
        list_check(&walk);
    verify_walk_end(&walk);
}

/* --- all pages ------------------------------------------------------------------------------ */

/*
 * LMDB's own copy that leaves free pages out knows in advance how many pages it will come to, by the
 * list, and says so if it comes to others: then pages are lost, or used twice.
 */
void verify_account(struct verify *verify)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int rc;

    verify->shared->part = VERIFY_FILE;
    verify->shared->at_seq = 0;
    rc = fd >= 0 ? mdb_env_copyfd2(verify->store->mdb, fd, MDB_CP_COMPACT) : errno;
    if (rc == MDB_INCOMPATIBLE)
        verify_note(verify, 0,
                    "the pages in use and the free ones are not as many as there are: some are "
                    "lost, or used twice");
    else if (rc != 0)
        verify_note(verify, 0, "its pages cannot be read in their order: %s", mdb_strerror(rc));
    if (fd >= 0)
        (void)close(fd); /* nothing is kept there */
}
