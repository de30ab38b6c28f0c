/* SPDX-License-Identifier: Apache-2.0 */
/* engine/memory/memory_settings.h - a keyspace in memory: how much it may hold, and what then.
 *
 * Columns: config/config.h. */
#ifndef PANDO_ENGINE_MEMORY_MEMORY_SETTINGS_H
#define PANDO_ENGINE_MEMORY_MEMORY_SETTINGS_H

#include "config/config.h"

#define MEMORY_EVICTIONS(X)                                                                        \
    X(MEMORY_EVICTION_SIEVE, "sieve",                                                              \
      "what was not asked for since a hand passed by leaves")                                      \
    X(MEMORY_EVICTION_NONE, "none", "nothing leaves: writes that need more are refused with OOM")

enum memory_eviction {
#define X(enumerator, name, gist) enumerator,
    MEMORY_EVICTIONS(X)
#undef X
};

#define MEMORY_ENGINE_SETTINGS(X)                                                                  \
    X(memory_bytes, "memory", SIZE, CONFIG_MIB(1), CONFIG_GIB(4096), CONFIG_MIB(256), START,       \
      "engine memory: most bytes of keys and values, with all that holding them takes")            \
    X(eviction, "eviction", CHOICE, keyspace_evictions, 0, MEMORY_EVICTION_SIEVE, START,           \
      "engine memory: what happens when there is no more room")

#endif
