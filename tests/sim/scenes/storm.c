/* SPDX-License-Identifier: Apache-2.0 */
/* sim/scenes/storm.c - the scenes and their rows. */
#include "sim/scenes/storm.h"

/* Without a budget: as many repetitions at once as anybody may want. */
#define UNBOUNDED "retry: {budget: 100, budget-min: 100000, budget-wait: none, pause: none}"

/* name, policy, servers notice, servers say when */
#define STORM_ROWS(X)                                                                              \
    X("no repetition", "breaker: {tries: 1}", false, false)                                        \
    X("up to 3 repetitions, no budget", "breaker: {tries: 4}, " UNBOUNDED, false, false)           \
    X("up to 3 repetitions, the budget as preset (20 %)", "breaker: {tries: 4}", false, false)     \
    X("up to 3 repetitions, a budget of 10 %", "breaker: {tries: 4}, retry: {budget: 10}", false,  \
      false)                                                                                       \
    X("no budget, but servers drop what nobody waits for", "breaker: {tries: 4}, " UNBOUNDED,      \
      true, false)                                                                                 \
    X("no budget, but full servers say Retry-After", "breaker: {tries: 4}, " UNBOUNDED, false,     \
      true)                                                                                        \
    X("no budget, circuit breaker of the service",                                                 \
      "breaker: {tries: 4, service: {enabled: true}}, " UNBOUNDED, false, false)                   \
    X("no budget, concurrency limit aimd",                                                         \
      "breaker: {tries: 4}, " UNBOUNDED ", concurrency: {limit: aimd, most-wait: 200ms}", false,   \
      false)                                                                                       \
    X("the budget, and concurrency limit aimd",                                                    \
      "breaker: {tries: 4}, concurrency: {limit: aimd, most-wait: 200ms}", false, false)

#define OVERLOAD_ROWS(X)                                                                           \
    X("no limit", "breaker: {tries: 1}", false, false)                                             \
    X("no limit, servers drop what nobody waits for", "breaker: {tries: 1}", true, false)          \
    X("no limit, circuit breaker of the service",                                                  \
      "breaker: {tries: 1, service: {enabled: true}}", false, false)                               \
    X("fixed, what the servers can work on at once: 100 for each node",                            \
      "breaker: {tries: 1}, concurrency: {limit: fixed, start: 100, most-wait: 200ms}", false,     \
      false)                                                                                       \
    X("aimd",                                                                                      \
      "breaker: {tries: 1}, concurrency: {limit: aimd, most-wait: 200ms}", false, false)           \
    X("gradient", "breaker: {tries: 1}, concurrency: {limit: gradient, most-wait: 200ms}", false,  \
      false)

#define ILL_ROWS(X)                                                                                \
    X("nothing", "breaker: {tries: 1}, outlier: {errors-in-a-row: none, silences-in-a-row: none, deviations: none}", false, \
      false)                                                                                       \
    X("ejection (preset)", "breaker: {tries: 1}", false, false)                                    \
    X("circuit breaker of the target",                                                             \
      "breaker: {tries: 1, target: {enabled: true, slow-after: 300ms}}, "                          \
      "outlier: {errors-in-a-row: none, silences-in-a-row: none, deviations: none}",                                        \
      false, false)                                                                                \
    X("retries and ejection (preset)", "breaker: {tries: 3}", false, false)

#define X(name, words, notices, says) {name, words, notices, says},
static const struct sim_defence storm_rows[] = {STORM_ROWS(X)};
static const struct sim_defence overload_rows[] = {OVERLOAD_ROWS(X)};
static const struct sim_defence ill_rows[] = {ILL_ROWS(X)};
#undef X

#define AT(rows, index) ((index) < sizeof(rows) / sizeof((rows)[0]) ? &(rows)[index] : NULL)

const struct sim_defence *sim_storm_at(size_t index)
{
    return AT(storm_rows, index);
}

const struct sim_defence *sim_overload_at(size_t index)
{
    return AT(overload_rows, index);
}

const struct sim_defence *sim_ill_at(size_t index)
{
    return AT(ill_rows, index);
}

/* The queue holds 16 times what the slots do, so a full one means 640 ms: longer than the 400 ms
 * that anybody waits. All work is then for nobody; that is what makes a storm stay. */
static struct sim_scene base(uint64_t seed)
{
    return (struct sim_scene){
        .seed = seed,
        .servers_count = 100,
        .nodes_count = 4,
        .slots_count = 4,
        .queue_room = 64,
        .service_ms = 40,
        .network_ms = 0.25,
        .timeout_ms = 400,
        .protects = true,
    };
}

void sim_storm_scene(struct sim_storm *storm, double load, uint64_t seed)
{
    storm->changes[0] = (struct sim_change){.at_s = SIM_BURST_FROM_S, .load = 2};
    storm->changes[1] = (struct sim_change){.at_s = SIM_BURST_TO_S, .load = load};
    storm->scene = base(seed);
    storm->scene.load = load;
    storm->scene.changes = storm->changes;
    storm->scene.changes_count = 2;
    storm->scene.warm_s = SIM_BURST_FROM_S / 2;
    storm->scene.run_s = SIM_STORM_END_S - storm->scene.warm_s;
}

struct sim_scene sim_overload_scene(double load, uint64_t seed)
{
    struct sim_scene scene = base(seed);
    scene.load = load;
    scene.warm_s = 60; /* the slowest limit takes so long to settle, and longer */
    scene.run_s = 20;
    return scene;
}

struct sim_scene sim_ill_scene(enum sim_illness illness, uint64_t seed)
{
    static const struct sim_change changes[SIM_ILLNESSES_COUNT][1] = {
        [SIM_ANSWERS_500] = {{.at_s = 10, .count = 1, .speed = 1, .ill = 1}},
        [SIM_IS_SLOW] = {{.at_s = 10, .count = 1, .speed = 0.1}},
        [SIM_HALTS] = {{.at_s = 10, .count = 1, .speed = 0}},
    };
    struct sim_scene scene = base(seed);
    scene.servers_count = 8;
    scene.nodes_count = 2;
    scene.load = 0.5;
    scene.timeout_ms = 1000;
    scene.changes = changes[illness];
    scene.changes_count = 1;
    scene.warm_s = 10;
    scene.run_s = 60;
    return scene;
}
