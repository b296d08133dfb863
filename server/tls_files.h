/*
 * server/tls_files.h - what --tls-cert, --tls-key and --tls-client-ca name, read and checked.
 *
 * Pairs    the n-th key belongs to the n-th certificate; one without a key has it in its own file.
 * Callers  the configuration, which only wants to know whether all is well; then the master, while it
 *          still is who may read keys, for the context that all workers inherit. Its listeners get
 *          it (server/accept.c). A reload goes the same way: server/net/tls_context.h.
 * Memory   texts of keys are wiped when they have been read; the context is the caller's.
 * Limits   TLS_FILE_BYTES_MAX a file, TLS_CERTIFICATES_MAX pairs.
 * Errors   all that is wrong is told, each with its option; -EINVAL then. No key is ever shown.
 */
#ifndef SERVER_TLS_FILES_H
#define SERVER_TLS_FILES_H

struct config;
struct keys;
struct tls_context;

enum {
    TLS_FILE_BYTES_MAX = 1024 * 1024,
};

/* Both may be NULL. @option: "tls-cert"; @text: a line about it, with the file's name. */
struct tls_files_told {
    void (*on_wrong)(void *user, const char *option, const char *text);
    void (*on_doubt)(void *user, const char *option,
                     const char *text); /* works, but hardly as meant */
    void *user;
};

/* @keys: of tickets; NULL: none. *ret_context: NULL when no certificate is named. 0 or -errno, told. */
int tls_files_load(const struct config *config, const struct keys *keys,
                   const struct tls_files_told *told, struct tls_context **ret_context);

#endif
