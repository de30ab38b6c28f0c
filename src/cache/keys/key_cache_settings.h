/* SPDX-License-Identifier: Apache-2.0 */
/* cache/keys/key_cache_settings.h - what stands before a slower engine: how much, and how long.
 *
 * In the file they are the section `cache` of a keyspace. Columns: config/config.h. */
#ifndef PANDO_CACHE_KEYS_KEY_CACHE_SETTINGS_H
#define PANDO_CACHE_KEYS_KEY_CACHE_SETTINGS_H

#include "config/config.h"

#define KEY_CACHE_SETTINGS(X)                                                                      \
    X(memory_bytes, "memory", SIZE_OR_NONE, CONFIG_MIB(1), CONFIG_GIB(4096), CONFIG_NONE, START,   \
      "memory for answers of hot keys, with all that keeping them takes; none: there is no cache") \
    X(for_ns, "for", DURATION, CONFIG_MS(1), CONFIG_HOURS(24), CONFIG_SECONDS(1), START,           \
      "how long an answer is used at most after it was read: what others than this node changed "  \
      "meanwhile is not seen before; writes through this node are seen at once")

struct key_cache_settings {
    KEY_CACHE_SETTINGS(CONFIG_FIELD)
};

#endif
