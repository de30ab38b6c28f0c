/* SPDX-License-Identifier: Apache-2.0 */
/* codec/backup/backup_test.c - what was written is read; whatever happens to a file is found. */
#include "codec/backup/backup_read.h"
#include "codec/backup/backup_write.h"
#include "core/mem.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { FILE_BYTES_MAX = 2 << 20 };

struct file {
    size_t  bytes, at, step;
    uint8_t data[FILE_BYTES_MAX];
};

static struct file file;
static char long_text[600001];

static bool put(void *self, const uint8_t *at, size_t bytes)
{
    struct file *to = self;
    if (to->bytes + bytes > sizeof to->data)
        return false;
    memcpy(to->data + to->bytes, at, bytes);
    to->bytes += bytes;
    return true;
}

static ptrdiff_t get(void *self, uint8_t *at, size_t bytes)
{
    struct file *from = self;
    const size_t left = from->bytes - from->at;
    size_t part = bytes < left ? bytes : left;
    part = from->step != 0 && part > from->step ? from->step : part;
    memcpy(at, from->data + from->at, part);
    from->at += part;
    return (ptrdiff_t)part;
}

static struct backup_item item_of(uint8_t tag, uint8_t kind, const char *name, const char *value)
{
    return (struct backup_item){.tag = tag,
                                .kind = kind,
                                .number = kind + 7u,
                                .name = bytes_of(name),
                                .value = bytes_of(value)};
}

static void write_it(struct backup_writer *writer, uint8_t tag, uint8_t kind, const char *name,
                     const char *value)
{
    const struct backup_item item = item_of(tag, kind, name, value);
    backup_write_item(writer, &item);
}

/* A file with some of everything; @id. */
static void write_file(uint64_t id)
{
    struct backup_writer writer;
    file = (struct file){0};
    memset(long_text, 'l', sizeof long_text - 1);
    backup_write_begin(&writer, id, put, &file);
    write_it(&writer, BACKUP_HEAD, 0, "0.1", "");
    write_it(&writer, BACKUP_KEYSPACE, 1, "users", "range over 3 shards");
    write_it(&writer, BACKUP_KEYSPACE, 0, "cache", "hash over 1 shard");
    write_it(&writer, BACKUP_BEGIN, 0, "users", "");
    write_it(&writer, BACKUP_STRING, 0, "users:a", "1");
    write_it(&writer, BACKUP_COLLECTION, 3, "users:set", "\2\0\0\0\0\0\0\0");
    file.step = 0;
    cr_assert(writer.failed == false);
    backup_write_fini(&writer);
}

/* The same, whole. */
static void write_whole(uint64_t id)
{
    struct backup_writer writer;
    const uint64_t two = 2;
    const struct backup_item set = {.tag = BACKUP_COLLECTION,
                                    .kind = 3,
                                    .number = 99,
                                    .name = bytes_of("users:set"),
                                    .value = {(const uint8_t *)&two, sizeof two}};
    const struct backup_item string = {.tag = BACKUP_STRING, .name = bytes_of("users:long")};
    file = (struct file){0};
    memset(long_text, 'l', sizeof long_text - 1);
    backup_write_begin(&writer, id, put, &file);
    write_it(&writer, BACKUP_HEAD, 0, "0.1", "");
    write_it(&writer, BACKUP_KEYSPACE, 1, "users", "range over 3 shards");
    write_it(&writer, BACKUP_KEYSPACE, 0, "cache", "hash over 1 shard");
    write_it(&writer, BACKUP_BEGIN, 0, "users", "");
    write_it(&writer, BACKUP_STRING, 0, "users:a", "1");
    backup_write_item(&writer, &set);
    write_it(&writer, BACKUP_MEMBER, 0, "one", "");
    write_it(&writer, BACKUP_MEMBER, 1, "other tree", "x");
    write_it(&writer, BACKUP_MEMBER, 0, "two", "v");
    backup_write_long(&writer, &string, sizeof long_text - 1);
    backup_write_part(&writer, (struct bytes){(const uint8_t *)long_text, 1000});
    backup_write_part(&writer, (struct bytes){(const uint8_t *)long_text, sizeof long_text - 1001});
    cr_assert(backup_write_end(&writer));
    cr_assert(writer.counts.keys == 3 && writer.counts.members == 3);
    backup_write_fini(&writer);
}

