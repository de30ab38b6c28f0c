/* SPDX-License-Identifier: Apache-2.0 */
/* path/client_key.c - a client as one number. */
#include "path/client_key.h"

#include <arpa/inet.h>
#include <string.h>

enum {
    VALUE_BYTES_MAX = 512, /* of a header or cookie; what is longer counts by its beginning */
    PREFIX_BYTES = 8,      /* who has an IPv6 address has its whole /64 */
};

static const struct {
    const char *prefix;
    enum client_key_kind kind;
} named[] = {{"header:", CLIENT_KEY_HEADER}, {"cookie:", CLIENT_KEY_COOKIE}};

static bool is_token(const char *text)
{
    static const char token[] =
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return text[0] != '\0' && text[strspn(text, token)] == '\0';
}

bool client_key_read(const char *text, struct client_key_rule *rule)
{
    *rule = (struct client_key_rule){.kind = CLIENT_KEY_ADDRESS};
    if (strcmp(text, "address") == 0)
        return true;
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        const size_t bytes = strlen(named[i].prefix);
        if (strncmp(text, named[i].prefix, bytes) != 0)
            continue;
        *rule = (struct client_key_rule){.kind = named[i].kind,
                                         .name = text + bytes,
                                         .name_bytes = (uint32_t)strlen(text + bytes)};
        return is_token(rule->name);
    }
    return false;
}

/* The kind goes first, so that no header can be spelled like an address. */
static uint64_t hash(const struct hash_key *key, enum client_key_kind kind, const void *value,
                     size_t bytes)
{
    uint8_t text[1 + VALUE_BYTES_MAX];
    const size_t taken = bytes < VALUE_BYTES_MAX ? bytes : VALUE_BYTES_MAX;
    text[0] = (uint8_t)kind;
    memcpy(text + 1, value, taken);
    const uint64_t number = hash_sip13(key, text, 1 + taken);
    return number != 0 ? number : 1;
}

static uint64_t of_address(const struct hash_key *key, const struct request *request)
{
    const char *text = request->origin != NULL ? request->origin : request->client;
    struct in6_addr address;
    if (strchr(text, ':') == NULL || inet_pton(AF_INET6, text, &address) != 1)
        return hash(key, CLIENT_KEY_ADDRESS, text, strlen(text));
    if (IN6_IS_ADDR_V4MAPPED(&address)) {
        char dotted[INET_ADDRSTRLEN] = "";
        (void)inet_ntop(AF_INET, address.s6_addr + 12, dotted, sizeof dotted);
        return hash(key, CLIENT_KEY_ADDRESS, dotted, strlen(dotted));
    }
    return hash(key, CLIENT_KEY_ADDRESS, &address, PREFIX_BYTES);
}

/* The value of cookie @name in one Cookie field, or NULL. */
static const uint8_t *find_cookie(const uint8_t *at, size_t bytes,
                                  const struct client_key_rule *rule, size_t *value_bytes)
{
    const uint8_t *end = at + bytes;
    while (at < end) {
        while (at < end && (*at == ' ' || *at == ';'))
            at++;
        const uint8_t *stop = memchr(at, ';', (size_t)(end - at));
        if (stop == NULL)
            stop = end;
        if ((size_t)(stop - at) > rule->name_bytes && at[rule->name_bytes] == '=' &&
            memcmp(at, rule->name, rule->name_bytes) == 0) {
            *value_bytes = (size_t)(stop - at) - rule->name_bytes - 1;
            return at + rule->name_bytes + 1;
        }
        at = stop;
    }
    return NULL;
}

static const uint8_t *find_value(const struct client_key_rule *rule, const struct http_head *head,
                                 size_t *bytes)
{
    const bool is_cookie = rule->kind == CLIENT_KEY_COOKIE;
    const struct http_field *field = is_cookie
                                         ? http_head_find_name(head, "cookie", 6)
                                         : http_head_find_name(head, rule->name, rule->name_bytes);
    if (field == NULL)
        return NULL;
    if (is_cookie)
        return find_cookie(http_field_value(head, field), field->value_bytes, rule, bytes);
    *bytes = field->value_bytes;
    return http_field_value(head, field);
}

uint64_t client_key_of(const struct client_key_rule *rule, const struct hash_key *key,
                       const struct request *request)
{
    size_t bytes = 0;
    if (rule->kind != CLIENT_KEY_ADDRESS) {
        const uint8_t *value = find_value(rule, &request->head, &bytes);
        if (value != NULL && bytes > 0)
            return hash(key, rule->kind, value, bytes);
    }
    return of_address(key, request);
}
