/* SPDX-License-Identifier: Apache-2.0 */
/* path/worker_row.h - what a worker publishes of itself, once every 100 ms and at exit; one row per
 * figure.
 *
 * From the list come the struct, the metrics page and the status page.
 * Threads: written by its worker with relaxed stores; read by anybody. */
#ifndef PANDO_PATH_WORKER_ROW_H
#define PANDO_PATH_WORKER_ROW_H

#include <stdatomic.h>
#include <stdint.h>

#define WORKER_FIGURES(X)                                                                          \
    /* name                      sort     help                                                  */ \
    X(connections_open,          GAUGE,   "client connections that are open")                      \
    X(connections_idle,          GAUGE,   "client connections that wait for a request")            \
    X(connections_head,          GAUGE,   "client connections of which part of a head has come")   \
    X(connections_body,          GAUGE,   "client connections that send a body")                   \
    X(connections_paused,        GAUGE,   "client connections that are not read from for now")     \
    X(connections_lingering,     GAUGE,   "client connections that are closing")                   \
    X(connections_accepted,      COUNTER, "client connections ever accepted")                      \
    X(connections_refused,       COUNTER, "client connections closed at once because a limit was reached") \
    X(connections_tunnels,       GAUGE,   "client connections that are tunnels")                   \
    X(charged_bytes,             GAUGE,   "memory that all client connections are charged with")   \
    X(charged_bytes_max,         GAUGE,   "memory that the most expensive client connection is charged with") \
    X(requests,                  COUNTER, "requests whose head was read")                          \
    X(requests_refused,          COUNTER, "requests refused because they are malformed or over a limit") \
    X(expired_head,              COUNTER, "connections closed because a head took too long")       \
    X(expired_body,              COUNTER, "connections closed because a body came too slowly")     \
    X(expired_send,              COUNTER, "connections closed because the client did not read")    \
    X(expired_idle,              COUNTER, "connections closed because they were idle for too long") \
    X(connections_evicted,       COUNTER, "idle client connections closed to make room for others") \
    X(expired_request,           COUNTER, "requests that passed their deadline")        \
    X(ops_inflight,              GAUGE,   "requests on their way")                                 \
    X(accept_pauses,             COUNTER, "times that accepting stopped for lack of descriptors")  \
    X(upstream_open,             GAUGE,   "connections to targets")                                \
    X(upstream_idle,             GAUGE,   "connections to targets that wait for a request")        \
    X(slab_bytes,                GAUGE,   "memory of this worker's slabs")                         \
    X(loop_turns,                COUNTER, "turns of the event loop")                               \
    X(loop_receives,             COUNTER, "receives that brought bytes")                           \
    X(loop_sends,                COUNTER, "sends asked for")                                       \
    X(loop_late_copies,          COUNTER, "received buffers that were copied so that a ring stays usable") \
    X(loop_starved,              COUNTER, "receives that found no buffer in the ring")             \
    X(log_lines,                 COUNTER, "lines written to the access log")                       \
    X(log_lines_dropped,         COUNTER, "lines of the access log that were dropped because its buffer was full")

struct worker_row {
#define X(name, sort, help) _Atomic uint64_t name;
    WORKER_FIGURES(X)
#undef X
} __attribute__((aligned(64)));

#endif
