/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/keys/deep.c - layouts, and `pando check --deep`. */
#include "main/command/keys/deep.h"

#include "engine/lmdb/check/lmdb_check.h"
#include "main/command/keys/look.h"
#include "main/kept_keyspace.h"

#include <inttypes.h>
#include <stdio.h>

enum { FINDINGS_SHOWN_MAX = 1000 }; /* of a shard; there may be as many as records */

/* ---- layouts ---- */

static bool is_on_disk(const struct settings_keyspace *keyspace)
{
    return keyspace->engine == KEYSPACE_LMDB;
}

static enum keys_found refuse_layout(const struct look *look, uint32_t number, const char *said)
{
    fprintf(stderr,
            "error: keyspaces.%s: its keys in %s lie by another layout\n"
            "  they lie by        %s\n"
            "  the settings say   %s\n"
            "  put the old layout back; or bring the keys over, also while a server runs by it:\n"
            "    pando backup keys.backup FILE\n"
            "    pando restore keys.backup FILE --data NEW_FOLDER\n",
            look->settings->name, look->folder, look->layouts[number], said);
    return KEYS_LIE_OTHERWISE;
}

static enum keys_found compare_layouts(const struct look *look)
{
    const struct partition *partition = &look->settings->partition;
    char said[LMDB_LAYOUT_MAX];
    for (uint32_t i = 0; i < look->count; i++) {
        kept_keyspace_layout(partition, i, said);
        if (strcmp(said, look->layouts[i]) != 0)
            return refuse_layout(look, i, said);
    }
    return KEYS_ARE_WELL;
}

static enum keys_found check_layout(const struct settings_keyspace *keyspace, const char *data)
{
    struct look look;
    struct err e = {0};
    enum keys_found status = KEYS_ARE_WELL;
    enum err_kind kind = look_find(&look, keyspace, data, &e);
    if (kind == ERR_NONE)
        kind = look_open(&look, &e);
    if (kind == ERR_NONE)
        status = compare_layouts(&look);
    else if (kind == ERR_INPUT)
        status = KEYS_ARE_DAMAGED;
    if (kind != ERR_NONE)
        fprintf(stderr, "%s: keyspaces.%s: its files could not be looked at: %s\n",
                kind == ERR_INPUT ? "error" : "warning", keyspace->name, e.story);
    look_close(&look);
    return status;
}

enum keys_found keys_check_layouts(const struct settings *settings)
{
    enum keys_found status = KEYS_ARE_WELL;
    for (size_t i = 0; i < settings->keyspaces_count; i++) {
        const struct settings_keyspace *keyspace = &settings->keyspaces[i];
        if (is_on_disk(keyspace) && !lmdb_is_built) {
            fprintf(stderr,
                    "error: keyspaces.%s: engine lmdb is not in this build; it was built with "
                    "-Dlmdb=disabled\n",
                    keyspace->name);
            status = KEYS_LIE_OTHERWISE;
        } else if (is_on_disk(keyspace)) {
            const enum keys_found found = check_layout(keyspace, settings->data_path);
            status = found > status ? found : status;
        }
    }
    return status;
}

/* ---- deep ---- */

struct shown {
    const struct look *look;
    uint32_t           number;
    uint64_t           count;
};

static void show_finding(void *self, const char *sentence)
{
    struct shown *shown = self;
    if (++shown->count <= FINDINGS_SHOWN_MAX)
        printf("%s/%04u: %s\n", shown->look->settings->name, shown->number, sentence);
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void show_sums(const struct shown *shown, const struct lmdb_checked *checked)
{
    const char *name = shown->look->settings->name;
    if (shown->count > FINDINGS_SHOWN_MAX)
        printf("%s/%04u: and %" PRIu64 " more\n", name, shown->number,
               shown->count - FINDINGS_SHOWN_MAX);
    printf("%s/%04u: %s%" PRIu64 " key%s, %" PRIu64 " member%s, %" PRIu64 " chunk%s, %" PRIu64
           " page%s",
           name, shown->number, checked->findings == 0 ? "ok: " : "", checked->keys,
           plural(checked->keys), checked->members, plural(checked->members), checked->chunks,
           plural(checked->chunks), checked->pages, plural(checked->pages));
    if (checked->findings > 0)
        printf("; DAMAGED: %" PRIu64 " finding%s", checked->findings, plural(checked->findings));
    putchar('\n');
}

/* False: something is damaged, or could not be looked at. */
static bool check_shard(const struct look *look, uint32_t number)
{
    struct lmdb_shard shard;
    struct lmdb_checked checked;
    struct shown shown = {look, number, 0};
    struct err e = {0};
    const struct lmdb_settings with = look_settings(look, number);
    enum err_kind kind = lmdb_shard_look(&shard, &with, &e);
    if (kind == ERR_NONE) {
        kind = lmdb_check(&shard, show_finding, &shown, &checked, &e);
        lmdb_shard_close(&shard);
    }
    if (kind == ERR_NONE)
        show_sums(&shown, &checked);
    else
        printf("%s/%04u: %s: %s\n", look->settings->name, number,
               kind == ERR_INPUT ? "DAMAGED" : "cannot be checked", e.story);
    (void)fflush(stdout); /* the next one may take a while */
    return kind == ERR_NONE && checked.findings == 0;
}

static bool check_keyspace(const struct settings_keyspace *keyspace, const char *data)
{
    struct look look;
    struct err e = {0};
    bool is_well = true;
    const enum err_kind kind = look_find(&look, keyspace, data, &e);
    if (kind != ERR_NONE || look.count == 0) {
        printf("%s: cannot be checked: %s%s\n", keyspace->name,
               kind != ERR_NONE ? e.story : "it has no keys yet: there is nothing in ",
               kind != ERR_NONE ? "" : look.folder);
        return false;
    }
    const uint32_t count =
        look.count > keyspace->shards_count ? look.count : keyspace->shards_count;
    for (uint32_t i = 0; i < count; i++)
        is_well = check_shard(&look, i) && is_well;
    return is_well;
}

enum keys_found keys_check_deep(const struct settings *settings)
{
    bool is_well = true;
    size_t count = 0;
    if (!lmdb_is_built)
        return KEYS_ARE_WELL; /* keys_check_layouts() says so */
    for (size_t i = 0; i < settings->keyspaces_count; i++) {
        if (!is_on_disk(&settings->keyspaces[i]))
            continue;
        is_well = check_keyspace(&settings->keyspaces[i], settings->data_path) && is_well;
        count++;
    }
    if (count == 0)
        puts("no keyspace is on engine lmdb: there is nothing to check");
    return is_well ? KEYS_ARE_WELL : KEYS_ARE_DAMAGED;
}
