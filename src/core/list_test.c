/* SPDX-License-Identifier: Apache-2.0 */
/* core/list_test.c - order, removal while walking, and moving whole lists. */
#include "core/list.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { ITEMS = 5 };

struct item {
    int              number;
    struct list_link link;
};

static struct list list;
static struct item items[ITEMS];

static void fill(void)
{
    list_init(&list);
    for (int i = 0; i < ITEMS; i++) {
        items[i].number = i;
        link_init(&items[i].link);
        list_add_last(&list, &items[i].link);
    }
}

/* The members as text: "0 1 2 ". */
static const char *spell(const struct list *which)
{
    static char text[64];
    text[0] = '\0';
    list_each(which, link, after)
    {
        char word[16];
        snprintf(word, sizeof word, "%d ", list_item(link, struct item, link)->number);
        strcat(text, word);
    }
    return text;
}

Test(list, an_empty_one_has_no_first)
{
    struct list empty;
    list_init(&empty);
    cr_expect(list_is_empty(&empty));
    cr_expect(list_first(&empty) == NULL);
}

Test(list, keeps_its_order_at_both_ends)
{
    fill();
    list_remove(&items[4].link);
    list_add_first(&list, &items[4].link);
    cr_expect_str_eq(spell(&list), "4 0 1 2 3 ");
    cr_expect(list_first(&list) == &items[4].link);
}

Test(list, removing_twice_is_harmless)
{
    fill();
    cr_expect(link_is_in_list(&items[2].link));
    list_remove(&items[2].link);
    cr_expect(!link_is_in_list(&items[2].link));
    list_remove(&items[2].link);
    cr_expect_str_eq(spell(&list), "0 1 3 4 ");
}

Test(list, moving_last_takes_it_out_first)
{
    fill();
    list_move_last(&list, &items[1].link);
    cr_expect_str_eq(spell(&list), "0 2 3 4 1 ");
}

Test(list, the_current_member_may_be_removed_while_walking)
{
    fill();
    list_each(&list, link, after) if (list_item(link, struct item, link)->number % 2 == 0)
        list_remove(link);
    cr_expect_str_eq(spell(&list), "1 3 ");
}

Test(list, taking_all_appends_and_empties)
{
    struct list other;
    struct item first = {.number = 9};
    fill();
    list_init(&other);
    list_add_last(&other, &first.link);
    list_take_all(&other, &list);
    cr_expect(list_is_empty(&list));
    cr_expect_str_eq(spell(&other), "9 0 1 2 3 4 ");
    list_take_all(&other, &list);
    cr_expect_str_eq(spell(&other), "9 0 1 2 3 4 ");
}
