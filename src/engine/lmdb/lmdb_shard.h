/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/lmdb_shard.h - one LMDB environment: a shard of a durable keyspace, in its own
 * folder.
 *
 * DIR/NNNN/data.mdb, opened once per process and shared by all workers, who read it in transactions
 * of their own; one thread writes (lmdb_writer.h). It says of itself which format it has and under
 * which layout it was written; another one is refused at open.
 *
 * Flags: LMDB's default ones and NOTLS, since a reading transaction is a worker's, not a thread's.
 * Never WRITEMAP: a full disk would be a SIGBUS. Not NOMEMINIT either: what the heap held before
 * would be written to the file for the sake of a few per cent.
 *
 * Disk: `disk_bytes_max` bounds the pages in use (the file may be larger by what is free in it and
 * is used first). Over it growing changes are SPACE_DISK_FULL; reading and removing go on.
 *
 * Memory:  a struct lmdb_shard is embedded, and may not move while it is open.
 * Threads: open and close on one; what is atomic, and lmdb_shard_check_readers(), on any.
 * Errors:  enum err_kind with the story; LMDB's numbers become enum space_result. */
#ifndef PANDO_ENGINE_LMDB_LMDB_SHARD_H
#define PANDO_ENGINE_LMDB_LMDB_SHARD_H

#include "core/err.h"
#include "engine/keys/space.h"
#include "engine/lmdb/lmdb_settings.h"
#include "engine/lmdb/lmdb_watches.h"

#include <stdatomic.h>

struct lmdb_sync;
struct MDB_env;
struct MDB_txn;

/* The databases of an environment; how they are written: space/record.h. */
#define LMDB_DATABASES(X)                                                                          \
    X(META, "meta")           /* one record: format, layout, secret */                             \
    X(KEYS, "keys")           /* what is under each key */                                         \
    X(POSITIONS, "positions") /* of an ordered keyspace: where SCAN finds its keys */              \
    X(CHUNKS, "chunks")       /* of long strings */                                                \
    X(MEMBERS, "members")     /* of collections */                                                 \
    X(EXPIRY, "expiry")       /* what goes when */                                                 \
    X(TRASH, "trash")         /* collections whose members are still to be removed */

enum lmdb_database {
#define X(symbol, name) LMDB_##symbol,
    LMDB_DATABASES(X)
#undef X
    LMDB_DATABASES_COUNT
};

enum {
    LMDB_FORMAT = 1,         /* of the whole file; an older program refuses a newer one */
    LMDB_LAYOUT_MAX = 200,   /* bytes of the layout's text */
    LMDB_READERS_MAX = 1022, /* transactions that read at once, of all processes */
    LMDB_PATH_MAX = 1024,
};

/* Is the engine in this build? Otherwise nothing below can be opened. */
extern const bool lmdb_is_built;

#define LMDB_MAP_BYTES ((uint64_t)256 << 30)

struct lmdb_settings {
    const char *folder;           /* of the keyspace; made if it is not there */
    uint32_t    number;           /* of the shard in it, below 10000 */
    const char *layout;           /* what the keys lie here by, in words: "hash, shard 0 of 3" */
    bool        is_ordered;       /* range: keys in the order of their bytes */
    uint8_t     sync;             /* enum lmdb_sync_when */
    uint64_t    sync_interval_ns; /* of INTERVAL */
    uint32_t    name_bytes; /* of a key's beginning that its slot does not depend on: "carts:" */
    uint64_t    map_bytes;  /* address space; 0: LMDB_MAP_BYTES, or what there is of it */
    uint64_t    disk_bytes_max; /* of pages in use; 0: no limit */
};

/* What the shard counts; read by anybody. */
struct lmdb_figures {
    _Atomic uint64_t keys; /* that are there, the expired ones that were not removed yet too */
    _Atomic uint64_t used_bytes; /* of pages in use */
    _Atomic uint64_t file_bytes; /* with what is free in the file */
    _Atomic uint64_t commits;    /* transactions that changed something */
    _Atomic uint64_t ops;        /* that went through the writer */
    _Atomic uint64_t commands;   /* carried out, those that only read too */
    _Atomic uint64_t hits;       /* keys that a reading command found */
    _Atomic uint64_t misses;     /* and that it did not find */
    _Atomic uint64_t again;      /* batches that failed and were run op by op */
    _Atomic uint64_t expired;    /* keys removed because their time had come */
    _Atomic uint64_t readers_cleared;
    _Atomic uint64_t commit_last_ns, commit_max_ns;
    _Atomic uint64_t waiting; /* ops with the writer */
};

