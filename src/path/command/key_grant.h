/* SPDX-License-Identifier: Apache-2.0 */
/* path/command/key_grant.h - what a user may do with keys, as an op carries it.
 *
 * The front refuses what a user may not say at all; partition, which knows the keyspace of a key,
 * refuses the keyspaces, and leaves them out of walks over all.
 *
 * Memory:  the users' (path/users/users.h); outlives the op.
 * Threads: constant; any. */
#ifndef PANDO_PATH_COMMAND_KEY_GRANT_H
#define PANDO_PATH_COMMAND_KEY_GRANT_H

#include "core/bytes.h"

struct key_grant {
    bool                is_all;     /* every keyspace */
    bool                reads_only; /* nothing that changes keys */
    const struct bytes *keyspaces;  /* names, ascending */
    uint32_t            keyspaces_count;
};

/* May a user use that keyspace? @grant may be NULL: there are no users, so all may. */
static inline bool key_grant_has(const struct key_grant *grant, struct bytes keyspace)
{
    if (grant == NULL || grant->is_all)
        return true;
    for (uint32_t i = 0; i < grant->keyspaces_count; i++)
        if (bytes_equal(grant->keyspaces[i], keyspace))
            return true;
    return false;
}

#endif
