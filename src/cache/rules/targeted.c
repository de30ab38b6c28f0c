/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/targeted.c - CDN-Cache-Control (RFC 9213), a dictionary of structured fields.
 *
 * RFC 8941, strictly: one wrong byte, and the field counts as not there. A string that is parted
 * over two lines is wrong too, though the lines joined would be a dictionary: 4.2 leaves that
 * open. */
#include "cache/rules/parts.h"

#include <string.h>

/* One line of the field. */
struct line {
    const uint8_t *at;
    const uint8_t *end;
};

enum type {
    TYPE_WRONG, /* not an item */
    TYPE_INTEGER,
    TYPE_DECIMAL,
    TYPE_STRING,
    TYPE_TOKEN,
    TYPE_BYTES,
    TYPE_TRUE,
    TYPE_FALSE,
    TYPE_LIST,
};

struct item {
    enum type            type;
    struct cache__member text; /* of a string without its quotes */
};

static bool is_at(const struct line *line, uint8_t byte)
{
    return line->at < line->end && *line->at == byte;
}

static bool take(struct line *line, uint8_t byte)
{
    if (!is_at(line, byte))
        return false;
    line->at++;
    return true;
}

static void skip_spaces(struct line *line)
{
    while (take(line, ' '))
        ;
}

static bool is_small_letter(uint8_t byte)
{
    return byte >= 'a' && byte <= 'z';
}

static bool take_key(struct line *line, struct cache__member *key)
{
    key->at = line->at;
    if (line->at < line->end && (is_small_letter(*line->at) || *line->at == '*'))
        for (line->at++; line->at < line->end; line->at++)
            if (!is_small_letter(*line->at) && !cache__is_digit(*line->at) &&
                memchr("_-.*", *line->at, 4) == NULL)
                break;
    key->bytes = (size_t)(line->at - key->at);
    return key->bytes > 0;
}

static size_t take_digits(struct line *line)
{
    const uint8_t *start = line->at;
    while (line->at < line->end && cache__is_digit(*line->at))
        line->at++;
    return (size_t)(line->at - start);
}

/* RFC 8941 3.3.1, 3.3.2: at most 15 digits, or 12 and at most 3 after the point. */
static enum type take_number(struct line *line)
{
    take(line, '-');
    const size_t digits = take_digits(line);
    if (digits == 0 || digits > 15)
        return TYPE_WRONG;
    if (!take(line, '.'))
        return TYPE_INTEGER;
    const size_t after = take_digits(line);
    return digits <= 12 && after >= 1 && after <= 3 ? TYPE_DECIMAL : TYPE_WRONG;
}

static enum type take_string(struct line *line)
{
    for (line->at++; line->at < line->end; line->at++) {
        if (*line->at == '"') {
            line->at++;
            return TYPE_STRING;
        }
        if (*line->at == '\\' && !(++line->at < line->end && memchr("\"\\", *line->at, 2) != NULL))
            return TYPE_WRONG;
        if (*line->at < 0x20 || *line->at > 0x7e)
            return TYPE_WRONG;
    }
    return TYPE_WRONG;
}

static enum type take_token(struct line *line)
{
    while (line->at < line->end &&
           (cache__is_token_byte(*line->at) || *line->at == ':' || *line->at == '/'))
        line->at++;
    return TYPE_TOKEN;
}

static bool is_base64(uint8_t byte)
{
    return is_small_letter(cache__lower(byte)) || cache__is_digit(byte) || byte == '+' ||
           byte == '/' || byte == '=';
}

static enum type take_bytes(struct line *line)
{
    for (line->at++; line->at < line->end && is_base64(*line->at); line->at++)
        ;
    return take(line, ':') ? TYPE_BYTES : TYPE_WRONG;
}

static enum type take_boolean(struct line *line)
{
    line->at++;
    return take(line, '1') ? TYPE_TRUE : take(line, '0') ? TYPE_FALSE : TYPE_WRONG;
}