struct lmdb_shard {
    struct MDB_env     *env;
    unsigned            databases[LMDB_DATABASES_COUNT]; /* LMDB's handles */
    uint64_t            secret; /* drawn when the file was made: seeds hashes of keys */
    uint32_t            name_bytes;
    uint32_t            page_bytes;
    const uint8_t      *map; /* where the file lies in memory; NULL: not known */
    uint64_t            map_bytes;
    _Atomic uint64_t    readable_bytes; /* of it: the file was at least as long */
    bool                is_ordered;
    bool                is_looked_at; /* read only: lmdb_shard_look() */
    uint8_t             sync;
    _Atomic bool        failed;         /* the disk takes no writes any more */
    _Atomic uint64_t    disk_bytes_max; /* may be changed while it is open */
    uint64_t            sync_interval_ns;
    struct lmdb_sync   *syncing; /* of `sync: interval` (sync/lmdb_sync.h) */
    struct lmdb_watches watches;
    struct lmdb_figures figures;
    char                path[LMDB_PATH_MAX]; /* of the environment's folder */
};

/* Opens it, making folder and file where they are not there. */
must_check enum err_kind lmdb_shard_open(struct lmdb_shard *shard,
                                         const struct lmdb_settings *settings, struct err *e);

/* All transactions are over. Accepts zero. */
void lmdb_shard_close(struct lmdb_shard *shard);

/* Opens it to be read only, beside the process that writes to it, if there is one; nothing is made
 * and nothing written. Of @settings folder, number, name_bytes and map_bytes count. Only the file's
 * two heads were looked at then: lmdb_shard_enter() is due. ERR_NO_TARGET: it is not there;
 * ERR_INPUT: it is damaged; ERR_SYSTEM: it may not be read, or the like. Not for a shard that this
 * process has open already. */
must_check enum err_kind lmdb_shard_look(struct lmdb_shard *shard,
                                         const struct lmdb_settings *settings, struct err *e);

/* Opens the databases of one that is only looked at, in @txn, which reads and outlives their use,
 * and gives the layout that it has. */
must_check enum err_kind lmdb_shard_enter(struct lmdb_shard *shard, struct MDB_txn *txn,
                                          char layout[LMDB_LAYOUT_MAX], struct err *e);

/* Does its file end before the last page that its heads name? Pages that were never written may be
 * missing at the end of a sound one. Then lmdb_check() is due before lmdb_shard_enter(). */
bool lmdb_shard_is_short(struct lmdb_shard *shard);

/* The process that has the shard open; 0: none, -1: one whose number cannot be seen from here. Not
 * for one that this process has open. */
int lmdb_shard_holder(const struct lmdb_settings *settings);

/* Keys, as of the last commit. */
uint64_t lmdb_shard_count(struct lmdb_shard *shard);

/* Clears what readers of dead processes hold on to. Every few seconds. */
void lmdb_shard_check_readers(struct lmdb_shard *shard);

/* Bytes of the pages in use, as @txn sees them. */
uint64_t lmdb_shard_used_bytes(struct lmdb_shard *shard, struct MDB_txn *txn);

/* Publishes the figures that @txn knows: keys, used, file. */
void lmdb_shard_publish(struct lmdb_shard *shard, struct MDB_txn *txn);

/* Do @bytes, which LMDB gave, lie where they can be read? A length on a damaged page may be any. */
bool lmdb_shard_has(struct lmdb_shard *shard, struct bytes bytes);

/* What LMDB's or the system's @error means for a command. */
enum space_result lmdb_result(int error);

/* The same of an error of writing. LMDB says EIO too where the system wrote a part only, which is
 * what it does on a disk that becomes full: so it is tried whether the file can grow. */
enum space_result lmdb_shard_result(struct lmdb_shard *shard, int error);

/* --- inside the folder: lmdb_make.c ---------------------------------------------------------- */

/* Is the shard's file there? An empty one is not. */
bool lmdb__is_made(const struct lmdb_shard *shard);

/* Where a new file is to be written, @path of @room bytes; what was left there is gone. */
const char *lmdb__begin_making(const struct lmdb_shard *shard, char *path, size_t room);

/* What was written there, synced and closed is the shard's file from here on, also after a power
 * cut. */
must_check enum err_kind lmdb__end_making(const struct lmdb_shard *shard, struct err *e);

#endif
