/*
 * bus/rfc3339.h - a record's time as people and programs read it: 2026-01-31T12:00:00.123456Z.
 *
 * UTC with microseconds, what is smaller cut off. The order of these texts is the order of times
 * from year 0 to 9999; 64 bits of ns reach from 1677 to 2262.
 */
#ifndef BUS_RFC3339_H
#define BUS_RFC3339_H

#include <stdint.h>

enum {
    RFC3339_BYTES = 27, /* without quotes or terminator */
};

/* Writes RFC3339_BYTES. The part down to the second is cached. */
void rfc3339_write(char *out, int64_t time_ns);

#endif
