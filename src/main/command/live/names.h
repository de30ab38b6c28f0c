/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/live/names.h - the names of targets become probes; for this folder only. */
#ifndef PANDO_MAIN_COMMAND_LIVE_NAMES_H
#define PANDO_MAIN_COMMAND_LIVE_NAMES_H

#include "main/command/live/live.h"

/* Adds a probe. NULL: there is no memory. */
struct live_probe *live__add(struct live *live, const struct settings_service *service,
                             const struct settings_target *target);

/* Adds a probe for each address of each target whose address is a name or an SRV record; for a name
 * without one, a probe that says why. */
must_check enum err_kind live__resolve(struct live *live, const struct settings *settings,
                                       struct err *e);

#endif
