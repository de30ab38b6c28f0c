/* SPDX-License-Identifier: Apache-2.0 */
/* cache/cache_stage.c - is the answer known? What is fresh is answered at once; the rest waits
 * for a fetch, or passes. */
#include "cache/cache_inside.h"
#include "cache/explain.h"

#include "path/target.h"

#include <string.h>

/* Requests that some servers answer as if they were for another URL or method. What passes for one
 * URL is not kept for it. */
static const char *const override_names[] = {
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Original-URI",
    "X-Original-Host",
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Host",
    "X-Forwarded-Server",
    "X-Forwarded-Path",
    "X-Forwarded-Prefix",
    "X-Forwarded-Scheme",
    "X-Forwarded-Ssl",
    "Front-End-Https",
    "X-Url-Scheme",
    "X-Forwarded-Protocol",
    "X-HTTP-Host-Override",
    "X-Real-URL",
    "X-Amz-Website-Redirect-Location",
};

/* Servers that make variables of fields take "_" and "-" for one. */
static bool has_underscore(const struct http_head *head)
{
    for (uint16_t i = 0; i < head->fields_count; i++)
        if (head->fields[i].id == HTTP_FIELD_OTHER &&
            memchr(http_field_name(head, &head->fields[i]), '_', head->fields[i].name_bytes) !=
                NULL)
            return true;
    return false;
}

static bool has_override(const struct http_head *head)
{
    if (has_underscore(head))
        return true;
    for (size_t i = 0; i < sizeof override_names / sizeof *override_names; i++)
        if (http_head_find_name(head, override_names[i], strlen(override_names[i])) != NULL)
            return true;
    return false;
}

static const struct cache_rule *rule_of(const struct cache_settings *settings,
                                        const struct http_head *head)
{
    const struct cache_rule *best = NULL;
    size_t best_bytes = 0;
    for (size_t i = 0; i < settings->rules_count; i++) {
        const struct cache_rule *rule = &settings->rules[i];
        size_t bytes = strlen(rule->path);
        if (bytes > head->path.bytes || (best != NULL && bytes <= best_bytes) ||
            memcmp(http_span_bytes(head, head->path), rule->path, bytes) != 0)
            continue;
        const uint8_t next =
            bytes == head->path.bytes ? '/' : http_span_bytes(head, head->path)[bytes];
        if (rule->path[bytes - 1] == '/' || next == '/' || next == '?') {
            best = rule;
            best_bytes = bytes;
        }
    }
    return best;
}

unsigned cache__class_of(const struct cache_stage *stage, const struct cache_ask *ask)
{
    const bool cookie_counts = ask->has_cookie && stage->settings->cookies != CACHE_COOKIES_IGNORE;
    return (cookie_counts ? CACHE_ASKED_WITH_COOKIE : 0u) |
           (ask->has_authorization ? CACHE_ASKED_WITH_AUTHORIZATION : 0u);
}

/* --- waiting ---------------------------------------------------------------------------------- */

enum known {
    KNOWN_NOTHING, /* it has to be fetched */
    KNOWN_ANSWER,  /* it may be used */
    KNOWN_BEHIND,  /* it may be used, and a new one is to be fetched */
    KNOWN_STALE,   /* the server has to be asked */
    KNOWN_PASSES,  /* it passes, watched */
    KNOWN_NOT_FOR, /* it passes: what is kept is not for this client */
};

static void decide(struct cache_visit *visit, struct cache_look *look);

void cache__visit_release(struct cache_visit *visit)
{
    struct cache_fill *fill = visit->fill;
    const unsigned index = visit->stage->side->worker->index;
    if (fill != NULL) {
        cache_fill_leave(fill, index, &visit->waiter);
        if (visit->is_reading) {
            atomic_fetch_sub(&fill->readers_count, 1);
            cache_fill_wake_owner(fill);
        }
        visit->fill = NULL;
        visit->is_reading = false;
        cache_fill_unref(fill);
    }
    if (visit->fetch != NULL)
        cache__fetch_left(visit->fetch);
    visit->fetch = NULL;
    store_entry_unref(visit->entry);
    store_piece_unref(visit->piece);
    visit->entry = NULL;
    visit->piece = NULL;
}

