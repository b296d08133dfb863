/*
 * server/params.h - the one table of options: command line, environment, file, --help, manuals.
 *
 * One row per option of PROTOCOLS section 7. X(name, letter, kind, member, default, min, max,
 * is_reloadable, argument, help): `name` as on the command line (`drain-timeout`,
 * SLUICE_DRAIN_TIMEOUT, `drain_timeout`), `member` of struct config, bounds inclusive in the
 * member's own unit.
 */
#ifndef SERVER_PARAMS_H
#define SERVER_PARAMS_H

#define KIB    UINT64_C(1024)
#define MIB    (KIB * 1024)
#define GIB    (MIB * 1024)
#define TIB    (GIB * 1024)
#define MS     UINT64_C(1000000)
#define SECOND (MS * 1000)
#define HOUR   (SECOND * 3600)
#define DAY    (HOUR * 24)

/*
 * Kinds: TEXT (char *), TEXT_LIST (comma or repeated), COUNT (uint64_t), SIZE (uint64_t bytes; K M
 * G T), TIME (uint64_t ns; ms s m h d, plain numbers are seconds), SWITCH (bool; bare on the
 * command line means on), CHOICE (one of the words in the column `argument`; uint64_t, its index).
 */
/* clang-format off */
#define PARAMS(X) \
    X("listen",            'l', TEXT_LIST, listen,             "127.0.0.1:8000", 0, 0, false, "ADDR:PORT", "serve HTTP and WebSockets there; may be repeated; unix:PATH too") \
    X("broker-listen",     0,   TEXT_LIST, broker_listen,      "",         0, 0, false, "ADDR:PORT", "serve the broker protocol over raw TCP there") \
    X("workers",           'w', COUNT, workers,                "",         1, 64, true, "N", "worker processes; one per CPU unless set") \
    X("data",              'd', TEXT, data,                    "",         0, 0, false, "DIR", "the store; ./sluice-data, or $STATE_DIRECTORY") \
    X("run-dir",           0,   TEXT, run_dir,                 "",         0, 0, false, "DIR", "the ring, on a tmpfs; $RUNTIME_DIRECTORY, or /dev/shm") \
    X("ring-size",         0,   SIZE, ring_size,               "32M",      64 * KIB, 16 * GIB, false, "SIZE", "of the ring; a power of two") \
    X("map-size",          0,   SIZE, map_size,                "64G",      MIB, 64 * TIB, false, "SIZE", "the store's largest size") \
    X("user",              0,   TEXT, user,                    "",         0, 0, false, "NAME", "become this user when started as root") \
    X("schema",            0,   TEXT, schema,                  "",         0, 0, true, "FILE", "GraphQL schema (SDL); the built-in message board unless set") \
    X("durability",        0,   CHOICE, durability,            "buffered", 0, 0, true, "buffered|committed", "when a publish is acknowledged and delivered") \
    X("retention-bytes",   0,   SIZE, retention_bytes,         "1G",       0, 64 * TIB, true, "SIZE", "log kept; 0 or off: without bound") \
    X("retention-age",     0,   TIME, retention_age,           "off",      0, 36500 * DAY, true, "TIME", "log kept; off: without bound") \
    X("retention-events",  0,   COUNT, retention_events,       "off",      0, UINT64_MAX, true, "N", "log kept; off: without bound") \
    X("drain-timeout",     0,   TIME, drain_timeout,           "30m",      0, 7 * DAY, true, "TIME", "longest drain") \
    X("drain-spread",      0,   TIME, drain_spread,            "0",        0, 7 * DAY, true, "TIME", "close clients evenly over this time instead of waiting") \
    X("drain-accept",      0,   TIME, drain_accept,            "0",        0, 7 * DAY, true, "TIME", "go on accepting for this long after the signal") \
    X("tick",              0,   TIME, tick,                    "10s",      0, DAY, true, "TIME", "interval of the room's tick; 0: none") \
    X("max-message",       0,   SIZE, max_message,             "1M",       1, GIB, true, "SIZE", "largest message or body of a client") \
    X("max-queue",         0,   SIZE, max_queue,               "256K",     16 * KIB, GIB, true, "SIZE", "output queued for one client before it lags") \
    X("max-subscriptions", 0,   COUNT, max_subscriptions,      "1024",     1, 65535, true, "N", "subscriptions of one connection") \
    X("max-connections",   0,   COUNT, max_connections,        "",         1, UINT32_MAX, true, "N", "connections in all; by RLIMIT_NOFILE unless set") \
    X("max-per-address",   0,   COUNT, max_per_address,        "off",      0, UINT32_MAX, true, "N", "connections of one IPv4 address or IPv6 /64; 0 or off: without bound") \
    X("max-rate",          0,   COUNT, max_rate,               "off",      0, 1000000, true, "N", "messages a second of one connection; 0 or off: without bound") \
    X("max-byte-rate",     0,   SIZE, max_byte_rate,           "off",      0, TIB, true, "SIZE", "bytes a second of one connection's messages; 0 or off: without bound") \
    X("ping-interval",     0,   TIME, ping_interval,           "25s",      0, DAY, true, "TIME", "between WebSocket pings; 0: none") \
    X("ping-timeout",      0,   TIME, ping_timeout,            "20s",      100 * MS, DAY, true, "TIME", "for any sign of life after a ping") \
    X("handshake-timeout", 0,   TIME, handshake_timeout,       "10s",      100 * MS, DAY, true, "TIME", "for a request's head; three times that for a body or a reader that stops") \
    X("max-head",          0,   SIZE, max_head,                "16K",      1 * KIB, MIB, true, "SIZE", "largest HTTP head") \
    X("graphql-depth",     0,   COUNT, graphql_depth,          "15",       1, 1000, true, "N", "fields in one another in a GraphQL operation") \
    X("graphql-complexity", 0,  COUNT, graphql_complexity,     "10000",    1, UINT32_MAX, true, "N", "fields of a GraphQL operation, a list's times its limit, else 10") \
    X("graphql-document",  0,   SIZE, graphql_document,        "256K",     KIB, 16 * MIB, true, "SIZE", "largest GraphQL document") \
    X("introspection",     0,   SWITCH, introspection,         "on",       0, 0, true, "", "answer __schema and __type; GraphiQL needs it") \
    X("hosts",             0,   TEXT_LIST, hosts,              "",         0, 0, true, "NAME,...", "host names that browsers may use besides IP literals and localhost") \
    X("cors-origins",      0,   TEXT_LIST, cors_origins,       "",         0, 0, true, "ORIGIN,...", "other origins whose pages may connect") \
    X("echo",              0,   SWITCH, echo,                  "off",      0, 0, false, "", "serve /echo, for conformance suites") \
    X("log-level",         0,   CHOICE, log_level,             "info",     0, 0, true, "debug|info|warning|error", "least important message that is logged") \
    X("log-format",        0,   CHOICE, log_format,            "text",     0, 0, true, "text|json", "for people or machines") \
    X("log-connections",   0,   SWITCH, log_connections,       "on",       0, 0, true, "", "log clients that leave (at debug: that come), 20 a second at most")
/* clang-format on */

#endif
