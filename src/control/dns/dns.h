/* SPDX-License-Identifier: Apache-2.0 */
/* control/dns/dns.h - names to addresses, with their time to live, on a thread of its own.
 *
 * c-ares has sockets that the event loop cannot watch, and may read files, so it has a thread;
 * questions are posted to it and answers are posted back to the loop of whoever asks.
 *
 *     dns_ask(dns, query) -> query->answered(query) on the loop's thread, once
 *
 * Memory:  a query is the asker's and is lent until answered(); its addresses are then the asker's,
 *          to be given back by dns_query_fini().
 * Threads: all calls but those said otherwise on the thread of the loop that was given.
 * Errors:  in the query, as an error kind and a static sentence. */
#ifndef PANDO_CONTROL_DNS_DNS_H
#define PANDO_CONTROL_DNS_DNS_H

#include "control/dns/answer.h"
#include "core/err.h"
#include "loop/loop.h"

struct dns;
struct lookup;

enum dns_sort {
    DNS_ADDRESSES, /* A and AAAA of a name */
    DNS_SERVICE,   /* SRV of a name, then A and AAAA of what it names */
};

struct dns_query {
    enum dns_sort sort;
    char          name[256];
    uint16_t      port; /* of the addresses, with DNS_ADDRESSES */
    void (*answered)(struct dns_query *query);
    void             *self;   /* the asker's */
    struct dns_answer answer; /* filled when answered() is called */
    struct post       post;   /* the rest is dns' own */
    struct dns       *dns;
    struct lookup    *lookups;
    unsigned          waiting_count; /* answers that are still to come */
};

/* Starts the thread. @servers: "127.0.0.1:5353,10.0.0.2", or NULL for those of resolv.conf.
 * NULL: @e says why. */
must_check struct dns *dns_new(struct loop *loop, const char *servers, struct err *e);

/* Asks; see the top. */
void dns_ask(struct dns *dns, struct dns_query *query);

/* Ends the thread; questions under way are never answered (their memory is the asker's again).
 * Accepts NULL. */
void dns_free(struct dns *dns);

/* Gives back the addresses. Accepts zero. */
void dns_query_fini(struct dns_query *query);

#endif
