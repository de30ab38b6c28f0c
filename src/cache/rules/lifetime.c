/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/lifetime.c - how old an answer came, and how long it is fresh (RFC 9111 4.2).
 *
 * An error (4xx, 5xx) has a lifetime only if it says one, or says `public`, or by `negative-for`;
 * never by `edge-for`, which is for what the path is there to give. */
#include "cache/rules/parts.h"

enum { MS = 1000, NS_IN_MS = 1000000, ERRORS_FROM = 400 };

static uint64_t ms_of(uint64_t ns)
{
    return ns / NS_IN_MS;
}

/* Of several ages, or one that is no number, RFC 9111 5.1 says SHOULD: take the first, or ignore
 * it. Then an answer of an age that nobody knows would count as new, so here it counts as old:
 * it is asked for anew, which is never wrong (decision 0017). */
static int64_t age_field_s(const struct http_head *answer)
{
    const struct http_field *field = http_head_find(answer, HTTP_FIELD_AGE);
    if (field == NULL)
        return 0;
    const int64_t age_s = cache__seconds_read(http_field_value(answer, field), field->value_bytes);
    return age_s < 0 || http_head_find_next(answer, field) != NULL ? CACHE_SECONDS_MAX : age_s;
}

static void read_age(struct cache_meta *meta, const struct http_head *answer,
                     const struct cache_exchange *exchange)
{
    const int64_t received_s = (int64_t)(exchange->received_ms / MS);
    const int64_t date_s = cache__date_read(answer, HTTP_FIELD_DATE, received_s);
    meta->received_ms = exchange->received_ms;
    meta->date_s = date_s >= 0 ? date_s : received_s;
    const int64_t apparent_s = received_s > meta->date_s ? received_s - meta->date_s : 0;
    const uint64_t delay_ms = exchange->received_ms > exchange->requested_ms
                                  ? exchange->received_ms - exchange->requested_ms
                                  : 0;
    const uint64_t corrected_ms = (uint64_t)age_field_s(answer) * MS + delay_ms;
    const uint64_t apparent_ms = (uint64_t)apparent_s * MS;
    meta->initial_age_ms = apparent_ms > corrected_ms ? apparent_ms : corrected_ms;
}

/* Expires minus Date; of several the earliest. What is no date is long past (RFC 9111 5.3). */
static int64_t expires_after_s(const struct http_head *answer, int64_t date_s)
{
    int64_t after_s = CACHE_SECONDS_MAX;
    const struct http_field *field = http_head_find(answer, HTTP_FIELD_EXPIRES);
    for (; field != NULL; field = http_head_find_next(answer, field)) {
        int64_t at_s;
        if (!http_date_read(&at_s, http_field_value(answer, field), field->value_bytes, date_s) ||
            at_s <= date_s)
            return 0;
        if (at_s - date_s < after_s)
            after_s = at_s - date_s;
    }
    return after_s;
}

/* The lifetime that the answer says itself; -1: it does not. */
static int64_t explicit_s(const struct cache__said *said, const struct http_head *answer,
                          int64_t date_s)
{
    if (said->s_maxage_s >= 0)
        return said->s_maxage_s;
    if (said->max_age_s >= 0)
        return said->max_age_s;
    if (!said->is_targeted && http_head_has(answer, HTTP_FIELD_EXPIRES))
        return expires_after_s(answer, date_s);
    return -1;
}

/* May it have a lifetime though it says none? */
static bool may_be_given(const struct cache__said *said, const struct http_head *answer)
{
    return said->is_public ||
           (answer->status < ERRORS_FROM && cache__is_heuristic_status(answer->status));
}

/* In answers it has no meaning (RFC 9111 5.4), but who writes it expects no guess. */
static bool has_only_pragma(const struct cache__said *said, const struct http_head *answer)
{
    return http_head_has(answer, HTTP_FIELD_PRAGMA) && !said->is_targeted &&
           !http_head_has(answer, HTTP_FIELD_CACHE_CONTROL);
}

static int64_t guess_s(const struct cache_meta *meta)
{
    if (meta->last_modified_s < 0 || meta->date_s <= meta->last_modified_s)
        return 0;
    const int64_t tenth_s = (meta->date_s - meta->last_modified_s) / CACHE_HEURISTIC_DIVISOR;
    return tenth_s < CACHE_HEURISTIC_S_MAX ? tenth_s : CACHE_HEURISTIC_S_MAX;
}

/* A lifetime that the operator gives counts from when the answer came. */
static bool set_from_here(struct cache_meta *meta, uint64_t lifetime_ns)
{
    meta->lifetime_ms = meta->initial_age_ms + ms_of(lifetime_ns);
    return true;
}

static bool read_lifetime(struct cache_meta *meta, const struct cache__said *said,
                          const struct http_head *answer, const struct cache_exchange *exchange)
{
    const struct cache_settings *settings = exchange->settings;
    const int64_t said_s = explicit_s(said, answer, meta->date_s);
    const bool is_error = answer->status >= ERRORS_FROM;
    const bool may_give = may_be_given(said, answer);
    if (exchange->rule != NULL && exchange->rule->edge_for_ns > 0 && !is_error &&
        (may_give || said_s >= 0))
        return set_from_here(meta, exchange->rule->edge_for_ns);
    if (said_s >= 0) {
        meta->lifetime_ms = (uint64_t)said_s * MS;
        return true;
    }
    if (is_error && settings->negative_for_ns > 0 && cache__is_heuristic_status(answer->status))
        return set_from_here(meta, settings->negative_for_ns);
    if (!may_give || has_only_pragma(said, answer))
        return false;
    if (settings->fresh_for_ns > 0)
        return set_from_here(meta, settings->fresh_for_ns);
    meta->is_heuristic = true;
    meta->lifetime_ms = (uint64_t)guess_s(meta) * MS;
    return meta->lifetime_ms > 0;
}

/* The settings speak for answers that were fresh once: what its server wants asked for each time is
 * not given away for anything but its own word. */
static void read_stale(struct cache_meta *meta, const struct cache__said *said,
                       const struct http_head *answer, const struct cache_settings *settings)
{
    const bool by_settings = meta->lifetime_ms > 0 && answer->status < ERRORS_FROM;
    meta->swr_ms = said->swr_s >= 0 ? (uint64_t)said->swr_s * MS
                   : by_settings    ? ms_of(settings->stale_while_revalidate_ns)
                                    : 0;
    meta->sie_ms = said->sie_s >= 0 ? (uint64_t)said->sie_s * MS
                   : by_settings    ? ms_of(settings->stale_if_error_ns)
                                    : 0;
    if (meta->must_revalidate || meta->no_cache)
        meta->swr_ms = meta->sie_ms = 0;
}

bool cache__lifetime_read(struct cache_meta *meta, const struct cache__said *said,
                          const struct http_head *answer, const struct cache_exchange *exchange)
{
    read_age(meta, answer, exchange);
    meta->last_modified_s = cache__date_read(answer, HTTP_FIELD_LAST_MODIFIED, meta->date_s);
    const bool has_lifetime = read_lifetime(meta, said, answer, exchange);
    read_stale(meta, said, answer, exchange->settings);
    return has_lifetime;
}
