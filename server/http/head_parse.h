/*
 * server/http/head_parse.h - a checked head into a struct http_request, by http-parser.
 *
 * The only file that knows http-parser: llhttp can take its place here. What head_check let
 * through and the parser refuses is malformed all the same.
 */
#ifndef SERVER_HTTP_HEAD_PARSE_H
#define SERVER_HTTP_HEAD_PARSE_H

#include "server/http/head.h"

/*
 * Parses @head, which head_check has passed. Names of fields are put into lower case in place;
 * the request's spans point into @head. Body and is_secure are left alone. An absolute target's
 * authority takes the place of Host's value (RFC 9112 section 3.2.2).
 *
 * HEAD_OK, HEAD_BAD (an asterisk without OPTIONS, too), HEAD_TOO_LARGE or HEAD_UNKNOWN_METHOD (a
 * method that http-parser does not know, or CONNECT).
 */
enum head_result head_parse(char *head, size_t head_bytes, struct http_request *ret_request,
                            bool *ret_is_keep_alive);
/* Whether HTTP/1.1 would have got as far as its target, and not HEAD_UNKNOWN_METHOD. */
bool head_knows_method(struct http_text method);

#endif
