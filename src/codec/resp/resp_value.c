/* SPDX-License-Identifier: Apache-2.0 */
/* codec/resp/resp_value.c - walks over written answers. */
#include "codec/resp/resp_value.h"

/* Bytes of the line at @bytes with its CRLF; 0: not whole. */
static size_t line_bytes(struct bytes bytes)
{
    const uint8_t *end = bytes.count == 0 ? NULL : memchr(bytes.at, '\n', bytes.count);
    if (end == NULL || end - bytes.at < 2 || end[-1] != '\r')
        return 0;
    return (size_t)(end - bytes.at) + 1;
}

size_t resp_value_head(struct bytes bytes, char *kind, int64_t *number)
{
    const size_t head = line_bytes(bytes);
    if (head == 0)
        return 0;
    *kind = (char)bytes.at[0];
    *number = -1;
    if (*kind == '_')
        return head == 3 ? head : 0;
    return bytes_read_int64((struct bytes){bytes.at + 1, head - 3}, number) ? head : 0;
}

/* How many values follow the head of an aggregate; -1: it is none. */
static int64_t inner_count(char kind, int64_t number)
{
    switch (kind) {
    case '*':
    case '~':
    case '>': return number < 0 ? 0 : number;
    case '%': return number < 0 || number > INT64_MAX / 2 ? 0 : number * 2;
    default: return -1;
    }
}

/* Bytes of the value at @bytes up to the first one inside it; @inner: how many are inside. */
static size_t own_bytes(struct bytes bytes, int64_t *inner)
{
    char kind;
    int64_t number;
    *inner = 0;
    if (bytes.count == 0 || bytes.at[0] == '\0') /* which strchr() finds in any text */
        return 0;
    if (strchr("+-,#(", bytes.at[0]) != NULL)
        return line_bytes(bytes);
    const size_t head = resp_value_head(bytes, &kind, &number);
    if (head == 0 || strchr(":_$=!*~>%", kind) == NULL)
        return 0;
    if (strchr("$=!", kind) != NULL && number >= 0) {
        const uint64_t whole = (uint64_t)head + (uint64_t)number + 2;
        return whole <= bytes.count ? (size_t)whole : 0;
    }
    const int64_t count = inner_count(kind, number);
    *inner = count < 0 ? 0 : count;
    return head;
}

size_t resp_value_bytes(struct bytes bytes)
{
    int64_t left[RESP_DEPTH_MAX + 1] = {1};
    unsigned depth = 0;
    size_t used = 0;
    for (;;) {
        while (left[depth] == 0) {
            if (depth == 0)
                return used;
            depth--;
        }
        left[depth]--;
        int64_t inner;
        const size_t own = own_bytes((struct bytes){bytes.at + used, bytes.count - used}, &inner);
        if (own == 0 || (inner > 0 && depth == RESP_DEPTH_MAX))
            return 0;
        used += own;
        if (inner > 0)
            left[++depth] = inner;
    }
}
