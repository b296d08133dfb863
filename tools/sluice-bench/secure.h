/*
 * tools/sluice-bench/secure.h - TLS below a connection of the bench, by OpenSSL.
 *
 * Certificates are not verified: the load has no secrets, and servers under test have their own.
 * Memory   one context per process, made with the first connection and kept until the end; a connection
 *          has its struct ssl_st from secure_open to secure_close.
 * Errors   -EAGAIN: once more when the socket is readable (or writable: secure_wants_write);
 *          -EPROTO: what came is no TLS, or was refused; -errno of the socket.
 */
#ifndef TOOLS_SLUICE_BENCH_SECURE_H
#define TOOLS_SLUICE_BENCH_SECURE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct ssl_st;

int secure_open(int fd, struct ssl_st **ret_ssl);
/* 0 when it is done. */
int secure_handshake(struct ssl_st *ssl);
/* As recv: 0 is the end. */
ssize_t secure_recv(struct ssl_st *ssl, void *data, size_t bytes);
ssize_t secure_send(struct ssl_st *ssl, const void *data, size_t bytes);
bool secure_wants_write(const struct ssl_st *ssl);
/* Something has come that secure_recv gives without the socket. */
bool secure_has_more(const struct ssl_st *ssl);
/* NULL is fine. Nothing is said to the server: the socket ends. */
void secure_close(struct ssl_st *ssl);

#endif
