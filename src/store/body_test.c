/* SPDX-License-Identifier: Apache-2.0 */
/* store/body_test.c - bodies that grow, are trimmed, and slide. */
#include "store/store_testing.h"

static struct store *store;
static struct testing_key key;

static struct store_body *start(void)
{
    store = testing_store(8 * TESTING_MIB, STORE_S3_FIFO);
    struct store_body *body = store_body_new(store, testing_key(&key, 1));
    cr_assert(body != NULL && body->state == STORE_BODY_GROWS);
    return body;
}

static void finish(struct store_body *body)
{
    store_body_unref(body);
    cr_expect(testing_figures(store).pinned_bytes == 0, "nothing is left");
    store_free(store);
}

Test(body, is_read_while_it_grows)
{
    struct store_body *body = start();
    cr_expect(store_body_find(body, 0, NULL) == NULL, "nothing is ready");
    for (size_t bytes = 1; bytes < 400000; bytes += bytes / 2 + 1) {
        cr_assert(testing_append(body, 1, bytes));
        cr_assert(testing_body_is_of(body, 1, 0));
        cr_assert(testing_body_is_of(body, 1, body->ready_bytes / 2));
        cr_assert(store_body_find(body, body->ready_bytes, NULL) == NULL);
    }
    store_body_end(body, true);
    cr_expect(body->state == STORE_BODY_WHOLE && testing_body_is_of(body, 1, 0));
    finish(body);
}

Test(body, what_is_reserved_is_one_piece_and_what_is_not_used_of_it_is_given_back)
{
    struct store_body *body = start();
    cr_assert(store_body_reserve(body, 100000));
    const uint64_t reserved = testing_figures(store).pinned_bytes;
    cr_expect(reserved >= 100000 && body->first == body->last);
    cr_assert(testing_append(body, 1, 50000));
    cr_expect(testing_figures(store).pinned_bytes == reserved);
    store_body_end(body, true);
    cr_expect(testing_figures(store).pinned_bytes < 60000 && testing_body_is_of(body, 1, 0));
    finish(body);
}

Test(body, what_there_is_no_room_for_is_not_reserved)
{
    struct store_body *body = start();
    struct store_body *others[64];
    int count = 0;
    while (count < 64 && (others[count] = store_body_new(store, testing_key(&key, 1))) != NULL &&
           store_body_reserve(others[count], 200000))
        count++;
    cr_assert(count > 10 && count < 64 && others[count] != NULL);
    cr_expect(!store_body_reserve(body, 200000) && body->last == NULL);
    for (int i = 0; i <= count; i++)
        store_body_unref(others[i]);
    cr_expect(store_body_reserve(body, 200000));
    finish(body);
}

Test(body, that_is_large_has_few_pieces)
{
    struct store_body *body = start();
    int pieces = 0;
    cr_assert(testing_append(body, 1, TESTING_MIB));
    store_body_end(body, true);
    for (uint64_t at = 0; at < body->ready_bytes; pieces++) {
        struct store_piece *piece = store_body_find(body, at, NULL);
        at = piece->starts_at + piece->capacity;
        store_piece_unref(piece);
    }
    cr_expect(pieces <= 9, "%d", pieces);
    finish(body);
}

Test(body, that_ended_takes_hardly_more_than_its_bytes)
{
    static const size_t sizes[] = {1, 100, 4097, 20000, 70001, 300000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct store_body *body = start();
        cr_assert(testing_append(body, 1, sizes[i]));
        store_body_end(body, true);
        const uint64_t taken = testing_figures(store).pinned_bytes;
        cr_expect(taken <= sizes[i] + 128 + 6 * 128, "%zu take %llu", sizes[i],
                  (unsigned long long)taken);
        cr_expect(testing_body_is_of(body, 1, 0));
        finish(body);
    }
}

Test(body, whose_beginning_is_dropped_gives_it_back)
{
    struct store_body *body = start();
    uint64_t most = 0;
    for (int turn = 0; turn < 200; turn++) {
        cr_assert(testing_append(body, 1, 100000));
        cr_assert(testing_body_is_of(body, 1, body->dropped_bytes));
        store_body_drop(body, body->ready_bytes - 50000);
        const uint64_t taken = testing_figures(store).pinned_bytes;
        most = taken > most ? taken : most;
    }
    cr_expect(most < TESTING_MIB, "20 MB went through %llu bytes", (unsigned long long)most);
    cr_expect(store_body_find(body, 0, NULL) == NULL, "it is gone");
    store_body_end(body, false);
    cr_expect(body->state == STORE_BODY_BROKEN);
    finish(body);
}

Test(body, lends_pieces_that_outlive_it)
{
    struct store_body *body = start();
    cr_assert(testing_append(body, 1, 600000));
    struct store_piece *first = store_body_find(body, 0, NULL);
    struct store_piece *last = store_body_find(body, 599999, first);
    cr_assert(first != NULL && last != NULL && first != last);
    store_body_drop(body, 600000);
    cr_expect(store_body_find(body, 0, first) == NULL, "a piece that was dropped leads nowhere");
    struct store_piece *again = store_body_find(body, 599999, first);
    cr_expect(again == last);
    store_piece_unref(again);
    store_body_end(body, true);
    store_body_unref(body);
    cr_expect(testing_is_of(first->data, 1, 0, first->capacity));
    cr_expect(testing_is_of(last->data, 1, last->starts_at, (size_t)(600000 - last->starts_at)));
    store_piece_unref(first);
    store_piece_unref(last);
    cr_expect(testing_figures(store).pinned_bytes == 0);
    store_free(store);
}

Test(body, that_finds_no_room_says_how_far_it_came)
{
    struct store_body *body = start();
    cr_expect_not(testing_append(body, 1, 20 * TESTING_MIB));
    cr_expect(body->ready_bytes > 7 * TESTING_MIB && body->ready_bytes < 8 * TESTING_MIB);
    cr_expect(testing_figures(store).used_bytes <= 8 * TESTING_MIB);
    store_body_end(body, false);
    cr_expect(testing_body_is_of(body, 1, 0));
    finish(body);
}

/* Every second KiB is taken by what cannot leave; there is no long run, but there is room. */
Test(body, grows_into_what_is_scattered)
{
    static struct store_entry *held[40000];
    struct store_body *body = start();
    size_t count = 0;
    while (count < 40000 && (held[count] = testing_put(store, count + 10, 900, 0)) != NULL)
        count++;
    cr_assert(count < 40000);
    for (size_t i = 0; i < count; i++)
        if (i % 2 == 0) {
            (void)!store_remove(store, held[i]);
            store_entry_unref(held[i]);
        }
    cr_expect(!testing_append(body, 1, 8 * TESTING_MIB));
    cr_expect(body->ready_bytes > TESTING_MIB, "%llu", (unsigned long long)body->ready_bytes);
    store_body_end(body, true);
    cr_expect(testing_body_is_of(body, 1, 0));
    for (size_t i = 1; i < count; i += 2) {
        (void)!store_remove(store, held[i]);
        store_entry_unref(held[i]);
    }
    finish(body);
}
