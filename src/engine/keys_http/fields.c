/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys_http/fields.c - tags, times, credentials, hosts. */
#include "engine/keys_http/fields.h"

static struct bytes value_of(const struct http_head *head, const struct http_field *field)
{
    return (struct bytes){http_field_value(head, field), field->value_bytes};
}

static void skip(struct bytes *rest, size_t count)
{
    *rest = (struct bytes){rest->at + count, rest->count - count};
}

/* ---- entity tags ---- */

static bool is_between_tags(uint8_t byte)
{
    return byte == ',' || byte == ' ' || byte == '\t';
}

static bool add_tag(struct fields_tags *tags, struct bytes tag)
{
    if (tags->count == FIELDS_TAGS_MAX)
        return false;
    tags->at[tags->count++] = tag;
    return true;
}

/* Takes one tag off @rest. */
static bool read_tag(struct bytes *rest, bool takes_weak, struct fields_tags *tags)
{
    const bool is_weak = rest->count > 2 && memcmp(rest->at, "W/", 2) == 0;
    if (is_weak)
        skip(rest, 2);
    if (rest->count < 2 || rest->at[0] != '"')
        return false;
    const uint8_t *end = memchr(rest->at + 1, '"', rest->count - 1);
    if (end == NULL)
        return false;
    const struct bytes tag = {rest->at + 1, (size_t)(end - rest->at - 1)};
    skip(rest, tag.count + 2);
    if (rest->count > 0 && !is_between_tags(rest->at[0]))
        return false;
    /* A quoted star is a tag like any other, and none of ours. */
    if ((is_weak && !takes_weak) || bytes_equal(tag, bytes_of("*")))
        return true;
    return add_tag(tags, tag);
}

static bool read_line(struct bytes rest, bool takes_weak, struct fields_tags *tags)
{
    if (bytes_equal(rest, bytes_of("*")))
        return add_tag(tags, rest);
    while (rest.count > 0) {
        if (is_between_tags(rest.at[0]))
            skip(&rest, 1);
        else if (!read_tag(&rest, takes_weak, tags))
            return false;
    }
    return true;
}

/* Without quotes it is no tag but all of them, and says nothing beside others. */
static bool has_star(const struct fields_tags *tags)
{
    for (uint32_t i = 0; i < tags->count; i++)
        if (bytes_equal(tags->at[i], bytes_of("*")))
            return true;
    return false;
}

bool fields_read_tags(const struct http_head *head, enum http_field_id id, bool takes_weak,
                      struct fields_tags *tags)
{
    const struct http_field *field = http_head_find(head, id);
    *tags = (struct fields_tags){.is_said = field != NULL};
    for (; field != NULL; field = http_head_find_next(head, field))
        if (!read_line(value_of(head, field), takes_weak, tags))
            return false;
    return !has_star(tags) || tags->count == 1;
}

/* ---- times to live ---- */

static const struct {
    const char *unit;
    uint64_t ms;
} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

enum { UNITS_COUNT = sizeof units / sizeof units[0] };

/* A hundred years: beyond it a sum with the clock would need care. */
#define LIFE_MS_MAX ((uint64_t)100 * 366 * 86400 * 1000)

static bool read_ms(struct bytes text, uint64_t *ms)
{
    size_t digits = 0;
    while (digits < text.count && text.at[digits] >= '0' && text.at[digits] <= '9')
        digits++;
    const struct bytes unit = {text.at + digits, text.count - digits};
    uint64_t number;
    if (!bytes_read_uint64((struct bytes){text.at, digits}, &number))
        return false;
    for (unsigned i = 0; i < UNITS_COUNT; i++) {
        if (!bytes_equal(unit, bytes_of(units[i].unit)))
            continue;
        return !__builtin_mul_overflow(number, units[i].ms, ms) && *ms > 0 && *ms <= LIFE_MS_MAX;
    }
    return false;
}

