/* SPDX-License-Identifier: Apache-2.0 */
/* main/node_id.h - the id by which clients of Redis Cluster know this node.
 *
 * Memory:  the caller's. Threads: one at a time. */
#ifndef PANDO_MAIN_NODE_ID_H
#define PANDO_MAIN_NODE_ID_H

#include "core/err.h"
#include "front/resp/node/resp_node.h"

/* Reads it from the file `node-id` in the folder @data, or draws one and writes it there. Where the
 * folder is not there, nothing is kept on this disk, and the id is one of this process. An error:
 * the file could be neither read nor written; @id is filled nevertheless. */
enum err_kind node_id_read(const char *data, char id[RESP_NODE_ID_BYTES + 1], struct err *e);

#endif
