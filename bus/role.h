/*
 * bus/role.h - which kind of process this is, so that "who may call me" is executed.
 *
 * The master calls role_set(ROLE_MASTER) at start; every child sets its own role first thing
 * after the fork. Tools and unit tests set what they stand in for.
 */
#ifndef BUS_ROLE_H
#define BUS_ROLE_H

#include "bus/check.h"

enum role {
    ROLE_NONE = 0,
    ROLE_MASTER = 1,
    ROLE_WRITER = 2,
    ROLE_WORKER = 4,
    ROLE_TOOL = 8,
};

void role_set(enum role role);
enum role role_get(void);

/* @roles: the allowed ones, or-ed. */
#define ROLE_CHECK(roles) CHECK(((unsigned)role_get() & (unsigned)(roles)) != 0)

#endif
