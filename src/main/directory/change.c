/* SPDX-License-Identifier: Apache-2.0 */
/* main/directory/change.c - the steps of a change, in their order. */
#include "main/directory/change.h"

#include "core/mem.h"
#include "core/quote.h"
#include "core/units.h"
#include "main/directory/passed.h"

#include <stdio.h>

enum { LOOK_AT_CLOCK = 1024 }; /* keys between two looks at it */

/* The three sets of entries. A partition points to one of them; NULL is none by command. */
struct tables {
    const struct partition_table *before;
    struct partition_table       *fenced, *after;
};

static const char *name_of(const struct change *change)
{
    return change->order.keyspace->kept.name;
}

static struct partition *partition_of(const struct change *change)
{
    return change->order.keyspace->partition;
}

static void finish(struct change *change, bool is_ok, const char *text)
{
    (void)snprintf(change->text, sizeof change->text, "%s%s", text,
                   is_ok ? "" : "; nothing was changed");
    change->is_ok = is_ok;
}

/* ---- looking for keys that would be lost ---- */

struct look {
    const struct change          *change;
    const struct partition_table *after;
    uint32_t                      shard;
    uint64_t                      looked, found; /* in it; lost ones */
    uint64_t                      until_ns;      /* 0: as long as it takes */
    bool                          is_given_up;
};

static bool begins_with(struct bytes bytes, struct bytes prefix)
{
    return bytes.count >= prefix.count &&
           bytes_equal((struct bytes){bytes.at, prefix.count}, prefix);
}

static bool look_at(void *self, struct bytes key, const struct space_value *value)
{
    struct look *look = self;
    const struct partition *partition = partition_of(look->change);
    const struct bytes rest = partition_rest(partition, key);
    (void)value;
    if (begins_with(rest, look->change->order.prefix) &&
        partition_table_shard_of(partition, look->after, rest) != look->shard)
        look->found++;
    if (look->looked++ % LOOK_AT_CLOCK == 0)
        look->is_given_up = atomic_load(&look->change->is_cancelled) ||
                            (look->until_ns != 0 && clock_monotonic_ns() > look->until_ns);
    return !look->is_given_up;
}

/* What begins with the prefix, and not with a longer one, is all on the shard of the entry that it
 * has so far; without one it may be on any. */
static bool may_be_on(const struct change *change, const struct partition_table *before,
                      uint32_t shard)
{
    const struct partition_entry *entry =
        partition_entry_find(partition_of(change), before, change->order.prefix);
    return shard != change->order.shard && (entry == NULL || entry->shard == shard);
}

static bool has_to_look(const struct change *change, const struct partition_table *before)
{
    for (uint32_t i = 0; i < partition_of(change)->shards_count; i++)
        if (may_be_on(change, before, i))
            return true;
    return false;
}

static void refuse_found(struct change *change, uint64_t found, uint32_t shard, uint32_t others)
{
    FILE *out = fmemopen(change->text, sizeof change->text, "w");
    if (out == NULL) {
        finish(change, false, "no memory");
        return;
    }
    fprintf(out, "%llu key%s of '%s' that begin%s with ", (unsigned long long)found,
            found == 1 ? "" : "s", name_of(change), found == 1 ? "s" : "");
    quote_write(out, change->order.prefix);
    fprintf(out, " lie%s on shard %u", found == 1 ? "s" : "", shard);
    if (others > 0)
        fprintf(out, " and %u more", others);
    fputs(" and would not be found any more: remove them, let them expire or copy them to another "
          "prefix first; nothing was changed",
          out);
    (void)fclose(out);
    change->is_ok = false;
}

