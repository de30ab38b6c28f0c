/* SPDX-License-Identifier: Apache-2.0 */
/* cache/keys/key_cache_testing.h - for tests: a store and an engine that are fakes, stages of two
 * workers over them, and ops made of words.
 *
 * The engine holds numbers under keys of one letter. It answers at once, or, if it is late, carries
 * an op out when the test says so and answers when the test says so.
 *
 * Threads: the store any; the engine one, while it is late. */
#ifndef PANDO_CACHE_KEYS_KEY_CACHE_TESTING_H
#define PANDO_CACHE_KEYS_KEY_CACHE_TESTING_H

#include "cache/keys/key_cache_stage.h"
#include "core/units.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    FAKE_CELLS = 64,
    FAKE_KEYS = 26,
    FAKE_ARGS = 8,
    FAKE_PARTS = 4,
    FAKE_WORDS_BYTES = 96,
    FAKE_STAGES = 2,
    FAKE_NOW_MS = 1000000,
};

/* ---- the store: HGET, HSET, PEXPIREAT key ms LT, DEL ---- */

struct fake_cell {
    bool     is_there;
    uint64_t expires_ms; /* of the key; 0: never */
    size_t   key_bytes, field_bytes, value_bytes;
    uint8_t  key[32], field[1200], value[1200];
};

struct fake_store {
    struct key_door  door; /* first */
    pthread_mutex_t  lock;
    bool             is_full; /* takes nothing */
    struct fake_cell cells[FAKE_CELLS];
};

static inline bool fake_is(const uint8_t *at, size_t bytes, struct bytes other)
{
    return bytes == other.count && memcmp(at, other.at, bytes) == 0;
}

static inline struct fake_cell *fake_cell(struct fake_store *store, const struct key_op *op)
{
    for (unsigned i = 0; i < FAKE_CELLS; i++) {
        struct fake_cell *cell = &store->cells[i];
        if (cell->is_there && cell->expires_ms != 0 && cell->expires_ms <= op->now_ms)
            cell->is_there = false;
        if (cell->is_there && fake_is(cell->key, cell->key_bytes, op->args[1]) &&
            fake_is(cell->field, cell->field_bytes, op->args[2]))
            return cell;
    }
    return NULL;
}

static inline void fake_hset(struct fake_store *store, struct key_op *op)
{
    struct fake_cell *cell = fake_cell(store, op);
    for (unsigned i = 0; cell == NULL && i < FAKE_CELLS; i++)
        if (!store->cells[i].is_there)
            cell = &store->cells[i];
    if (cell == NULL || store->is_full) {
        resp_error(op->out, "OOM there is no room");
        return;
    }
    *cell = (struct fake_cell){.is_there = true,
                               .key_bytes = op->args[1].count,
                               .field_bytes = op->args[2].count,
                               .value_bytes = op->args[3].count};
    cr_assert(cell->key_bytes <= sizeof cell->key && cell->field_bytes <= sizeof cell->field &&
              cell->value_bytes <= sizeof cell->value);
    memcpy(cell->key, op->args[1].at, cell->key_bytes);
    memcpy(cell->field, op->args[2].at, cell->field_bytes);
    memcpy(cell->value, op->args[3].at, cell->value_bytes);
    resp_integer(op->out, 1);
}

/* Each cell of the key; how many. */
static inline int64_t fake_each(struct fake_store *store, const struct key_op *op, uint64_t expires)
{
    int64_t count = 0;
    for (unsigned i = 0; i < FAKE_CELLS; i++) {
        struct fake_cell *cell = &store->cells[i];
        if (!cell->is_there || !fake_is(cell->key, cell->key_bytes, op->args[1]))
            continue;
        count++;
        if (expires == 0)
            cell->is_there = false;
        else if (cell->expires_ms == 0 || expires < cell->expires_ms)
            cell->expires_ms = expires;
    }
    return count;
}

