/* SPDX-License-Identifier: Apache-2.0 */
/* codec/http1_read_test.c - heads are read whole and in pieces, and each refusal has its
 * example. */
#include "codec/http1_testing.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct http1_testing_how a_request = {.kind = HTTP1_TESTING_REQUEST,
                                                   .limits = &http1_testing_limits};

static struct http1_testing_how an_answer_to(enum http_method asked)
{
    return (struct http1_testing_how){
        .kind = HTTP1_TESTING_ANSWER, .limits = &http1_testing_limits, .asked = asked};
}

/* Reads whole, in single bytes, and cut in two at every place; all must agree. The whole reading
 * is the result. */
static struct http1_testing_result *read_all_ways(const struct http1_testing_how *how,
                                                  const char *text, size_t count)
{
    const uint8_t *bytes = (const uint8_t *)text;
    struct http1_testing_result *whole = malloc(sizeof *whole), *pieces = malloc(sizeof *pieces);
    http1_testing_read(how, bytes, count, (struct http1_testing_pieces){count, 1}, whole);
    whole->head.fields = whole->fields;
    http1_testing_read(how, bytes, count, (struct http1_testing_pieces){0, 1}, pieces);
    cr_expect(http1_testing_same(whole, pieces), "in single bytes: %.60s: %s, not %s", text,
              http1_refusal_row(pieces->refusal)->name, http1_refusal_row(whole->refusal)->name);
    http1_testing_free(pieces);
    for (size_t cut = 1; cut < count && count < 1000; cut++) {
        http1_testing_read(how, bytes, count, (struct http1_testing_pieces){cut, count}, pieces);
        cr_expect(http1_testing_same(whole, pieces), "cut at %zu: %.60s", cut, text);
        http1_testing_free(pieces);
    }
    free(pieces);
    return whole;
}

static void drop(struct http1_testing_result *result)
{
    http1_testing_free(result);
    free(result);
}

static void expect_span(const struct http_head *head, struct http_span span, const char *wanted)
{
    cr_expect(span.bytes == strlen(wanted) && memcmp(head->base + span.at, wanted, span.bytes) == 0,
              "\"%.*s\" is not \"%s\"", (int)span.bytes, (const char *)head->base + span.at,
              wanted);
}

static void expect_field(const struct http_head *head, size_t i, const char *name,
                         const char *value)
{
    const struct http_field *field = &head->fields[i];
    expect_span(head, (struct http_span){field->name_at, field->name_bytes}, name);
    expect_span(head, (struct http_span){field->value_at, field->value_bytes}, value);
}

/* --- What a request says --------------------------------------------------------------- */

static struct http1_testing_result *request(const char *text)
{
    struct http1_testing_result *result = read_all_ways(&a_request, text, strlen(text));
    cr_assert_eq(result->verdict, HTTP1_DONE, "%s at %u: %s",
                 http1_refusal_row(result->refusal)->name, result->refused_at, text);
    return result;
}

Test(http1_request, tells_method_target_fields_and_where_the_body_begins)
{
    static const char text[] =
        "POST /a/b?c=d HTTP/1.1\r\nHost: Shop.example:8080\r\nx-thing:\t two  words \t\r\n"
        "Content-Length: 12\r\nEmpty:\r\n\r\nhello, world";
    struct http1_testing_result *result = request(text);
    const struct http_head *head = &result->head;
    cr_expect_eq(head->method, HTTP_METHOD_POST);
    expect_span(head, head->method_text, "POST");
    expect_span(head, head->target, "/a/b?c=d");
    expect_span(head, head->path, "/a/b?c=d");
    expect_span(head, head->authority, "Shop.example:8080");
    expect_span(head, head->host, "Shop.example");
    cr_expect_eq(head->port, 8080);
    cr_expect_eq(head->fields_count, 4);
    expect_field(head, 1, "x-thing", "two  words");
    expect_field(head, 3, "Empty", "");
    cr_expect_eq(head->fields[1].id, HTTP_FIELD_OTHER);
    cr_expect_eq(head->fields[2].id, HTTP_FIELD_CONTENT_LENGTH);
    cr_expect_eq(head->framing, HTTP_FRAMING_LENGTH);
    cr_expect_eq(head->content_length, 12);
    cr_expect(head->keep_alive);
    cr_expect_eq(head->head_bytes, sizeof text - 1 - 12);
    drop(result);
}

