/* SPDX-License-Identifier: Apache-2.0 */
/* path/cache_row.h - what a cache and its disk did for a service.
 *
 * From the lists come the structs, the metrics page and the status page.
 * Threads: rows are written by their worker with relaxed stores and read by anybody. */
#ifndef PANDO_PATH_CACHE_ROW_H
#define PANDO_PATH_CACHE_ROW_H

#include <stdatomic.h>
#include <stdint.h>

#define CACHE_FIGURES(X)                                                                           \
    /* name           help                                                                      */ \
    X(hits,          "requests answered by the cache without asking a server first")               \
    X(hit_age_seconds, "how old they were, all ages added")                                        \
    X(hits_stale,    "of them, those answered with what was no longer fresh")                      \
    X(hits_on_error, "requests answered by the cache because no server gave a good answer")        \
    X(validated,     "requests answered by the cache after a server said that its answer holds")   \
    X(misses,        "requests for which the cache fetched an answer")                             \
    X(collapsed,     "requests that were given the answer that was being fetched for another")     \
    X(passed,        "requests that the cache let pass without looking")                           \
    X(hit_bytes,     "bytes of bodies that were answered with and that no server had to send")     \
    X(not_modified,  "requests answered with 304, since the client's copy was right")              \
    X(fetches,       "requests that the cache sent to servers")                                    \
    X(fetches_behind, "of them, those for which no client waited")                                 \
    X(fetches_failed, "of them, those that ended with an error or half an answer")                 \
    X(compressed,    "of them, those that the cache compressed")                                   \
    X(not_compressed,                                                                              \
      "of them, those that it would have compressed, but others took its memory for that")         \
    X(compressed_bytes, "bytes of bodies that it compressed")                                      \
    X(compressed_to_bytes, "bytes that they became")                                               \
    X(recoded,                                                                                     \
      "answers that it compressed from what it kept already, without asking a server")             \
    X(stored,        "answers that were kept")                                                     \
    X(not_stored,    "answers that were not kept")                                                 \
    X(outgrown,      "answers that turned out too large while they were being kept")               \
    X(left_behind,   "clients cut off since they read an outgrown answer too slowly")              \
    X(invalidated,   "kept answers that a request with an unsafe method made invalid")             \
    X(purged,        "kept answers that were purged")

struct cache_row {
#define X(name, help) _Atomic uint64_t name;
    CACHE_FIGURES(X)
#undef X
} __attribute__((aligned(64)));

/* Rows added up. */
struct cache_figures {
#define X(name, help) uint64_t name;
    CACHE_FIGURES(X)
#undef X
};

/* What the disk of a cache did so far and holds now. */
#define DISK_FIGURES(X)                                                                            \
    /* name            sort     help */                                                            \
    X(limit_bytes,     GAUGE,   "most bytes that the file may have")                               \
    X(used_bytes,      GAUGE,   "bytes that the file has on the disk, all of it")                  \
    X(live_bytes,      GAUGE,   "of it, objects that can be found")                                \
    X(index_bytes,     GAUGE,   "memory of the index, as far as it was ever used")                 \
    X(queued_bytes,    GAUGE,   "memory of entries that wait to be written")                       \
    X(objects,         GAUGE,   "objects that can be found")                                       \
    X(hits,            COUNTER, "objects read")                                                    \
    X(hit_bytes,       COUNTER, "their bytes, with fronts and keys")                               \
    X(misses,          COUNTER, "reads of what was gone by then")                                  \
    X(reads_refused,   COUNTER, "reads refused since too many waited")                             \
    X(reads_failed,    COUNTER, "reads that failed, were torn, or found no memory")                \
    X(writes,          COUNTER, "objects written")                                                 \
    X(written_bytes,   COUNTER, "bytes written, all of them")                                      \
    X(unchanged,       COUNTER, "objects not written since they were on the disk")                 \
    X(unwanted,        COUNTER, "objects not written since they were asked for only once")         \
    X(dropped_writes,  COUNTER, "objects not written since too many waited, or the disk was full") \
    X(writes_failed,   COUNTER, "writes that failed; also of a full disk")                         \
    X(moved,           COUNTER, "objects written again since they were read")                      \
    X(evicted,         COUNTER, "objects that had to make room")                                   \
    X(forgotten,       COUNTER, "objects that were taken out")

struct disk_figures {
#define X(name, sort, help) uint64_t name;
    DISK_FIGURES(X)
#undef X
};

#endif
