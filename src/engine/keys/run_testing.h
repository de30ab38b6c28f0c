/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/run_testing.h - for tests of commands: a shard in memory that answers lines.
 *
 *     bench_init(&bench, 4, false);        four stripes; true: their keys are ordered
 *     bench_say(&bench, "set a \"\"");     "+OK\r\n": words at spaces, "" is the empty one
 *     bench_fails_in = 2;                  the second change of a space from now on is SPACE_FULL
 *     bench.now_ms += 1000;                time goes on by hand
 *     bench_fini(&bench);
 *
 * What does not fit a line is said by bench_run(). No clock, no port. */
#ifndef PANDO_ENGINE_KEYS_RUN_TESTING_H
#define PANDO_ENGINE_KEYS_RUN_TESTING_H

#include "engine/keys/run.h"
#include "engine/memory/memory_space.h"

#include <assert.h>
#include <stdlib.h>

enum { BENCH_STRIPES_MAX = 16, BENCH_WORDS_MAX = 256 };

struct bench {
    struct memory_space *stripes[BENCH_STRIPES_MAX];
    struct space        *spaces[BENCH_STRIPES_MAX];
    unsigned             count;   /* of stripes; a power of two */
    unsigned             version; /* of the protocol; 2 to begin with */
    uint64_t             now_ms;
    uint64_t             value_bytes_max;
    uint64_t             scan_position; /* of SCAN: in and out */
    struct random        random;
    struct space_kind    kind;   /* the memory's, but for what can be made to fail */
    char                *answer; /* the last one, ended by NUL */
    size_t               answer_bytes;
};

/* The how many-th change from now on is refused; 0: none. Counts down. */
static unsigned bench_fails_in;

/* The vtable behind the one that can fail. */
static const struct space_kind *bench_behind;

static inline bool bench_strikes(void)
{
    return bench_fails_in > 0 && --bench_fails_in == 0;
}

static enum space_result bench_put(struct space *space, struct bytes key, struct bytes string,
                                   uint64_t expires_ms)
{
    return bench_strikes() ? SPACE_FULL : bench_behind->put(space, key, string, expires_ms);
}

static enum space_result bench_edit(struct space *space, struct bytes key,
                                    struct space_value *value, size_t bytes, uint8_t **at)
{
    return bench_strikes() ? SPACE_FULL : bench_behind->edit(space, key, value, bytes, at);
}

static enum space_result bench_expire(struct space *space, struct bytes key,
                                      struct space_value *value, uint64_t expires_ms)
{
    return bench_strikes() ? SPACE_FULL : bench_behind->expire(space, key, value, expires_ms);
}

static enum space_result bench_create(struct space *space, struct bytes key, enum key_type type,
                                      struct space_value *value)
{
    return bench_strikes() ? SPACE_FULL : bench_behind->create(space, key, type, value);
}

static enum space_result bench_rename(struct space *space, struct bytes key, struct space *to,
                                      struct bytes to_key)
{
    return bench_strikes() ? SPACE_FULL : bench_behind->rename(space, key, to, to_key);
}

static enum space_result bench_tree_put(struct space_value *value, unsigned tree, struct bytes key,
                                        struct bytes bytes, bool *is_new)
{
    return bench_strikes() ? SPACE_FULL : bench_behind->tree_put(value, tree, key, bytes, is_new);
}

/* Stripe @index, of bench->count, all of which are to have the vtable that can fail. */
static inline void bench_add_stripe(struct bench *bench, unsigned index, bool is_ordered)
{
    static const struct hash_key hash_key = {{1, 2}};
    struct memory_space_options options = {
        .hash_key = &hash_key,
        .is_ordered = is_ordered,
        .prefix_bits = (uint8_t)__builtin_ctz(bench->count),
        .prefix = index,
    };
    bench->stripes[index] = memory_space_new(&options);
    assert(bench->stripes[index] != NULL);
    bench->spaces[index] = &bench->stripes[index]->space;
    bench_behind = bench->spaces[index]->kind;
}