static void visit_cancelled(struct op *op)
{
    cache__visit_release(op->holder);
    op_refuse(op, ERR_CANCELLED, NULL);
}

static void visit_called(struct cache_waiter *waiter)
{
    cache__visit_resume(list_item(waiter, struct cache_visit, waiter));
}

static void attach(struct cache_visit *visit, struct cache_fill *fill)
{
    struct worker *worker = visit->stage->side->worker;
    visit->fill = fill;
    visit->is_reading = true;
    atomic_fetch_add(&fill->readers_count, 1);
    visit->op->holder = visit;
    visit->op->on_cancel = visit_cancelled;
    cache_fill_wait(fill, worker->index, worker->loop, &visit->waiter);
}

static void serve_visit(struct cache_visit *visit, struct cache_fill *fill,
                        struct store_entry *entry)
{
    visit->op->on_cancel = NULL;
    cache__serve(&(struct cache_serving){
        .stage = visit->stage,
        .op = visit->op,
        .ask = &visit->ask,
        .rule = visit->rule,
        .entry = entry,
        .fill = fill,
        .said = visit->said,
        .is_as_fetched = visit->is_as_fetched,
    });
}

static void refuse_as(struct cache_visit *visit, const struct cache_fill *fill)
{
    struct op *op = visit->op;
    op->answer.status = fill->error_status;
    op->answer.retry_after_s = fill->retry_after_s;
    cache__say(visit->stage, op, &visit->said, NULL, NULL);
    op_refuse(op, fill->error, fill->detail);
}

/* Is what was fetched for another good for this one, too? */
static bool is_for(struct cache_visit *visit, struct store_entry *entry)
{
    struct cache_side *side = visit->stage->side;
    struct cache_object *object = cache_object_of(entry);
    struct cache_range range;
    if (visit->fetch == NULL && cache_object_is_part(object) &&
        !cache__part_covers(object, &visit->op->request->head, &range))
        return false;
    if (visit->fetch == NULL &&
        cache_purge_look(side->cache, side->row, entry, cache_now_ms(side)) != CACHE_PURGE_NOT)
        return false; /* it may have been asked for before the purge and this one after it */
    if (visit->fetch == NULL) {
        const enum cache_use use =
            cache_judge_use(&object->meta, &visit->ask, visit->stage->settings, cache_now_ms(side));
        if (use != CACHE_USE_FRESH && use != CACHE_USE_STALE && use != CACHE_USE_REVALIDATE)
            return false;
    }
    if (!object->is_vary || visit->fetch != NULL)
        return true;
    struct cache_look look;
    cache__look(side, &visit->key, &visit->op->request->head, &look);
    const bool is_same = look.key.hash == entry->hash;
    store_entry_unref(look.entry);
    return is_same;
}

/* Starts anew: the store may have it by now, or somebody fetches just this. */
static void look_again(struct cache_visit *visit)
{
    struct cache_look look;
    cache__visit_release(visit);
    visit->op->on_cancel = NULL;
    cache__look(visit->stage->side, &visit->key, &visit->op->request->head, &look);
    decide(visit, &look);
}

static void resume_open(struct cache_visit *visit)
{
    struct cache_fill *fill = cache_fill_ref(visit->fill);
    struct store_entry *entry = store_entry_ref(fill->entry);
    struct cache_row *row = visit->stage->side->row;
    if (!fill->is_stale && !is_for(visit, entry)) {
        store_entry_unref(entry);
        look_again(visit);
        cache_fill_unref(fill);
        return;
    }
    const bool is_first = visit->fetch != NULL;
    visit->said.forward_status = fill->fetched_status;
    visit->said.is_stored = !fill->is_stale && is_first;
    visit->said.is_collapsed = !is_first;
    visit->is_as_fetched = is_first;
    visit->fetch = NULL;                       /* it goes on without */
    atomic_fetch_add(&fill->readers_count, 1); /* it reads on: nobody shall think that none does */
    cache__visit_release(visit);
    if (fill->is_stale)
        row_add(&row->hits_on_error, 1);
    else if (fill->fetched_status == 304)
        row_add(&row->validated, 1);
    if (!is_first)
        row_add(&row->collapsed, 1);
    serve_visit(visit, fill, entry);
    atomic_fetch_sub(&fill->readers_count, 1);
    cache_fill_wake_owner(fill);
    cache_fill_unref(fill);
}