static inline void fake_store_submit(struct key_door *door, struct key_op *op)
{
    struct fake_store *store = (struct fake_store *)(void *)door;
    int64_t expires = 0;
    pthread_mutex_lock(&store->lock);
    const struct fake_cell *cell;
    switch (op->command->number) {
    case COMMAND_IS_HGET:
        if ((cell = fake_cell(store, op)) != NULL)
            resp_bulk(op->out, (struct bytes){cell->value, cell->value_bytes});
        else
            resp_null(op->out);
        break;
    case COMMAND_IS_HSET: fake_hset(store, op); break;
    case COMMAND_IS_PEXPIREAT:
        cr_assert(bytes_read_int64(op->args[2], &expires) && expires > 0);
        resp_integer(op->out, fake_each(store, op, (uint64_t)expires));
        break;
    default:
        cr_assert(op->command->number == COMMAND_IS_DEL);
        resp_integer(op->out, fake_each(store, op, 0) > 0);
    }
    pthread_mutex_unlock(&store->lock);
    op->done(op);
}

/* ---- the engine ---- */

struct fake_value {
    bool     is_there;
    int64_t  number;
    uint64_t expires_ms;
};

struct fake_engine {
    struct key_door   door; /* first */
    bool              is_late;
    const char       *error;      /* that it answers to everything; NULL: none */
    bool              is_refused; /* that answer's */
    struct list       ops;        /* struct key_op that are not carried out */
    struct list       over;       /* that are not answered */
    unsigned          asked_count;
    struct fake_value values[FAKE_KEYS];
};

static inline struct fake_value *fake_value(struct fake_engine *engine, const struct key_op *op,
                                            uint32_t place)
{
    struct fake_value *value = &engine->values[op->args[place].at[0] - 'a'];
    if (value->expires_ms != 0 && value->expires_ms <= op->now_ms)
        *value = (struct fake_value){0};
    return value;
}

static inline void fake_get(struct fake_engine *engine, struct key_op *op)
{
    const struct fake_value *value = fake_value(engine, op, 1);
    op->fresh_until_ms = value->is_there ? value->expires_ms : 0;
    if (value->is_there)
        resp_bulk_integer(op->out, value->number);
    else
        resp_null(op->out);
}

static inline void fake_set(struct fake_engine *engine, struct key_op *op)
{
    struct fake_value value = {.is_there = true};
    int64_t expires = 0;
    cr_assert(bytes_read_int64(op->args[2], &value.number));
    if (op->args_count == 5 && bytes_read_int64(op->args[4], &expires))
        value.expires_ms = (uint64_t)expires;
    *fake_value(engine, op, 1) = value;
    resp_simple(op->out, "OK");
}

static inline void fake_run(struct fake_engine *engine, struct key_op *op)
{
    switch (op->command->number) {
    case COMMAND_IS_SET: fake_set(engine, op); break;
    case COMMAND_IS_MSET:
        for (uint32_t i = 1; i + 1 < op->args_count; i += 2) {
            struct fake_value *value = fake_value(engine, op, i);
            *value = (struct fake_value){.is_there = true};
            cr_assert(bytes_read_int64(op->args[i + 1], &value->number));
        }
        resp_simple(op->out, "OK");
        break;
    case COMMAND_IS_RENAME:
    case COMMAND_IS_COPY:
        *fake_value(engine, op, 2) = *fake_value(engine, op, 1);
        resp_simple(op->out, "OK");
        break;
    case COMMAND_IS_SORT:
        cr_assert(op->args_count == 4);
        *fake_value(engine, op, 3) = *fake_value(engine, op, 1);
        resp_integer(op->out, 1);
        break;
    case COMMAND_IS_DEL:
        for (uint32_t i = 1; i < op->args_count; i++)
            *fake_value(engine, op, i) = (struct fake_value){0};
        resp_integer(op->out, 1);
        break;
    case COMMAND_IS_FLUSHALL:
        memset(engine->values, 0, sizeof engine->values);
        resp_simple(op->out, "OK");
        break;
    default: fake_get(engine, op);
    }
}