static inline void bench_init(struct bench *bench, unsigned stripes, bool are_ordered)
{
    *bench = (struct bench){
        .count = stripes, .version = 2, .now_ms = 1000000, .value_bytes_max = 1u << 29};
    random_init(&bench->random, 1);
    for (unsigned i = 0; i < stripes; i++)
        bench_add_stripe(bench, i, are_ordered);
    bench->kind = *bench_behind;
    bench->kind.put = bench_put;
    bench->kind.edit = bench_edit;
    bench->kind.expire = bench_expire;
    bench->kind.create = bench_create;
    bench->kind.rename = bench_rename;
    bench->kind.tree_put = bench_tree_put;
    for (unsigned i = 0; i < stripes; i++)
        bench->spaces[i]->kind = &bench->kind;
    bench_fails_in = 0;
}

static inline void bench_fini(struct bench *bench)
{
    for (unsigned i = 0; i < bench->count; i++)
        memory_space_free(bench->stripes[i]);
    free(bench->answer);
}

/* run->engine is the bench. */
static inline struct space *bench_space_of(struct run *run, struct bytes key)
{
    struct bench *bench = run->engine;
    const uint64_t hash = hash_sip13(bench->stripes[0]->hash_key, key.at, key.count);
    return bench->spaces[bench->count == 1 ? 0 : hash >> (64 - __builtin_ctz(bench->count))];
}

static inline void bench_keep_answer(struct bench *bench, struct resp_out *out)
{
    assert(!out->failed && out->used > 0);
    free(bench->answer);
    bench->answer = malloc(out->used + 1);
    assert(bench->answer != NULL);
    memcpy(bench->answer, out->buf->data, out->used);
    bench->answer[out->used] = '\0';
    bench->answer_bytes = out->used;
    resp_out_fini(out);
}

/* The raw answer to a command, whose arity fits; until the next one. */
static inline const char *bench_run(struct bench *bench, const struct bytes *args, uint32_t count)
{
    struct resp_out out;
    struct key_op op = {
        .command = command_find(args[0]),
        .args = args,
        .args_count = count,
        .now_ms = bench->now_ms,
        .scan_position = bench->scan_position,
        .out = &out,
    };
    struct run run = {
        .now_ms = bench->now_ms,
        .random = &bench->random,
        .value_bytes_max = bench->value_bytes_max,
        .space_of = bench_space_of,
        .engine = bench,
        .spaces = bench->spaces,
        .spaces_count = bench->count,
    };
    resp_out_init(&out, bench->version, 0, NULL);
    for (unsigned i = 0; i < bench->count; i++)
        memory_space_begin(bench->stripes[i], bench->now_ms, false);
    run_command(&run, &op);
    for (unsigned i = 0; i < bench->count; i++)
        memory_space_end(bench->stripes[i]);
    bench->scan_position = op.scan_position;
    bench_keep_answer(bench, &out);
    return bench->answer;
}

/* The raw answer to @line; until the next one. */
static inline const char *bench_say(struct bench *bench, const char *line)
{
    struct bytes words[BENCH_WORDS_MAX];
    uint32_t count = 0;
    while (*line != '\0') {
        const size_t length = strcspn(line, " ");
        const bool is_empty = length == 2 && memcmp(line, "\"\"", 2) == 0;
        assert(count < BENCH_WORDS_MAX);
        words[count++] = (struct bytes){(const uint8_t *)line, is_empty ? 0 : length};
        line += length + strspn(line + length, " ");
    }
    return bench_run(bench, words, count);
}

/* For tests that compare: prints what came instead. */
#define bench_expect(bench, line, answered)                                                        \
    cr_expect(strcmp(bench_say(bench, line), answered) == 0, "%s: %s", line, (bench)->answer)

#endif
