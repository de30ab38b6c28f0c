/* SPDX-License-Identifier: Apache-2.0 */
/* main/explain/server_explain.c - asks a worker for a key, and says what it said. */
#include "main/explain/server_explain.h"

#include "core/mem.h"
#include "core/quote.h"
#include "core/units.h"
#include "main/assemble_keys.h"
#include "main/directory/server_directory.h"
#include "main/explain/explain_key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    WAIT_S = 2, /* for a worker's answer, which takes microseconds */
    ANSWER_BYTES_MAX = 4096,
    ASKED_COUNT = 2,
    STATUS_OK = 200,
    STATUS_BAD = 400,
    STATUS_LATER = 503,
};

/* What is asked, in this order. */
static const enum command_number asked[ASKED_COUNT] = {COMMAND_IS_TYPE, COMMAND_IS_PEXPIRETIME};

/* One command on its way. */
struct asking {
    struct key_op   op;
    struct resp_out out;
    struct bytes    args[2];
    struct inquiry *inquiry;
};

/* Held by the control thread and by each op that is not answered; the last one frees it. */
struct inquiry {
    _Atomic uint32_t refs_count;
    sem_t            answered; /* once for each */
    bool             is_stopping;
    size_t           key_bytes;
    struct asking    askings[ASKED_COUNT];
    uint8_t          key[];
};

static void let_go(struct inquiry *inquiry)
{
    if (atomic_fetch_sub(&inquiry->refs_count, 1) != 1)
        return;
    for (unsigned i = 0; i < ASKED_COUNT; i++)
        resp_out_fini(&inquiry->askings[i].out);
    sem_destroy(&inquiry->answered);
    mem_free(inquiry);
}

static bool already_apart(struct key_op *op)
{
    op->is_apart = true;
    return true;
}

static void answered(struct key_op *op)
{
    struct inquiry *inquiry = list_item(op, struct asking, op)->inquiry;
    sem_post(&inquiry->answered);
    let_go(inquiry);
}

static void ask_one(struct inquiry *inquiry, unsigned index, struct key_door *door)
{
    struct asking *asking = &inquiry->askings[index];
    const struct command *command = &commands[asked[index]];
    asking->inquiry = inquiry;
    asking->args[0] = bytes_of(command->name);
    asking->args[1] = (struct bytes){inquiry->key, inquiry->key_bytes};
    asking->op = (struct key_op){
        .command = command,
        .args = asking->args,
        .args_count = 2,
        .what = KEY_OP_COMMAND,
        .is_apart = true,
        .now_ms = clock_wall_ns() / NS_PER_MS,
        .out = &asking->out,
        .set_apart = already_apart,
        .done = answered,
    };
    link_init(&asking->op.link);
    key_door_submit(door, &asking->op);
}

static void ask(struct worker_thread *thread, void *argument)
{
    struct inquiry *inquiry = argument;
    inquiry->is_stopping = thread->path == NULL;
    for (unsigned i = 0; i < ASKED_COUNT && !inquiry->is_stopping; i++) {
        atomic_fetch_add(&inquiry->refs_count, 1);
        ask_one(inquiry, i, path_keys(thread->path)->door);
    }
}

static bool await(struct inquiry *inquiry)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    for (unsigned i = 0; i < ASKED_COUNT; i++)
        while (sem_timedwait(&inquiry->answered, &until) != 0)
            if (errno != EINTR)
                return false;
    return true;
}

/* ---- what was said ---- */

/* The answer without its kind and line's end, in @text. False: there is none, or another kind; then
 * @text says it. */
static bool read_answer(const struct asking *asking, char kind, char text[ANSWER_BYTES_MAX])
{
    const struct resp_out *out = &asking->out;
    (void)snprintf(text, ANSWER_BYTES_MAX, "no memory");
    if (out->failed || out->buf == NULL || out->used < 3)
        return false;
    (void)snprintf(text, ANSWER_BYTES_MAX, "%.*s", (int)out->used - 3,
                   (const char *)out->buf->data + 1);
    return out->buf->data[0] == (uint8_t)kind;
}

