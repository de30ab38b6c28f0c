/* SPDX-License-Identifier: Apache-2.0 */
/* admit/rate_table.h - the buckets of one service's clients, shared by all workers.
 *
 * Fixed in size. A client's number (a SipHash, path/client_key.h) leads to one group of eight
 * places. A place whose bucket is full again is free: nobody need tidy up, and a client that was
 * away for long finds what it would have found anyway. If all eight are in use the table is full
 * for that client; then the one that used the least is forgotten, or the newcomer is refused. So
 * a flood of new clients cannot wipe out the memory of the one that asks the most.
 *
 * Memory:  16 bytes for each place. Kept by the service's name over reloads (path/keep.h).
 * Threads: any; each group has one of 64 locks, held for a look at eight places.
 * Errors:  none but at the limit, which the caller counts. */
#ifndef PANDO_ADMIT_RATE_TABLE_H
#define PANDO_ADMIT_RATE_TABLE_H

#include "admit/rate.h"
#include "core/err.h"
#include "path/keep.h"

struct rate_table;

/* The client's answer, and what it cost others. */
struct rate_result {
    struct rate_verdict verdict;
    bool                is_full;   /* refused because there was no place */
    bool                forgotten; /* another client was forgotten for it */
};

/* The table of the service @name with @keys places, or a new one; NULL: no memory. To be given
 * back with rate_table_give(). */
struct rate_table *rate_table_get(struct keep *keep, const char *name, uint32_t keys) must_check;

/* Accepts NULL. Any thread. */
void rate_table_give(struct rate_table *table);

/* Takes a token from the bucket of @client (not 0). @forgets: what happens when it is full. */
struct rate_result rate_table_take(struct rate_table *table, const struct rate *rate,
                                   uint64_t client, bool forgets, uint64_t now_ns);

#endif
