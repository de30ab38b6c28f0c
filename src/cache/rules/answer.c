/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/answer.c - may an answer be kept (RFC 9111 3), and what is remembered beside it. */
#include "cache/rules/parts.h"

#include <assert.h>

static const struct {
    const char *word;
    const char *gist;
} refusals[] = {
#define X(name, word, gist) [CACHE_REFUSED_##name] = {word, gist},
    CACHE_REFUSALS(X)
#undef X
};

const char *cache_refusal_word(enum cache_refusal refusal)
{
    assert((unsigned)refusal < CACHE_REFUSALS_COUNT);
    return refusals[refusal].word;
}

const char *cache_refusal_gist(enum cache_refusal refusal)
{
    assert((unsigned)refusal < CACHE_REFUSALS_COUNT);
    return refusals[refusal].gist;
}

/* RFC 9110 15.1: what may be kept without a word. Errors among them only by `negative-for`. */
bool cache__is_heuristic_status(unsigned status)
{
    switch (status) {
    case 200:
    case 203:
    case 204:
    case 206:
    case 300:
    case 301:
    case 308:
    case 404:
    case 405:
    case 410:
    case 414:
    case 501: return true;
    default: return false;
    }
}

/* What must-understand asks of us: that we know of no rule for keeping it that we do not follow. */
static bool is_understood(unsigned status)
{
    switch (status) {
    case 302:
    case 303:
    case 307:
    case 400:
    case 401:
    case 403:
    case 451:
    case 500:
    case 502:
    case 503:
    case 504: return true;
    default: return cache__is_heuristic_status(status);
    }
}

/* These speak of one request, connection or moment, whatever they say of caching: of its
 * conditions and ranges, which are no part of the key (304, 412, 416, 417), of its size (413),
 * or of its sender (407, 408, 421, 425, 426, 428, 429, 431, 511; RFC 6585 forbids to keep its
 * four). */
static bool is_of_the_moment(unsigned status)
{
    switch (status) {
    case 304:
    case 407:
    case 408:
    case 412:
    case 413:
    case 416:
    case 417:
    case 421:
    case 425:
    case 426:
    case 428:
    case 429:
    case 431:
    case 511: return true;
    default: return status < 200;
    }
}

static enum cache_refusal judge_exchange(const struct http_head *answer,
                                         const struct cache_exchange *exchange)
{
    if (!exchange->ask->is_get)
        return CACHE_REFUSED_METHOD;
    if (exchange->rule != NULL && exchange->rule->bypass)
        return CACHE_REFUSED_BYPASS;
    if (http_head_has(answer, HTTP_FIELD_PANDO_SESSION))
        return CACHE_REFUSED_SESSION;
    if (exchange->ask->no_store)
        return CACHE_REFUSED_NO_STORE_ASKED;
    return is_of_the_moment(answer->status) ? CACHE_REFUSED_STATUS : CACHE_REFUSED_NONE;
}

static enum cache_refusal judge_directives(const struct cache__said *said,
                                           const struct http_head *answer)
{
    const bool understood = is_understood(answer->status);
    if (said->is_torn)
        return CACHE_REFUSED_MALFORMED;
    if (said->no_store && !(said->overrides_no_store && understood))
        return CACHE_REFUSED_NO_STORE;
    if (said->must_understand && !understood)
        return CACHE_REFUSED_STATUS;
    return said->is_private ? CACHE_REFUSED_PRIVATE : CACHE_REFUSED_NONE;
}

/* Is Set-Cookie among the fields that are not kept? */
static bool drops_cookie(const struct http_head *answer)
{
    struct cache__names names;
    struct cache__member name;
    cache__names_init(&names, answer);
    while (cache__names_next(&names, &name))
        if (http_field_find(name.at, name.bytes) == HTTP_FIELD_SET_COOKIE)
            return true;
    return false;
}

