/* SPDX-License-Identifier: Apache-2.0 */
/* codec/http1_write.c - writes heads, fields and chunk framing, always anew from what was parsed.
 *
 * Everything goes through http1_put(), so the size that is counted and the bytes that are
 * written come from the same calls (nginx CVE-2026-42945: a length estimated one way and copied
 * another). */
#include "codec/http1_parts.h"

void http1_put_decimal(struct http1_writer *w, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    http1_put(w, digits + at, sizeof digits - at);
}

void http1_put_hex(struct http1_writer *w, uint64_t number)
{
    char digits[16];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[number & 15];
        number >>= 4;
    } while (number > 0);
    http1_put(w, digits + at, sizeof digits - at);
}

void http1_put_field(struct http1_writer *w, enum http_field_id id, const void *value, size_t count)
{
    const struct http_field_row *row = http_field_row(id);
    const uint8_t *bytes = value;
    assert(id != HTTP_FIELD_OTHER);
    assert(count == 0 || http1__value_end(bytes, bytes + count) == bytes + count);
    http1_put(w, row->name, row->name_bytes);
    http1_put_text(w, ": ");
    http1_put(w, value, count);
    http1_put_text(w, "\r\n");
}

void http1_put_request_line(struct http1_writer *w, const struct http_head *head)
{
    http1_put_span(w, head, head->method_text);
    if (head->asterisk) {
        http1_put_text(w, " *");
    } else {
        http1_put_text(w, " ");
        http1_put_span(w, head, head->method == HTTP_METHOD_CONNECT ? head->authority : head->path);
    }
    http1_put_text(w, " HTTP/1.1\r\n");
}

void http1_put_status_line(struct http1_writer *w, unsigned status)
{
    assert(status >= 100 && status <= 999);
    switch (status) {
#define X(code, reason)                                                                            \
    case code:                                                                                     \
        http1_put_text(w, "HTTP/1.1 " #code " " reason "\r\n");                                    \
        return;
        HTTP_STATUSES(X)
#undef X
    default:
        http1_put_text(w, "HTTP/1.1 ");
        http1_put_decimal(w, status);
        http1_put_text(w, " \r\n");
    }
}

void http1_put_host(struct http1_writer *w, const struct http_head *head)
{
    http1_put_text(w, "Host: ");
    http1_put_span(w, head, head->authority);
    http1_put_text(w, "\r\n");
}

/* Was the line received just as it would be written? Then its bytes are the same, copied at
 * once. */
static bool is_canonical(const struct http_head *head, const struct http_field *field)
{
    const uint32_t colon = field->name_at + field->name_bytes;
    const uint32_t end = field->value_at + field->value_bytes;
    return field->value_at == colon + 2 && head->base[colon + 1] == ' ' && head->base[end] == '\r';
}

static void put_one_field(struct http1_writer *w, const struct http_head *head,
                          const struct http_field *field)
{
    http1_put(w, http_field_name(head, field), field->name_bytes);
    http1_put_text(w, ": ");
    http1_put(w, http_field_value(head, field), field->value_bytes);
    http1_put_text(w, "\r\n");
}

void http1_put_fields(struct http1_writer *w, const struct http_head *head)
{
    uint32_t
        from = 0,
        to = 0; /* a run of canonical lines that is still to be copied; always lines of this head */
    for (uint16_t i = 0; i < head->fields_count; i++) {
        const struct http_field *field = &head->fields[i];
        const bool canonical = !field->hop && is_canonical(head, field);
        if (!canonical || field->name_at != to) {
            http1_put(w, head->base + from, to - from);
            from = to = field->name_at;
        }
        if (canonical)
            to = field->value_at + field->value_bytes + 2;
        else if (!field->hop)
            put_one_field(w, head, field);
    }
    http1_put(w, head->base + from, to - from);
}

void http1_put_content_length(struct http1_writer *w, uint64_t count)
{
    http1_put_text(w, "Content-Length: ");
    http1_put_decimal(w, count);
    http1_put_text(w, "\r\n");
}

void http1_put_chunked(struct http1_writer *w)
{
    http1_put_text(w, "Transfer-Encoding: chunked\r\n");
}

void http1_put_chunk_head(struct http1_writer *w, uint64_t count)
{
    assert(count > 0); /* a size of 0 would end the body */
    http1_put_hex(w, count);
    http1_put_text(w, "\r\n");
}

void http1_put_last_chunk(struct http1_writer *w, const struct http_head *trailers)
{
    http1_put_text(w, "0\r\n");
    if (trailers != NULL)
        http1_put_fields(w, trailers);
    http1_put_text(w, "\r\n");
}
