/*
 * bus/test_point.h - named moments at which a test can stop or kill a process: after each step by which
 * something has changed that outlives it, on the disk or in shared memory.
 *
 * Only what is built with BUS_TEST_POINTS has them (tests/unit, and tests/fault/sluice-points);
 * everywhere else TEST_POINT is nothing. What is done at a point is the hook's affair:
 * tests/fault/points.c, or a unit test's.
 *
 * Table    one line each: name, who passes it (enum role), what has just happened. A test takes its list
 *          from here, and fails for one that is never passed, so none is forgotten. The first part of a
 *          name says which situation it belongs to: tests/fault/lib/points.mjs.
 * Callers  any process. The hook may not return, and must not use what the caller has half changed.
 */
#ifndef BUS_TEST_POINT_H
#define BUS_TEST_POINT_H

/* clang-format off */
#define TEST_POINTS(POINT)                                                                         \
    /* An append (bus/ring.c; bus/README.md, "Deaths"): the first seven come in this order. */     \
    POINT(APPEND_LOCKED, ROLE_WORKER | ROLE_WRITER)          /* nothing has changed yet */         \
    POINT(APPEND_CLAIMED, ROLE_WORKER | ROLE_WRITER)         /* writing_until raised */            \
    POINT(APPEND_COPYING, ROLE_WORKER | ROLE_WRITER)         /* a record is half copied */         \
    POINT(APPEND_COPIED, ROLE_WORKER | ROLE_WRITER)          /* the batch is whole */              \
    POINT(APPEND_STATED, ROLE_WORKER | ROLE_WRITER)          /* the spare state is written */      \
    POINT(APPEND_PUBLISHED, ROLE_WORKER | ROLE_WRITER)       /* still locked */                    \
    POINT(APPEND_UNLOCKED, ROLE_WORKER | ROLE_WRITER)        /* nobody has been woken yet */       \
    POINT(APPEND_URGED, ROLE_WORKER | ROLE_WRITER)           /* urgent_pos; before STATED */       \
    POINT(REPAIR_TAKEN, ROLE_WORKER)                         /* of a dead one, inconsistent */     \
    POINT(REPAIR_DONE, ROLE_WORKER)                          /* consistent again */                \
    POINT(URGE_SAID, ROLE_WORKER)                            /* the writer is not woken */         \
    /* Sleeping and waking (bus/wake.c). */                                                        \
    POINT(WAKE_SLEEPING, ROLE_WORKER | ROLE_WRITER)          /* `sleeping` is set */               \
    POINT(WAKE_UP, ROLE_WORKER | ROLE_WRITER)                /* cleared, not its eventfd */        \
    POINT(WAKE_FENCED, ROLE_WORKER | ROLE_WRITER)            /* nobody has been looked at */       \
    POINT(WAKE_RUNG, ROLE_WORKER | ROLE_WRITER)              /* one eventfd is written */          \
    POINT(CALL_RUNG, ROLE_MASTER | ROLE_WRITER)              /* likewise, of everybody's */        \
    /* A commit (store/commit.c), from its transaction to its announcement. */                     \
    POINT(COMMIT_BEGUN, ROLE_WRITER)                         /* the transaction */                 \
    POINT(COMMIT_APPLIED, ROLE_WRITER)                       /* one operation, to the block */     \
    POINT(COMMIT_BLOCK_PUT, ROLE_WRITER)                                                           \
    POINT(COMMIT_TOPIC_PUT, ROLE_WRITER)                     /* one entry of a block */            \
    POINT(COMMIT_META_PUT, ROLE_WRITER)                      /* LMDB's commit is next */           \
    POINT(COMMIT_WRITTEN, ROLE_WRITER)                       /* some of LMDB's pages */            \
    POINT(COMMIT_SYNCED, ROLE_WRITER)                        /* its pages, or its head */          \
    POINT(COMMIT_DONE, ROLE_WRITER)                          /* LMDB's commit; nobody knows */     \
    POINT(ANNOUNCE_POS, ROLE_WRITER)                         /* moved: there is room */            \
    POINT(ANNOUNCE_SEQ, ROLE_WRITER)                         /* moved, too */                      \
    POINT(ANNOUNCE_FIRST, ROLE_WRITER)                       /* nobody is woken */                 \
    POINT(ANNOUNCE_DONE, ROLE_WRITER)                        /* who waits is woken */              \
    /* COMMANDs (store/apply.c, apply_row.c). */                                                   \
    POINT(APPLY_NOTED, ROLE_WRITER)                          /* which one */                       \
    POINT(APPLY_BEGUN, ROLE_WRITER)                          /* its own transaction */             \
    POINT(APPLY_COUNTED, ROLE_WRITER)                        /* the table's last id is moved */    \
    POINT(APPLY_ROW_PUT, ROLE_WRITER)                                                              \
    POINT(APPLY_ROW_DELETED, ROLE_WRITER)                                                          \
    POINT(APPLY_ENTRY_PUT, ROLE_WRITER)                      /* of an index */                     \
    POINT(APPLY_ENTRY_DELETED, ROLE_WRITER)                                                        \
    POINT(APPLY_ENDED, ROLE_WRITER)                          /* its transaction */                 \
    POINT(APPLY_FORGOTTEN, ROLE_WRITER)                      /* applying_seq is 0 again */         \
    POINT(POISON_COUNTED, ROLE_WRITER)                       /* that it was died of */             \
    POINT(POISON_FORGOTTEN, ROLE_WRITER)                     /* applying_seq is 0, after that */   \
    POINT(POISON_REFUSED, ROLE_WRITER)                       /* it is not tried a third time */    \
    /* Retention (store/retention.c, topic_index.c). */                                            \
    POINT(TRIM_BLOCK, ROLE_WRITER)                           /* the oldest one is taken out */     \
    POINT(TRIM_ENTRY, ROLE_WRITER)                           /* of a block that is gone */         \
    POINT(TRIM_TOPIC_NOTED, ROLE_WRITER)                     /* all is gone: in `trimmed` */       \
    POINT(TRIM_TOPIC_GONE, ROLE_WRITER)                      /* and out of `topic` */              \
    POINT(TRIM_DONE, ROLE_WRITER)                            /* one step */                        \
    /* A schema (server/writer_schema.c, store/apply_schema.c). */                                 \
    POINT(SCHEMA_TRIED, ROLE_WRITER)                                                               \
    POINT(SCHEMA_APPENDED, ROLE_WRITER)                                                            \
    POINT(SCHEMA_UNINDEXED, ROLE_WRITER)                     /* an entry of an index */            \
    POINT(SCHEMA_PUT, ROLE_WRITER)                           /* in the transaction */              \
    POINT(SCHEMA_COMMITTED, ROLE_WRITER)                                                           \
    /* A start: directories and files (server/datadir.c, control_sockets.c, store/files.c). */     \
    POINT(MAKE_DIRECTORY, ROLE_MASTER)                       /* --data or --run-dir */             \
    POINT(MAKE_FILE_WRITTEN, ROLE_MASTER | ROLE_WRITER)      /* NAME.new, whole, synced */         \
    POINT(MAKE_FILE_NAMED, ROLE_MASTER | ROLE_WRITER)        /* it is NAME, not synced */          \
    POINT(MAKE_STORE_DIRECTORY, ROLE_WRITER)                 /* store.new is there, empty */       \
    POINT(MAKE_STORE_FILES, ROLE_WRITER)                     /* LMDB has made its files in it */   \
    POINT(MAKE_STORE_COMMITTED, ROLE_WRITER)                 /* its first state, synced */         \
    POINT(MAKE_STORE_NAMED, ROLE_WRITER)                     /* it is store */                     \
    POINT(START_LOCKED, ROLE_MASTER)                         /* the data directory is ours */      \
    POINT(START_LOCK_TOLD, ROLE_MASTER)                      /* our pid is in the file */          \
    POINT(START_CONTROL_CLEARED, ROLE_MASTER)                /* the last run's sockets */          \
    POINT(START_CONTROL_MADE, ROLE_MASTER)                                                         \
    POINT(START_RING_LOCKED, ROLE_MASTER)                    /* it may be empty */                 \
    POINT(START_RING_SIZED, ROLE_MASTER)                                                           \
    POINT(START_RING_CLEARED, ROLE_MASTER)                   /* slots anew, the mutex not */       \
    POINT(START_RING_OPEN, ROLE_MASTER)                      /* all of it */                       \
    POINT(START_STORE_OPEN, ROLE_WRITER)                                                           \
    POINT(START_EPOCH_COMMITTED, ROLE_WRITER)                /* the first, or after a loss */      \
    POINT(START_READY, ROLE_WRITER)                          /* the master does not know */        \
    POINT(START_TURNED, ROLE_WRITER)                         /* the master is not woken */         \
    POINT(START_PHASE_SET, ROLE_MASTER)                      /* nobody is woken */                 \
    POINT(CLEAN_CLEARED, ROLE_WRITER)                        /* the mark; no ring yet */           \
    /* Taking the ring over (bus/ring_recover.c), in this order. */                                \
    POINT(RECOVER_WALKED, ROLE_WRITER)                       /* its end is found */                \
    POINT(TAKE_CLAIMED, ROLE_WRITER)                         /* writing_until raised */            \
    POINT(TAKE_IDENTIFIED, ROLE_WRITER)                                                            \
    POINT(TAKE_STATING, ROLE_WRITER)                         /* one of the two states */           \
    POINT(TAKE_STATED, ROLE_WRITER)                          /* both, and the counter */           \
    POINT(TAKE_COMMITTED, ROLE_WRITER)                       /* the committed position */          \
    POINT(TAKE_EPOCH, ROLE_WRITER)                                                                 \
    POINT(TAKE_DONE, ROLE_WRITER)                            /* appends may begin */               \
    POINT(RECOVER_ANNOUNCED, ROLE_WRITER)                    /* what is kept is said */            \
    POINT(RECOVER_REPLAYED, ROLE_WRITER)                     /* what was kept is committed */      \
    POINT(WIPE_WORD, ROLE_WRITER)                            /* behind the end, of a loss */       \
    POINT(REJOIN_COMMITTED, ROLE_WRITER)                     /* what a new writer has found */     \
    /* Births and deaths (server/master.c, spawn.c, worker.c). */                                  \
    POINT(BIRTH_SLOT, ROLE_MASTER)                           /* occupied, nobody is there */       \
    POINT(BIRTH_FORKED, ROLE_MASTER)                         /* the slot has no pid yet */         \
    POINT(BIRTH_CHILD, ROLE_WORKER | ROLE_WRITER)            /* the child's very first step */     \
    POINT(BIRTH_NAMED, ROLE_MASTER)                          /* the slot has the pid */            \
    POINT(BIRTH_WORKER_OPEN, ROLE_WORKER)                    /* before its first turn */           \
    POINT(BIRTH_WORKER_TURNED, ROLE_WORKER)                  /* the master is not woken */         \
    POINT(BURIAL_REAPED, ROLE_MASTER)                        /* we have not forgotten it */        \
    POINT(BURIAL_COUNTED, ROLE_MASTER)                       /* what it counted is gone */         \
    POINT(BURIAL_SLOT, ROLE_MASTER)                          /* vacated, nobody woken */           \
    /* The end of a drain (server/master.c, worker.c, writer.c), in this order. */                 \
    POINT(DRAIN_BEGUN, ROLE_MASTER)                                                                \
    POINT(DRAIN_STOPPING, ROLE_MASTER)                                                             \
    POINT(DRAIN_WORKER_OVER, ROLE_WORKER)                    /* nothing is left to do */           \
    POINT(DRAIN_WORKER_CLOSED, ROLE_WORKER)                                                        \
    POINT(DRAIN_COMMITTED, ROLE_WRITER)                      /* the rest */                        \
    POINT(DRAIN_MARKED, ROLE_WRITER)                         /* clean */                           \
    POINT(DRAIN_RING_GONE, ROLE_WRITER)                      /* unlinked */                        \
    POINT(DRAIN_OVER, ROLE_MASTER)                           /* the writer has ended */
/* clang-format on */

enum test_point {
#define TEST_POINT_MEMBER(name, roles) TEST_POINT_##name,
    TEST_POINTS(TEST_POINT_MEMBER)
#undef TEST_POINT_MEMBER
        TEST_POINT_COUNT,
};

#ifdef BUS_TEST_POINTS
typedef void test_point_function(enum test_point point);

/* What to call at each point of this process and of its children; NULL: nothing. */
void test_point_set_hook(test_point_function *on_point);
void test_point_pass(enum test_point point);
#define TEST_POINT(name) test_point_pass(TEST_POINT_##name)
#else
#define TEST_POINT(name) ((void)0)
#endif

#endif
