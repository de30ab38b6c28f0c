/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/backup_fuzz.c - laws of reading backups.
 *
 * 1. However the bytes arrive, items and verdict are the same.
 * 2. What was read whole, written again, is read the same.
 * 3. An item takes no more memory than the file has bytes.
 *
 * The input is a stream of items; it is put into blocks with right sums, since chance finds none.
 * The first byte chooses the step in which bytes arrive; its highest bit, that the input is a file
 * as it is. */
#include "codec/backup/backup_read.h"
#include "codec/backup/backup_write.h"

#include <stdlib.h>
#include <xxhash.h>

#define CHECK(law)                                                                                 \
    do {                                                                                           \
        if (!(law))                                                                                \
            __builtin_trap();                                                                      \
    } while (0)

enum { ROOM = 1 << 21 };

struct file {
    uint8_t data[ROOM];
    size_t  bytes, at, step;
};

static struct file first, again;

static bool put(void *self, const uint8_t *at, size_t bytes)
{
    struct file *file = self;
    CHECK(bytes <= ROOM - file->bytes);
    memcpy(file->data + file->bytes, at, bytes);
    file->bytes += bytes;
    return true;
}

static ptrdiff_t get(void *self, uint8_t *at, size_t bytes)
{
    struct file *file = self;
    size_t part = file->bytes - file->at;
    part = part < bytes ? part : bytes;
    part = part < file->step ? part : file->step;
    memcpy(at, file->data + file->at, part);
    file->at += part;
    return (ptrdiff_t)part;
}

/* The input as the items of one file with right sums. */
static void wrap(struct file *file, const uint8_t *data, size_t size)
{
    uint8_t head[BACKUP_FILE_HEAD_BYTES] = BACKUP_MAGIC;
    uint64_t number = 0;
    head[BACKUP_MAGIC_BYTES] = BACKUP_FORMAT;
    (void)put(file, head, sizeof head);
    while (size > 0) {
        static uint8_t block[BACKUP_BLOCK_HEAD_BYTES + BACKUP_BLOCK_BYTES];
        const uint32_t part = size < BACKUP_BLOCK_BYTES ? (uint32_t)size : BACKUP_BLOCK_BYTES;
        memset(block, 0, BACKUP_BLOCK_HEAD_BYTES);
        memcpy(block + 8, &part, sizeof part);
        memcpy(block + BACKUP_BLOCK_HEAD_BYTES, data, part);
        const uint64_t sum = backup_sum(block, BACKUP_BLOCK_HEAD_BYTES + part, 0, number++);
        memcpy(block, &sum, sizeof sum);
        (void)put(file, block, BACKUP_BLOCK_HEAD_BYTES + part);
        data += part;
        size -= part;
    }
}

/* Reads all; a digest of the items. With @writer they are written again. */
static enum backup_verdict read_all(struct file *file, size_t step, uint64_t *digest,
                                    struct backup_writer *writer)
{
    struct backup_reader reader;
    struct backup_item item;
    enum backup_verdict verdict;
    file->at = 0;
    file->step = step;
    *digest = 0;
    backup_read_begin(&reader, get, file);
    while ((verdict = backup_read_next(&reader, &item)) == BACKUP_READ_ITEM) {
        const uint64_t head[4] = {item.tag, item.kind, item.number, *digest};
        *digest =
            XXH3_64bits_withSeed(item.name.at, item.name.count, XXH3_64bits(head, sizeof head));
        *digest = XXH3_64bits_withSeed(item.value.at, item.value.count, *digest);
        CHECK(item.name.count + item.value.count <= file->bytes);
        if (writer != NULL)
            backup_write_item(writer, &item);
    }
    CHECK(reader.item_room <= 2 * file->bytes + 65536);
    backup_read_fini(&reader);
    return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t whole, steps, written;
    struct backup_writer writer;
    if (size < 1 || size > ROOM / 2)
        return 0;
    first.bytes = again.bytes = 0;
    if (data[0] & 0x80)
        (void)put(&first, data + 1, size - 1);
    else
        wrap(&first, data + 1, size - 1);
    backup_write_begin(&writer, 77, put, &again);
    const enum backup_verdict verdict = read_all(&first, ROOM, &whole, &writer);
    CHECK(verdict == read_all(&first, 1 + (data[0] & 0x7f), &steps, NULL));
    CHECK(whole == steps);
    if (verdict == BACKUP_READ_END) {
        CHECK(backup_write_end(&writer));
        CHECK(read_all(&again, ROOM, &written, NULL) == BACKUP_READ_END && written == whole);
    }
    backup_write_fini(&writer);
    return 0;
}
