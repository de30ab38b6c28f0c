/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/use.c - what a request says to caches, and whether a kept answer may be used for it
 * (RFC 9111 4 and 5.2.1, RFC 5861, RFC 8246). */
#include "cache/rules/parts.h"
#include "core/units.h"

#include <assert.h>

enum { MS = 1000 };

/* --- The request --- */

#define ASK_FIELDS(X)                                                                              \
    X(CACHE_CONTROL)                                                                               \
    X(PRAGMA)                                                                                      \
    X(AUTHORIZATION)                                                                               \
    X(COOKIE)                                                                                      \
    X(RANGE)                                                                                       \
    X(IF_MATCH)                                                                                    \
    X(IF_NONE_MATCH)                                                                               \
    X(IF_MODIFIED_SINCE)                                                                           \
    X(IF_UNMODIFIED_SINCE)

/* The bits of the fields in each word of http_head.present. */
static const uint64_t looked_at[2] = {
#define X(id) | (HTTP_FIELD_##id < 64 ? UINT64_C(1) << (HTTP_FIELD_##id & 63) : 0)
    0 ASK_FIELDS(X),
#undef X
#define X(id) | (HTTP_FIELD_##id >= 64 ? UINT64_C(1) << (HTTP_FIELD_##id & 63) : 0)
    0 ASK_FIELDS(X),
#undef X
};

static void keep_lower(int64_t *kept, int64_t seconds)
{
    if (*kept < 0 || seconds < *kept)
        *kept = seconds;
}

/* max-stale without a value takes everything; one that cannot be read allows nothing. */
static void add_max_stale(struct cache_ask *ask, const struct cache__directive *directive)
{
    if (!directive->has_value && !directive->is_odd)
        keep_lower(&ask->max_stale_s, CACHE_SECONDS_MAX);
    else
        keep_lower(&ask->max_stale_s, cache__directive_seconds(directive, 0));
}

static void add(struct cache_ask *ask, const struct cache__directive *directive)
{
    int64_t seconds;
    switch (directive->word) {
    case CACHE__WORD_NO_STORE: ask->no_store = true; break;
    case CACHE__WORD_NO_CACHE: ask->no_cache = true; break;
    case CACHE__WORD_ONLY_IF_CACHED: ask->only_if_cached |= !directive->is_odd; break;
    case CACHE__WORD_MAX_AGE:
        keep_lower(&ask->max_age_s, cache__directive_seconds(directive, 0));
        break;
    case CACHE__WORD_MIN_FRESH:
        seconds = cache__directive_seconds(directive, CACHE_SECONDS_MAX);
        if (seconds > ask->min_fresh_s)
            ask->min_fresh_s = seconds;
        break;
    case CACHE__WORD_MAX_STALE: add_max_stale(ask, directive); break;
    case CACHE__WORD_STALE_IF_ERROR:
        keep_lower(&ask->stale_if_error_s, cache__directive_seconds(directive, 0));
        break;
    default: break;
    }
}

static void read_cache_control(struct cache_ask *ask, const struct http_head *request)
{
    struct cache__list list;
    struct cache__member member;
    struct cache__directive directive;
    cache__list_init(&list, request, HTTP_FIELD_CACHE_CONTROL);
    while (cache__list_next(&list, &member)) {
        cache__directive_read(&directive, &member);
        add(ask, &directive);
    }
    if (list.is_torn)
        ask->no_store = ask->no_cache = true;
}

static bool pragma_says_no_cache(const struct http_head *request)
{
    struct cache__list list;
    struct cache__member member;
    struct cache__directive directive;
    cache__list_init(&list, request, HTTP_FIELD_PRAGMA);
    while (cache__list_next(&list, &member)) {
        cache__directive_read(&directive, &member);
        if (directive.word == CACHE__WORD_NO_CACHE)
            return true;
    }
    return false;
}

static void read_fields(struct cache_ask *ask, const struct http_head *request)
{
    ask->has_authorization = http_head_has(request, HTTP_FIELD_AUTHORIZATION);
    ask->has_cookie = http_head_has(request, HTTP_FIELD_COOKIE);
    ask->has_range = ask->is_get && http_head_has(request, HTTP_FIELD_RANGE);
    ask->has_conditions = http_head_has(request, HTTP_FIELD_IF_NONE_MATCH) ||
                          http_head_has(request, HTTP_FIELD_IF_MODIFIED_SINCE) ||
                          http_head_has(request, HTTP_FIELD_IF_MATCH) ||
                          http_head_has(request, HTTP_FIELD_IF_UNMODIFIED_SINCE);
    if (http_head_has(request, HTTP_FIELD_CACHE_CONTROL))
        read_cache_control(ask, request);
    else if (http_head_has(request, HTTP_FIELD_PRAGMA))
        ask->no_cache = pragma_says_no_cache(request);
}

void cache_ask_read(struct cache_ask *ask, const struct http_head *request)
{
    *ask = (struct cache_ask){
        .is_get = request->method == HTTP_METHOD_GET,
        .is_head = request->method == HTTP_METHOD_HEAD,
        .max_age_s = -1,
        .max_stale_s = -1,
        .stale_if_error_s = -1,
    };
    if ((request->present[0] & looked_at[0]) != 0 || (request->present[1] & looked_at[1]) != 0)
        read_fields(ask, request);
}

/* --- Use --- */

