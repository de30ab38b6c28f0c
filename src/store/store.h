/* SPDX-License-Identifier: Apache-2.0 */
/* store/store.h - memory for opaque entries under a hard limit: runs, index, eviction.
 *
 * An entry has a key, a front (contiguous bytes of its owner's) and perhaps a body (pieces that one
 * writer appends while many read). Entries in the index are immutable but for their body's growth;
 * a new one of the same key takes the old one's place. What is evicted or replaced lives on until
 * its last reader lets go of it, and counts until then.
 *
 *     entry = store_entry_new(store, &key, front_bytes);     not yet found by anybody
 *     entry->body = store_body_new(store, &key);             where there is a large body
 *     store_put(store, entry);                               found from here on
 *     store_body_append(body, ...); store_body_end(body, true);
 *     store_settle(store, entry);                            may be evicted from here on
 *     store_entry_unref(entry);                              the writer's own reference
 *
 *     entry = store_find(store, thread, &key);               one lookup; unref when done
 *
 * Memory:  all of it lies in shards: regions of address space cut into runs of STORE_UNIT_BYTES,
 *          of which never more pages than the limit allows are in use; index, queues, sketch and
 *          the allocator's own maps count too. What is pinned by readers counts. At the limit
 *          something is evicted; where nothing can be, nothing more is admitted.
 * Threads: any. store_find() takes no lock and waits for nobody; all else takes one shard's lock,
 *          never held over I/O. A reference may be given back on any thread.
 * Errors:  NULL or fewer bytes where there is no room. */
#ifndef PANDO_STORE_STORE_H
#define PANDO_STORE_STORE_H

#include "core/err.h"
#include "core/list.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STORE_UNIT_BYTES = 128,          /* everything is a multiple of it */
    STORE_CHUNK_BYTES = 1024 * 1024, /* the most that lies in a row */
    STORE_PIECE_BYTES_MAX =
        256 * 1024, /* with its header; a body of 1 MiB is five gathered sends */
    STORE_FRONT_BYTES_MAX = 256 * 1024,
    STORE_THREADS_MAX = 66,
};

/* What leaves first. */
#define STORE_POLICIES(X)                                                                          \
    X(STORE_S3_FIFO, "s3-fifo", "what was asked for once leaves first; a scan does no harm")       \
    X(STORE_LRU, "lru", "what was not asked for longest leaves first")                             \
    X(STORE_SIEVE, "sieve", "what was not asked for since a hand passed by leaves first")          \
    X(STORE_TINYLFU, "tinylfu", "what is asked for less often than what comes leaves first")

enum store_policy {
#define X(enumerator, name, gist) enumerator,
    STORE_POLICIES(X)
#undef X
    STORE_POLICIES_COUNT
};

struct store;
struct store_shard;

/* A name; compared byte by byte where the hashes are equal. */
struct store_key {
    uint64_t       hash; /* as store_options.hash makes it */
    const uint8_t *at;
    uint32_t       bytes; /* at most 64 KiB */
};

/* A run of a body's bytes. */
struct store_piece {
    _Atomic(struct store_piece *) next; /* NULL: none yet */
    struct store_shard           *shard;
    _Atomic uint32_t              refs_count; /* its body's, and one per reader that was lent it */
    _Atomic uint32_t              capacity;   /* bytes at data; falls once, when its body ends */
    uint64_t                      starts_at;  /* in the body */
    uint8_t                       data[];     /* filled as far as body.ready_bytes says */
};

enum store_body_state {
    STORE_BODY_GROWS,
    STORE_BODY_WHOLE,
    STORE_BODY_BROKEN, /* no more will come, and it is not all */
};

/* Bytes that one writer appends, and that any number of others read meanwhile. */
struct store_body {
    _Atomic uint32_t              refs_count;
    _Atomic uint8_t               state;         /* enum store_body_state; written last */
    _Atomic uint64_t              ready_bytes;   /* appended; release */
    _Atomic uint64_t              dropped_bytes; /* of its beginning, see store_body_drop() */
    _Atomic uint32_t              walkers_count; /* in store_body_find() now */
    struct store_shard           *shard;
    _Atomic(struct store_piece *) first;         /* not dropped */
    struct store_piece           *oldest;        /* not let go of; the writer's */
    struct store_piece           *last;          /* the writer's */
    uint64_t                      charged_bytes; /* of its pieces, and itself; the shard's lock */
};

