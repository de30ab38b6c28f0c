/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/whole.h - changes of many members that happen whole or not at all.
 *
 * A space promises that of one change; a command that puts many members and finds no room for the
 * last is answered with an error, so the first must go again. Two ways:
 *
 * - a trail remembers what each put replaced, and goes back over it: for what is added to a value
 *   that is there;
 * - a value that is new as a whole (SINTERSTORE, SORT STORE) is built aside, at a key that nobody
 *   can have named, and takes the place of the old one when it is complete.
 *
 * Going back puts old bytes where they were, step by step. A memory space keeps what it was granted
 * until the command ends, so there is room for what was there a moment ago; if a space should have
 * none all the same, such a member stays as the command set it.
 *
 * Memory:  the run's scratch.
 * Threads: whoever holds the space.
 * Errors:  false: answered. */
#ifndef PANDO_ENGINE_KEYS_WHOLE_H
#define PANDO_ENGINE_KEYS_WHOLE_H

#include "engine/keys/run.h"

struct trail_step;

struct trail {
    struct run         *run;
    struct space       *space;
    struct space_value *value;
    struct trail_step  *last; /* NULL: nothing was put */
};

/* members_put() that can be taken back. @keeps_old: the members have bytes, which it remembers. */
bool trail_put(struct trail *trail, struct bytes member, struct bytes bytes, bool keeps_old,
               bool *is_new) must_check;

/* All that was put is as it was before. The value is still to be settled. */
void trail_back(struct trail *trail);

enum { ASIDE_NAME_BYTES = 24 };

struct aside {
    struct run        *run;
    struct space      *space;
    struct space_value value;
    uint8_t            name[ASIDE_NAME_BYTES];
};

/* An empty collection of @type in @space. */
bool aside_begin(struct aside *aside, struct run *run, struct space *space, enum key_type type)
    must_check;

/* Puts one into tree @tree. False: answered, and what was built is gone. @bytes and @key do not lie
 * in the space. */
bool aside_put(struct aside *aside, unsigned tree, struct bytes key, struct bytes bytes) must_check;

/* It is under @key from here on, over what is there, and never expires. At least one was put.
 * False: answered, and what was built is gone. */
bool aside_keep(struct aside *aside, struct bytes key) must_check;

#endif