/* What came is what the first client would have got without a cache. */
static bool may_relay(const struct cache_visit *visit, const struct cache_fill *fill)
{
    return (!visit->ask.has_range || fill->is_part) && !visit->ask.has_conditions &&
           fill->fetched_status != 304;
}

static enum known judge_entry(struct cache_stage *stage, const struct cache_ask *ask,
                              const struct http_head *head, struct store_entry *entry,
                              const char **forward);

/* What came from the disk is for all who waited, but each has his own claims. */
static void resume_recalled(struct cache_visit *visit)
{
    struct store_entry *entry = visit->fill->entry;
    const char *forward;
    if (entry == NULL || judge_entry(visit->stage, &visit->ask, &visit->op->request->head, entry,
                                     &forward) != KNOWN_ANSWER) {
        look_again(visit);
        return;
    }
    store_entry_ref(entry);
    cache__visit_release(visit);
    visit->said = (struct cache_said){.is_hit = true, .detail = "disk"};
    serve_visit(visit, NULL, entry);
}

void cache__visit_resume(struct cache_visit *visit)
{
    struct cache_fill *fill = visit->fill;
    switch ((enum cache_fill_state)atomic_load(&fill->state)) {
    case CACHE_FILL_ASKING: {
        struct worker *worker = visit->stage->side->worker;
        cache_fill_wait(fill, worker->index, worker->loop, &visit->waiter);
        break;
    }
    case CACHE_FILL_OPEN:
        if (fill->is_recalled)
            resume_recalled(visit);
        else
            resume_open(visit);
        break;
    case CACHE_FILL_ALONE:
        visit->op->on_cancel = NULL;
        if (visit->fetch != NULL && may_relay(visit, fill)) {
            cache__fetch_relay(visit->fetch, visit);
            break;
        }
        cache__visit_release(visit);
        cache__pass(visit->stage, visit->op, visit->said.forward, "uncacheable");
        break;
    case CACHE_FILL_FAILED:
        cache_fill_ref(fill);
        visit->fetch = NULL;
        visit->op->on_cancel = NULL;
        cache__visit_release(visit);
        refuse_as(visit, fill);
        cache_fill_unref(fill);
        break;
    }
}

/* --- fetching --------------------------------------------------------------------------------- */

static void give_up(struct cache_visit *visit, enum err_kind kind)
{
    cache__visit_release(visit);
    op_refuse(visit->op, kind, NULL);
}

static void start_fetch(struct cache_visit *visit, struct cache_fill *fill,
                        struct store_entry *stale, struct store_entry *part)
{
    const struct http_head *head = &visit->op->request->head;
    const struct cache_order order = {
        .is_part = stale == NULL && cache__wants_part(&visit->ask, head),
        .part = part,
        .stage = visit->stage,
        .like = visit->op,
        .ask = &visit->ask,
        .rule = visit->rule,
        .stale = stale,
        .first = visit,
        .fill = fill,
    };
    row_add(&visit->stage->side->row->misses, 1);
    attach(visit, cache_fill_ref(fill));
    cache__fetch(&order); /* without memory it resumes the visit by itself */
}

/* Waits for what others wait for; a reference to it is taken over. */
static void join(struct cache_visit *visit, struct cache_fill *others)
{
    if (atomic_load(&others->readers_count) >= visit->stage->settings->waiters) {
        cache_fill_unref(others);
        cache__pass(visit->stage, visit->op, visit->said.forward, "waiters");
        return;
    }
    attach(visit, others);
    if (atomic_load(&others->state) != CACHE_FILL_ASKING) {
        cache_fill_leave(others, visit->stage->side->worker->index, &visit->waiter);
        cache__visit_resume(visit);
    }
}

