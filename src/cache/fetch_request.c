/* SPDX-License-Identifier: Apache-2.0 */
/* cache/fetch_request.c - the request of a fetch: what the client asked, as a cache asks it. */
#include "cache/compress.h"
#include "cache/fetch.h"

#include "core/random.h"

#include <string.h>

enum {
    ADDED_FIELDS = 4,
    ADDED_BYTES = 4 * 64 + CACHE_ETAG_BYTES_MAX + 64 + HTTP_DATE_BYTES,
};

/* Lines are added behind the copied head. */
struct request_writer {
    struct http_head *head;
    uint8_t          *base;
    uint32_t          used;
};

static void add_name(struct request_writer *w, const char *name, const void *value,
                     uint32_t value_bytes)
{
    const uint16_t name_bytes = (uint16_t)strlen(name);
    const enum http_field_id id = http_field_find((const uint8_t *)name, name_bytes);
    struct http_head *head = w->head;
    head->fields[head->fields_count++] = (struct http_field){
        .name_at = w->used,
        .name_bytes = name_bytes,
        .value_at = w->used + name_bytes + 2,
        .value_bytes = value_bytes,
        .id = (uint8_t)id,
    };
    head->present[(unsigned)id >> 6] |= 1ull << ((unsigned)id & 63);
    memcpy(w->base + w->used, name, name_bytes);
    memcpy(w->base + w->used + name_bytes, ": ", 2);
    memcpy(w->base + w->used + name_bytes + 2, value, value_bytes);
    memcpy(w->base + w->used + name_bytes + 2 + value_bytes, "\r\n", 2);
    w->used += name_bytes + value_bytes + 4u;
}

static void add(struct request_writer *w, enum http_field_id id, const void *value,
                uint32_t value_bytes)
{
    add_name(w, http_field_row(id)->name, value, value_bytes);
}

static void take_out(struct http_head *head, enum http_field_id id)
{
    for (uint16_t i = 0; http_head_has(head, id) && i < head->fields_count; i++)
        if (head->fields[i].id == id)
            head->fields[i].hop = 1;
}

static void take_name_out(struct http_head *head, const char *name)
{
    const size_t bytes = strlen(name);
    for (uint16_t i = 0; i < head->fields_count; i++) {
        struct http_field *field = &head->fields[i];
        if (field->name_bytes == bytes && http_same_text(http_field_name(head, field), name, bytes))
            field->hop = 1;
    }
}

/* The server sees the host as the key has it. */
static void lower_authority(struct http_head *head, uint8_t *base)
{
    for (uint32_t i = 0; i < head->authority.bytes; i++) {
        uint8_t *byte = base + head->authority.at + i;
        if (*byte >= 'A' && *byte <= 'Z')
            *byte |= 0x20;
    }
}

/* Conditions and ranges are the client's; what it accepts is said in the form that the key has. */
static void rewrite(struct request_writer *w, const struct http_head *from,
                    const struct cache_order *order)
{
    static const char capability[] = "Surrogate-Capability";
    static const char capabilities[] = CACHE_SURROGATE "=\"Surrogate/1.0\"";
    char encodings[64];
    if (!order->is_part) {
        take_out(w->head, HTTP_FIELD_RANGE);
        take_out(w->head, HTTP_FIELD_IF_RANGE);
    }
    take_out(w->head, HTTP_FIELD_IF_NONE_MATCH);
    take_out(w->head, HTTP_FIELD_IF_MODIFIED_SINCE);
    take_out(w->head, HTTP_FIELD_PANDO_SESSION); /* what is kept is for everybody */
    take_name_out(w->head, capability);
    add_name(w, capability, capabilities, sizeof capabilities - 1);
    if (!http_head_has(from, HTTP_FIELD_ACCEPT_ENCODING))
        return;
    const size_t bytes = cache_encodings_write(cache__codings_asked(order->rule, from), encodings);
    take_out(w->head, HTTP_FIELD_ACCEPT_ENCODING);
    if (bytes > 0)
        add(w, HTTP_FIELD_ACCEPT_ENCODING, encodings, (uint32_t)bytes);
    else
        add(w, HTTP_FIELD_ACCEPT_ENCODING, "identity", 8);
}

