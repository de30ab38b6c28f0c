/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/http1_answer_fuzz.c - laws of reading answer heads.
 *
 * 1. However the bytes arrive, the verdict, the refusal, its place and the head are the same.
 * 2. An accepted answer has one end: framing follows from status, method and fields as RFC 9112 6.3
 *    says.
 * 3. What is written from an accepted head is accepted, with the same status and framing.
 *
 * The first byte of the input chooses the step, the second the request that is answered. */
#include "codec/http1_testing.h"

#define CHECK(law)                                                                                 \
    do {                                                                                           \
        if (!(law))                                                                                \
            __builtin_trap();                                                                      \
    } while (0)

static void check_framing(const struct http_head *head, enum http_method asked)
{
    const bool success = head->status >= 200 && head->status < 300;
    CHECK(head->status >= 100 && head->status <= 599);
    if (head->status == 101 || (asked == HTTP_METHOD_CONNECT && success))
        CHECK(head->framing == HTTP_FRAMING_TUNNEL);
    else if (head->status < 200 || head->status == 204 || head->status == 304 ||
             asked == HTTP_METHOD_HEAD)
        CHECK(head->framing == HTTP_FRAMING_NONE);
    else if (http_head_has(head, HTTP_FIELD_TRANSFER_ENCODING))
        CHECK(head->framing == HTTP_FRAMING_CHUNKED && !head->has_content_length);
    else if (head->has_content_length)
        CHECK(head->framing ==
              (head->content_length > 0 ? HTTP_FRAMING_LENGTH : HTTP_FRAMING_NONE));
    else
        CHECK(head->framing == HTTP_FRAMING_UNTIL_CLOSE && !head->keep_alive);
}

static void put_head(struct http1_writer *w, const struct http_head *head)
{
    http1_put_status_line(w, head->status);
    if (head->has_content_length)
        http1_put_content_length(w, head->content_length);
    else if (head->framing == HTTP_FRAMING_CHUNKED)
        http1_put_chunked(w);
    if (head->upgrades)
        http1_put_text(w, "Upgrade: websocket\r\n");
    http1_put_fields(w, head);
    http1_put_text(w, "\r\n");
}

static void check_written(const struct http1_testing_how *how, const struct http_head *head)
{
    static struct http1_testing_result again;
    struct http1_writer w = {0};
    put_head(&w, head);
    const size_t count = w.wanted;
    uint8_t *bytes = malloc(count);
    w = (struct http1_writer){.at = bytes, .end = bytes + count};
    put_head(&w, head);
    CHECK(!w.full && w.at == bytes + count);
    const struct http1_limits wide = {1 << 20, 1 << 20, HTTP1_TESTING_FIELDS};
    struct http1_testing_how how_again = *how;
    how_again.limits = &wide;
    http1_testing_read(&how_again, bytes, count, (struct http1_testing_pieces){count, 1}, &again);
    CHECK(again.verdict == HTTP1_DONE && again.head.head_bytes == count);
    CHECK(again.head.status == head->status && again.head.framing == head->framing);
    CHECK(again.head.content_length == head->content_length ||
          head->framing == HTTP_FRAMING_TUNNEL);
    http1_testing_free(&again);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http1_testing_result whole, pieces;
    if (size < 2)
        return 0;
    const size_t step = 1 + (data[0] & 31);
    const struct http1_testing_how how = {.kind = HTTP1_TESTING_ANSWER,
                                          .limits = &http1_testing_limits,
                                          .asked =
                                              (enum http_method)(1 + data[1] % HTTP_METHOD_OTHER),
                                          .upgrade_asked = (data[1] & 128) != 0};
    data += 2;
    size -= 2;
    http1_testing_read(&how, data, size, (struct http1_testing_pieces){size, 1}, &whole);
    http1_testing_read(&how, data, size, (struct http1_testing_pieces){0, step}, &pieces);
    CHECK(http1_testing_same(&whole, &pieces));
    if (whole.verdict == HTTP1_DONE) {
        check_framing(&whole.head, how.asked);
        check_written(&how, &whole.head);
    }
    http1_testing_free(&whole);
    http1_testing_free(&pieces);
    return 0;
}
