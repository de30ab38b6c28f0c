/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/live/live.h - `pando check --live`: is every target there?
 *
 * Names and SRV records are resolved first, all at once; then every address is connected to, all at
 * once, and closed again without a byte sent. Each of the two has LIVE_WAIT_MS.
 *
 * Memory:  starts zeroed; live_fini() gives back all. The strings of the settings are borrowed.
 * Threads: none. Errors: of a target, in its probe. */
#ifndef PANDO_MAIN_COMMAND_LIVE_LIVE_H
#define PANDO_MAIN_COMMAND_LIVE_LIVE_H

#include "main/settings.h"

enum {
    LIVE_WAIT_MS = 2000,
    LIVE_ADDRESS_BYTES = 128,
};

/* One address of a target; or the target itself if no address was found. */
struct live_probe {
    const struct settings_service *service;
    const struct settings_target  *target;
    char                           address[LIVE_ADDRESS_BYTES]; /* "10.0.0.1:3000", or "" */
    struct sockaddr_storage        socket;
    socklen_t                      socket_bytes; /* 0: there is no address */
    int                            fd;           /* -1: not connecting */
    char                           why[96];      /* it cannot be reached; "": it can */
    double                         took_ms;
};

struct live {
    struct live_probe *probes;
    size_t             count, room;
    size_t             targets_count;
    size_t             missing_count; /* targets none of whose addresses could be reached */
};

/* Tries all targets of @settings. An error is one of ours, not a target's. */
must_check enum err_kind live_try(struct live *live, const struct settings *settings,
                                  struct err *e);

/* Accepts zero. */
void live_fini(struct live *live);

#endif