static const struct {
    const char *forward;
    const char *gist;
} uses[] = {
#define X(name, forward, gist) [CACHE_USE_##name] = {forward, gist},
    CACHE_USES(X)
#undef X
};

const char *cache_use_forward(enum cache_use use)
{
    assert((unsigned)use < CACHE_USES_COUNT);
    return uses[use].forward;
}

const char *cache_use_gist(enum cache_use use)
{
    assert((unsigned)use < CACHE_USES_COUNT);
    return uses[use].gist;
}

static uint64_t age_ms(const struct cache_meta *meta, uint64_t now_ms)
{
    const uint64_t resident_ms = now_ms > meta->received_ms ? now_ms - meta->received_ms : 0;
    return meta->initial_age_ms + resident_ms;
}

static uint64_t stale_for_ms(const struct cache_meta *meta, uint64_t now_ms)
{
    const uint64_t age = age_ms(meta, now_ms);
    return age > meta->lifetime_ms ? age - meta->lifetime_ms : 0;
}

static bool is_for(const struct cache_meta *meta, const struct cache_ask *ask,
                   enum cache_cookies cookies)
{
    if (ask->has_authorization && !meta->is_shared_by_authorization)
        return false;
    return !ask->has_cookie || cookies == CACHE_COOKIES_IGNORE ||
           (cookies == CACHE_COOKIES_EXPLICIT && meta->is_public);
}

static enum cache_use judge_fresh(const struct cache_meta *meta, const struct cache_ask *ask,
                                  uint64_t age)
{
    /* A browser's reload says max-age=0; what is immutable need not be asked for then (RFC 8246
     * 2.1), as a reload that means it says no-cache. */
    if (ask->max_age_s >= 0 && age > (uint64_t)ask->max_age_s * MS && !meta->immutable)
        return CACHE_USE_REQUEST;
    if (meta->lifetime_ms - age < (uint64_t)ask->min_fresh_s * MS)
        return CACHE_USE_REQUEST;
    return CACHE_USE_FRESH;
}

static enum cache_use judge_stale(const struct cache_meta *meta, const struct cache_ask *ask,
                                  uint64_t age)
{
    const uint64_t stale_ms = age - meta->lifetime_ms;
    const bool is_too_old = ask->max_age_s >= 0 && age > (uint64_t)ask->max_age_s * MS;
    if (meta->must_revalidate || is_too_old || ask->min_fresh_s > 0)
        return CACHE_USE_ASK;
    if (ask->max_stale_s >= 0)
        return stale_ms <= (uint64_t)ask->max_stale_s * MS ? CACHE_USE_STALE : CACHE_USE_ASK;
    /* With max-age and without max-stale the client wants nothing stale (RFC 9111 5.2.1.1). */
    return ask->max_age_s < 0 && stale_ms < meta->swr_ms ? CACHE_USE_REVALIDATE : CACHE_USE_ASK;
}

enum cache_use cache_judge_use(const struct cache_meta *meta, const struct cache_ask *ask,
                               const struct cache_settings *settings, uint64_t now_ms)
{
    if (!is_for(meta, ask, (enum cache_cookies)settings->cookies))
        return CACHE_USE_NOT_FOR;
    if (ask->no_cache)
        return CACHE_USE_REQUEST;
    if (meta->no_cache)
        return CACHE_USE_ASK;
    const uint64_t age = age_ms(meta, now_ms);
    return age < meta->lifetime_ms ? judge_fresh(meta, ask, age) : judge_stale(meta, ask, age);
}

bool cache_may_use_on_error(const struct cache_meta *meta, const struct cache_ask *ask,
                            uint64_t now_ms)
{
    if (meta->no_cache || (ask->has_authorization && !meta->is_shared_by_authorization))
        return false;
    const uint64_t stale_ms = stale_for_ms(meta, now_ms);
    if (age_ms(meta, now_ms) < meta->lifetime_ms)
        return true;
    if (meta->must_revalidate)
        return false;
    return stale_ms < meta->sie_ms ||
           (ask->stale_if_error_s > 0 && stale_ms < (uint64_t)ask->stale_if_error_s * MS);
}

bool cache_may_use_cut_off(const struct cache_meta *meta, const struct cache_ask *ask,
                           const struct cache_settings *settings, uint64_t now_ms)
{
    if (cache_may_use_on_error(meta, ask, now_ms))
        return true;
    return !meta->no_cache && !meta->must_revalidate && meta->status < 400 &&
           meta->lifetime_ms > 0 &&
           !(ask->has_authorization && !meta->is_shared_by_authorization) &&
           stale_for_ms(meta, now_ms) < settings->stale_if_unreachable_ns / NS_PER_MS;
}

uint64_t cache_age_s(const struct cache_meta *meta, uint64_t now_ms)
{
    const uint64_t seconds = age_ms(meta, now_ms) / MS;
    return seconds < CACHE_SECONDS_MAX ? seconds : CACHE_SECONDS_MAX;
}

int64_t cache_ttl_s(const struct cache_meta *meta, uint64_t now_ms)
{
    const uint64_t age = age_ms(meta, now_ms);
    if (age <= meta->lifetime_ms)
        return (int64_t)((meta->lifetime_ms - age) / MS);
    return -(int64_t)((age - meta->lifetime_ms + MS - 1) / MS);
}

bool cache_is_error_status(unsigned status)
{
    return status == 0 || status == 500 || (status >= 502 && status <= 504);
}
