/* SPDX-License-Identifier: Apache-2.0 */
/* cache/disk/disk.h - a second tier: what memory lets go of, in one file under a hard limit.
 *
 * The file is a log of segments. What is put is appended; when the limit is reached the oldest
 * segment is overwritten, and what was read of it is appended once more first (FIFO with a second
 * chance). Where everything lies is known from memory alone, so a miss costs no I/O.
 *
 *     disk_put(disk, entry, ...);          from the store's `evicted`; written later, or dropped
 *     if (disk_find(disk, hash))           from memory, at once
 *         disk_get(disk, &read);           later read.done() on the loop of who asked
 *     disk_forget(disk, hash, now_ms);     it does not come back, neither from what is being
 *                                          written or read now nor after a restart
 *
 * Nobody is ever given half an object or one for another: the checksum is compared over front, key
 * and body, the key byte by byte, before the entry can be found. Nothing is synced: a crash of the
 * machine may lose the newest, or all.
 *
 * Memory:  32 bytes for each object on the disk and 4 for each that there is room for (together at
 *          most 36 for DISK_OBJECT_BYTES of the limit), half a byte likewise for what was asked for
 *          once, buffers of 3 MiB, and what waits to be written, at most queue_bytes, which belongs
 *          to the store. The rest does not count as the store's memory.
 * Threads: any, and nobody waits: one lock is held for a look into a table, never over I/O. One
 *          thread writes, DISK_READERS read.
 * Errors:  of opening: a story. Later: counted. A full or failing disk takes no writes for a while;
 *          what is there is read. */
#ifndef PANDO_CACHE_DISK_DISK_H
#define PANDO_CACHE_DISK_DISK_H

#include "core/err.h"
#include "core/hash.h"
#include "core/list.h"
#include "loop/post.h"
#include "path/cache_row.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    DISK_READERS = 2,
    DISK_WRITES_MAX = 1024,   /* entries that wait to be written; more are dropped */
    DISK_READS_MAX = 512,     /* that wait to be read; more are refused */
    DISK_FORGETS_MAX = 4096,  /* that wait to be written; more: the file is empty after a restart */
    DISK_OBJECT_BYTES = 4096, /* smallest average that the index has room for */
};

#define DISK_LIMIT_BYTES_MIN (8ull * 1024 * 1024)

struct disk_options {
    const char     *path;        /* of the file; made, with its folders, if it is not there */
    uint64_t        limit_bytes; /* at least DISK_LIMIT_BYTES_MIN */
    uint64_t        queue_bytes; /* of entries that wait to be written */
    uint32_t        format;      /* the owner's version of what is in fronts */
    struct hash_key key;         /* with which the owner hashes; a file of another key is emptied */
};

struct disk;

/* The key of a file of this format. False: there is none, or it cannot be read. */
bool disk_read_key(const char *path, uint32_t format, struct hash_key *key) must_check;

/* Opens or makes the file and finds what is there. One that is of another format or key, or was
 * not closed in order after its forgets overflowed, is emptied. If another has it open, then the
 * disk is empty and takes nothing until that one lets go. NULL: @e says why. */
struct disk *disk_open(const struct disk_options *options, struct err *e) must_check;

/* One more holder. */
struct disk *disk_ref(struct disk *disk);

/* Of the last one: writes what waits, and ends the threads. No read may be under way. Accepts
 * NULL. */
void disk_unref(struct disk *disk);

/* Waits until no entry that was put before waits to be written: a store may only go when none of
 * its entries does. */
void disk_drain(struct disk *disk);

/* To be written, if it is whole, not there in this version, and wanted: asked for more than
 * once, or the disk has room. @born_ms: when it was made, on the clock of disk_forget(). Holds a
 * reference until it is written. */
void disk_put(struct disk *disk, struct store_entry *entry, uint64_t born_ms, uint32_t version);

/* Is there something of that hash? */
bool disk_find(struct disk *disk, uint64_t hash);

/* A read under way; the caller's, until done() begins. */
struct disk_read {
    struct store_key key;   /* its bytes stay where they are */
    struct store    *store; /* into which it is read */
    struct loop     *loop;  /* where done() is called */
    /* May what was read be used? Else it is gone. On a reader's thread, before it can be found.
     * NULL: it may. */
    bool (*accepts)(struct disk_read *read, struct store_entry *entry);
    /* @entry has a reference, and can be found in the store unless that rejected it. NULL: nothing
     * was read. */
    void (*done)(struct disk_read *read, struct store_entry *entry);
    struct post         post; /* the disk's, as what follows */
    struct list_link    link;
    struct store_entry *entry;
    struct disk        *disk;
};

/* False: nothing is there, or too many wait; done() is not called. */
bool disk_get(struct disk *disk, struct disk_read *read) must_check;

/* Before a loop ends on which done() was called: waits until no thread is just posting one that was
 * being posted, which is a moment. */
void disk_wait_posted(struct disk *disk);

/* What is there under that hash, is being written or being read, and was made at @now_ms or
 * before, is gone. After a restart too, but for a kill in the moment until the writer has noted it.
 * Whoever also takes it out of a store does that after this. True: something was there. */
bool disk_forget(struct disk *disk, uint64_t hash, uint64_t now_ms);

/* A newer one is about to take the place of what is there under that hash. */
void disk_replace(struct disk *disk, uint64_t hash);

/* What a walk sees of an object. */
struct disk_seen {
    struct store_key key;
    const uint8_t   *front;
    uint32_t         front_bytes;
    uint64_t         born_ms;
};

/* Forgets all that was put before. Waits for the disk. */
void disk_clear(struct disk *disk);

struct disk_walk {
    enum store_visit (*visit)(struct disk_walk *walk, const struct disk_seen *seen);
    uint64_t     now_ms;
    _Atomic bool stops; /* set by anybody: it ends early */
};

/* Reads fronts and keys of all objects that were put before it begins, and forgets those of which
 * visit() says STORE_REMOVE. Waits for the disk, so not on a worker's thread. */
void disk_walk(struct disk *disk, struct disk_walk *walk);

/* Any thread. */
void disk_read_figures(struct disk *disk, struct disk_figures *figures);

#endif
