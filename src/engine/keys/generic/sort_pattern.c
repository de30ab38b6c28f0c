/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/generic/sort_pattern.c - what SORT's BY and GET name. */
#include "engine/keys/generic/sort_pattern.h"

bool generic__pattern_read(struct sort_pattern *pattern, struct run *run, struct bytes text)
{
    *pattern = (struct sort_pattern){.is_element = bytes_equal(text, bytes_of("#"))};
    const uint8_t *star = text.count == 0 ? NULL : memchr(text.at, '*', text.count);
    if (star == NULL)
        return true;
    const uint8_t *end = text.at + text.count;
    pattern->has_star = true;
    pattern->before = (struct bytes){text.at, (size_t)(star - text.at)};
    pattern->behind = (struct bytes){star + 1, (size_t)(end - star) - 1};
    const uint8_t *arrow = memmem(star + 1, pattern->behind.count, "->", 2);
    if (arrow == NULL || arrow + 2 == end)
        return true;
    pattern->behind.count = (size_t)(arrow - star) - 1;
    pattern->field = members_key(run, (struct bytes){arrow + 2, (size_t)(end - arrow) - 2});
    return pattern->field.at != NULL;
}

static uint8_t *append(uint8_t *at, struct bytes bytes)
{
    if (bytes.count > 0)
        memcpy(at, bytes.at, bytes.count);
    return at + bytes.count;
}

/* The key with @element in the star's place, until the next one; at NULL: no memory, answered. */
static struct bytes make_key(struct sort_pattern *pattern, struct run *run, struct bytes element)
{
    const size_t bytes = pattern->before.count + element.count + pattern->behind.count;
    if (pattern->key == NULL || bytes > pattern->key_room) {
        pattern->key_room = 2 * bytes + 64;
        pattern->key = run_scratch(run, pattern->key_room);
        if (pattern->key == NULL)
            return (struct bytes){0};
    }
    append(append(append(pattern->key, pattern->before), element), pattern->behind);
    return (struct bytes){pattern->key, bytes};
}

bool generic__pattern_find(struct sort_pattern *pattern, struct run *run, struct bytes element,
                           struct bytes *found)
{
    struct space *space;
    struct space_value value;
    bool is_there;
    *found = pattern->is_element ? element : (struct bytes){0};
    if (!pattern->has_star)
        return true;
    const struct bytes key = make_key(pattern, run, element);
    if (key.at == NULL || !run_find_any(run, key, &space, &value))
        return false;
    if (pattern->field.at == NULL) {
        if (value.type == KEY_STRING)
            *found = value.string.count > 0 ? value.string : bytes_of("");
        return true;
    }
    if (value.type != KEY_HASH)
        return true;
    if (!run_is_ok(run, space->kind->tree_get(&value, 0, pattern->field, found, &is_there)))
        return false;
    if (!is_there)
        *found = (struct bytes){0};
    else if (found->count == 0)
        *found = bytes_of("");
    return true;
}
