/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/vary.c - which fields of a request choose among answers, and what they say (RFC 9111
 * 4.1). */
#include "cache/rules/parts.h"

#include "codec/compress/compress.h"

#include <string.h>

/* No value holds these bytes, so what is written can be read in one way only. */
enum { MISSING = 0, PRESENT = 1, NEXT_LINE = 2, END = 0 };

/* --- Names --- */

/* Writes what fits and counts all. */
struct text {
    uint8_t *at;
    size_t   room;
    size_t   bytes;
};

static void put(struct text *text, uint8_t byte)
{
    if (text->bytes < text->room)
        text->at[text->bytes] = byte;
    text->bytes++;
}

static int compare(const struct cache__member *a, const struct cache__member *b)
{
    const size_t both = a->bytes < b->bytes ? a->bytes : b->bytes;
    for (size_t i = 0; i < both; i++) {
        const int difference = cache__lower(a->at[i]) - cache__lower(b->at[i]);
        if (difference != 0)
            return difference;
    }
    return (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

static void put_name(struct text *text, const struct cache__member *name)
{
    if (text->bytes > 0)
        put(text, ',');
    for (size_t i = 0; i < name->bytes; i++)
        put(text, cache__lower(name->at[i]));
}

/* The first name in order after @last (all of them if it is empty). False: there is none. */
static bool next_in_order(const struct http_head *answer, const struct cache__member *last,
                          struct cache__member *next)
{
    struct cache__list list;
    struct cache__member name;
    bool is_found = false;
    cache__list_init(&list, answer, HTTP_FIELD_VARY);
    while (cache__list_next(&list, &name))
        if ((last->bytes == 0 || compare(&name, last) > 0) &&
            (!is_found || compare(&name, next) < 0)) {
            *next = name;
            is_found = true;
        }
    return is_found;
}

/* Fields that Pando writes anew for each client or request: who varies by them is not known from
 * what the client says. Host and scheme, which it tells in others, are in every key. */
static bool is_ours(const struct cache__member *name)
{
    switch (http_field_find(name->at, name->bytes)) {
    case HTTP_FIELD_FORWARDED:
    case HTTP_FIELD_X_FORWARDED_FOR:
    case HTTP_FIELD_X_REAL_IP:
    case HTTP_FIELD_TRACEPARENT:
    case HTTP_FIELD_TRACESTATE: return true;
    default: return false;
    }
}

static bool are_names(const struct http_head *answer)
{
    struct cache__list list;
    struct cache__member name;
    cache__list_init(&list, answer, HTTP_FIELD_VARY);
    while (cache__list_next(&list, &name))
        if (!cache__is_token(name.at, name.bytes) || (name.bytes == 1 && name.at[0] == '*') ||
            is_ours(&name))
            return false;
    return true;
}

size_t cache_vary_read(const struct http_head *answer, char *out, size_t room)
{
    if (!http_head_has(answer, HTTP_FIELD_VARY))
        return 0;
    if (!are_names(answer))
        return SIZE_MAX;
    struct text text = {(uint8_t *)out, room, 0};
    struct cache__member last = {0}, next;
    while (text.bytes <= room && next_in_order(answer, &last, &next)) {
        put_name(&text, &next);
        last = next;
    }
    return text.bytes;
}

/* The name at the start of a list that cache_vary_read() wrote. */
static struct cache__member first_name(const char *names, size_t bytes)
{
    const char *comma = bytes > 0 ? memchr(names, ',', bytes) : NULL;
    return (struct cache__member){(const uint8_t *)names,
                                  comma != NULL ? (size_t)(comma - names) : bytes};
}

static void skip_name(const char **names, size_t *bytes, const struct cache__member *name)
{
    const size_t skip = name->bytes < *bytes ? name->bytes + 1 : *bytes;
    *names += skip;
    *bytes -= skip;
}

size_t cache_vary_join(const char *a, size_t a_bytes, const char *b, size_t b_bytes, char *out,
                       size_t room)
{
    struct text text = {(uint8_t *)out, room, 0};
    while (a_bytes > 0 || b_bytes > 0) {
        const struct cache__member of_a = first_name(a, a_bytes), of_b = first_name(b, b_bytes);
        const int order = a_bytes == 0 ? 1 : b_bytes == 0 ? -1 : compare(&of_a, &of_b);
        put_name(&text, order <= 0 ? &of_a : &of_b);
        if (order <= 0)
            skip_name(&a, &a_bytes, &of_a);
        if (order >= 0)
            skip_name(&b, &b_bytes, &of_b);
    }
    return text.bytes;
}

/* --- Values --- */

/* Fields whose value is no list, so that no byte of it may go. */
static bool is_exact(enum http_field_id id)
{
    switch (id) {
    case HTTP_FIELD_HOST:
    case HTTP_FIELD_AUTHORIZATION:
    case HTTP_FIELD_COOKIE:
    case HTTP_FIELD_ORIGIN:
    case HTTP_FIELD_REFERER:
    case HTTP_FIELD_USER_AGENT: return true;
    default: return false;
    }
}

static void put_exact(struct text *text, const uint8_t *value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        put(text, value[i]);
}

/* How the lines of a list are written. */
struct writer {
    struct text *text;
    const char  *marks; /* around them white space means nothing */
    bool         lower;
    bool         in_quotes, is_escaped; /* also over lines, as they are joined */
};

static bool is_mark(const struct writer *w, uint8_t byte)
{
    return byte != 0 && strchr(w->marks, byte) != NULL;
}

/* Does the white space at @i stand beside a mark, or at an end? */
static bool is_idle_space(const struct writer *w, const uint8_t *value, size_t bytes, size_t i)
{
    size_t before = i, after = i;
    while (before > 0 && cache__is_space(value[before - 1]))
        before--;
    while (after < bytes && cache__is_space(value[after]))
        after++;
    return before == 0 || after == bytes || is_mark(w, value[before - 1]) ||
           is_mark(w, value[after]);
}

/* Keeps apart what is in quotes from what is not. */
static void note_quotes(struct writer *w, uint8_t byte)
{
    if (w->is_escaped)
        w->is_escaped = false;
    else if (byte == '"')
        w->in_quotes = !w->in_quotes;
    else
        w->is_escaped = w->in_quotes && byte == '\\';
}

/* Writes the white space at @i unless it means nothing; returns where it ends. */
static size_t put_spaces(struct writer *w, const uint8_t *value, size_t bytes, size_t i)
{
    const bool is_idle = is_idle_space(w, value, bytes, i);
    for (; i < bytes && cache__is_space(value[i]); i++)
        if (!is_idle)
            put(w->text, value[i]);
    return i;
}

static void put_list_line(struct writer *w, const uint8_t *value, size_t bytes)
{
    for (size_t i = 0; i < bytes;) {
        if (!w->in_quotes && cache__is_space(value[i])) {
            i = put_spaces(w, value, bytes, i);
            continue;
        }
        note_quotes(w, value[i]);
        put(w->text, w->lower && !w->in_quotes ? cache__lower(value[i]) : value[i]);
        i++;
    }
}

static void put_encodings(struct text *text, unsigned set)
{
    char normal[64];
    const size_t bytes = cache_encodings_write(set, normal);
    put(text, PRESENT);
    put_exact(text, (const uint8_t *)normal, bytes);
    put(text, END);
}

static void put_field(struct text *text, const struct http_head *request,
                      const struct cache__member *name)
{
    const enum http_field_id id = http_field_find(name->at, name->bytes);
    if (id == HTTP_FIELD_ACCEPT_ENCODING) {
        put_encodings(text, cache_encodings_read(request));
        return;
    }
    if (name->at[0] == CACHE_VARY_BY_CODING[0]) {
        put_encodings(text, cache_encodings_reduce(request, compress_set()));
        return;
    }
    struct writer w = {.text = text, .marks = ","};
    if (id == HTTP_FIELD_ACCEPT_LANGUAGE)
        w = (struct writer){.text = text, .marks = ",;=", .lower = true};
    bool is_first = true;
    for (size_t i = 0; i < request->fields_count; i++) {
        const struct http_field *field = &request->fields[i];
        /* What is taken out on the way (by Connection, say) the server does not see. */
        if ((field->hop && http_field_row(id)->copied == HTTP_COPIED_PASS) ||
            field->name_bytes != name->bytes ||
            !http_same_text(http_field_name(request, field), (const char *)name->at, name->bytes))
            continue;
        put(text, is_first ? PRESENT : is_exact(id) ? NEXT_LINE : ',');
        if (!is_first && w.in_quotes)
            put(text, ' ');
        is_first = false;
        const uint8_t *value = http_field_value(request, field);
        if (is_exact(id))
            put_exact(text, value, field->value_bytes);
        else
            put_list_line(&w, value, field->value_bytes);
    }
    put(text, is_first ? MISSING : END);
}

size_t cache_vary_write(const char *names, size_t names_bytes, const struct http_head *request,
                        uint8_t *out, size_t room)
{
    struct text text = {out, room, 0};
    while (names_bytes > 0) {
        const struct cache__member name = first_name(names, names_bytes);
        put_field(&text, request, &name);
        skip_name(&names, &names_bytes, &name);
    }
    return text.bytes;
}
