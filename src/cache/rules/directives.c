/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/directives.c - the directives of Cache-Control (RFC 9111 5.2), read carefully.
 *
 * A directive that is not in order counts where it forbids and does not where it allows; of several
 * the more careful holds. A quote at the wrong place, or without an end, could hide directives from
 * one reader and show them to another, so then the whole field counts as unreadable. */
#include "cache/rules/parts.h"

#include <string.h>

enum cache__word cache__word_find(const uint8_t *name, size_t bytes)
{
    static const struct {
        const char *text;
        size_t bytes;
    } words[] = {
#define X(name, text) {text, sizeof(text) - 1},
        CACHE__WORDS(X)
#undef X
    };
    for (unsigned i = 0; i < CACHE__WORDS_COUNT; i++)
        if (words[i].bytes == bytes && http_same_text(name, words[i].text, bytes))
            return (enum cache__word)i;
    return CACHE__WORDS_COUNT;
}

void cache__directive_read(struct cache__directive *directive, const struct cache__member *member)
{
    const uint8_t *at = member->at, *end = member->at + member->bytes;
    while (at < end && cache__is_token_byte(*at))
        at++;
    *directive = (struct cache__directive){
        .word = cache__word_find(member->at, (size_t)(at - member->at)),
        .is_odd = at == member->at,
    };
    if (at == end)
        return;
    directive->has_value = true;
    if (*at != '=') {
        directive->is_odd = true;
        return;
    }
    at++;
    const bool is_quoted = end - at >= 2 && at[0] == '"' && end[-1] == '"';
    directive->is_quoted = is_quoted;
    directive->value = is_quoted ? at + 1 : at;
    directive->value_bytes = (size_t)(end - at) - (is_quoted ? 2 : 0);
    if (is_quoted)
        directive->is_odd |= memchr(directive->value, '"', directive->value_bytes) != NULL;
    else
        directive->is_odd |= !cache__is_token(at, (size_t)(end - at));
}

int64_t cache__directive_seconds(const struct cache__directive *directive, int64_t odd)
{
    if (directive->is_odd || !directive->has_value)
        return odd;
    const int64_t seconds = cache__seconds_read(directive->value, directive->value_bytes);
    return seconds >= 0 ? seconds : odd;
}

/* Without a pinned field (Content-Encoding, Vary, ...) an answer would mean something else. But
 * Set-Cookie and Location are what these directives are most often about. */
static bool may_be_left_out(const struct cache__member *name)
{
    const enum http_field_id id = http_field_find(name->at, name->bytes);
    return !http_field_row(id)->pinned || id == HTTP_FIELD_SET_COOKIE;
}

bool cache__directive_names_fields(const struct cache__directive *directive)
{
    if (directive->is_odd || !directive->is_quoted)
        return false;
    struct cache__member name;
    size_t at = 0, count = 0;
    for (; cache__name_next(directive->value, directive->value_bytes, &at, &name); count++)
        if (!may_be_left_out(&name))
            return false;
    return count > 0 && at >= directive->value_bytes;
}

static void keep_lower(int64_t *kept, int64_t seconds)
{
    if (*kept < 0 || seconds < *kept)
        *kept = seconds;
}

/* A lifetime that cannot be read is none (RFC 9111 4.2.1), and gives no leave. */
static void add_lifetime(int64_t *kept, bool *is_good, const struct cache__directive *directive)
{
    const int64_t seconds = cache__directive_seconds(directive, -1);
    *is_good = seconds >= 0 && (*is_good || *kept < 0);
    keep_lower(kept, seconds >= 0 ? seconds : 0);
}

void cache__said_add(struct cache__said *said, const struct cache__directive *directive)
{
    const bool is_plain = !directive->is_odd && !directive->has_value;
    switch (directive->word) {
    case CACHE__WORD_NO_STORE: said->no_store = true; break;
    case CACHE__WORD_NO_CACHE: said->no_cache |= !cache__directive_names_fields(directive); break;
    case CACHE__WORD_PRIVATE: said->is_private |= !cache__directive_names_fields(directive); break;
    case CACHE__WORD_PUBLIC: said->is_public |= is_plain; break;
    case CACHE__WORD_MAX_AGE:
        add_lifetime(&said->max_age_s, &said->has_good_max_age, directive);
        break;
    case CACHE__WORD_S_MAXAGE:
        add_lifetime(&said->s_maxage_s, &said->has_good_s_maxage, directive);
        break;
    case CACHE__WORD_MUST_REVALIDATE: said->must_revalidate = true; break;
    case CACHE__WORD_PROXY_REVALIDATE: said->proxy_revalidate = true; break;
    case CACHE__WORD_MUST_UNDERSTAND:
        said->must_understand = true;
        said->overrides_no_store |= is_plain;
        break;
    case CACHE__WORD_IMMUTABLE: said->immutable |= !directive->is_odd; break;
    case CACHE__WORD_STALE_WHILE_REVALIDATE:
        keep_lower(&said->swr_s, cache__directive_seconds(directive, 0));
        break;
    case CACHE__WORD_STALE_IF_ERROR:
        keep_lower(&said->sie_s, cache__directive_seconds(directive, 0));
        break;
    default: break;
    }
}

static void read_targeted(struct cache__said *said, const struct cache__targeted *targeted)
{
    said->is_targeted = true;
    for (unsigned i = 0; i < CACHE__WORDS_COUNT; i++)
        if (targeted->is_said[i])
            cache__said_add(said, &targeted->last[i]);
}

void cache__said_read(struct cache__said *said, const struct http_head *answer)
{
    *said = (struct cache__said){.max_age_s = -1, .s_maxage_s = -1, .swr_s = -1, .sie_s = -1};
    struct cache__targeted targeted;
    if (http_head_has(answer, HTTP_FIELD_CDN_CACHE_CONTROL) &&
        cache__targeted_read(&targeted, answer)) {
        read_targeted(said, &targeted);
        return;
    }
    if (http_head_has(answer, HTTP_FIELD_SURROGATE_CONTROL) && cache__surrogate_read(said, answer))
        return;
    struct cache__list list;
    struct cache__member member;
    struct cache__directive directive;
    cache__list_init(&list, answer, HTTP_FIELD_CACHE_CONTROL);
    while (cache__list_next(&list, &member)) {
        cache__directive_read(&directive, &member);
        cache__said_add(said, &directive);
    }
    said->is_torn = list.is_torn;
}
