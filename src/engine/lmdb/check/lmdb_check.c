/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/check/lmdb_check.c - every record, and what must agree with what.
 *
 * KEYS is walked first; it says which ids of members and chunks there are, how many of each, and
 * that its entries in EXPIRY and POSITIONS are there. The others are walked then, and what is of no
 * key is found. */
#include "engine/lmdb/check/lmdb_check.h"

#include "core/mem.h"
#include "engine/lmdb/space/record.h"

#include <ctype.h>
#include <lmdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    NAME_SHOWN_MAX = 64,
    MEMBERS_PREFIX = RECORD_ID_BYTES + 1,
};

/* What a key says lies elsewhere. */
struct owner {
    uint64_t id;
    uint64_t count; /* of members, or bytes of chunks */
    bool     is_chunked;
    bool     is_trash;
};

struct owners {
    struct owner *at; /* by id once sorted */
    size_t        count, room;
};

struct name_shown {
    char text[2 + 4 * NAME_SHOWN_MAX + 8];
};

void lmdb__find(struct lmdb_check *check, const char *format, ...)
{
    char sentence[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    check->checked->findings++;
    if (check->report != NULL)
        check->report(check->self, sentence);
}

/* As people can read it: 'carts:42', with \x00 for what is not printed. */
static const char *show(struct bytes name, struct name_shown *shown)
{
    char *out = shown->text;
    *out++ = '\'';
    for (size_t i = 0; i < name.count && i < NAME_SHOWN_MAX; i++) {
        if (isprint(name.at[i]) && name.at[i] != '\\')
            *out++ = (char)name.at[i];
        else
            out += sprintf(out, "\\x%02x", name.at[i]);
    }
    (void)sprintf(out, "%s'", name.count > NAME_SHOWN_MAX ? "..." : "");
    return shown->text;
}

/* ---- walking ---- */

/* False ends the walk: there is no memory. */
typedef bool visitor(struct lmdb_check *check, struct owners *owners, struct bytes key,
                     struct bytes value);

static enum err_kind walk(struct lmdb_check *check, enum lmdb_database database,
                          struct owners *owners, visitor *visit, struct err *e)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    bool goes_on = true;
    int error = mdb_cursor_open(check->txn, check->shard->databases[database], &cursor);
    if (error != 0)
        return err_set(e, ERR_SYSTEM, "check: %s", mdb_strerror(error));
    error = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    while (error == 0 && goes_on) {
        const struct bytes value_bytes = {value.mv_data, value.mv_size};
        if (lmdb_shard_has(check->shard, value_bytes))
            goes_on = visit(check, owners, (struct bytes){key.mv_data, key.mv_size}, value_bytes);
        else
            lmdb__find(check, "a value of %zu bytes lies behind the end of the file",
                       value_bytes.count);
        error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (!goes_on)
        return err_set(e, ERR_MEMORY, "check %.150s", check->shard->path);
    if (error != 0 && error != MDB_NOTFOUND)
        lmdb__find(check, "a walk ended early: %s", mdb_strerror(error));
    return ERR_NONE;
}

static bool has(struct lmdb_check *check, enum lmdb_database database, struct bytes key,
                struct bytes *value)
{
    MDB_val lmdb_key = {key.count, (void *)(uintptr_t)key.at}, found;
    if (mdb_get(check->txn, check->shard->databases[database], &lmdb_key, &found) != 0)
        return false;
    *value = (struct bytes){found.mv_data, found.mv_size};
    return true;
}

/* ---- owners ---- */

static bool add_owner(struct owners *owners, struct owner owner)
{
    if (owners->count == owners->room) {
        const size_t room = owners->room == 0 ? 64 : 2 * owners->room;
        struct owner *at = mem_resize(owners->at, room * sizeof *at);
        if (at == NULL)
            return false;
        owners->at = at;
        owners->room = room;
    }
    owners->at[owners->count++] = owner;
    return true;
}

static int by_id(const void *a, const void *b)
{
    const struct owner *left = a, *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

static struct owner *owner_of(struct owners *owners, uint64_t id)
{
    const struct owner key = {.id = id};
    return owners->count == 0 ? NULL : bsearch(&key, owners->at, owners->count, sizeof key, by_id);
}

/* ---- keys ---- */

static size_t key_prefix(const struct lmdb_check *check)
{
    return check->shard->is_ordered ? 1 : RECORD_POSITION_BYTES;
}

static void check_expiry(struct lmdb_check *check, struct bytes lmdb_key, uint64_t expires_ms,
                         const char *shown)
{
    uint8_t prefix[8];
    struct record_key entry;
    struct bytes value;
    record_put_u64(prefix, expires_ms);
    record_key_make(&entry, (struct bytes){prefix, sizeof prefix}, lmdb_key, check->shard->secret);
    if (expires_ms != 0 && !has(check, LMDB_EXPIRY, record_key_bytes(&entry), &value))
        lmdb__find(check, "keys: %s: it would not be removed when its time comes", shown);
}

static void check_place(struct lmdb_check *check, struct bytes lmdb_key, struct bytes name,
                        const char *shown)
{
    uint8_t prefix[RECORD_POSITION_BYTES];
    struct record_key position;
    struct bytes value;
    record_put_u32(prefix, record_position(name, check->shard->name_bytes, check->shard->secret));
    record_key_make(&position, (struct bytes){prefix, sizeof prefix}, name, check->shard->secret);
    const bool is_right = check->shard->is_ordered
                              ? has(check, LMDB_POSITIONS, record_key_bytes(&position), &value)
                              : bytes_equal(record_key_bytes(&position), lmdb_key);
    if (!is_right)
        lmdb__find(check, "keys: %s: it is not where SCAN would find it", shown);
}

static bool visit_key(struct lmdb_check *check, struct owners *owners, struct bytes key,
                      struct bytes value)
{
    struct record record;
    struct name_shown shown;
    uint64_t pair[2];
    const size_t prefix = key_prefix(check);
    const bool is_named = key.count >= prefix;
    struct bytes name = {key.at + prefix, is_named ? key.count - prefix : 0};
    check->checked->keys++;
    if (!is_named || !record_read(&record, value, key)) {
        lmdb__find(check, "keys: %s: its sum is wrong", show(name, &shown));
        return true;
    }
    if (record_is_cut(key))
        name = record.name;
    show(name, &shown);
    check_expiry(check, key, record.expires_ms, shown.text);
    check_place(check, key, name, shown.text);
    if (!record_is_elsewhere(&record))
        return true;
    record_read_pair(record.payload, pair);
    return add_owner(
        owners,
        (struct owner){.id = pair[0], .count = pair[1], .is_chunked = record.type == KEY_STRING});
}

static bool visit_trash(struct lmdb_check *check, struct owners *owners, struct bytes key,
                        struct bytes value)
{
    (void)value;
    if (key.count != RECORD_ID_BYTES) {
        lmdb__find(check, "trash: an entry of %zu bytes", key.count);
        return true;
    }
    return add_owner(owners, (struct owner){.id = record_get_u64(key.at), .is_trash = true});
}

/* ---- the others ---- */

static bool visit_expiry(struct lmdb_check *check, struct owners *owners, struct bytes key,
                         struct bytes value)
{
    struct record record;
    struct bytes found;
    (void)owners;
    const struct bytes lmdb_key =
        record_is_cut(key) ? value : (struct bytes){key.at + 8, key.count > 8 ? key.count - 8 : 0};
    if (lmdb_key.count == 0 || !has(check, LMDB_KEYS, lmdb_key, &found)) {
        lmdb__find(check, "expiry: an entry is of no key");
    } else if (record_read(&record, found, lmdb_key) &&
               record.expires_ms != record_get_u64(key.at)) {
        struct name_shown shown;
        const size_t prefix = key_prefix(check);
        lmdb__find(check, "expiry: %s: an entry has another time than the key",
                   show((struct bytes){lmdb_key.at + prefix, lmdb_key.count - prefix}, &shown));
    }
    return true;
}

static bool visit_position(struct lmdb_check *check, struct owners *owners, struct bytes key,
                           struct bytes value)
{
    uint8_t at[RECORD_KEY_MAX] = {0};
    (void)owners;
    (void)value;
    if (key.count >= RECORD_POSITION_BYTES) {
        const size_t bytes = key.count - RECORD_POSITION_BYTES;
        struct bytes found;
        memcpy(at + 1, key.at + RECORD_POSITION_BYTES, bytes);
        if (has(check, LMDB_KEYS, (struct bytes){at, bytes + 1}, &found))
            return true;
    }
    lmdb__find(check, "positions: an entry is of no key");
    return true;
}

static bool visit_member(struct lmdb_check *check, struct owners *owners, struct bytes key,
                         struct bytes value)
{
    struct bytes name = {0}, bytes;
    struct name_shown shown;
    check->checked->members++;
    const bool is_named = key.count >= MEMBERS_PREFIX;
    if (!is_named || !record_read_member(value, key, MEMBERS_PREFIX, &name, &bytes)) {
        name = (struct bytes){key.at + MEMBERS_PREFIX, is_named ? key.count - MEMBERS_PREFIX : 0};
        lmdb__find(check, "members: %s: its sum is wrong", show(name, &shown));
        return true;
    }
    struct owner *owner = owner_of(owners, record_get_u64(key.at));
    if (owner == NULL || owner->is_chunked)
        lmdb__find(check, "members: %s is of no key", show(name, &shown));
    else if (key.at[RECORD_ID_BYTES] == 0 && !owner->is_trash)
        owner->count--; /* 0 when all are seen */
    return true;
}

static bool visit_chunk(struct lmdb_check *check, struct owners *owners, struct bytes key,
                        struct bytes value)
{
    check->checked->chunks++;
    if (key.count != RECORD_ID_BYTES + 4 || !record_is_whole(value, key)) {
        lmdb__find(check, "chunks: the sum of one is wrong");
        return true;
    }
    struct owner *owner = owner_of(owners, record_get_u64(key.at));
    if (owner == NULL || !owner->is_chunked)
        lmdb__find(check, "chunks: one is of no key");
    else
        owner->count -= value.count - RECORD_SUM_BYTES;
    return true;
}

/* ---- what was counted down is 0 ---- */

static bool visit_counted(struct lmdb_check *check, struct owners *owners, struct bytes key,
                          struct bytes value)
{
    struct record record;
    struct name_shown shown;
    uint64_t pair[2];
    if (!record_read(&record, value, key) || !record_is_elsewhere(&record))
        return true;
    record_read_pair(record.payload, pair);
    const struct owner *owner = owner_of(owners, pair[0]);
    const struct bytes name = record_is_cut(key) ? record.name
                                                 : (struct bytes){key.at + key_prefix(check),
                                                                  key.count - key_prefix(check)};
    if (owner != NULL && owner->count != 0)
        lmdb__find(check, "keys: %s: %s", show(name, &shown),
                   owner->is_chunked ? "it is longer or shorter than its chunks"
                                     : "it has more or fewer members than it says");
    return true;
}

static enum err_kind check_records(struct lmdb_check *check, struct owners *owners, struct err *e)
{
    static const struct {
        enum lmdb_database database;
        visitor *visit;
    } walks[] = {{LMDB_KEYS, visit_key},       {LMDB_TRASH, visit_trash},
                 {LMDB_EXPIRY, visit_expiry},  {LMDB_POSITIONS, visit_position},
                 {LMDB_MEMBERS, visit_member}, {LMDB_CHUNKS, visit_chunk},
                 {LMDB_KEYS, visit_counted}};
    for (size_t i = 0; i < sizeof walks / sizeof walks[0]; i++) {
        const enum err_kind kind = walk(check, walks[i].database, owners, walks[i].visit, e);
        if (kind != ERR_NONE)
            return kind;
        if (walks[i].database == LMDB_TRASH && owners->count > 0)
            qsort(owners->at, owners->count, sizeof *owners->at, by_id);
    }
    return ERR_NONE;
}

/* Of one that is only looked at, now that its pages can be trusted. */
static enum err_kind enter(struct lmdb_check *check, struct err *e)
{
    char layout[LMDB_LAYOUT_MAX];
    struct err why = {0};
    const enum err_kind kind = lmdb_shard_enter(check->shard, check->txn, layout, &why);
    if (kind == ERR_INPUT) {
        lmdb__find(check, "meta: %s", why.story);
        return ERR_NONE;
    }
    return kind == ERR_NONE ? kind : err_set(e, kind, "%s", why.story);
}

enum err_kind lmdb_check(struct lmdb_shard *shard, lmdb_report *report, void *self,
                         struct lmdb_checked *checked, struct err *e)
{
    struct owners owners = {0};
    struct lmdb_check check = {.shard = shard, .report = report, .self = self, .checked = checked};
    *checked = (struct lmdb_checked){0};
    const int error = mdb_txn_begin(shard->env, NULL, MDB_RDONLY, &check.txn);
    if (error != 0)
        return err_set(e, ERR_SYSTEM, "check %.150s: %s", shard->path, mdb_strerror(error));
    enum err_kind kind = lmdb__check_pages(&check, e);
    if (kind == ERR_NONE && checked->findings == 0 && shard->is_looked_at)
        kind = enter(&check, e);
    if (kind == ERR_NONE && checked->findings == 0)
        kind = check_records(&check, &owners, e);
    mdb_txn_abort(check.txn);
    mem_free(owners.at);
    return kind;
}
