/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys_http/address.c - percent signs, slashes, queries. */
#include "engine/keys_http/address.h"

#include "engine/keys_http/keys_http.h"

enum { PREFIX_BYTES = sizeof KEYS_HTTP_PREFIX - 1 };

static int digit_of(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    const uint8_t lower = byte | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Writes @text to @out, decoded. *@count: how many bytes that is. */
static bool decode(struct bytes text, bool plus_is_space, uint8_t *out, size_t *count)
{
    size_t used = 0;
    for (size_t i = 0; i < text.count; i++) {
        uint8_t byte = text.at[i];
        if (byte == '%') {
            const int high = i + 2 < text.count ? digit_of(text.at[i + 1]) : -1;
            const int low = i + 2 < text.count ? digit_of(text.at[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            byte = (uint8_t)(high << 4 | low);
            i += 2;
        } else if (byte == '+' && plus_is_space) {
            byte = ' ';
        }
        out[used++] = byte;
    }
    *count = used;
    return true;
}

/* What stands before the first @mark, which is taken off with it; all if there is none. */
static struct bytes cut(struct bytes *rest, uint8_t mark)
{
    const uint8_t *at = rest->count == 0 ? NULL : memchr(rest->at, mark, rest->count);
    const size_t count = at == NULL ? rest->count : (size_t)(at - rest->at);
    const struct bytes before = {rest->at, count};
    const size_t taken = at == NULL ? count : count + 1;
    if (taken > 0)
        *rest = (struct bytes){rest->at + taken, rest->count - taken};
    return before;
}

bool address_read(struct bytes target, uint8_t *room, struct address *address)
{
    size_t keyspace_bytes, key_bytes;
    struct bytes path = cut(&target, '?');
    *address = (struct address){.query = target};
    path = (struct bytes){path.at + PREFIX_BYTES, path.count - PREFIX_BYTES};
    (void)cut(&path, '/');
    const struct bytes keyspace = cut(&path, '/');
    if (!decode(keyspace, false, room, &keyspace_bytes))
        return false;
    room[keyspace_bytes] = ':';
    if (!decode(path, false, room + keyspace_bytes + 1, &key_bytes))
        return false;
    address->keyspace = (struct bytes){room, keyspace_bytes};
    address->key = (struct bytes){room + keyspace_bytes + 1, key_bytes};
    address->whole = (struct bytes){room, keyspace_bytes + 1 + key_bytes};
    return true;
}

bool address_next_member(struct bytes *query, uint8_t **room, struct bytes *name,
                         struct bytes *value)
{
    struct bytes member = {0};
    size_t count;
    *name = *value = (struct bytes){0};
    while (query->count > 0 && member.count == 0)
        member = cut(query, '&');
    *name = cut(&member, '=');
    if (!decode(member, true, *room, &count))
        return false;
    *value = (struct bytes){*room, count};
    *room += count;
    return true;
}

/* RFC 3986's unreserved characters, and those of a path segment that no shell and no form takes for
 * its own. */
static bool stands_for_itself(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte != '\0' && strchr("-._~:@/", byte) != NULL);
}

size_t address_write(uint8_t *out, struct bytes bytes)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t used = 0;
    for (size_t i = 0; i < bytes.count; i++) {
        const uint8_t byte = bytes.at[i];
        if (stands_for_itself(byte)) {
            out[used++] = byte;
            continue;
        }
        out[used++] = '%';
        out[used++] = (uint8_t)digits[byte >> 4];
        out[used++] = (uint8_t)digits[byte & 15];
    }
    return used;
}
