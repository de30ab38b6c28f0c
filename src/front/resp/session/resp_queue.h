/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/resp_queue.h - the commands that MULTI queues, copied, within bounds.
 *
 * Memory:  owns the copies; resp_queue_take() hands them on.
 * Threads: its worker's. */
#ifndef PANDO_FRONT_RESP_SESSION_RESP_QUEUE_H
#define PANDO_FRONT_RESP_SESSION_RESP_QUEUE_H

#include "core/list.h"
#include "path/command/command.h"

struct resp_queued {
    struct list_link      link;
    const struct command *command;
    size_t                bytes; /* of this block */
    uint32_t              args_count;
    struct bytes          args[]; /* into what follows them */
};

struct resp_queue {
    struct list commands; /* struct resp_queued, in their order */
    uint32_t    count;
    size_t      bytes;
    bool        is_open; /* after MULTI */
    bool        is_bad;  /* something was refused: EXEC does nothing */
};

/* Nothing is queued. */
void resp_queue_init(struct resp_queue *queue);

/* Forgets all, and is closed. */
void resp_queue_clear(struct resp_queue *queue);

/* Adds a copy. False: no memory. */
bool resp_queue_add(struct resp_queue *queue, const struct command *command,
                    const struct bytes *args, uint32_t args_count) must_check;

/* Moves all to the end of @to; closed and empty afterwards. Returns how many. */
uint32_t resp_queue_take(struct resp_queue *queue, struct list *to);

/* Frees what resp_queue_take() gave. */
void resp_queued_free_all(struct list *queued);

#endif
