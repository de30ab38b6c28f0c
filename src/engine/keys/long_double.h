/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/long_double.h - numbers with a fraction as INCRBYFLOAT and HINCRBYFLOAT read and
 * write them.
 *
 * Threads: pure. */
#ifndef PANDO_ENGINE_KEYS_LONG_DOUBLE_H
#define PANDO_ENGINE_KEYS_LONG_DOUBLE_H

#include "core/bytes.h"

/* Of a text; one of Intel's has 4,933 digits at most, and others fewer. */
enum { LONG_DOUBLE_BYTES_MAX = 5 * 1024 };

/* As strtold() reads it, whole and without space before it; not nan, nor what is too large or too
 * small. */
bool long_double_read(struct bytes text, long double *number) must_check;

/* With 17 digits behind the point at most, as few as say the same, and no sign before a zero;
 * written to @text of LONG_DOUBLE_BYTES_MAX bytes, or static. */
struct bytes long_double_write(char *text, long double number);

#endif
