/* SPDX-License-Identifier: Apache-2.0 */
/* control/agent/said.c - words of a line that anybody may have written. */
#include "control/agent/said.h"

#include <string.h>
#include <strings.h>

enum { SORT_NOTHING, SORT_ORDER, SORT_HEALTH, WEIGHT_MAX = 256, NUMBER_DIGITS_MAX = 9 };

static const struct {
    const char *name;
    int sort;
} words[] = {{"", SORT_NOTHING},
#define X(name, word, sort, gist) {word, SORT_##sort},
             SAID_WORDS(X)
#undef X
};

const char *said_word_name(enum said_word word)
{
    return words[word].name;
}

/* All of @text is digits and perhaps, if @is_percent is not NULL, a percent sign. */
static bool read_number(const char *text, uint32_t *value, bool *is_percent)
{
    const size_t digits = strspn(text, "0123456789");
    const char *after = text + digits;
    if (digits == 0 || digits > NUMBER_DIGITS_MAX)
        return false;
    uint32_t number = 0;
    for (size_t i = 0; i < digits; i++)
        number = number * 10 + (uint32_t)(text[i] - '0');
    if (is_percent != NULL)
        *is_percent = *after == '%';
    if (is_percent != NULL && *after == '%')
        after++;
    *value = number;
    return *after == '\0';
}

static void take_percent(struct said *said, uint32_t value)
{
    said->has_percent = true;
    said->has_weight = false;
    said->percent = value < SAID_PERCENT_MAX ? value : SAID_PERCENT_MAX;
}

static bool read_figure(struct said *said, const char *word)
{
    uint32_t value;
    bool is_percent;
    if (strncasecmp(word, "maxconn:", 8) == 0) {
        if (!read_number(word + 8, &value, NULL) || value == 0)
            return false;
        said->has_most = true;
        said->most = value;
        return true;
    }
    const bool is_named = strncasecmp(word, "weight:", 7) == 0;
    if (!read_number(is_named ? word + 7 : word, &value, &is_percent))
        return false;
    if (is_percent) {
        take_percent(said, value);
        return true;
    }
    if (!is_named)
        return false; /* a number alone says nothing */
    said->has_weight = true;
    said->has_percent = false;
    said->weight = value < WEIGHT_MAX ? value : WEIGHT_MAX;
    return true;
}

/* False: it is not known. */
static bool take_word(struct said *said, const char *word)
{
    for (size_t i = 1; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(word, words[i].name) != 0)
            continue;
        if (words[i].sort == SORT_ORDER)
            said->order = (enum said_word)i;
        else
            said->health = (enum said_word)i;
        return true;
    }
    return read_figure(said, word);
}

static void take_reason(struct said *said, const char *text, size_t bytes)
{
    size_t used = 0;
    for (size_t i = 0; i < bytes && used + 1 < sizeof said->reason; i++) {
        const char c = text[i];
        if (used == 0 && (c <= ' ' || c >= 0x7f)) /* blanks, and what people cannot read */
            continue;
        said->reason[used++] = c >= ' ' && c < 0x7f ? c : ' ';
    }
    while (used > 0 && said->reason[used - 1] == ' ')
        used--;
    said->reason[used] = '\0';
}

static bool is_between(char c)
{
    return c == ' ' || c == '\t' || c == ',' || c == '\r';
}

bool said_read(struct said *said, const char *text, size_t bytes)
{
    bool is_understood = false;
    const char *newline = bytes > 0 ? memchr(text, '\n', bytes) : NULL;
    const size_t end = newline != NULL ? (size_t)(newline - text) : bytes;
    *said = (struct said){0};
    for (size_t at = 0; at < end;) {
        char word[SAID_WORD_BYTES_MAX + 1];
        size_t length = 0;
        if (text[at] == '#') {
            take_reason(said, text + at + 1, end - at - 1);
            break;
        }
        while (at + length < end && !is_between(text[at + length]) && text[at + length] != '#')
            length++;
        if (length > 0 && length <= SAID_WORD_BYTES_MAX) {
            memcpy(word, text + at, length);
            word[length] = '\0';
            if (strlen(word) == length) /* no NUL in it */
                is_understood = take_word(said, word) || is_understood;
        }
        at += length;
        while (at < end && is_between(text[at]))
            at++;
    }
    if (!is_understood)
        *said = (struct said){0};
    return is_understood;
}