/* Waits for the disk, and then looks again. */
static void recall_or_join(struct cache_visit *visit, const struct cache_look *look)
{
    struct cache_side *side = visit->stage->side;
    struct cache *cache = side->cache;
    struct cache_fill *others = NULL;
    struct store_entry *newer = NULL;
    struct cache_fill *fill =
        cache_fill_new(&cache->fills, &look->key, side->worker->index, cache->workers_count);
    if (fill == NULL) {
        give_up(visit, ERR_MEMORY);
        return;
    }
    visit->recalls++;
    fill->classes = (uint8_t)cache__class_of(visit->stage, &visit->ask);
    switch (cache_fill_begin(fill, cache->store, NULL, &others, &newer)) {
    case CACHE_FILL_IS_MINE:
        attach(visit, cache_fill_ref(fill));
        cache__recall(visit->stage, fill);
        break;
    case CACHE_FILL_IS_OVER:
        cache_fill_unref(fill);
        store_entry_unref(newer);
        look_again(visit);
        break;
    case CACHE_FILL_IS_OTHERS:
        cache_fill_unref(fill);
        join(visit, others);
        break;
    }
}

/* Waits for a fetch of what was looked for, one's own or another's. @stale is borrowed. */
static void fetch_or_join(struct cache_visit *visit, const struct cache_look *look,
                          struct store_entry *stale)
{
    struct cache_side *side = visit->stage->side;
    struct cache *cache = side->cache;
    struct cache_fill *others = NULL;
    struct store_entry *newer = NULL;
    struct cache_fill *fill =
        cache_fill_new(&cache->fills, &look->key, side->worker->index, cache->workers_count);
    if (fill == NULL) {
        give_up(visit, ERR_MEMORY);
        return;
    }
    fill->classes = (uint8_t)cache__class_of(visit->stage, &visit->ask);
    /* A range that is not there is fetched alone: others want other ranges. */
    struct store_entry *part =
        look->entry != NULL && cache_object_of(look->entry)->kind == CACHE_OBJECT_ANSWER
            ? look->entry
            : NULL;
    const bool is_part = stale == NULL && cache__wants_part(&visit->ask, &visit->op->request->head);
    const bool may_join = visit->tries++ < CACHE_TRIES_MAX && !visit->ask.no_cache && !is_part;
    if (!may_join) {
        if (!cache_fill_show(fill, &look->key, false)) {
            cache_fill_unref(fill);
            give_up(visit, ERR_MEMORY);
            return;
        }
        start_fetch(visit, fill, stale, part);
        return;
    }
    switch (cache_fill_begin(fill, cache->store, look->entry, &others, &newer)) {
    case CACHE_FILL_IS_MINE: start_fetch(visit, fill, stale, NULL); break;
    case CACHE_FILL_IS_OVER:
        cache_fill_unref(fill);
        store_entry_unref(newer);
        look_again(visit);
        break;
    case CACHE_FILL_IS_OTHERS:
        cache_fill_unref(fill);
        join(visit, others);
        break;
    }
}

/* A new answer is fetched while the old one is used; once at a time. */
static void fetch_behind(struct cache_stage *stage, const struct op *op,
                         const struct cache_ask *ask, const struct cache_rule *rule,
                         const struct cache_look *look)
{
    struct cache_side *side = stage->side;
    struct cache_fill *others = NULL;
    struct store_entry *newer = NULL;
    struct cache_fill *fill = cache_fill_new(&side->cache->fills, &look->key, side->worker->index,
                                             side->cache->workers_count);
    if (fill == NULL)
        return;
    fill->classes = (uint8_t)cache__class_of(stage, ask);
    if (cache_fill_begin(fill, side->cache->store, look->entry, &others, &newer) !=
        CACHE_FILL_IS_MINE) {
        cache_fill_unref(others);
        store_entry_unref(newer);
        cache_fill_unref(fill);
        return;
    }
    const struct cache_order order = {
        .stage = stage,
        .like = op,
        .ask = ask,
        .rule = rule,
        .stale = look->entry,
        .fill = fill,
    };
    row_add(&side->row->fetches_behind, 1);
    cache__fetch(&order);
}

/* --- deciding --------------------------------------------------------------------------------- */

/* What a request that cannot be answered at once becomes. NULL: no memory, and it was refused. */
static struct cache_visit *new_visit(struct cache_stage *stage, struct op *op,
                                     const struct cache_ask *ask, const struct cache_rule *rule,
                                     const struct store_key *url)
{
    struct cache_visit *visit = arena_take(&op->arena, sizeof *visit + url->bytes);
    if (visit == NULL)
        return NULL;
    *visit = (struct cache_visit){
        .waiter.call = visit_called,
        .stage = stage,
        .op = op,
        .ask = *ask,
        .rule = rule,
        .key = *url,
    };
    link_init(&visit->waiter.link);
    memcpy(visit + 1, url->at, url->bytes);
    visit->key.at = (const uint8_t *)(visit + 1);
    return visit;
}

