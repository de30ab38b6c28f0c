/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor/restart_test.c - which deaths end the supervisor, and how long it waits. */
#include "main/supervisor/restart.h"

#include <criterion/criterion.h>
#include <signal.h>

/* A crash after a long life does not wait. */
Test(restart, is_at_once_after_a_long_life)
{
    const struct restart_death death = {.by_signal = true,
                                        .code = SIGKILL,
                                        .has_served = true,
                                        .ever_served = true,
                                        .lived_ms = 60000,
                                        .quick_count = 3};
    const struct restart_sequel sequel = restart_judge(&death);
    cr_expect(!sequel.ends);
    cr_expect_eq(sequel.pause_ms, 0);
    cr_expect_eq(sequel.quick_count, 0);
}

/* Quick deaths wait longer each time, up to a limit, and never end what has once served. */
Test(restart, waits_longer_and_never_gives_up_what_served)
{
    const uint32_t pauses_ms[] = {0, 50, 100, 200, 400, 800, 1600, 3200, 5000, 5000};
    struct restart_death death = {.by_signal = true,
                                  .code = SIGSEGV,
                                  .has_served = true,
                                  .ever_served = true,
                                  .lived_ms = 10};
    for (size_t i = 0; i < sizeof pauses_ms / sizeof pauses_ms[0]; i++) {
        const struct restart_sequel sequel = restart_judge(&death);
        cr_expect(!sequel.ends);
        cr_expect_eq(sequel.pause_ms, pauses_ms[i], "death %zu: %u", i, sequel.pause_ms);
        death.quick_count = sequel.quick_count;
    }
}

/* A file that became wrong must not end a node whose server crashed: it may be mended. */
Test(restart, goes_on_when_a_later_server_gives_up)
{
    const struct restart_death death = {.code = 2, .ever_served = true, .quick_count = 6};
    cr_expect(!restart_judge(&death).ends);
}

Test(restart, ends_with_the_status_of_a_first_server_that_gave_up)
{
    const struct restart_death death = {.code = 2, .lived_ms = 5};
    cr_expect(restart_judge(&death).ends);
    cr_expect_eq(restart_judge(&death).status, 2);
}

Test(restart, ends_after_some_crashes_at_boot)
{
    struct restart_death death = {.by_signal = true, .code = SIGABRT, .lived_ms = 5};
    unsigned starts_count = 1;
    for (; !restart_judge(&death).ends; starts_count++)
        death.quick_count = restart_judge(&death).quick_count;
    cr_expect_eq(starts_count, RESTART_BOOT_TRIES);
    cr_expect_eq(restart_judge(&death).status, 1);
}

Test(restart, ends_well_with_a_server_that_ended_well)
{
    const struct restart_death death = {.has_served = true, .ever_served = true, .lived_ms = 5};
    cr_expect(restart_judge(&death).ends);
    cr_expect_eq(restart_judge(&death).status, 0);
}