static void add_validators(struct request_writer *w, struct store_entry *stale)
{
    struct cache_object *object = cache_object_of(stale);
    uint8_t etag[CACHE_ETAG_BYTES_MAX];
    const struct cache_validators validators = cache__server_validators(object, etag);
    if (object->meta.etag_bytes > 0 && validators.etag_bytes <= CACHE_ETAG_BYTES_MAX)
        add(w, HTTP_FIELD_IF_NONE_MATCH, validators.etag, validators.etag_bytes);
    if (validators.last_modified_s >= 0) {
        char date[HTTP_DATE_BYTES];
        http_date_write(date, validators.last_modified_s);
        add(w, HTTP_FIELD_IF_MODIFIED_SINCE, date, sizeof date);
    }
}

static bool copy_head(struct request *to, const struct cache_order *order)
{
    const struct http_head *from = &order->like->request->head;
    const size_t fields_max = from->fields_count + (size_t)ADDED_FIELDS;
    struct http_field *fields = arena_take(&to->arena, fields_max * sizeof *fields);
    uint8_t *bytes = arena_take(&to->arena, from->head_bytes + (size_t)ADDED_BYTES);
    if (fields == NULL || bytes == NULL)
        return false;
    to->head = *from;
    memcpy(fields, from->fields, from->fields_count * sizeof *fields);
    memcpy(bytes, from->base, from->head_bytes);
    to->head.fields = fields;
    to->head.fields_max = (uint16_t)fields_max;
    to->head.base = bytes;
    to->head.expects_continue = false;
    to->head.keep_alive = true;
    lower_authority(&to->head, bytes);
    struct request_writer w = {.head = &to->head, .base = bytes, .used = from->head_bytes};
    rewrite(&w, from, order);
    if (order->stale != NULL && atomic_load(&cache_object_of(order->stale)->is_over))
        add_validators(&w, order->stale);
    if (order->first == NULL) {
        take_out(&to->head, HTTP_FIELD_CACHE_CONTROL);
        take_out(&to->head, HTTP_FIELD_PRAGMA);
    }
    to->head.head_bytes = w.used;
    return true;
}

static const char *copy_text(struct arena *arena, const void *text, size_t bytes)
{
    char *copy = arena_take(arena, bytes + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    return copy;
}

/* Everything that lies in the client's connection or request is copied: they may go before. */
static bool copy_request(struct request *to, const struct cache_order *order)
{
    const struct request *from = order->like->request;
    if (!copy_head(to, order))
        return false;
    memcpy(to->client, from->client, sizeof to->client);
    to->origin = from->origin == from->client
                     ? to->client
                     : copy_text(&to->arena, from->origin, strlen(from->origin));
    to->scheme = strcmp(from->scheme, "https") == 0 ? "https" : "http";
    if (from->forwarded_for != NULL) {
        to->forwarded_for =
            (const uint8_t *)copy_text(&to->arena, from->forwarded_for, from->forwarded_for_bytes);
        to->forwarded_for_bytes = from->forwarded_for_bytes;
        if (to->forwarded_for == NULL)
            return false;
    }
    to->client_believed = from->client_believed;
    to->is_forwarded_told = from->is_forwarded_told;
    to->via = from->via;
    memcpy(to->trace, from->trace, sizeof to->trace);
    to->span = random_next(&to->worker->random) | 1;
    to->trace_flags = from->trace_flags;
    to->trace_passed = from->trace_passed;
    return to->origin != NULL;
}

struct op *cache__fetch_op(const struct cache_order *order)
{
    const struct op *like = order->like;
    struct op *op = op_new(like->worker, like->answer_body.bytes_max * 2);
    if (op == NULL)
        return NULL;
    if (!copy_request(op->request, order)) {
        op_free(op);
        return NULL;
    }
    op->service = like->service;
    op->path = like->path;
    op->sticky = like->sticky;
    return op;
}
