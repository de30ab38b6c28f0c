/* SPDX-License-Identifier: Apache-2.0 */
/* sim/scenes/print.h - what the simulator finds, as tables of Markdown.
 *
 * Nothing but the seed and the counts of requests decides what is printed: no time of day, no
 * address, no order that may differ. */
#ifndef PANDO_SIM_SCENES_PRINT_H
#define PANDO_SIM_SCENES_PRINT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* What of all is wanted. */
struct sim_wish {
    FILE       *out;
    uint64_t    seed;
    double      requests; /* of a proof */
    const char *world;    /* of the table; NULL: all */
    const char *strategy; /* likewise: a row's name */
    uint32_t    servers;  /* likewise; 0: all */
    double      load;     /* likewise; 0: all */
};

/* Theory and what was found; false: something is not within its bounds. */
bool sim_print_proofs(const struct sim_wish *wish);

/* A burst, and what keeps it alive. */
bool sim_print_storm(const struct sim_wish *wish);

/* More than the servers can do. */
bool sim_print_overload(const struct sim_wish *wish);

/* One server falls ill. */
bool sim_print_ill(const struct sim_wish *wish);

/* Every strategy in every world. */
bool sim_print_table(const struct sim_wish *wish);

#endif
