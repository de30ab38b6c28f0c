/* SPDX-License-Identifier: Apache-2.0 */
/* main/explain/explain_key.c - keyspace, place and file of a key, and the command line to it. */
#include "main/explain/explain_key.h"

#include "main/directory/show.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define NO_KEYSPACE                                                                                \
    "no keyspace has this key: a key begins with a keyspace's name and a colon, as in "            \
    "'carts:42'; name one of the file, add one, or add the keyspace 'default', which takes all "   \
    "others"

static const char *engine_word(enum keyspace_engine engine)
{
    static const char *const words[] = {
#define X(enumerator, name, gist) [enumerator] = name,
        KEYSPACE_ENGINES(X)
#undef X
    };
    return words[engine];
}

const struct settings_keyspace *explain_key_find(const struct settings *settings, struct bytes key)
{
    const uint8_t *colon = key.count == 0 ? NULL : memchr(key.at, ':', key.count);
    const struct settings_keyspace *fallback = NULL;
    for (size_t i = 0; i < settings->keyspaces_count; i++) {
        const struct settings_keyspace *keyspace = &settings->keyspaces[i];
        if (colon != NULL &&
            bytes_equal(bytes_of(keyspace->name), (struct bytes){key.at, (size_t)(colon - key.at)}))
            return keyspace;
        if (strcmp(keyspace->name, KEYSPACE_DEFAULT) == 0)
            fallback = keyspace;
    }
    return fallback;
}

/* As a whole path, where the folder is there already. */
static json_t *file_of(const struct explained_key *explained, uint32_t shard)
{
    char whole[PATH_MAX], file[PATH_MAX + 128];
    if (explained->engine != KEYSPACE_LMDB)
        return json_null();
    const char *data = realpath(explained->data, whole);
    (void)snprintf(file, sizeof file, "%s/keys/%s/%04u/data.mdb",
                   data == NULL ? explained->data : data, explained->keyspace->name, shard);
    return json_string(file);
}

/* ---- the command line ---- */

static bool is_for_shell(struct bytes bytes)
{
    for (size_t i = 0; i < bytes.count; i++)
        if (!isalnum(bytes.at[i]) && strchr("_@%+=:,./-", bytes.at[i]) == NULL)
            return false;
    return bytes.count > 0 && memchr(bytes.at, 0, bytes.count) == NULL;
}

/* As bash takes it. */
static void write_for_shell(FILE *out, struct bytes bytes)
{
    if (is_for_shell(bytes)) {
        (void)fwrite(bytes.at, 1, bytes.count, out);
        return;
    }
    fputs("$'", out);
    for (size_t i = 0; i < bytes.count; i++) {
        const uint8_t byte = bytes.at[i];
        if (byte < ' ' || byte > '~' || byte == '\'' || byte == '\\')
            fprintf(out, "\\x%02x", byte);
        else
            fputc(byte, out);
    }
    fputc('\'', out);
}

static void write_where(FILE *out, const struct config_address *address)
{
    if (address->kind == CONFIG_ADDRESS_UNIX) {
        fprintf(out, "redis-cli -s %s", address->host);
        return;
    }
    fputs("redis-cli", out);
    if (!address->every && strcmp(address->host, "127.0.0.1") != 0 &&
        strcmp(address->host, "0.0.0.0") != 0)
        fprintf(out, " -h %s", address->host);
    fprintf(out, " -p %u", address->port);
}

/* Type, what reads it whole, and what follows the key. */
static const char *const readers[][3] = {
    {"string", "GET", ""},
    {"hash", "HGETALL", ""},
    {"list", "LRANGE", " 0 -1"},
    {"set", "SMEMBERS", ""},
    {"zset", "ZRANGE", " 0 -1 WITHSCORES"},
};

static void write_command(FILE *out, struct bytes key, const char *type)
{
    const char *const *reader = NULL;
    for (size_t i = 0; type != NULL && i < sizeof readers / sizeof *readers; i++)
        if (strcmp(readers[i][0], type) == 0)
            reader = readers[i];
    fprintf(out, " %s ", reader == NULL ? "TYPE" : reader[1]);
    write_for_shell(out, key);
    fputs(reader == NULL ? "" : reader[2], out);
}

json_t *explain_key_command(const struct settings *settings, struct bytes key, const char *type)
{
    char *text = NULL;
    size_t bytes = 0;
    const struct config_address *address = NULL;
    for (size_t i = 0; address == NULL && i < settings->listeners_count; i++)
        if (settings->listeners[i].dialect == LISTENER_REDIS)
            address = settings->listeners[i].address;
    FILE *out = address == NULL ? NULL : open_memstream(&text, &bytes);
    if (out == NULL)
        return json_null();
    write_where(out, address);
    write_command(out, key, type);
    json_t *command = fclose(out) == 0 ? json_string(text) : json_null();
    free(text); /* open_memstream()'s */
    return command;
}

/* ---- the whole ---- */

json_t *explain_key(const struct explained_key *explained)
{
    if (explained->keyspace == NULL)
        return json_pack("{s:o, s:n, s:s}", "key", show_quoted(explained->key), "keyspace", "why",
                         NO_KEYSPACE);
    const struct partition *partition = explained->partition;
    const uint32_t shard = partition_shard_of(partition, explained->key);
    return json_pack("{s:o, s:s, s:s, s:o, s:i, s:i, s:s, s:o, s:i, s:o, s:b}", "key",
                     show_quoted(explained->key), "keyspace", explained->keyspace->name,
                     "partition", partition->strategy->name, "why",
                     show_why(partition, partition_rest(partition, explained->key)), "shard",
                     (int)shard, "shards", (int)partition->shards_count, "engine",
                     engine_word(explained->engine), "file", file_of(explained, shard), "copies", 1,
                     "command", explain_key_command(explained->settings, explained->key, NULL),
                     "live", false);
}
