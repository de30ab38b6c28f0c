/* SPDX-License-Identifier: Apache-2.0 */
/* sim/scenes/print_proofs.c - the table of proofs. */
#include "sim/scenes/print.h"
#include "sim/scenes/proof.h"

bool sim_print_proofs(const struct sim_wish *wish)
{
    struct sim_proof proofs[SIM_PROOFS_OF_ONE];
    unsigned count;
    bool all_hold = true;
    fprintf(wish->out, "| what | theory | simulated | difference | allowed |\n"
                       "|---|---|---|---|---|\n");
    for (unsigned i = 0; (count = sim_prove(i, wish->seed, wish->requests, proofs)) > 0; i++)
        for (unsigned at = 0; at < count; at++) {
            const struct sim_proof *proof = &proofs[at];
            const bool holds = sim_proof_holds(proof);
            fprintf(wish->out, "| %s | %.5g | %.5g | %+.2f %% | %.1f %%%s |\n", proof->what,
                    proof->theory, proof->found, (proof->found / proof->theory - 1) * 100,
                    proof->within / proof->theory * 100, holds ? "" : ", MISSED");
            all_hold = all_hold && holds;
        }
    return all_hold;
}
