/* SPDX-License-Identifier: Apache-2.0 */
/* path/command/media.h - media types of strings, as keys over HTTP say them and engines keep them:
 * one byte.
 *
 * A type is one of the table (media_rows.h), so that a small string costs one byte more and not
 * thirty. What is not in it is refused where it is said, never changed to another.
 *
 * Threads: pure. */
#ifndef PANDO_PATH_COMMAND_MEDIA_H
#define PANDO_PATH_COMMAND_MEDIA_H

#include "core/bytes.h"
#include "path/command/media_rows.h"

enum {
    MEDIA_NONE = 0, /* none was said: answered as bytes of any kind */
    MEDIA_TEXT_BYTES_MAX = 80,
};

/* The number of the type that @text says, in any case of letters and with any space around ';'.
 * False: it is not in the table, or has a parameter other than charset=utf-8. */
bool media_find(struct bytes text, uint8_t *media) must_check;

/* The text of a type; static. A number that the table does not have, as of a later version, is that
 * of MEDIA_NONE. */
const char *media_text(uint8_t media);

#endif
