/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor/restart.h - what follows when the server that serves, or should, is gone.
 *
 * Pure. Memory and threads: none. */
#ifndef PANDO_MAIN_SUPERVISOR_RESTART_H
#define PANDO_MAIN_SUPERVISOR_RESTART_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RESTART_QUICK_MS = 1000,     /* a server that lives less than this died quickly */
    RESTART_PAUSE_FIRST_MS = 50, /* before the second start in a row of quick deaths; doubles */
    RESTART_PAUSE_MOST_MS = 5000,
    RESTART_BOOT_TRIES = 5, /* crashes in a row before anything ever served */
};

/* How the server ended. */
struct restart_death {
    bool     by_signal;
    int      code;        /* exit status, or number of the signal */
    bool     has_served;  /* this one got ready */
    bool     ever_served; /* this one, or one before it under this supervisor */
    uint64_t lived_ms;
    unsigned quick_count; /* quick deaths in a row before this one */
};

struct restart_sequel {
    bool     ends; /* the supervisor ends with `status`; else a server is started */
    int      status;
    uint32_t pause_ms;    /* before the start */
    unsigned quick_count; /* quick deaths in a row now */
};

/* Judges. A server that ends well was told to; one that gives up before anything ever served has
 * said why (a mistake in the file, an address in use), and trying again would only repeat it. Once
 * something served it is tried for ever: a service that comes back late is better than none. */
struct restart_sequel restart_judge(const struct restart_death *death);

#endif
