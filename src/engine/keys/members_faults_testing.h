/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/members_faults_testing.h - for tests only: a memory space whose calls can be made to
 * fail. One at a time in a process. */
#ifndef PANDO_ENGINE_KEYS_MEMBERS_FAULTS_TESTING_H
#define PANDO_ENGINE_KEYS_MEMBERS_FAULTS_TESTING_H

#include "engine/keys/members.h"
#include "engine/memory/memory_space.h"

/* The call of a sort that fails: 1 is the next, 0 none. */
struct members_testing_fault {
    unsigned          nth;
    enum space_result result;
};

struct members_testing {
    struct memory_space         *memory;
    struct space                *space;
    const struct space_kind     *below; /* the memory's */
    struct space_kind            kind;  /* the same, but for faults */
    struct members_testing_fault put, get, take, rename, create;
    unsigned                     puts_count;
    unsigned                     cursor_steps; /* before cursors find nothing more; 0: never */
    struct random                chance;
    size_t                       answer_bytes_max; /* 0: no limit */
    char                        *answer;           /* the last one */
    size_t                       answer_room;
};

static inline struct members_testing *members_testing(void)
{
    static struct members_testing testing;
    return &testing;
}

static inline bool members_testing_strikes(struct members_testing_fault *fault)
{
    return fault->nth > 0 && --fault->nth == 0;
}

static inline enum space_result members_testing_put(struct space_value *value, unsigned tree,
                                                    struct bytes key, struct bytes bytes,
                                                    bool *is_new)
{
    struct members_testing *t = members_testing();
    t->puts_count++;
    return members_testing_strikes(&t->put) ? t->put.result
                                            : t->below->tree_put(value, tree, key, bytes, is_new);
}

static inline enum space_result members_testing_get(struct space_value *value, unsigned tree,
                                                    struct bytes key, struct bytes *found,
                                                    bool *is_there)
{
    struct members_testing *t = members_testing();
    return members_testing_strikes(&t->get) ? t->get.result
                                            : t->below->tree_get(value, tree, key, found, is_there);
}

static inline enum space_result members_testing_take(struct space_value *value, unsigned tree,
                                                     struct bytes key, bool *was_there)
{
    struct members_testing *t = members_testing();
    return members_testing_strikes(&t->take) ? t->take.result
                                             : t->below->tree_remove(value, tree, key, was_there);
}

static inline enum space_result members_testing_rename(struct space *space, struct bytes key,
                                                       struct space *to, struct bytes to_key)
{
    struct members_testing *t = members_testing();
    return members_testing_strikes(&t->rename) ? t->rename.result
                                               : t->below->rename(space, key, to, to_key);
}

static inline enum space_result members_testing_create(struct space *space, struct bytes key,
                                                       enum key_type type,
                                                       struct space_value *value)
{
    struct members_testing *t = members_testing();
    return members_testing_strikes(&t->create) ? t->create.result
                                               : t->below->create(space, key, type, value);
}

static inline void members_testing_next(struct space_cursor *cursor)
{
    struct members_testing *t = members_testing();
    t->below->next(cursor);
    if (t->cursor_steps > 0 && --t->cursor_steps == 0)
        cursor->is_there = false;
}

/* Puts the calls above in the place of the memory's. */
static inline void members_testing_intercept(void)
{
    struct members_testing *t = members_testing();
    t->below = t->space->kind;
    t->kind = *t->below;
    t->kind.tree_put = members_testing_put;
    t->kind.tree_get = members_testing_get;
    t->kind.tree_remove = members_testing_take;
    t->kind.rename = members_testing_rename;
    t->kind.create = members_testing_create;
    t->kind.next = members_testing_next;
    t->space->kind = &t->kind;
}

#endif
