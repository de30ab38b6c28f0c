/* SPDX-License-Identifier: Apache-2.0 */
/* core/crc16.h - CRC-16/XMODEM, which lays keys on the 16384 slots of a Redis cluster.
 *
 * Polynomial 0x1021, begun with 0, nothing reflected; "123456789" gives 0x31c3.
 *
 * Threads: pure. */
#ifndef PANDO_CORE_CRC16_H
#define PANDO_CORE_CRC16_H

#include <stddef.h>
#include <stdint.h>

/* Of @bytes bytes at @data. */
uint16_t crc16(const void *data, size_t bytes);

#endif
