/* SPDX-License-Identifier: Apache-2.0 */
/* path/keep_test.c - a thing lives as long as somebody names it. */
#include "path/keep.h"

#include <criterion/criterion.h>

static struct keep keep;
static unsigned drops_count;

static void drop(struct kept *kept)
{
    (void)kept;
    drops_count++;
}

Test(keep, a_thing_survives_as_long_as_it_is_referred_to)
{
    struct kept thing = {0};
    keep_init(&keep);
    keep_add(&keep, &thing, "shop", drop);
    cr_expect(keep_find(&keep, "other") == NULL);
    cr_expect(keep_find(&keep, "shop") == &thing);
    kept_unref(&thing);
    cr_expect(drops_count == 0);
    kept_unref(&thing);
    cr_expect(drops_count == 1 && keep_find(&keep, "shop") == NULL);
    kept_unref(NULL);
    keep_fini(&keep);
}

Test(keep, the_newest_of_a_name_is_found)
{
    struct kept older = {0}, newer = {0};
    keep_init(&keep);
    keep_add(&keep, &older, "shop", drop);
    keep_add(&keep, &newer, "shop", drop);
    cr_expect(keep_find(&keep, "shop") == &newer);
    kept_unref(&newer);
    kept_unref(&newer);
    cr_expect(keep_find(&keep, "shop") == &older);
    kept_unref(&older);
    kept_unref(&older);
    keep_fini(&keep);
}
