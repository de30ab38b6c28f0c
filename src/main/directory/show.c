/* SPDX-License-Identifier: Apache-2.0 */
/* main/directory/show.c - rows of the file and of commands, merged by their prefixes. */
#include "main/directory/show.h"

#include "core/mem.h"
#include "core/quote.h"

#include <stdlib.h>
#include <string.h>

struct row {
    struct bytes prefix;
    uint32_t     shard;      /* PARTITION_NO_SHARD: taken away */
    uint32_t     file_shard; /* PARTITION_NO_SHARD: the file says nothing */
    bool         is_fact;
};

/* What the file says comes before what a command says of the same prefix. */
static int by_prefix(const void *a, const void *b)
{
    const struct row *one = a, *other = b;
    const int order = bytes_compare(one->prefix, other->prefix);
    return order != 0 ? order : (int)one->is_fact - (int)other->is_fact;
}

json_t *show_quoted(struct bytes bytes)
{
    char *text = NULL;
    size_t count = 0;
    FILE *out = open_memstream(&text, &count);
    if (out == NULL)
        return NULL;
    quote_write(out, bytes);
    json_t *string = fclose(out) == 0 ? json_string(text) : NULL;
    free(text); /* open_memstream()'s */
    return string;
}

json_t *show_why(const struct partition *partition, struct bytes rest)
{
    char *text = NULL;
    size_t count = 0;
    FILE *out = open_memstream(&text, &count);
    if (out == NULL)
        return NULL;
    partition->strategy->explain(partition, rest, out);
    json_t *string = fclose(out) == 0 ? json_string(text) : NULL;
    free(text); /* open_memstream()'s */
    return string;
}

static json_t *shard_or_null(uint32_t shard)
{
    return shard == PARTITION_NO_SHARD ? json_null() : json_integer(shard);
}

static json_t *row_json(const struct row *row)
{
    return json_pack("{s:o, s:o, s:s, s:o}", "prefix", show_quoted(row->prefix), "shard",
                     shard_or_null(row->shard), "from", row->is_fact ? "command" : "file",
                     "file_shard", shard_or_null(row->file_shard));
}

static bool is_of(const struct fact *fact, const char *keyspace)
{
    return strcmp(fact->keyspace, keyspace) == 0;
}

/* Rows of both, sorted; @rows has room. */
static size_t gather(const struct shown_directory *directory, struct row *rows)
{
    const struct partition *partition = directory->partition;
    const struct list_link *head = &directory->facts->list.head;
    size_t count = 0;
    for (uint32_t i = 0; i < partition->entries_count; i++)
        rows[count++] = (struct row){.prefix = partition->entries[i].prefix,
                                     .shard = partition->entries[i].shard,
                                     .file_shard = partition->entries[i].shard};
    for (struct list_link *link = head->next; link != head; link = link->next) {
        const struct fact *fact = list_item(link, struct fact, link);
        if (is_of(fact, directory->keyspace))
            rows[count++] = (struct row){.prefix = fact_prefix(fact),
                                         .shard = fact->shard,
                                         .file_shard = PARTITION_NO_SHARD,
                                         .is_fact = true};
    }
    if (count > 0)
        qsort(rows, count, sizeof *rows, by_prefix);
    return count;
}

json_t *show_list(const struct shown_directory *directory)
{
    const size_t most = (size_t)directory->partition->entries_count + directory->facts->count;
    struct row *rows = mem_alloc((most + 1) * sizeof *rows);
    json_t *entries = json_array();
    const size_t count = rows == NULL ? 0 : gather(directory, rows);
    for (size_t i = 0; i < count; i++) {
        const bool is_before = i + 1 < count && bytes_equal(rows[i].prefix, rows[i + 1].prefix);
        if (is_before)
            rows[i + 1].file_shard = rows[i].shard;
        else
            (void)json_array_append_new(entries, row_json(&rows[i]));
    }
    mem_free(rows);
    return json_pack("{s:s, s:i, s:o}", "keyspace", directory->keyspace, "shards",
                     (int)directory->partition->shards_count, "entries", entries);
}

static uint32_t file_shard_of(const struct partition *partition, struct bytes prefix)
{
    const struct partition_entry *entry = partition_entry_find(partition, NULL, prefix);
    return entry != NULL && bytes_equal(entry->prefix, prefix) ? entry->shard : PARTITION_NO_SHARD;
}

json_t *show_entry(const struct shown_directory *directory, struct bytes rest)
{
    const struct partition *partition = directory->partition;
    const struct partition_table *table = partition_table(partition);
    const struct partition_entry *entry = partition_entry_find(partition, table, rest);
    const uint32_t shard =
        partition->shards_count == 1 ? 0 : partition_table_shard_of(partition, table, rest);
    json_t *all = json_pack("{s:s, s:o, s:i, s:i, s:o}", "keyspace", directory->keyspace, "key",
                            show_quoted(rest), "shard", (int)shard, "shards",
                            (int)partition->shards_count, "why", show_why(partition, rest));
    if (all == NULL || entry == NULL)
        return all;
    const bool is_fact = facts_find(directory->facts, directory->keyspace, entry->prefix) != NULL;
    (void)json_object_set_new(all, "prefix", show_quoted(entry->prefix));
    (void)json_object_set_new(all, "from", json_string(is_fact ? "command" : "file"));
    (void)json_object_set_new(all, "file_shard",
                              shard_or_null(file_shard_of(partition, entry->prefix)));
    return all;
}
