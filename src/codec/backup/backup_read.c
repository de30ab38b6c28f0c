/* SPDX-License-Identifier: Apache-2.0 */
/* codec/backup/backup_read.c - blocks with right sums become a stream, the stream becomes items. */
#include "codec/backup/backup_read.h"

#include "core/mem.h"

enum { ITEM_STEP_BYTES = 64 * 1024 };

static enum backup_verdict end(struct backup_reader *reader, enum backup_verdict verdict)
{
    reader->over = verdict;
    return verdict;
}

/* Fills @at whole. *@got: what there was, if it is less. */
static enum backup_verdict fill(struct backup_reader *reader, uint8_t *at, size_t bytes,
                                size_t *got)
{
    *got = 0;
    while (*got < bytes) {
        const ptrdiff_t part = reader->get(reader->self, at + *got, bytes - *got);
        if (part < 0)
            return end(reader, BACKUP_READ_UNREADABLE);
        if (part == 0)
            return end(reader, BACKUP_READ_CUT);
        *got += (size_t)part;
    }
    reader->offset += bytes;
    return BACKUP_READ_ITEM;
}

/* ---- blocks ---- */

static enum backup_verdict read_file_head(struct backup_reader *reader)
{
    uint8_t head[BACKUP_FILE_HEAD_BYTES];
    uint32_t format;
    size_t got;
    const enum backup_verdict verdict = fill(reader, head, sizeof head, &got);
    if (verdict == BACKUP_READ_UNREADABLE)
        return verdict;
    if (got < BACKUP_MAGIC_BYTES || memcmp(head, BACKUP_MAGIC, BACKUP_MAGIC_BYTES) != 0)
        return end(reader, BACKUP_READ_FOREIGN);
    if (verdict != BACKUP_READ_ITEM)
        return verdict;
    memcpy(&format, head + BACKUP_MAGIC_BYTES, sizeof format);
    if (format != BACKUP_FORMAT)
        return end(reader, format > BACKUP_FORMAT ? BACKUP_READ_NEWER : BACKUP_READ_DAMAGED);
    memcpy(&reader->id, head + 16, sizeof reader->id);
    reader->block = mem_alloc(BACKUP_BLOCK_HEAD_BYTES + BACKUP_BLOCK_BYTES);
    return reader->block == NULL ? end(reader, BACKUP_READ_MEMORY) : BACKUP_READ_ITEM;
}

static enum backup_verdict read_block(struct backup_reader *reader)
{
    uint32_t bytes;
    uint64_t sum;
    size_t got;
    reader->block_at = reader->offset;
    enum backup_verdict verdict = fill(reader, reader->block, BACKUP_BLOCK_HEAD_BYTES, &got);
    if (verdict != BACKUP_READ_ITEM)
        return verdict;
    memcpy(&sum, reader->block, sizeof sum);
    memcpy(&bytes, reader->block + sizeof sum, sizeof bytes);
    if (bytes == 0 || bytes > BACKUP_BLOCK_BYTES)
        return end(reader, BACKUP_READ_DAMAGED);
    verdict = fill(reader, reader->block + BACKUP_BLOCK_HEAD_BYTES, bytes, &got);
    if (verdict != BACKUP_READ_ITEM)
        return verdict;
    if (backup_sum(reader->block, BACKUP_BLOCK_HEAD_BYTES + bytes, reader->id, reader->number) !=
        sum)
        return end(reader, BACKUP_READ_DAMAGED);
    reader->number++;
    reader->used = bytes;
    reader->at = 0;
    return BACKUP_READ_ITEM;
}

/* The next @bytes of the stream. */
static enum backup_verdict take(struct backup_reader *reader, uint8_t *out, size_t bytes)
{
    while (bytes > 0) {
        const enum backup_verdict verdict =
            reader->at < reader->used ? BACKUP_READ_ITEM : read_block(reader);
        if (verdict != BACKUP_READ_ITEM)
            return verdict;
        const size_t left = reader->used - reader->at;
        const size_t part = bytes < left ? bytes : left;
        memcpy(out, reader->block + BACKUP_BLOCK_HEAD_BYTES + reader->at, part);
        reader->at += part;
        out += part;
        bytes -= part;
    }
    return BACKUP_READ_ITEM;
}

/* ---- items ---- */

static bool make_room(struct backup_reader *reader, size_t bytes)
{
    if (bytes <= reader->item_room)
        return true;
    const size_t room = bytes < 2 * reader->item_room ? 2 * reader->item_room : bytes;
    uint8_t *item = mem_resize(reader->item, room);
    if (item == NULL)
        return false;
    reader->item = item;
    reader->item_room = room;
    return true;
}

/* The item's @bytes, in steps: a length that lies takes no more memory than has come. */
static enum backup_verdict take_item(struct backup_reader *reader, uint64_t bytes)
{
    for (uint64_t done = 0; done < bytes;) {
        const uint64_t left = bytes - done;
        const size_t step = left < ITEM_STEP_BYTES ? (size_t)left : ITEM_STEP_BYTES;
        if (!make_room(reader, done + step))
            return end(reader, BACKUP_READ_MEMORY);
        const enum backup_verdict verdict = take(reader, reader->item + done, step);
        if (verdict != BACKUP_READ_ITEM)
            return verdict;
        done += step;
    }
    return BACKUP_READ_ITEM;
}

