/* SPDX-License-Identifier: Apache-2.0 */
/* session/sticky.c - sealing, opening, and finding the cookie among the client's others. */
#include "session/sticky.h"

#include "core/units.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void sticky_init(struct sticky *sticky, const struct session_keys *keys,
                 const struct sticky_settings *settings, const char *service)
{
    *sticky = (struct sticky){.keys = keys, .settings = settings};
    const int bytes = snprintf(sticky->about, sizeof sticky->about, "pando sticky 1\n%s\n%s",
                               settings->cookie, service);
    assert(bytes > 0 && (size_t)bytes < sizeof sticky->about);
    sticky->about_bytes = (size_t)bytes;
}

static void put_number(uint8_t *at, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(number >> (8 * i));
}

static uint64_t get_number(const uint8_t *at)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number |= (uint64_t)at[i] << (8 * i);
    return number;
}

static uint64_t lifetime_s(const struct sticky *sticky)
{
    return sticky->settings->for_ns / NS_PER_S;
}

struct sticky_ticket sticky_read(const struct sticky *sticky, const uint8_t *value, size_t bytes,
                                 uint64_t now_s)
{
    uint8_t plain[STICKY_PLAIN_BYTES];
    const struct seal_span about = {sticky->about, sticky->about_bytes};
    for (size_t i = 0; i < sticky->keys->count; i++) {
        if (!seal_read(&sticky->keys->at[i], about, (struct seal_span){value, bytes}, plain,
                       sizeof plain))
            continue;
        const uint64_t until_s = get_number(plain + 8);
        if (until_s <= now_s)
            break;
        return (struct sticky_ticket){.identity = get_number(plain),
                                      .is_old = i > 0 || until_s - now_s < lifetime_s(sticky) / 2};
    }
    return (struct sticky_ticket){0};
}

size_t sticky_write(const struct sticky *sticky, uint64_t identity, uint64_t now_s, bool is_secure,
                    char *out)
{
    uint8_t plain[STICKY_PLAIN_BYTES];
    char text[STICKY_TEXT_BYTES];
    put_number(plain, identity);
    put_number(plain + 8, now_s + lifetime_s(sticky));
    seal_write(&sticky->keys->at[0], (struct seal_span){sticky->about, sticky->about_bytes},
               (struct seal_span){plain, sizeof plain}, text);
    const int bytes =
        snprintf(out, STICKY_FIELD_BYTES_MAX,
                 "Set-Cookie: %s=%.*s; Max-Age=%" PRIu64 "; Path=/; HttpOnly; SameSite=Lax%s\r\n",
                 sticky->settings->cookie, (int)sizeof text, text, lifetime_s(sticky),
                 is_secure ? "; Secure" : "");
    assert(bytes > 0 && bytes < STICKY_FIELD_BYTES_MAX);
    return (size_t)bytes;
}

/* One cookie of a Cookie field: from its name to what follows its semicolon. */
struct pair {
    size_t at, end; /* with separator and space */
    size_t value, value_end;
};

/* Finds cookie @name in @text. */
static bool find_pair(const uint8_t *text, size_t bytes, const char *name, struct pair *pair)
{
    const size_t name_bytes = strlen(name);
    for (size_t at = 0; at < bytes;) {
        const uint8_t *semicolon = memchr(text + at, ';', bytes - at);
        const size_t stop = semicolon != NULL ? (size_t)(semicolon - text) : bytes;
        size_t end = stop < bytes ? stop + 1 : bytes;
        while (end < bytes && text[end] == ' ')
            end++;
        if (stop - at > name_bytes && text[at + name_bytes] == '=' &&
            memcmp(text + at, name, name_bytes) == 0) {
            *pair = (struct pair){at, end, at + name_bytes + 1, stop};
            return true;
        }
        at = end;
    }
    return false;
}

/* Closes the gap; a field of which nothing is left is not passed on. */
static void cut(struct http_field *field, uint8_t *text, const struct pair *pair)
{
    size_t left = field->value_bytes - (pair->end - pair->at);
    memmove(text + pair->at, text + pair->end, field->value_bytes - pair->end);
    while (left > 0 && (text[left - 1] == ' ' || text[left - 1] == ';'))
        left--;
    field->value_bytes = (uint32_t)left;
    if (left == 0)
        field->hop = 1;
}

size_t sticky_take(const struct sticky *sticky, struct http_head *head, uint8_t *value)
{
    size_t found = 0;
    if (!http_head_has(head, HTTP_FIELD_COOKIE))
        return 0;
    for (uint16_t i = 0; i < head->fields_count; i++) {
        struct http_field *field = &head->fields[i];
        uint8_t *text = (uint8_t *)(uintptr_t)http_field_value(head, field);
        struct pair pair;
        while (field->id == HTTP_FIELD_COOKIE &&
               find_pair(text, field->value_bytes, sticky->settings->cookie, &pair)) {
            const size_t bytes = pair.value_end - pair.value;
            if (found == 0 && bytes <= STICKY_TEXT_BYTES) {
                memcpy(value, text + pair.value, bytes);
                found = bytes;
            }
            cut(field, text, &pair);
        }
    }
    return found;
}
