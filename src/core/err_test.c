/* SPDX-License-Identifier: Apache-2.0 */
/* core/err_test.c - the rows are sensible, and stories are told outermost first. */
#include "core/err.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

Test(err, every_row_can_be_shown_to_a_client)
{
    for (enum err_kind kind = ERR_NONE; kind < ERR_KINDS_COUNT; kind++) {
        const struct err_row *row = err_row(kind);
        cr_assert(row->name != NULL && row->name[0] != '\0');
        cr_expect(row->sentence[0] != '\0', "%s", row->name);
        if (kind == ERR_NONE)
            continue;
        cr_expect(row->status >= 400 && row->status < 600, "%s", row->name);
        cr_expect(row->proxy_status[0] != '\0' && row->resp[0] != '\0', "%s", row->name);
        /* The token stands unquoted in a header field. */
        cr_expect(strspn(row->proxy_status, "abcdefghijklmnopqrstuvwxyz_") ==
                      strlen(row->proxy_status),
                  "%s", row->name);
    }
}

Test(err, names_are_unique)
{
    for (enum err_kind one = ERR_NONE; one < ERR_KINDS_COUNT; one++)
        for (enum err_kind other = one + 1; other < ERR_KINDS_COUNT; other++)
            cr_expect_str_neq(err_row(one)->name, err_row(other)->name);
}

/* Whether a request may be repeated hangs on these. */
Test(err, what_never_reached_the_target_was_not_sent)
{
    cr_expect(err_row(ERR_CONNECT_REFUSED)->sent == ERR_SENT_NO);
    cr_expect(err_row(ERR_CONNECT_TIMEOUT)->sent == ERR_SENT_NO);
    cr_expect(err_row(ERR_CONNECT_FAILED)->sent == ERR_SENT_NO);
    cr_expect(err_row(ERR_TARGET_NOT_SENT)->sent == ERR_SENT_NO);
    cr_expect(err_row(ERR_TARGET_CLOSED)->sent == ERR_SENT_MAYBE);
    cr_expect(err_row(ERR_TARGET_TIMEOUT)->sent == ERR_SENT_MAYBE);
    cr_expect(err_row(ERR_TARGET_NONSENSE)->sent == ERR_SENT_YES);
}

Test(err, a_kind_without_a_row_is_a_bug, .signal = SIGABRT)
{
    (void)err_row(ERR_KINDS_COUNT);
}

Test(err, set_fills_and_returns_the_kind)
{
    struct err e = {.sys = 5, .offset = 9};
    cr_expect(err_set(&e, ERR_LIMIT, "pool of %d is over %d", 5, 4) == ERR_LIMIT);
    cr_expect(e.kind == ERR_LIMIT && e.sys == 0 && e.offset == 0);
    cr_expect_str_eq(e.story, "pool of 5 is over 4");
}

Test(err, nobody_need_listen)
{
    cr_expect(err_set(NULL, ERR_INPUT, "x") == ERR_INPUT);
    cr_expect(err_set_errno(NULL, "x") == ERR_SYSTEM);
}

Test(err, a_system_call_adds_its_reason)
{
    struct err e;
    errno = ENOENT;
    cr_expect(err_set_errno(&e, "open %s", "shop.db") == ERR_SYSTEM);
    cr_expect(e.sys == ENOENT);
    cr_expect_str_eq(e.story, "open shop.db: No such file or directory");
}

Test(err, chapters_stand_outermost_first)
{
    struct err e;
    (void)err_set(&e, ERR_MEMORY, "no memory");
    (void)err_wrap(&e, "map %d GiB", 4);
    cr_expect(err_wrap(&e, "open %s", "shop.db") == ERR_MEMORY);
    cr_expect_str_eq(e.story, "open shop.db: map 4 GiB: no memory");
}

Test(err, a_long_story_is_cut_and_ended)
{
    struct err e;
    char chapter[100];
    memset(chapter, 'x', sizeof chapter - 1);
    chapter[sizeof chapter - 1] = '\0';
    (void)err_set(&e, ERR_INPUT, "the end");
    for (int i = 0; i < 10; i++)
        (void)err_wrap(&e, "%s", chapter);
    cr_expect(strnlen(e.story, sizeof e.story) == sizeof e.story - 1);
}
