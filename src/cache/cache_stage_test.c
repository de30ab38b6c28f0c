/* SPDX-License-Identifier: Apache-2.0 */
/* cache/cache_stage_test.c - what becomes of requests: who asks a server, who waits, who is
 * given what. */
#include "cache/cache_testing.h"

#include "core/mem.h"

#define KEEP    "Cache-Control: max-age=60"
#define CHUNKED "Cache-Control: max-age=60\nTransfer-Encoding: chunked"

static struct house house;

static void set_up(void)
{
    house_open(&house, 4 * MIB);
}

static void tear_down(void)
{
    house_close(&house);
}

TestSuite(cache_stage, .init = set_up, .fini = tear_down);

static uint64_t figure(_Atomic uint64_t *of_first_row)
{
    return atomic_load(of_first_row);
}

#define FIGURE(name) figure(&house.cache->rows[0].name)

Test(cache_stage, a_miss_is_asked_for_and_then_hit)
{
    struct client *first = house_ask(&house, 0, "/a", "");
    cr_assert(house_asked_count(&house) == 1);
    house_answer(&house, house_asked(&house, 0), 200, KEEP, "hello");
    cr_expect(client_got(first, 200, "hello"));
    cr_expect(client_said(first, "Cache-Status: pando; fwd=uri-miss"));
    struct client *second = house_ask(&house, 1, "/a", "");
    cr_expect(client_got(second, 200, "hello") && client_said(second, "Cache-Status: pando; hit"));
    cr_expect(house_asked_count(&house) == 1 && FIGURE(stored) == 1);
}

Test(cache_stage, an_empty_body_is_an_answer_too)
{
    struct client *first = house_ask(&house, 0, "/a", "");
    house_answer(&house, house_asked(&house, 0), 204, KEEP, "");
    struct client *second = house_ask(&house, 0, "/a", "");
    cr_expect(client_got(first, 204, "") && client_got(second, 204, ""));
}

Test(cache_stage, all_who_ask_meanwhile_are_given_what_one_fetch_brings)
{
    struct client *clients[6];
    for (unsigned i = 0; i < 6; i++)
        clients[i] = house_ask(&house, i % HOUSE_WORKERS, "/a", "");
    cr_expect(house_asked_count(&house) == 1);
    house_answer(&house, house_asked(&house, 0), 200, KEEP, "for all");
    house_turn(&house, 0);
    for (unsigned i = 0; i < 6; i++)
        cr_expect(client_got(clients[i], 200, "for all"));
    cr_expect(FIGURE(collapsed) == 2 && FIGURE(fetches) == 1);
}

/* Nobody waits for the end of a body to be given its beginning. */
Test(cache_stage, a_body_is_read_while_it_grows)
{
    struct client *first = house_ask(&house, 0, "/a", "");
    struct client *other = house_ask(&house, 1, "/a", "");
    struct op *op = house_asked(&house, 0);
    cr_assert(house_answer_head(&house, op, 200, CHUNKED));
    cr_assert(house_put(op, "one ", 4));
    house_turn(&house, 0);
    cr_expect(first->body_bytes == 4 && other->body_bytes == 4 && !first->ended);
    struct client *late = house_ask(&house, 1, "/a", "");
    cr_expect(late->body_bytes == 4 && house_asked_count(&house) == 1);
    cr_assert(house_put(op, "two", 3));
    house_end(op, ERR_NONE);
    house_turn(&house, 0);
    cr_expect(client_got(first, 200, "one two") && client_got(other, 200, "one two") &&
              client_got(late, 200, "one two"));
}

