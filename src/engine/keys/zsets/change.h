/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/zsets/change.h - changes of scores in one sorted set that are made all or not at all.
 *
 * A changed member's place in the tree by score is first added and the old one left where it is, so
 * that what must be taken back if there is no room is only removed and written over, which needs no
 * room. At the end the old places go.
 *
 * Memory:  scratch of the run.
 * Threads: whoever holds the space. */
#ifndef PANDO_ENGINE_KEYS_ZSETS_CHANGE_H
#define PANDO_ENGINE_KEYS_ZSETS_CHANGE_H

#include "engine/keys/zsets/zset.h"

struct zsets_change {
    struct bytes member;
    double       before, after;
    bool         was_there;
    bool         is_new_place; /* in the tree by score: false if an earlier change left it there */
};

struct zsets_changes {
    struct zset         *zset;
    struct zsets_change *at;
    uint32_t             count;
    double               before;       /* of the member that was looked at last */
    bool                 has_returned; /* some member went back to a place that it had left */
    enum space_result    result;       /* of the first that failed */
};

/* Room for @count_max changes; @zset has room for the names. */
bool zsets__changes_init(struct zsets_changes *changes, struct zset *zset, uint32_t count_max)
    must_check;

/* The score of @member as it is now, into changes->before; NULL: it is no member. Failures are kept
 * in changes->result. */
const double *zsets__changes_look(struct zsets_changes *changes, struct bytes member);

/* Puts the member that was looked at last, where @before came from, to @after. Failures are
 * kept. */
void zsets__change(struct zsets_changes *changes, struct bytes member, const double *before,
                   double after);

/* Ends them, and settles. False: all of them were taken back, and the error is answered. */
bool zsets__changes_end(struct zsets_changes *changes) must_check;

#endif
