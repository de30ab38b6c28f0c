/* SPDX-License-Identifier: Apache-2.0 */
/* store/stress_test.c - finders, writers, removers and walkers at once; each byte is known.
 *
 * Most use is under ThreadSanitizer and AddressSanitizer. */
#include "store/store_testing.h"

#include <pthread.h>

enum { FINDERS = 3, WRITERS = 2, HOT = 64, NUMBERS = 4000, HELD = 8 };
enum { WRITES = PANDO_SANITIZED ? 4000 : 20000 };

static struct store *store;
static _Atomic bool over;
static _Atomic uint64_t wrong_count, over_count, found_count, written_count;

static uint64_t number_of(const struct store_entry *entry)
{
    uint64_t number;
    memcpy(&number, store_entry_key(entry), sizeof number);
    return number;
}

static bool is_right(struct store_entry *entry, uint64_t number)
{
    return number_of(entry) == number &&
           testing_is_of(store_entry_front(entry), number, 0, entry->front_bytes) &&
           (entry->body == NULL || testing_body_is_of(entry->body, number, 0));
}

static void *find_hot(void *self)
{
    const unsigned thread = (unsigned)(uintptr_t)self;
    struct store_entry *held[HELD] = {0};
    struct random random;
    random_init(&random, thread);
    for (unsigned turn = 0; !over; turn++) {
        struct testing_key key;
        const uint64_t draw = random_next(&random),
                       number = draw % (draw >> 32 & 1 ? HOT : NUMBERS);
        struct store_entry *entry = store_find(store, thread, testing_key(&key, number));
        if (entry != NULL) {
            wrong_count += !is_right(entry, number);
            found_count++;
        }
        store_entry_unref(held[turn % HELD]);
        held[turn % HELD] = entry;
    }
    for (int i = 0; i < HELD; i++)
        store_entry_unref(held[i]);
    return NULL;
}

/* Grows its body while it can be found already. */
static void write_one(struct random *random)
{
    struct testing_key key;
    const uint64_t draw = random_next(random), number = draw % NUMBERS;
    struct store_entry *entry =
        store_entry_new(store, testing_key(&key, number), (uint32_t)(draw >> 20) % 1000);
    if (entry == NULL)
        return;
    testing_fill(store_entry_front(entry), number, 0, entry->front_bytes);
    struct store_body *body = (draw >> 40) % 2 == 0 ? store_body_new(store, &key.key) : NULL;
    entry->body = body;
    store_put(store, entry);
    bool whole = true;
    for (int i = 0; body != NULL && whole && i < 3; i++)
        whole = testing_append(body, number, (size_t)(draw >> 42) % 9000);
    if (body != NULL)
        store_body_end(body, whole);
    if (whole)
        (void)!store_settle(store, entry);
    else
        (void)!store_remove(store, entry);
    store_entry_unref(entry);
}

static void *write_many(void *self)
{
    struct random random;
    random_init(&random, 100 + (uintptr_t)self);
    for (int i = 0; i < WRITES; i++) {
        write_one(&random);
        written_count++;
    }
    return NULL;
}

static enum store_visit visit(void *self, struct store_entry *entry)
{
    struct random *random = self;
    wrong_count +=
        !testing_is_of(store_entry_front(entry), number_of(entry), 0, entry->front_bytes);
    return random_next(random) % 64 == 0 ? STORE_REMOVE : STORE_KEEP;
}

static void *walk_and_remove(void *self)
{
    struct random random;
    random_init(&random, 200 + (uintptr_t)self);
    while (!over) {
        struct store_cursor cursor = {0};
        while (!cursor.done && !over)
            store_walk(store, &cursor, 16, visit, &random);
        struct testing_key key;
        struct store_entry *entry =
            store_find_surely(store, testing_key(&key, random_next(&random) % HOT));
        if (entry != NULL)
            (void)!store_remove(store, entry);
        store_entry_unref(entry);
    }
    return NULL;
}

static void note(void *self, struct store_entry *entry)
{
    (void)self;
    wrong_count +=
        !testing_is_of(store_entry_front(entry), number_of(entry), 0, entry->front_bytes);
}

static void wait_until(uint64_t written)
{
    while (written_count < written)
        usleep(1000);
}

