/* SPDX-License-Identifier: Apache-2.0 */
/* main/directory/facts_test.c - facts as a list, as a file, and as the table that they make. */
#include "main/directory/facts.h"

#include "core/mem.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct facts facts;
static char folder[64], path[128];

static void set_up(void)
{
    facts_init(&facts);
    snprintf(folder, sizeof folder, "/tmp/pando-facts-XXXXXX");
    cr_assert(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/facts", folder);
}

static void tear_down(void)
{
    facts_fini(&facts);
    unlink(path);
    cr_expect(rmdir(folder) == 0, "nothing else is left");
}

TestSuite(facts, .init = set_up, .fini = tear_down);

static void add(const char *keyspace, struct bytes prefix, uint32_t shard)
{
    struct err e = {0};
    cr_assert(facts_add(&facts, keyspace, prefix, shard, &e) == ERR_NONE, "%s", e.story);
}

static void store(void)
{
    struct err e = {0};
    bool is_unsure;
    cr_assert(facts_store(&facts, folder, &is_unsure, &e) == ERR_NONE && !is_unsure, "%s", e.story);
}

static enum err_kind load(struct err *e)
{
    facts_fini(&facts);
    return facts_load(&facts, folder, e);
}

Test(facts, what_is_stored_is_loaded_again)
{
    struct err e = {0};
    const struct bytes odd = {(const uint8_t *)"a b\0\n\"\\\xff", 8};
    cr_assert(load(&e) == ERR_NONE && facts.count == 0, "a file that is not there has none");
    add("tenants", bytes_of("acme:"), 2);
    add("tenants", odd, PARTITION_NO_SHARD);
    add("other", bytes_of("acme:"), 0);
    add("other", bytes_of("-"), 1023);
    store();
    store();
    cr_assert(load(&e) == ERR_NONE, "%s", e.story);
    cr_expect(facts.count == 4);
    cr_expect(facts_find(&facts, "tenants", bytes_of("acme:"))->shard == 2);
    cr_expect(facts_find(&facts, "tenants", odd)->shard == PARTITION_NO_SHARD);
    cr_expect(facts_find(&facts, "other", bytes_of("acme:"))->shard == 0);
    cr_expect(facts_find(&facts, "other", bytes_of("-"))->shard == 1023);
    cr_expect(facts_find(&facts, "third", bytes_of("acme:")) == NULL);
    facts_drop(&facts, facts_find(&facts, "other", bytes_of("-")));
    store();
    cr_assert(load(&e) == ERR_NONE);
    cr_expect(facts.count == 3);
}

/* Every single bit, and every length: never other facts. */
Test(facts, a_file_that_is_damaged_is_refused_whole)
{
    char good[512], bad[512];
    struct err e = {0};
    add("tenants", bytes_of("acme:"), 2);
    add("tenants", bytes_of("a b"), PARTITION_NO_SHARD);
    store();
    FILE *in = fopen(path, "r");
    const size_t bytes = fread(good, 1, sizeof good, in);
    fclose(in);
    for (size_t i = 0; i < bytes * 9; i++) {
        memcpy(bad, good, bytes);
        const bool is_cut = i >= bytes * 8;
        if (!is_cut)
            bad[i / 8] ^= (char)(1 << i % 8);
        FILE *out = fopen(path, "w");
        fwrite(bad, 1, is_cut ? i - bytes * 8 : bytes, out);
        fclose(out);
        cr_expect(load(&e) == ERR_INPUT && facts.count == 0, "%zu", i);
        cr_expect(strstr(e.story, "damaged") != NULL, "%s", e.story);
    }
}

Test(facts, are_bounded)
{
    struct err e = {0};
    static uint8_t prefix[FACTS_PREFIX_BYTES_MAX + 1];
    cr_expect(facts_add(&facts, "a", (struct bytes){prefix, sizeof prefix}, 0, &e) == ERR_LIMIT);
    memset(prefix, 0xff, sizeof prefix);
    add("a", (struct bytes){prefix, FACTS_PREFIX_BYTES_MAX}, 1023);
    store();
    cr_assert(load(&e) == ERR_NONE && facts.count == 1, "the longest, all of it escaped");
    while (facts.count < FACTS_MAX)
        add("a", bytes_of("x"), 0);
    cr_expect(facts_add(&facts, "a", bytes_of("y"), 0, &e) == ERR_LIMIT);
}

Test(facts, what_cannot_be_written_leaves_the_old_ones)
{
    struct err e = {0};
    char beside[128];
    bool is_unsure = true;
    add("a", bytes_of("x"), 1);
    store();
    snprintf(beside, sizeof beside, "%s/facts.new", folder);
    cr_assert(mkdir(beside, 0700) == 0); /* where the new ones are to be written first */
    add("a", bytes_of("y"), 2);
    cr_expect(facts_store(&facts, folder, &is_unsure, &e) != ERR_NONE && !is_unsure);
    cr_assert(load(&e) == ERR_NONE);
    cr_expect(facts.count == 1);
    rmdir(beside);
}

static enum err_kind table_of(const char *keyspace, const struct partition *partition,
                              struct partition_table **table, struct err *e)
{
    const struct facts_layout layout = {.keyspace = keyspace, .partition = partition};
    return facts_table(&facts, &layout, table, e);
}

Test(facts, make_the_table_of_their_keyspace)
{
    struct err e = {0};
    struct partition_entry entries[] = {{.prefix = bytes_of("acme:"), .shard = 1}};
    struct partition partition = {.strategy = &partition_directory,
                                  .shards_count = 3,
                                  .entries = entries,
                                  .entries_count = 1};
    struct partition_table *table;
    add("a", bytes_of("acme:"), 2);
    add("b", bytes_of("acme:"), 0);
    add("b", bytes_of("far:"), 3);
    cr_assert(table_of("a", &partition, &table, &e) == ERR_NONE);
    cr_expect(table->entries_count == 1 && table->entries[0].shard == 2);
    mem_free(table);
    cr_expect(table_of("b", &partition, &table, &e) == ERR_INPUT && table == NULL);
    cr_expect(strstr(e.story, "shard 3") != NULL, "%s", e.story);
    cr_assert(table_of("c", &partition, &table, &e) == ERR_NONE);
    cr_expect(table->entries_count == 1 && table->entries[0].shard == 1);
    mem_free(table);
}
