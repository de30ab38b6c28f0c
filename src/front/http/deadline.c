/* SPDX-License-Identifier: Apache-2.0 */
/* front/http/deadline.c - digits, and what they count. */
#include "front/http/deadline.h"

#include "core/units.h"

enum { DIGITS_MAX = 10, GRPC_DIGITS_MAX = 8 };

static bool read_digits(const uint8_t *at, uint32_t bytes, uint64_t *number)
{
    *number = 0;
    for (uint32_t i = 0; i < bytes; i++) {
        if (at[i] < '0' || at[i] > '9')
            return false;
        *number = *number * 10 + (uint64_t)(at[i] - '0');
    }
    return bytes > 0;
}

bool http_timeout_read_ms(const uint8_t *at, uint32_t bytes, uint64_t *ns)
{
    uint64_t ms;
    if (bytes > DIGITS_MAX || !read_digits(at, bytes, &ms))
        return false;
    *ns = ms * NS_PER_MS;
    return true;
}

/* 0: no unit. */
static uint64_t unit_ns(uint8_t letter)
{
    switch (letter) {
    case 'H': return 3600 * NS_PER_S;
    case 'M': return 60 * NS_PER_S;
    case 'S': return NS_PER_S;
    case 'm': return NS_PER_MS;
    case 'u': return NS_PER_US;
    case 'n': return 1;
    default: return 0;
    }
}

bool http_timeout_read_grpc(const uint8_t *at, uint32_t bytes, uint64_t *ns)
{
    uint64_t number;
    const uint64_t unit = bytes < 2 || bytes > GRPC_DIGITS_MAX + 1 ? 0 : unit_ns(at[bytes - 1]);
    if (unit == 0 || !read_digits(at, bytes - 1, &number))
        return false;
    *ns = number > UINT64_MAX / 4 / unit ? UINT64_MAX / 4 : number * unit;
    return true;
}