/* A lower limit may be exceeded for as long as what is over it is held. */
static void change_limits(void)
{
    const uint64_t all = WRITERS * WRITES;
    while (written_count < all / 2) {
        const struct store_figures figures = testing_figures(store);
        over_count += figures.used_bytes > figures.limit_bytes;
        usleep(1000);
    }
    store_set_limit(store, 2 * TESTING_MIB);
    wait_until(all * 3 / 4);
    store_set_limit(store, 3 * TESTING_MIB);
    wait_until(all);
}

static void run(enum store_policy policy)
{
    pthread_t threads[FINDERS + WRITERS + 1];
    const struct store_options options = {.memory_bytes = 3 * TESTING_MIB,
                                          .policy = policy,
                                          .threads_count = FINDERS,
                                          .hash = testing_hash,
                                          .evicted = note};
    store = store_new(&options);
    cr_assert(store != NULL);
    over = false;
    wrong_count = over_count = found_count = written_count = 0;
    for (uintptr_t i = 0; i < FINDERS; i++)
        pthread_create(&threads[i], NULL, find_hot, (void *)i);
    for (uintptr_t i = 0; i < WRITERS; i++)
        pthread_create(&threads[FINDERS + i], NULL, write_many, (void *)i);
    pthread_create(&threads[FINDERS + WRITERS], NULL, walk_and_remove, NULL);
    change_limits();
    over = true;
    for (int i = 0; i < FINDERS + WRITERS + 1; i++)
        pthread_join(threads[i], NULL);
    const struct store_figures figures = testing_figures(store);
    cr_expect(wrong_count == 0, "%llu wrong", (unsigned long long)wrong_count);
    cr_expect(over_count == 0, "%llu over", (unsigned long long)over_count);
    cr_expect(found_count > 0 && figures.evicted > 0 && figures.removed > 0);
    cr_expect(figures.pinned_bytes == 0, "%llu", (unsigned long long)figures.pinned_bytes);
    store_set_limit(store, 2 * TESTING_MIB);
    cr_expect(testing_figures(store).used_bytes <= 2 * TESTING_MIB, "nothing is held any more");
    store_free(store);
}

Test(stress, s3_fifo_under_many_threads)
{
    run(STORE_S3_FIFO);
}

Test(stress, lru_under_many_threads)
{
    run(STORE_LRU);
}

Test(stress, sieve_under_many_threads)
{
    run(STORE_SIEVE);
}

Test(stress, tinylfu_under_many_threads)
{
    run(STORE_TINYLFU);
}

/* --- A body that slides while it is read ---------------------------------------------------- */

static struct store_body *sliding;

static void *read_sliding(void *self)
{
    struct store_piece *piece = NULL;
    struct random random;
    random_init(&random, (uintptr_t)self);
    for (uint64_t at = 0; !over;) {
        struct store_piece *next = store_body_find(sliding, at, piece);
        store_piece_unref(piece);
        piece = next;
        if (piece == NULL) {
            at = sliding->dropped_bytes;
            continue;
        }
        const uint64_t from = at - piece->starts_at,
                       ready = sliding->ready_bytes - piece->starts_at;
        const uint64_t end = ready < piece->capacity ? ready : piece->capacity;
        wrong_count += !testing_is_of(piece->data + from, 1, at, (size_t)(end - from));
        found_count++;
        at = piece->starts_at + end - (random_next(&random) % 4 == 0);
    }
    store_piece_unref(piece);
    return NULL;
}

Test(stress, a_body_that_slides_is_read_by_many)
{
    pthread_t threads[FINDERS];
    struct testing_key key;
    store = testing_store(2 * TESTING_MIB, STORE_S3_FIFO);
    sliding = store_body_new(store, testing_key(&key, 1));
    over = false;
    wrong_count = found_count = 0;
    for (uintptr_t i = 0; i < FINDERS; i++)
        pthread_create(&threads[i], NULL, read_sliding, (void *)i);
    for (int turn = 0; turn < (PANDO_SANITIZED ? 300 : 2000); turn++) {
        cr_assert(testing_append(sliding, 1, 10000));
        if (sliding->ready_bytes > 100000)
            store_body_drop(sliding, sliding->ready_bytes - 100000);
    }
    over = true;
    for (int i = 0; i < FINDERS; i++)
        pthread_join(threads[i], NULL);
    store_body_end(sliding, true);
    store_body_unref(sliding);
    cr_expect(wrong_count == 0 && found_count > 0);
    cr_expect(testing_figures(store).pinned_bytes == 0);
    store_free(store);
}
