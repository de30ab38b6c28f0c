/* SPDX-License-Identifier: Apache-2.0 */
/* core/units_test.c - what clients are told of time. */
#include "core/units.h"

#include <criterion/criterion.h>

/* Nobody is told to come back at once, and nobody too early. */
Test(units, seconds_up)
{
    cr_expect(seconds_up(0) == 1 && seconds_up(1) == 1 && seconds_up(NS_PER_S) == 1);
    cr_expect(seconds_up(NS_PER_S + 1) == 2 && seconds_up(3 * NS_PER_S) == 3);
}
