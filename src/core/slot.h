/* SPDX-License-Identifier: Apache-2.0 */
/* core/slot.h - the slot of a key, as Redis Cluster has it, so that its clients' tags mean the
 * same.
 *
 * Threads: pure. */
#ifndef PANDO_CORE_SLOT_H
#define PANDO_CORE_SLOT_H

#include "core/bytes.h"

enum { SLOTS_COUNT = 16384 };

/* CRC16-XMODEM of what lies between the first { and the first } after it, if that is anything, else
 * of the whole key; modulo SLOTS_COUNT. */
uint32_t slot_of(struct bytes key);

#endif
