/* SPDX-License-Identifier: Apache-2.0 */
/* partition/partition_test.c - the three strategies, and what is no layout. */
#include "partition/keyspaces.h"

#include "core/mem.h"
#include "core/slot.h"

#include <criterion/criterion.h>

static uint32_t slot(const char *key)
{
    return slot_of(bytes_of(key));
}

static uint32_t shard(const struct partition *partition, const char *key)
{
    return partition_shard_of(partition, bytes_of(key));
}

/* The figures are those of the cluster's specification and of redis-server's CLUSTER KEYSLOT. */
Test(partition, slots_are_those_of_redis_cluster)
{
    cr_expect(slot("123456789") == 0x31C3 % SLOTS_COUNT);
    cr_expect(slot("foo") == 12182);
    cr_expect(slot("") == 0);
    cr_expect(slot("{user1000}.following") == slot("user1000"));
    cr_expect(slot("{user1000}.followers") == slot("{user1000}.following"));
    cr_expect(slot("foo{}{bar}") != slot("bar"));
    cr_expect(slot("foo{{bar}}zap") == slot("{bar"));
    cr_expect(slot("foo{bar}{zap}") == slot("bar"));
    cr_expect(slot("foo{bar") != slot("bar"));
}

Test(partition, the_shards_of_a_hash_cover_all_slots_once)
{
    for (uint32_t shards = 1; shards < 50; shards++) {
        uint32_t next = 0, first, last;
        for (uint32_t i = 0; i < shards; i++) {
            partition_slots_of_shard(shards, i, &first, &last);
            cr_assert(first == next && last >= first, "%u of %u", i, shards);
            cr_expect(first * shards / SLOTS_COUNT == i);
            cr_expect(last * shards / SLOTS_COUNT == i);
            next = last + 1;
        }
        cr_expect(next == SLOTS_COUNT);
    }
}

/* The example of the theory: users A-G, H-N, O-Z. */
Test(partition, ranges_begin_at_their_splits)
{
    const struct bytes splits[] = {bytes_of("h"), bytes_of("o")};
    struct partition users = {.strategy = &partition_range,
                              .name_bytes = (uint32_t)strlen("users:"),
                              .shards_count = 3,
                              .splits = splits};
    cr_assert(partition_check(&users) == NULL);
    cr_expect(shard(&users, "users:anna") == 0);
    cr_expect(shard(&users, "users:gz") == 0);
    cr_expect(shard(&users, "users:h") == 1);
    cr_expect(shard(&users, "users:nora") == 1);
    cr_expect(shard(&users, "users:o") == 2);
    cr_expect(shard(&users, "users:zoe") == 2);
    cr_expect(shard(&users, "users:") == 0);
}

Test(partition, a_directory_takes_the_longest_prefix)
{
    struct partition_entry entries[] = {{.prefix = bytes_of("b"), .shard = 4},
                                        {.prefix = bytes_of("acme:"), .shard = 1},
                                        {.prefix = bytes_of("a"), .shard = 3},
                                        {.prefix = bytes_of("acme:eu:"), .shard = 2},
                                        {.prefix = bytes_of("acme:ab"), .shard = 5}};
    struct partition tenants = {.strategy = &partition_directory,
                                .shards_count = 6,
                                .entries = entries,
                                .entries_count = 5};
    cr_assert(partition_check(&tenants) == NULL);
    cr_expect(shard(&tenants, "acme:42") == 1);
    cr_expect(shard(&tenants, "acme:eu:42") == 2);
    cr_expect(shard(&tenants, "acme:eu") == 1);
    cr_expect(shard(&tenants, "acme:abc") == 5);
    cr_expect(shard(&tenants, "acme:ac") == 1);
    cr_expect(shard(&tenants, "acme") == 3);
    cr_expect(shard(&tenants, "apple") == 3);
    cr_expect(shard(&tenants, "b") == 4);
    cr_expect(shard(&tenants, "foo") == 12182u * 6 / SLOTS_COUNT);
}

