/* SPDX-License-Identifier: Apache-2.0 */
/* main/explain/server_explain.h - where a key is, as the running process knows it.
 *
 * A worker asks the key's shard as for any client, so what is said is what a client would find.
 *
 * Threads: the control thread. */
#ifndef PANDO_MAIN_EXPLAIN_SERVER_EXPLAIN_H
#define PANDO_MAIN_EXPLAIN_SERVER_EXPLAIN_H

#include "main/server_inside.h"

/* Of struct admin_sources: `explain`. With key=, the key (explain_key.h) and more:
 *
 *     {..., "live": true, "there": true, "type": "hash", "expires_ms": 1764259200000 or null}
 *
 * or "trouble" instead of the last three; else what server__explain() says of a request. */
unsigned server__explain_any(void *self, const struct admin_query *query, FILE *out);

#endif
