/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/circuit/circuit.c - ten buckets that slide, and what follows from them. */
#include "breaker/circuit/circuit.h"

#include "core/random.h"
#include "core/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- the window ------------------------------------------------------------------------------ */

static void forget(struct circuit *circuit)
{
    memset(circuit->buckets, 0, sizeof circuit->buckets);
    circuit->bucket_ns = 0;
}

/* Begins as many new buckets as time has passed for. */
static void slide(struct circuit *circuit, uint64_t window_ns, uint64_t now_ns)
{
    const uint64_t width_ns = window_ns / CIRCUIT_BUCKETS;
    if (circuit->bucket_ns == 0 || now_ns - circuit->bucket_ns >= 2 * window_ns) {
        forget(circuit);
        circuit->bucket_ns = now_ns;
    }
    while (now_ns - circuit->bucket_ns >= width_ns) {
        circuit->newest = (circuit->newest + 1) % CIRCUIT_BUCKETS;
        circuit->buckets[circuit->newest] = (struct circuit_counts){0};
        circuit->bucket_ns += width_ns;
    }
}

static struct circuit_counts sum(const struct circuit *circuit)
{
    struct circuit_counts counts = {0};
    for (int i = 0; i < CIRCUIT_BUCKETS; i++) {
        counts.all += circuit->buckets[i].all;
        counts.failed += circuit->buckets[i].failed;
        counts.slow += circuit->buckets[i].slow;
    }
    return counts;
}

/* --- judging --------------------------------------------------------------------------------- */

static bool reaches(uint32_t count, uint32_t all, uint32_t percent)
{
    return percent != 0 && all > 0 && (uint64_t)count * 100 >= (uint64_t)all * percent;
}

/* True: they are bad enough to open for, and @circuit->cause says why. */
static bool is_bad(struct circuit *circuit, const struct circuit_rules *rules,
                   const struct circuit_counts *counts)
{
    const bool is_failed = reaches(counts->failed, counts->all, rules->failed_percent);
    const uint32_t bad = is_failed ? counts->failed : counts->slow;
    if (!is_failed && !reaches(counts->slow, counts->all, rules->slow_percent))
        return false;
    circuit->cause = (struct circuit_cause){
        .percent = (uint32_t)((uint64_t)bad * 100 / counts->all),
        .all = counts->all,
        .is_slow = !is_failed,
        .is_trial = circuit->state == CIRCUIT_HALF_OPEN,
    };
    return true;
}

/* --- moving ---------------------------------------------------------------------------------- */

static uint64_t open_ns(const struct circuit_rules *rules, uint32_t openings, uint64_t draw)
{
    uint64_t open = rules->open_first_ns;
    for (uint32_t i = 1; i < openings && open < rules->open_most_ns; i++)
        open *= 2;
    if (open > rules->open_most_ns)
        open = rules->open_most_ns;
    return open / 1000 * (800 + random_below(draw, 401)); /* 80 % to 120 %, by thousandths */
}

static void move_to(struct circuit *circuit, enum circuit_state state)
{
    circuit->state = state;
    circuit->has_changed = true;
    circuit->until_ns = 0;
    forget(circuit);
}

static void trip(struct circuit *circuit, const struct circuit_rules *rules,
                 const struct circuit_look *look)
{
    if (circuit->state == CIRCUIT_CLOSED && look->now_ns - circuit->closed_ns >= rules->window_ns)
        circuit->openings_count = 0;
    if (circuit->openings_count < UINT32_MAX)
        circuit->openings_count++;
    circuit->openings_total++;
    move_to(circuit, CIRCUIT_OPEN);
    circuit->until_ns = look->now_ns + open_ns(rules, circuit->openings_count, look->draw);
}

static void close_again(struct circuit *circuit, uint64_t now_ns)
{
    move_to(circuit, CIRCUIT_CLOSED);
    circuit->closed_ns = now_ns;
}

static void look_closed(struct circuit *circuit, const struct circuit_rules *rules,
                        const struct circuit_look *look)
{
    slide(circuit, rules->window_ns, look->now_ns);
    struct circuit_counts *newest = &circuit->buckets[circuit->newest];
    newest->all += look->since.all;
    newest->failed += look->since.failed;
    newest->slow += look->since.slow;
    const struct circuit_counts counts = sum(circuit);
    if (counts.all >= rules->volume && is_bad(circuit, rules, &counts))
        trip(circuit, rules, look);
}

static void look_half_open(struct circuit *circuit, const struct circuit_rules *rules,
                           const struct circuit_look *look)
{
    if (look->results.all < circuit->trials)
        return; /* exactly so many are admitted: even if the first ones would settle it */
    if (is_bad(circuit, rules, &look->results))
        trip(circuit, rules, look);
    else
        close_again(circuit, look->now_ns);
}

void circuit_step(struct circuit *circuit, const struct circuit_rules *rules,
                  const struct circuit_look *look)
{
    circuit->has_changed = false;
    switch (circuit->state) {
    case CIRCUIT_CLOSED: look_closed(circuit, rules, look); break;
    case CIRCUIT_HALF_OPEN: look_half_open(circuit, rules, look); break;
    case CIRCUIT_OPEN:
        if (look->now_ns < circuit->until_ns)
            break;
        move_to(circuit, CIRCUIT_HALF_OPEN);
        circuit->trials = rules->trials;
        break;
    }
}

void circuit_write_cause(const struct circuit_cause *cause, uint64_t window_ns, char *out,
                         size_t room)
{
    const char *what = cause->is_slow ? "too slow" : "failures";
    if (cause->is_trial)
        (void)snprintf(out, room, "%" PRIu32 " %% of %" PRIu32 " trials were %s", cause->percent,
                       cause->all, what);
    else
        (void)snprintf(out, room, "%" PRIu32 " %% of %" PRIu32 " answers in %.3g s were %s",
                       cause->percent, cause->all, (double)window_ns / 1e9, what);
}