Test(partition, what_is_no_layout_is_told)
{
    const struct bytes same[] = {bytes_of("h"), bytes_of("h")};
    struct partition_entry far[] = {{.prefix = bytes_of("a"), .shard = 2}};
    struct partition_entry twice[] = {{.prefix = bytes_of("a")}, {.prefix = bytes_of("a")}};
    struct partition bad[] = {
        {.strategy = &partition_hash},
        {.strategy = &partition_hash, .shards_count = PARTITION_SHARDS_MAX + 1},
        {.strategy = &partition_hash, .shards_count = 3, .splits = same},
        {.strategy = &partition_hash, .shards_count = 3, .entries = far, .entries_count = 1},
        {.strategy = &partition_range, .shards_count = 3},
        {.strategy = &partition_range, .shards_count = 3, .splits = same},
        {.strategy = &partition_directory, .shards_count = 2, .entries = far, .entries_count = 1},
        {.strategy = &partition_directory, .shards_count = 2, .entries = twice, .entries_count = 2},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect(partition_check(&bad[i]) != NULL, "%zu", i);
}

Test(partition, another_layout_has_another_fingerprint)
{
    const struct bytes one[] = {bytes_of("h")}, other[] = {bytes_of("i")};
    const struct partition layouts[] = {
        {.strategy = &partition_hash, .shards_count = 2},
        {.strategy = &partition_hash, .shards_count = 3},
        {.strategy = &partition_directory, .shards_count = 2},
        {.strategy = &partition_range, .shards_count = 2, .splits = one},
        {.strategy = &partition_range, .shards_count = 2, .splits = other},
    };
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < i; j++)
            cr_expect(partition_fingerprint(&layouts[i]) != partition_fingerprint(&layouts[j]));
}

Test(partition, a_copy_stands_by_itself)
{
    char split[] = "h", prefix[] = "acme:";
    const struct bytes splits[] = {bytes_of(split)};
    struct partition_entry entries[] = {{.prefix = bytes_of(prefix), .shard = 1}};
    struct partition ranges = {.strategy = &partition_range, .shards_count = 2, .splits = splits};
    struct partition tenants = {.strategy = &partition_directory,
                                .shards_count = 2,
                                .entries = entries,
                                .entries_count = 1};
    cr_assert(partition_check(&ranges) == NULL && partition_check(&tenants) == NULL);
    struct partition *range_copy = partition_copy(&ranges), *tenant_copy = partition_copy(&tenants);
    cr_assert(range_copy != NULL && tenant_copy != NULL);
    split[0] = prefix[0] = 'x';
    cr_expect(shard(range_copy, "k") == 1 && shard(range_copy, "a") == 0);
    cr_expect(shard(tenant_copy, "acme:1") == 1);
    mem_free(range_copy);
    mem_free(tenant_copy);
}

static struct partition_entry file_entries[] = {
    {.prefix = {(const uint8_t *)"acme:", 5}, .shard = 2},
    {.prefix = {(const uint8_t *)"bolt:", 5}, .shard = 1}};

/* A directory with two entries, and @changes over them. */
static struct partition directory_with(const struct partition_change *changes, uint32_t count,
                                       const struct bytes *fence)
{
    struct partition directory = {.strategy = &partition_directory,
                                  .shards_count = 3,
                                  .entries = file_entries,
                                  .entries_count = 2};
    cr_assert(partition_check(&directory) == NULL);
    struct partition_table *table = partition_table_new(&directory, changes, count, fence);
    cr_assert(table != NULL);
    atomic_store(&directory.table, table);
    return directory;
}

static void free_table(struct partition *directory)
{
    mem_free((void *)(uintptr_t)partition_table(directory));
}

Test(partition, what_commands_say_of_a_directory_stands_over_the_file)
{
    char prefix[] = "acme:x:";
    const struct partition_change changes[] = {{bytes_of("bolt:"), 0},
                                               {bytes_of(prefix), 1},
                                               {bytes_of("zed:"), 2},
                                               {bytes_of("acme:"), PARTITION_NO_SHARD},
                                               {bytes_of("none:"), PARTITION_NO_SHARD}};
    struct partition directory = directory_with(changes, 5, NULL);
    const struct partition plain = {.strategy = &partition_hash, .shards_count = 3};
    prefix[0] = 'q'; /* the table has its own */
    cr_expect(partition_table(&directory)->entries_count == 3);
    cr_expect(shard(&directory, "bolt:1") == 0 && shard(&directory, "zed:1") == 2);
    cr_expect(shard(&directory, "acme:x:1") == 1);
    for (char key[] = "acme:a"; key[5] <= 'z'; key[5]++)
        cr_expect(shard(&directory, key) == shard(&plain, key), "by hash again: %s", key);
    cr_expect(partition_entry_find(&directory, NULL, bytes_of("acme:1"))->shard == 2,
              "what the file says is still known");
    free_table(&directory);
}

