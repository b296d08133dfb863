/*
 * tools/sluicectl/check.h - what the verification of a store has found, for people and for machines.
 */
#ifndef TOOLS_SLUICECTL_CHECK_H
#define TOOLS_SLUICECTL_CHECK_H

#include <stdio.h>

struct json_object;
struct verify_report;

/* What the store has: lines of two columns. */
void check_show_content(FILE *output, const struct verify_report *report);
/* The problems, and what they mean. */
void check_show_problems(FILE *output, const struct verify_report *report);
/* All of it, as members of @object. */
void check_add_json(struct json_object *object, const struct verify_report *report);

#endif