/* Carries it out. */
static inline void fake_do(struct fake_engine *engine, struct key_op *op)
{
    if (engine->error != NULL) {
        op->is_refused = engine->is_refused;
        resp_error(op->out, engine->error);
    } else if (op->what == KEY_OP_EXEC) {
        resp_array(op->out, op->parts_count);
        for (uint32_t i = 0; i < op->parts_count; i++)
            fake_run(engine, op->parts[i]);
    } else if (op->what == KEY_OP_COMMAND) {
        fake_run(engine, op);
    }
}

static inline void fake_engine_submit(struct key_door *door, struct key_op *op)
{
    struct fake_engine *engine = (struct fake_engine *)(void *)door;
    engine->asked_count++;
    if (!engine->is_late) {
        fake_do(engine, op);
        op->done(op);
        return;
    }
    cr_assert(op->is_apart || op->set_apart(op));
    list_add_last(&engine->ops, &op->link);
}

/* Carries the oldest op out, which is answered later. */
static inline void fake_carry_out(struct fake_engine *engine)
{
    struct list_link *link = list_first(&engine->ops);
    cr_assert(link != NULL, "nothing was asked");
    list_remove(link);
    fake_do(engine, list_item(link, struct key_op, link));
    list_add_last(&engine->over, link);
}

/* Answers what was carried out first. */
static inline void fake_answer(struct fake_engine *engine)
{
    struct list_link *link = list_first(&engine->over);
    cr_assert(link != NULL, "nothing was carried out");
    list_remove(link);
    struct key_op *op = list_item(link, struct key_op, link);
    op->done(op);
}

static inline void fake_carry_out_and_answer(struct fake_engine *engine)
{
    fake_carry_out(engine);
    fake_answer(engine);
}

/* ---- all of it, and ops ---- */

struct fake_asked {
    struct key_op   op;
    struct resp_out out;
    struct bytes    args[FAKE_ARGS];
    char            words[FAKE_WORDS_BYTES];
    struct key_op  *parts[FAKE_PARTS];
    bool            is_done;
    bool            has_no_memory; /* cannot be made apart */
};

struct fakes {
    struct loop            loop;
    struct fake_store      store;
    struct fake_engine     engine;
    struct key_cache      *cache;
    struct key_cache_stage stages[FAKE_STAGES];
    uint64_t               now_ms;
};

static inline void fakes_begin_with(struct fakes *f, const struct key_cache_options *options)
{
    struct err e;
    *f = (struct fakes){.now_ms = FAKE_NOW_MS};
    cr_assert(loop_open(&f->loop, "epoll", &e) == ERR_NONE);
    f->store.door.submit = fake_store_submit;
    f->engine.door.submit = fake_engine_submit;
    pthread_mutex_init(&f->store.lock, NULL);
    list_init(&f->engine.ops);
    list_init(&f->engine.over);
    f->cache = key_cache_new(options);
    cr_assert(f->cache != NULL);
    for (unsigned i = 0; i < FAKE_STAGES; i++)
        key_cache_stage_init(&f->stages[i],
                             &(struct key_cache_stage_options){.cache = f->cache,
                                                               .behind = &f->engine.door,
                                                               .store = &f->store.door,
                                                               .loop = &f->loop});
}

static inline void fakes_begin(struct fakes *f)
{
    fakes_begin_with(f, &(struct key_cache_options){.for_ns = NS_PER_S,
                                                    .answer_bytes_max = 1000,
                                                    .waiters_max = 100,
                                                    .hash_key = {{1, 2}}});
}

static inline void fakes_end(struct fakes *f)
{
    for (unsigned i = 0; i < FAKE_STAGES; i++)
        key_cache_stage_fini(&f->stages[i]);
    key_cache_free(f->cache);
    pthread_mutex_destroy(&f->store.lock);
    loop_close(&f->loop);
}

