/* SPDX-License-Identifier: Apache-2.0 */
/* control/agent/agent_settings.h - asking agents beside the targets how much they can take.
 *
 * In the file: the section `agent`, which is also the preset of `agent` in a service.
 * Columns: config/table.h. Times are nanoseconds. */
#ifndef PANDO_CONTROL_AGENT_AGENT_SETTINGS_H
#define PANDO_CONTROL_AGENT_AGENT_SETTINGS_H

#include "config/config.h"

#define AGENT_SETTINGS(X)                                                                          \
    X(port, "port", COUNT_OR_NONE, 1, 65535, CONFIG_NONE, LIVE,                                    \
      "where an agent answers on each target's address, in the protocol of HAProxy's agent-check " \
      "(`pando agent` speaks it): \"75%\", \"drain\", \"up\" ...; its percent is of the target's " \
      "weight")                                                                                    \
    X(every_ns, "every", DURATION, CONFIG_MS(20), CONFIG_HOURS(1), CONFIG_SECONDS(2), LIVE,        \
      "from one question to the next")                                                             \
    X(timeout_ns, "timeout", DURATION, CONFIG_MS(1), CONFIG_MINUTES(10), CONFIG_SECONDS(1), LIVE,  \
      "how long an answer may take, connecting included; an agent that is silent is no failure: "  \
      "after three misses its target has its whole weight again, and that is shown")               \
    X(send, "send", TEXT, 0, 255, "", LIVE,                                                        \
      "a line that is sent to the agent first; its end is added")

struct agent_settings {
    AGENT_SETTINGS(CONFIG_FIELD)
};

#endif
