/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/space/inside.h - what the files of a space share.
 *
 * Memory:  as lmdb_space.h.
 * Errors:  lmdb__fail() remembers the first one; what follows in the transaction says the same. */
#ifndef PANDO_ENGINE_LMDB_SPACE_INSIDE_H
#define PANDO_ENGINE_LMDB_SPACE_INSIDE_H

#include "engine/lmdb/space/lmdb_space.h"
#include "engine/lmdb/space/record.h"

#include <lmdb.h>

/* What value->own[1] says. */
enum {
    LMDB_VALUE_IS_STORED = 1,  /* a record is there */
    LMDB_VALUE_IS_CHUNKED = 2, /* value->own[0] is the id of its chunks, not of its members */
};

/* What is under a key, without what lies in LMDB's memory. */
struct lmdb_old {
    bool     is_there;
    bool     is_damaged; /* nothing else is known of it then */
    uint8_t  type;
    bool     is_chunked;
    uint64_t expires_ms;
    uint64_t id;
    uint64_t count; /* of members, or bytes in chunks */
};

static inline struct lmdb_space *lmdb__of(struct space *space)
{
    return (struct lmdb_space *)(void *)space;
}

static inline MDB_val lmdb__val(struct bytes bytes)
{
    return (MDB_val){bytes.count, (void *)(uintptr_t)bytes.at};
}

static inline struct bytes lmdb__bytes(MDB_val val)
{
    return (struct bytes){val.mv_data, val.mv_size};
}

static inline bool lmdb__is_over(uint64_t expires_ms, uint64_t now_ms)
{
    return expires_ms != 0 && expires_ms <= now_ms;
}

/* ---- lmdb_space.c: the transaction, memory, LMDB's calls ---- */

/* Notes LMDB's @error and gives what it means. */
enum space_result lmdb__fail(struct lmdb_space *space, int error);
/* The same for a result of our own. */
enum space_result lmdb__refuse(struct lmdb_space *space, enum space_result result);
/* A sum was wrong: a command that writes is called off, one that reads answers the error. */
enum space_result lmdb__damaged(struct lmdb_space *space);

/* Room for the record being written, until the next call; NULL: noted. */
uint8_t *lmdb__buffer(struct lmdb_space *space, size_t bytes) must_check;
/* Scratch until the command is over; NULL: noted. */
uint8_t *lmdb__block(struct lmdb_space *space, size_t bytes) must_check;

/* May a change of @bytes be made? */
enum space_result lmdb__begin_change(struct lmdb_space *space, size_t bytes) must_check;

/* The bytes under @key of a database. */
enum space_result lmdb__get(struct lmdb_space *space, enum lmdb_database database, struct bytes key,
                            struct bytes *value, bool *is_there) must_check;
/* Puts them there. */
enum space_result lmdb__put(struct lmdb_space *space, enum lmdb_database database, struct bytes key,
                            struct bytes value) must_check;
/* Deletes what is there. */
enum space_result lmdb__delete(struct lmdb_space *space, enum lmdb_database database,
                               struct bytes key, bool *was_there) must_check;
/* Deletes what begins with @prefix, at most @most; *@deleted of them. */
enum space_result lmdb__delete_all(struct lmdb_space *space, enum lmdb_database database,
                                   struct bytes prefix, uint64_t most, uint64_t *deleted)
    must_check;

/* A number that neither chunks nor members have; 0: noted. */
uint64_t lmdb__new_id(struct lmdb_space *space) must_check;

/* ---- gap.c ---- */

/* @key was not found in KEYS or MEMBERS: do its neighbours bear that out? */
enum space_result lmdb__check_miss(struct lmdb_space *space, enum lmdb_database database,
                                   struct bytes key) must_check;
/* The same of the one below, of a cursor that stands at the first above @key, or has found none;
 * it stands there afterwards. */
enum space_result lmdb__check_below(struct lmdb_space *space, enum lmdb_database database,
                                    MDB_cursor *cursor, bool is_at_end, struct bytes key)
    must_check;

/* ---- keys.c ---- */

/* May a record be written under @key, with @bytes more? Gives LMDB's key of it. */
enum space_result lmdb__begin_at(struct lmdb_space *space, struct bytes key, size_t bytes,
                                 struct record_key *lmdb_key) must_check;
