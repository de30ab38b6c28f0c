/* SPDX-License-Identifier: Apache-2.0 */
/* admit/admit.h - may it come in now? Limits on connections, connections per client, requests in
 * flight, descriptors.
 *
 * One struct admit per process, shared by all workers; one admit_stage per service and worker, only
 * where a limit on
 * requests is set.
 *
 * Memory:  one entry per client address with an open connection, in a table that grows and never
 * shrinks.
 * Threads: any; the totals are atomics, the table has a lock that is held for one probe, at accept
 * and close only.
 * Errors:  a limit that is reached refuses with LIMIT or CLIENT_LIMIT; never a queue. */
#ifndef PANDO_ADMIT_ADMIT_H
#define PANDO_ADMIT_ADMIT_H

#include "admit/admit_settings.h"
#include "core/hash.h"
#include "path/admission.h"
#include "path/op.h"
#include "path/stage.h"

#include <pthread.h>
#include <stdatomic.h>

struct admit_client {
    uint8_t  address[16]; /* IPv4 as ::ffff:a.b.c.d; IPv6: its /64, the rest zero; unix: all zero */
    uint32_t count;       /* 0: a free place */
};

struct admit {
    struct admission admission; /* first */
    _Atomic uint32_t connections;
    _Atomic uint32_t connections_max;
    _Atomic uint32_t per_client_max;
    _Atomic uint32_t descriptors_kept;
    uint64_t         descriptors_limit; /* of the process, at the start */
    _Atomic bool     is_short;          /* accepting pauses for lack of descriptors */
    void (*told)(void *self,
                 bool  pauses); /* on each change of is_short; any worker's thread; may be NULL */
    void                *told_self;
    _Atomic uint32_t     requests;
    _Atomic uint32_t     requests_max; /* 0: none */
    struct hash_key      key;
    pthread_mutex_t      lock; /* over the table */
    struct admit_client *table;
    uint32_t             table_size; /* a power of two */
    uint32_t             clients_count;
};

/* @key keeps clients from choosing where they land in the table. False: no memory. */
bool admit_init(struct admit *admit, const struct admit_settings *settings, struct hash_key key)
    must_check;
void admit_change(struct admit *admit, const struct admit_settings *settings);
void admit_fini(struct admit *admit);

/* One per service and worker. */
struct admit_stage {
    struct stage      stage; /* first */
    struct admit     *admit;
    _Atomic uint32_t *service_requests;     /* of the service, over all workers */
    uint32_t          service_requests_max; /* 0: none */
};

/* @admit, @service_requests and @below outlive the stage; a counter of the service is shared by all
 * workers. */
void admit_stage_init(struct admit_stage *stage, struct admit *admit,
                      _Atomic uint32_t *service_requests,
                      const struct admit_service_settings *settings, struct stage *below);

#endif
