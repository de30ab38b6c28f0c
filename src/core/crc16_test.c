/* SPDX-License-Identifier: Apache-2.0 */
/* core/crc16_test.c - the check value, the slots that everybody knows, and the definition bit by
 * bit. */
#include "core/crc16.h"

#include <criterion/criterion.h>
#include <string.h>

static unsigned slot_of(const char *key)
{
    return crc16(key, strlen(key)) & 16383;
}

/* The polynomial by its definition, without a table. */
static uint16_t slowly(const uint8_t *at, size_t bytes)
{
    unsigned crc = 0;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= (unsigned)at[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 0x8000) != 0 ? (crc << 1 ^ 0x1021) & 0xffff : crc << 1 & 0xffff;
    }
    return (uint16_t)crc;
}

Test(crc16, gives_the_check_value_of_xmodem)
{
    cr_expect(crc16("123456789", 9) == 0x31c3);
    cr_expect(crc16("", 0) == 0);
}

Test(crc16, lays_keys_on_the_slots_of_redis)
{
    cr_expect(slot_of("foo") == 12182);
    cr_expect(slot_of("bar") == 5061);
    cr_expect(slot_of("hello") == 866);
}

Test(crc16, is_the_polynomial_for_every_byte_at_every_place)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t message[4] = {(uint8_t)byte, (uint8_t)(byte * 7), (uint8_t)(255 - byte), 1};
        for (size_t count = 1; count <= 4; count++)
            cr_expect(crc16(message, count) == slowly(message, count));
    }
}