/* Reads to the end; the verdict there, and how many items came before it. */
static enum backup_verdict read_all(size_t *items)
{
    struct backup_reader reader;
    struct backup_item item;
    enum backup_verdict verdict;
    file.at = 0;
    *items = 0;
    backup_read_begin(&reader, get, &file);
    while ((verdict = backup_read_next(&reader, &item)) == BACKUP_READ_ITEM)
        ++*items;
    cr_assert(backup_read_next(&reader, &item) == verdict); /* and the same for ever */
    backup_read_fini(&reader);
    return verdict;
}

Test(backup, what_was_written_is_read_however_the_bytes_come)
{
    static const size_t steps[] = {0, 1, 7, 4096};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct backup_reader reader;
        struct backup_item item;
        write_whole(5);
        file.step = steps[i];
        backup_read_begin(&reader, get, &file);
        cr_assert(backup_read_next(&reader, &item) == BACKUP_READ_ITEM && item.tag == BACKUP_HEAD);
        cr_assert(backup_read_next(&reader, &item) == BACKUP_READ_ITEM);
        cr_assert(item.tag == BACKUP_KEYSPACE && item.kind == 1 && item.number == 8);
        cr_assert(bytes_equal(item.value, bytes_of("range over 3 shards")));
        for (int skip = 0; skip < 4; skip++)
            cr_assert(backup_read_next(&reader, &item) == BACKUP_READ_ITEM);
        cr_assert(item.tag == BACKUP_COLLECTION && item.number == 99);
        for (int skip = 0; skip < 3; skip++)
            cr_assert(backup_read_next(&reader, &item) == BACKUP_READ_ITEM);
        cr_assert(bytes_equal(item.name, bytes_of("two")));
        cr_assert(backup_read_next(&reader, &item) == BACKUP_READ_ITEM);
        cr_assert(bytes_equal(item.value, bytes_of(long_text)));
        cr_assert(backup_read_next(&reader, &item) == BACKUP_READ_END);
        backup_read_fini(&reader);
    }
}

/* Cut anywhere, also between two blocks or two items, it never looks whole. */
Test(backup, a_cut_file_is_known_as_cut)
{
    size_t items;
    write_whole(6);
    const size_t whole = file.bytes;
    for (size_t bytes = 0; bytes < whole; bytes += bytes < 1000 ? 1 : 997) {
        file.bytes = bytes;
        const enum backup_verdict verdict = read_all(&items);
        cr_assert(verdict == (bytes < BACKUP_MAGIC_BYTES ? BACKUP_READ_FOREIGN : BACKUP_READ_CUT),
                  "%zu bytes: %u", bytes, verdict);
    }
    file.bytes = whole;
    cr_assert(read_all(&items) == BACKUP_READ_END && items == 10);
}

Test(backup, a_flipped_bit_is_found_wherever_it_is)
{
    size_t items;
    write_whole(7);
    for (size_t at = 0; at < file.bytes; at += at < 600 ? 1 : 991) {
        if (at >= 12 && at < 16)
            continue; /* padding of the file's head, which says nothing */
        file.data[at] ^= 0x10;
        const enum backup_verdict verdict = read_all(&items);
        cr_assert(verdict != BACKUP_READ_END && verdict != BACKUP_READ_ITEM, "byte %zu", at);
        file.data[at] ^= 0x10;
    }
    cr_assert(read_all(&items) == BACKUP_READ_END);
}

/* Blocks have no names; their place and their file are in the sum. */
Test(backup, a_block_of_another_file_or_place_is_found)
{
    static struct file other;
    size_t items;
    write_whole(8);
    other = file;
    write_whole(9);
    const size_t first = BACKUP_FILE_HEAD_BYTES;
    const size_t block = BACKUP_BLOCK_HEAD_BYTES + BACKUP_BLOCK_BYTES;
    memcpy(file.data + first + block, other.data + first + block, block);
    cr_assert(read_all(&items) == BACKUP_READ_DAMAGED);
    write_whole(9);
    memmove(file.data + first + block, file.data + first, block);
    cr_assert(read_all(&items) == BACKUP_READ_DAMAGED);
}

Test(backup, what_stands_behind_the_end_is_found)
{
    size_t items;
    write_whole(10);
    file.data[file.bytes++] = 0;
    cr_assert(read_all(&items) == BACKUP_READ_NONSENSE);
}

