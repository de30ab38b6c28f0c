/* SPDX-License-Identifier: Apache-2.0 */
/* control/orders/orders_test.c - orders, as a list, as text and in a file. */
#include "control/orders/orders.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct orders orders;

static void set_up(void)
{
    orders_init(&orders);
}

static void tear_down(void)
{
    orders_fini(&orders);
}

TestSuite(orders, .init = set_up, .fini = tear_down);

static void add(const char *service, const char *target, bool is_drained, uint32_t weight)
{
    struct order *order = orders_add(&orders, service, target);
    cr_assert(order != NULL);
    order->is_drained = is_drained;
    order->weight = weight;
    order->file_weight = 3;
}

static bool reads(const char *text)
{
    FILE *in = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    orders_fini(&orders);
    orders_init(&orders);
    const bool ok = orders_read(&orders, in);
    fclose(in);
    return ok;
}

Test(orders, what_is_written_is_read_again)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    add("shop", "10.0.0.1:3000", true, 0);
    add("shop", "unix:/run/a b.sock", false, 256);
    orders_write(&orders, out);
    fclose(out);
    cr_assert(reads(text));
    cr_expect(orders.count == 2);
    const struct order *one = orders_find(&orders, "shop", "10.0.0.1:3000");
    const struct order *other = orders_find(&orders, "shop", "unix:/run/a b.sock");
    cr_assert(one != NULL && other != NULL);
    cr_expect(one->is_drained && one->weight == 0 && one->file_weight == 3);
    cr_expect(!other->is_drained && other->weight == 256);
    cr_expect(orders_find(&orders, "blog", "10.0.0.1:3000") == NULL);
    free(text);
}

Test(orders, what_is_damaged_is_refused)
{
    cr_expect(reads("pando targets 1\n"));
    cr_expect(!reads("pando targets 2\n"));
    cr_expect(!reads("x"));
    cr_expect(!reads("pando targets 1\nshop drain 0 1\n"));
    cr_expect(!reads("pando targets 1\nshop up 0 1 a:1\n"));
    cr_expect(!reads("pando targets 1\nshop - 0 1 a:1\nshop - 2 1 a:1\n"), "twice the same");
}

Test(orders, are_bounded)
{
    char name[32];
    for (int i = 0; i < ORDERS_MAX; i++) {
        snprintf(name, sizeof name, "t%d", i);
        cr_assert(orders_add(&orders, "shop", name) != NULL);
    }
    cr_expect(orders_add(&orders, "shop", "more") == NULL);
}

Test(orders, a_file_that_is_not_there_is_empty_and_is_made_with_its_folders)
{
    char folder[] = "/tmp/orders-XXXXXX", path[128], deep[96];
    struct err e = {0};
    cr_assert(mkdtemp(folder) != NULL);
    snprintf(deep, sizeof deep, "%s/a", folder);
    snprintf(path, sizeof path, "%s/a/targets", folder);
    cr_expect(orders_load(&orders, path, &e) == ERR_NONE && orders.count == 0);
    add("shop", "a:1", true, 9);
    cr_expect(orders_store(&orders, path, &e) == ERR_NONE, "%s", e.story);
    cr_expect(orders_store(&orders, path, &e) == ERR_NONE, "%s", e.story);
    orders_drop(&orders, orders_find(&orders, "shop", "a:1"));
    cr_expect(orders_load(&orders, path, &e) == ERR_NONE && orders.count == 1);
    cr_expect(remove(path) == 0 && remove(deep) == 0 && remove(folder) == 0,
              "nothing else is left");
}
