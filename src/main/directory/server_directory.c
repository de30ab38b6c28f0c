/* SPDX-License-Identifier: Apache-2.0 */
/* main/directory/server_directory.c - questions and orders about directories. */
#include "main/directory/server_directory.h"

#include "core/mem.h"
#include "core/quote.h"
#include "main/directory/change.h"
#include "main/directory/show.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHANGES_KEPT = 16, /* that can still be asked about */
    STATUS_OK = 200,
    STATUS_BAD = 400,
    STATUS_NOT_FOUND = 404,
    STATUS_BUSY = 409,
    STATUS_LATER = 503,
    QUOTED_BYTES_MAX = 4 * FACTS_PREFIX_BYTES_MAX + 128,
};

struct server_directory {
    struct change changes[CHANGES_KEPT]; /* that of number n at n % CHANGES_KEPT */
    uint64_t      count;                 /* ever; the last one has this number */
    pthread_t     thread;                /* of the last one */
    bool          has_thread;
};

static unsigned refuse(FILE *out, unsigned status, const char *why)
{
    fprintf(out, "error: %s\n", why);
    return status;
}

static const char *value_of(const struct admin_query *query, const char *name)
{
    for (size_t i = 0; i < query->count; i++)
        if (strcmp(query->at[i].name, name) == 0)
            return query->at[i].value;
    return NULL;
}

static unsigned write_json(json_t *all, FILE *out)
{
    if (all == NULL)
        return refuse(out, STATUS_LATER, "no memory");
    (void)json_dumpf(all, out, JSON_INDENT(1));
    fputc('\n', out);
    json_decref(all);
    return STATUS_OK;
}

struct kept_keyspace *server__find_keyspace(const struct server *server, const char *name)
{
    const struct generation *generation = server->generation;
    for (size_t i = 0; i < generation->settings->keyspaces_count; i++)
        if (strcmp(generation->settings->keyspaces[i].name, name) == 0)
            return generation->keyspaces[i];
    return NULL;
}

/* What a query is about. */
struct asked {
    struct kept_keyspace *keyspace;
    struct bytes          rest; /* a prefix or key, without the keyspace's name */
    uint8_t               bytes[QUOTED_BYTES_MAX];
};

/* NULL: well, else what is wrong. */
static const char *read_prefix(struct asked *asked, const char *text)
{
    size_t count;
    if (text == NULL)
        return "prefix= is missing";
    if (strlen(text) >= sizeof asked->bytes)
        return "a prefix has at most 1024 bytes";
    if (!quote_read(text, asked->bytes, &count))
        return "the prefix is not quoted rightly";
    const struct bytes whole = {asked->bytes, count};
    const size_t name_bytes = asked->keyspace->partition->name_bytes;
    const bool has_name = name_bytes > 0 && count >= name_bytes &&
                          memcmp(whole.at, asked->keyspace->kept.name, name_bytes - 1) == 0 &&
                          whole.at[name_bytes - 1] == ':';
    asked->rest = has_name ? partition_rest(asked->keyspace->partition, whole) : whole;
    return asked->rest.count == 0 ? "the prefix is empty" : NULL;
}

static const char *read_keyspace(const struct server *server, const struct admin_query *query,
                                 struct asked *asked)
{
    const char *name = value_of(query, "keyspace");
    asked->keyspace = name == NULL ? NULL : server__find_keyspace(server, name);
    if (asked->keyspace == NULL)
        return "there is no keyspace of that name";
    if (asked->keyspace->partition->strategy != &partition_directory)
        return "that keyspace has no directory: it is not `partition: directory`";
    return NULL;
}

/* ---- what they say ---- */

static unsigned show(const struct asked *asked, bool is_list, FILE *out)
{
    struct facts facts;
    struct err e = {0};
    if (facts_load(&facts, asked->keyspace->data, &e) != ERR_NONE)
        return refuse(out, STATUS_LATER, e.story);
    const struct shown_directory shown = {asked->keyspace->kept.name, asked->keyspace->partition,
                                          &facts};
    pthread_mutex_lock(&asked->keyspace->layout_lock);
    json_t *all = is_list ? show_list(&shown) : show_entry(&shown, asked->rest);
    pthread_mutex_unlock(&asked->keyspace->layout_lock);
    facts_fini(&facts);
    return write_json(all, out);
}

static unsigned show_change(const struct server *server, const char *id, FILE *out)
{
    struct server_directory *directory = server->directory;
    const uint64_t number = strtoull(id, NULL, 10);
    if (directory == NULL || number == 0 || number > directory->count ||
        number + CHANGES_KEPT <= directory->count)
        return refuse(out, STATUS_NOT_FOUND, "there is no such change, or it was long ago");
    const struct change *change = &directory->changes[number % CHANGES_KEPT];
    const bool is_done = atomic_load(&change->is_done);
    return write_json(json_pack("{s:I, s:b, s:b, s:s}", "id", (json_int_t)number, "done", is_done,
                                "ok", is_done && change->is_ok, "text",
                                is_done ? change->text : ""),
                      out);
}

