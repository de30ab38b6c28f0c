/* SPDX-License-Identifier: Apache-2.0 */
/* core/hash.h - SipHash-1-3 for tables that clients can fill (Aumasson and Bernstein 2012; 1-3 as
 * in Rust and
 * Linux' hsiphash family). Routing uses XXH3, slots CRC16.
 *
 * Threads: pure. */
#ifndef PANDO_CORE_HASH_H
#define PANDO_CORE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Drawn once per process from the system's randomness. */
struct hash_key {
    uint64_t k[2];
};

/* SipHash-1-3 of @bytes bytes at @data, which may be at any address. */
uint64_t hash_sip13(const struct hash_key *key, const void *data, size_t bytes);

#endif
