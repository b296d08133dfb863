/*
 * bus/test_point.h - named moments inside ring_append at which a test can stop or kill a process.
 *
 * Only a bus that is built with BUS_TEST_POINTS has them; everywhere else RING_TEST_POINT is
 * nothing. bus/README.md, "Deaths", says what a death at each of them leaves.
 */
#ifndef BUS_TEST_POINT_H
#define BUS_TEST_POINT_H

enum ring_point {
    RING_POINT_LOCKED,    /* the lock is taken, nothing else has changed */
    RING_POINT_CLAIMED,   /* writing_until is raised */
    RING_POINT_COPYING,   /* a record is half copied */
    RING_POINT_COPIED,    /* the batch is whole, the state untouched */
    RING_POINT_STATED,    /* the state slot not in force is written */
    RING_POINT_PUBLISHED, /* published; still locked */
    RING_POINT_UNLOCKED,  /* nobody has been woken yet */
    RING_POINT_COUNT,
};

#ifdef BUS_TEST_POINTS
typedef void ring_point_function(enum ring_point point);

/* What to call at each point of this process; NULL: nothing. */
void ring_test_set_hook(ring_point_function *on_point);
void ring_test_point(enum ring_point point);
#define RING_TEST_POINT(point) ring_test_point(point)
#else
#define RING_TEST_POINT(point) ((void)0)
#endif

#endif