unsigned server__show_directory(void *self, const struct admin_query *query, FILE *out)
{
    const struct server *server = self;
    const char *id = value_of(query, "id"), *verb = value_of(query, "do");
    struct asked asked;
    if (id != NULL)
        return show_change(server, id, out);
    const bool is_list = verb != NULL && strcmp(verb, "list") == 0;
    if (!is_list && (verb == NULL || strcmp(verb, "get") != 0))
        return refuse(out, STATUS_BAD, "do= is list or get");
    const char *wrong = read_keyspace(server, query, &asked);
    if (wrong == NULL && !is_list)
        wrong = read_prefix(&asked, value_of(query, "prefix"));
    return wrong != NULL ? refuse(out, STATUS_BAD, wrong) : show(&asked, is_list, out);
}

/* ---- changes ---- */

static const char *read_shard(const struct admin_query *query, const struct asked *asked,
                              uint32_t *shard)
{
    const char *verb = value_of(query, "do"), *text = value_of(query, "shard");
    char *end;
    *shard = PARTITION_NO_SHARD;
    if (verb != NULL && strcmp(verb, "unset") == 0)
        return NULL;
    if (verb == NULL || strcmp(verb, "set") != 0)
        return "do= is set or unset";
    if (text == NULL || text[0] < '0' || text[0] > '9')
        return "a shard is a number from 0 on";
    const unsigned long number = strtoul(text, &end, 10);
    if (*end != '\0')
        return "a shard is a number from 0 on";
    if (number >= asked->keyspace->partition->shards_count)
        return "the keyspace has no shard of that number: they are counted from 0";
    *shard = (uint32_t)number;
    return NULL;
}

static void *carry_out(void *change)
{
    change_run(change);
    return NULL;
}

/* The one before is done. */
static void join_last(struct server_directory *directory)
{
    if (directory->has_thread)
        pthread_join(directory->thread, NULL);
    directory->has_thread = false;
}

static bool is_busy(const struct server_directory *directory)
{
    return directory->count > 0 &&
           !atomic_load(&directory->changes[directory->count % CHANGES_KEPT].is_done);
}

static unsigned begin(struct server *server, const struct asked *asked, uint32_t shard, FILE *out)
{
    struct server_directory *directory = server->directory;
    struct change *change = &directory->changes[(directory->count + 1) % CHANGES_KEPT];
    const struct change_order order = {
        .keyspace = asked->keyspace,
        .data = asked->keyspace->data,
        .prefix = asked->rest,
        .shard = shard,
        .workers = server->workers,
        .workers_count = server->workers_count,
        .control = &server->control,
    };
    join_last(directory);
    change_fini(change);
    if (!change_init(change, &order))
        return refuse(out, STATUS_BAD, "a prefix has at most 1024 bytes");
    kept_ref(&asked->keyspace->kept);
    if (pthread_create(&directory->thread, NULL, carry_out, change) != 0) {
        change_fini(change);
        return refuse(out, STATUS_LATER, "a thread could not be started");
    }
    directory->has_thread = true;
    directory->count++;
    return write_json(json_pack("{s:I}", "id", (json_int_t)directory->count), out);
}

unsigned server__change_directory(void *self, const struct admin_query *query, FILE *out)
{
    struct server *server = self;
    struct asked asked;
    uint32_t shard;
    const char *wrong = read_keyspace(server, query, &asked);
    if (wrong == NULL)
        wrong = read_prefix(&asked, value_of(query, "prefix"));
    if (wrong == NULL)
        wrong = read_shard(query, &asked, &shard);
    if (wrong != NULL)
        return refuse(out, STATUS_BAD, wrong);
    if (server->directory == NULL)
        server->directory = mem_alloc(sizeof *server->directory);
    if (server->is_stopping || server->directory == NULL)
        return refuse(out, STATUS_LATER, "the server stops, or has no memory");
    if (is_busy(server->directory))
        return refuse(out, STATUS_BUSY, "another change is under way; try again");
    return begin(server, &asked, shard, out);
}

void server__end_directory(struct server *server)
{
    struct server_directory *directory = server->directory;
    if (directory == NULL)
        return;
    for (unsigned i = 0; i < CHANGES_KEPT; i++)
        atomic_store(&directory->changes[i].is_cancelled, true);
    join_last(directory);
    for (unsigned i = 0; i < CHANGES_KEPT; i++)
        change_fini(&directory->changes[i]);
    mem_free(directory);
    server->directory = NULL;
}
