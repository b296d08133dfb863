/*
 * server/params.h - the one table of options: command line, environment, file, --help, manuals.
 *
 * One row per option of PROTOCOLS section 7: X(group, name, letter, kind, member, default, min,
 * max, is_reloadable, argument, help, details).
 *
 *   group     of PARAM_GROUPS; the rows of one group stand together
 *   name      as on the command line (`drain-timeout`, SLUICE_DRAIN_TIMEOUT, `drain_timeout`)
 *   member    of struct config; bounds are inclusive, in its own unit
 *   default   "": none; what then, the help says
 *   help      for --help: what it is, in one line, without the default
 *   details   for the manuals and the sample file, behind `help`: whole sentences, plain ASCII; an
 *             option is written as on the command line. "" where one line says it all.
 *
 * What belongs together stands together: --help, manuals and sample file keep this order.
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

/* X(group, word, title): the word names its section in the sample file. */
#define PARAM_GROUPS(X)                                                                            \
    X(SERVER, "server", "Server")                                                                  \
    X(TLS, "tls", "TLS")                                                                           \
    X(STORE, "store", "Store")                                                                     \
    X(DRAIN, "drain", "Drain")                                                                     \
    X(CLIENTS, "clients", "Clients")                                                               \
    X(LIMITS, "limits", "Limits")                                                                  \
    X(GRAPHQL, "graphql", "GraphQL")                                                               \
    X(BROWSERS, "browsers", "Browsers")                                                            \
    X(LOG, "log", "Log")

/*
 * Kinds: TEXT (char *), TEXT_LIST (comma or repeated), COUNT (uint64_t), SIZE (uint64_t bytes; K M
 * G T), TIME (uint64_t ns; ms s m h d, plain numbers are seconds), SWITCH (bool; bare on the
 * command line means on), CHOICE (one of the words in the column `argument`; uint64_t, its index).
 */
