/* SPDX-License-Identifier: Apache-2.0 */
/* cache/keys/key_cache_testing.h - for tests: stages of two workers over a store and an engine that
 * are fakes, and ops made of words.
 *
 * Threads: one. */
#ifndef PANDO_CACHE_KEYS_KEY_CACHE_TESTING_H
#define PANDO_CACHE_KEYS_KEY_CACHE_TESTING_H

#include "cache/keys/key_cache_engine_testing.h"
#include "cache/keys/key_cache_stage.h"
#include "cache/keys/key_cache_store_testing.h"
#include "core/units.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    FAKE_ARGS = 8,
    FAKE_PARTS = 4,
    FAKE_WORDS_BYTES = 96,
    FAKE_STAGES = 2,
    FAKE_NOW_MS = 1000000,
};

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
