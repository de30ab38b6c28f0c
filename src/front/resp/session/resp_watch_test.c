/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/resp_watch_test.c - watches whose engine answers at once, later, with an
 * error, or when nobody waits any more. */
#include "front/resp/session/resp_watch.h"

#include <criterion/criterion.h>

/* A door that keeps ops until they are let through. */
static struct key_op *kept[8];
static unsigned kept_count, unwatched_count, watched_count, all_done_count;
static bool keeps;

static void finish(struct key_op *op)
{
    if (op->what == KEY_OP_WATCH &&
        bytes_equal((struct bytes){op->watch->key, op->watch->key_bytes}, bytes_of("bad"))) {
        resp_error(op->out, "ERR no such keyspace");
    } else if (op->what == KEY_OP_WATCH) {
        op->watch->place = op;
        watched_count++;
    } else {
        op->watch->place = NULL;
        unwatched_count++;
    }
    op->done(op);
}

static void submit(struct key_door *self, struct key_op *op)
{
    (void)self;
    cr_assert(op->is_apart && op->set_apart(op));
    if (keeps)
        kept[kept_count++] = op;
    else
        finish(op);
}

static void finish_all(void)
{
    for (unsigned i = 0; i < kept_count; i++)
        finish(kept[i]);
    kept_count = 0;
}

static void all_done(struct resp_watcher *watcher)
{
    cr_expect(watcher->left_count == 0);
    all_done_count++;
}

static struct key_door door = {.submit = submit};
static struct resp_path path = {.refs_count = 1, .door = &door};
static struct door front_door;
static struct resp_watches watches;
static struct resp_watcher watcher;

static void begin(void)
{
    resp_watches_init(&watches);
    watcher = (struct resp_watcher){.all_done = all_done};
}

/* Whatever a test did: nothing is held, nothing is referenced. */
static void end(void)
{
    cr_expect(front_door.holds_count == 0);
    cr_expect(path.refs_count == 1);
    cr_expect(watched_count == unwatched_count);
}

TestSuite(resp_watch, .init = begin, .fini = end);

static void watch(const char *key)
{
    const struct resp_watch_place place = {.path = &path, .door = &front_door};
    watcher.left_count++;
    cr_assert(resp_watches_add(&watches, bytes_of(key), &place, &watcher));
}

Test(resp_watch, is_told_at_once_where_the_engine_is_here)
{
    watch("a");
    cr_expect(watched_count == 1 && all_done_count == 1);
    cr_expect(resp_watches_have(&watches, bytes_of("a")));
    cr_expect(!resp_watches_have(&watches, bytes_of("b")));
    resp_watches_clear(&watches);
    cr_expect(unwatched_count == 1 && watches.count == 0);
}

Test(resp_watch, is_done_when_the_last_key_is)
{
    keeps = true;
    watch("a");
    watch("b");
    cr_expect(front_door.holds_count == 2 && path.refs_count == 3);
    finish(kept[1]);
    cr_expect(all_done_count == 0);
    finish(kept[0]);
    cr_expect(all_done_count == 1);
    keeps = false;
    resp_watches_clear(&watches);
}

Test(resp_watch, tells_the_first_error_and_watches_nothing_then)
{
    watch("bad");
    cr_expect(strcmp(watcher.error, "ERR no such keyspace") == 0);
    cr_expect(all_done_count == 1);
    cr_expect(list_is_empty(&watches.list));
}

Test(resp_watch, ends_by_itself_if_it_is_dropped_before_it_began)
{
    keeps = true;
    watch("a");
    resp_watches_clear(&watches);
    cr_expect(kept_count == 1, "WATCH is under way");
    keeps = false;
    finish_all();
    cr_expect(watched_count == 1 && unwatched_count == 1 && all_done_count == 1);
}

Test(resp_watch, is_handed_on_to_exec)
{
    struct list taken;
    list_init(&taken);
    watch("a");
    watch("b");
    resp_watches_take(&watches, &taken);
    cr_expect(watches.count == 0 && list_is_empty(&watches.list));
    resp_watches_drop_all(&taken);
    cr_expect(unwatched_count == 2 && list_is_empty(&taken));
}
