/*
 * bus/check.h - assertions that stay on in release builds.
 *
 * CHECK is for broken invariants of our own (STYLE: the fourth kind of error): it prints what
 * and where to standard error and aborts; the master restarts the process. Never for input,
 * never with a side effect inside.
 */
#ifndef BUS_CHECK_H
#define BUS_CHECK_H

#define CHECK(condition)                                                                           \
    ((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__, __func__))
#define UNREACHABLE() check_failed("unreachable", __FILE__, __LINE__, __func__)

_Noreturn void check_failed(const char *what, const char *file, int line, const char *function);

#endif
