/* SPDX-License-Identifier: Apache-2.0 */
/* cache/keys/key_cache_threads_test.c - workers on threads of their own, each with its stage and
 * loop, over one store and one engine: who asks after a write was answered sees at least that. For
 * ThreadSanitizer, too. */
#include "cache/keys/key_cache_testing.h"

#include <sched.h>

enum { WORKERS = 4, KEYS = 2, ROUNDS = 4000 };

/* It answers at once, on the thread that asks; a read takes a moment. */
struct engine {
    struct key_door  door; /* first */
    _Atomic int64_t  numbers[KEYS];
    _Atomic uint64_t reads_count;
};

struct worker_of_test {
    pthread_t              thread;
    unsigned               number;
    struct loop            loop;
    struct key_cache_stage stage;
};

static struct engine engine;
static struct fake_store store;
static struct key_cache *cache;
static struct worker_of_test workers[WORKERS];
static _Atomic int64_t answered[KEYS], asked[KEYS];

static void engine_submit(struct key_door *door, struct key_op *op)
{
    (void)door;
    const unsigned key = (unsigned)(op->args[1].at[0] - 'a');
    int64_t number = 0;
    if (op->command->number == COMMAND_IS_SET) {
        cr_assert(bytes_read_int64(op->args[2], &number));
        atomic_store(&engine.numbers[key], number);
        resp_simple(op->out, "OK");
    } else {
        number = atomic_load(&engine.numbers[key]);
        for (int i = 0; i < 3; i++)
            sched_yield(); /* others ask and write meanwhile */
        atomic_fetch_add(&engine.reads_count, 1);
        resp_bulk_integer(op->out, number);
    }
    op->done(op);
}

/* The number that a bulk string says; -1: it says none. */
static int64_t number_of(const struct resp_out *out)
{
    int64_t number = -1;
    const uint8_t *line = out->used == 0 ? NULL : memchr(out->buf->data, '\n', out->used);
    if (line == NULL || out->buf->data[0] != '$')
        return -1;
    const size_t head = (size_t)(line + 1 - out->buf->data);
    const struct bytes text = {line + 1, out->used - head - 2};
    return bytes_read_int64(text, &number) ? number : -1;
}

static int64_t ask(struct worker_of_test *worker, const char *words)
{
    struct fakes clock = {.now_ms = FAKE_NOW_MS};
    struct fake_asked *one = fake_prepare(&clock, words);
    key_door_submit(&worker->stage.door, &one->op);
    while (!one->is_done)
        loop_turn(&worker->loop, clock_monotonic_ns() + NS_PER_MS);
    const int64_t number = number_of(&one->out);
    resp_out_fini(&one->out);
    free(one);
    return number;
}

/* The first workers write a key each, the others read both. */
static void *work(void *self)
{
    struct worker_of_test *worker = self;
    char words[64];
    for (int64_t i = 1; i <= ROUNDS; i++) {
        const unsigned key = worker->number < KEYS ? worker->number : (unsigned)(i % KEYS);
        if (worker->number < KEYS) {
            (void)snprintf(words, sizeof words, "set %c %ld", 'a' + (int)key, (long)i);
            atomic_store(&asked[key], i);
            (void)ask(worker, words);
            atomic_store(&answered[key], i);
        }
        for (int j = 0; j < 3; j++) {
            const int64_t lowest = atomic_load(&answered[key]);
            (void)snprintf(words, sizeof words, "get %c", 'a' + (int)key);
            const int64_t number = ask(worker, words);
            cr_assert(number >= lowest && number <= atomic_load(&asked[key]),
                      "%ld, although %ld was answered before", (long)number, (long)lowest);
        }
    }
    return NULL;
}

static void begin_worker(struct worker_of_test *worker, unsigned number)
{
    struct err e;
    worker->number = number;
    cr_assert(loop_open(&worker->loop, "epoll", &e) == ERR_NONE);
    key_cache_stage_init(&worker->stage, &(struct key_cache_stage_options){.cache = cache,
                                                                           .behind = &engine.door,
                                                                           .store = &store.door,
                                                                           .loop = &worker->loop});
}

Test(key_cache_threads, no_worker_misses_a_write_that_was_answered, .timeout = 120)
{
    engine.door.submit = engine_submit;
    store.door.submit = fake_store_submit;
    pthread_mutex_init(&store.lock, NULL);
    cache = key_cache_new(&(struct key_cache_options){.for_ns = 3600 * NS_PER_S,
                                                      .answer_bytes_max = 1000,
                                                      .waiters_max = 100,
                                                      .hash_key = {{1, 2}}});
    cr_assert(cache != NULL);
    for (unsigned i = 0; i < WORKERS; i++)
        begin_worker(&workers[i], i);
    for (unsigned i = 0; i < WORKERS; i++)
        cr_assert(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(workers[i].thread, NULL);
    struct key_cache_counts counts;
    key_cache_count(cache, &counts);
    const uint64_t gets = (uint64_t)WORKERS * ROUNDS * 3;
    cr_expect(counts.hits + counts.misses + counts.joined == gets);
    cr_expect(counts.misses >= atomic_load(&engine.reads_count), "each read was a miss");
    cr_expect(counts.hits > 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        key_cache_stage_fini(&workers[i].stage);
        loop_close(&workers[i].loop);
    }
    key_cache_free(cache);
    pthread_mutex_destroy(&store.lock);
}