Test(http1_request, may_follow_one_empty_line)
{
    struct http1_testing_result *result = request("\r\nGET / HTTP/1.0\r\n\r\n");
    cr_expect_eq(result->head.method, HTTP_METHOD_GET);
    cr_expect_eq(result->head.version_minor, 0);
    cr_expect_eq(result->head.head_bytes, 20);
    cr_expect_not(result->head.keep_alive);
    cr_expect_eq(result->head.authority.bytes, 0);
    drop(result);
}

Test(http1_request, in_absolute_form_is_routed_by_its_target)
{
    struct http1_testing_result *result =
        request("GET hTTps://A.example/x HTTP/1.1\r\nHost: a.EXAMPLE:443\r\n\r\n");
    expect_span(&result->head, result->head.path, "/x");
    expect_span(&result->head, result->head.authority, "A.example");
    expect_span(&result->head, result->head.scheme, "hTTps");
    drop(result);
    result = request("GET http://a.example HTTP/1.0\r\n\r\n");
    expect_span(&result->head, result->head.path, "/");
    expect_span(&result->head, result->head.authority, "a.example");
    cr_expect_not(result->head.asterisk);
    drop(result);
    result = request("OPTIONS http://[::1]:81 HTTP/1.1\r\nHost: [::1]:81\r\n\r\n");
    expect_span(&result->head, result->head.host, "[::1]");
    cr_expect_eq(result->head.port, 81);
    cr_expect(result->head.asterisk);
    drop(result);
}

Test(http1_request, to_the_server_as_a_whole_or_to_connect)
{
    struct http1_testing_result *result = request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_expect(result->head.asterisk);
    expect_span(&result->head, result->head.path, "*");
    drop(result);
    result = request("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n");
    expect_span(&result->head, result->head.authority, "a.example:443");
    cr_expect_eq(result->head.path.bytes, 0);
    cr_expect_eq(result->head.port, 443);
    drop(result);
}

static unsigned hops(const struct http_head *head)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < head->fields_count; i++)
        bits |= (unsigned)head->fields[i].hop << i;
    return bits;
}

Test(http1_request, marks_what_connection_names)
{
    struct http1_testing_result *result =
        request("GET / HTTP/1.1\r\nX-One: 1\r\nHost: a\r\nX-Two: 2\r\n"
                "Connection: ,x-one ,, close\r\nconnection:X-TWO\r\nX-Three: 3\r\n\r\n");
    cr_expect_eq(hops(&result->head), 0x1f);
    cr_expect_not(result->head.keep_alive);
    drop(result);
}

