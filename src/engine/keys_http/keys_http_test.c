/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys_http/keys_http_test.c - requests become commands and answers answers, with a key path
 * that waits for the test's word. */
#include "engine/keys_http/keys_http.h"

#include "codec/http1.h"
#include "codec/resp/resp_out.h"
#include "engine/keys/space.h"
#include "path/path_testing.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct {
    struct bench bench;
    struct keys_http_stage stage;
    struct keys_http_settings settings;
    struct keys_http_held held;
    struct key_door door;
    struct key_op *asked; /* that waits for its answer */
    unsigned asked_count;
    const char *answers; /* at once; NULL: the test will */
    char said[512];      /* the arguments, with spaces between them */
    int holds;
    struct op *op;
} t;

static const struct keys_http_keyspace keyspaces[] = {
    {.name = {(const uint8_t *)"carts", 5}, .value_bytes_max = 100},
    {.name = {(const uint8_t *)"default", 7}, .is_default = true, .value_bytes_max = 1 << 20},
    {.name = {(const uint8_t *)"users", 5}, .is_ordered = true, .value_bytes_max = 1 << 20},
};

static uint32_t keyspace_of(void *self, struct bytes key)
{
    (void)self;
    for (uint32_t i = 0; i < 3; i++) {
        const struct bytes name = keyspaces[i].name;
        if (key.count > name.count && memcmp(key.at, name.at, name.count) == 0 &&
            key.at[name.count] == ':')
            return i;
    }
    return 1;
}

static void say(struct key_op *op, const char *answer)
{
    resp_raw(op->out, bytes_of(answer));
    op->done(op);
}

static void ask(struct key_door *self, struct key_op *op)
{
    size_t used = 0;
    (void)self;
    for (uint32_t i = 0; i < op->args_count; i++)
        used += (size_t)snprintf(t.said + used, sizeof t.said - used, "%s%.*s", i > 0 ? " " : "",
                                 (int)op->args[i].count, (const char *)op->args[i].at);
    t.asked_count++;
    if (t.answers != NULL)
        say(op, t.answers);
    else
        t.asked = op;
}

static void hold(void *path)
{
    (void)path;
    t.holds++;
}

static void release(void *path)
{
    (void)path;
    t.holds--;
}

static void set_up(void)
{
    memset(&t, 0, sizeof t);
    bench_init(&t.bench, 0);
    t.bench.keep_ops = true;
    t.settings.held_bytes = 1 << 20;
    t.door.submit = ask;
    const struct keys_http_options options = {
        .worker = &t.bench.worker,
        .door = &t.door,
        .settings = &t.settings,
        .held = &t.held,
        .keyspaces = keyspaces,
        .keyspaces_count = 3,
        .keyspace_of = keyspace_of,
        .hold = hold,
        .release = release,
    };
    keys_http_stage_init(&t.stage, &options);
}

static void tear_down(void)
{
    cr_expect(t.holds == 0 && t.held.bytes == 0 && t.bench.worker.awaited_count == 0);
    cr_expect(t.stage.flights.taken_count == 0);
    keys_http_stage_fini(&t.stage);
    bench_fini(&t.bench);
}

TestSuite(keys_http, .init = set_up, .fini = tear_down);

/* Submits a request whose head is @text; with a pipe for a body if it has one. */
static void request(const char *text)
{
    static const struct http1_limits limits = {
        .head_bytes_max = 8192, .target_bytes_max = 4096, .fields_max = 32};
    struct http_field fields[32];
    struct http_head head = {.fields = fields, .fields_max = 32};
    struct http1_reader reader;
    char whole[2048];
    const int bytes = snprintf(whole, sizeof whole, "%s\r\n\r\n", text);
    http1_reader_init(&reader, &limits);
    cr_assert(http1_request_read(&reader, (uint8_t *)whole, (size_t)bytes, &head) == HTTP1_DONE);
    t.op = bench_op(&t.bench, HTTP_METHOD_GET);
    cr_assert(op_copy_head(&t.op->request->arena, &t.op->request->head, &head));
    if (head.framing != HTTP_FRAMING_NONE)
        cr_assert(op_open_request_body(t.op, 65536) != NULL);
    stage_submit(&t.stage.stage, t.op);
}

