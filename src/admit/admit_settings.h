/* SPDX-License-Identifier: Apache-2.0 */
/* admit/admit_settings.h - how much is let in, one row each.
 *
 * In the file: the section `limits`, and `limits` in a service. Columns: config/config.h; 0 is
 * `none`. */
#ifndef PANDO_ADMIT_ADMIT_SETTINGS_H
#define PANDO_ADMIT_ADMIT_SETTINGS_H

#include "config/config.h"

/* Of the node: all workers and services together. */
#define ADMIT_SETTINGS(X)                                                                          \
    X(connections, "connections", COUNT, 1, 10000000, 65536, LIVE,                                 \
      "most client connections at once; for one more the idlest is closed, and if none has been "  \
      "idle for a second the new one is answered with 503 and closed")                             \
    X(connections_per_client, "connections-per-client", COUNT, 1, 10000000, 16384, LIVE,           \
      "most connections from one address (IPv6: one /64); one more is answered with 429 and closed")             \
    X(requests_in_flight, "requests-in-flight", COUNT_OR_NONE, 1, 10000000, CONFIG_NONE,           \
      LIVE,                                                                                        \
      "most requests in progress at once; one more is answered with 503 and Retry-After")          \
    X(descriptors_kept, "descriptors-kept", COUNT, 8, 65536, 64, LIVE,                             \
      "file descriptors kept free for servers and the admin listener; when only these are "        \
      "left, accepting pauses and the idlest connections are closed")

/* Of one service. */
#define ADMIT_SERVICE_SETTINGS(X)                                                                  \
    X(requests_in_flight, "requests-in-flight", COUNT_OR_NONE, 1, 10000000, CONFIG_NONE,           \
      LIVE,                                                                                        \
      "most requests of this service in progress at once; one more is answered with 503 and "      \
      "Retry-After")

/* What happens to a client that is not in the table when its places are taken. */
#define RATE_WHEN_FULL(X)                                                                          \
    X(RATE_FULL_FORGET, "forget", "of a few, the client that used the least is forgotten")         \
    X(RATE_FULL_REFUSE, "refuse", "it is answered with 429")

enum rate_when_full {
#define X(enumerator, name, gist) enumerator,
    RATE_WHEN_FULL(X)
#undef X
};

/* The section `rate` of one service: requests of each client. */
#define RATE_SETTINGS(X)                                                                           \
    X(requests, "requests", COUNT_OR_NONE, 1, 1000000000, CONFIG_NONE, LIVE,                       \
      "how many requests of one client are let in every `per`; one more is answered with 429, "    \
      "Retry-After and RateLimit fields")                                                          \
    X(per_ns, "per", DURATION, CONFIG_MS(1), CONFIG_HOURS(24), CONFIG_SECONDS(1), LIVE,            \
      "the time that `requests` is for")                                                           \
    X(burst, "burst", COUNT_OR_NONE, 1, 1000000000, CONFIG_NONE, LIVE,                             \
      "how many may come at once after a pause; none: as many as `requests`")                      \
    X(key, "key", TEXT, 1, 255, "address", LIVE,                                                   \
      "what tells clients apart: address (IPv6: its /64), header:NAME or cookie:NAME; a request "  \
      "without it counts for its address")                                                         \
    X(keys, "keys", COUNT, 8, 16777216, 65536, LIVE,                                               \
      "most clients that are remembered, 16 bytes each; a new figure begins with none")            \
    X(when_full, "when-full", CHOICE, rate_when_full, 0, RATE_FULL_FORGET, LIVE,                   \
      "what happens to one more")                                                                  \
    X(tell, "tell", BOOLEAN, 0, 1, false, LIVE,                                                    \
      "RateLimit fields also in answers to requests that were let in")

struct rate_settings {
    RATE_SETTINGS(CONFIG_FIELD)
};

struct admit_settings {
    ADMIT_SETTINGS(CONFIG_FIELD)
};

struct admit_service_settings {
    ADMIT_SERVICE_SETTINGS(CONFIG_FIELD)
};

#endif
