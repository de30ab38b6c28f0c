/* SPDX-License-Identifier: Apache-2.0 */
/* cache/serve_test.c - what a kept answer becomes: heads, parts, and bodies read piece by piece. */
#include "cache/cache_testing.h"

#define KEEP "Cache-Control: max-age=60\nETag: \"v1\""

enum { LARGE_BYTES = 700000 };

static struct house house;
static char large[LARGE_BYTES + 1];

/* /small is "0123456789", /large is larger than a pipe. */
static void set_up(void)
{
    house_open(&house, 16 * MIB);
    for (size_t i = 0; i < LARGE_BYTES; i++)
        large[i] = (char)('a' + i % 23);
    (void)house_ask(&house, 0, "/small", "");
    house_answer(&house, house_asked(&house, 0), 200, KEEP, "0123456789");
    struct client *first = house_ask(&house, 0, "/large", "");
    struct op *op = house_asked(&house, 1);
    cr_assert(house_answer_head(&house, op, 200, KEEP "\nContent-Length: 700000"));
    for (size_t put = 0; put < LARGE_BYTES; put += 20000)
        cr_assert(house_put(op, large + put, 20000));
    house_end(op, ERR_NONE);
    cr_assert(client_got(first, 200, large));
}

static void tear_down(void)
{
    cr_expect(house_asked_count(&house) == 2, "a server was asked");
    house_close(&house);
}

TestSuite(serve, .init = set_up, .fini = tear_down);

Test(serve, head_is_answered_from_what_get_brought)
{
    static const char *const paths[] = {"/small", "/large"};
    for (int i = 0; i < 2; i++) {
        struct client *client = house_send(&house, 0, "HEAD", paths[i], "", false);
        cr_expect(client_got(client, 200, "") && client_said(client, "ETag: \"v1\""));
    }
}

/* Each row: what is asked of /small, and the answer. */
Test(serve, parts_and_conditions)
{
    static const struct {
        const char *fields;
        unsigned status;
        const char *body, *said;
    } rows[] = {
        {"", 200, "0123456789", "ETag: \"v1\""},
        {"Range: bytes=2-4", 206, "234", "Content-Range: bytes 2-4/10"},
        {"Range: bytes=-3", 206, "789", "Content-Range: bytes 7-9/10"},
        {"Range: bytes=8-99", 206, "89", "Content-Range: bytes 8-9/10"},
        {"Range: bytes=10-", 416, "", "Content-Range: bytes */10"},
        {"Range: bytes=2-4\nIf-Range: \"v1\"", 206, "234", "Content-Range: bytes 2-4/10"},
        {"Range: bytes=2-4\nIf-Range: \"v2\"", 200, "0123456789", "ETag: \"v1\""},
        {"Range: lines=1-2", 200, "0123456789", "ETag: \"v1\""},
        {"If-None-Match: \"v1\"", 304, "", "ETag: \"v1\""},
        {"If-None-Match: \"v2\", W/\"v1\"", 304, "", "ETag: \"v1\""},
        {"If-None-Match: \"v2\"", 200, "0123456789", "ETag: \"v1\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct client *client = house_ask(&house, i % 2, "/small", rows[i].fields);
        cr_expect(client_got(client, rows[i].status, rows[i].body), "row %zu: %u, %s", i,
                  client->status, client->body);
        cr_expect(client_said(client, rows[i].said), "row %zu: %s", i, client->fields);
    }
}

Test(serve, a_part_of_a_large_body)
{
    struct client *client = house_ask(&house, 0, "/large", "Range: bytes=100000-150000");
    cr_expect(client->finished && client->status == 206 && client->body_bytes == 50001);
    cr_expect(memcmp(client->body, large + 100000, 50001) == 0);
}

/* Of what a slow one has not read, no more is lent than his pipe takes. */
Test(serve, a_slow_reader_is_given_piece_by_piece)
{
    struct client *client = house_send(&house, 1, "GET", "/large", "", true);
    cr_assert(!client->finished && client->answers_count == 1);
    unsigned reads = 0;
    while (client->op != NULL) {
        client_read(client, 1);
        reads++;
    }
    cr_expect(client_got(client, 200, large));
    cr_expect(reads > 1);
}

Test(serve, what_is_removed_is_read_to_its_end)
{
    struct client *client = house_send(&house, 0, "GET", "/large", "", true);
    struct store_cursor cursor = {0};
    struct store_figures figures;
    static const char url[] = "http://shop/large";
    const uint64_t hash = cache_hash(house.cache, (const uint8_t *)url, sizeof url - 1);
    cr_assert(store_remove_hash(house.cache->store, hash) && !cursor.done);
    store_read_figures(house.cache->store, &figures);
    cr_expect(figures.pinned_bytes >= LARGE_BYTES, "a reader holds it");
    while (client->op != NULL)
        client_read(client, SIZE_MAX);
    cr_expect(client_got(client, 200, large));
    store_read_figures(house.cache->store, &figures);
    cr_expect(figures.pinned_bytes == 0);
}

Test(serve, who_leaves_in_the_middle_holds_nothing)
{
    struct client *client = house_send(&house, 0, "GET", "/large", "", true);
    client_read(client, 1);
    op_cancel(client->op);
    cr_expect(client->finished && client->outcome == OUTCOME_CANCELLED);
    cr_expect(client->body_error == ERR_CANCELLED && client->body_bytes < LARGE_BYTES);
}

Test(serve, who_breaks_the_pipe_in_the_middle_is_done_with)
{
    struct client *client = house_send(&house, 0, "GET", "/large", "", true);
    pipe_break(&client->op->answer_body);
    cr_expect(client->finished && client->outcome != OUTCOME_DONE);
}
