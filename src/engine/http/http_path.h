/* SPDX-License-Identifier: Apache-2.0 */
/* engine/http/http_path.h - whether what is sent to a server arrives at its host at all. Pure.
 *
 * A server that is slow or stopped is not taken for one that is cut off: its kernel acknowledges
 * what it is sent, or says that it has no room. One that has acknowledged nothing of what left a
 * while ago, is not full, and has not acknowledged anything else in that time, is not there
 * (docs/decisions/0010).
 *
 * Time:    nanoseconds; passed in, never read.
 * Memory:  none. Threads: any. Errors: none. */
#ifndef PANDO_ENGINE_HTTP_HTTP_PATH_H
#define PANDO_ENGINE_HTTP_HTTP_PATH_H

#include "loop/conn.h"

/* How long an acknowledgement is waited for, where connecting may take @connect_timeout_ns: as
 * long, but at least 250 ms. Kernels delay acknowledgements by up to 200 ms, and repeat a lost
 * segment after as long (Linux: TCP_DELACK_MAX, TCP_RTO_MIN). */
uint64_t http_path_patience_ns(uint64_t connect_timeout_ns);

/* @left_bytes: how much had left in all at a moment that is @patience_ns ago or longer.
 * @acks: what is acknowledged now. */
bool http_path_is_lost(const struct conn_acks *acks, uint64_t left_bytes, uint64_t patience_ns);

#endif
