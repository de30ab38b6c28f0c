/* SPDX-License-Identifier: Apache-2.0 */
/* control/dns/answer.h - what DNS said, as data, and the pure steps from records to addresses.
 *
 * Memory:  an answer owns its array. Threads: pure. Errors: bounds are refused with a sentence. */
#ifndef PANDO_CONTROL_DNS_ANSWER_H
#define PANDO_CONTROL_DNS_ANSWER_H

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    DNS_ADDRESSES_MAX = 1024, /* of one answer; more are left out, and it is said */
    DNS_RECORDS_MAX = 256,    /* SRV records of one answer; a UDP answer holds fewer */
    DNS_TTL_S_MIN = 1,        /* a TTL of 0 must not make a busy loop */
    DNS_TTL_S_MAX = 3600,     /* a wrong record is gone after an hour */
    DNS_RETRY_S_MIN = 1,      /* after a failure; doubles */
    DNS_RETRY_S_MAX = 60,
};

struct dns_address {
    struct sockaddr_storage address; /* with the port */
    socklen_t               bytes;
    uint16_t                weight; /* 1 to 256, from SRV; 0: not said */
};

struct dns_answer {
    enum err_kind       kind; /* NONE: resolved, to at least one address */
    const char         *why;  /* static sentence; NULL if resolved whole */
    struct dns_address *at;   /* sorted, without doubles */
    size_t              count;
    uint32_t            ttl_s; /* DNS_TTL_S_MIN to DNS_TTL_S_MAX */
};

/* One SRV record. */
struct dns_record {
    char     host[256];
    uint16_t priority, weight, port;
    uint32_t ttl_s;
};

/* Reads the SRV records of a DNS message as it came from the wire. Returns how many (at most
 * @most), or -1 if it is malformed. A host of "." (the service is not offered) is left out. */
int dns_read_records(const uint8_t *message, size_t bytes, struct dns_record *records, size_t most)
    must_check;

/* Keeps the records of the lowest priority and maps their weights to 1..256, in proportion; all
 * 0: all 0 (not said). Returns how many are left, at the front. */
size_t dns_choose_records(struct dns_record *records, size_t count);

/* Adds an address. False: no memory, or there are DNS_ADDRESSES_MAX. */
bool dns_answer_add(struct dns_answer *answer, const struct dns_address *address) must_check;

/* Sorts by address, so that an answer that is only in another order changes nothing, and drops
 * doubles. */
void dns_answer_sort(struct dns_answer *answer);

/* Are the addresses and weights the same? Both sorted. */
bool dns_answer_same(const struct dns_answer *one, const struct dns_answer *other);

/* Gives back the array. Accepts zero. */
void dns_answer_fini(struct dns_answer *answer);

/* @ttl_s within its bounds. */
uint32_t dns_ttl_bounded(int64_t ttl_s);

/* How long after the @failures_count-th failure in a row (from 1) the name is asked for again. */
uint32_t dns_retry_s(uint32_t failures_count);

#endif
