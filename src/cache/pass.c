/* SPDX-License-Identifier: Apache-2.0 */
/* cache/pass.c - requests that pass, and those whose answers still matter to what is kept: unsafe
 * methods make it invalid, and what was not to be kept may be from now on. */
#include "cache/cache_inside.h"
#include "path/target.h"

#include <string.h>

void cache__pass(struct cache_stage *stage, struct op *op, const char *forward, const char *detail)
{
    const struct cache_said said = {.forward = forward, .detail = detail};
    row_add(&stage->side->row->passed, 1);
    cache__say(stage, op, &said, NULL, NULL);
    stage_submit(stage->stage.below, op);
}

/* A frame on a request that passes, and whose answer matters to what is kept of its URL. */
struct watch {
    struct frame             frame; /* first */
    struct cache_stage      *stage;
    struct cache_ask         ask;
    const struct cache_rule *rule;
    uint64_t                 requested_ms;
    struct store_key         url; /* the bytes lie in the op's arena */
};

static struct watch *push_watch(struct cache_stage *stage, struct op *op,
                                const struct store_key *url,
                                void (*answered)(struct frame *self, struct op *op))
{
    struct watch *watch = arena_take(&op->arena, sizeof *watch + url->bytes);
    if (watch == NULL)
        return NULL;
    *watch = (struct watch){.frame = {.answered = answered}, .stage = stage, .url = *url};
    memcpy(watch + 1, url->at, url->bytes);
    watch->url.at = (const uint8_t *)(watch + 1);
    watch->requested_ms = cache_now_ms(stage->side);
    op_push(op, &watch->frame);
    return watch;
}

/* Answers to this URL may be kept after all: the next request fetches. */
static void passed_answered(struct frame *self, struct op *op)
{
    struct watch *watch = (struct watch *)(void *)self;
    struct cache_side *side = watch->stage->side;
    struct cache_meta meta;
    const struct cache_exchange exchange = {
        .settings = watch->stage->settings,
        .rule = watch->rule,
        .ask = &watch->ask,
        .requested_ms = watch->requested_ms,
        .received_ms = cache_now_ms(side),
    };
    if (op->answer.error == ERR_NONE &&
        cache_judge_answer(&meta, &op->answer.head, &exchange) == CACHE_REFUSED_NONE) {
        struct store_entry *sign = store_find_surely(side->cache->store, &watch->url);
        if (sign != NULL && cache_object_of(sign)->kind == CACHE_OBJECT_PASSES)
            (void)store_remove(side->cache->store, sign);
        store_entry_unref(sign);
    }
    op_answer_above(self, op);
}

bool cache__invalidate(struct cache_stage *stage, const struct store_key *url)
{
    struct cache *cache = stage->side->cache;
    const bool was_on_disk = cache_disk_forget(cache, url->hash);
    struct store_entry *entry = store_find_surely(cache->store, url);
    cache_fills_doom(&cache->fills, url);
    const bool was_in_memory = entry != NULL &&
                               cache_object_of(entry)->kind != CACHE_OBJECT_PASSES &&
                               store_remove(cache->store, entry);
    const bool was_there = was_in_memory || was_on_disk;
    store_entry_unref(entry);
    if (was_there)
        row_add(&stage->side->row->invalidated, 1);
    return was_there;
}

/* Also what Location and Content-Location name, if it is on this server (RFC 9111 4.4). */
static void invalidate_named(struct watch *watch, const struct op *op, enum http_field_id id)
{
    const struct http_head *head = &op->answer.head;
    const struct request *request = op->request;
    const struct http_field *field = http_head_find(head, id);
    struct cache_side *side = watch->stage->side;
    char path[2048];
    size_t path_bytes;
    if (field == NULL ||
        !cache_same_origin_path(&request->head, request->scheme, http_field_value(head, field),
                                field->value_bytes, path, sizeof path, &path_bytes))
        return;
    const size_t prefix = watch->url.bytes - request->head.path.bytes;
    if (prefix + path_bytes > sizeof side->key)
        return;
    memcpy(side->key, watch->url.at, prefix);
    memcpy(side->key + prefix, path, path_bytes);
    const size_t bytes = prefix + path_bytes;
    const struct store_key url = {cache_hash(side->cache, side->key, bytes), side->key,
                                  (uint32_t)bytes};
    (void)cache__invalidate(watch->stage, &url);
}

static void unsafe_answered(struct frame *self, struct op *op)
{
    struct watch *watch = (struct watch *)(void *)self;
    const struct answer *answer = &op->answer;
    if (answer->error == ERR_NONE &&
        cache_invalidates(op->request->head.method, answer->head.status)) {
        (void)cache__invalidate(watch->stage, &watch->url);
        invalidate_named(watch, op, HTTP_FIELD_LOCATION);
        invalidate_named(watch, op, HTTP_FIELD_CONTENT_LOCATION);
    }
    op_answer_above(self, op);
}

bool cache__write_key(struct cache_side *side, const struct request *request, struct store_key *key)
{
    const size_t bytes = cache__key_write(request, side->key, sizeof side->key);
    if (bytes > sizeof side->key)
        return false;
    *key =
        (struct store_key){cache_hash(side->cache, side->key, bytes), side->key, (uint32_t)bytes};
    return true;
}

void cache__pass_unsafe(struct cache_stage *stage, struct op *op)
{
    struct store_key url;
    if (!http_method_is_safe(op->request->head.method) &&
        cache__write_key(stage->side, op->request, &url) &&
        push_watch(stage, op, &url, unsafe_answered) == NULL) {
        op_refuse(op, ERR_MEMORY, NULL);
        return;
    }
    cache__pass(stage, op, "method", NULL);
}

void cache__pass_watched(struct cache_stage *stage, struct op *op, const struct cache_ask *ask,
                         const struct cache_rule *rule, const struct store_key *url)
{
    struct watch *watch = push_watch(stage, op, url, passed_answered);
    if (watch != NULL) {
        watch->ask = *ask;
        watch->rule = rule;
    }
    cache__pass(stage, op, "miss", "uncacheable");
}