static enum cache_refusal judge_persons(const struct cache_meta *meta,
                                        const struct http_head *answer,
                                        const struct cache_exchange *exchange)
{
    const struct cache_ask *ask = exchange->ask;
    const enum cache_cookies cookies = (enum cache_cookies)exchange->settings->cookies;
    if (ask->has_authorization && !meta->is_shared_by_authorization)
        return CACHE_REFUSED_AUTHORIZATION;
    if (ask->has_cookie &&
        (cookies == CACHE_COOKIES_PASS || (cookies == CACHE_COOKIES_EXPLICIT && !meta->is_public)))
        return CACHE_REFUSED_COOKIE;
    if (http_head_has(answer, HTTP_FIELD_SET_COOKIE) && !drops_cookie(answer))
        return CACHE_REFUSED_SET_COOKIE;
    return CACHE_REFUSED_NONE;
}

static enum cache_refusal judge_shape(const struct http_head *answer)
{
    char names[CACHE_VARY_BYTES_MAX];
    const size_t bytes = cache_vary_read(answer, names, sizeof names);
    if (bytes == SIZE_MAX)
        return CACHE_REFUSED_VARY_ANY;
    if (bytes > sizeof names)
        return CACHE_REFUSED_VARY_LONG;
    struct cache_range range;
    uint64_t total_bytes;
    if (answer->status == 206 && !cache_content_range_read(answer, &range, &total_bytes))
        return CACHE_REFUSED_PARTIAL;
    return CACHE_REFUSED_NONE;
}

static void read_words(struct cache_meta *meta, const struct cache__said *said,
                       const struct http_head *answer)
{
    *meta = (struct cache_meta){
        .status = answer->status,
        .must_revalidate = said->must_revalidate || said->proxy_revalidate || said->s_maxage_s >= 0,
        .no_cache = said->no_cache,
        .immutable = said->immutable,
        .is_public = said->is_public || said->has_good_s_maxage ||
                     (said->is_targeted && said->has_good_max_age),
        .is_shared_by_authorization =
            said->is_public || said->has_good_s_maxage || said->must_revalidate,
    };
    const struct http_field *etag = cache__etag_find(answer);
    if (etag != NULL) {
        meta->etag_at = etag->value_at;
        meta->etag_bytes = etag->value_bytes;
        meta->is_weak = cache__etag_is_weak(http_field_value(answer, etag), etag->value_bytes);
    }
}

/* Something of it can be of use later: while it is fresh, or stale, or after a 304, which servers
 * give only in place of a success. */
static bool is_of_use(const struct cache_meta *meta, bool has_lifetime)
{
    const bool can_be_asked_for = (meta->status == 200 || meta->status == 203) &&
                                  (meta->etag_bytes > 0 || meta->last_modified_s >= 0);
    if (meta->status >= 400 && !has_lifetime)
        return false;
    return can_be_asked_for ||
           (!meta->no_cache && (meta->lifetime_ms > 0 || meta->swr_ms > 0 || meta->sie_ms > 0));
}

enum cache_refusal cache_judge_answer(struct cache_meta *meta, const struct http_head *answer,
                                      const struct cache_exchange *exchange)
{
    struct cache__said said;
    enum cache_refusal refusal = judge_exchange(answer, exchange);
    if (refusal != CACHE_REFUSED_NONE)
        return refusal;
    cache__said_read(&said, answer);
    refusal = judge_directives(&said, answer);
    if (refusal != CACHE_REFUSED_NONE)
        return refusal;
    read_words(meta, &said, answer);
    refusal = judge_persons(meta, answer, exchange);
    if (refusal == CACHE_REFUSED_NONE)
        refusal = judge_shape(answer);
    if (refusal != CACHE_REFUSED_NONE)
        return refusal;
    const bool has_lifetime = cache__lifetime_read(meta, &said, answer, exchange);
    return is_of_use(meta, has_lifetime) ? CACHE_REFUSED_NONE : CACHE_REFUSED_NO_LIFETIME;
}