/* What is posted is done; the time of the loop stays what it was. */
static inline void fakes_turn(struct fakes *f)
{
    const uint64_t now_ns = f->loop.now_ns;
    for (int i = 0; i < 3; i++)
        loop_turn(&f->loop, clock_monotonic_ns());
    f->loop.now_ns = now_ns;
}

static inline void fakes_pass(struct fakes *f, uint64_t ms)
{
    f->now_ms += ms;
    f->loop.now_ns += ms * NS_PER_MS;
}

static inline void fake_done(struct key_op *op)
{
    struct fake_asked *asked = list_item(op, struct fake_asked, op);
    cr_assert(!asked->is_done, "done once");
    asked->is_done = true;
}

static inline bool fake_set_apart(struct key_op *op)
{
    op->is_apart = !list_item(op, struct fake_asked, op)->has_no_memory;
    return op->is_apart;
}

/* An op of @words with spaces between them. */
static inline struct fake_asked *fake_prepare(const struct fakes *f, const char *words)
{
    struct fake_asked *asked = calloc(1, sizeof *asked);
    cr_assert(asked != NULL && strlen(words) < sizeof asked->words);
    strcpy(asked->words, words);
    asked->op = (struct key_op){.args = asked->args,
                                .now_ms = f->now_ms,
                                .out = &asked->out,
                                .set_apart = fake_set_apart,
                                .done = fake_done};
    char *rest = asked->words;
    for (char *word; (word = strsep(&rest, " ")) != NULL;) {
        cr_assert(asked->op.args_count < FAKE_ARGS);
        asked->args[asked->op.args_count++] = bytes_of(word);
    }
    asked->op.command = command_find(asked->args[0]);
    cr_assert(asked->op.command != NULL, "%s", words);
    resp_out_init(&asked->out, 2, 0, NULL);
    link_init(&asked->op.link);
    return asked;
}

static inline struct fake_asked *fake_ask(struct fakes *f, unsigned stage, const char *words)
{
    struct fake_asked *asked = fake_prepare(f, words);
    key_door_submit(&f->stages[stage].door, &asked->op);
    return asked;
}

/* An earlier op of the same client is under way. */
static inline struct fake_asked *fake_ask_behind(struct fakes *f, unsigned stage, const char *words)
{
    struct fake_asked *asked = fake_prepare(f, words);
    asked->op.is_behind = true;
    key_door_submit(&f->stages[stage].door, &asked->op);
    return asked;
}

/* EXEC of one command. */
static inline struct fake_asked *fake_exec(struct fakes *f, unsigned stage, struct fake_asked *part)
{
    struct fake_asked *asked = fake_prepare(f, "exec");
    asked->op.what = KEY_OP_EXEC;
    asked->op.parts = asked->parts;
    asked->op.parts_count = 1;
    asked->parts[0] = &part->op;
    part->op.out = &asked->out;
    key_door_submit(&f->stages[stage].door, &asked->op);
    return asked;
}

/* Its answer with spaces for line ends is @wanted ("$1 5 "); it is freed. */
static inline void fake_expect(struct fake_asked *asked, const char *wanted)
{
    char text[128] = "";
    cr_assert(asked->is_done, "%s has no answer yet", asked->words);
    cr_assert(asked->out.used < sizeof text);
    if (asked->out.used > 0)
        memcpy(text, asked->out.buf->data, asked->out.used);
    for (char *at = text; *at != '\0'; at++)
        if (*at == '\r' || *at == '\n') {
            *at = ' ';
            memmove(at + 1, at + 2, strlen(at + 1)); /* the other half of the line's end */
        }
    cr_assert_str_eq(text, wanted);
    resp_out_fini(&asked->out);
    free(asked);
}

/* The answer to @words, which comes at once. */
static inline void fake_expect_now(struct fakes *f, const char *words, const char *wanted)
{
    fake_expect(fake_ask(f, 0, words), wanted);
}

static inline struct key_cache_counts fakes_count(const struct fakes *f)
{
    struct key_cache_counts counts;
    key_cache_count(f->cache, &counts);
    return counts;
}

#endif
