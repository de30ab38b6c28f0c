/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/space.h - what the commands ask of an embedded engine: keys with values, and ordered
 * members in the large ones.
 *
 * A space is one part of a keyspace that is held by one thread at a time (a stripe of the memory
 * engine under its lock, a shard of LMDB in a transaction). The commands are written once over it.
 *
 * A value is a string, or a collection: one or two trees of members. A tree is a sorted map of
 * bytes to bytes (order of bytes_compare()) that can also be asked by rank:
 *
 *     HASH   tree 0: hash4 member -> the field's value         hash4: 4 bytes, big-endian, of
 *     SET    tree 0: hash4 member -> nothing                   members__hash(), so that the order
 *     ZSET   tree 0: hash4 member -> score, 8 bytes            is as good as random and a cursor of
 *            tree 1: score, sortable 8 bytes, member -> nothing    32 bits says where a walk is
 *     LIST   tree 0: place, 8 bytes big-endian -> the element
 *
 * Memory:  bytes that a space gives stay until the next call that changes this space (or its lock
 *          or transaction ends).
 * Threads: whoever holds the space.
 * Errors:  enum space_result; a value that is damaged on the disk is SPACE_DAMAGED and is never
 *          given. A change that failed has changed nothing. */
#ifndef PANDO_ENGINE_KEYS_SPACE_H
#define PANDO_ENGINE_KEYS_SPACE_H

#include "core/bytes.h"

enum {
    SPACE_KEY_BYTES_MAX = 64 * 1024 - 64, /* as the record's head counts them */
    SPACE_MEMBER_HASH_BYTES = 4,
    SPACE_PLACE_BYTES = 8,
};

/* What a key holds; the names are TYPE's. */
#define KEY_TYPES(X)                                                                               \
    X(NONE, "none")                                                                                \
    X(STRING, "string")                                                                            \
    X(LIST, "list")                                                                                \
    X(SET, "set")                                                                                  \
    X(ZSET, "zset")                                                                                \
    X(HASH, "hash")

enum key_type {
#define X(name, word) KEY_##name,
    KEY_TYPES(X)
#undef X
    KEY_TYPES_COUNT
};

/* What came of a change: the error that a client gets. */
#define SPACE_RESULTS(X)                                                                           \
    X(OK, "")                                                                                      \
    X(FULL, "OOM command not allowed when used memory > 'memory' of the keyspace.")                \
    X(TOO_LARGE, "ERR the value would be larger than 'value-bytes' of the keyspace")               \
    X(KEY_TOO_LONG, "ERR the key is too long: a keyspace of ordered keys takes at most 500 bytes") \
    X(DISK_FULL, "MISCONF the disk of the keyspace is full; reads go on")                          \
    X(DAMAGED, "ERR the stored value is damaged; 'pando check --deep' names the place")            \
    X(FAILED, "ERR the disk of the keyspace does not take writes any more")

enum space_result {
#define X(name, sentence) SPACE_##name,
    SPACE_RESULTS(X)
#undef X
    SPACE_RESULTS_COUNT
};

struct space;

/* What was found under a key. Stays valid while only calls with this struct change the key. */
struct space_value {
    struct space *space;      /* where it was found, or is not */
    uint8_t       type;       /* enum key_type; NONE: nothing is there */
    bool          is_changed; /* the engine's: space_settle() is due */
    uint8_t       media;      /* of a STRING: enum media_type (path/command/media.h) */
    uint64_t      expires_ms; /* Unix time; 0: never */
    uint64_t      count;      /* members of a collection's tree 0 */
    struct bytes  string;     /* of a STRING */
    void         *place;      /* the engine's */
    uint64_t      own[2];     /* the engine's */
};

/* A place in a tree, or behind its end. Any change of the tree ends it; but for `value` of
 * tree_put() with the key it stands at, nothing does so silently: seek anew. */
struct space_cursor {
    struct space       *space;
    struct space_value *value;
    uint8_t             tree;
    bool                is_there; /* false: behind the end, or before the first */
    struct bytes        key, member_value;
    uint64_t            own[12]; /* the engine's */
};

/* What space_scan() calls: false ends the walk. */
typedef bool space_visit(void *self, struct bytes key, const struct space_value *value);

struct space_kind {
    const char *name;

    /* ---- keys ---- */

