/* SPDX-License-Identifier: Apache-2.0 */
/* store/snapshot/load.c - puts what a snapshot holds, each record after its checksum was right.
 *
 * A record is read into an entry that nobody can find. What does not fit any more is passed over;
 * at the first record that is torn, reading ends. */
#include "store/shard.h"
#include "store/snapshot/record.h"
#include "store/store.h"

#include "core/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

enum { KEY_BYTES_MAX = 65536 };

struct in {
    struct store *store;
    FILE         *file;
    uint64_t      left; /* bytes of the file */
    XXH3_state_t *checksum;
    uint8_t      *buffer; /* SNAPSHOT_BUFFER_BYTES, and a key */
    uint8_t      *front;
    bool (*accepts)(void *self, struct store_entry *entry);
    void    *self;
    uint64_t count;
};

static bool read_bytes(struct in *in, void *at, size_t bytes)
{
    if (bytes > in->left || (bytes > 0 && fread(at, bytes, 1, in->file) != 1))
        return false;
    in->left -= bytes;
    return true;
}

static bool read_checked(struct in *in, void *at, size_t bytes)
{
    return read_bytes(in, at, bytes) && XXH3_64bits_update(in->checksum, at, bytes) == XXH_OK;
}

/* What a record can be at all; lengths are not believed before. */
static bool is_possible(const struct in *in, const struct snapshot_record *record)
{
    return record->mark == SNAPSHOT_RECORD_MARK && record->key_bytes <= KEY_BYTES_MAX &&
           record->front_bytes <= STORE_FRONT_BYTES_MAX && record->has_body <= 1 &&
           record->body_bytes <= in->left && (record->has_body == 1 || record->body_bytes == 0) &&
           record->uses <= POLICY_USES_MAX && record->queue <= POLICY_QUEUES;
}

/* Reads a body to its end; what @body (may be NULL) has no room for is read all the same. False:
 * torn. @fits: whether all of it is there. */
static bool read_body(struct in *in, struct store_body *body, uint64_t bytes, bool *fits)
{
    *fits = body != NULL;
    while (bytes > 0) {
        const size_t count =
            (size_t)(bytes < SNAPSHOT_BUFFER_BYTES ? bytes : SNAPSHOT_BUFFER_BYTES);
        if (!read_checked(in, in->buffer, count))
            return false;
        *fits = *fits && store_body_append(body, in->buffer, count) == count;
        bytes -= count;
    }
    return true;
}

/* An entry with the front and key that were read into in->front; NULL: no room. */
static struct store_entry *make_entry(struct in *in, const struct snapshot_record *record)
{
    const uint8_t *at = in->front + record->front_bytes;
    const struct store_options *options = &in->store->options;
    const struct store_key key = {.hash = options->hash(options->self, at, record->key_bytes),
                                  .at = at,
                                  .bytes = record->key_bytes};
    struct store_entry *entry = store_entry_new(in->store, &key, record->front_bytes);
    if (entry == NULL)
        return NULL;
    memcpy(store_entry_front(entry), in->front, record->front_bytes);
    if (record->has_body == 1 && (entry->body = store_body_new(in->store, &key)) == NULL) {
        store_entry_unref(entry);
        return NULL;
    }
    return entry;
}

static void put(struct in *in, struct store_entry *entry, const struct snapshot_record *record)
{
    const bool same_policy = record->policy == 1 + in->store->options.policy;
    if (in->accepts != NULL && !in->accepts(in->self, entry))
        return;
    policy_set_uses(entry, record->uses);
    store_put(in->store, entry);
    in->count += store__settle_in(entry, same_policy ? record->queue : 0);
}

/* The rest of a record, from its key on. False: it is torn. */
static bool read_record(struct in *in, struct snapshot_record *record)
{
    const uint64_t checksum = record->checksum;
    bool fits = true;
    record->checksum = 0;
    XXH3_64bits_reset(in->checksum);
    if (XXH3_64bits_update(in->checksum, record, sizeof *record) != XXH_OK ||
        !read_checked(in, in->front, (size_t)record->front_bytes + record->key_bytes))
        return false;
    struct store_entry *entry = make_entry(in, record);
    struct store_body *body = entry != NULL ? entry->body : NULL;
    bool is_good = true;
    if (record->has_body == 1)
        is_good = read_body(in, body, record->body_bytes, &fits);
    is_good = is_good && XXH3_64bits_digest(in->checksum) == checksum;
    if (body != NULL)
        store_body_end(body, is_good && fits);
    if (is_good && fits && entry != NULL)
        put(in, entry, record);
    store_entry_unref(entry);
    return is_good;
}

static bool read_head(struct in *in, uint32_t format)
{
    struct snapshot_head head;
    if (!read_bytes(in, &head, sizeof head))
        return false;
    const uint64_t checksum = head.checksum;
    head.checksum = 0;
    return head.magic == SNAPSHOT_MAGIC && head.version == SNAPSHOT_VERSION &&
           head.format == format && checksum == XXH3_64bits(&head, sizeof head);
}

static void read_all(struct in *in, uint32_t format)
{
    struct snapshot_record record;
    if (!read_head(in, format))
        return;
    while (read_bytes(in, &record, sizeof record) && is_possible(in, &record) &&
           read_record(in, &record))
        ;
}

static enum err_kind load_file(struct in *in, const char *path, uint32_t format, struct err *e)
{
    struct stat status;
    if (fstat(fileno(in->file), &status) != 0)
        return err_set_errno(e, "read %s", path);
    in->left = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
    in->buffer = mem_alloc(SNAPSHOT_BUFFER_BYTES);
    in->front = mem_alloc(STORE_FRONT_BYTES_MAX + KEY_BYTES_MAX);
    in->checksum = XXH3_createState();
    const bool is_good = in->buffer != NULL && in->front != NULL && in->checksum != NULL;
    if (is_good)
        read_all(in, format);
    XXH3_freeState(in->checksum);
    mem_free(in->buffer);
    mem_free(in->front);
    return is_good ? ERR_NONE : err_set(e, ERR_MEMORY, "read %s: no memory", path);
}

enum err_kind store_load(struct store *store, const char *path, uint32_t format,
                         bool (*accepts)(void *self, struct store_entry *entry), void *self,
                         uint64_t *count, struct err *e)
{
    struct in in = {.store = store, .file = fopen(path, "rbe"), .accepts = accepts, .self = self};
    assert(store->options.hash != NULL);
    *count = 0;
    if (in.file == NULL)
        return errno == ENOENT ? ERR_NONE : err_set_errno(e, "open %s", path);
    const enum err_kind kind = load_file(&in, path, format, e);
    fclose(in.file);
    *count = in.count;
    return kind;
}
