/* SPDX-License-Identifier: Apache-2.0 */
/* sim/model/end.h - how things end. */
#ifndef PANDO_SIM_MODEL_END_H
#define PANDO_SIM_MODEL_END_H

/* How a request, or an attempt, ends. */
#define SIM_ENDS(X)                                                                                \
    X(GOOD, "answered")                                                                            \
    X(REFUSED, "503: the server's queue was full")                                                 \
    X(FAILED, "500: the server is ill")                                                            \
    X(EXPIRED, "no answer within the timeout")                                                     \
    X(SHED, "not sent: the node had no target or no room")

enum sim_end {
#define X(name, gist) SIM_##name,
    SIM_ENDS(X)
#undef X
    SIM_ENDS_COUNT
};

#endif