static void body(const char *text)
{
    struct buf *buf = buf_new_copy(text, strlen(text));
    cr_assert(pipe_put(t.op->request_body, (struct slice){buf, buf->data, (uint32_t)strlen(text)}));
}

/* One answer came, with this status. */
static void expect(unsigned status)
{
    cr_expect(t.bench.seen.answers_count == 1 && t.bench.seen.finished_count == 1);
    cr_expect(t.op->answer.head.status == status, "%u, not %u", t.op->answer.head.status, status);
    op_free(t.op);
    memset(&t.bench.seen, 0, sizeof t.bench.seen);
}

#define LOCAL "\r\nHost: localhost"
#define TAG   "0123456789abcdef0123456789abcdef"

Test(keys_http, asks_for_a_key_with_what_the_client_has)
{
    t.answers = "*-1\r\n";
    request("GET /kv/carts/a%20b HTTP/1.1" LOCAL "\r\nIf-None-Match: W/\"x\", \"y,z\"");
    cr_expect(strcmp(t.said, "pando.get carts:a b unless x unless y,z") == 0, "%s", t.said);
    expect(404);
    request("HEAD /kv/default/a HTTP/1.1" LOCAL);
    cr_expect(strcmp(t.said, "pando.get a meta") == 0, "%s", t.said);
    expect(404);
}

Test(keys_http, gives_the_value_in_the_engines_own_buffer)
{
    t.answers = "*5\r\n$5\r\nhello\r\n$9\r\ntext/html\r\n$32\r\n" TAG "\r\n:5\r\n:-1\r\n";
    request("GET /kv/carts/a HTTP/1.1" LOCAL);
    const struct slice slice = pipe_take(&t.op->answer_body);
    cr_expect(slice.bytes == 5 && memcmp(slice.at, "hello", 5) == 0);
    cr_expect(memcmp(slice.buf->data, "*5\r\n$5\r\nhello", 13) == 0);
    buf_unref(slice.buf);
    expect(200);
}

Test(keys_http, gathers_a_body_as_it_comes)
{
    request("PUT /kv/carts/a HTTP/1.1" LOCAL "\r\nContent-Length: 6\r\nContent-Type: text/css"
            "\r\nPando-Expires-In: 2m\r\nIf-Match: \"x\"");
    cr_expect(t.asked_count == 0);
    body("abc");
    body("def");
    cr_expect(t.asked_count == 0 && t.held.bytes > 0);
    cr_expect(t.op->charged != NULL && t.op->charged(t.op) > 6);
    t.answers = "*3\r\n:1\r\n$32\r\n" TAG "\r\n:-1\r\n";
    pipe_end(t.op->request_body, ERR_NONE);
    cr_expect(strcmp(t.said, "pando.put carts:a abcdef text/css px 120000 ifmatch x") == 0, "%s",
              t.said);
    expect(201);
}

Test(keys_http, takes_no_more_than_the_keyspace)
{
    char text[102];
    memset(text, 'x', 101);
    text[101] = '\0';
    request("PUT /kv/carts/a HTTP/1.1" LOCAL "\r\nContent-Length: 101");
    expect(413);
    request("PUT /kv/carts/a HTTP/1.1" LOCAL "\r\nTransfer-Encoding: chunked");
    body(text);
    cr_expect(t.op->request_body->broken);
    expect(413);
    cr_expect(t.asked_count == 0);
}

Test(keys_http, takes_no_more_than_may_be_held)
{
    t.held.bytes = t.settings.held_bytes;
    request("PUT /kv/carts/a HTTP/1.1" LOCAL "\r\nContent-Length: 3");
    body("abc");
    expect(503);
    request("GET /kv/carts/a HTTP/1.1" LOCAL);
    expect(503);
    t.held.bytes = 0;
}