/* How operators see it; what is purged hard is gone. */
static enum cache_purge_verdict look_purged(struct cache_side *side, struct store_entry *entry)
{
    const enum cache_purge_verdict verdict =
        cache_purge_look(side->cache, side->row, entry, cache_now_ms(side));
    if (verdict == CACHE_PURGE_HARD)
        (void)store_remove(side->cache->store, entry);
    return verdict;
}

static enum known judge_entry(struct cache_stage *stage, const struct cache_ask *ask,
                              const struct http_head *head, struct store_entry *entry,
                              const char **forward)
{
    const uint64_t now_ms = cache_now_ms(stage->side);
    *forward = "uri-miss";
    if (entry == NULL)
        return KNOWN_NOTHING;
    struct cache_object *object = cache_object_of(entry);
    if (object->kind == CACHE_OBJECT_PASSES)
        return now_ms < object->expires_ms &&
                       ((object->classes >> cache__class_of(stage, ask)) & 1) != 0
                   ? KNOWN_PASSES
                   : KNOWN_NOTHING;
    struct cache_range range;
    if (object->kind != CACHE_OBJECT_ANSWER ||
        (cache_object_is_part(object) && !cache__part_covers(object, head, &range)))
        return KNOWN_NOTHING;
    const enum cache_purge_verdict purged = look_purged(stage->side, entry);
    if (purged == CACHE_PURGE_HARD)
        return KNOWN_NOTHING;
    const enum cache_use use = cache_judge_use(&object->meta, ask, stage->settings, now_ms);
    *forward = cache_use_forward(use);
    switch (use) {
    case CACHE_USE_FRESH:
    case CACHE_USE_STALE:
        if (purged == CACHE_PURGE_SOFT)
            break;
        return KNOWN_ANSWER;
    case CACHE_USE_REVALIDATE:
        if (purged == CACHE_PURGE_SOFT)
            break;
        return KNOWN_BEHIND;
    case CACHE_USE_NOT_FOR: return KNOWN_NOT_FOR;
    default: return KNOWN_STALE;
    }
    *forward = "stale";
    return KNOWN_STALE;
}

static const char *forward_of(const struct cache_look *look, const char *forward)
{
    return look->entry == NULL && look->is_varied ? "vary-miss" : forward;
}

/* What is not answered from the store at once. Takes over look->entry. */
static void decide(struct cache_visit *visit, struct cache_look *look)
{
    struct cache_stage *stage = visit->stage;
    struct op *op = visit->op;
    const char *forward;
    const enum known known =
        judge_entry(stage, &visit->ask, &op->request->head, look->entry, &forward);
    visit->said = (struct cache_said){.forward = forward_of(look, forward)};
    switch (known) {
    case KNOWN_ANSWER:
    case KNOWN_BEHIND:
        visit->said = (struct cache_said){.is_hit = true};
        if (known == KNOWN_BEHIND)
            fetch_behind(stage, op, &visit->ask, visit->rule, look);
        serve_visit(visit, NULL, look->entry);
        return;
    case KNOWN_PASSES: cache__pass_watched(stage, op, &visit->ask, visit->rule, &look->key); break;
    case KNOWN_NOT_FOR: cache__pass(stage, op, forward, NULL); break;
    case KNOWN_NOTHING:
    case KNOWN_STALE:
        if (visit->recalls < CACHE_RECALLS_MAX && !visit->ask.no_cache &&
            cache__is_on_disk(stage->side->cache, look)) {
            recall_or_join(visit, look);
        } else if (visit->ask.only_if_cached) {
            op->answer.status = 504;
            cache__say(stage, op, &visit->said, NULL, NULL);
            op_refuse(op, ERR_NO_TARGET, "it is not in the cache, and the request asks only that");
        } else if (visit->ask.is_head) {
            cache__pass(stage, op, visit->said.forward, NULL);
        } else if (has_override(&op->request->head)) {
            cache__pass(stage, op, "bypass", "override");
        } else {
            fetch_or_join(visit, look, known == KNOWN_STALE ? look->entry : NULL);
        }
        break;
    }
    store_entry_unref(look->entry);
}