Test(partition, entries_by_command_lie_in_those_of_the_file)
{
    const struct partition_change inner = {bytes_of("acme:x:"), 0};
    struct partition directory = directory_with(&inner, 1, NULL);
    cr_expect(shard(&directory, "acme:x:1") == 0 && shard(&directory, "acme:y") == 2);
    cr_expect(shard(&directory, "acme:x") == 2);
    free_table(&directory);
}

Test(partition, a_fence_stands_before_what_begins_so_and_nothing_else)
{
    const struct bytes fence = bytes_of("acme:x");
    struct partition directory = directory_with(NULL, 0, &fence);
    directory.name_bytes = 3; /* "ks:" */
    cr_expect(partition_is_fenced(&directory, bytes_of("ks:acme:x")));
    cr_expect(partition_is_fenced(&directory, bytes_of("ks:acme:xyz")));
    cr_expect(!partition_is_fenced(&directory, bytes_of("ks:acme:")));
    cr_expect(!partition_is_fenced(&directory, bytes_of("ks:bolt:x")));
    cr_expect(!partition_is_fenced(&directory, bytes_of("acme:x")));
    cr_expect(shard(&directory, "ks:acme:x") == 2, "where it is is known all the same");
    free_table(&directory);
    atomic_store(&directory.table, NULL);
    cr_expect(!partition_is_fenced(&directory, bytes_of("ks:acme:x")));
}

Test(partition, changes_of_a_directory_are_not_in_its_fingerprint)
{
    const struct partition_change change = {bytes_of("acme:"), 0};
    struct partition directory = directory_with(&change, 1, NULL), before = directory;
    atomic_store(&before.table, NULL);
    cr_expect(partition_fingerprint(&directory) == partition_fingerprint(&before),
              "no key moves by it, so cursors and files of before still fit");
    free_table(&directory);
}

Test(partition, a_layout_explains_a_key)
{
    const struct bytes splits[] = {bytes_of("h"), bytes_of("o")};
    const struct partition ranges = {
        .strategy = &partition_range, .shards_count = 3, .splits = splits};
    const struct partition slots = {.strategy = &partition_hash, .shards_count = 2};
    char text[256] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    partition_range.explain(&ranges, bytes_of("kim"), out);
    fputs(" | ", out);
    partition_range.explain(&ranges, bytes_of("zoe"), out);
    fputs(" | ", out);
    partition_hash.explain(&slots, bytes_of("foo"), out);
    fclose(out);
    cr_expect_str_eq(text, "range h to o | range o and up | "
                           "slot 12182, of the slots 8192 to 16383");
}

Test(keyspaces, a_key_is_of_the_keyspace_named_before_its_colon)
{
    const struct partition one = {.strategy = &partition_hash, .shards_count = 1};
    struct keyspace at[] = {{.name = "carts", .partition = &one},
                            {.name = "default", .partition = &one},
                            {.name = "users", .partition = &one}};
    struct keyspaces all;
    keyspaces_init(&all, at, 3);
    cr_expect(keyspaces_find(&all, bytes_of("carts:42")) == &at[0]);
    cr_expect(keyspaces_find(&all, bytes_of("users:a:b")) == &at[2]);
    cr_expect(keyspaces_find(&all, bytes_of("carts")) == &at[1]);
    cr_expect(keyspaces_find(&all, bytes_of("cart:1")) == &at[1]);
    cr_expect(keyspaces_find(&all, bytes_of("")) == &at[1]);
    struct keyspace only[] = {{.name = "carts", .partition = &one}};
    keyspaces_init(&all, only, 1);
    cr_expect(keyspaces_find(&all, bytes_of("carts:42")) == &only[0]);
    cr_expect(keyspaces_find(&all, bytes_of("users:1")) == NULL);
    cr_expect(keyspaces_find(&all, bytes_of("carts")) == NULL);
}