/* Does the same field stand behind @field once more? */
static bool is_said_again(const struct http_head *head, const struct http_field *field)
{
    const struct http_field *end = head->fields + head->fields_count;
    const char *name = (const char *)http_field_name(head, field);
    for (const struct http_field *next = field + 1; next < end; next++)
        if (next->name_bytes == field->name_bytes &&
            http_same_text(http_field_name(head, next), name, field->name_bytes))
            return true;
    return false;
}

bool fields_read_life(const struct http_head *head, enum fields_life *life, uint64_t *ms)
{
    const struct http_field *field =
        http_head_find_name(head, FIELDS_EXPIRES_IN, sizeof FIELDS_EXPIRES_IN - 1);
    *ms = 0;
    *life = FIELDS_LIFE_FOREVER;
    if (field == NULL)
        return true;
    const struct bytes text = value_of(head, field);
    if (is_said_again(head, field))
        return false;
    if (bytes_is_word(text, "keep")) {
        *life = FIELDS_LIFE_KEPT;
        return true;
    }
    *life = FIELDS_LIFE_FOR;
    return read_ms(text, ms);
}

/* ---- credentials ---- */

static int sextet_of(uint8_t byte)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = byte == '\0' ? NULL : strchr(digits, byte);
    return at == NULL ? -1 : (int)(at - digits);
}

/* RFC 4648 4, with or without the padding, and nothing left over. */
static bool decode_base64(struct bytes text, uint8_t *out, size_t *count)
{
    uint32_t word = 0;
    unsigned bits = 0;
    size_t used = 0;
    while (text.count > 0 && text.at[text.count - 1] == '=')
        text.count--;
    for (size_t i = 0; i < text.count; i++) {
        const int sextet = sextet_of(text.at[i]);
        if (sextet < 0)
            return false;
        word = (word << 6 | (uint32_t)sextet) & 0xffff;
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        out[used++] = (uint8_t)(word >> bits);
    }
    *count = used;
    return text.count % 4 != 1 && (word & ((1u << bits) - 1)) == 0;
}

bool fields_read_credentials(const struct http_head *head, uint8_t *room,
                             struct fields_credentials *credentials)
{
    static const char scheme[] = "Basic ";
    const struct http_field *field = http_head_find(head, HTTP_FIELD_AUTHORIZATION);
    *credentials = (struct fields_credentials){.is_said = field != NULL};
    if (field == NULL)
        return true;
    struct bytes text = value_of(head, field);
    size_t count;
    if (text.count < sizeof scheme - 1 || !http_same_text(text.at, scheme, sizeof scheme - 1) ||
        http_head_find_next(head, field) != NULL)
        return false;
    skip(&text, sizeof scheme - 1);
    while (text.count > 0 && text.at[0] == ' ')
        skip(&text, 1);
    if (!decode_base64(text, room, &count))
        return false;
    const uint8_t *colon = count == 0 ? NULL : memchr(room, ':', count);
    if (colon == NULL)
        return false;
    const size_t name_bytes = (size_t)(colon - room);
    credentials->name = (struct bytes){room, name_bytes};
    credentials->password = (struct bytes){colon + 1, count - name_bytes - 1};
    return true;
}

/* ---- who asks whom ---- */

static bool is_address_byte(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || byte == '.';
}

bool fields_ask_address(const struct http_head *head)
{
    const struct bytes host = {http_span_bytes(head, head->host), head->host.bytes};
    if (host.count == 0 || host.at[0] == '[' || bytes_is_word(host, "localhost"))
        return host.count > 0;
    for (size_t i = 0; i < host.count; i++)
        if (!is_address_byte(host.at[i]))
            return false;
    return true;
}

bool fields_come_from_elsewhere(const struct http_head *head)
{
    const struct http_field *field = http_head_find(head, HTTP_FIELD_SEC_FETCH_SITE);
    return field != NULL && !bytes_is_word(value_of(head, field), "same-origin") &&
           !bytes_is_word(value_of(head, field), "none");
}
