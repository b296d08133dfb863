/*
 * tools/sluicectl/format.h - numbers as people read them. Each writes into the caller's text of
 * FORMAT_BYTES and returns it.
 */
#ifndef TOOLS_SLUICECTL_FORMAT_H
#define TOOLS_SLUICECTL_FORMAT_H

#include <stdint.h>

#define FORMAT_BYTES 48

/* 0, 999, 1,234,567 */
const char *format_count(char text[FORMAT_BYTES], uint64_t count);
/* 0 B, 1023 B, 1.0 KiB, 12.3 MiB, 456 GiB */
const char *format_bytes(char text[FORMAT_BYTES], uint64_t bytes);
/* 12.5 s, 5 min 3 s, 3 h 12 min, 12 d 3 h */
const char *format_duration(char text[FORMAT_BYTES], double seconds);
/* Of a column: 0, 0.5, 12.3, 1234, 56.7k, 12.3M. Never negative: what is below 0 is 0. */
const char *format_rate(char text[FORMAT_BYTES], double per_second);
/* 0.05 ms, 1.2 ms, 345 ms, 1.2 s */
const char *format_latency(char text[FORMAT_BYTES], double seconds);
/* 0 %, 0.4 %, 12 %; "-" of nothing */
const char *format_share(char text[FORMAT_BYTES], double part, double whole);

#endif
