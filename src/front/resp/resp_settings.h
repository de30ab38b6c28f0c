/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/resp_settings.h - the limits and habits of the Redis front, one row each.
 *
 * In the file they are the section `redis`. Columns: config/config.h. Times are nanoseconds; 0 is
 * `none`. */
#ifndef PANDO_FRONT_RESP_RESP_SETTINGS_H
#define PANDO_FRONT_RESP_RESP_SETTINGS_H

#include "config/config.h"

#define RESP_SETTINGS(X)                                                                           \
    X(args_max, "args-max", COUNT, 16, 16777216, 1048576, LIVE,                                    \
      "most arguments of one command, its name counted; more is an error that ends the "           \
      "connection")                                                                                \
    X(bulk_bytes, "bulk-bytes", SIZE, CONFIG_KIB(1), CONFIG_MIB(512), CONFIG_MIB(512), LIVE,       \
      "most bytes of one argument; more is an error that ends the connection")                     \
    X(request_bytes, "request-bytes", SIZE, CONFIG_KIB(16), CONFIG_GIB(1), CONFIG_MIB(512), LIVE,  \
      "most bytes of one command as it is sent; more is an error that ends the connection")        \
    X(answer_bytes, "answer-bytes", SIZE, CONFIG_KIB(1), CONFIG_GIB(1), CONFIG_MIB(512), LIVE,     \
      "most bytes of one answer; the command is answered with an error instead")                   \
    X(unread_bytes, "unread-bytes", SIZE, CONFIG_KIB(16), CONFIG_GIB(1), CONFIG_MIB(64), LIVE,     \
      "bytes of answers that a client does not take, and of commands that wait, at which it is "   \
      "not read from any more until half of them have left")                                       \
    X(pipeline_depth, "pipeline-depth", COUNT, 1, 65536, 256, LIVE,                                \
      "most commands of one connection that wait for a disk or a server at once; reading pauses "  \
      "at that number; their answers come in addition to `unread-bytes`")                          \
    X(idle_timeout_ns, "idle-timeout", DURATION_OR_NONE, CONFIG_MS(100), CONFIG_HOURS(168),        \
      CONFIG_NONE, LIVE, "how long a client connection may wait for its next command")             \
    X(receive_timeout_ns, "receive-timeout", DURATION, CONFIG_MS(100), CONFIG_HOURS(24),           \
      CONFIG_SECONDS(30), LIVE, "longest pause between two bytes of a command")                    \
    X(send_timeout_ns, "send-timeout", DURATION, CONFIG_MS(100), CONFIG_HOURS(24),                 \
      CONFIG_SECONDS(30), LIVE,                                                                    \
      "how long a client may take no byte of an answer before its connection is closed")           \
    X(linger_timeout_ns, "linger-timeout", DURATION, CONFIG_MS(1), CONFIG_MINUTES(1),              \
      CONFIG_SECONDS(2), LIVE,                                                                     \
      "how long a refused client's bytes are still read and dropped, so that it gets to see "      \
      "the error")                                                                                 \
    X(inline_commands, "inline", BOOLEAN, 0, 1, false, LIVE,                                       \
      "takes commands written on a line, as people type them; otherwise PING alone is one, and "   \
      "a web page cannot make a browser send others")                                              \
    X(multi_commands, "multi-commands", COUNT, 1, 1048576, 65536, LIVE,                            \
      "most commands that MULTI queues, and most keys that WATCH watches, of one connection")      \
    X(multi_bytes, "multi-bytes", SIZE, CONFIG_KIB(16), CONFIG_GIB(1), CONFIG_MIB(64), LIVE,       \
      "most bytes of commands that MULTI queues, and of keys that WATCH watches")                  \
    X(subscriptions, "subscriptions", COUNT, 1, 16777216, 65536, LIVE,                             \
      "most channels and patterns that one connection subscribes")                                 \
    X(channel_bytes, "channel-bytes", SIZE, 16, CONFIG_KIB(64), CONFIG_KIB(4), LIVE,               \
      "most bytes of the name of a channel, or of a pattern")                                      \
    X(unread_messages_bytes, "unread-messages-bytes", SIZE, CONFIG_KIB(16), CONFIG_GIB(1),         \
      CONFIG_MIB(32), LIVE,                                                                        \
      "bytes of messages and answers that a subscriber does not take, at which it is closed")      \
    X(announce, "announce", TARGET, 0, 0, {0}, LIVE,                                               \
      "address and port that CLUSTER SLOTS and its like tell clients, where they reach this node " \
      "through another one; without it, the address that the client connected to")                 \
    X(slowlog_slower_than_ns, "slowlog-slower-than", DURATION, 0, CONFIG_HOURS(1), CONFIG_MS(10),  \
      LIVE,                                                                                        \
      "how long a command takes, from being read to being answered, that SLOWLOG shows; 0ms "      \
      "shows every one, and costs each some 30 ns")                                                \
    X(slowlog_entries, "slowlog-entries", COUNT, 0, 10000, 128, LIVE,                              \
      "most commands that SLOWLOG keeps, some 4 KiB each; 0: none, and none is timed")

struct resp_settings {
    RESP_SETTINGS(CONFIG_FIELD)
};

#endif
