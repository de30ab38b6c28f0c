/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/strings/strings.h - what the commands of strings share: how long a value is to live,
 * how long it may be, and how it is put.
 *
 * Threads: whoever holds the spaces. */
#ifndef PANDO_ENGINE_KEYS_STRINGS_STRINGS_H
#define PANDO_ENGINE_KEYS_STRINGS_STRINGS_H

#include "engine/keys/run.h"

/* No string of Redis is longer, and no offset of a bit or byte lies behind it. */
#define STRINGS_BYTES_MAX ((uint64_t)512 * 1024 * 1024)

#define STRINGS_NO_BIT_OFFSET "ERR bit offset is not an integer or out of range"

/* How a time to live is said. */
enum expiry_form {
    EXPIRY_NONE,
    EXPIRY_EX,   /* seconds from now */
    EXPIRY_PX,   /* milliseconds from now */
    EXPIRY_EXAT, /* second of Unix time */
    EXPIRY_PXAT, /* millisecond of it */
};

/* Reads argument @index, at least 1, as Unix time in ms; false: it is none, which is answered. */
bool strings__read_expiry(struct run *run, uint32_t index, enum expiry_form form,
                          uint64_t *expires_ms) must_check;

/* The same for an option: argument @index is its word and the next its number. False: it is not one
 * of EX, PX, EXAT and PXAT with something behind it; nothing is answered. */
bool strings__is_expiry(const struct run *run, uint32_t index, enum expiry_form *form);

/* Puts @string under @key. What expired before now is not kept at all. */
enum space_result strings__put(struct run *run, struct space *space, struct bytes key,
                               struct bytes string, uint64_t expires_ms) must_check;

/* May a string be @bytes long? False: answered. */
bool strings__may_be_long(struct run *run, uint64_t bytes) must_check;

/* Makes the string of @value @bytes long, as space->edit() does, if it may be so long. *at until
 * strings__edited(). False: answered. */
bool strings__edit(struct run *run, struct space *space, struct space_value *value, uint64_t bytes,
                   uint8_t **at) must_check;

/* After what was written there; of the key at argument 1. False: answered. */
bool strings__edited(struct run *run, struct space *space, struct space_value *value) must_check;

/* Answers the string that was found, or null. */
void strings__answer(struct run *run, const struct space_value *value);

/* Places *@first to *@last of @count, counted from the end if they are negative, brought into 0 to
 * @count - 1 as Redis does. False: there is nothing between them. */
bool strings__clip(int64_t *first, int64_t *last, uint64_t count);

/* Both counted from the end, and the wrong way round: nothing is between them, also if both are
 * before the beginning and would be brought to it. */
static inline bool strings__are_backward(int64_t first, int64_t last)
{
    return first < 0 && last < 0 && first > last;
}

/* Reads argument @index, "7" or, if @width is not 0, "#7" (seven times @width), as the place of a
 * bit; false: answered. */
bool strings__read_bit_offset(struct run *run, uint32_t index, unsigned width, uint64_t *offset)
    must_check;

#endif
