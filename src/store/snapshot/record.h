/* SPDX-License-Identifier: Apache-2.0 */
/* store/snapshot/record.h - the form of a snapshot's file.
 *
 * A head, then one record after another: its head, key, front, body. Numbers as this machine has
 * them; a file of a machine with the other order has another magic. Each record has a checksum
 * (XXH3) of all of it, so what is torn anywhere is seen before anybody can find it. */
#ifndef PANDO_STORE_SNAPSHOT_RECORD_H
#define PANDO_STORE_SNAPSHOT_RECORD_H

#include <stdint.h>

#define SNAPSHOT_MAGIC UINT64_C(0x50414e444f535430) /* PANDOST0 */

enum { SNAPSHOT_VERSION = 1, SNAPSHOT_RECORD_MARK = 0x52454331, SNAPSHOT_BUFFER_BYTES = 65536 };

struct snapshot_head {
    uint64_t magic;
    uint32_t version; /* of this form */
    uint32_t format;  /* of what is in fronts: the owner's */
    uint64_t checksum;
};

struct snapshot_record {
    uint32_t mark;
    uint32_t key_bytes;
    uint32_t front_bytes;
    uint8_t  has_body;
    uint8_t  uses;
    uint8_t  queue;  /* of the policy's */
    uint8_t  policy; /* 1 + enum store_policy: queues mean nothing to another */
    uint64_t body_bytes;
    uint64_t checksum; /* of this head with a checksum of 0, key, front and body */
};

#endif
