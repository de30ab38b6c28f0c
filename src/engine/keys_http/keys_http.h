/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys_http/keys_http.h - keys over HTTP: a stage at the end of the path of a request that
 * goes on along the path of a key.
 *
 *     GET|HEAD|PUT|DELETE /kv/KEYSPACE/KEY      a string, its media type, its entity tag
 *     GET|HEAD /kv/KEYSPACE/?from= to= count= reverse      keys of an ordered keyspace
 *
 * One request is one command (PANDO.GET, PANDO.PUT, PANDO.DEL, PANDO.RANGE), so its conditions are
 * judged where the key is held, and no other client comes in between.
 *
 *     submit -> who, where, what -> (the body, gathered) -> a flight to the key path's door
 *            -> its answer becomes the request's
 *
 * A request that is cancelled while its command is under way ends at once; the flight goes on
 * alone, holds the path, and the worker waits for it before it ends.
 *
 * Memory:  the stage is its owner's; what flights hold is counted in `held` and charged to their
 *          connections.
 * Threads: its worker's.
 * Errors:  problem documents (RFC 9457), answered. */
#ifndef PANDO_ENGINE_KEYS_HTTP_KEYS_HTTP_H
#define PANDO_ENGINE_KEYS_HTTP_KEYS_HTTP_H

#include "core/slab.h"
#include "engine/keys_http/keys_http_settings.h"
#include "path/command/key_op.h"
#include "path/stage.h"
#include "path/users/users.h"
#include "path/worker.h"

/* Where they begin: the route of the stage. */
#define KEYS_HTTP_PREFIX "/kv"

struct keys_http_keyspace {
    struct bytes name;
    bool         is_default; /* its keys have no name before a colon */
    bool         is_ordered; /* it can be listed */
    uint64_t     value_bytes_max;
};

/* Bytes of values that the flights and answers of one worker hold; outlives all its stages. */
struct keys_http_held {
    uint64_t bytes;
};

/* Who may come in. */
struct keys_http_users {
    const struct users *users; /* NULL: everybody, and all may all */
    const struct user *(*authenticate)(const struct users *users, struct bytes name,
                                       struct bytes password);
    const struct user *(*nameless)(const struct users *users);
};

/* All is borrowed and outlives the stage. */
struct keys_http_options {
    struct worker                   *worker;
    struct key_door                 *door;
    const struct keys_http_settings *settings;
    struct keys_http_held           *held;
    const struct keys_http_keyspace *keyspaces;
    uint32_t                         keyspaces_count;
    /* The index of the keyspace that has @key; keyspaces_count: none has it. */
    uint32_t (*keyspace_of)(void *self, struct bytes key);
    void                  *self; /* of keyspace_of() */
    struct keys_http_users users;
    /* Only requests for an address or `localhost` are taken: a page of another site, whose name was
     * made to lead here, would be as local as the user. */
    bool is_local;
    /* What a flight that goes on alone walks on. */
    void *path;
    void (*hold)(void *path);
    void (*release)(void *path);
};

struct keys_http_stage {
    struct stage             stage; /* first */
    struct keys_http_options options;
    struct slab              flights;
};

/* Ready for requests. */
void keys_http_stage_init(struct keys_http_stage *stage, const struct keys_http_options *options);

/* No flight is under way. Accepts zero. */
void keys_http_stage_fini(struct keys_http_stage *stage);

#endif