/* False: there are such keys, or it could not be looked for them; that is said. */
static bool look_through(struct change *change, const struct tables *tables, uint64_t until_ns)
{
    struct look look = {.change = change, .after = tables->after, .until_ns = until_ns};
    uint64_t found = 0;
    uint32_t first = 0, shards = 0;
    enum space_result result = SPACE_OK;
    for (uint32_t i = 0; i < partition_of(change)->shards_count && result == SPACE_OK; i++) {
        if (look.is_given_up || !may_be_on(change, tables->before, i))
            continue;
        look.shard = i;
        look.found = 0;
        result = kept_keyspace_visit(change->order.keyspace, i, clock_wall_ns() / NS_PER_MS,
                                     look_at, &look);
        if (look.found > 0 && shards++ == 0)
            first = i;
        found += look.found;
    }
    if (result != SPACE_OK)
        finish(change, false, "a shard could not be read to its end");
    else if (look.is_given_up)
        finish(change, false,
               atomic_load(&change->is_cancelled)
                   ? "the server stops"
                   : "it would have taken too long to look for keys with all others waiting");
    else if (found > 0)
        refuse_found(change, found, first, shards - 1);
    return result == SPACE_OK && !look.is_given_up && found == 0;
}

/* ---- the fence ---- */

static void publish(struct change *change, const struct partition_table *table)
{
    struct kept_keyspace *keyspace = change->order.keyspace;
    pthread_mutex_lock(&keyspace->layout_lock);
    atomic_store_explicit(&keyspace->partition->table, table, memory_order_release);
    pthread_mutex_unlock(&keyspace->layout_lock);
}

/* Whoever walks keys has ended a turn. */
static void pass_turns(struct change *change)
{
    passed_turns(change->order.workers, change->order.workers_count);
    passed_control_turn(&change->passed, change->order.control, &change->is_cancelled);
}

/* True: nothing is under way that saw the entries of before. */
static bool raise_fence(struct change *change, const struct tables *tables, uint64_t until_ns)
{
    publish(change, tables->fenced);
    pass_turns(change);
    pass_turns(change); /* what was held behind the reads that the first has ended */
    if (passed_writers(change->order.keyspace, until_ns, &change->is_cancelled))
        return true;
    finish(change, false, "writes that were under way took too long");
    return false;
}

/* ---- the fact ---- */

static const struct partition_entry *exact(const struct change *change,
                                           const struct partition_table *table)
{
    const struct partition_entry *entry =
        partition_entry_find(partition_of(change), table, change->order.prefix);
    return entry != NULL && bytes_equal(entry->prefix, change->order.prefix) ? entry : NULL;
}

/* The entry of the file itself, whatever was said by command. */
static const struct partition_entry *in_file(const struct change *change)
{
    return exact(change, NULL);
}

/* Says it in @facts. What the file says anyway needs no fact. */
static enum err_kind edit(const struct change *change, struct facts *facts, struct err *e)
{
    struct fact *said = facts_find(facts, name_of(change), change->order.prefix);
    const struct partition_entry *file = in_file(change);
    if (said != NULL)
        facts_drop(facts, said);
    if ((file == NULL ? PARTITION_NO_SHARD : file->shard) == change->order.shard)
        return ERR_NONE;
    return facts_add(facts, name_of(change), change->order.prefix, change->order.shard, e);
}

/* What the file of facts says, and what it is to say. */
struct words {
    struct facts old, new;
};

static enum err_kind load_words(const struct change *change, struct words *words, struct err *e)
{
    facts_init(&words->new);
    enum err_kind failed = facts_load(&words->old, change->data, e);
    if (failed == ERR_NONE)
        failed = facts_load(&words->new, change->data, e);
    return failed == ERR_NONE ? edit(change, &words->new, e) : failed;
}

static enum err_kind make_tables(const struct change *change, const struct words *words,
                                 struct tables *tables, struct err *e)
{
    struct facts_layout layout = {.keyspace = name_of(change), .partition = partition_of(change)};
    enum err_kind failed = facts_table(&words->new, &layout, &tables->after, e);
    layout.fence = &change->order.prefix;
    if (failed == ERR_NONE)
        failed = facts_table(&words->old, &layout, &tables->fenced, e);
    if (failed == ERR_NONE) {
        tables->fenced->number = partition_number(layout.partition);
        tables->after->number = tables->fenced->number + 1;
    }
    return failed;
}

enum stored { STORED, STORED_NOT, STORED_PERHAPS };