Test(keys_http, that_is_cancelled_while_it_comes_asks_nothing)
{
    request("PUT /kv/carts/a HTTP/1.1" LOCAL "\r\nContent-Length: 6");
    body("abc");
    op_cancel(t.op);
    cr_expect(t.bench.seen.error == ERR_CANCELLED && t.bench.seen.outcome == OUTCOME_CANCELLED);
    cr_expect(t.asked_count == 0);
    expect(0);
}

/* The command can be changed no more: the request ends, the path stays, the worker waits. */
Test(keys_http, that_is_cancelled_under_way_goes_on_alone)
{
    request("PUT /kv/carts/a HTTP/1.1" LOCAL "\r\nContent-Length: 3");
    body("abc");
    pipe_end(t.op->request_body, ERR_NONE);
    cr_assert(t.asked != NULL);
    op_cancel(t.op);
    cr_expect(t.bench.seen.error == ERR_CANCELLED);
    expect(0);
    cr_expect(t.holds == 1 && t.bench.worker.awaited_count == 1);
    cr_expect(memcmp(t.asked->args[2].at, "abc", 3) == 0, "its arguments are still its own");
    say(t.asked, "*3\r\n:1\r\n$32\r\n" TAG "\r\n:-1\r\n");
}

Test(keys_http, that_is_answered_late_is_answered)
{
    request("DELETE /kv/carts/a HTTP/1.1" LOCAL);
    cr_expect(t.bench.seen.answers_count == 0);
    say(t.asked, ":1\r\n");
    expect(204);
    request("DELETE /kv/carts/a HTTP/1.1" LOCAL "\r\nIf-Match: \"W\"");
    say(t.asked, "$-1\r\n");
    expect(412);
}

/* Every error that a space has, and those of others: nothing is 500 but what nobody can help. */
Test(keys_http, gives_every_error_a_status)
{
    static const struct {
        const char *error;
        unsigned status;
    } rows[] = {
        {"WRONGTYPE the key holds a list, not a string", 409},
        {"BUSY too many writes of the keyspace wait for the disk; try again", 503},
        {"UNCERTAIN the disk of the keyspace failed meanwhile", 500},
        {"NOPERM this user has no permissions", 403},
        {"ERR no keyspace has this key", 404},
        {"OOM out of memory", 507},
        {"something else", 500},
    };
    static const unsigned of_spaces[SPACE_RESULTS_COUNT] = {
        [SPACE_FULL] = 507,      [SPACE_TOO_LARGE] = 413, [SPACE_KEY_TOO_LONG] = 414,
        [SPACE_DISK_FULL] = 507, [SPACE_DAMAGED] = 500,   [SPACE_FAILED] = 503,
    };
    char answer[256];
    t.answers = answer;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(answer, sizeof answer, "-%s\r\n", rows[i].error);
        request("GET /kv/carts/a HTTP/1.1" LOCAL);
        expect(rows[i].status);
    }
    for (unsigned i = SPACE_OK + 1; i < SPACE_RESULTS_COUNT; i++) {
        snprintf(answer, sizeof answer, "-%s\r\n", space_result_text((enum space_result)i));
        request("DELETE /kv/carts/a HTTP/1.1" LOCAL);
        expect(of_spaces[i]);
    }
}

Test(keys_http, says_uncertain_in_words)
{
    t.answers = "-UNCERTAIN the disk \"failed\"\r\n";
    request("DELETE /kv/carts/a HTTP/1.1" LOCAL);
    const struct slice slice = pipe_take(&t.op->answer_body);
    char text[256];
    snprintf(text, sizeof text, "%.*s", (int)slice.bytes, (const char *)slice.at);
    cr_expect(strstr(text, "\"detail\":\"UNCERTAIN the disk 'failed'\"") != NULL, "%s", text);
    buf_unref(slice.buf);
    expect(500);
}

