/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/http1_request_fuzz.c - laws of reading request heads and trailer sections.
 *
 * 1. However the bytes arrive, the verdict, the refusal, its place and the head are the same.
 * 2. A refusal needs nothing behind the byte that is refused, and names a byte that was there.
 * 3. What is written from an accepted head is accepted, says the same, and is written the same
 *    again.
 * 4. The writer counts what it writes, and writes nothing beyond its room.
 *
 * The first byte of the input chooses the step, the limits and whether a trailer section is
 * read. */
#include "codec/http1_testing.h"

#define CHECK(law)                                                                                 \
    do {                                                                                           \
        if (!(law))                                                                                \
            __builtin_trap();                                                                      \
    } while (0)

static const struct http1_limits small = {
    .head_bytes_max = 300, .target_bytes_max = 40, .fields_max = 6};

/* Of an accepted head: each span and field lies inside, and holds no line end. */
static void check_inside(const struct http_head *head)
{
    for (size_t i = 0; i < head->fields_count; i++) {
        const struct http_field *field = &head->fields[i];
        CHECK(field->name_bytes > 0 && field->name_at + field->name_bytes < field->value_at + 1);
        CHECK(field->value_at + field->value_bytes + 2 <= head->head_bytes);
        CHECK(memchr(http_field_value(head, field), '\n', field->value_bytes) == NULL);
        CHECK(memchr(http_field_value(head, field), '\r', field->value_bytes) == NULL);
        CHECK(http_head_has(head, (enum http_field_id)field->id));
    }
    CHECK(head->path.at + head->path.bytes <= head->head_bytes);
    CHECK(head->authority.at + head->authority.bytes <= head->head_bytes);
    CHECK(head->trailer_section || head->path.bytes > 0 || head->method == HTTP_METHOD_CONNECT);
}

static void put_head(struct http1_writer *w, const struct http_head *head)
{
    if (!head->trailer_section) {
        http1_put_request_line(w, head);
        if (head->authority.bytes > 0)
            http1_put_host(w, head);
        else
            http1_put_text(w, "Host: none\r\n");
        if (head->has_content_length)
            http1_put_content_length(w, head->content_length);
        else if (head->framing == HTTP_FRAMING_CHUNKED)
            http1_put_chunked(w);
    }
    http1_put_fields(w, head);
    http1_put_text(w, "\r\n");
}

/* Writes into a block of exactly the size that the writer asked for; then into one byte less. */
static uint8_t *write_head(const struct http_head *head, size_t *count)
{
    struct http1_writer w = {0};
    put_head(&w, head);
    *count = w.wanted;
    uint8_t *bytes = malloc(*count);
    for (size_t room = *count - 1; room <= *count; room++) {
        w = (struct http1_writer){.at = bytes, .end = bytes + room};
        put_head(&w, head);
        CHECK(w.wanted == *count && w.full == (room < *count));
    }
    CHECK(w.at == bytes + *count);
    return bytes;
}

static bool same_text(const struct http_head *a, struct http_span x, const struct http_head *b,
                      struct http_span y)
{
    return x.bytes == y.bytes && memcmp(a->base + x.at, b->base + y.at, x.bytes) == 0;
}

static void check_same_meaning(const struct http_head *a, const struct http_head *b)
{
    CHECK(same_text(a, a->method_text, b, b->method_text));
    CHECK(a->framing == b->framing && a->content_length == b->content_length);
    CHECK(a->asterisk == b->asterisk);
    CHECK(a->asterisk || same_text(a, a->path, b, b->path));
    CHECK(a->authority.bytes == 0 || same_text(a, a->authority, b, b->authority));
    CHECK(a->port == b->port);
    for (size_t i = 0; i < b->fields_count;
         i++) /* nothing that was for one hop alone comes through */
        CHECK(!b->fields[i].hop ||
              http_field_row((enum http_field_id)b->fields[i].id)->copied != HTTP_COPIED_PASS);
}

static void check_written(const struct http1_testing_result *first)
{
    static struct http1_testing_result again;
    static const struct http1_limits wide = {1 << 20, 1 << 20, HTTP1_TESTING_FIELDS};
    const struct http1_testing_how how = {
        .kind = first->head.trailer_section ? HTTP1_TESTING_TRAILERS : HTTP1_TESTING_REQUEST,
        .limits = &wide};
    size_t count, count_again;
    uint8_t *bytes = write_head(&first->head, &count);
    http1_testing_read(&how, bytes, count, (struct http1_testing_pieces){count, 1}, &again);
    CHECK(again.verdict == HTTP1_DONE && again.head.head_bytes == count);
    check_same_meaning(&first->head, &again.head);
    uint8_t *bytes_again = write_head(&again.head, &count_again);
    CHECK(count == count_again && memcmp(bytes, bytes_again, count) == 0);
    http1_testing_free(&again);
    free(bytes);
    free(bytes_again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http1_testing_result whole, pieces;
    if (size == 0)
        return 0;
    const size_t step = 1 + (data[0] & 31);
    const struct http1_testing_how how = {.kind = data[0] & 64 ? HTTP1_TESTING_TRAILERS
                                                               : HTTP1_TESTING_REQUEST,
                                          .limits = data[0] & 128 ? &small : &http1_testing_limits};
    data++;
    size--;
    http1_testing_read(&how, data, size, (struct http1_testing_pieces){size, 1}, &whole);
    http1_testing_read(&how, data, size, (struct http1_testing_pieces){0, step}, &pieces);
    CHECK(http1_testing_same(&whole, &pieces));
    if (whole.verdict == HTTP1_BAD) {
        CHECK(whole.refusal != HTTP1_REFUSAL_NONE && whole.refused_at <= size);
        http1_testing_free(&pieces);
        http1_testing_read(&how, data, pieces.seen, (struct http1_testing_pieces){pieces.seen, 1},
                           &pieces);
        CHECK(http1_testing_same(&whole, &pieces));
    }
    if (whole.verdict == HTTP1_DONE) {
        check_inside(&whole.head);
        check_written(&whole);
    }
    http1_testing_free(&whole);
    http1_testing_free(&pieces);
    return 0;
}