/* clang-format off */
#define PARAMS(X) \
    X(SERVER, "listen",            'l', TEXT_LIST, listen,             "127.0.0.1:8000", 0, 0, false, "[tls:]ADDR:PORT", \
      "where HTTP and WebSockets are served, or unix:PATH; may be repeated", \
      "An IPv4 address, an IPv6 address in brackets ([::1]:8000; [::]:8000 is all of IPv6 and " \
      "no IPv4), or localhost; a path is a unix socket's. Host names are not looked up. " \
      "Port 0 lets the system choose. " \
      "With tls: before it TLS is spoken there (https, wss); --tls-cert is needed then. " \
      "There is no authentication: an address that other machines can reach is warned " \
      "about, and belongs behind a proxy or a firewall.") \
    X(SERVER, "broker-listen",     0,   TEXT_LIST, broker_listen,      "",         0, 0, false, "[tls:]ADDR:PORT", \
      "where the broker protocol is served over raw TCP, one JSON object a line", \
      "Addresses as for --listen; may be repeated. None unless set; the usual port is 8888.") \
    X(SERVER, "workers",           'w', COUNT, workers,                "",         1, 64, true, "N", \
      "worker processes; one per processor unless set", \
      "Each has clients of its own; all have the same topics.") \
    X(SERVER, "user",              0,   TEXT, user,                    "",         0, 0, false, "NAME", \
      "become this user when started as root", \
      "Directories, lock and listening sockets are made before, and given to it. Unless set " \
      "the server stays who started it.") \
    X(SERVER, "tick",              0,   TIME, tick,                    "10s",      0, DAY, true, "TIME", \
      "interval of the room's tick; 0: none", \
      "One by the whole server, not one by each worker, and only while somebody is in the " \
      "room.") \
    X(SERVER, "echo",              0,   SWITCH, echo,                  "off",      0, 0, false, "", \
      "serve /echo, for conformance suites", \
      "It sends every WebSocket message back as it came.") \
    X(TLS, "tls-cert",             0,   TEXT_LIST, tls_cert,           "",         0, 0, true, "FILE", \
      "certificate of the addresses with tls:, with its chain, in PEM", \
      "May be repeated: the client's server name (SNI) decides which is used, the first is " \
      "for all other names. Certificates with an RSA and an ECDSA key for the same names stand " \
      "side by side. TLS 1.2 and 1.3 are spoken. Read before the server becomes --user.") \
    X(TLS, "tls-key",              0,   TEXT_LIST, tls_key,            "",         0, 0, true, "FILE", \
      "its private key; in the certificate's file unless set", \
      "The first belongs to the first --tls-cert, and so on. A passphrase is not asked for.") \
    X(TLS, "tls-client-ca",        0,   TEXT, tls_client_ca,           "",         0, 0, true, "FILE", \
      "ask clients for certificates; who may have issued them, in PEM", \
      "A client need not have one; with one of somebody else, or one that is not valid, it is " \
      "refused.") \
    X(TLS, "ktls",                 0,   SWITCH, ktls,                  "off",      0, 0, true, "", \
      "let the kernel encrypt, where it can", \
      "It needs the module tls. Where that is missing there is a warning, and the server " \
      "encrypts as without this. Not tested: the kernels it was tested on lack it.") \
    X(STORE, "data",              'd', TEXT, data,                    "",         0, 0, false, "DIR", \
      "the store; ./sluice-data, or $STATE_DIRECTORY, unless set", \
      "On a local file system. The directory is made when only its last name is missing. " \
      "One server at a time can use it.") \
    X(STORE, "run-dir",           0,   TEXT, run_dir,                 "",         0, 0, false, "DIR", \
      "the ring, on a tmpfs; $RUNTIME_DIRECTORY, or /dev/shm, unless set", \
      "What is in the ring and not yet in the store survives the death of every process, " \
      "but no power cut. On a disk the ring works, too, but a publish may have to wait for " \
      "that.") \
    X(STORE, "ring-size",         0,   SIZE, ring_size,               "32M",      64 * KIB, 16 * GIB, false, "SIZE", \
      "of the ring; a power of two", \
      "All of it is allocated at start. A publish is at most a quarter of it. A ring of the " \
      "last run that was not emptied by a drain keeps its size.") \
    X(STORE, "map-size",          0,   SIZE, map_size,                "64G",      MIB, 64 * TIB, false, "SIZE", \
      "the store's largest size", \
      "Address space, not disk space: the file grows as it is used. At 95 percent of it " \
      "publishing is refused. At least four rings; a store never shrinks.") \
    X(STORE, "durability",        0,   CHOICE, durability,            "buffered", 0, 0, true, "buffered|committed", \
      "when a publish is acknowledged and delivered", \
      "buffered: once it is in the ring, which survives any process but not a power cut. " \
      "committed: once it is on disk. A publish may ask for the latter itself (durable).") \
    X(STORE, "retention-bytes",   0,   SIZE, retention_bytes,         "1G",       0, 64 * TIB, true, "SIZE", \
      "how much of the log is kept; 0 or off: without bound", \
      "The oldest is trimmed when any of the three bounds of retention is passed; rows of " \
      "GraphQL types stay.") \
    X(STORE, "retention-age",     0,   TIME, retention_age,           "off",      0, 36500 * DAY, true, "TIME", \
      "how long it is kept; off: without bound", "") \
    X(STORE, "retention-events",  0,   COUNT, retention_events,       "off",      0, UINT64_MAX, true, "N", \
      "how many operations of it are kept; off: without bound", "") \
    X(DRAIN, "drain-timeout",     0,   TIME, drain_timeout,           "30m",      0, 7 * DAY, true, "TIME", \
      "how long a drain waits for clients to leave; 0 or off: not at all", \
      "After SIGTERM or SIGINT clients are warned and go on working, newcomers are sent " \
      "away. Whoever is left when this time is over is closed with 1001, and the server " \
      "ends.") \
    X(DRAIN, "drain-spread",      0,   TIME, drain_spread,            "0",        0, 7 * DAY, true, "TIME", \
      "close clients evenly over this time instead of waiting; 0: wait", \
      "So that they do not all come back in the same second.") \
    X(DRAIN, "drain-accept",      0,   TIME, drain_accept,            "0",        0, 7 * DAY, true, "TIME", \
      "go on accepting for this long after the signal; 0: do not", \
      "For load balancers that need some seconds to notice that /health says 503.") \
    X(CLIENTS, "ping-interval",     0,   TIME, ping_interval,           "25s",      0, DAY, true, "TIME", \
      "between WebSocket pings to a silent client; 0: none", "") \
    X(CLIENTS, "ping-timeout",      0,   TIME, ping_timeout,            "20s",      100 * MS, DAY, true, "TIME", \
      "for any sign of life after a ping", \
      "A client that gives none is closed.") \
    X(CLIENTS, "handshake-timeout", 0,   TIME, handshake_timeout,       "10s",      100 * MS, DAY, true, "TIME", \
      "for TLS to begin, a request's head, or a GraphQL client's connection_init", \
      "Three times that for a body, or a reader, that comes to a halt.") \
    X(CLIENTS, "h2-websockets",     0,   SWITCH, h2_websockets,         "on",       0, 0, true, "", \
      "WebSockets over HTTP/2 (RFC 8441)", \
      "Browsers then open WebSockets over the HTTP/2 connection that they have.") \
    X(CLIENTS, "deflate",           0,   SWITCH, deflate,               "on",       0, 0, true, "", \
      "compress WebSocket messages (permessage-deflate) for clients that offer it", \
      "An event is compressed once for all of them. Messages below 128 bytes and above " \
      "128K are sent as they are.") \
    X(CLIENTS, "deflate-takeover",  0,   SWITCH, deflate_takeover,      "off",      0, 0, true, "", \
      "let clients refer to their earlier messages when they compress", \
      "What they send becomes smaller; each of them costs up to 48K from its first compressed " \
      "message on, all of a worker's together up to 64M: later ones do without.") \
    X(CLIENTS, "trusted-proxies",   0,   TEXT_LIST, trusted_proxies,    "",         0, 0, true, "NETWORK,...", \
      "proxies whose word on their clients is taken", \
      "Addresses or networks (10.0.0.0/8, 2001:db8::/32), and unix for whoever comes by a unix " \
      "socket. Of their requests X-Forwarded-For and X-Forwarded-Proto, or else Forwarded, tell " \
      "who asks, for logs, --max-per-address and the judgement of Origin; such a proxy has to " \
      "drop or overwrite those of them that it does not set. They are not counted by " \
      "--max-per-address themselves.") \
    X(CLIENTS, "proxy-protocol",    0,   SWITCH, proxy_protocol,        "off",      0, 0, true, "", \
      "connections of --trusted-proxies begin with a PROXY header, version 1 or 2", \
      "On all listeners, before TLS. Others connect without one.") \
    X(LIMITS, "max-message",       0,   SIZE, max_message,             "1M",       1, GIB, true, "SIZE", \
      "largest message or body of a client", \
      "A publish is also bounded by a quarter of --ring-size.") \
    X(LIMITS, "max-queue",         0,   SIZE, max_queue,               "256K",     16 * KIB, GIB, true, "SIZE", \
      "output queued for one client before it lags", \
      "A client that lags costs a cursor: it is fed from the log as it reads, and loses " \
      "nothing that is kept.") \
    X(LIMITS, "max-head",          0,   SIZE, max_head,                "16K",      1 * KIB, MIB, true, "SIZE", \
      "largest HTTP head", "") \
    X(LIMITS, "max-subscriptions", 0,   COUNT, max_subscriptions,      "1024",     1, 65535, true, "N", \
      "subscriptions of one connection", "") \
    X(LIMITS, "max-connections",   0,   COUNT, max_connections,        "",         1, UINT32_MAX, true, "N", \
      "connections in all; as many as files may be open unless set", \
      "Over all workers. One too many is told so (503, 1013, unavailable). One of HTTP/2 is one, " \
      "however many WebSockets it carries (--max-per-address counts these). The system's own " \
      "limit is that of open files of each worker (ulimit -n, LimitNOFILE).") \
    X(LIMITS, "max-per-address",   0,   COUNT, max_per_address,        "off",      0, UINT32_MAX, true, "N", \
      "connections of one IPv4 address or IPv6 /64; 0 or off: without bound", \
      "Over all workers. On HTTP/2 each WebSocket and event stream counts as one more. Behind a " \
      "proxy that is none of --trusted-proxies all clients have the proxy's address.") \
    X(LIMITS, "max-rate",          0,   COUNT, max_rate,               "off",      0, 1000000, true, "N", \
      "messages a second of one connection; 0 or off: without bound", \
      "A second's worth may come at once. What is over is not handled and answered " \
      "rate_limited (429).") \
    X(LIMITS, "max-byte-rate",     0,   SIZE, max_byte_rate,           "off",      0, TIB, true, "SIZE", \
      "bytes a second of one connection's messages; 0 or off: without bound", "") \
    X(GRAPHQL, "schema",            0,   TEXT, schema,                  "",         0, 0, true, "FILE", \
      "GraphQL schema (SDL); the built-in message board unless set", \
      "At most 4M. A schema that is wrong, or that the rows in the store do not fit, ends " \
      "the start and changes nothing.") \
    X(GRAPHQL, "introspection",     0,   SWITCH, introspection,         "on",       0, 0, true, "", \
      "answer __schema and __type; GraphiQL needs it", "") \
    X(GRAPHQL, "graphql-depth",     0,   COUNT, graphql_depth,          "15",       1, 1000, true, "N", \
      "fields in one another in an operation", "") \
    X(GRAPHQL, "graphql-complexity", 0,  COUNT, graphql_complexity,     "10000",    1, UINT32_MAX, true, "N", \
      "fields of an operation, those in a list times its limit, else 10", "") \
    X(GRAPHQL, "graphql-document",  0,   SIZE, graphql_document,        "256K",     KIB, 16 * MIB, true, "SIZE", \
      "largest document", "") \
    X(BROWSERS, "hosts",             0,   TEXT_LIST, hosts,              "",         0, 0, true, "NAME,...", \
      "host names whose own pages may publish and connect", \
      "Those served under an IP literal or localhost always may; other names are not " \
      "trusted unasked, because any name can be made to lead here (DNS rebinding).") \
    X(BROWSERS, "cors-origins",      0,   TEXT_LIST, cors_origins,       "",         0, 0, true, "ORIGIN,...", \
      "other origins whose pages may, such as https://example.org", \
      "Requests without an Origin are none of a page, and always served.") \
    X(LOG, "log-level",         0,   CHOICE, log_level,             "info",     0, 0, true, "debug|info|warning|error", \
      "least important message that is logged", "") \
    X(LOG, "log-format",        0,   CHOICE, log_format,            "text",     0, 0, true, "text|json", \
      "for people or for machines", \
      "The log goes to standard error: text, with priorities where the journal reads it, or " \
      "one JSON object a line.") \
    X(LOG, "log-connections",   0,   SWITCH, log_connections,       "on",       0, 0, true, "", \
      "log clients that leave (at debug: that come), 20 a second at most", "")
/* clang-format on */

#endif
