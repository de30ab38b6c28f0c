/* SPDX-License-Identifier: Apache-2.0 */
/* store/snapshot/save.c - writes all settled entries, the most wanted last.
 *
 * First each shard lists the hashes of its entries in the order in which it wants them, under its
 * lock. Then they are written a few at a time, from all shards side by side: found once more,
 * referred to, written without a lock, let go. So hardly anything is held at any time. The list
 * takes 16 bytes per entry, beside the limit. */
#include "store/shard.h"
#include "store/snapshot/record.h"
#include "store/store.h"

#include "core/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum { RANKS = 1 << 24, SAME_HASH_MAX = 16 };

/* --- What is to be written ------------------------------------------------------------------ */

struct wanted {
    uint64_t hash;
    uint64_t rank; /* its uses, where they matter, and the part of its shard that is wanted less */
};

struct wanted_list {
    struct wanted *at;
    size_t         count, room;
};

static void list_queue(const struct policy_queue *queue, bool by_uses, struct wanted_list *list)
{
    const struct list_link *end = &queue->list.head;
    for (const struct list_link *link = end->previous; link != end && list->count < list->room;
         link = link->previous) {
        const struct store_entry *entry = list_item(link, struct store_entry, link);
        list->at[list->count++] =
            (struct wanted){.hash = entry->hash, .rank = by_uses ? policy_uses(entry) : 0};
    }
}

/* False: no memory. What comes while the memory is made is left out. */
static bool list_shard(struct store_shard *shard, struct wanted_list *list)
{
    pthread_mutex_lock(&shard->lock);
    const size_t entries = shard->index.entries_count, before = list->count;
    pthread_mutex_unlock(&shard->lock);
    if (entries == 0)
        return true;
    struct wanted *more = mem_resize(list->at, (before + entries) * sizeof *more);
    if (more == NULL)
        return false;
    list->at = more;
    list->room = before + entries;
    pthread_mutex_lock(&shard->lock);
    const struct policy_kind *kind = shard->policy.kind;
    for (const uint8_t *queue = kind->order; *queue != 0; queue++)
        list_queue(&shard->policy.queues[*queue - 1], kind->wants_by_uses, list);
    pthread_mutex_unlock(&shard->lock);
    const size_t count = list->count - before;
    for (size_t i = 0; i < count; i++)
        more[before + i].rank = (more[before + i].rank * count + i) * RANKS / count;
    return true;
}

static int by_rank(const void *one, const void *other)
{
    const uint64_t a = ((const struct wanted *)one)->rank, b = ((const struct wanted *)other)->rank;
    return a < b ? -1 : a > b;
}

static bool list_all(struct store *store, struct wanted_list *list)
{
    for (uint32_t i = 0; i < store->shards_count; i++)
        if (!list_shard(&store->shards[i], list))
            return false;
    if (list->count > 0)
        qsort(list->at, list->count, sizeof list->at[0], by_rank);
    return true;
}

/* --- Writing one ---------------------------------------------------------------------------- */

struct out {
    FILE         *file;
    XXH3_state_t *checksum; /* of the record */
    uint64_t      count;
};

static bool write_bytes(struct out *out, const void *at, size_t bytes)
{
    return bytes == 0 || fwrite(at, bytes, 1, out->file) == 1;
}

/* Calls @each with the bytes of a body, piece by piece. False: it said so, or some are gone. */
static bool each_piece(struct store_body *body, uint64_t bytes, struct out *out,
                       bool (*each)(struct out *out, const void *at, size_t bytes))
{
    struct store_piece *piece = NULL;
    uint64_t at = 0;
    while (at < bytes) {
        struct store_piece *next = store_body_find(body, at, piece);
        store_piece_unref(piece);
        piece = next;
        if (piece == NULL)
            return false;
        const uint64_t left = bytes - at, room = piece->capacity;
        const size_t count = (size_t)(left < room ? left : room);
        if (!each(out, piece->data, count))
            break;
        at += count;
    }
    store_piece_unref(piece);
    return at == bytes;
}

static bool add_checksum(struct out *out, const void *at, size_t bytes)
{
    return XXH3_64bits_update(out->checksum, at, bytes) == XXH_OK;
}

static bool is_whole(struct store_body *body)
{
    return body == NULL || (body->state == STORE_BODY_WHOLE && body->dropped_bytes == 0);
}

static struct snapshot_record record_of(const struct store_entry *entry, uint8_t queue)
{
    return (struct snapshot_record){.mark = SNAPSHOT_RECORD_MARK,
                                    .key_bytes = entry->key_bytes,
                                    .front_bytes = entry->front_bytes,
                                    .has_body = entry->body != NULL,
                                    .uses = policy_uses(entry),
                                    .queue = queue,
                                    .policy = (uint8_t)(1 + entry->shard->store->options.policy),
                                    .body_bytes =
                                        entry->body != NULL ? entry->body->ready_bytes : 0};
}

