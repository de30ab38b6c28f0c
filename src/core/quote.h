/* SPDX-License-Identifier: Apache-2.0 */
/* core/quote.h - bytes as people type and read them: as they are where they are plain, else in
 * double quotes with escapes ("a b", "\x00\n"), as redis-cli writes them.
 *
 * Memory:  the caller's. Threads: pure. */
#ifndef PANDO_CORE_QUOTE_H
#define PANDO_CORE_QUOTE_H

#include "core/bytes.h"

#include <stdio.h>

/* Writes @bytes: printable ASCII without spaces, quotes and backslashes as it is, all else (and
 * nothing at all) quoted. What is written holds printable ASCII only. */
void quote_write(FILE *out, struct bytes bytes);

/* Reads @text, which ends in NUL, into @out, which has room for strlen(@text) bytes. What does not
 * begin with a double quote is taken as it is. False: what does is not quoted rightly. */
bool quote_read(const char *text, uint8_t *out, size_t *count) must_check;

#endif
