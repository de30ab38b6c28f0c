/* SPDX-License-Identifier: Apache-2.0 */
/* cache/said.c - what an answer says of the cache: Cache-Status (RFC 9211), Age, and what browsers
 * may keep. */
#include "cache/cache_inside.h"

#include "codec/http1.h"
#include "core/units.h"

#include <string.h>

enum { SAID_BYTES_MAX = 512 };

static void put_text(struct http1_writer *w, const char *text)
{
    http1_put(w, text, strlen(text));
}

static void put_number(struct http1_writer *w, int64_t number)
{
    if (number < 0)
        http1_put_text(w, "-");
    http1_put_decimal(w, (uint64_t)(number < 0 ? -number : number));
}

static void put_status(struct http1_writer *w, const char *name, const struct cache_said *said,
                       int64_t ttl_s, bool has_ttl)
{
    http1_put_text(w, "Cache-Status: ");
    put_text(w, name);
    if (said->is_hit) {
        http1_put_text(w, "; hit");
    } else if (said->forward != NULL) {
        http1_put_text(w, "; fwd=");
        put_text(w, said->forward);
    }
    if (said->forward_status != 0) {
        http1_put_text(w, "; fwd-status=");
        http1_put_decimal(w, said->forward_status);
    }
    if (has_ttl) {
        http1_put_text(w, "; ttl=");
        put_number(w, ttl_s);
    }
    if (said->is_stored)
        http1_put_text(w, "; stored");
    if (said->is_collapsed)
        http1_put_text(w, "; collapsed");
    if (said->detail != NULL) {
        http1_put_text(w, "; detail=");
        put_text(w, said->detail);
    }
    http1_put_text(w, "\r\n");
}

static void hide(struct http_head *head, enum http_field_id id)
{
    for (uint16_t i = 0; http_head_has(head, id) && i < head->fields_count; i++)
        if (head->fields[i].id == id)
            head->fields[i].hop = 1;
}

static void put_for_browsers(struct http1_writer *w, struct http_head *head,
                             const struct cache_rule *rule)
{
    hide(head, HTTP_FIELD_CACHE_CONTROL);
    hide(head, HTTP_FIELD_EXPIRES);
    hide(head, HTTP_FIELD_PRAGMA);
    http1_put_text(w, "Cache-Control: max-age=");
    http1_put_decimal(w, rule->browser_for_ns / NS_PER_S);
    http1_put_text(w, "\r\n");
}

/* Behind what other rooms have added. */
static void add_fields(struct op *op, const struct http1_writer *w, const char *text)
{
    const uint32_t bytes = (uint32_t)((const char *)w->at - text);
    char *all = arena_take(&op->arena, op->answer_fields_bytes + bytes);
    if (all == NULL || w->full)
        return;
    if (op->answer_fields_bytes > 0)
        memcpy(all, op->answer_fields, op->answer_fields_bytes);
    memcpy(all + op->answer_fields_bytes, text, bytes);
    op->answer_fields = all;
    op->answer_fields_bytes += bytes;
}

void cache__say(struct cache_stage *stage, struct op *op, const struct cache_said *said,
                struct cache_object *object, const struct cache_rule *rule)
{
    char text[SAID_BYTES_MAX];
    struct http1_writer w = {.at = (uint8_t *)text, .end = (uint8_t *)text + sizeof text};
    int64_t ttl_s = 0;
    if (object != NULL) {
        const uint64_t now_ms = cache_now_ms(stage->side);
        const uint64_t age_s = cache_age_s(&object->meta, now_ms);
        ttl_s = cache_ttl_s(&object->meta, now_ms);
        if (said->is_hit || age_s > 0) {
            http1_put_text(&w, "Age: ");
            http1_put_decimal(&w, age_s);
            http1_put_text(&w, "\r\n");
        }
        const uint32_t etag_bytes =
            atomic_load_explicit(&object->own_etag_bytes, memory_order_acquire);
        if (etag_bytes > 0)
            http1_put_field(&w, HTTP_FIELD_ETAG, object->own_etag, etag_bytes);
        if (rule != NULL && rule->browser_for_ns != 0)
            put_for_browsers(&w, &op->answer.head, rule);
    }
    put_status(&w, op->request->via != NULL ? op->request->via : "pando", said, ttl_s,
               object != NULL);
    add_fields(op, &w, text);
}

void cache__say_range(struct op *op, const struct cache_range *range, uint64_t whole_bytes)
{
    char text[128];
    struct http1_writer w = {.at = (uint8_t *)text, .end = (uint8_t *)text + sizeof text};
    http1_put_text(&w, "Content-Range: bytes ");
    if (range == NULL) {
        http1_put_text(&w, "*");
    } else {
        http1_put_decimal(&w, range->first);
        http1_put_text(&w, "-");
        http1_put_decimal(&w, range->last);
    }
    http1_put_text(&w, "/");
    http1_put_decimal(&w, whole_bytes);
    http1_put_text(&w, "\r\n");
    add_fields(op, &w, text);
}