Test(cache_stage, what_is_not_kept_is_passed_to_the_first_and_the_others_ask_themselves)
{
    struct client *clients[3];
    for (unsigned i = 0; i < 3; i++)
        clients[i] = house_ask(&house, 0, "/a", "");
    cr_assert(house_asked_count(&house) == 1);
    struct op *op = house_asked(&house, 0);
    cr_assert(house_answer_head(&house, op, 200, "Cache-Control: no-store\nContent-Length: 5"));
    cr_expect(house_asked_count(&house) == 3, "they wait no longer than for the head");
    cr_assert(house_put(op, "first", 5));
    house_end(op, ERR_NONE);
    cr_expect(client_got(clients[0], 200, "first"));
    house_answer(&house, house_asked(&house, 1), 200, "Cache-Control: no-store", "second");
    house_answer(&house, house_asked(&house, 2), 200, "Cache-Control: no-store", "third");
    cr_expect(client_got(clients[1], 200, "second") && client_got(clients[2], 200, "third"));
    struct client *later = house_ask(&house, 0, "/a", "");
    struct client *beside = house_ask(&house, 0, "/a", "");
    cr_expect(house_asked_count(&house) == 5, "it is known that this passes, so nobody waits");
    house_answer(&house, house_asked(&house, 3), 200, "Cache-Control: no-store", "x");
    house_answer(&house, house_asked(&house, 4), 200, KEEP, "y");
    cr_expect(client_got(later, 200, "x") && client_got(beside, 200, "y"));
    (void)house_ask(&house, 0, "/a", "");
    house_answer(&house, house_asked(&house, 5), 200, KEEP, "z");
    cr_expect(client_got(house_ask(&house, 0, "/a", ""), 200, "z"), "it may be kept after all");
}

/* --- leaving ---------------------------------------------------------------------------------- */

static void leave(struct client *client)
{
    op_cancel(client->op);
    cr_expect(client->finished && client->outcome == OUTCOME_CANCELLED);
}

Test(cache_stage, the_first_leaves_while_the_server_is_asked)
{
    struct client *first = house_ask(&house, 0, "/a", "");
    struct client *other = house_ask(&house, 0, "/a", "");
    leave(first);
    cr_expect(house.cancelled_count == 0);
    house_answer(&house, house_asked(&house, 0), 200, KEEP, "hello");
    cr_expect(client_got(other, 200, "hello"));
}

Test(cache_stage, all_leave_and_what_comes_is_kept)
{
    leave(house_ask(&house, 0, "/a", ""));
    house_answer(&house, house_asked(&house, 0), 200, KEEP, "hello");
    cr_expect(client_got(house_ask(&house, 0, "/a", ""), 200, "hello"));
    cr_expect(house_asked_count(&house) == 1);
}

Test(cache_stage, all_leave_while_the_body_comes_and_it_is_kept)
{
    struct client *first = house_ask(&house, 0, "/a", "");
    struct client *other = house_ask(&house, 1, "/a", "");
    struct op *op = house_asked(&house, 0);
    cr_assert(house_answer_head(&house, op, 200, CHUNKED) && house_put(op, "one ", 4));
    house_turn(&house, 0);
    leave(first);
    leave(other);
    cr_assert(house_put(op, "two", 3));
    house_end(op, ERR_NONE);
    cr_expect(house.cancelled_count == 0);
    cr_expect(client_got(house_ask(&house, 1, "/a", ""), 200, "one two"));
}

Test(cache_stage, who_is_passed_an_answer_leaves_and_it_is_cancelled)
{
    struct client *first = house_ask(&house, 0, "/a", "");
    struct op *op = house_asked(&house, 0);
    cr_assert(house_answer_head(&house, op, 200, "Cache-Control: private\nContent-Length: 9"));
    cr_assert(house_put(op, "one", 3));
    leave(first);
    cr_expect(house.cancelled_count == 1 && first->body_bytes == 3);
}

Test(cache_stage, nobody_is_there_for_an_answer_that_is_not_kept)
{
    leave(house_ask(&house, 0, "/a", ""));
    struct op *op = house_asked(&house, 0);
    cr_expect(!house_answer_head(&house, op, 200, "Cache-Control: private\nContent-Length: 9"));
    cr_expect(house.cancelled_count == 1);
}