/* The checksum stands before what it is of, so a body is walked twice; then it is warm. */
static bool write_entry(struct out *out, struct store_entry *entry, uint8_t queue)
{
    if (!is_whole(entry->body))
        return true;
    struct snapshot_record record = record_of(entry, queue);
    const size_t front_and_key = (size_t)entry->front_bytes + entry->key_bytes;
    const uint8_t *front = store_entry_front(entry);
    XXH3_64bits_reset(out->checksum);
    (void)!add_checksum(out, &record, sizeof record);
    (void)!add_checksum(out, front, front_and_key);
    if (entry->body != NULL && !each_piece(entry->body, record.body_bytes, out, add_checksum))
        return true;
    record.checksum = XXH3_64bits_digest(out->checksum);
    if (!write_bytes(out, &record, sizeof record) || !write_bytes(out, front, front_and_key) ||
        (entry->body != NULL && !each_piece(entry->body, record.body_bytes, out, write_bytes)))
        return false;
    out->count++;
    return true;
}

/* References to the settled entries of a hash, and their queues; there is nearly always one. */
static size_t find_of_hash(struct store_shard *shard, uint64_t hash, struct store_entry **found,
                           uint8_t *queues)
{
    size_t count = 0;
    pthread_mutex_lock(&shard->lock);
    for (struct store_entry *entry = index_first_of(&shard->index, hash);
         entry != NULL && count < SAME_HASH_MAX; entry = entry->next)
        if (entry->hash == hash && entry->queue != 0) {
            queues[count] = entry->queue;
            found[count++] = store_entry_ref(entry);
        }
    pthread_mutex_unlock(&shard->lock);
    return count;
}

static bool write_all(struct store *store, const struct wanted_list *list, struct out *out)
{
    bool is_good = true;
    for (size_t i = 0; i < list->count && is_good; i++) {
        struct store_entry *found[SAME_HASH_MAX];
        uint8_t queues[SAME_HASH_MAX];
        const uint64_t hash = list->at[i].hash;
        const size_t count = find_of_hash(store__shard_of(store, hash), hash, found, queues);
        for (size_t k = 0; k < count; k++) {
            is_good = is_good && write_entry(out, found[k], queues[k]);
            store_entry_unref(found[k]);
        }
    }
    return is_good;
}

static bool write_head(struct out *out, uint32_t format)
{
    struct snapshot_head head = {
        .magic = SNAPSHOT_MAGIC, .version = SNAPSHOT_VERSION, .format = format};
    head.checksum = XXH3_64bits(&head, sizeof head);
    return write_bytes(out, &head, sizeof head);
}

/* --- The file ------------------------------------------------------------------------------- */

/* The new name is on the disk too. */
static bool sync_folder(const char *path)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    const int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return false;
    const bool is_good = fsync(folder) == 0;
    close(folder);
    return is_good;
}

static enum err_kind write_file(struct store *store, const char *path, uint32_t format,
                                struct out *out, struct err *e)
{
    struct wanted_list list = {0};
    enum err_kind kind = ERR_NONE;
    out->checksum = XXH3_createState();
    if (out->checksum == NULL || !list_all(store, &list))
        kind = err_set(e, ERR_MEMORY, "write %s: no memory for the list of entries", path);
    else if (!write_head(out, format) || !write_all(store, &list, out) || fflush(out->file) != 0 ||
             fsync(fileno(out->file)) != 0)
        kind = err_set_errno(e, "write %s", path);
    mem_free(list.at);
    XXH3_freeState(out->checksum);
    return kind;
}

enum err_kind store_save(struct store *store, const char *path, uint32_t format, uint64_t *count,
                         struct err *e)
{
    char fresh[PATH_MAX];
    *count = 0;
    if (snprintf(fresh, sizeof fresh, "%s.new", path) >= (int)sizeof fresh)
        return err_set(e, ERR_INPUT, "write %s: the name is too long", path);
    const int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set_errno(e, "create %s", fresh);
    struct out out = {.file = fdopen(fd, "wb")};
    if (out.file == NULL) {
        close(fd);
        return err_set(e, ERR_MEMORY, "write %s: no memory", fresh);
    }
    enum err_kind kind = write_file(store, fresh, format, &out, e);
    if (fclose(out.file) != 0 && kind == ERR_NONE)
        kind = err_set_errno(e, "write %s", fresh);
    if (kind == ERR_NONE && (rename(fresh, path) != 0 || !sync_folder(path)))
        kind = err_set_errno(e, "rename %s to %s", fresh, path);
    if (kind != ERR_NONE)
        unlink(fresh);
    else
        *count = out.count;
    return kind;
}
