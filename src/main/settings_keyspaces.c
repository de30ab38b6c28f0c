/* SPDX-License-Identifier: Apache-2.0 */
/* main/settings_keyspaces.c - keyspaces as the file says them become layouts, or complaints. */
#include "main/settings_keys.h"

#include <stdio.h>

enum { PATH_BYTES = 256 };

static const struct partition_strategy *const strategies[] = {
#define X(name, gist) &partition_##name,
    PARTITION_STRATEGIES(X)
#undef X
};

const struct config_choice keyspace_partitions[] = {
#define X(name, gist) {#name, gist},
    PARTITION_STRATEGIES(X)
#undef X
    {.name = NULL},
};

struct checker {
    struct settings      *settings;
    struct config_errors *errors;
};

static void complain(const struct checker *checker, const char *keyspace, const char *key,
                     const char *hint, const char *message)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "keyspaces.%s%s%s", keyspace, key[0] == '\0' ? "" : ".", key);
    config_complain(
        checker->settings->config, checker->errors,
        &(struct config_complaint){.path = path, .part = CONFIG_PART_VALUE, .hint = hint}, "%s",
        message);
}

/* False: no memory, complained of. */
static bool fill_splits(const struct checker *checker, struct settings_keyspace *keyspace)
{
    struct bytes *splits =
        config_allocate(checker->settings->config, (keyspace->splits_count + 1) * sizeof *splits);
    if (splits == NULL) {
        complain(checker, keyspace->name, "splits", NULL, "out of memory");
        return false;
    }
    for (size_t i = 0; i < keyspace->splits_count; i++)
        splits[i] = bytes_of(keyspace->splits[i].key);
    if (keyspace->splits_count > 0)
        keyspace->partition.splits = splits;
    return true;
}

static bool fill_directory(const struct checker *checker, struct settings_keyspace *keyspace)
{
    struct partition_entry *entries = config_allocate(
        checker->settings->config, (keyspace->directory_count + 1) * sizeof *entries);
    if (entries == NULL) {
        complain(checker, keyspace->name, "directory", NULL, "out of memory");
        return false;
    }
    for (size_t i = 0; i < keyspace->directory_count; i++)
        entries[i] = (struct partition_entry){.prefix = bytes_of(keyspace->directory[i].prefix),
                                              .shard = keyspace->directory[i].shard};
    keyspace->partition.entries = entries;
    keyspace->partition.entries_count = (uint32_t)keyspace->directory_count;
    return true;
}

/* Does the file say that of the keyspace's cache? */
static bool says(const struct checker *checker, const struct settings_keyspace *keyspace,
                 const char *key)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "keyspaces.%s.cache.%s", keyspace->name, key);
    return config_has(checker->settings->config, path);
}

/* A cache that is said and cannot be. */
static void check_cache(const struct checker *checker, const struct settings_keyspace *keyspace)
{
    const bool has_memory = keyspace->cache.memory_bytes != CONFIG_NONE;
    if (has_memory && keyspace->engine == KEYSPACE_MEMORY)
        complain(checker, keyspace->name, "cache", "leave it out, or say `engine: lmdb`",
                 "engine memory is a cache by itself: another before it would only take memory");
    else if (says(checker, keyspace, "for") && !says(checker, keyspace, "memory"))
        complain(checker, keyspace->name, "cache", "as in {memory: 64MiB, for: 1s}",
                 "a cache needs to be told how much memory it may take");
}

static void check_keyspace(const struct checker *checker, struct settings_keyspace *keyspace)
{
    check_cache(checker, keyspace);
    const bool is_range = strategies[keyspace->strategy] == &partition_range;
    keyspace->partition = (struct partition){
        .strategy = strategies[keyspace->strategy],
        .shards_count = keyspace->shards_count,
        .name_bytes = strcmp(keyspace->name, KEYSPACE_DEFAULT) == 0
                          ? 0
                          : (uint32_t)strlen(keyspace->name) + 1,
    };
    if (strlen(keyspace->name) > KEYSPACE_NAME_BYTES_MAX)
        complain(checker, keyspace->name, "", "at most 63 characters",
                 "the keyspace's name is too long");
    if (!fill_splits(checker, keyspace) || !fill_directory(checker, keyspace))
        return;
    if (is_range && keyspace->splits_count + 1 != keyspace->shards_count) {
        complain(checker, keyspace->name, keyspace->splits_count > 0 ? "splits" : "shards",
                 "say one split fewer than shards: the first key of every shard but the first",
                 "ranges need as many splits as there are borders between shards");
        return;
    }
    const char *wrong = partition_check(&keyspace->partition);
    if (wrong != NULL)
        complain(checker, keyspace->name, keyspace->directory_count > 0 ? "directory" : "splits",
                 NULL, wrong);
}

/* A client connects to a host and a port; a socket's path and a record of DNS are neither. */
static void check_announced(const struct checker *checker)
{
    const struct config_address *address = &checker->settings->redis.announce;
    if (address->kind == CONFIG_ADDRESS_SRV || address->kind == CONFIG_ADDRESS_UNIX)
        config_complain(checker->settings->config, checker->errors,
                        &(struct config_complaint){.path = "redis.announce",
                                                   .part = CONFIG_PART_VALUE,
                                                   .hint = "say host and port, as 10.0.0.1:6380"},
                        "redis.announce cannot be `%s`", address->text);
}

void settings__check_keyspaces(struct settings *settings, struct config_errors *errors)
{
    const struct checker checker = {.settings = settings, .errors = errors};
    check_announced(&checker);
    for (size_t i = 0; i < settings->keyspaces_count; i++)
        check_keyspace(&checker, &settings->keyspaces[i]);
}