Test(http1_request, keeps_an_old_connection_only_if_asked_to)
{
    struct http1_testing_result *result =
        request("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    cr_expect(result->head.keep_alive);
    drop(result);
    result = request("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n");
    cr_expect_not(result->head.keep_alive);
    drop(result);
}

Test(http1_request, upgrades_to_one_protocol_without_a_body)
{
    struct http1_testing_result *result =
        request("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                "Connection: keep-alive, Upgrade\r\n\r\n");
    cr_expect(result->head.upgrades);
    cr_expect_eq(result->head.upgrade_index, 1);
    drop(result);
}

static void expect_no_upgrade(const char *text)
{
    struct http1_testing_result *result = request(text);
    cr_expect_not(result->head.upgrades, "%s", text);
    drop(result);
}

Test(http1_request, does_not_upgrade_otherwise)
{
    expect_no_upgrade("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n");
    expect_no_upgrade("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n");
    expect_no_upgrade("GET / HTTP/1.0\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n");
    expect_no_upgrade("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n");
    expect_no_upgrade(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: TLS/1.0\r\nConnection: upgrade\r\n\r\n");
    expect_no_upgrade(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: HTTP/2.0\r\nConnection: upgrade\r\n\r\n");
    expect_no_upgrade(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket, h2c\r\nConnection: upgrade\r\n\r\n");
    expect_no_upgrade("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
                      "Content-Length: 1\r\n\r\n");
}

Test(http1_request, expects_100_only_if_a_body_follows)
{
    struct http1_testing_result *result = request(
        "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nTransfer-Encoding: Chunked\r\n\r\n");
    cr_expect(result->head.expects_continue);
    cr_expect_eq(result->head.framing, HTTP_FRAMING_CHUNKED);
    cr_expect_eq(hops(&result->head), 7);
    drop(result);
    result = request("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n");
    cr_expect_not(result->head.expects_continue);
    drop(result);
    result = request("PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
    cr_expect_not(result->head.expects_continue);
    drop(result);
}

Test(http1_request, says_te_trailers_only_for_its_own_hop)
{
    struct http1_testing_result *result =
        request("GET / HTTP/1.1\r\nHost: a\r\nTE: gzip;q=0.5, Trailers\r\nConnection: TE\r\n\r\n");
    cr_expect(result->head.te_trailers);
    drop(result);
    result = request("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n");
    cr_expect_not(result->head.te_trailers);
    drop(result);
}

/* --- What an answer says --------------------------------------------------------------- */

static struct http1_testing_result *answer(enum http_method asked, bool upgrade, const char *text)
{
    struct http1_testing_how how = an_answer_to(asked);
    how.upgrade_asked = upgrade;
    struct http1_testing_result *result = read_all_ways(&how, text, strlen(text));
    cr_assert_eq(result->verdict, HTTP1_DONE, "%s at %u: %s",
                 http1_refusal_row(result->refusal)->name, result->refused_at, text);
    return result;
}

static void expect_framing(enum http_method asked, const char *text, enum http_framing framing,
                           bool keep_alive)
{
    struct http1_testing_result *result = answer(asked, true, text);
    cr_expect_eq(result->head.framing, (uint8_t)framing, "%s", text);
    cr_expect_eq(result->head.keep_alive, keep_alive, "%s", text);
    drop(result);
}

Test(http1_answer, ends_where_status_method_and_fields_say)
{
    const enum http_method get = HTTP_METHOD_GET;
    expect_framing(get, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_FRAMING_LENGTH, true);
    expect_framing(get, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", HTTP_FRAMING_NONE, true);
    expect_framing(get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                   HTTP_FRAMING_CHUNKED, true);
    expect_framing(get, "HTTP/1.1 200 OK\r\n\r\n", HTTP_FRAMING_UNTIL_CLOSE, false);
    expect_framing(get, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n",
                   HTTP_FRAMING_LENGTH, true);
    expect_framing(get, "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_FRAMING_LENGTH, false);
    expect_framing(get, "HTTP/1.1 204 No Content\r\n\r\n", HTTP_FRAMING_NONE, true);
    expect_framing(get, "HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", HTTP_FRAMING_NONE, true);
    expect_framing(get, "HTTP/1.1 100\r\n\r\n", HTTP_FRAMING_NONE, true);
    expect_framing(get, "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
                   HTTP_FRAMING_TUNNEL, true);
    expect_framing(HTTP_METHOD_HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                   HTTP_FRAMING_NONE, true);
    expect_framing(HTTP_METHOD_HEAD, "HTTP/1.1 200 OK\r\n\r\n", HTTP_FRAMING_NONE, true);
    expect_framing(HTTP_METHOD_HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                   HTTP_FRAMING_NONE, true);
    expect_framing(HTTP_METHOD_CONNECT, "HTTP/1.1 200 OK\r\n\r\n", HTTP_FRAMING_TUNNEL, true);
    expect_framing(HTTP_METHOD_CONNECT, "HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n",
                   HTTP_FRAMING_LENGTH, true);
}

Test(http1_answer, to_head_keeps_the_length_that_get_would_have)
{
    struct http1_testing_result *result =
        answer(HTTP_METHOD_HEAD, false, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    cr_expect(result->head.has_content_length);
    cr_expect_eq(result->head.content_length, 5);
    drop(result);
    result = answer(HTTP_METHOD_GET, false, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n");
    cr_expect_not(result->head.has_content_length);
    drop(result);
}

/* --- Trailers -------------------------------------------------------------------------- */

Test(http1_trailers, that_would_change_meaning_are_marked_to_be_dropped)
{
    static const char text[] =
        "grpc-status: 0\r\nContent-Length: 5\r\nETag: \"x\"\r\nX-Forwarded-For: me\r\n\r\nGET";
    const struct http1_testing_how how = {.kind = HTTP1_TESTING_TRAILERS,
                                          .limits = &http1_testing_limits};
    struct http1_testing_result *result = read_all_ways(&how, text, sizeof text - 1);
    cr_assert_eq(result->verdict, HTTP1_DONE);
    cr_expect_eq(hops(&result->head), 2 | 8);
    cr_expect_eq(result->head.head_bytes, sizeof text - 1 - 3);
    drop(result);
    result = read_all_ways(&how, "\r\n", 2);
    cr_expect_eq(result->verdict, HTTP1_DONE);
    cr_expect_eq(result->head.fields_count, 0);
    drop(result);
}

/* --- Limits ---------------------------------------------------------------------------- */

/* "GET /aaa... HTTP/1.0", the target of @target bytes, and @fields fields of @bytes each ("a:"
 * and CRLF included). */
static size_t make_request(char *out, size_t target, size_t fields, size_t bytes)
{
    size_t at = (size_t)sprintf(out, "GET /");
    memset(out + at, 'a', target - 1);
    at += target - 1;
    at += (size_t)sprintf(out + at, " HTTP/1.0\r\n");
    for (size_t i = 0; i < fields; i++) {
        memset(out + at, 'b', bytes);
        memcpy(out + at, "a:", 2);
        memcpy(out + at + bytes - 2, "\r\n", 2);
        at += bytes;
    }
    memcpy(out + at, "\r\n", 2);
    return at + 2;
}

static enum http1_refusal refusal_within(struct http1_limits limits, size_t target, size_t fields,
                                         size_t bytes)
{
    char text[4096];
    const size_t count = make_request(text, target, fields, bytes);
    const struct http1_testing_how how = {.kind = HTTP1_TESTING_REQUEST, .limits = &limits};
    struct http1_testing_result *result = read_all_ways(&how, text, count);
    const enum http1_refusal refusal = result->refusal;
    cr_expect_eq(result->verdict, refusal == HTTP1_REFUSAL_NONE ? HTTP1_DONE : HTTP1_BAD);
    drop(result);
    return refusal;
}

Test(http1_limits, are_held_to_the_byte)
{
    const struct http1_limits limits = {
        .head_bytes_max = 200, .target_bytes_max = 40, .fields_max = 4};
    cr_expect_eq(refusal_within(limits, 40, 0, 0), HTTP1_REFUSAL_NONE);
    cr_expect_eq(refusal_within(limits, 41, 0, 0), HTTP1_REFUSAL_TARGET_LONG);
    cr_expect_eq(refusal_within(limits, 1, 4, 5), HTTP1_REFUSAL_NONE);
    cr_expect_eq(refusal_within(limits, 1, 5, 5), HTTP1_REFUSAL_FIELDS_MANY);
    cr_expect_eq(refusal_within(limits, 1, 1, 182), HTTP1_REFUSAL_NONE); /* 16 + 182 + 2 */
    cr_expect_eq(refusal_within(limits, 1, 1, 183), HTTP1_REFUSAL_HEAD_LONG);
}

/* What lies behind a limit does not change why a head is refused, and no byte behind it is
 * needed. */
Test(http1_limits, are_refused_before_the_rest_is_there)
{
    const struct http1_limits limits = {
        .head_bytes_max = 64, .target_bytes_max = 8, .fields_max = 4};
    const struct http1_testing_how how = {.kind = HTTP1_TESTING_REQUEST, .limits = &limits};
    struct http1_testing_result *result = read_all_ways(&how, "GET /2345678", 12);
    cr_expect_eq(result->verdict, HTTP1_PARTIAL);
    drop(result);
    result = read_all_ways(&how, "GET /23456789\n\n", 15);
    cr_expect_eq(result->refusal, HTTP1_REFUSAL_TARGET_LONG);
    cr_expect_eq(result->refused_at, 12);
    drop(result);
}

/* --- Refusals -------------------------------------------------------------------------- */

#define H    "Host: a\r\n"
#define L    "GET / HTTP/1.1\r\n"
#define C1   "Content-Length: 1\r\n"
#define TEC  "Transfer-Encoding: chunked\r\n"
#define X8   "xxxxxxxx"
#define X64  X8 X8 X8 X8 X8 X8 X8 X8
#define X256 X64 X64 X64 X64

/* One example per row, cut off where it is refused: nothing more may be needed. */
static const struct example {
    enum http1_refusal refusal;
    char kind; /* q: request, a: answer to GET, c: answer to CONNECT */
    const char *text;
    size_t count;
} examples[] = {
/* clang-format off */
#define E(name, kind, text) {HTTP1_REFUSAL_##name, kind, text, sizeof(text) - 1},
    E(TLS, 'q', "\x16")
    E(HTTP2_PREFACE, 'q', "PRI * ")
    E(EMPTY_LINES, 'q', "\r\n\r")
    E(METHOD, 'q', "G@")
    E(METHOD, 'q', " ")
    E(METHOD_LONG, 'q', X8 X8 X8 X8 "x")
    E(TARGET_BYTE, 'q', "GET /a#")
    E(TARGET_BYTE, 'q', "GET /a\\b ")
    E(TARGET_EMPTY, 'q', "GET  ")
    E(TARGET_FORM, 'q', "GET a ")
    E(TARGET_SCHEME, 'q', "GET ftp://a/ ")
    E(TARGET_USERINFO, 'q', "GET http://b@a/ ")
    E(TARGET_AUTHORITY, 'q', "GET http:///x ")
    E(TARGET_NO_PATH, 'q', "GET http://a?b ")
    E(TARGET_CONNECT, 'q', "CONNECT /a ")
    E(TARGET_ASTERISK, 'q', "GET * ")
    E(VERSION, 'q', "GET / h")
    E(VERSION_OTHER, 'q', "GET / HTTP/2.0")
    E(VERSION_MISSING, 'q', "GET /\r")
    E(LINE_END, 'q', "GET / HTTP/1.1 ")
    E(STATUS_LINE, 'a', "I")
    E(STATUS_RANGE, 'a', "HTTP/1.1 600 ")
    E(REASON_BYTE, 'a', "HTTP/1.1 200 O\x01")
    E(REASON_LONG, 'a', "HTTP/1.1 200 " X256 X256 X256 X256 "x")
    E(BARE_LF, 'q', "GET / HTTP/1.1\n")
    E(BARE_LF, 'q', L "Host: a\n")
    E(BARE_CR, 'q', L "Host: a\rb")
    E(BARE_CR, 'q', L H "\rx")
    E(NUL, 'q', L "Host: a\0")
    E(OBS_FOLD, 'q', L H " ")
    E(NAME_EMPTY, 'q', L ":")
    E(NAME_SPACE, 'q', L "Host ")
    E(NAME_BYTE, 'q', L "Ho(")
    E(NAME_NO_COLON, 'q', L "Host\r")
    E(NAME_LONG, 'q', L X256 "x")
    E(VALUE_BYTE, 'q', L "Host: \x7f")
    E(HOST_MISSING, 'q', L "\r\n")
    E(HOST_MANY, 'q', L H H)
    E(HOST_SYNTAX, 'q', L "Host: a,b\r\n")
    E(HOST_DIFFERS, 'q', "GET http://b/ HTTP/1.1\r\n" H)
    E(LENGTH_SYNTAX, 'q', L "Content-Length: +1\r\n")
    E(LENGTH_LIST, 'q', L "Content-Length: 1, 1\r\n")
    E(LENGTH_RANGE, 'q', L "Content-Length: 9223372036854775808\r\n")
    E(LENGTH_MANY, 'q', L C1 C1)
    E(LENGTH_AND_CODING, 'q', L C1 TEC)
    E(LENGTH_AND_CODING, 'a', "HTTP/1.1 200 OK\r\n" TEC C1)
    E(CODING_MANY, 'q', L TEC TEC)
    E(CODING_SYNTAX, 'q', L "Transfer-Encoding: chunked, chunked\r\n")
    E(CODING_OTHER, 'q', L "Transfer-Encoding: gzip, chunked\r\n")
    E(CODING_OLD_VERSION, 'q', "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n")
    E(EXPECT_OTHER, 'q', L "Expect: tea\r\n")
    E(EXPECT_MANY, 'q', L "Expect: 100-continue\r\nExpect: 100-continue\r\n")
    E(CONNECTION_SYNTAX, 'q', L "Connection: a b\r\n")
    E(CONNECTION_MANY, 'q', L "Connection: ,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\r\n")
    E(CONNECTION_PINNED, 'q', L "Connection: content-length\r\n")
    E(UPGRADE_SYNTAX, 'q', L "Upgrade: a/\r\n")
    E(UPGRADE_MANY, 'q', L "Upgrade: a\r\nUpgrade: a\r\n")
    E(CONNECT_BODY, 'q', "CONNECT a:1 HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\n")
    E(ANSWER_BODY, 'a', "HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\n")
    E(ANSWER_BODY, 'c', "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    E(ANSWER_UPGRADE, 'a', "HTTP/1.1 101 No\r\nUpgrade: a\r\n\r\n")
#undef E
    /* clang-format on */
};

static struct http1_testing_how how_of(char kind)
{
    return kind == 'q' ? a_request
                       : an_answer_to(kind == 'c' ? HTTP_METHOD_CONNECT : HTTP_METHOD_GET);
}

Test(http1_refusals, come_with_the_byte_that_is_wrong_and_not_before)
{
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const struct example *e = &examples[i];
        const struct http1_testing_how how = how_of(e->kind);
        struct http1_testing_result *result = read_all_ways(&how, e->text, e->count);
        cr_expect(result->verdict == HTTP1_BAD && result->refusal == e->refusal,
                  "%.40s: %s, not %s", e->text, http1_refusal_row(result->refusal)->name,
                  http1_refusal_row(e->refusal)->name);
        cr_expect_leq(result->refused_at, e->count);
        drop(result);
        if (e->count == 1)
            continue;
        result = read_all_ways(&how, e->text, e->count - 1);
        cr_expect_eq(result->verdict, HTTP1_PARTIAL, "%.40s, without its last byte: %s", e->text,
                     http1_refusal_row(result->refusal)->name);
        drop(result);
    }
}

Test(http1_refusals, each_have_an_example)
{
    bool seen[HTTP1_REFUSALS_COUNT] = {[HTTP1_REFUSAL_NONE] = true};
    seen[HTTP1_REFUSAL_TARGET_LONG] = seen[HTTP1_REFUSAL_HEAD_LONG] =
        seen[HTTP1_REFUSAL_FIELDS_MANY] = true;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        seen[examples[i].refusal] = true;
    /* Those of chunked bodies are in http1_chunks_test.c. */
    for (int i = 0; i < HTTP1_REFUSALS_COUNT; i++)
        cr_expect(seen[i] ||
                      strncmp(http1_refusal_row((enum http1_refusal)i)->name, "CHUNK", 5) == 0,
                  "%s", http1_refusal_row((enum http1_refusal)i)->name);
}
