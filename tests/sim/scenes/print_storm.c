/* SPDX-License-Identifier: Apache-2.0 */
/* sim/scenes/print_storm.c - the tables of what goes wrong. */
#include "sim/model/memory.h"
#include "sim/scenes/print.h"
#include "sim/scenes/storm.h"

enum { WELL_FOR_S = 3, STEPS = 20 };

static const double storm_load = 0.7;

static void run(struct sim_scene scene, const struct sim_defence *defence, const char *words,
                struct sim_outcome *outcome)
{
    struct sim_policy policy = sim_policy_read(words);
    scene.policy = &policy;
    scene.notices = defence->notices;
    scene.says_when = defence->says_when;
    sim_run(&scene, outcome);
    sim_policy_free(&policy);
}

/* --- the storm -------------------------------------------------------------------------------- */

static double good_percent(const struct sim_outcome *outcome, unsigned from_s, unsigned to_s)
{
    double requests = 0;
    double good = 0;
    for (unsigned s = from_s; s < to_s; s++) {
        requests += outcome->seconds[s].requests;
        good += outcome->seconds[s].good;
    }
    return requests > 0 ? good * 100 / requests : 0;
}

/* Seconds after the burst until three good ones follow; SIM_STORM_END_S: never. */
static unsigned recovery_s(const struct sim_outcome *outcome)
{
    for (unsigned s = SIM_BURST_TO_S; s + WELL_FOR_S <= SIM_STORM_END_S; s++)
        if (good_percent(outcome, s, s + WELL_FOR_S) >= 99)
            return s - SIM_BURST_TO_S;
    return SIM_STORM_END_S;
}

static double attempts_each(const struct sim_outcome *outcome, unsigned from_s, unsigned to_s)
{
    double requests = 0;
    double attempts = 0;
    for (unsigned s = from_s; s < to_s; s++) {
        requests += outcome->seconds[s].requests;
        attempts += outcome->seconds[s].attempts;
    }
    return requests > 0 ? attempts / requests : 0;
}

static void run_storm(const struct sim_wish *wish, const struct sim_defence *row, double load,
                      struct sim_outcome *outcome)
{
    struct sim_storm storm;
    sim_storm_scene(&storm, load, wish->seed);
    run(storm.scene, row, row->words, outcome);
}

/* The lowest load, in twentieths, from which it does not come back; 1: from all below 1 it does.
 * Found by halving: what does not come back from one does not from a higher one. */
static double vulnerable_from(const struct sim_wish *wish, const struct sim_defence *row,
                              struct sim_outcome *outcome)
{
    unsigned well = 0;
    unsigned lost = STEPS;
    while (lost - well > 1) {
        const unsigned middle = (well + lost) / 2;
        run_storm(wish, row, (double)middle / STEPS, outcome);
        if (recovery_s(outcome) == SIM_STORM_END_S)
            lost = middle;
        else
            well = middle;
    }
    return (double)lost / STEPS;
}

static void print_storm_row(const struct sim_wish *wish, const struct sim_defence *row,
                            struct sim_outcome *outcome)
{
    FILE *out = wish->out;
    run_storm(wish, row, storm_load, outcome);
    const unsigned recovered_s = recovery_s(outcome);
    fprintf(out, "| %s | %.1f | %.1f | %.1f | %.1f | %.2f |", row->name,
            good_percent(outcome, SIM_BURST_FROM_S / 2, SIM_BURST_FROM_S),
            good_percent(outcome, SIM_BURST_FROM_S, SIM_BURST_TO_S),
            good_percent(outcome, SIM_BURST_TO_S, SIM_BURST_TO_S + 10),
            good_percent(outcome, SIM_BURST_TO_S + 30, SIM_STORM_END_S),
            attempts_each(outcome, SIM_BURST_TO_S + 30, SIM_STORM_END_S));
    if (recovered_s == SIM_STORM_END_S)
        fprintf(out, " never |");
    else
        fprintf(out, " %u s |", recovered_s);
    const double lost = vulnerable_from(wish, row, outcome);
    if (lost < 1)
        fprintf(out, " %.2f |\n", lost);
    else
        fprintf(out, " none |\n");
}

bool sim_print_storm(const struct sim_wish *wish)
{
    struct sim_outcome *outcome = sim_take(sizeof *outcome);
    const struct sim_defence *row;
    fprintf(wish->out,
            "| defence | before | burst | 10 s after | 30 s after | attempts each | well after | "
            "stays ill from load |\n|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; (row = sim_storm_at(i)) != NULL; i++)
        print_storm_row(wish, row, outcome);
    free(outcome);
    return true;
}

/* --- overload --------------------------------------------------------------------------------- */

static const double overloads[] = {0.8, 1.0, 1.5, 2.0};

enum { OVERLOADS_COUNT = sizeof overloads / sizeof overloads[0] };

bool sim_print_overload(const struct sim_wish *wish)
{
    struct sim_outcome *outcome = sim_take(sizeof *outcome);
    const struct sim_defence *row;
    fprintf(wish->out, "| limit |");
    for (unsigned i = 0; i < OVERLOADS_COUNT; i++)
        fprintf(wish->out, " load %.1f |", overloads[i]);
    fprintf(wish->out, "\n|---|---|---|---|---|\n");
    for (size_t at = 0; (row = sim_overload_at(at)) != NULL; at++) {
        fprintf(wish->out, "| %s |", row->name);
        for (unsigned i = 0; i < OVERLOADS_COUNT; i++) {
            run(sim_overload_scene(overloads[i], wish->seed), row, row->words, outcome);
            fprintf(wish->out, " %.0f / %.0f / %.0f |",
                    (double)outcome->ends[SIM_GOOD] * 100 * overloads[i] /
                        (double)outcome->requests,
                    (double)sim_tally_quantile_ns(&outcome->good, 0.5) / 1e6,
                    (double)sim_tally_quantile_ns(&outcome->good, 0.99) / 1e6);
        }
        fprintf(wish->out, "\n");
    }
    free(outcome);
    return true;
}

/* --- illness ---------------------------------------------------------------------------------- */

static void print_ill_row(const struct sim_wish *wish, const struct sim_defence *row,
                          const char *strategy, struct sim_outcome *outcome)
{
    char words[512];
    snprintf(words, sizeof words, "balance: %s, %s", strategy, row->words);
    fprintf(wish->out, "| %s | `%s` |", row->name, strategy);
    for (unsigned i = 0; i < SIM_ILLNESSES_COUNT; i++) {
        run(sim_ill_scene((enum sim_illness)i, wish->seed), row, words, outcome);
        fprintf(wish->out, " %.1f / %.2f / %.0f |",
                (double)outcome->to_first * 100 / (double)outcome->attempts,
                (double)(outcome->requests - outcome->ends[SIM_GOOD]) * 100 /
                    (double)outcome->requests,
                (double)sim_tally_quantile_ns(&outcome->good, 0.999) / 1e6);
    }
    fprintf(wish->out, "\n");
}

bool sim_print_ill(const struct sim_wish *wish)
{
    struct sim_outcome *outcome = sim_take(sizeof *outcome);
    const struct sim_defence *row;
    fprintf(wish->out, "| defence | strategy | answers 500 at once | ten times slower | halts |\n"
                       "|---|---|---|---|---|\n");
    for (size_t i = 0; (row = sim_ill_at(i)) != NULL; i++)
        for (size_t at = 0; at < BALANCE_SORTS_COUNT; at++)
            print_ill_row(wish, row, balance_words[at].name, outcome);
    free(outcome);
    return true;
}