/* Where the disk failed at the last step, the old words are put back. */
static enum stored store(struct change *change, const struct words *words)
{
    struct err e = {0}, again = {0};
    bool is_unsure;
    if (facts_store(&words->new, change->data, &is_unsure, &e) == ERR_NONE)
        return STORED;
    finish(change, false, e.story);
    if (!is_unsure || facts_store(&words->old, change->data, &is_unsure, &again) == ERR_NONE)
        return STORED_NOT;
    (void)snprintf(change->text, sizeof change->text,
                   "%s: it is not known which entry would stand there after a loss of power, so "
                   "what begins so is refused until a change succeeds or the process starts anew",
                   e.story);
    return STORED_PERHAPS;
}

/* ---- the whole ---- */

static void say_done(struct change *change)
{
    FILE *out = fmemopen(change->text, sizeof change->text, "w");
    if (out == NULL) {
        finish(change, true, "done");
        return;
    }
    fprintf(out, "%s: what begins with ", name_of(change));
    quote_write(out, change->order.prefix);
    if (change->order.shard != PARTITION_NO_SHARD)
        fprintf(out, " goes to shard %u of %u", change->order.shard,
                partition_of(change)->shards_count);
    else
        fputs(" has no entry of its own any more", out);
    (void)fclose(out);
    change->is_ok = true;
}

/* From the tables on. What is in force at its end is set to NULL in @tables: the others may go. */
static void carry_out(struct change *change, const struct words *words, struct tables *tables)
{
    const bool is_fenced = has_to_look(change, tables->before);
    const uint64_t until_ns = clock_monotonic_ns() + CHANGE_FENCE_MS_MAX * NS_PER_MS;
    enum stored stored = STORED_NOT;
    if (!is_fenced ||
        (raise_fence(change, tables, until_ns) && look_through(change, tables, until_ns)))
        stored = store(change, words);
    if (stored == STORED) {
        publish(change, tables->after);
        tables->after = NULL;
        say_done(change);
    } else if (stored == STORED_PERHAPS && is_fenced) {
        tables->fenced = NULL;
    } else {
        publish(change, tables->before);
        tables->before = NULL;
    }
    pass_turns(change);
}

/* Is there anything to do? Otherwise that is said. */
static bool is_a_change(struct change *change, const struct tables *tables)
{
    const struct partition_entry *entry = exact(change, tables->before);
    if (tables->before != NULL && tables->before->is_fenced)
        return true; /* an earlier one ended badly: it is made sure of */
    if (change->order.shard == PARTITION_NO_SHARD && entry == NULL)
        finish(change, false,
               "that prefix has no entry: `pando directory list` shows those that have");
    else if (entry != NULL && entry->shard == change->order.shard)
        say_done(change);
    else
        return true;
    return false;
}

static void free_words(struct words *words)
{
    facts_fini(&words->old);
    facts_fini(&words->new);
}

void change_run(struct change *change)
{
    struct err e = {0};
    struct words words;
    struct tables tables = {.before = partition_table(partition_of(change))};
    if (is_a_change(change, &tables)) {
        if (load_words(change, &words, &e) != ERR_NONE ||
            make_tables(change, &words, &tables, &e) != ERR_NONE) {
            finish(change, false, e.story);
            tables.before = NULL;
        } else if (look_through(change, &tables, 0)) {
            carry_out(change, &words, &tables);
        } else {
            tables.before = NULL;
        }
        free_words(&words);
        mem_free((void *)(uintptr_t)tables.before);
    }
    mem_free(tables.fenced);
    mem_free(tables.after);
    atomic_store(&change->is_done, true);
}

bool change_init(struct change *change, const struct change_order *order)
{
    const int bytes = snprintf(change->data, sizeof change->data, "%s", order->data);
    if (order->prefix.count > sizeof change->prefix || bytes < 0 ||
        (size_t)bytes >= sizeof change->data)
        return false;
    change->order = *order;
    if (order->prefix.count > 0)
        memcpy(change->prefix, order->prefix.at, order->prefix.count);
    change->order.prefix.at = change->prefix;
    change->text[0] = '\0';
    change->is_ok = false;
    atomic_store(&change->is_cancelled, false);
    atomic_store(&change->is_done, false);
    return true;
}

void change_fini(struct change *change)
{
    kept_keyspace_give(change->order.keyspace);
    change->order.keyspace = NULL;
}
