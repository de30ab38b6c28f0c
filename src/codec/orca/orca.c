/* SPDX-License-Identifier: Apache-2.0 */
/* codec/orca/orca.c - one cursor over bytes that a server wrote: each step looks before it goes. */
#include "codec/orca/orca.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    NAME_BYTES_MAX = 128,
    DIGITS_MAX = 40, /* of a number with its fraction; more says nothing that a double holds */
    DEPTH_MAX = 8,   /* of JSON that is passed over */
};

struct cursor {
    const char *at, *end;
};

struct name {
    char   bytes[NAME_BYTES_MAX];
    size_t count;
};

static const struct {
    const char *name;
    double most;
} figures[] = {
#define X(field, name, most) {name, most},
    ORCA_FIGURES(X)
#undef X
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\r' || *c->at == '\n'))
        c->at++;
}

static bool take(struct cursor *c, char wanted)
{
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool take_word(struct cursor *c, const char *word)
{
    const size_t bytes = strlen(word);
    if ((size_t)(c->end - c->at) < bytes || memcmp(c->at, word, bytes) != 0)
        return false;
    c->at += bytes;
    return true;
}

/* --- numbers --------------------------------------------------------------------------------- */

/* Digits, as a number; false: there are none, or too many. */
static bool take_digits(struct cursor *c, double *value, int *count)
{
    const char *from = c->at;
    while (c->at < c->end && is_digit(*c->at)) {
        *value = *value * 10 + (*c->at++ - '0');
        (*count)++;
    }
    return c->at > from && *count <= DIGITS_MAX;
}

static bool take_exponent(struct cursor *c, int *exponent)
{
    double digits = 0;
    int count = 0;
    if (!take(c, 'e') && !take(c, 'E'))
        return true;
    const bool is_negative = take(c, '-');
    if (!is_negative)
        (void)take(c, '+');
    if (!take_digits(c, &digits, &count) || count > 3)
        return false;
    *exponent = is_negative ? -(int)digits : (int)digits;
    return true;
}

/* A number of JSON, not negative: strtod() would read the locale, hex, "nan" and "inf". */
static bool take_number(struct cursor *c, double *value)
{
    int count = 0, fraction = 0, exponent = 0;
    *value = 0;
    if (!take_digits(c, value, &count))
        return false;
    if (take(c, '.')) {
        const int whole = count;
        if (!take_digits(c, value, &count))
            return false;
        fraction = count - whole;
    }
    if (!take_exponent(c, &exponent))
        return false;
    *value *= pow(10, exponent - fraction);
    return isfinite(*value);
}

/* --- figures --------------------------------------------------------------------------------- */

/* "named_metrics.rif" is also "rif" if @is_short. */
static bool is_called(const struct name *name, const char *row, bool is_short)
{
    static const char prefix[] = "named_metrics.";
    if (strlen(row) == name->count && memcmp(row, name->bytes, name->count) == 0)
        return true;
    return is_short && strncmp(row, prefix, sizeof prefix - 1) == 0 &&
           strlen(row) - (sizeof prefix - 1) == name->count &&
           memcmp(row + sizeof prefix - 1, name->bytes, name->count) == 0;
}

/* False: its row does not allow it. */
static bool keep(struct orca_report *report, const struct name *name, double value, bool is_short)
{
    for (unsigned i = 0; i < ORCA_FIGURES_COUNT; i++) {
        if (!is_called(name, figures[i].name, is_short))
            continue;
        if (value > figures[i].most)
            return false;
        orca_say(report, (enum orca_figure)i, value);
    }
    return true;
}

static bool finish(struct orca_report *report, bool is_good)
{
    if (!is_good)
        *report = (struct orca_report){0};
    return is_good && report->said != 0;
}

/* --- TEXT ------------------------------------------------------------------------------------ */

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
           c == '.' || c == '-' || c == '/';
}

static bool take_name(struct cursor *c, struct name *name)
{
    name->count = 0;
    while (c->at < c->end && is_name_byte(*c->at)) {
        if (name->count == sizeof name->bytes)
            return false;
        name->bytes[name->count++] = *c->at++;
    }
    return name->count > 0;
}

static bool take_pair(struct cursor *c, struct orca_report *report)
{
    struct name name;
    double value;
    skip_space(c);
    if (!take_name(c, &name))
        return false;
    skip_space(c);
    if (!take(c, '=') && !take(c, ':'))
        return false;
    skip_space(c);
    const bool is_negative = take(c, '-');
    if (!take_number(c, &value))
        return false;
    skip_space(c);
    /* Other people's figures may be negative; ours never are. */
    return keep(report, &name, is_negative ? INFINITY : value, false);
}

static bool read_text(struct cursor *c, struct orca_report *report)
{
    do {
        if (!take_pair(c, report))
            return false;
    } while (take(c, ','));
    return c->at == c->end;
}

/* --- JSON ------------------------------------------------------------------------------------ */