/* Fields after `body` are the store's own. */
struct store_entry {
    uint32_t                      front_bytes;
    uint32_t                      key_bytes;
    uint64_t                      hash;
    struct store_body            *body; /* owned; set before store_put(); NULL: none */
    struct store_shard           *shard;
    _Atomic(struct store_entry *) next;       /* in its bucket */
    _Atomic uint32_t              refs_count; /* the index's and each holder's */
    _Atomic uint8_t               uses;       /* hits, saturating */
    uint8_t                       queue;      /* the policy's: where it stands */
    bool                          in_index, settled;
    uint64_t                      charged_bytes; /* that it counts for in its queue */
    struct list_link              link;          /* in a queue, or among the retired */
    uint64_t                      epoch;         /* when it was retired */
};

struct store_options {
    uint64_t          memory_bytes; /* the limit; at least 1 MiB, all that the store takes */
    enum store_policy policy;
    uint32_t          threads_count; /* those that call store_find(); each has a number below */
    /* The hash of a key, for entries read from a snapshot; the same as the callers use. NULL:
     * nothing is ever loaded. */
    uint64_t (*hash)(const void *self, const uint8_t *at, size_t bytes);
    /* The policy let go of an entry (never called for replaced or removed ones). It may be read
     * during the call, which is made without a lock and must not wait. NULL: nobody asks. */
    void (*evicted)(void *self, struct store_entry *entry);
    void *self;
};

/* What a store did so far and holds now. Summed over its shards; each figure right by itself. */
#define STORE_FIGURES(X)                                                                           \
    /* name             sort     help */                                                           \
    X(limit_bytes,      GAUGE,   "most memory that the store may take")                            \
    X(used_bytes,       GAUGE,   "memory that the store takes, all of it")                         \
    X(overhead_bytes,   GAUGE,   "of it, index, queues, sketch and the allocator's own")           \
    X(pinned_bytes,     GAUGE,   "of it, what cannot be evicted: growing, or gone and still read") \
    X(entries,          GAUGE,   "entries that can be found")                                      \
    X(inserted,         COUNTER, "entries put")                                                    \
    X(replaced,         COUNTER, "entries that a newer one of the same key took the place of")     \
    X(removed,          COUNTER, "entries taken out by their owner")                               \
    X(evicted,          COUNTER, "entries that had to make room")                                  \
    X(evicted_bytes,    COUNTER, "memory of entries that had to make room")                        \
    X(rejected,         COUNTER, "entries that were not kept, since others are asked for more")    \
    X(refused,          COUNTER, "times that there was no room and nothing to evict")

struct store_figures {
#define X(name, sort, help) uint64_t name;
    STORE_FIGURES(X)
#undef X
};

/* NULL: no memory, or no address space. */
struct store *store_new(const struct store_options *options) must_check;

/* Every reference must have been given back. Accepts NULL. */
void store_free(struct store *store);

/* A new limit. What is over it is evicted at once as far as nobody reads it, then as it is let go.
 * At most STORE_GROWTH_MAX times the limit at the beginning; more is cut to that. */
enum { STORE_GROWTH_MAX = 16 };
void store_set_limit(struct store *store, uint64_t memory_bytes);

/* Sums them up; frees what has been waiting for readers. */
void store_read_figures(struct store *store, struct store_figures *figures);

/* An entry of that size is too large to be kept: it would push out a tenth of a shard. */
uint64_t store_object_bytes_max(const struct store *store);

/* --- Entries -------------------------------------------------------------------------------- */

/* With room for @front_bytes bytes, zeroed, aligned to 16; the key is copied. Evicts what it must.
 * The caller has the only reference. NULL: no room. */
struct store_entry *store_entry_new(struct store *store, const struct store_key *key,
                                    uint32_t front_bytes) must_check;

static inline uint8_t *store_entry_front(struct store_entry *entry)
{
    return (uint8_t *)entry + ((sizeof *entry + 15) & ~(size_t)15);
}

static inline const uint8_t *store_entry_key(const struct store_entry *entry)
{
    return (const uint8_t *)entry + ((sizeof *entry + 15) & ~(size_t)15) + entry->front_bytes;
}

/* From now on it is found, and an older one of the same key is not. The index takes a reference of
 * its own. */
void store_put(struct store *store, struct store_entry *entry);

/* Its body has ended: its size counts, and the policy decides whether it stays. False: it was
 * rejected, or replaced or removed meanwhile, and is out of the index already; @evicted is not
 * called for it. Nothing of it may be dropped from now on. */
bool store_settle(struct store *store, struct store_entry *entry);

/* Out of the index. False: it was not there any more. */
bool store_remove(struct store *store, struct store_entry *entry);

