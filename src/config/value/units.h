/* SPDX-License-Identifier: Apache-2.0 */
/* config/value/units.h - the units in which ranges and presets of settings are written.
 *
 * Times are nanoseconds, sizes are bytes; both fit in 64 bits for every value that a range
 * allows. */
#ifndef PANDO_CONFIG_VALUE_UNITS_H
#define PANDO_CONFIG_VALUE_UNITS_H

#include <stdint.h>

#define CONFIG_MS(n)      ((uint64_t)(n)*1000000u)
#define CONFIG_SECONDS(n) ((uint64_t)(n)*1000000000u)
#define CONFIG_MINUTES(n) ((uint64_t)(n)*60u * 1000000000u)
#define CONFIG_HOURS(n)   ((uint64_t)(n)*3600u * 1000000000u)
#define CONFIG_KIB(n)     ((uint64_t)(n) << 10)
#define CONFIG_MIB(n)     ((uint64_t)(n) << 20)
#define CONFIG_GIB(n)     ((uint64_t)(n) << 30)
#define CONFIG_TIB(n)     ((uint64_t)(n) << 40)

/* What a setting of an _OR_NONE kind holds when the file says `none`, and one of COUNT_OR_AUTO when
 * it says `auto`. */
#define CONFIG_NONE 0
#define CONFIG_AUTO 0

#endif
