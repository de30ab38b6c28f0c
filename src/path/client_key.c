/* SPDX-License-Identifier: Apache-2.0 */
/* path/client_key.c - a client as one number. */
#include "path/client_key.h"

#include <arpa/inet.h>
#include <string.h>
#include <xxhash.h>

enum {
    VALUE_BYTES_MAX = 512, /* of a header or cookie; what is longer counts by its beginning */
    PREFIX_BYTES = 8,      /* who has an IPv6 address has its whole /64 */
};

/* The kinds with a name after a colon, and those that are a word. */
static const struct {
    const char *prefix;
    enum client_key_kind kind;
    bool is_named;
} kinds[] = {{"address", CLIENT_KEY_ADDRESS, false},
             {"path", CLIENT_KEY_PATH, false},
             {"header:", CLIENT_KEY_HEADER, true},
             {"cookie:", CLIENT_KEY_COOKIE, true},
             {"query:", CLIENT_KEY_QUERY, true}};

static bool is_token(const char *text)
{
    static const char token[] =
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return text[0] != '\0' && text[strspn(text, token)] == '\0';
}

bool client_key_read_route(const char *text, struct client_key_rule *rule)
{
    *rule = (struct client_key_rule){.kind = CLIENT_KEY_ADDRESS};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const size_t bytes = strlen(kinds[i].prefix);
        rule->kind = kinds[i].kind;
        if (!kinds[i].is_named && strcmp(text, kinds[i].prefix) == 0)
            return true;
        if (!kinds[i].is_named || strncmp(text, kinds[i].prefix, bytes) != 0)
            continue;
        rule->name = text + bytes;
        rule->name_bytes = (uint32_t)strlen(rule->name);
        return is_token(rule->name);
    }
    return false;
}

bool client_key_read(const char *text, struct client_key_rule *rule)
{
    return client_key_read_route(text, rule) && rule->kind <= CLIENT_KEY_COOKIE;
}

/* What a key is a hash of. The kind goes first: no header can be spelled like an address. */
struct key_text {
    size_t  bytes;
    uint8_t at[1 + VALUE_BYTES_MAX];
};

static void take(struct key_text *text, enum client_key_kind kind, const void *value, size_t bytes)
{
    const size_t taken = bytes < VALUE_BYTES_MAX ? bytes : VALUE_BYTES_MAX;
    text->at[0] = (uint8_t)kind;
    memcpy(text->at + 1, value, taken);
    text->bytes = 1 + taken;
}

static void take_address(struct key_text *text, const struct request *request)
{
    const char *origin = request->origin != NULL ? request->origin : request->client;
    struct in6_addr address;
    if (strchr(origin, ':') == NULL || inet_pton(AF_INET6, origin, &address) != 1) {
        take(text, CLIENT_KEY_ADDRESS, origin, strlen(origin));
    } else if (IN6_IS_ADDR_V4MAPPED(&address)) {
        char dotted[INET_ADDRSTRLEN] = "";
        (void)inet_ntop(AF_INET, address.s6_addr + 12, dotted, sizeof dotted);
        take(text, CLIENT_KEY_ADDRESS, dotted, strlen(dotted));
    } else {
        take(text, CLIENT_KEY_ADDRESS, &address, PREFIX_BYTES);
    }
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

/* The value of parameter @name in the query of a path, or NULL. */
static const uint8_t *find_parameter(const uint8_t *at, size_t bytes,
                                     const struct client_key_rule *rule, size_t *value_bytes)
{
    const uint8_t *end = at + bytes;
    const uint8_t *mark = memchr(at, '?', bytes);
    for (at = mark != NULL ? mark + 1 : end; at < end; at++) {
        const uint8_t *stop = memchr(at, '&', (size_t)(end - at));
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

static const uint8_t *find_in_path(const struct client_key_rule *rule, const struct http_head *head,
                                   size_t *bytes)
{
    const uint8_t *path = head->base + head->path.at;
    if (rule->kind == CLIENT_KEY_QUERY)
        return find_parameter(path, head->path.bytes, rule, bytes);
    const uint8_t *mark = memchr(path, '?', head->path.bytes);
    *bytes = mark != NULL ? (size_t)(mark - path) : head->path.bytes;
    return path;
}

static const uint8_t *find_value(const struct client_key_rule *rule, const struct http_head *head,
                                 size_t *bytes)
{
    const bool is_cookie = rule->kind == CLIENT_KEY_COOKIE;
    if (rule->kind == CLIENT_KEY_PATH || rule->kind == CLIENT_KEY_QUERY)
        return find_in_path(rule, head, bytes);
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

static void take_key(struct key_text *text, const struct client_key_rule *rule,
                     const struct request *request)
{
    size_t bytes = 0;
    const uint8_t *value =
        rule->kind != CLIENT_KEY_ADDRESS ? find_value(rule, &request->head, &bytes) : NULL;
    if (value != NULL && bytes > 0)
        take(text, rule->kind, value, bytes);
    else
        take_address(text, request);
}

uint64_t client_key_of(const struct client_key_rule *rule, const struct hash_key *key,
                       const struct request *request)
{
    struct key_text text;
    take_key(&text, rule, request);
    const uint64_t number = hash_sip13(key, text.at, text.bytes);
    return number != 0 ? number : 1;
}

uint64_t client_key_route(const struct client_key_rule *rule, const struct request *request)
{
    struct key_text text;
    take_key(&text, rule, request);
    const uint64_t number = XXH3_64bits(text.at, text.bytes);
    return number != 0 ? number : 1;
}