static enum backup_verdict read_item(struct backup_reader *reader, struct backup_item *item)
{
    uint8_t head[BACKUP_ITEM_HEAD_BYTES];
    uint32_t name_bytes;
    uint64_t value_bytes;
    enum backup_verdict verdict = take(reader, head, sizeof head);
    if (verdict != BACKUP_READ_ITEM)
        return verdict;
    memcpy(&name_bytes, head + 4, sizeof name_bytes);
    memcpy(&item->number, head + 8, sizeof item->number);
    memcpy(&value_bytes, head + 16, sizeof value_bytes);
    if (value_bytes > UINT64_MAX / 4)
        return end(reader, BACKUP_READ_NONSENSE);
    verdict = take_item(reader, name_bytes + value_bytes);
    if (verdict != BACKUP_READ_ITEM)
        return verdict;
    item->tag = head[0];
    item->kind = head[1];
    item->name = (struct bytes){reader->item, name_bytes};
    item->value = (struct bytes){name_bytes + value_bytes == 0 ? NULL : reader->item + name_bytes,
                                 value_bytes};
    return verdict;
}

/* ---- their order ---- */

static bool is_key(uint8_t tag)
{
    return tag == BACKUP_STRING || tag == BACKUP_COLLECTION;
}

/* May @tag come after @last? Members that are due are looked at elsewhere. */
static bool may_follow(uint8_t last, uint8_t tag)
{
    switch (tag) {
    case BACKUP_HEAD: return last == 0;
    case BACKUP_KEYSPACE: return last == BACKUP_HEAD || last == BACKUP_KEYSPACE;
    case BACKUP_STRING:
    case BACKUP_COLLECTION: return last == BACKUP_BEGIN || is_key(last) || last == BACKUP_MEMBER;
    case BACKUP_MEMBER: return last == BACKUP_COLLECTION || last == BACKUP_MEMBER;
    case BACKUP_BEGIN:
    case BACKUP_END: return last != 0;
    default: return false;
    }
}

static bool count_item(struct backup_reader *reader, const struct backup_item *item)
{
    if (item->tag == BACKUP_MEMBER) {
        reader->counts.members++;
        if (item->kind >= BACKUP_TREES || (item->kind == 0 && reader->members_due == 0))
            return false;
        reader->members_due -= item->kind == 0;
        return true;
    }
    if (reader->members_due > 0)
        return false;
    reader->counts.keyspaces += item->tag == BACKUP_BEGIN;
    reader->counts.keys += is_key(item->tag);
    if (item->tag != BACKUP_COLLECTION)
        return true;
    if (item->value.count != sizeof reader->members_due)
        return false;
    memcpy(&reader->members_due, item->value.at, sizeof reader->members_due);
    return reader->members_due > 0;
}

/* END is the last item of the last block, and of the file. */
static enum backup_verdict read_end(struct backup_reader *reader, const struct backup_item *item)
{
    const uint64_t counts[3] = {reader->counts.keyspaces, reader->counts.keys,
                                reader->counts.members};
    uint8_t more;
    if (!bytes_equal(item->value, (struct bytes){(const uint8_t *)counts, sizeof counts}) ||
        reader->at < reader->used)
        return end(reader, BACKUP_READ_NONSENSE);
    const ptrdiff_t got = reader->get(reader->self, &more, 1);
    return end(reader, got == 0  ? BACKUP_READ_END
                       : got < 0 ? BACKUP_READ_UNREADABLE
                                 : BACKUP_READ_NONSENSE);
}

/* ---- the calls ---- */

void backup_read_begin(struct backup_reader *reader, backup_get *get, void *self)
{
    *reader = (struct backup_reader){.get = get, .self = self};
}

enum backup_verdict backup_read_next(struct backup_reader *reader, struct backup_item *item)
{
    *item = (struct backup_item){0};
    if (reader->over == BACKUP_READ_ITEM && reader->block == NULL)
        (void)read_file_head(reader);
    if (reader->over != BACKUP_READ_ITEM)
        return reader->over;
    const enum backup_verdict verdict = read_item(reader, item);
    if (verdict != BACKUP_READ_ITEM)
        return verdict;
    if (!may_follow(reader->last_tag, item->tag) || !count_item(reader, item))
        return end(reader, BACKUP_READ_NONSENSE);
    reader->last_tag = item->tag;
    return item->tag == BACKUP_END ? read_end(reader, item) : BACKUP_READ_ITEM;
}

const char *backup_read_sentence(enum backup_verdict verdict)
{
    static const char *const sentences[] = {
#define X(name, sentence) [BACKUP_READ_##name] = sentence,
        BACKUP_VERDICTS(X)
#undef X
    };
    return sentences[verdict];
}

void backup_read_fini(struct backup_reader *reader)
{
    mem_free(reader->block);
    mem_free(reader->item);
    *reader = (struct backup_reader){0};
}
