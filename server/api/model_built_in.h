/*
 * server/api/model_built_in.h - board.graphql, as embed.py has put it into the program.
 */
#ifndef SERVER_API_MODEL_BUILT_IN_H
#define SERVER_API_MODEL_BUILT_IN_H

#include <stddef.h>

extern const unsigned char model_built_in[];
extern const size_t model_built_in_bytes;

#endif