Test(cache_stage, what_nobody_waits_for_ends_with_the_worker)
{
    leave(house_ask(&house, 0, "/a", ""));
    leave(house_ask(&house, 0, "/b", ""));
    (void)house_asked(&house, 0);
    (void)house_asked(&house, 1);
    list_each(&house.workers[0].ends, link, after)
    {
        struct worker_end *end = list_item(link, struct worker_end, link);
        end->call(end);
    }
    cr_expect(house.cancelled_count == 2 && house.holds_count == 0);
}

/* --- errors ----------------------------------------------------------------------------------- */

Test(cache_stage, all_get_the_error)
{
    struct client *clients[4];
    for (unsigned i = 0; i < 4; i++)
        clients[i] = house_ask(&house, i % HOUSE_WORKERS, "/a", "");
    op_refuse(house_asked(&house, 0), ERR_CONNECT_REFUSED, NULL);
    house_turn(&house, 0);
    for (unsigned i = 0; i < 4; i++)
        cr_expect(clients[i]->finished && clients[i]->error == ERR_CONNECT_REFUSED);
    (void)house_ask(&house, 0, "/a", "");
    cr_expect(house_asked_count(&house) == 2, "the next one asks again");
    house_answer(&house, house_asked(&house, 1), 200, KEEP, "back");
}

Test(cache_stage, a_body_that_breaks_off_is_an_error_for_all_and_is_not_kept)
{
    struct client *first = house_ask(&house, 0, "/a", "");
    struct client *other = house_ask(&house, 1, "/a", "");
    struct op *op = house_asked(&house, 0);
    cr_assert(house_answer_head(&house, op, 200, CHUNKED) && house_put(op, "half", 4));
    house_end(op, ERR_TARGET_INCOMPLETE);
    house_turn(&house, 0);
    cr_expect(first->finished && first->status == 200 && first->outcome == OUTCOME_FAILED);
    cr_expect(first->ended && first->body_error != ERR_NONE);
    cr_expect(other->finished && other->ended && other->body_error != ERR_NONE);
    (void)house_ask(&house, 0, "/a", "");
    cr_expect(house_asked_count(&house) == 2);
    house_answer(&house, house_asked(&house, 1), 200, KEEP, "whole");
}

/* Keeps @body under /a for a second. */
static void keep_for_a_second(const char *more, const char *body)
{
    char fields[256];
    snprintf(fields, sizeof fields, "Cache-Control: max-age=1%s", more);
    (void)house_ask(&house, 0, "/a", "");
    house_answer(&house, house_asked(&house, house_asked_count(&house) - 1), 200, fields, body);
    house_pass(&house, 2);
}

Test(cache_stage, what_is_stale_is_used_where_the_server_fails)
{
    keep_for_a_second(", stale-if-error=60", "old");
    struct client *first = house_ask(&house, 0, "/a", "");
    struct client *other = house_ask(&house, 1, "/a", "");
    cr_assert(house_asked_count(&house) == 2);
    house_answer(&house, house_asked(&house, 1), 503, "", "sorry");
    house_turn(&house, 0);
    cr_expect(client_got(first, 200, "old") && client_got(other, 200, "old"));
    cr_expect(FIGURE(hits_on_error) == 1);
    struct client *unreached = house_ask(&house, 0, "/a", "");
    op_refuse(house_asked(&house, 2), ERR_CONNECT_REFUSED, NULL);
    cr_expect(client_got(unreached, 200, "old"));
    house_pass(&house, 4000);
    struct client *late = house_ask(&house, 0, "/a", "");
    op_refuse(house_asked(&house, 3), ERR_CONNECT_REFUSED, NULL);
    cr_expect(late->finished && late->error == ERR_CONNECT_REFUSED);
}

