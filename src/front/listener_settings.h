/* SPDX-License-Identifier: Apache-2.0 */
/* front/listener_settings.h - one listener: where it listens, what it speaks, whom it believes.
 *
 * In the file: `listeners: {web: {http: ":8080", trust: [10.0.0.0/8]}}`. Exactly one of the
 * dialects is said; its key's value is the address. Columns: config/config.h. */
#ifndef PANDO_FRONT_LISTENER_SETTINGS_H
#define PANDO_FRONT_LISTENER_SETTINGS_H

#include "config/config.h"
#include "path/users/users.h"

#define LISTENER_SETTINGS(X)                                                                       \
    X(http, "http", LISTEN, 0, 0, 0, LIVE,                                                         \
      "speaks HTTP to the clients of services, at this address")                                   \
    X(admin, "admin", LISTEN, 0, 0, 0, LIVE,                                                       \
      "serves metrics, probes and pages, read-only, at this address")                              \
    X(redis, "redis", LISTEN, 0, 0, 0, LIVE, "speaks the Redis protocol, at this address")         \
    X(trust, "trust", NETWORKS, 0, 1024, 0, LIVE,                                                  \
      "networks whose Forwarded and X-Forwarded-* headers are believed; from all others they "     \
      "are dropped")                                                                               \
    X(open, "open", BOOLEAN, 0, 1, false, LIVE,                                                    \
      "says that an admin or Redis listener, or one with keys, may be reached from other "         \
      "machines, though it asks for no password")                                                  \
    X(keys, "keys", BOOLEAN, 0, 1, false, LIVE,                                                    \
      "answers /kv/KEYSPACE/KEY with the keys that Pando holds, before services and pages")        \
    X(users_file, "users-file", TEXT, 0, 4095, "", LIVE,                                           \
      "who may ask for keys here: a YAML file of users with the SHA-256 of their passwords "       \
      "(`pando password` prints it), their keyspaces and access; read anew by a reload")           \
    X(backlog, "backlog", COUNT, 1, 65535, 4096, START,                                            \
      "connections the kernel may hold ready before they are accepted")                            \
    X(receive_buffer_bytes, "receive-buffer", SIZE_OR_NONE, CONFIG_KIB(4), CONFIG_MIB(64),         \
      CONFIG_NONE, START,                                                                          \
      "bytes that the kernel may take from a client before they are read (SO_RCVBUF); none: it "   \
      "decides, and takes megabytes from a fast one whose body has to wait")

/* What a listener speaks, by the key that says so. */
#define LISTENER_DIALECTS(X)                                                                       \
    X(HTTP, "http")                                                                                \
    X(ADMIN, "admin")                                                                              \
    X(REDIS, "redis")

enum listener_dialect {
    LISTENER_NONE,
#define X(name, word) LISTENER_##name,
    LISTENER_DIALECTS(X)
#undef X
};

/* The word of @dialect, static; "" for NONE. */
const char *listener_dialect_name(enum listener_dialect dialect);

struct listener_settings {
    const char *name; /* of its entry: "web" */
    LISTENER_SETTINGS(CONFIG_FIELD)
    /* Worked out from the above by settings_check(): */
    enum listener_dialect        dialect; /* never NONE in settings that were loaded */
    const struct config_address *address; /* one of http, admin, redis */
    struct users                *users;   /* those of users_file; NULL: it says none */
};

#endif