static void add_trouble(json_t *all, const char *trouble)
{
    (void)json_object_set_new(all, "trouble", json_string(trouble));
}

static void add_answers(const struct inquiry *inquiry, const struct settings *settings, json_t *all)
{
    char type[ANSWER_BYTES_MAX], expiry[ANSWER_BYTES_MAX];
    if (!read_answer(&inquiry->askings[0], '+', type)) {
        add_trouble(all, type);
        return;
    }
    if (!read_answer(&inquiry->askings[1], ':', expiry)) {
        add_trouble(all, expiry);
        return;
    }
    const bool is_there = strcmp(type, "none") != 0;
    const long long expires_ms = strtoll(expiry, NULL, 10);
    const struct bytes key = {inquiry->key, inquiry->key_bytes};
    (void)json_object_set_new(all, "there", json_boolean(is_there));
    (void)json_object_set_new(all, "type", is_there ? json_string(type) : json_null());
    (void)json_object_set_new(all, "expires_ms",
                              expires_ms < 0 ? json_null() : json_integer(expires_ms));
    (void)json_object_set_new(all, "command", explain_key_command(settings, key, type));
}

/* Adds what a worker says of the key. */
static void inquire(struct server *server, struct bytes key, json_t *all)
{
    struct inquiry *inquiry = mem_alloc(sizeof *inquiry + key.count + 1);
    if (inquiry == NULL) {
        add_trouble(all, "no memory");
        return;
    }
    atomic_init(&inquiry->refs_count, 1);
    sem_init(&inquiry->answered, 0, 0);
    inquiry->key_bytes = key.count;
    memcpy(inquiry->key, key.at, key.count);
    for (unsigned i = 0; i < ASKED_COUNT; i++)
        resp_out_init(&inquiry->askings[i].out, 2, ANSWER_BYTES_MAX, NULL);
    worker_thread_run(&server->workers[0], ask, inquiry);
    if (inquiry->is_stopping)
        add_trouble(all, "the server stops");
    else if (!await(inquiry))
        add_trouble(all, "the shard has not answered yet");
    else
        add_answers(inquiry, server->generation->settings, all);
    let_go(inquiry);
}

static json_t *explain(struct server *server, struct bytes key)
{
    const struct settings *settings = server->generation->settings;
    struct explained_key explained = {
        .settings = settings, .keyspace = explain_key_find(settings, key), .key = key};
    if (explained.keyspace == NULL)
        return explain_key(&explained);
    struct kept_keyspace *kept =
        server->generation->keyspaces[explained.keyspace - settings->keyspaces];
    explained.partition = kept->partition;
    explained.engine = kept->engine;
    explained.data = kept->data;
    pthread_mutex_lock(&kept->layout_lock);
    json_t *all = explain_key(&explained);
    pthread_mutex_unlock(&kept->layout_lock);
    if (all != NULL) {
        (void)json_object_set_new(all, "live", json_true());
        inquire(server, key, all);
    }
    return all;
}

unsigned server__explain_any(void *self, const struct admin_query *query, FILE *out)
{
    const char *text = NULL;
    for (size_t i = 0; i < query->count; i++)
        if (strcmp(query->at[i].name, "key") == 0)
            text = query->at[i].value;
    if (text == NULL)
        return server__explain(self, query, out);
    uint8_t *bytes = mem_alloc(strlen(text) + 1);
    size_t count;
    if (bytes == NULL || !quote_read(text, bytes, &count)) {
        fprintf(out, "error: %s\n", bytes == NULL ? "no memory" : "the key is not quoted rightly");
        mem_free(bytes);
        return bytes == NULL ? STATUS_LATER : STATUS_BAD;
    }
    json_t *all = explain(self, (struct bytes){bytes, count});
    (void)json_dumpf(all, out, JSON_INDENT(1));
    fputc('\n', out);
    json_decref(all);
    mem_free(bytes);
    return all == NULL ? STATUS_LATER : STATUS_OK;
}
