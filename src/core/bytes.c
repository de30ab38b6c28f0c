/* SPDX-License-Identifier: Apache-2.0 */
/* core/bytes.c - numbers read from bytes and written into them. */
#include "core/bytes.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    DOUBLE_TEXT_MAX =
        400,           /* the longest plain writing of a finite double has 309 digits and more */
    DIGITS_EXACT = 15, /* so many digits fit a double's 53 bits whatever they are */
};

static inline bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

bool bytes_is_word(struct bytes bytes, const char *word)
{
    for (size_t i = 0; i < bytes.count; i++) {
        const uint8_t byte = bytes.at[i];
        const uint8_t lower = byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
        if (lower == 0 || lower != (uint8_t)word[i])
            return false;
    }
    return word[bytes.count] == 0;
}

bool bytes_read_uint64(struct bytes bytes, uint64_t *number)
{
    if (bytes.count == 0 || bytes.count > 20 || (bytes.at[0] == '0' && bytes.count > 1))
        return false;
    uint64_t sum = 0;
    for (size_t i = 0; i < bytes.count; i++) {
        if (!is_digit(bytes.at[i]))
            return false;
        const uint64_t digit = bytes.at[i] - (uint64_t)'0';
        if (sum > UINT64_MAX / 10 || (sum == UINT64_MAX / 10 && digit > UINT64_MAX % 10))
            return false;
        sum = sum * 10 + digit;
    }
    *number = sum;
    return true;
}

bool bytes_read_int64(struct bytes bytes, int64_t *number)
{
    const bool is_negative = bytes.count > 0 && bytes.at[0] == '-';
    const uint64_t most = (uint64_t)INT64_MAX + is_negative;
    uint64_t size = 0;
    if (is_negative)
        bytes = (struct bytes){bytes.at + 1, bytes.count - 1};
    if (!bytes_read_uint64(bytes, &size) || size > most || (is_negative && size == 0))
        return false;
    *number = is_negative ? (int64_t)(0 - size) : (int64_t)size;
    return true;
}

/* Scores and counters are short whole numbers mostly, and strtod() is slow. "-0" is not among
 * them: it keeps its sign. */
static bool read_short(struct bytes bytes, double *number)
{
    int64_t whole;
    if (bytes.count > DIGITS_EXACT || !bytes_read_int64(bytes, &whole))
        return false;
    *number = (double)whole;
    return true;
}

bool bytes_read_double(struct bytes bytes, double *number)
{
    if (read_short(bytes, number))
        return true;
    if (bytes.count == 0 || bytes.count > DOUBLE_TEXT_MAX || isspace(bytes.at[0]))
        return false;
    char text[DOUBLE_TEXT_MAX + 1];
    memcpy(text, bytes.at, bytes.count);
    text[bytes.count] = 0;
    char *end;
    errno = 0;
    const double value = strtod(text, &end);
    if (end != text + bytes.count || isnan(value))
        return false;
    if (errno == ERANGE && (isinf(value) || fpclassify(value) == FP_ZERO))
        return false; /* a number, but none that a double can be near to */
    *number = value;
    return true;
}

static unsigned write_digits(uint8_t *out, uint64_t number)
{
    uint8_t digits[20];
    unsigned count = 0;
    do {
        digits[count++] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    for (unsigned i = 0; i < count; i++)
        out[i] = digits[count - 1 - i];
    return count;
}

unsigned bytes_write_int64(uint8_t *out, int64_t number)
{
    if (number >= 0)
        return write_digits(out, (uint64_t)number);
    *out = '-';
    return 1 + write_digits(out + 1, 0 - (uint64_t)number);
}

static unsigned write_text(uint8_t *out, const char *text)
{
    const size_t count = strlen(text);
    memcpy(out, text, count);
    return (unsigned)count;
}

unsigned bytes_write_double(uint8_t *out, double number)
{
    if (isnan(number))
        return write_text(out, "nan");
    if (isinf(number))
        return write_text(out, number > 0 ? "inf" : "-inf");
    if (fabs(number) < 1e17 && number == (double)(int64_t)number &&
        !(number == 0 && signbit(number)))
        return bytes_write_int64(out, (int64_t)number);
    char text[BYTES_DOUBLE_MAX];
    (void)snprintf(text, sizeof text, "%.17g", number);
    return write_text(out, text);
}
