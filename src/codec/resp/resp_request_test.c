/* SPDX-License-Identifier: Apache-2.0 */
/* codec/resp/resp_request_test.c - commands whole and in crumbs, and what is refused and how. */
#include "codec/resp/resp_request.h"

#include "core/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct resp_limits strict = {.args_max = 1024 * 1024,
                                          .bulk_bytes_max = 512 * 1024 * 1024 - 1,
                                          .bytes_max = 1024 * 1024 * 1024};
static const struct resp_limits lines = {
    .args_max = 1024, .bulk_bytes_max = 1024, .bytes_max = 4096, .inline_bytes_max = 64};

static struct resp_request request;

static void begin(void)
{
    resp_request_init(&request);
}

static void end(void)
{
    resp_request_fini(&request);
}

TestSuite(resp_request, .init = begin, .fini = end);

/* Reads @text, @count bytes, in steps of @step; stops at a verdict. */
static enum resp_verdict read_in_steps(const char *text, size_t count, size_t step,
                                       const struct resp_limits *limits)
{
    resp_request_fini(&request);
    resp_request_init(&request);
    enum resp_verdict verdict = RESP_PARTIAL;
    for (size_t seen = 0; seen < count && verdict == RESP_PARTIAL;) {
        seen = count - seen < step ? count : seen + step;
        verdict = resp_request_read(&request, (const uint8_t *)text, seen, limits);
    }
    return verdict;
}

/* The arguments, joined by bars; static. */
static const char *args_of(const char *text)
{
    static char joined[1024];
    size_t used = 0;
    for (uint32_t i = 0; i < request.args_count; i++) {
        const struct bytes arg = resp_request_arg(&request, (const uint8_t *)text, i);
        used += (size_t)snprintf(joined + used, sizeof joined - used, "%s%.*s", i > 0 ? "|" : "",
                                 (int)arg.count, (const char *)arg.at);
    }
    joined[used] = 0;
    return joined;
}

/* The command at the beginning of @text is read the same in any steps. */
static void expect_args(const char *text, size_t bytes, const char *wanted,
                        const struct resp_limits *limits)
{
    const size_t count = strlen(text);
    for (size_t step = 1; step <= count; step++) {
        cr_expect(read_in_steps(text, count, step, limits) == RESP_DONE, "%s by %zu", text, step);
        cr_expect(strcmp(args_of(text), wanted) == 0, "%s: %s", text, args_of(text));
        cr_expect(request.read_bytes == bytes, "%s: %zu bytes", text, request.read_bytes);
    }
}

static void expect_bad(const char *text, const char *error, const struct resp_limits *limits)
{
    const size_t count = strlen(text);
    for (size_t step = 1; step <= count; step++) {
        cr_expect(read_in_steps(text, count, step, limits) == RESP_BAD, "%s by %zu", text, step);
        cr_expect(request.error != NULL && strcmp(request.error, error) == 0, "%s: %s", text,
                  request.error);
    }
}

static void expect_partial(const char *text, const struct resp_limits *limits)
{
    cr_expect(read_in_steps(text, strlen(text), 1, limits) == RESP_PARTIAL, "%s", text);
    cr_expect(read_in_steps(text, strlen(text), SIZE_MAX, limits) == RESP_PARTIAL, "%s", text);
}

Test(resp_request, reads_an_array_of_bulk_strings)
{
    expect_args("*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n", 22, "GET|key", &strict);
    expect_args("*1\r\n$0\r\n\r\n", 10, "", &strict);
    expect_args("*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nQUIT\r\n", 14, "PING", &strict);
    expect_args("*2\r\n$4\r\necho\r\n$5\r\na\r\nb\r\r\n", 25, "echo|a\r\nb\r", &strict);
}

Test(resp_request, passes_over_arrays_and_lines_with_nothing)
{
    expect_args("*0\r\n", 4, "", &strict);
    expect_args("*-1\r\n", 5, "", &strict);
    expect_args("\r\n", 2, "", &strict);
    expect_args("\n", 1, "", &strict);
    expect_args("  \t\r\n", 5, "", &lines);
    cr_expect(request.args_count == 0);
}