Test(cache_stage, a_304_makes_what_is_kept_fresh_again)
{
    keep_for_a_second("\nETag: \"v1\"", "same");
    struct client *first = house_ask(&house, 0, "/a", "");
    struct client *other = house_ask(&house, 1, "/a", "");
    struct op *op = house_asked(&house, 1);
    cr_expect(op_says(op, "If-None-Match", "\"v1\""));
    house_answer(&house, op, 304, KEEP "\nETag: \"v1\"", "");
    house_turn(&house, 0);
    cr_expect(client_got(first, 200, "same") && client_got(other, 200, "same"));
    cr_expect(client_got(house_ask(&house, 0, "/a", ""), 200, "same"));
    cr_expect(house_asked_count(&house) == 2 && FIGURE(validated) == 1);
}

Test(cache_stage, a_304_keeps_a_large_body)
{
    static char large[9000];
    memset(large, 'l', sizeof large - 1);
    keep_for_a_second("\nETag: \"v1\"", large);
    struct client *first = house_ask(&house, 0, "/a", "");
    house_answer(&house, house_asked(&house, 1), 304, KEEP "\nETag: \"v1\"", "");
    cr_expect(client_got(first, 200, large));
    cr_expect(client_got(house_ask(&house, 1, "/a", ""), 200, large));
}

Test(cache_stage, what_is_stale_is_used_while_a_new_one_is_fetched)
{
    keep_for_a_second(", stale-while-revalidate=60", "old");
    cr_expect(client_got(house_ask(&house, 0, "/a", ""), 200, "old"));
    cr_expect(client_got(house_ask(&house, 0, "/a", ""), 200, "old"));
    cr_assert(house_asked_count(&house) == 2, "once at a time");
    house_answer(&house, house_asked(&house, 1), 200, KEEP, "new");
    cr_expect(client_got(house_ask(&house, 1, "/a", ""), 200, "new"));
}

/* --- ways around ------------------------------------------------------------------------------ */

Test(cache_stage, head_and_only_if_cached_fetch_nothing)
{
    (void)house_send(&house, 0, "HEAD", "/a", "", false);
    house_answer_head(&house, house_asked(&house, 0), 200, KEEP "\nContent-Length: 5");
    house_end(house_asked(&house, 0), ERR_NONE);
    struct client *only = house_ask(&house, 0, "/a", "Cache-Control: only-if-cached");
    cr_expect(only->finished && only->error == ERR_NO_TARGET && house_asked_count(&house) == 1);
}

Test(cache_stage, an_unsafe_method_makes_it_invalid)
{
    (void)house_ask(&house, 0, "/a", "");
    house_answer(&house, house_asked(&house, 0), 200, KEEP, "old");
    (void)house_send(&house, 0, "DELETE", "/a", "", false);
    house_answer(&house, house_asked(&house, 1), 200, "", "gone");
    (void)house_ask(&house, 0, "/a", "");
    cr_assert(house_asked_count(&house) == 3);
    house_answer(&house, house_asked(&house, 2), 200, KEEP, "new");
}

/* What was asked for before a change may have been answered from before it. */
Test(cache_stage, a_fetch_that_an_unsafe_method_overtook_is_not_kept)
{
    struct client *first = house_ask(&house, 0, "/a", "");
    (void)house_send(&house, 0, "DELETE", "/a", "", false);
    house_answer(&house, house_asked(&house, 1), 200, "", "gone");
    house_answer(&house, house_asked(&house, 0), 200, KEEP, "old");
    cr_expect(client_got(first, 200, "old"));
    (void)house_ask(&house, 0, "/a", "");
    cr_assert(house_asked_count(&house) == 3);
    house_answer(&house, house_asked(&house, 2), 200, KEEP, "new");
}

