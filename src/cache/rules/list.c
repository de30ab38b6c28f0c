/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/list.c - numbers, tokens and comma-separated lists of field values. */
#include "cache/rules/parts.h"

bool cache__is_token_byte(uint8_t byte)
{
    static const bool is_mark[128] = {
        ['!'] = true,  ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true,
        ['\''] = true, ['*'] = true, ['+'] = true, ['-'] = true, ['.'] = true,
        ['^'] = true,  ['_'] = true, ['`'] = true, ['|'] = true, ['~'] = true,
    };
    const uint8_t small = cache__lower(byte);
    return (small >= 'a' && small <= 'z') || cache__is_digit(byte) || (byte < 128 && is_mark[byte]);
}

bool cache__is_token(const uint8_t *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (!cache__is_token_byte(text[i]))
            return false;
    return bytes > 0;
}

bool cache__number_take(const uint8_t **at, const uint8_t *end, uint64_t *number)
{
    const uint8_t *start = *at;
    for (*number = 0; *at < end && cache__is_digit(**at); (*at)++)
        if (__builtin_mul_overflow(*number, (uint64_t)10, number) ||
            __builtin_add_overflow(*number, (uint64_t)(**at - '0'), number))
            *number = UINT64_MAX;
    return *at > start;
}

int64_t cache__seconds_read(const uint8_t *text, size_t bytes)
{
    const uint8_t *at = text;
    uint64_t number;
    if (!cache__number_take(&at, text + bytes, &number) || at != text + bytes)
        return -1;
    return number < CACHE_SECONDS_MAX ? (int64_t)number : CACHE_SECONDS_MAX;
}

const struct http_field *cache__only_field(const struct http_head *head, enum http_field_id id,
                                           bool *is_many)
{
    const struct http_field *field = http_head_find(head, id);
    const bool several = field != NULL && http_head_find_next(head, field) != NULL;
    if (is_many != NULL)
        *is_many = several;
    return several ? NULL : field;
}

void cache__list_init(struct cache__list *list, const struct http_head *head, enum http_field_id id)
{
    *list = (struct cache__list){.head = head, .field = http_head_find(head, id)};
}

/* From the quote at @at to behind the one that ends the string; @count: it has no end. */
static size_t skip_quoted(const uint8_t *value, size_t at, size_t count, bool *is_torn)
{
    for (at++; at < count && value[at] != '"'; at++)
        if (value[at] == '\\')
            at++;
    if (at < count)
        return at + 1;
    *is_torn = true;
    return count;
}

/* The end of the member that begins at @at. */
static size_t member_end(const uint8_t *value, size_t at, size_t count, bool *is_torn)
{
    const size_t start = at;
    while (at < count && value[at] != ',') {
        if (value[at] != '"') {
            at++;
            continue;
        }
        if (at == start || value[at - 1] != '=')
            *is_torn = true;
        at = skip_quoted(value, at, count, is_torn);
    }
    return at;
}

static void trim(struct cache__member *member)
{
    while (member->bytes > 0 && cache__is_space(member->at[0])) {
        member->at++;
        member->bytes--;
    }
    while (member->bytes > 0 && cache__is_space(member->at[member->bytes - 1]))
        member->bytes--;
}

bool cache__list_next(struct cache__list *list, struct cache__member *member)
{
    while (list->field != NULL) {
        const uint8_t *value = http_field_value(list->head, list->field);
        const size_t count = list->field->value_bytes;
        if (list->at >= count) {
            list->field = http_head_find_next(list->head, list->field);
            list->at = 0;
            continue;
        }
        const size_t end = member_end(value, list->at, count, &list->is_torn);
        *member = (struct cache__member){value + list->at, end - list->at};
        list->at = end + 1;
        trim(member);
        if (member->bytes > 0)
            return true;
    }
    return false;
}

bool cache__name_next(const uint8_t *text, size_t bytes, size_t *at, struct cache__member *name)
{
    while (*at < bytes) {
        size_t end = *at;
        while (end < bytes && text[end] != ',')
            end++;
        *name = (struct cache__member){text + *at, end - *at};
        trim(name);
        if (name->bytes > 0 && !cache__is_token(name->at, name->bytes))
            return false;
        *at = end + 1;
        if (name->bytes > 0)
            return true;
    }
    return false;
}
