/* SPDX-License-Identifier: Apache-2.0 */
/* config/value/quantity.h - durations and sizes as people write them: 250ms, 1m30s, 64KiB.
 *
 * A unit is always said. Pure; a verdict is a value. */
#ifndef PANDO_CONFIG_VALUE_QUANTITY_H
#define PANDO_CONFIG_VALUE_QUANTITY_H

#include <stddef.h>
#include <stdint.h>

enum config_quantity_verdict {
    CONFIG_QUANTITY_GOOD,
    CONFIG_QUANTITY_NO_UNIT,  /* "10": a number alone */
    CONFIG_QUANTITY_BAD_UNIT, /* "10KB", "10 parsec" */
    CONFIG_QUANTITY_BAD,      /* "ten", "-1s", "1.5h", "" */
    CONFIG_QUANTITY_HUGE,     /* over 64 bits */
};

/* Units of a duration and of a size, from large to small: X(name, factor). */
#define CONFIG_DURATION_UNITS(X)                                                                   \
    X("d", 86400000000000u)                                                                        \
    X("h", 3600000000000u)                                                                         \
    X("m", 60000000000u)                                                                           \
    X("s", 1000000000u)                                                                            \
    X("ms", 1000000u)                                                                              \
    X("us", 1000u)                                                                                 \
    X("ns", 1u)

#define CONFIG_SIZE_UNITS(X)                                                                       \
    X("TiB", (uint64_t)1 << 40)                                                                    \
    X("GiB", (uint64_t)1 << 30)                                                                    \
    X("MiB", (uint64_t)1 << 20)                                                                    \
    X("KiB", (uint64_t)1 << 10)                                                                    \
    X("B", 1)

/* Room for what the writers below write. */
#define CONFIG_QUANTITY_BYTES 32

/* A whole number, digits only. */
enum config_quantity_verdict config_count_read(const char *text, uint64_t *count);

/* Nanoseconds of "90s", or of several from large to small: "1m30s". */
enum config_quantity_verdict config_duration_read(const char *text, uint64_t *ns);

/* Bytes of "64KiB". */
enum config_quantity_verdict config_size_read(const char *text, uint64_t *bytes);

/* In the largest unit that needs no fraction: "90s", "1h", "0s". Returns @text. */
const char *config_duration_write(uint64_t ns, char text[CONFIG_QUANTITY_BYTES]);

/* In the largest unit that needs no fraction: "64KiB", "1000B". Returns @text. */
const char *config_size_write(uint64_t bytes, char text[CONFIG_QUANTITY_BYTES]);

#endif