/* LMDB's key of the record of @key. */
void lmdb__record_key(const struct lmdb_space *space, struct bytes key,
                      struct record_key *lmdb_key);
/* The key that a record is about. */
struct bytes lmdb__name_of(const struct lmdb_space *space, struct bytes lmdb_key,
                           const struct record *record);
/* What is there; of another key that is cut alike, nothing. */
enum space_result lmdb__look(struct lmdb_space *space, struct bytes key,
                             const struct record_key *lmdb_key, struct lmdb_old *old) must_check;
/* Writes the record; what was there goes, but for what it has the id of. */
enum space_result lmdb__replace(struct lmdb_space *space, struct bytes key,
                                const struct record_key *lmdb_key, const struct lmdb_old *old,
                                struct record *record) must_check;
/* Removes the record and all that belongs to it. */
enum space_result lmdb__remove(struct lmdb_space *space, struct bytes key,
                               const struct record_key *lmdb_key, const struct lmdb_old *old)
    must_check;
/* What @value was found as. */
struct lmdb_old lmdb__old_of(const struct space_value *value);

/* ---- strings.c ---- */

/* The string of @bytes bytes that lies in chunks under @id, in the scratch of the space. */
enum space_result lmdb__read_chunks(struct lmdb_space *space, uint64_t id, uint64_t bytes,
                                    struct bytes *string) must_check;
/* Those of @string; what is there and the same stays, what is behind it goes. */
enum space_result lmdb__write_chunks(struct lmdb_space *space, uint64_t id, struct bytes string)
    must_check;
/* All of that id. */
enum space_result lmdb__delete_chunks(struct lmdb_space *space, uint64_t id) must_check;
/* The record's payload for @string: itself, or in @pair, written as chunks under @id (0: a new
 * one). */
enum space_result lmdb__lay_string(struct lmdb_space *space, struct record *record,
                                   struct bytes string, uint64_t id, uint64_t pair[2]) must_check;
/* The vtable's (space.h): gives scratch that holds the string. */
enum space_result lmdb__edit(struct space *space, struct bytes key, struct space_value *value,
                             size_t bytes, uint8_t **at);
/* The vtable's: writes what is in it. */
enum space_result lmdb__edited(struct space *space, struct bytes key, struct space_value *value);

/* ---- tree.c ---- */

/* Members; as space.h says. */
enum space_result lmdb__tree_get(struct space_value *value, unsigned tree, struct bytes key,
                                 struct bytes *found, bool *is_there);
/* As space.h says. */
enum space_result lmdb__tree_put(struct space_value *value, unsigned tree, struct bytes key,
                                 struct bytes bytes, bool *is_new);
/* As space.h says. */
enum space_result lmdb__tree_remove(struct space_value *value, unsigned tree, struct bytes key,
                                    bool *was_there);
/* Cursors; as space.h says. */
void lmdb__seek(struct space_cursor *cursor, struct bytes key);
/* As space.h says; walks. */
void lmdb__seek_rank(struct space_cursor *cursor, uint64_t rank);
/* As space.h says. */
void lmdb__seek_end(struct space_cursor *cursor);
/* As space.h says. */
void lmdb__next(struct space_cursor *cursor);
/* As space.h says. */
void lmdb__prev(struct space_cursor *cursor);
/* As space.h says; walks. */
uint64_t lmdb__rank(struct space_cursor *cursor);
/* Removes the members of @id, at once or, where there are many, bit by bit later. */
enum space_result lmdb__delete_members(struct lmdb_space *space, uint64_t id, uint64_t count)
    must_check;

/* ---- all.c ---- */

/* All keys; as space.h says. */
uint64_t lmdb__count(struct space *space);
/* As space.h says. */
void lmdb__scan(struct space *space, uint64_t *position, size_t budget, space_visit *visit,
                void *self);
/* As space.h says. */
bool lmdb__random(struct space *space, uint64_t draw, struct bytes *key);
/* As space.h says. */
bool lmdb__beside(struct space *space, struct bytes from, bool is_reverse, bool is_after,
                  struct bytes *key);
/* As space.h says. */
void lmdb__clear(struct space *space);

/* The vtable. */
extern const struct space_kind lmdb__space_kind;

#endif
