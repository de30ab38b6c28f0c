/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/members.h - members of hashes, sets and sorted sets by their names: the keys of tree
 * 0 and the walk over it.
 *
 * Threads: whoever holds the space. */
#ifndef PANDO_ENGINE_KEYS_MEMBERS_H
#define PANDO_ENGINE_KEYS_MEMBERS_H

#include "engine/keys/run.h"

enum { MEMBER_BYTES_MAX = 64 * 1024 * 1024 }; /* of a name; its key is four bytes longer */

/* The hash that orders members: XXH3 folded to 32 bits, without a secret, so that it is the same
 * after a restart. (Clients that choose members with one hash make no chain: the tree is sorted by
 * the names then.) */
uint32_t members_hash(struct bytes member);

/* The key of @member in tree 0, in the run's scratch; NULL at is no memory, answered. */
struct bytes members_key(struct run *run, struct bytes member);

/* The member's name in a key of tree 0. */
static inline struct bytes members_name(struct bytes key)
{
    return (struct bytes){key.at + SPACE_MEMBER_HASH_BYTES, key.count - SPACE_MEMBER_HASH_BYTES};
}

/* False: damaged, answered. *@is_there: whether it was found. */
bool members_get(struct run *run, struct space_value *value, struct bytes member,
                 struct bytes *found, bool *is_there) must_check;

/* Puts @member with @bytes into tree 0. The value is a collection (created by the caller where
 * there was none). False: answered. */
bool members_put(struct run *run, struct space_value *value, struct bytes member,
                 struct bytes bytes, bool *is_new) must_check;

/* The same for removing it; *@was_there: whether it was a member. */
bool members_remove(struct run *run, struct space_value *value, struct bytes member,
                    bool *was_there) must_check;

/* HDEL, SREM: removes the members args[2] and on from what args[1] holds, and answers how many
 * there were. */
void members_remove_listed(struct run *run, enum key_type type);

/* A cursor in tree @tree of @value, not placed yet. */
static inline struct space_cursor space_cursor_of(struct space *space, struct space_value *value,
                                                  unsigned tree)
{
    return (struct space_cursor){.space = space, .value = value, .tree = (uint8_t)tree};
}

/* HSCAN, SSCAN, ZSCAN: reads cursor and options, walks, and answers. @write writes one member; it
 * returns how many elements of the answer that made. */
void members_scan(struct run *run, enum key_type type,
                  unsigned (*write)(struct run *run, const struct space_cursor *cursor));

/* The member at a rank that was drawn; the tree is not empty. */
void members_draw(struct run *run, struct space_cursor *cursor);

/* @count different ranks below @total, of which there are more, by chance: every choice is as
 * likely. In scratch; NULL: none, answered. */
uint64_t *members_choose(struct run *run, uint64_t total, uint64_t count) must_check;

/* Calls @write where the cursor stands and at those that follow, @count in all. If the tree ends
 * before, it is damaged: the answer from @begun, a value of run->out->used, is taken back, and that
 * is answered. True: all of the answer is there. */
bool members_write(struct run *run, struct space_cursor *cursor, uint64_t count, size_t begun,
                   void (*write)(struct run *run, const struct space_cursor *cursor));

/* Takes back the answer from @begun and answers the error of @result, which is not OK. */
void members_refuse(struct run *run, size_t begun, enum space_result result);

/* Something was answered too early: takes back what was written from @begun on to @error, where the
 * error begins that stays. */
void members_unsay(struct run *run, size_t begun, size_t error);

/* A copy in scratch; NULL at is no memory, answered. */
struct bytes members_copy(struct run *run, struct bytes bytes);

#endif
