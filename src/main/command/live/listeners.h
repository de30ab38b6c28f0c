/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/live/listeners.h - `pando check --live`: may every listener have its address?
 *
 * Each address is bound and given back at once. One that is in use by the very Pando that the
 * control socket leads to is well: a check before a reload must not fail because it runs.
 *
 * Memory:  starts zeroed; live_listeners_fini() gives back all. The settings are borrowed.
 * Threads: none. Errors: of a listener, in its row. */
#ifndef PANDO_MAIN_COMMAND_LIVE_LISTENERS_H
#define PANDO_MAIN_COMMAND_LIVE_LISTENERS_H

#include "main/settings.h"

struct live_listener {
    const struct listener_settings *listener;
    bool                            is_served; /* by the server that runs */
    char                            why[96];   /* it cannot be had; "": it can, or is served */
};

struct live_listeners {
    struct live_listener *at;
    size_t                count;
    size_t                refused_count;
};

/* Tries all listeners of @settings. */
must_check enum err_kind live_listeners_try(struct live_listeners *listeners,
                                            const struct settings *settings, struct err *e);

/* Accepts zero. */
void live_listeners_fini(struct live_listeners *listeners);

#endif