Test(cache_stage, each_variant_has_a_fetch_of_its_own)
{
    struct client *german = house_ask(&house, 0, "/a", "Accept-Language: de");
    struct client *french = house_ask(&house, 0, "/a", "Accept-Language: fr");
    cr_expect(house_asked_count(&house) == 1, "nobody knows yet that they differ");
    house_answer(&house, house_asked(&house, 0), 200, KEEP "\nVary: Accept-Language", "ja");
    cr_expect(client_got(german, 200, "ja") && !french->finished);
    cr_assert(house_asked_count(&house) == 2);
    house_answer(&house, house_asked(&house, 1), 200, KEEP "\nVary: Accept-Language", "oui");
    cr_expect(client_got(french, 200, "oui"));
    cr_expect(client_got(house_ask(&house, 1, "/a", "Accept-Language: de"), 200, "ja"));
    cr_expect(client_got(house_ask(&house, 1, "/a", "Accept-Language: fr"), 200, "oui"));
}

/* --- memory ----------------------------------------------------------------------------------- */

/* The answer to /@path is @bytes of chunked body, put as there is room; whether it was taken
 * whole. */
static bool pour(struct op *op, size_t bytes)
{
    static char piece[8192];
    memset(piece, 'p', sizeof piece);
    for (size_t put = 0, stuck = 0; put < bytes; stuck++) {
        const size_t count = bytes - put < sizeof piece ? bytes - put : sizeof piece;
        if (house.cancelled_count > 0 || stuck > 20000)
            return false;
        if (house_put(op, piece, count))
            put += count;
        else
            house_turn(&house, 1);
    }
    return house.cancelled_count == 0;
}

Test(cache_stage, a_body_that_outgrows_the_store_passes_through_and_leaves_the_slow_behind)
{
    struct client *fast = house_ask(&house, 0, "/a", "");
    struct client *slow = house_send(&house, 0, "GET", "/a", "", true);
    struct op *op = house_asked(&house, 0);
    cr_assert(house_answer_head(&house, op, 200, CHUNKED));
    const size_t bytes = CLIENT_BODY_BYTES;
    cr_assert(pour(op, bytes)); /* of which the store keeps 4 MiB / 10 at most */
    house_end(op, ERR_NONE);
    house_turn(&house, 100);
    cr_expect(fast->finished && fast->body_bytes == bytes && fast->body_error == ERR_NONE);
    cr_expect(FIGURE(outgrown) == 1);
    while (slow->op != NULL) {
        client_read(slow, 4096);
        house_turn(&house, 1);
    }
    cr_expect(slow->body_bytes == bytes || slow->body_error != ERR_NONE, "never half for a whole");
    (void)house_ask(&house, 0, "/a", "");
    cr_expect(house_asked_count(&house) == 2, "it is not kept");
    house_answer(&house, house_asked(&house, 1), 200, KEEP, "small");
}

/* Slow readers have all of it: then a fast one is passed what comes, and waits for nobody. */
Test(cache_stage, where_all_memory_is_held_answers_are_passed_on)
{
    static char body[200000];
    memset(body, 'b', sizeof body);
    struct client *slow[HOUSE_CLIENTS_MAX];
    unsigned count = 0;
    for (; FIGURE(not_stored) == 0; count++) {
        char path[16];
        cr_assert(count < HOUSE_CLIENTS_MAX, "there is always room");
        snprintf(path, sizeof path, "/%u", count);
        slow[count] = house_send(&house, 0, "GET", path, "", true);
        struct op *op = house_asked(&house, count);
        cr_assert(house_answer_head(&house, op, 200, KEEP "\nContent-Length: 200000"));
        slow[count]->is_slow = FIGURE(not_stored) == 0;
        client_readable(slow[count], &slow[count]->op->answer_body);
        for (size_t put = 0; put < sizeof body; put += 10000)
            cr_assert(house_put(op, body + put, 10000), "%u waits for memory", count);
        house_end(op, ERR_NONE);
    }
    cr_expect(count > 15 && slow[count - 1]->body_bytes == sizeof body);
    for (unsigned i = 0; i < count; i++)
        while (slow[i]->op != NULL)
            client_read(slow[i], SIZE_MAX);
}

