/*
 * server/config.h - the configuration, read once and immutable.
 *
 * Option wins over environment, environment over file. Every wrong value is collected and named
 * with its place (option, variable, or file and line): all of them, not the first alone. Variables
 * of ours that mean nothing, and values that hardly go together, are `warnings`: main logs them.
 * Units    bytes and nanoseconds; 0 stands for `off` where a limit may be off.
 * Callers  main, before any process is forked; the others read the struct.
 * Memory   config_read allocates; config_free releases everything, and takes NULL.
 */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum durability {
    DURABILITY_BUFFERED,
    DURABILITY_COMMITTED,
};

struct text_list {
    char **items;
    size_t count;
};

struct config {
    struct text_list listen;
    bool is_listen_default; /* nobody has set it */
    struct text_list broker_listen;
    struct text_list tls_cert; /* files, as the next two */
    struct text_list tls_key;  /* in the order of the certificates */
    char *tls_client_ca;       /* NULL: clients are not asked for certificates */
    bool ktls;
    uint64_t workers;
    char *data;
    char *run_dir;
    uint64_t ring_size;
    uint64_t map_size;
    char *user;          /* NULL: unchanged */
    char *schema;        /* NULL: the built-in one */
    uint64_t durability; /* enum durability */
    uint64_t retention_bytes;
    uint64_t retention_age; /* ns; 0: off, as for the other two */
    uint64_t retention_events;
    uint64_t drain_timeout; /* ns, as all times */
    uint64_t drain_spread;
    uint64_t drain_accept;
    uint64_t tick;
    uint64_t max_message;
    uint64_t max_queue;
    uint64_t max_subscriptions;
    uint64_t max_connections; /* 0: by RLIMIT_NOFILE */
    uint64_t max_per_address; /* 0: off, as for the next two */
    uint64_t max_rate;        /* messages a second of one connection */
    uint64_t max_byte_rate;   /* bytes a second of one connection */
    uint64_t ping_interval;
    uint64_t ping_timeout;
    uint64_t handshake_timeout;
    uint64_t max_head;
    uint64_t graphql_depth;
    uint64_t graphql_complexity;
    uint64_t graphql_document; /* bytes */
    bool introspection;
    struct text_list hosts;
    struct text_list cors_origins;
    bool echo;
    bool h2_websockets;
    bool deflate;
    struct text_list trusted_proxies;
    bool proxy_protocol;
    bool deflate_takeover;
    uint64_t log_level;  /* enum log_level */
    uint64_t log_format; /* enum log_format */
    bool log_connections;
    struct text_list warnings; /* in words, with their places: what works but is hardly meant */
};

enum config_result {
    CONFIG_RUN,
    CONFIG_CHECKED, /* --check-config: all is well; the schema is the caller's affair */
    CONFIG_SHOWN,   /* --version or --help */
    CONFIG_WRONG,   /* said on @errors; exit status 2 */
};

struct config_sources {
    char **argv; /* with the program's name, ended by NULL */
    char **environment;
    FILE *output; /* --help, --version, and the values with --check-config --log-level debug */
    FILE *errors;
    bool is_here; /* it is for this machine: directories, files, ports and limits are looked at */
};

/*
 * Reads command line, environment and file. *ret_config is set with CONFIG_RUN and CONFIG_CHECKED,
 * and the caller's then.
 */
enum config_result config_read(const struct config_sources *sources, struct config **ret_config);
void config_free(struct config *config);

#endif
