/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/surrogate.c - Surrogate-Control (Edge Architecture Specification 1.0, a W3C note),
 * what servers said to edges before there was CDN-Cache-Control.
 *
 *     Surrogate-Control: no-store, max-age=3600+600;pando
 *
 * A directive with a target is for the surrogate of that name only; one for this surrogate beats
 * one for all. What it does not know it passes over; if nothing is left the field counts as not
 * there. */
#include "cache/rules/parts.h"

#include <string.h>

/* For all, or for us by name: the later of the same kind holds. */
struct found {
    bool    no_store, has_max_age;
    int64_t max_age_s, stale_s;
};

static const uint8_t *find_byte(const uint8_t *at, size_t bytes, uint8_t byte)
{
    return bytes == 0 ? NULL : memchr(at, byte, bytes);
}

/* "3600" or "3600+600". What is no number is no lifetime. */
static void read_max_age(struct found *found, const uint8_t *at, size_t bytes)
{
    const uint8_t *plus = find_byte(at, bytes, '+');
    const size_t fresh_bytes = plus == NULL ? bytes : (size_t)(plus - at);
    const int64_t fresh_s = cache__seconds_read(at, fresh_bytes);
    const int64_t stale_s =
        plus == NULL ? 0 : cache__seconds_read(plus + 1, bytes - fresh_bytes - 1);
    found->has_max_age = true;
    found->max_age_s = fresh_s >= 0 && stale_s >= 0 ? fresh_s : 0;
    found->stale_s = stale_s > 0 ? stale_s : 0;
}

static void read_directive(struct found *found, const uint8_t *at, size_t bytes)
{
    static const char no_store[] = "no-store", max_age[] = "max-age=";
    if (bytes == sizeof no_store - 1 && http_same_text(at, no_store, bytes))
        found->no_store = true;
    else if (bytes >= sizeof max_age - 1 && http_same_text(at, max_age, sizeof max_age - 1))
        read_max_age(found, at + sizeof max_age - 1, bytes - (sizeof max_age - 1));
}

static void read_member(struct found found[2], const struct cache__member *member)
{
    static const char own[] = CACHE_SURROGATE;
    const uint8_t *mark = find_byte(member->at, member->bytes, ';');
    size_t bytes = mark == NULL ? member->bytes : (size_t)(mark - member->at);
    if (mark == NULL) {
        read_directive(&found[0], member->at, bytes);
        return;
    }
    mark++;
    while (mark < member->at + member->bytes && cache__is_space(*mark))
        mark++;
    if (member->at + member->bytes - mark == sizeof own - 1 &&
        http_same_text(mark, own, sizeof own - 1))
        read_directive(&found[1], member->at, bytes);
}

bool cache__surrogate_read(struct cache__said *said, const struct http_head *answer)
{
    struct found found[2] = {0};
    struct cache__list list;
    struct cache__member member;
    cache__list_init(&list, answer, HTTP_FIELD_SURROGATE_CONTROL);
    while (cache__list_next(&list, &member))
        read_member(found, &member);
    if (list.is_torn)
        return false;
    const struct found *ours = found[1].no_store || found[1].has_max_age ? &found[1] : &found[0];
    if (!ours->no_store && !ours->has_max_age)
        return false;
    said->is_targeted = true;
    said->no_store = ours->no_store;
    if (ours->has_max_age) {
        said->max_age_s = ours->max_age_s;
        said->has_good_max_age = ours->max_age_s > 0;
        said->swr_s = said->sie_s = ours->stale_s;
    }
    return true;
}
