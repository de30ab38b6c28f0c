/* SPDX-License-Identifier: Apache-2.0 */
/* front/http/http_request.c - who is asking: Forwarded, X-Forwarded-*, and the trace context.
 *
 * What an untrusted peer says of others is dropped, never appended to; what a believed proxy
 * says is kept. */
#include "front/http/deadline.h"
#include "front/http/http_conn.h"

#include <string.h>

enum {
    TRACEPARENT_BYTES = 55, /* 00-<32 hex>-<16 hex>-<2 hex> */
};

#define GRPC_TIMEOUT "grpc-timeout"

static int hex_value(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* @count lower-case hex digits; false if one is not. */
static bool read_hex(const uint8_t *at, unsigned count, uint64_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < count; i++) {
        const int digit = hex_value(at[i]);
        if (digit < 0)
            return false;
        *value = (*value << 4) | (unsigned)digit;
    }
    return true;
}

/* W3C Trace Context, level 1: versions above 00 are read as far as 00 goes; ff and all-zero ids
 * are invalid. */
static bool read_trace(struct request *request, const uint8_t *at, uint32_t bytes)
{
    uint64_t version, parent, flags;
    if (bytes < TRACEPARENT_BYTES || !read_hex(at, 2, &version) || version == 0xff ||
        at[2] != '-' || at[35] != '-' || at[52] != '-')
        return false;
    if (bytes > TRACEPARENT_BYTES && (version == 0 || at[TRACEPARENT_BYTES] != '-'))
        return false;
    if (!read_hex(at + 3, 16, &request->trace[0]) || !read_hex(at + 19, 16, &request->trace[1]) ||
        !read_hex(at + 36, 16, &parent) || !read_hex(at + 53, 2, &flags))
        return false;
    request->trace_flags = (uint8_t)flags;
    return (request->trace[0] | request->trace[1]) != 0 && parent != 0;
}

static void drop_field(struct http_head *head, enum http_field_id id)
{
    if (!http_head_has(head, id))
        return;
    for (unsigned i = 0; i < head->fields_count; i++)
        if (head->fields[i].id == id)
            head->fields[i].hop = 1;
}

static void annotate_trace(struct http_conn *hc, struct request *request)
{
    struct random *random = &hc->front->worker->random;
    const struct http_field *field = http_head_find(&request->head, HTTP_FIELD_TRACEPARENT);
    request->trace_passed =
        field != NULL && http_head_find_next(&request->head, field) == NULL &&
        read_trace(request, http_field_value(&request->head, field), field->value_bytes);
    if (!request->trace_passed) {
        request->trace[0] = random_next(random);
        request->trace[1] = random_next(random) | 1;
        request->trace_flags = 0;
        drop_field(&request->head,
                   HTTP_FIELD_TRACESTATE); /* it belongs to the parent that is not there */
    }
    request->span = random_next(random) | 1;
    drop_field(&request->head, HTTP_FIELD_TRACEPARENT);
}

/* The last address of a list is the one that our believed peer saw itself. */
static const char *last_of_list(struct request *request, const uint8_t *list, uint32_t bytes)
{
    uint32_t from = bytes;
    while (from > 0 && list[from - 1] != ',')
        from--;
    while (from < bytes && (list[from] == ' ' || list[from] == '\t'))
        from++;
    char *text = arena_take(&request->arena, bytes - from + 1);
    if (text == NULL)
        return NULL;
    memcpy(text, list + from, bytes - from);
    text[bytes - from] = '\0';
    return text;
}

static bool annotate_believed(struct request *request)
{
    const struct http_head *head = &request->head;
    const struct http_field *list = http_head_find(head, HTTP_FIELD_X_FORWARDED_FOR);
    for (const struct http_field *next = list; next != NULL; next = http_head_find_next(head, next))
        list = next; /* of several lines the last is the one that the peer wrote */
    if (list != NULL && list->value_bytes > 0) {
        request->forwarded_for = http_field_value(head, list);
        request->forwarded_for_bytes = list->value_bytes;
        const char *first = last_of_list(request, request->forwarded_for, list->value_bytes);
        if (first == NULL)
            return false;
        request->origin = first;
    }
    const struct http_field *proto = http_head_find(head, HTTP_FIELD_X_FORWARDED_PROTO);
    if (proto != NULL && proto->value_bytes == 5 &&
        http_same_text(http_field_value(head, proto), "https", 5))
        request->scheme = "https";
    return true;
}

/* What a client that is not believed says is dropped: the server would take it for ours. */
uint64_t http__request_timeout_ns(struct request *request, const char *header)
{
    uint64_t least_ns = UINT64_MAX, ns;
    struct http_head *head = &request->head;
    if (header[0] == '\0')
        return UINT64_MAX;
    request->deadline_name = header;
    struct http_field *own =
        (struct http_field *)(uintptr_t)http_head_find_name(head, header, strlen(header));
    if (own != NULL)
        own->hop = 1;
    if (!request->client_believed)
        return UINT64_MAX;
    if (own != NULL && http_timeout_read_ms(http_field_value(head, own), own->value_bytes, &ns))
        least_ns = ns;
    struct http_field *grpc = (struct http_field *)(uintptr_t)http_head_find_name(
        head, GRPC_TIMEOUT, sizeof GRPC_TIMEOUT - 1);
    if (grpc != NULL &&
        http_timeout_read_grpc(http_field_value(head, grpc), grpc->value_bytes, &ns)) {
        least_ns = ns < least_ns ? ns : least_ns;
        grpc->hop = 1;
        request->is_grpc_deadline_told = true;
    }
    return least_ns;
}

/* One less, in the same width, since a leading zero means nothing. What is no number stays as it
 * is. */
bool http__count_forward(struct request *request)
{
    const struct http_head *head = &request->head;
    const struct http_field *field = http_head_find(head, HTTP_FIELD_MAX_FORWARDS);
    if (head->method != HTTP_METHOD_OPTIONS || field == NULL || field->value_bytes == 0)
        return true;
    uint8_t *digits = (uint8_t *)(uintptr_t)http_field_value(head, field);
    unsigned last = field->value_bytes;
    for (unsigned i = 0; i < field->value_bytes; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return true;
        if (digits[i] != '0')
            last = i;
    }
    if (last == field->value_bytes)
        return false;
    digits[last]--;
    memset(digits + last + 1, '9', field->value_bytes - last - 1u);
    return true;
}

bool http__request_annotate(struct http_conn *hc, struct request *request)
{
    struct http_head *head = &request->head;
    memcpy(request->client, hc->guest.client, sizeof request->client);
    request->origin = request->client;
    request->scheme = hc->front->settings.scheme;
    request->client_believed = hc->believed;
    if (hc->believed && !annotate_believed(request))
        return false;
    drop_field(head, HTTP_FIELD_FORWARDED);
    drop_field(head, HTTP_FIELD_X_FORWARDED_FOR);
    drop_field(head, HTTP_FIELD_X_FORWARDED_PROTO);
    drop_field(head, HTTP_FIELD_X_FORWARDED_HOST);
    drop_field(head, HTTP_FIELD_X_FORWARDED_PORT);
    drop_field(head, HTTP_FIELD_X_REAL_IP);
    annotate_trace(hc, request);
    return true;
}
