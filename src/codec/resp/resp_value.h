/* SPDX-License-Identifier: Apache-2.0 */
/* codec/resp/resp_value.h - walks over written answers: where a value ends, what a head says.
 *
 * For answers that are merged, and for tests. Iterative; nested as deep as RESP_DEPTH_MAX.
 *
 * Memory:  none; offsets into what was given. Threads: pure.
 * Errors:  0 for what is not a whole value. */
#ifndef PANDO_CODEC_RESP_RESP_VALUE_H
#define PANDO_CODEC_RESP_RESP_VALUE_H

#include "core/bytes.h"

enum { RESP_DEPTH_MAX = 8 };

/* Bytes of the value that begins at @bytes, its nested ones included; 0: not whole, or nonsense. */
size_t resp_value_bytes(struct bytes bytes);

/* Reads the head of the value at @bytes: its first character, and the number that follows (of an
 * array, map, set, push, bulk string or integer; -1 also for null). Returns the head's bytes with
 * CRLF; 0: not whole, or no number. */
size_t resp_value_head(struct bytes bytes, char *kind, int64_t *number);

#endif
