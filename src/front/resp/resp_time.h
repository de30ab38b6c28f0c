/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/resp_time.h - inside the Redis front: how long commands take, for SLOWLOG.
 *
 * What a figure means, and how seldom the clock is read: node/resp_slowlog.h.
 *
 * Threads: the front's worker's. */
#ifndef PANDO_FRONT_RESP_RESP_TIME_H
#define PANDO_FRONT_RESP_RESP_TIME_H

#include "path/command/command.h"

struct resp_conn;
struct resp_flight;

enum { RESP_ARGS_SMALL = 8 }; /* of a command that is timed together with others */

/* When the clock was read last, and how many commands later it is due. */
struct resp_timing {
    uint64_t from_ns;
    uint32_t left;       /* commands until it is read */
    uint32_t left_whole; /* what `left` begins with */
    uint32_t left_last;  /* what `left` is before the last command of what was received */
    bool     is_apart;   /* a command since then waits: it is timed by itself */
};

/* A batch begins: the clock is read, unless nothing is timed. */
void resp__time_begin(struct resp_conn *rc);

/* The commands since the clock was read last are over; the last one was that of @args, or is not
 * known any more (NULL). */
void resp__time_group(struct resp_conn *rc, const struct bytes *args, uint32_t args_count);

/* The flight's answer is written. */
void resp__time_flight(const struct resp_flight *flight);

/* Is it small by nature: one that is timed together with others? @command may be NULL. */
static inline bool resp__is_small(const struct command *command, uint32_t args_count)
{
    return command != NULL && args_count <= RESP_ARGS_SMALL &&
           ((command->flags & COMMAND_FAST) != 0 || command->number == COMMAND_IS_SET);
}

#endif