Test(backup, another_format_and_another_file_are_said)
{
    size_t items;
    write_whole(11);
    file.data[BACKUP_MAGIC_BYTES] = BACKUP_FORMAT + 1;
    cr_assert(read_all(&items) == BACKUP_READ_NEWER);
    file = (struct file){.bytes = 30, .data = "listeners: {}\nkeyspaces: {}\n.."};
    cr_assert(read_all(&items) == BACKUP_READ_FOREIGN);
}

/* A writer that stopped says nothing of an end. */
Test(backup, without_an_end_nothing_is_whole)
{
    size_t items;
    write_file(12);
    cr_assert(read_all(&items) == BACKUP_READ_CUT);
}

/* Items with right sums, but not as the format has them. */
static enum backup_verdict verdict_of(const struct backup_item *items, size_t count)
{
    struct backup_writer writer;
    size_t came;
    file = (struct file){0};
    backup_write_begin(&writer, 1, put, &file);
    for (size_t i = 0; i < count; i++)
        backup_write_item(&writer, &items[i]);
    cr_assert(backup_write_end(&writer));
    backup_write_fini(&writer);
    return read_all(&came);
}

Test(backup, items_out_of_order_are_found)
{
    const uint64_t counts[] = {0, 1, 2};
    const struct backup_item head = item_of(BACKUP_HEAD, 0, "", ""),
                             begin = item_of(BACKUP_BEGIN, 0, "k", ""),
                             string = item_of(BACKUP_STRING, 0, "k:1", "v"),
                             member = item_of(BACKUP_MEMBER, 0, "m", "");
    struct backup_item sets[3];
    for (int i = 0; i < 3; i++) {
        sets[i] = item_of(BACKUP_COLLECTION, 3, "k:s", "");
        sets[i].value = (struct bytes){(const uint8_t *)&counts[i], 8};
    }
    const struct backup_item foreign_tree = item_of(BACKUP_MEMBER, 2, "m", "");
    const struct {
        struct backup_item items[4];
        size_t count;
        enum backup_verdict verdict;
    } cases[] = {
        {{head, begin, string}, 3, BACKUP_READ_END},
        {{head, begin, sets[1], member}, 4, BACKUP_READ_END},
        {{begin, string}, 2, BACKUP_READ_NONSENSE},
        {{head, string}, 2, BACKUP_READ_NONSENSE},
        {{head, begin, string, member}, 4, BACKUP_READ_NONSENSE},
        {{head, begin, sets[0]}, 3, BACKUP_READ_NONSENSE},
        {{head, begin, sets[1]}, 3, BACKUP_READ_NONSENSE},
        {{head, begin, sets[2], member}, 4, BACKUP_READ_NONSENSE},
        {{head, begin, sets[1], string}, 4, BACKUP_READ_NONSENSE},
        {{head, begin, sets[1], foreign_tree}, 4, BACKUP_READ_NONSENSE},
        {{head, head}, 2, BACKUP_READ_NONSENSE},
        {{head, begin, {.tag = 'z'}}, 3, BACKUP_READ_NONSENSE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect(verdict_of(cases[i].items, cases[i].count) == cases[i].verdict, "case %zu", i);
}

Test(backup, a_writer_that_cannot_write_says_so)
{
    struct backup_writer writer;
    file = (struct file){.bytes = sizeof file.data - 1000};
    memset(long_text, 'l', sizeof long_text - 1);
    backup_write_begin(&writer, 1, put, &file);
    write_it(&writer, BACKUP_HEAD, 0, "0.1", "");
    write_it(&writer, BACKUP_STRING, 0, "k", long_text);
    cr_expect(!backup_write_end(&writer) && writer.failed);
    backup_write_fini(&writer);
}

Test(backup, no_memory_is_said_at_either_end)
{
#ifdef PANDO_FAULTS
    size_t items;
    struct backup_writer writer;
    write_whole(13);
    for (uint64_t nth = 1; nth <= 2; nth++) {
        fault_fail_nth(FAULT_ALLOCATION, nth);
        cr_expect(read_all(&items) == BACKUP_READ_MEMORY);
    }
    fault_fail_nth(FAULT_ALLOCATION, 1);
    backup_write_begin(&writer, 1, put, &file);
    cr_expect(!backup_write_end(&writer));
    backup_write_fini(&writer);
#endif
}