/* As store_remove() for whatever has that hash. */
bool store_remove_hash(struct store *store, uint64_t hash);

/* As store_find_surely() for whatever has that hash. */
struct store_entry *store_find_hash(struct store *store, uint64_t hash) must_check;

/* The entry of that key with a reference, or NULL. Counts as a use. @thread: the caller's number.
 * While the index grows an entry may be missed: who must know asks store_find_surely(). */
struct store_entry *store_find(struct store *store, unsigned thread, const struct store_key *key)
    must_check;

/* As store_find(), under the shard's lock, from any thread; no use is counted. */
struct store_entry *store_find_surely(struct store *store, const struct store_key *key) must_check;

/* One more reference to what the caller holds one of. */
static inline struct store_entry *store_entry_ref(struct store_entry *entry)
{
    atomic_fetch_add_explicit(&entry->refs_count, 1, memory_order_relaxed);
    return entry;
}

/* For store_entry_unref(): the last one. */
void store__entry_drop(struct store_entry *entry);

/* Accepts NULL. */
static inline void store_entry_unref(struct store_entry *entry)
{
    if (entry != NULL &&
        atomic_fetch_sub_explicit(&entry->refs_count, 1, memory_order_acq_rel) == 1)
        store__entry_drop(entry);
}

/* --- Bodies --------------------------------------------------------------------------------- */

/* An empty body that grows, in @key's shard; one reference. NULL: no room. */
struct store_body *store_body_new(struct store *store, const struct store_key *key) must_check;

/* Takes room for its first @bytes bytes now, as far as they lie in one piece: then it is known
 * before anybody waits for it whether there is some. Before the first append. False: no room. */
bool store_body_reserve(struct store_body *body, uint64_t bytes) must_check;

/* Copies up to @bytes bytes to its end; returns how many: fewer where no room could be made. The
 * writer only. */
size_t store_body_append(struct store_body *body, const void *at, size_t bytes) must_check;

/* No more will come. The writer only; once. */
void store_body_end(struct store_body *body, bool is_whole);

/* Lets go of what lies before @until, as far as pieces end there: a window that slides. From the
 * first call on readers may find that what they want is gone. The writer only. */
void store_body_drop(struct store_body *body, uint64_t until);

/* The piece that holds the byte at @offset, with a reference; NULL: it was dropped, or is not there
 * yet. @after: a piece before it that the caller holds, to begin from, or NULL. */
struct store_piece *store_body_find(struct store_body *body, uint64_t offset,
                                    struct store_piece *after) must_check;

static inline struct store_piece *store_piece_ref(struct store_piece *piece)
{
    atomic_fetch_add_explicit(&piece->refs_count, 1, memory_order_relaxed);
    return piece;
}

/* Any thread. Accepts NULL. */
void store_piece_unref(struct store_piece *piece);

static inline struct store_body *store_body_ref(struct store_body *body)
{
    atomic_fetch_add_explicit(&body->refs_count, 1, memory_order_relaxed);
    return body;
}

/* Any thread. Accepts NULL. */
void store_body_unref(struct store_body *body);

/* --- All of them ---------------------------------------------------------------------------- */

/* Where a walk stands; zero it. */
struct store_cursor {
    uint32_t shard;
    uint64_t bucket;
    bool     done;
};

enum store_visit { STORE_KEEP, STORE_REMOVE };

/* Visits the settled entries of the next @buckets_max buckets, one shard's lock held: the call must
 * be short. Each entry that is there from the walk's begin to its end is visited at least once. */
void store_walk(struct store *store, struct store_cursor *cursor, uint32_t buckets_max,
                enum store_visit (*visit)(void *self, struct store_entry *entry), void *self);

/* --- Snapshots ------------------------------------------------------------------------------ */

/* Writes all settled entries to a new file at @path, most wanted last, which takes the old one's
 * place when it is whole and on the disk. @format: the owner's version of what is in fronts. The
 * count of entries goes into @count. */
must_check enum err_kind store_save(struct store *store, const char *path, uint32_t format,
                                    uint64_t *count, struct err *e);

/* Puts what a file holds, each entry only if its checksum is right and @accepts (may be NULL) says
 * so; stops at what is torn. A file of another format, or that is not there, gives none and is no
 * error. */
must_check enum err_kind store_load(struct store *store, const char *path, uint32_t format,
                                    bool (*accepts)(void *self, struct store_entry *entry),
                                    void *self, uint64_t *count, struct err *e);

#endif
