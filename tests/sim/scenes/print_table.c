/* SPDX-License-Identifier: Apache-2.0 */
/* sim/scenes/print_table.c - every strategy of the list, in every world, at every load. */
#include "sim/model/memory.h"
#include "sim/scenes/print.h"
#include "sim/scenes/worlds.h"

#include <string.h>

static bool is_wanted(const char *wish, const char *name)
{
    return wish == NULL || strcmp(wish, name) == 0;
}

static double errors_percent(const struct sim_outcome *outcome)
{
    const uint64_t good = outcome->ends[SIM_GOOD];
    return outcome->requests == 0
               ? 0
               : (double)(outcome->requests - good) * 100 / (double)outcome->requests;
}

static double ms(const struct sim_outcome *outcome, double quantile)
{
    return (double)sim_tally_quantile_ns(&outcome->good, quantile) / 1e6;
}

static void print_cell(FILE *out, const struct sim_outcome *outcome)
{
    fprintf(out, " %.0f / %.0f / %.0f / %.*f |", ms(outcome, 0.5), ms(outcome, 0.99),
            ms(outcome, 0.999), errors_percent(outcome) < 10 ? 2 : 1, errors_percent(outcome));
}

static void print_head(const struct sim_wish *wish)
{
    fprintf(wish->out, "| strategy |");
    for (size_t i = 0; sim_load_at(i) > 0; i++)
        if (wish->load == 0 || wish->load == sim_load_at(i))
            fprintf(wish->out, " load %.1f |", sim_load_at(i));
    fprintf(wish->out, "\n|---|");
    for (size_t i = 0; sim_load_at(i) > 0; i++)
        if (wish->load == 0 || wish->load == sim_load_at(i))
            fprintf(wish->out, "---|");
    fprintf(wish->out, "\n");
}

static void print_row(const struct sim_wish *wish, const struct sim_place *place, uint32_t servers,
                      const struct sim_row *row)
{
    struct sim_policy policy = sim_policy_read(row->words);
    struct sim_outcome *outcome = sim_take(sizeof *outcome);
    fprintf(wish->out, "| `%s` |", row->name);
    for (size_t i = 0; sim_load_at(i) > 0; i++) {
        if (wish->load != 0 && wish->load != sim_load_at(i))
            continue;
        struct sim_scene scene = sim_place_scene(place, servers, sim_load_at(i), wish->seed);
        scene.policy = &policy;
        sim_run(&scene, outcome);
        print_cell(wish->out, outcome);
        fflush(wish->out);
    }
    fprintf(wish->out, "\n");
    free(outcome);
    sim_policy_free(&policy);
}

static void print_fleet(const struct sim_wish *wish, const struct sim_place *place,
                        uint32_t servers)
{
    const struct sim_scene scene = sim_place_scene(place, servers, 1, wish->seed);
    struct sim_row row;
    if (scene.nodes_count > 1)
        fprintf(wish->out, "%u servers, %u nodes:\n\n", servers, scene.nodes_count);
    else
        fprintf(wish->out, "%u servers:\n\n", servers);
    print_head(wish);
    for (size_t i = 0; sim_row_at(i, &row); i++)
        if (is_wanted(wish->strategy, row.name))
            print_row(wish, place, servers, &row);
    fprintf(wish->out, "\n");
}

bool sim_print_table(const struct sim_wish *wish)
{
    for (size_t i = 0; sim_place_at(i) != NULL; i++) {
        const struct sim_place *place = sim_place_at(i);
        if (!is_wanted(wish->world, place->name))
            continue;
        fprintf(wish->out, "### `%s`: %s\n\n", place->name, place->gist);
        for (size_t at = 0; sim_fleet_at(at) > 0; at++)
            if (wish->servers == 0 || wish->servers == sim_fleet_at(at))
                print_fleet(wish, place, sim_fleet_at(at));
    }
    return true;
}