    /* Fills @value. Not OK only if it is DAMAGED or FAILED; nothing there, or expired at
     * space->now_ms: OK with type NONE. */
    enum space_result (*find)(struct space *space, struct bytes key, struct space_value *value);
    /* The STRING @bytes is under @key from here on, whatever was there; @bytes may lie in this
     * space. It has no media type. */
    enum space_result (*put)(struct space *space, struct bytes key, struct bytes string,
                             uint64_t expires_ms);
    /* The same with the media type @media. */
    enum space_result (*put_as)(struct space *space, struct bytes key, struct bytes string,
                                uint64_t expires_ms, uint8_t media);
    /* Makes the STRING of @value, found under @key (or NONE: then a new one that never expires),
     * @bytes long: what is new is zero. *@at is where it may be written to until space_edited().
     * Its media type stays. */
    enum space_result (*edit)(struct space *space, struct bytes key, struct space_value *value,
                              size_t bytes, uint8_t **at);
    enum space_result (*edited)(struct space *space, struct bytes key, struct space_value *value);
    /* False: it was not there. */
    bool (*remove)(struct space *space, struct bytes key);
    /* 0: never. @value was found under @key. */
    enum space_result (*expire)(struct space *space, struct bytes key, struct space_value *value,
                                uint64_t expires_ms);
    /* A new collection, empty, at a key that has nothing; fills @value. */
    enum space_result (*create)(struct space *space, struct bytes key, enum key_type type,
                                struct space_value *value);
    /* After changes to trees of @value: writes what is due; an empty collection is removed. Once,
     * also after a tree_put() that failed. */
    enum space_result (*settle)(struct space *space, struct bytes key, struct space_value *value);
    /* What is under @key is under @to_key of @to from here on, over what is there; its expiry goes
     * along. Both spaces are of one engine; it may be the same one. */
    enum space_result (*rename)(struct space *space, struct bytes key, struct space *to,
                                struct bytes to_key);

    /* ---- members; value->space holds them ---- */

    enum space_result (*tree_get)(struct space_value *value, unsigned tree, struct bytes key,
                                  struct bytes *found, bool *is_there);
    /* *@is_new: it was not there. */
    enum space_result (*tree_put)(struct space_value *value, unsigned tree, struct bytes key,
                                  struct bytes bytes, bool *is_new);
    enum space_result (*tree_remove)(struct space_value *value, unsigned tree, struct bytes key,
                                     bool *was_there);
    /* The cursor stands at the first key that is @key or above it. */
    void (*seek)(struct space_cursor *cursor, struct bytes key);
    /* At the one with @rank others below it. */
    void (*seek_rank)(struct space_cursor *cursor, uint64_t rank);
    /* Behind the end; prev() then goes to the last. */
    void (*seek_end)(struct space_cursor *cursor);
    void (*next)(struct space_cursor *cursor);
    void (*prev)(struct space_cursor *cursor);
    /* How many are below where it stands; all of them behind the end. */
    uint64_t (*rank)(struct space_cursor *cursor);

    /* ---- all keys ---- */

    uint64_t (*count)(struct space *space);
    /* Visits keys in the order of their positions, from @*position on, all of one position
     * together, until @budget were looked at or visit() is false; then *@position is where to go
     * on, or SPACE_SCAN_END. A key that is there throughout is visited. The visitor must not change
     * the space. */
    void (*scan)(struct space *space, uint64_t *position, size_t budget, space_visit *visit,
                 void *self);
    /* A key as good as by chance; false: none is there. */
    bool (*random)(struct space *space, uint64_t draw, struct bytes *key);
    /* Of a space whose keys are ordered: the first key that is @from or above it (@is_reverse: or
     * below it); @is_after: not @from itself. False: there is none. */
    bool (*beside)(struct space *space, struct bytes from, bool is_reverse, bool is_after,
                   struct bytes *key);
    void (*clear)(struct space *space);
    /* Bytes that @value takes with its key and all that holding them takes; NULL: not known, what
     * is written has to be counted. */
    uint64_t (*bytes)(struct space_value *value);
};

enum { SPACE_POSITION_BITS = 32 };
#define SPACE_SCAN_END ((uint64_t)1 << SPACE_POSITION_BITS)

struct space {
    const struct space_kind *kind;
    uint64_t                 now_ms;     /* Unix time of the command that holds it */
    bool                     is_ordered; /* its keys are in the order of their bytes: beside() */
};

/* The word of TYPE; static. */
const char *key_type_name(enum key_type type);

/* The error that a client gets for a result that is not OK; static. */
const char *space_result_text(enum space_result result);

#endif
