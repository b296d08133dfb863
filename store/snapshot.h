/*
 * store/snapshot.h - a copy of a store that a server can be started on, made while another one runs.
 *
 * What      the store as it is at one moment, without free pages, with a number of its own: its ring
 *           has another name, and it is not marked clean, so that a server started on it begins a new
 *           epoch. A resume token of the original that lies behind the copy is so told apart.
 *           What the original's ring holds and has not committed is not in it.
 * Beside    a server that goes on: nobody waits. While it is copied its file grows by what is written,
 *           because pages of the snapshot are not used again.
 * Crashes   DEST is there, whole and on disk, or it is not: the copy is made under another name
 *           (DEST.XXXXXX; in a DEST that was there already DEST/snapshot.XXXXXX) and moved when it is
 *           done. Only a kill -9 leaves that other name behind, to be removed.
 * Files     have the modes of the original's, and for root its owner too.
 * Callers   tools.
 */
#ifndef STORE_SNAPSHOT_H
#define STORE_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

struct verify_report;

enum snapshot_phase {
    SNAPSHOT_COPY,
    SNAPSHOT_CHECK,
};

/* Some ten times a second; false: stop, and leave nothing behind. */
typedef bool snapshot_progress(void *user, enum snapshot_phase phase, uint64_t done,
                               uint64_t total);

struct snapshot_options {
    const char *data_dir;
    const char *dest; /* not there yet, or an empty directory */
    bool is_unchecked;
    snapshot_progress *on_progress; /* NULL: none */
    void *user;                     /* its */
};

struct snapshot {
    bool is_served; /* a server had the original */
    uint64_t original_id;
    uint64_t store_id; /* of the copy */
    uint64_t epoch;    /* in which its last operation was */
    uint64_t first_seq;
    uint64_t last_seq;
    uint64_t bytes; /* of its file */
};

/*
 * *ret_report (unless is_unchecked): what a verification of the copy has found; a problem there makes
 * it -EBADMSG, and nothing is left of the copy.
 *
 *   -ENOENT     no such directory, or no store in it; or nowhere to put DEST
 *   -ENOTEMPTY  DEST is there, and not empty;  -ENOTDIR  it is no directory
 *   -ENOSPC     there is no room for it
 *   -EBADMSG    the original is damaged, or the copy
 *   -ECANCELED  on_progress said so
 */
int snapshot_make(const struct snapshot_options *options, struct snapshot *ret_snapshot,
                  struct verify_report *ret_report);

#endif
