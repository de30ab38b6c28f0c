/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cache_store.c - what the store's policies are worth, and what one lookup costs.
 *
 *     cache-store ratios    writes docs/cache-hit-ratios.md: the same bytes on every machine
 *     cache-store find      nanoseconds of CPU for a hit and its unref, by one and by two threads */
#include "store/policy/ratios_testing.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

enum { ROUNDS = 15, FINDS = 5000000, KEYS = 2000 };

/* --- Hit ratios ----------------------------------------------------------------------------- */

static const char *const policy_names[] = {
#define X(enumerator, name, gist) name,
    STORE_POLICIES(X)
#undef X
};

static const char *const stream_names[] = {
#define X(enumerator, name, gist) name,
    RATIOS_STREAMS(X)
#undef X
};

static const char *const stream_gists[] = {
#define X(enumerator, name, gist) gist,
    RATIOS_STREAMS(X)
#undef X
};

static void print_table(unsigned percent)
{
    printf("\n## The cache holds %u %% of the objects\n\n| stream |", percent);
    for (int policy = 0; policy < STORE_POLICIES_COUNT; policy++)
        printf(" %s |", policy_names[policy]);
    printf("\n|---|---|---|---|---|\n");
    for (int stream = 0; stream < RATIOS_STREAMS_COUNT; stream++) {
        printf("| %s |", stream_names[stream]);
        for (int policy = 0; policy < STORE_POLICIES_COUNT; policy++)
            printf(" %.1f |", 100 * ratios_run((enum store_policy)policy,
                                               (enum ratios_stream)stream, percent, ROUNDS));
        printf("\n");
    }
}

static int print_ratios(void)
{
    printf(
        "# Hit ratios of the cache's policies\n\n"
        "Percent of requests that found their object, on the store itself (`policy` in the cache's "
        "settings), %u requests by\nZipf's law with exponent 1, the first third not counted. The "
        "cache has 1 MiB, in which %llu objects of one size fit. Made\nby `./dev docs`; "
        "`./dev test unit store` holds s3-fifo to 8 points above lru at 5 %%.\n\n",
        ROUNDS * RATIOS_ROUND, (unsigned long long)ratios_fits());
    for (int stream = 0; stream < RATIOS_STREAMS_COUNT; stream++)
        printf("- %s: %s\n", stream_names[stream], stream_gists[stream]);
    print_table(5);
    print_table(1);
    print_table(10);
    return 0;
}

/* --- The cost of a lookup ------------------------------------------------------------------- */

struct finder {
    struct store *store;
    unsigned      thread;
    unsigned      keys; /* asked for in turn */
    double        ns;   /* of CPU, for each */
};

static double cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void *find(void *self)
{
    struct finder *finder = self;
    const double begin = cpu_ns();
    for (unsigned i = 0; i < FINDS; i++) {
        const uint64_t number = i % finder->keys;
        const struct store_key key = ratios_key(&number);
        store_entry_unref(store_find(finder->store, finder->thread, &key));
    }
    finder->ns = (cpu_ns() - begin) / FINDS;
    return NULL;
}

static void measure(struct store *store, const char *policy, unsigned keys)
{
    struct finder finders[2] = {{.store = store, .keys = keys},
                                {.store = store, .keys = keys, .thread = 1}};
    pthread_t threads[2];
    find(&finders[0]);
    printf("%-8s %5u keys: one thread %5.1f ns", policy, keys, finders[0].ns);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, find, &finders[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf(", two threads %5.1f and %5.1f ns\n", finders[0].ns, finders[1].ns);
}

static int print_costs(void)
{
    for (int policy = 0; policy < STORE_POLICIES_COUNT; policy++) {
        const struct store_options options = {.memory_bytes = (uint64_t)16 << 20,
                                              .policy = (enum store_policy)policy,
                                              .threads_count = 2};
        struct ratios all = {.store = store_new(&options)};
        if (all.store == NULL)
            return 1;
        for (uint64_t number = 0; number < KEYS; number++)
            (void)!ratios_ask(&all, number);
        measure(all.store, policy_names[policy], 1);
        measure(all.store, policy_names[policy], KEYS);
        store_free(all.store);
    }
    return 0;
}

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "ratios") == 0)
        return print_ratios();
    if (count == 2 && strcmp(arguments[1], "find") == 0)
        return print_costs();
    fprintf(stderr, "usage: cache-store ratios|find\n");
    return 2;
}