Test(cache_stage, an_outgrown_body_that_nobody_reads_is_cancelled)
{
    struct client *client = house_ask(&house, 0, "/a", "");
    struct op *op = house_asked(&house, 0);
    cr_assert(house_answer_head(&house, op, 200, CHUNKED));
    cr_assert(pour(op, CLIENT_BODY_BYTES / 2));
    leave(client);
    cr_expect(!pour(op, CLIENT_BODY_BYTES) && house.cancelled_count == 1);
}

/* Each step goes on as far as there is memory. */
static void fail_a_day(uint64_t n)
{
    static char large[20000];
    memset(large, 'l', sizeof large - 1);
    static const struct {
        const char *path, *fields, *answer;
        bool is_large;
        unsigned status;
    } rows[] = {
        {"/small", "", KEEP, false, 200},
        {"/small", "", KEEP, false, 200},
        {"/large", "", KEEP, true, 200},
        {"/large", "", KEEP, true, 200},
        {"/vary", "Accept-Language: de", KEEP "\nVary: Accept-Language", false, 200},
        {"/vary", "Accept-Language: fr", KEEP "\nVary: Accept-Language", true, 200},
        {"/private", "", "Cache-Control: private", true, 200},
        {"/stale", "", "Cache-Control: max-age=0\nETag: \"v\"", false, 200},
        {"/part", "Range: bytes=0-9", KEEP, false, 206},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const unsigned before = house_asked_count(&house);
        const unsigned clients = house.clients_count;
        (void)house_ask(&house, 0, rows[i].path, rows[i].fields);
        (void)house_ask(&house, 1, rows[i].path, rows[i].fields);
        for (unsigned op = before; op < house_asked_count(&house); op++) {
            house_answer(&house, house_asked(&house, op), 200, rows[i].answer,
                         rows[i].is_large ? large : "small");
            house_turn(&house, 50); /* who was posted to may ask, too */
        }
        house_turn(&house, 50);
        for (unsigned k = clients; k < house.clients_count; k++) {
            const struct client *client = &house.clients[k];
            cr_assert(client->finished, "allocation %lu, row %zu: client %u waits for ever",
                      (unsigned long)n, i, k);
            cr_expect(client->error != ERR_NONE || client->body_error != ERR_NONE ||
                      client_got(client, rows[i].status, rows[i].is_large ? large : "small"));
        }
    }
}

Test(cache_stage_faults, every_failing_allocation, .timeout = 60)
{
    uint64_t n = 0;
    do {
        fault_fail_nth(FAULT_ALLOCATION, ++n);
        if (house_try_open(&house, 4 * MIB))
            fail_a_day(n);
        const bool has_struck = fault_seen(FAULT_ALLOCATION) >= n;
        fault_fail_nth(FAULT_ALLOCATION, 0);
        house_close(&house);
        if (!has_struck)
            break;
    } while (n < 1000);
    cr_expect(n > 20 && n < 1000, "%lu", (unsigned long)n);
}

/* Else it would wait for ever for somebody to take its body. */
Test(cache_stage_faults, a_fetch_whose_body_nobody_takes_is_cancelled)
{
    unsigned broken_count = 0;
    for (uint64_t n = 1; n < 20; n++) {
        house_open(&house, 4 * MIB);
        struct client *client = house_ask(&house, 0, "/a", "Accept-Language: de");
        struct op *op = house_asked(&house, 0);
        fault_fail_nth(FAULT_ALLOCATION, n);
        const bool goes_on = house_answer_head(
            &house, op, 200, KEEP "\nVary: Accept-Language\nContent-Length: 200000");
        fault_fail_nth(FAULT_ALLOCATION, 0);
        cr_expect(!client->finished || house.cancelled_count == 1 || client->error == ERR_MEMORY);
        broken_count += client->ended && client->body_error != ERR_NONE;
        if (goes_on && !client->finished)
            house_end(op, ERR_TARGET_INCOMPLETE);
        house_close(&house);
    }
    cr_expect(broken_count == 1, "%u", broken_count);
}
