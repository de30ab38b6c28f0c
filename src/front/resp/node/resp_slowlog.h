/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/node/resp_slowlog.h - the commands that took long, the newest of all threads.
 *
 * What a figure means: from the command's being read to its answer's being written, with what it
 * waited for a disk. The clock is read once for up to RESP_TIMED_TOGETHER small commands of one
 * pipeline; together they stand for their last one. A threshold below RESP_TIMED_APART_NS has every
 * command timed by itself.
 *
 * Memory:  owns its entries; one takes about 4 KiB at most.
 * Threads: any; under its lock.
 * Errors:  where there is no memory, an entry is left out. */
#ifndef PANDO_FRONT_RESP_NODE_RESP_SLOWLOG_H
#define PANDO_FRONT_RESP_NODE_RESP_SLOWLOG_H

#include "core/bytes.h"
#include "core/list.h"

#include <pthread.h>

enum {
    RESP_SLOW_ARGS_MAX = 32,       /* of an entry; the last one then says how many more there are */
    RESP_SLOW_ARG_BYTES_MAX = 128, /* of an argument, and then how many more there are */
    RESP_TIMED_TOGETHER = 16,
    RESP_TIMED_APART_NS = 1000 * 1000,
};

struct resp_slowlog {
    pthread_mutex_t lock;
    struct list     entries; /* struct resp_slow, the newest first */
    uint64_t        count;
    uint64_t        next_id;
};

/* A command that was slow. */
struct resp_slow_command {
    const struct bytes *args;
    uint32_t            args_count;
    uint64_t            took_ns;
    uint64_t            wall_s; /* Unix time */
    struct bytes        address, name;
};

/* Empty; numbers begin with 0. */
void resp_slowlog_init(struct resp_slowlog *log);

/* Frees what it has. */
void resp_slowlog_fini(struct resp_slowlog *log);

/* Notes @command, copied as far as an entry has room; the oldest go until there are @most. */
void resp_slowlog_add(struct resp_slowlog *log, const struct resp_slow_command *command,
                      uint32_t most);

/* Entries that are kept. */
uint64_t resp_slowlog_count(struct resp_slowlog *log);

/* Forgets all; numbers go on. */
void resp_slowlog_clear(struct resp_slowlog *log);

struct resp_out;

/* Writes the newest @most entries as SLOWLOG GET answers them. */
void resp_slowlog_write(struct resp_slowlog *log, uint64_t most, struct resp_out *out);

#endif
