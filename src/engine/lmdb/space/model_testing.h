/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/space/model_testing.h - for tests: what a space should hold, in the plainest way, and
 * the comparison of everything in it with the space.
 *
 * Memory:  model_init() to model_fini().
 * Threads: one. */
#ifndef PANDO_ENGINE_LMDB_SPACE_MODEL_TESTING_H
#define PANDO_ENGINE_LMDB_SPACE_MODEL_TESTING_H

#include "core/random.h"
#include "engine/keys/space.h"

enum {
    MODEL_KEYS = 12,
    MODEL_MEMBERS = 40,
    MODEL_NAME_MAX = 1200,
    MODEL_STRING_MAX = 150000,
};

struct model_value {
    uint8_t  type;
    uint64_t expires_ms;
    uint8_t *string;
    size_t   string_bytes;
    /* A member's bytes follow from its number and its seed. */
    bool     is_there[2][MODEL_MEMBERS];
    uint32_t seeds[2][MODEL_MEMBERS];
};

struct model {
    bool               is_ordered;
    uint64_t           now_ms;
    struct random      random;
    struct model_value values[MODEL_KEYS];
    /* The members' names in their order. */
    size_t  member_bytes[MODEL_MEMBERS];
    uint8_t members[MODEL_MEMBERS][MODEL_NAME_MAX];
    uint8_t name[MODEL_NAME_MAX];
};

/* An empty model; its draws are those of @seed. */
void model_init(struct model *model, bool is_ordered, uint64_t seed);
/* Frees what it has. */
void model_fini(struct model *model);

/* What is in @from is in @to. */
void model_copy(struct model *to, const struct model *from);

/* Some change by chance, to both, with the same results. */
void model_step(struct model *model, struct space *space);

/* Everything that can be asked of the space is as the model says. */
void model_compare(struct model *model, struct space *space);

/* The key at @index; until the next call. */
struct bytes model_key(struct model *model, unsigned index);

#endif
