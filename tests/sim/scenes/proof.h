/* SPDX-License-Identifier: Apache-2.0 */
/* sim/scenes/proof.h - the simulator against what mathematics knows exactly.
 *
 * One server with Poisson arrivals and exponential work has a mean response time that is known
 * (M/M/1, and Erlang's formula for several slots), and so has, for many servers, the share of those
 * with at least k requests under two choices (Mitzenmacher 1996, Vvedenskaya et al. 1996). If
 * clock, draws, queues and picks are right, the simulator finds these figures by itself.
 *
 * Threads: one. */
#ifndef PANDO_SIM_SCENES_PROOF_H
#define PANDO_SIM_SCENES_PROOF_H

#include <stdbool.h>
#include <stdint.h>

enum { SIM_PROOFS_OF_ONE = 8 };

/* One figure. */
struct sim_proof {
    char   what[80]; /* "M/M/4 at load 0.7: mean response time, ms" */
    double theory;
    double found;
    double within; /* the difference that is allowed, of the same unit */
};

/* Makes run @index (from 0 on) with @seed and so many requests, and fills what it proves. How many
 * figures; 0: there is no such run. */
unsigned sim_prove(unsigned index, uint64_t seed, double requests,
                   struct sim_proof proofs[SIM_PROOFS_OF_ONE]);

/* Is it within its bounds? */
bool sim_proof_holds(const struct sim_proof *proof);

#endif