Test(resp_request, waits_for_what_is_not_here)
{
    const char *const rows[] = {"*",
                                "*2",
                                "*2\r",
                                "*2\r\n",
                                "*2\r\n$",
                                "*2\r\n$3",
                                "*2\r\n$3\r\nGE",
                                "*2\r\n$3\r\nGET",
                                "*2\r\n$3\r\nGET\r",
                                "*2\r\n$3\r\nGET\r\n",
                                "*-",
                                "P",
                                "PING",
                                "PING\r",
                                "\r"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect_partial(rows[i], &strict);
}

Test(resp_request, says_how_much_of_an_argument_is_still_to_come)
{
    expect_partial("*2\r\n$3\r\nSET\r\n$100\r\nabc", &strict);
    cr_expect(request.value_left == 99);
    cr_expect(request.args_count == 1);
}

Test(resp_request, takes_many_arguments_and_gives_their_memory_back)
{
    static char text[20000 * 7 + 16];
    size_t used = (size_t)sprintf(text, "*20000\r\n");
    for (int i = 0; i < 20000; i++)
        used += (size_t)sprintf(text + used, "$1\r\n%c\r\n", 'a' + i % 26);
    cr_assert(read_in_steps(text, used, 4096, &strict) == RESP_DONE);
    cr_assert(request.args_count == 20000);
    for (uint32_t i = 0; i < 20000; i++) {
        const struct bytes arg = resp_request_arg(&request, (const uint8_t *)text, i);
        cr_assert(arg.count == 1 && arg.at[0] == 'a' + i % 26);
    }
    resp_request_next(&request);
    cr_expect(request.args_room == RESP_ARGS_INLINE);
}

Test(resp_request, takes_no_memory_for_what_a_length_claims)
{
    const uint64_t before = mem_count();
    expect_partial("*1048576\r\n$536870911\r\nabc", &strict);
    cr_expect(mem_count() == before);
}

Test(resp_request, refuses_lengths_that_lie)
{
    const char *const args = "Protocol error: invalid multibulk length";
    const char *const bulk = "Protocol error: invalid bulk length";
    expect_bad("*2147483647\r\n", args, &strict);
    expect_bad("*1048577\r\n", args, &strict);
    expect_bad("*99999999999999999999999999", args, &strict);
    expect_bad("*abc\r\n", args, &strict);
    expect_bad("*\r\n", args, &strict);
    expect_bad("*-\r\n", args, &strict);
    expect_bad("*+1\r\n", args, &strict);
    expect_bad("*01\r\n", args, &strict);
    expect_bad("*1 \r\n", args, &strict);
    expect_bad("*1\n$4\nPING\n", args, &strict);
    expect_bad("*1\r$4\r\nPING\r\n", args, &strict);
    expect_bad("*1\r\n$-1\r\n", bulk, &strict);
    expect_bad("*1\r\n$536870912\r\n", bulk, &strict);
    expect_bad("*1\r\n$\r\n", bulk, &strict);
    expect_bad("*1\r\n$-0\r\n", bulk, &strict);
    expect_bad("*1\r\n$4 \r\n", bulk, &strict);
    expect_bad("*1\r\n$18446744073709551617\r\n", bulk, &strict);
}

Test(resp_request, refuses_what_is_no_bulk_string)
{
    expect_bad("*1\r\n:1\r\n", "Protocol error: expected '$', got ':'", &strict);
    expect_bad("*1\r\n*1\r\n", "Protocol error: expected '$', got '*'", &strict);
    expect_bad("*2\r\n$3\r\nGET\r\nxyz", "Protocol error: expected '$', got 'x'", &strict);
}

Test(resp_request, refuses_a_bulk_string_that_does_not_end_where_it_said)
{
    const char *const error = "Protocol error: no CR LF behind a bulk string";
    expect_bad("*1\r\n$3\r\nPING\r\n", error, &strict);
    expect_bad("*1\r\n$4\r\nPING\n\n", error, &strict);
    expect_bad("*1\r\n$4\r\nPING\rx", error, &strict);
}

Test(resp_request, refuses_a_command_that_would_be_too_large)
{
    struct resp_limits limits = strict;
    limits.bytes_max = 28;
    const char *const error = "Protocol error: the command is larger than allowed";
    expect_args("*2\r\n$3\r\nGET\r\n$9\r\n123456789\r\n", 28, "GET|123456789", &limits);
    expect_bad("*2\r\n$3\r\nGET\r\n$10\r\n", error, &limits);
}

/* What is no length at all has nothing to do with a limit. */
Test(resp_request, says_of_what_is_over_a_limit_what_it_was_told_to)
{
    struct resp_limits limits = strict;
    limits.args_max = 2;
    limits.bulk_bytes_max = 3;
    limits.args_error = "too many";
    limits.bulk_error = "too long";
    expect_args("*2\r\n$3\r\nGET\r\n$1\r\na\r\n", 20, "GET|a", &limits);
    expect_bad("*3\r\n", "too many", &limits);
    expect_bad("*2\r\n$4\r\n", "too long", &limits);
    expect_bad("*x\r\n", "Protocol error: invalid multibulk length", &limits);
    expect_bad("*1\r\n$-1\r\n", "Protocol error: invalid bulk length", &limits);
}

Test(resp_request, takes_ping_on_a_line_and_nothing_else)
{
    expect_args("PING\r\n", 6, "PING", &strict);
    expect_args("ping\n*0\r\n", 5, "ping", &strict);
    const char *const rows[] = {
        "PINGS",  "PING x",  "POST / HTTP/1.1\r\n", "Host: a\r\n", "GET key\r\n", "\x16\x03\x01",
        "$4\r\n", "+OK\r\n", " PING\r\n",           "p\n",         "\rx"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_expect(read_in_steps(rows[i], strlen(rows[i]), 1, &strict) == RESP_BAD, "%s", rows[i]);
        cr_expect(read_in_steps(rows[i], strlen(rows[i]), 99, &strict) == RESP_BAD, "%s", rows[i]);
    }
    cr_expect(read_in_steps("O", 1, 1, &strict) == RESP_BAD, "at its first byte");
}

Test(resp_request, splits_a_line_where_that_is_allowed)
{
    expect_args("SET key value\r\n", 15, "SET|key|value", &lines);
    expect_args("  get\tkey  \nnext", 12, "get|key", &lines);
    expect_args("set \"a b\" 'c\"d' \"\"\r\n", 20, "set|a b|c\"d|", &lines);
    expect_args("set a\\b 'c\\d'\n", 14, "set|a\\b|c\\d", &lines);
}

Test(resp_request, refuses_quotes_that_are_not_closed_or_would_need_another_text)
{
    const char *const quotes = "Protocol error: unbalanced quotes in request";
    const char *const escapes =
        "Protocol error: escapes in quotes are not taken in inline requests";
    expect_bad("set \"a b\r\n", quotes, &lines);
    expect_bad("set 'a'b\r\n", quotes, &lines);
    expect_bad("set \"a\\n\"\r\n", escapes, &lines);
    expect_bad("set 'a\\'b'\r\n", escapes, &lines);
    expect_bad("set a\"b\"\r\n", escapes, &lines);
}

Test(resp_request, refuses_http_and_binary_where_lines_are_allowed)
{
    cr_expect(read_in_steps("POST ", 5, 1, &lines) == RESP_BAD);
    cr_expect(read_in_steps("host:", 5, 5, &lines) == RESP_BAD);
    cr_expect(read_in_steps("\x16\x03\x01", 3, 1, &lines) == RESP_BAD);
    cr_expect(read_in_steps("\xff", 1, 1, &lines) == RESP_BAD);
    expect_args("POSTS x\n", 8, "POSTS|x", &lines);
}

Test(resp_request, refuses_a_line_without_an_end)
{
    char text[65];
    memset(text, 'a', 64);
    text[64] = 0;
    expect_bad(text, "Protocol error: too big inline request", &lines);
    text[63] = '\n';
    cr_expect(read_in_steps(text, 64, 5, &lines) == RESP_DONE);
}

Test(resp_request, refuses_more_words_than_arguments_are_allowed)
{
    struct resp_limits limits = lines;
    limits.args_max = 3;
    expect_args("a b c\n", 6, "a|b|c", &limits);
    expect_bad("a b c d\n", "Protocol error: invalid multibulk length", &limits);
    expect_bad("*4\r\n", "Protocol error: invalid multibulk length", &limits);
}

/* ---- ahead ---- */

static void expect_peek(const char *text, size_t wanted, const char *second)
{
    struct bytes seen = {(const uint8_t *)"", 0};
    const size_t bytes = resp_request_peek((const uint8_t *)text, strlen(text), &seen);
    cr_expect_eq(bytes, wanted, "%s: %zu", text, bytes);
    if (wanted > 0)
        cr_expect(bytes_equal(seen, bytes_of(second)), "%s", text);
}

Test(resp_request, a_look_ahead_sees_the_key_of_a_whole_command)
{
    const char *set = "*3\r\n$3\r\nSET\r\n$5\r\nkey:1\r\n$0\r\n\r\n";
    expect_peek(set, strlen(set), "key:1");
    expect_peek("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*2\r\n$3", 20, "k");
}

Test(resp_request, a_look_ahead_says_nothing_of_anything_else)
{
    static const char *const others[] = {
        "",
        "*2\r\n$3\r\nGET\r\n$1\r\nk\r",
        "*1\r\n$4\r\nPING\r\n",
        "PING k\r\n",
        "*-1\r\n",
        "*2\r\n$3\r\nGET\r\n$-1\r\nk\r\n",
        "*2\r\n$3\r\nGET\r\n$99999999999999999999\r\nk\r\n",
        "*9\r\n$4\r\nMGET\r\n$1\r\nk\r\n",
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        expect_peek(others[i], 0, "");
}
