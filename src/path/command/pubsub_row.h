/* SPDX-License-Identifier: Apache-2.0 */
/* path/command/pubsub_row.h - what channels of the Redis protocol hold and did.
 *
 * From the list come the struct and the metrics page. */
#ifndef PANDO_PATH_COMMAND_PUBSUB_ROW_H
#define PANDO_PATH_COMMAND_PUBSUB_ROW_H

#include <stdint.h>

#define PUBSUB_FIGURES(X)                                                                          \
    /* name            sort     help                                                            */ \
    X(channels,        GAUGE,   "channels that somebody subscribes")                               \
    X(patterns,        GAUGE,   "patterns that somebody subscribes")                               \
    X(shard_channels,  GAUGE,   "channels of SSUBSCRIBE that somebody subscribes")                 \
    X(subscriptions,   GAUGE,   "subscriptions of all connections to any of them")                 \
    X(messages,        COUNTER, "messages that were published")                                    \
    X(deliveries,      COUNTER, "times that one was handed to a subscriber")                       \
    X(closed,          COUNTER, "subscribers closed because they did not read")

struct pubsub_figures {
#define X(name, sort, help) uint64_t name;
    PUBSUB_FIGURES(X)
#undef X
};

#endif