/* --- the door --------------------------------------------------------------------------------- */

/* Why the cache does not look at it; NULL: it does. */
static const char *why_bypassed(const struct http_head *head, bool has_body,
                                const struct cache_rule *rule)
{
    if (has_body || head->upgrades)
        return "it has a body, or wants another protocol";
    if (rule != NULL && rule->bypass)
        return "a rule says `bypass` for its path";
    if (http_head_has(head, HTTP_FIELD_IF_MATCH) ||
        http_head_has(head, HTTP_FIELD_IF_UNMODIFIED_SINCE))
        return "If-Match and If-Unmodified-Since are for the server to judge";
    return NULL;
}

static const char *why_asked_past(const struct cache_settings *settings,
                                  const struct cache_ask *ask)
{
    if (ask->no_store)
        return "the request says no-store";
    if (ask->has_cookie && settings->cookies == CACHE_COOKIES_PASS)
        return "it has a Cookie, and the setting is `cookies: pass`";
    return NULL;
}

/* Those that the cache does not look at. */
static bool passes(struct cache_stage *stage, struct op *op, const struct cache_rule *rule)
{
    const struct http_head *head = &op->request->head;
    if (head->method != HTTP_METHOD_GET && head->method != HTTP_METHOD_HEAD) {
        cache__pass_unsafe(stage, op);
        return true;
    }
    if (why_bypassed(head, op->request_body != NULL, rule) != NULL) {
        cache__pass(stage, op, "bypass", NULL);
        return true;
    }
    return false;
}

static void submit(struct stage *self, struct op *op)
{
    struct cache_stage *stage = (struct cache_stage *)(void *)self;
    const struct http_head *head = &op->request->head;
    const struct cache_rule *rule = rule_of(stage->settings, head);
    struct cache_ask ask;
    struct store_key url;
    struct cache_look look;
    const char *forward;
    if (passes(stage, op, rule))
        return;
    cache_ask_read(&ask, head);
    if (why_asked_past(stage->settings, &ask) != NULL ||
        !cache__write_key(stage->side, op->request, &url)) {
        cache__pass(stage, op, "bypass", NULL);
        return;
    }
    cache__look(stage->side, &url, head, &look);
    if (look.entry != NULL &&
        judge_entry(stage, &ask, head, look.entry, &forward) == KNOWN_ANSWER) { /* the usual case */
        cache__serve(&(struct cache_serving){
            .stage = stage,
            .op = op,
            .ask = &ask,
            .rule = rule,
            .entry = look.entry,
            .said = {.is_hit = true},
        });
        return;
    }
    struct cache_visit *visit = new_visit(stage, op, &ask, rule, &url);
    if (visit == NULL) {
        store_entry_unref(look.entry);
        op_refuse(op, ERR_MEMORY, NULL);
        return;
    }
    decide(visit, &look);
}

/* --- explaining ------------------------------------------------------------------------------- */

static void expect(struct cache_explained *out, enum cache_expectation expected,
                   const char *forward, const char *why)
{
    out->expected = expected;
    out->forward = forward;
    out->why = why;
}

static const char *why_nothing(const struct cache_look *look)
{
    if (look->entry != NULL)
        return "what was known of this URL does not hold for this request any more";
    return look->is_varied ? "no answer is kept for what the request says in these fields"
                           : "no answer to this URL is kept";
}

/* The same steps as decide(). */
static void explain_without(const struct cache_ask *ask, const struct http_head *head,
                            const char *why, const char *forward, struct cache_explained *out)
{
    const bool is_stale = out->has_answer;
    if (ask->only_if_cached)
        expect(out, CACHE_EXPECT_REFUSE, forward, why);
    else if (ask->is_head)
        expect(out, CACHE_EXPECT_PASS, forward, "HEAD is answered from what GET has brought");
    else if (has_override(head))
        expect(out, CACHE_EXPECT_PASS, "bypass",
               "it has a field by which some servers answer for another URL or method");
    else
        expect(out, is_stale ? CACHE_EXPECT_REVALIDATE : CACHE_EXPECT_MISS, forward, why);
}

