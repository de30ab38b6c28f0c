/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/long_double.c - numbers with a fraction, read and written. */
#include "engine/keys/long_double.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool long_double_read(struct bytes text, long double *number)
{
    char copy[LONG_DOUBLE_BYTES_MAX];
    char *end;
    if (text.count == 0 || text.count >= sizeof copy || isspace(text.at[0]))
        return false;
    memcpy(copy, text.at, text.count);
    copy[text.count] = '\0';
    errno = 0;
    *number = strtold(copy, &end);
    if (end != copy + text.count || isnan(*number))
        return false;
    return errno == 0 || (errno == ERANGE && !isinf(*number) && *number != 0);
}

struct bytes long_double_write(char *text, long double number)
{
    int count = snprintf(text, LONG_DOUBLE_BYTES_MAX, "%.17Lf", number);
    while (text[count - 1] == '0')
        count--;
    if (text[count - 1] == '.')
        count--;
    if (count == 2 && memcmp(text, "-0", 2) == 0)
        return bytes_of("0");
    return (struct bytes){(const uint8_t *)text, (size_t)count};
}
