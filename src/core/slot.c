/* SPDX-License-Identifier: Apache-2.0 */
/* core/slot.c - the slot of a key. */
#include "core/slot.h"

#include "core/crc16.h"

static struct bytes tag_of(struct bytes key)
{
    const uint8_t *open = key.count == 0 ? NULL : memchr(key.at, '{', key.count);
    if (open == NULL)
        return key;
    const size_t left = key.count - (size_t)(open - key.at) - 1;
    const uint8_t *shut = left == 0 ? NULL : memchr(open + 1, '}', left);
    if (shut == NULL || shut == open + 1)
        return key;
    return (struct bytes){open + 1, (size_t)(shut - open) - 1};
}

uint32_t slot_of(struct bytes key)
{
    const struct bytes tag = tag_of(key);
    return crc16(tag.at, tag.count) % SLOTS_COUNT;
}
