/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/node/resp_slowlog.c - entries: copied, kept, written. */
#include "front/resp/node/resp_slowlog.h"

#include "codec/resp/resp_out.h"
#include "core/mem.h"
#include "core/units.h"

#include <assert.h>
#include <stdio.h>

enum { MORE_BYTES_MAX = 40 }; /* of "... (4294967295 more arguments)" */

struct resp_slow {
    struct list_link link;
    uint64_t         id, wall_s, took_us;
    struct bytes     address, name;
    uint32_t         args_count;
    struct bytes     args[]; /* into what follows them */
};

void resp_slowlog_init(struct resp_slowlog *log)
{
    *log = (struct resp_slowlog){0};
    const int error = pthread_mutex_init(&log->lock, NULL);
    assert(error == 0);
    (void)error;
    list_init(&log->entries);
}

/* Under the lock. */
static void shrink(struct resp_slowlog *log, uint64_t most)
{
    while (log->count > most) {
        struct resp_slow *oldest = list_item(log->entries.head.previous, struct resp_slow, link);
        list_remove(&oldest->link);
        mem_free(oldest);
        log->count--;
    }
}

void resp_slowlog_fini(struct resp_slowlog *log)
{
    shrink(log, 0);
    pthread_mutex_destroy(&log->lock);
}

/* ---- an entry ---- */

static size_t shown_bytes(struct bytes bytes)
{
    return bytes.count < RESP_SLOW_ARG_BYTES_MAX ? bytes.count : RESP_SLOW_ARG_BYTES_MAX;
}

/* Arguments that are shown themselves; one more says how many are not. */
static uint32_t shown_args(const struct resp_slow_command *command)
{
    return command->args_count <= RESP_SLOW_ARGS_MAX ? command->args_count : RESP_SLOW_ARGS_MAX - 1;
}

/* Copies the beginning of @from to *@at, which moves. */
static struct bytes copy(uint8_t **at, struct bytes from)
{
    const size_t bytes = shown_bytes(from);
    struct bytes to = {*at, bytes};
    if (bytes > 0)
        memcpy(*at, from.at, bytes);
    *at += bytes;
    if (from.count > bytes) {
        const int more =
            snprintf((char *)*at, MORE_BYTES_MAX, "... (%zu more bytes)", from.count - bytes);
        to.count += (size_t)more;
        *at += more;
    }
    return to;
}

static struct bytes count_rest(uint8_t **at, uint32_t rest)
{
    const int bytes = snprintf((char *)*at, MORE_BYTES_MAX, "... (%u more arguments)", rest);
    const struct bytes text = {*at, (size_t)bytes};
    *at += bytes;
    return text;
}

static size_t text_bytes(const struct resp_slow_command *command)
{
    size_t bytes =
        shown_bytes(command->address) + shown_bytes(command->name) + (size_t)3 * MORE_BYTES_MAX;
    for (uint32_t i = 0; i < shown_args(command); i++)
        bytes += shown_bytes(command->args[i]) + MORE_BYTES_MAX;
    return bytes;
}

/* NULL: no memory. */
static struct resp_slow *new_entry(const struct resp_slow_command *command)
{
    const size_t head_bytes = sizeof(struct resp_slow) + RESP_SLOW_ARGS_MAX * sizeof(struct bytes);
    struct resp_slow *entry = mem_alloc(head_bytes + text_bytes(command));
    if (entry == NULL)
        return NULL;
    uint8_t *at = (uint8_t *)entry + head_bytes;
    const uint32_t shown = shown_args(command);
    *entry = (struct resp_slow){.wall_s = command->wall_s, .took_us = command->took_ns / NS_PER_US};
    entry->address = copy(&at, command->address);
    entry->name = copy(&at, command->name);
    entry->args_count = shown;
    for (uint32_t i = 0; i < shown; i++)
        entry->args[i] = copy(&at, command->args[i]);
    if (shown < command->args_count)
        entry->args[entry->args_count++] = count_rest(&at, command->args_count - shown);
    return entry;
}

void resp_slowlog_add(struct resp_slowlog *log, const struct resp_slow_command *command,
                      uint32_t most)
{
    struct resp_slow *entry = new_entry(command);
    if (entry == NULL)
        return;
    pthread_mutex_lock(&log->lock);
    entry->id = log->next_id++;
    list_add_first(&log->entries, &entry->link);
    log->count++;
    shrink(log, most);
    pthread_mutex_unlock(&log->lock);
}

/* ---- what is asked ---- */

uint64_t resp_slowlog_count(struct resp_slowlog *log)
{
    pthread_mutex_lock(&log->lock);
    const uint64_t count = log->count;
    pthread_mutex_unlock(&log->lock);
    return count;
}

void resp_slowlog_clear(struct resp_slowlog *log)
{
    pthread_mutex_lock(&log->lock);
    shrink(log, 0);
    pthread_mutex_unlock(&log->lock);
}

static void write_entry(const struct resp_slow *entry, struct resp_out *out)
{
    resp_array(out, 6);
    resp_integer(out, (int64_t)entry->id);
    resp_integer(out, (int64_t)entry->wall_s);
    resp_integer(out, (int64_t)entry->took_us);
    resp_array(out, entry->args_count);
    for (uint32_t i = 0; i < entry->args_count; i++)
        resp_bulk(out, entry->args[i]);
    resp_bulk(out, entry->address);
    resp_bulk(out, entry->name);
}

void resp_slowlog_write(struct resp_slowlog *log, uint64_t most, struct resp_out *out)
{
    pthread_mutex_lock(&log->lock);
    uint64_t left = log->count < most ? log->count : most;
    resp_array(out, left);
    list_each(&log->entries, link, after)
    {
        if (left-- == 0)
            break;
        write_entry(list_item(link, struct resp_slow, link), out);
    }
    pthread_mutex_unlock(&log->lock);
}
