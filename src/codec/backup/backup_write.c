/* SPDX-License-Identifier: Apache-2.0 */
/* codec/backup/backup_write.c - items become a stream, the stream becomes blocks. */
#include "codec/backup/backup_write.h"

#include "core/mem.h"

#include <assert.h>
#include <xxhash.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are little-endian");

enum { SUM_BYTES = 8 };

uint64_t backup_sum(const uint8_t *block, size_t bytes, uint64_t id, uint64_t number)
{
    const uint64_t seed[2] = {id, number};
    return XXH3_64bits_withSeed(block + SUM_BYTES, bytes - SUM_BYTES,
                                XXH3_64bits(seed, sizeof seed));
}

static void put(struct backup_writer *writer, const uint8_t *at, size_t bytes)
{
    writer->failed = writer->failed || !writer->put(writer->self, at, bytes);
}

void backup_write_begin(struct backup_writer *writer, uint64_t id, backup_put *put_bytes,
                        void *self)
{
    uint8_t head[BACKUP_FILE_HEAD_BYTES] = BACKUP_MAGIC;
    const uint32_t format = BACKUP_FORMAT;
    *writer = (struct backup_writer){.put = put_bytes, .self = self, .id = id};
    memcpy(head + BACKUP_MAGIC_BYTES, &format, sizeof format);
    memcpy(head + 16, &id, sizeof id);
    writer->block = mem_alloc(BACKUP_BLOCK_HEAD_BYTES + BACKUP_BLOCK_BYTES);
    writer->failed = writer->block == NULL;
    put(writer, head, sizeof head);
}

static void end_block(struct backup_writer *writer)
{
    const uint32_t used = (uint32_t)writer->used;
    const size_t bytes = BACKUP_BLOCK_HEAD_BYTES + writer->used;
    if (writer->failed || used == 0)
        return;
    memcpy(writer->block + SUM_BYTES, &used, sizeof used);
    const uint64_t sum = backup_sum(writer->block, bytes, writer->id, writer->number++);
    memcpy(writer->block, &sum, sizeof sum);
    put(writer, writer->block, bytes);
    writer->used = 0;
}

static void add(struct backup_writer *writer, struct bytes bytes)
{
    while (bytes.count > 0 && !writer->failed) {
        const size_t room = BACKUP_BLOCK_BYTES - writer->used;
        const size_t part = bytes.count < room ? bytes.count : room;
        memcpy(writer->block + BACKUP_BLOCK_HEAD_BYTES + writer->used, bytes.at, part);
        writer->used += part;
        bytes = (struct bytes){bytes.at + part, bytes.count - part};
        if (writer->used == BACKUP_BLOCK_BYTES)
            end_block(writer);
    }
}

static void count(struct backup_writer *writer, uint8_t tag)
{
    writer->counts.keyspaces += tag == BACKUP_BEGIN;
    writer->counts.keys += tag == BACKUP_STRING || tag == BACKUP_COLLECTION;
    writer->counts.members += tag == BACKUP_MEMBER;
}

void backup_write_long(struct backup_writer *writer, const struct backup_item *item,
                       uint64_t value_bytes)
{
    uint8_t head[BACKUP_ITEM_HEAD_BYTES] = {item->tag, item->kind};
    const uint32_t name_bytes = (uint32_t)item->name.count;
    assert(item->name.count <= UINT32_MAX && (writer->owed == 0 || writer->failed));
    memcpy(head + 4, &name_bytes, sizeof name_bytes);
    memcpy(head + 8, &item->number, 8);
    memcpy(head + 16, &value_bytes, 8);
    count(writer, item->tag);
    add(writer, (struct bytes){head, sizeof head});
    add(writer, item->name);
    writer->owed = value_bytes;
}

void backup_write_part(struct backup_writer *writer, struct bytes part)
{
    assert(part.count <= writer->owed);
    writer->owed -= part.count;
    add(writer, part);
}

void backup_write_item(struct backup_writer *writer, const struct backup_item *item)
{
    backup_write_long(writer, item, item->value.count);
    backup_write_part(writer, item->value);
}

bool backup_write_end(struct backup_writer *writer)
{
    const uint64_t counts[3] = {writer->counts.keyspaces, writer->counts.keys,
                                writer->counts.members};
    backup_write_item(writer,
                      &(struct backup_item){.tag = BACKUP_END,
                                            .value = {(const uint8_t *)counts, sizeof counts}});
    end_block(writer);
    return !writer->failed;
}

void backup_write_fini(struct backup_writer *writer)
{
    mem_free(writer->block);
    *writer = (struct backup_writer){0};
}