static void explain_look(struct cache_stage *stage, const struct http_head *head,
                         const struct cache_ask *ask, struct cache_look *look,
                         struct cache_explained *out)
{
    const uint64_t now_ms = cache_now_ms(stage->side);
    const char *forward;
    const enum known known = judge_entry(stage, ask, head, look->entry, &forward);
    const char *gist = "";
    if (look->entry != NULL && known != KNOWN_NOTHING)
        cache__explain_entry(out, look->entry, now_ms);
    if (out->has_answer)
        gist = out->is_purged ? "it was purged softly, so it is stale"
                              : cache_use_gist(cache_judge_use(&cache_object_of(look->entry)->meta,
                                                               ask, stage->settings, now_ms));
    switch (known) {
    case KNOWN_ANSWER: expect(out, CACHE_EXPECT_HIT, NULL, gist); break;
    case KNOWN_BEHIND: expect(out, CACHE_EXPECT_HIT_BEHIND, NULL, gist); break;
    case KNOWN_NOT_FOR: expect(out, CACHE_EXPECT_PASS, forward, gist); break;
    case KNOWN_PASSES:
        expect(out, CACHE_EXPECT_PASS, "miss", "the last answer to this URL was not to be kept");
        break;
    case KNOWN_STALE: explain_without(ask, head, gist, forward, out); break;
    case KNOWN_NOTHING:
        explain_without(ask, head, why_nothing(look), forward_of(look, forward), out);
        break;
    }
}

/* What answers differ by. */
static void explain_variants(struct cache_stage *stage, const struct cache_look *look,
                             struct cache_explained *out)
{
    struct store_entry *sign =
        look->is_varied ? store_find_surely(stage->side->cache->store, &look->url) : NULL;
    if (sign != NULL && cache_object_of(sign)->kind == CACHE_OBJECT_VARIES) {
        struct cache_object *object = cache_object_of(sign);
        out->is_varied = true;
        out->variant = look->key.hash;
        memcpy(out->names, cache_object_at(object, object->names_at), object->names_bytes);
        out->names[object->names_bytes] = '\0';
    }
    store_entry_unref(sign);
}

void cache_stage_explain(struct cache_stage *stage, const struct request *request,
                         struct cache_explained *out)
{
    const struct http_head *head = &request->head;
    const struct cache_rule *rule = rule_of(stage->settings, head);
    struct cache_ask ask;
    struct store_key url;
    struct cache_look look;
    *out = (struct cache_explained){.last_modified_s = -1};
    if (head->method != HTTP_METHOD_GET && head->method != HTTP_METHOD_HEAD) {
        expect(out, CACHE_EXPECT_PASS, "method", "only GET and HEAD are answered from the cache");
        return;
    }
    cache_ask_read(&ask, head);
    const char *why = why_bypassed(head, head->framing != HTTP_FRAMING_NONE, rule);
    if (why == NULL)
        why = why_asked_past(stage->settings, &ask);
    if (why == NULL && !cache__write_key(stage->side, request, &url))
        why = "its URL is longer than what is kept";
    if (why != NULL) {
        expect(out, CACHE_EXPECT_PASS, "bypass", why);
        return;
    }
    memcpy(out->key, url.at, url.bytes);
    url.at = (const uint8_t *)out->key; /* the side's is written to */
    cache__look(stage->side, &url, head, &look);
    explain_variants(stage, &look, out);
    explain_look(stage, head, &ask, &look, out);
    store_entry_unref(look.entry);
}

static const struct stage_kind kind = {.name = "cache", .submit = submit};

bool cache_stage_init(struct cache_stage *stage, struct cache *cache, struct worker *worker,
                      const struct cache_settings *settings, const struct cache_path *path,
                      struct stage *below)
{
    struct cache_side *side = cache_side_get(cache, worker);
    if (side == NULL)
        return false;
    *stage = (struct cache_stage){
        .stage = {.kind = &kind, .below = below},
        .side = side,
        .settings = settings,
        .path = *path,
    };
    return true;
}

void cache_stage_fini(struct cache_stage *stage)
{
    if (stage->side != NULL)
        cache_side_unref(stage->side);
    stage->side = NULL;
}