/* A text; what does not fit into @name is dropped, so it fits no row. */
static bool take_json_text(struct cursor *c, struct name *name)
{
    if (!take(c, '"'))
        return false;
    while (c->at < c->end && *c->at != '"') {
        if ((unsigned char)*c->at < 0x20)
            return false;
        if (*c->at == '\\' && ++c->at == c->end)
            return false;
        if (name->count < sizeof name->bytes)
            name->bytes[name->count++] = *c->at;
        c->at++;
    }
    return take(c, '"');
}

static bool skip_plain(struct cursor *c)
{
    double ignored;
    struct name text = {.count = 0};
    if (c->at < c->end && *c->at == '"')
        return take_json_text(c, &text);
    if (take_word(c, "true") || take_word(c, "false") || take_word(c, "null"))
        return true;
    (void)take(c, '-');
    return take_number(c, &ignored);
}

/* An array of what is no array and no object: nobody's figures are in one. */
static bool skip_array(struct cursor *c)
{
    skip_space(c);
    if (take(c, ']'))
        return true;
    do {
        skip_space(c);
        if (!skip_plain(c))
            return false;
        skip_space(c);
    } while (take(c, ','));
    return take(c, ']');
}

/* An object that is being read: its name, and a dot, stand before those of its members. */
struct level {
    size_t prefix_bytes;
};

struct json {
    struct cursor       c;
    struct orca_report *report;
    struct level        levels[DEPTH_MAX];
    unsigned            depth;
    struct name         path; /* of the member that is being read */
};

static bool open_object(struct json *json)
{
    if (json->depth == DEPTH_MAX)
        return false;
    if (json->depth > 0 && json->path.count < sizeof json->path.bytes)
        json->path.bytes[json->path.count++] = '.';
    json->levels[json->depth++].prefix_bytes = json->path.count;
    return true;
}

static bool take_value(struct json *json)
{
    double value;
    struct cursor *c = &json->c;
    if (take(c, '{'))
        return open_object(json);
    if (take(c, '['))
        return skip_array(c);
    if (c->at == c->end || !is_digit(*c->at)) {
        struct orca_report known = {0};
        const bool is_null = take_word(c, "null");
        /* A figure of ours that is a text, a truth or negative is a mistake. */
        return is_null ||
               (skip_plain(c) && keep(&known, &json->path, 0, json->depth == 1) && known.said == 0);
    }
    return take_number(c, &value) && keep(json->report, &json->path, value, json->depth == 1);
}

/* "name": value - the value may have opened an object. */
static bool take_member(struct json *json)
{
    struct cursor *c = &json->c;
    json->path.count = json->levels[json->depth - 1].prefix_bytes;
    skip_space(c);
    if (!take_json_text(c, &json->path))
        return false;
    skip_space(c);
    if (!take(c, ':'))
        return false;
    skip_space(c);
    return take_value(json);
}

/* Closes as many objects as end here. False: what follows is neither an end nor a member. */
static bool close_objects(struct json *json)
{
    struct cursor *c = &json->c;
    skip_space(c);
    while (json->depth > 0 && take(c, '}')) {
        json->depth--;
        skip_space(c);
    }
    return json->depth == 0 || take(c, ',');
}

static bool read_json(struct json *json)
{
    struct cursor *c = &json->c;
    skip_space(c);
    if (!take(c, '{') || !open_object(json))
        return false;
    bool is_fresh = true; /* an object has just been opened, and may be empty */
    while (json->depth > 0) {
        const unsigned depth = json->depth;
        skip_space(c);
        if (!(is_fresh && c->at < c->end && *c->at == '}') && !take_member(json))
            return false;
        is_fresh = json->depth > depth;
        if (!is_fresh && !close_objects(json))
            return false;
    }
    skip_space(c);
    return c->at == c->end;
}

/* --- the doors ------------------------------------------------------------------------------- */

bool orca_read_json(struct orca_report *report, const char *text, size_t bytes)
{
    struct json json = {.c = {text, text + bytes}, .report = report};
    *report = (struct orca_report){0};
    return finish(report, bytes > 0 && read_json(&json));
}

bool orca_read(struct orca_report *report, const char *text, size_t bytes)
{
    struct cursor c = {text, text + bytes};
    *report = (struct orca_report){0};
    if (bytes == 0)
        return false;
    if (take_word(&c, "JSON "))
        return orca_read_json(report, c.at, (size_t)(c.end - c.at));
    return finish(report, take_word(&c, "TEXT ") && read_text(&c, report));
}

size_t orca_write_text(const struct orca_report *report, char text[ORCA_TEXT_BYTES_MAX])
{
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < ORCA_FIGURES_COUNT; i++) {
        if (!orca_says(report, (enum orca_figure)i))
            continue;
        /* A name has at most 24 bytes, a value at most 20: eight of them fit. */
        const int bytes = snprintf(text + used, ORCA_TEXT_BYTES_MAX - used, "%s%s=%.6g",
                                   used == 0 ? "TEXT " : ", ", figures[i].name, report->at[i]);
        used += bytes > 0 ? (size_t)bytes : 0;
    }
    return used;
}