Test(keys_http, lists_one_more_than_a_page_has)
{
    t.answers = "*2\r\n$9\r\nusers:a\"b\r\n$7\r\nusers:c\r\n";
    request("GET /kv/users/?count=1&from=a HTTP/1.1" LOCAL);
    cr_expect(strcmp(t.said, "pando.range users:a + count 2") == 0, "%s", t.said);
    const struct slice slice = pipe_take(&t.op->answer_body);
    static const char wanted[] =
        "{\"keyspace\":\"users\",\"keys\":[{\"key\":\"a\\\"b\",\"path\":\"/kv/users/a%22b\"}],"
        "\"next\":\"/kv/users/?count=1&from=c\"}\n";
    cr_expect(slice.bytes == sizeof wanted - 1 && memcmp(slice.at, wanted, slice.bytes) == 0,
              "%.*s", (int)slice.bytes, (const char *)slice.at);
    buf_unref(slice.buf);
    expect(200);
}

/* ---- users ---- */

static const struct bytes carts_alone[] = {{(const uint8_t *)"carts", 5}};
static const struct user ann = {.grant = {.is_all = true}};
static const struct user ben = {
    .grant = {.reads_only = true, .keyspaces = carts_alone, .keyspaces_count = 1}};

static const struct user *authenticate(const struct users *users, struct bytes name,
                                       struct bytes password)
{
    (void)users;
    if (!bytes_equal(password, bytes_of("se:cret")))
        return NULL;
    return bytes_equal(name, bytes_of("ann"))   ? &ann
           : bytes_equal(name, bytes_of("ben")) ? &ben
                                                : NULL;
}

static const struct user *nameless(const struct users *users)
{
    (void)users;
    return NULL;
}

#define ANN "\r\nAuthorization: Basic YW5uOnNlOmNyZXQ="
#define BEN "\r\nAuthorization: basic YmVuOnNlOmNyZXQ="

Test(keys_http, lets_users_do_what_they_may)
{
    t.stage.options.users = (struct keys_http_users){
        .users = (const void *)&t, .authenticate = authenticate, .nameless = nameless};
    t.answers = ":1\r\n";
    request("DELETE /kv/users/a HTTP/1.1" LOCAL ANN);
    expect(204);
    cr_expect(t.asked_count == 1);
    static const char *const strangers[] = {
        "", "\r\nAuthorization: Basic YW5uOnNlY3JldA==", "\r\nAuthorization: Basic !",
        "\r\nAuthorization: x", "\r\nAuthorization: Basic YW5u"};
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, "DELETE /kv/users/a HTTP/1.1" LOCAL "%s", strangers[i]);
        request(text);
        cr_expect(http_head_has(&t.op->answer.head, HTTP_FIELD_WWW_AUTHENTICATE));
        expect(401);
    }
    request("DELETE /kv/carts/a HTTP/1.1" LOCAL BEN);
    expect(403);
    request("GET /kv/users/a HTTP/1.1" LOCAL BEN);
    expect(403);
    cr_expect(t.asked_count == 1);
    t.answers = "*-1\r\n";
    request("GET /kv/carts/a HTTP/1.1" LOCAL BEN);
    expect(404);
    cr_expect(t.asked_count == 2);
}

Test(keys_http, without_users_is_for_addresses_only)
{
    t.stage.options.is_local = true;
    t.answers = "*-1\r\n";
    request("GET /kv/carts/a HTTP/1.1\r\nHost: pando.example");
    expect(421);
    request("GET /kv/carts/a HTTP/1.1\r\nHost: 127.0.0.1.example");
    expect(421);
    request("GET /kv/carts/a HTTP/1.1\r\nHost: [::1]:8080");
    expect(404);
    request("GET /kv/carts/a HTTP/1.1\r\nHost: LOCALHOST:1");
    expect(404);
}
