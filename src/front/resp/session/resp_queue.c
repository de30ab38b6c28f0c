/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/resp_queue.c - copies of commands, one block each. */
#include "front/resp/session/resp_queue.h"

#include "core/mem.h"

void resp_queue_init(struct resp_queue *queue)
{
    *queue = (struct resp_queue){0};
    list_init(&queue->commands);
}

void resp_queued_free_all(struct list *queued)
{
    for (struct list_link *link; (link = list_first(queued)) != NULL;) {
        list_remove(link);
        mem_free(list_item(link, struct resp_queued, link));
    }
}

void resp_queue_clear(struct resp_queue *queue)
{
    resp_queued_free_all(&queue->commands);
    resp_queue_init(queue);
}

bool resp_queue_add(struct resp_queue *queue, const struct command *command,
                    const struct bytes *args, uint32_t args_count)
{
    size_t bytes = sizeof(struct resp_queued) + args_count * sizeof args[0];
    for (uint32_t i = 0; i < args_count; i++)
        bytes += args[i].count;
    struct resp_queued *queued = mem_alloc(bytes);
    if (queued == NULL)
        return false;
    queued->command = command;
    queued->bytes = bytes;
    queued->args_count = args_count;
    uint8_t *at = (uint8_t *)&queued->args[args_count];
    for (uint32_t i = 0; i < args_count; i++) {
        if (args[i].count > 0)
            memcpy(at, args[i].at, args[i].count);
        queued->args[i] = (struct bytes){at, args[i].count};
        at += args[i].count;
    }
    list_add_last(&queue->commands, &queued->link);
    queue->count++;
    queue->bytes += bytes;
    return true;
}

uint32_t resp_queue_take(struct resp_queue *queue, struct list *to)
{
    const uint32_t count = queue->count;
    list_take_all(to, &queue->commands);
    resp_queue_init(queue);
    return count;
}
