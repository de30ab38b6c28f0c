/* SPDX-License-Identifier: Apache-2.0 */
/* main/directory/facts.c - the list of facts, its text, and the table that it makes. */
#include "main/directory/facts.h"

#include "core/mem.h"
#include "core/quote.h"
#include "main/directory/facts_file.h"

#include <stdlib.h>
#include <string.h>

#define HEADING "pando facts 1\n"

/* ---- the list ---- */

void facts_init(struct facts *facts)
{
    list_init(&facts->list);
    facts->count = 0;
}

void facts_drop(struct facts *facts, struct fact *fact)
{
    list_remove(&fact->link);
    facts->count--;
    mem_free(fact);
}

void facts_fini(struct facts *facts)
{
    list_each(&facts->list, link, after) facts_drop(facts, list_item(link, struct fact, link));
}

struct fact *facts_find(const struct facts *facts, const char *keyspace, struct bytes prefix)
{
    const struct list_link *head = &facts->list.head;
    for (struct list_link *link = head->next; link != head; link = link->next) {
        struct fact *fact = list_item(link, struct fact, link);
        if (bytes_equal(fact_prefix(fact), prefix) && strcmp(fact->keyspace, keyspace) == 0)
            return fact;
    }
    return NULL;
}

enum err_kind facts_add(struct facts *facts, const char *keyspace, struct bytes prefix,
                        uint32_t shard, struct err *e)
{
    if (facts->count == FACTS_MAX)
        return err_set(e, ERR_LIMIT, "directories have at most %d entries by command", FACTS_MAX);
    if (prefix.count > FACTS_PREFIX_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "a prefix has at most %d bytes", FACTS_PREFIX_BYTES_MAX);
    struct fact *fact = mem_alloc(sizeof *fact + prefix.count);
    if (fact == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    (void)snprintf(fact->keyspace, sizeof fact->keyspace, "%s", keyspace);
    fact->shard = shard;
    fact->prefix_bytes = (uint32_t)prefix.count;
    if (prefix.count > 0)
        memcpy(fact->prefix, prefix.at, prefix.count);
    link_init(&fact->link);
    list_add_last(&facts->list, &fact->link);
    facts->count++;
    return ERR_NONE;
}

/* ---- text ---- */

static bool read_line(struct facts *facts, const char *line)
{
    char keyspace[KEYSPACE_NAME_BYTES_MAX + 1], word[16];
    static const char *const form = "directory %63s %15s %n";
    uint8_t prefix[4 * FACTS_PREFIX_BYTES_MAX + 3];
    size_t prefix_bytes;
    int read = 0;
    char *end = word;
    if (sscanf(line, form, keyspace, word, &read) != 2 || read == 0 ||
        strlen(line + read) >= sizeof prefix || !quote_read(line + read, prefix, &prefix_bytes))
        return false;
    const unsigned long shard = strtoul(word, &end, 10);
    const bool is_none = strcmp(word, "-") == 0;
    if (!is_none && (*end != '\0' || shard >= PARTITION_SHARDS_MAX))
        return false;
    struct err unheard;
    return facts_add(facts, keyspace, (struct bytes){prefix, prefix_bytes},
                     is_none ? PARTITION_NO_SHARD : (uint32_t)shard, &unheard) == ERR_NONE;
}

/* Lines that each end in \n; they are cut up. */
static bool read_lines(struct facts *facts, char *text)
{
    if (strncmp(text, HEADING, strlen(HEADING)) != 0)
        return false;
    for (char *line = text + strlen(HEADING), *next; *line != '\0'; line = next + 1) {
        next = strchr(line, '\n');
        if (next == NULL)
            return false;
        *next = '\0';
        if (!read_line(facts, line))
            return false;
    }
    return true;
}

enum err_kind facts_load(struct facts *facts, const char *data, struct err *e)
{
    char *text;
    facts_init(facts);
    enum err_kind failed = facts_file_read(data, &text, e);
    if (failed == ERR_NONE && text != NULL && !read_lines(facts, text))
        failed = err_set(e, ERR_INPUT,
                         "read %.120s/facts: it is damaged, or of another version: put a copy in "
                         "its place",
                         data);
    mem_free(text);
    if (failed != ERR_NONE)
        facts_fini(facts);
    return failed;
}

static void write_facts(const struct facts *facts, FILE *out)
{
    const struct list_link *head = &facts->list.head;
    fputs(HEADING, out);
    for (struct list_link *link = head->next; link != head; link = link->next) {
        const struct fact *fact = list_item(link, struct fact, link);
        fprintf(out, "directory %s ", fact->keyspace);
        if (fact->shard == PARTITION_NO_SHARD)
            fputs("- ", out);
        else
            fprintf(out, "%u ", fact->shard);
        quote_write(out, fact_prefix(fact));
        fputc('\n', out);
    }
}

enum err_kind facts_store(const struct facts *facts, const char *data, bool *is_unsure,
                          struct err *e)
{
    char *text = NULL;
    size_t bytes = 0;
    *is_unsure = false;
    FILE *out = open_memstream(&text, &bytes);
    if (out == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    write_facts(facts, out);
    const bool is_whole = ferror(out) == 0;
    enum err_kind failed = ERR_NONE;
    if (fclose(out) != 0 || !is_whole)
        failed = err_set(e, ERR_MEMORY, "no memory");
    else
        failed = facts_file_write(data, text, bytes, is_unsure, e);
    free(text); /* open_memstream()'s */
    return failed;
}

/* ---- the table ---- */

enum err_kind facts_table(const struct facts *facts, const struct facts_layout *layout,
                          struct partition_table **table, struct err *e)
{
    struct partition_change *changes = mem_alloc((facts->count + (size_t)1) * sizeof *changes);
    enum err_kind failed = ERR_NONE;
    uint32_t count = 0;
    *table = NULL;
    const struct list_link *head = &facts->list.head;
    for (struct list_link *link = head->next; changes != NULL && link != head; link = link->next) {
        const struct fact *fact = list_item(link, struct fact, link);
        if (strcmp(fact->keyspace, layout->keyspace) != 0)
            continue;
        if (fact->shard != PARTITION_NO_SHARD && fact->shard >= layout->partition->shards_count)
            failed = err_set(e, ERR_INPUT,
                             "its directory says shard %u by command, and it has %u shards: put "
                             "`shards` back, or remove the file `facts` in the data folder",
                             fact->shard, layout->partition->shards_count);
        changes[count++] = (struct partition_change){fact_prefix(fact), fact->shard};
    }
    if (changes != NULL && failed == ERR_NONE)
        *table = partition_table_new(layout->partition, changes, count, layout->fence);
    if (failed == ERR_NONE && *table == NULL)
        failed = err_set(e, ERR_MEMORY, "no memory");
    mem_free(changes);
    return failed;
}
