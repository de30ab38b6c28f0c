/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/check/lmdb_check.h - walks all of a shard and says what is damaged, by name.
 *
 * First the file, page by page, without LMDB: a damaged tree of pages could lead it anywhere. If
 * that is sound, every record with its sum, and what must agree: EXPIRY and POSITIONS with KEYS,
 * counts with members, lengths with chunks, and that no member and no chunk is of no key.
 *
 * It reads one state, in a transaction that lasts as long as the check: meanwhile the file of a
 * shard that is written to grows, since nothing of that state is overwritten.
 *
 * Memory:  a bit a page, and 16 bytes a collection and long string.
 * Threads: any, beside the writer and the readers.
 * Errors:  no memory, or the file cannot be read; damage is no error but a finding. */
#ifndef PANDO_ENGINE_LMDB_CHECK_LMDB_CHECK_H
#define PANDO_ENGINE_LMDB_CHECK_LMDB_CHECK_H

#include "engine/lmdb/lmdb_shard.h"

/* One finding, as a sentence: "keys: 'carts:42': its sum is wrong". */
typedef void lmdb_report(void *self, const char *sentence);

struct lmdb_checked {
    uint64_t pages, keys, members, chunks;
    uint64_t findings; /* 0: all is well */
};

/* Walks over all that is in @shard, open or only looked at (then once), and calls @report for what
 * is damaged. */
must_check enum err_kind lmdb_check(struct lmdb_shard *shard, lmdb_report *report, void *self,
                                    struct lmdb_checked *checked, struct err *e);

/* --- inside the folder ---------------------------------------------------------------------- */

struct lmdb_check {
    struct lmdb_shard   *shard;
    struct MDB_txn      *txn;
    lmdb_report         *report;
    void                *self;
    struct lmdb_checked *checked;
};

/* Counts and reports a finding. */
void lmdb__find(struct lmdb_check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* pages.c: the file's pages as of check->txn. */
must_check enum err_kind lmdb__check_pages(struct lmdb_check *check, struct err *e);

#endif
