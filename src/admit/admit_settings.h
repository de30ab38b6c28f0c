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

struct admit_settings {
    ADMIT_SETTINGS(CONFIG_FIELD)
};

struct admit_service_settings {
    ADMIT_SERVICE_SETTINGS(CONFIG_FIELD)
};

#endif
