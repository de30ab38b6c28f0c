/* SPDX-License-Identifier: Apache-2.0 */
/* config/value/words.h - words as people type them: cleaned, and measured against what was meant.
 *
 * Pure; memory is the caller's. Text is UTF-8 of any quality. */
#ifndef PANDO_CONFIG_VALUE_WORDS_H
#define PANDO_CONFIG_VALUE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest word that is compared; longer ones are never suggested nor corrected. */
#define CONFIG_WORD_BYTES_MAX 64

/* Damerau-Levenshtein distance (adjacent letters may change places) in bytes; SIZE_MAX if a word is
 * longer than CONFIG_WORD_BYTES_MAX. */
size_t config_words_distance(const char *one, const char *other);

/* Is @meant near enough to @typed (2 slips, or a third of its length) to ask "did you mean"?
 * Returns the distance, or SIZE_MAX if it is too far. */
size_t config_words_near(const char *typed, const char *meant);

/* The length in bytes of the UTF-8 character at @at (which ends at @end), and its code point; an
 * invalid byte is a character of its own with the code point UINT32_MAX. */
size_t config_words_character(const char *at, const char *end, uint32_t *code_point);

/* Is all of it valid UTF-8 without control characters? */
bool config_words_is_plain(const char *text, size_t bytes);

/* Copies @bytes at @text to @out (of @out_bytes, a NUL included), fit for a terminal: a tab
 * becomes a space, other control characters and invalid bytes a question mark. At most
 * @characters of them, then an ellipsis. Returns how many characters were written, the ellipsis
 * not counted. */
size_t config_words_clean(char *out, size_t out_bytes, const char *text, size_t bytes,
                          size_t characters);

#endif