static enum type take_bare(struct line *line)
{
    const uint8_t first = line->at < line->end ? *line->at : 0;
    if (first == '-' || cache__is_digit(first))
        return take_number(line);
    if (first == '"')
        return take_string(line);
    if (first == '*' || is_small_letter(cache__lower(first)))
        return take_token(line);
    if (first == ':')
        return take_bytes(line);
    return first == '?' ? take_boolean(line) : TYPE_WRONG;
}

/* Parameters are read past: RFC 9213 2.1 ignores them. */
static bool take_parameters(struct line *line)
{
    struct cache__member key;
    while (take(line, ';')) {
        skip_spaces(line);
        if (!take_key(line, &key) || (take(line, '=') && take_bare(line) == TYPE_WRONG))
            return false;
    }
    return true;
}

static enum type take_inner_list(struct line *line)
{
    line->at++;
    for (;;) {
        skip_spaces(line);
        if (take(line, ')'))
            return TYPE_LIST;
        if (take_bare(line) == TYPE_WRONG || !take_parameters(line))
            return TYPE_WRONG;
        if (!is_at(line, ' ') && !is_at(line, ')'))
            return TYPE_WRONG;
    }
}

/* "=item" or nothing, which is true. */
static bool take_value(struct line *line, struct item *item)
{
    *item = (struct item){.type = TYPE_TRUE};
    if (take(line, '=')) {
        item->text.at = line->at;
        item->type = is_at(line, '(') ? take_inner_list(line) : take_bare(line);
        item->text.bytes = (size_t)(line->at - item->text.at);
        if (item->type == TYPE_STRING) {
            item->text.at++;
            item->text.bytes -= 2;
        }
    }
    return item->type != TYPE_WRONG && take_parameters(line);
}

static bool is_number(enum cache__word word)
{
    return word == CACHE__WORD_MAX_AGE || word == CACHE__WORD_S_MAXAGE ||
           word == CACHE__WORD_STALE_WHILE_REVALIDATE || word == CACHE__WORD_STALE_IF_ERROR;
}

/* Of one key the last value holds (RFC 8941 4.2.2). A value of another type than the directive's is
 * not used (RFC 9213 2.1), which is for a lifetime: none. */
static void note(struct cache__targeted *targeted, const struct cache__member *key,
                 const struct item *item)
{
    const enum cache__word word = cache__word_find(key->at, key->bytes);
    if (word == CACHE__WORDS_COUNT)
        return;
    const bool fits = is_number(word) ? item->type == TYPE_INTEGER
                                      : item->type == TYPE_TRUE || item->type == TYPE_STRING ||
                                            item->type == TYPE_TOKEN;
    targeted->is_said[word] = item->type != TYPE_FALSE;
    targeted->last[word] = (struct cache__directive){
        .word = word,
        .value = item->text.at,
        .value_bytes = item->text.bytes,
        .has_value = item->type != TYPE_TRUE,
        .is_quoted = item->type == TYPE_STRING,
        .is_odd = !fits,
    };
}

static bool read_line(struct line *line, struct cache__targeted *targeted)
{
    struct cache__member key;
    struct item item;
    for (;;) {
        if (!take_key(line, &key) || !take_value(line, &item))
            return false;
        note(targeted, &key, &item);
        while (line->at < line->end && cache__is_space(*line->at))
            line->at++;
        if (line->at == line->end)
            return true;
        if (!take(line, ','))
            return false;
        while (line->at < line->end && cache__is_space(*line->at))
            line->at++;
    }
}

bool cache__targeted_read(struct cache__targeted *targeted, const struct http_head *answer)
{
    memset(targeted->is_said, 0, sizeof targeted->is_said);
    const struct http_field *field = http_head_find(answer, HTTP_FIELD_CDN_CACHE_CONTROL);
    if (field == NULL)
        return false;
    for (; field != NULL; field = http_head_find_next(answer, field)) {
        const uint8_t *value = http_field_value(answer, field);
        struct line line = {value, value + field->value_bytes};
        if (!read_line(&line, targeted))
            return false;
    }
    return true;
}
