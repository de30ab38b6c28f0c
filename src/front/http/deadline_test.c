/* SPDX-License-Identifier: Apache-2.0 */
/* front/http/deadline_test.c - both spellings, and what is neither. */
#include "front/http/deadline.h"

#include <criterion/criterion.h>
#include <string.h>

static uint64_t ms_of(const char *text)
{
    uint64_t ns;
    return http_timeout_read_ms((const uint8_t *)text, (uint32_t)strlen(text), &ns) ? ns
                                                                                    : UINT64_MAX;
}

static uint64_t grpc_of(const char *text)
{
    uint64_t ns;
    return http_timeout_read_grpc((const uint8_t *)text, (uint32_t)strlen(text), &ns) ? ns
                                                                                      : UINT64_MAX;
}

Test(deadline, milliseconds_are_digits)
{
    cr_expect(ms_of("0") == 0 && ms_of("1500") == 1500000000);
    cr_expect(ms_of("9999999999") == 9999999999000000);
    const char *const bad[] = {"", "-1", "1.5", " 1", "1s", "10000000000"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect(ms_of(bad[i]) == UINT64_MAX, "%s", bad[i]);
}

Test(deadline, grpc_has_units)
{
    cr_expect(grpc_of("2H") == 7200000000000 && grpc_of("1M") == 60000000000);
    cr_expect(grpc_of("3S") == 3000000000 && grpc_of("100m") == 100000000);
    cr_expect(grpc_of("5u") == 5000 && grpc_of("7n") == 7 && grpc_of("0m") == 0);
    cr_expect(grpc_of("99999999H") == UINT64_MAX / 4, "more than any clock lasts");
    const char *const bad[] = {"", "m", "10", "1s", "1 m", "123456789m", "-1m"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect(grpc_of(bad[i]) == UINT64_MAX, "%s", bad[i]);
}
