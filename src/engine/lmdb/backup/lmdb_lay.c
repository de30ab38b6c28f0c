/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/backup/lmdb_lay.c - items become keys and members by the space's own calls. */
#include "engine/lmdb/backup/lmdb_lay.h"

#include "core/mem.h"
#include "engine/keys/members.h"

#include <ctype.h>
#include <lmdb.h>
#include <stdio.h>

enum { NAME_SHOWN_MAX = 60, SCORE_BYTES = 8 };

static const char *show(struct bytes name, char shown[NAME_SHOWN_MAX + 1])
{
    size_t count = 0;
    for (; count < name.count && count < NAME_SHOWN_MAX; count++)
        shown[count] = (char)(isprint(name.at[count]) ? name.at[count] : '?');
    shown[count] = '\0';
    return shown;
}

/* What a result that is not OK means here. */
static enum err_kind refuse(const struct lmdb_lay *lay, struct bytes name, enum space_result result,
                            struct err *e)
{
    char shown[NAME_SHOWN_MAX + 1];
    const bool is_room = result == SPACE_DISK_FULL || result == SPACE_FULL;
    if (result == SPACE_OK)
        return ERR_NONE;
    if (is_room)
        return err_set(e, ERR_LIMIT, "%.120s: %s", lay->shard.path,
                       result == SPACE_FULL
                           ? "there is no memory"
                           : "the disk is full, or `disk` of the keyspace is less than its keys "
                             "need");
    return err_set(e, result == SPACE_FAILED ? ERR_SYSTEM : ERR_INPUT, "'%s': %s",
                   show(name, shown), space_result_text(result));
}

/* ---- transactions ---- */

static enum err_kind commit(struct lmdb_lay *lay, struct err *e)
{
    const struct bytes nothing = {0};
    lay->bytes = 0;
    return lay->space.is_open ? refuse(lay, nothing, lmdb_space_commit(&lay->space), e) : ERR_NONE;
}

static enum err_kind begin(struct lmdb_lay *lay, struct err *e)
{
    const struct bytes nothing = {0};
    return lay->space.is_open ? ERR_NONE : refuse(lay, nothing, lmdb_space_write(&lay->space), e);
}

static struct bytes name_of(const struct lmdb_lay *lay)
{
    return (struct bytes){lay->name, lay->name_bytes};
}

/* The collection that was being laid is whole. */
static enum err_kind settle(struct lmdb_lay *lay, struct err *e)
{
    struct space *space = &lay->space.space;
    if (lay->value.type == KEY_NONE)
        return ERR_NONE;
    const enum space_result result = space->kind->settle(space, name_of(lay), &lay->value);
    lay->value = (struct space_value){0};
    return refuse(lay, name_of(lay), result, e);
}

/* ---- items ---- */

static enum err_kind lay_string(struct lmdb_lay *lay, const struct backup_item *item, struct err *e)
{
    struct space *space = &lay->space.space;
    const enum space_result result =
        space->kind->put_as(space, item->name, item->value, item->number, item->kind);
    lmdb_space_rest(&lay->space);
    return refuse(lay, item->name, result, e);
}

static enum err_kind lay_collection(struct lmdb_lay *lay, const struct backup_item *item,
                                    struct err *e)
{
    struct space *space = &lay->space.space;
    char shown[NAME_SHOWN_MAX + 1];
    if (item->kind <= KEY_STRING || item->kind >= KEY_TYPES_COUNT)
        return err_set(e, ERR_INPUT, "'%s' has a type that this Pando does not know",
                       show(item->name, shown));
    uint8_t *name = mem_resize(lay->name, item->name.count + 1);
    if (name == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    memcpy(name, item->name.at, item->name.count);
    lay->name = name;
    lay->name_bytes = item->name.count;
    enum space_result result =
        space->kind->create(space, name_of(lay), (enum key_type)item->kind, &lay->value);
    if (result == SPACE_OK && item->number != 0)
        result = space->kind->expire(space, name_of(lay), &lay->value, item->number);
    return refuse(lay, item->name, result, e);
}

/* A name that begins with its hash, as members_key() makes it. */
static bool is_hashed(struct bytes name)
{
    uint32_t hash;
    if (name.count < SPACE_MEMBER_HASH_BYTES)
        return false;
    memcpy(&hash, name.at, sizeof hash);
    return __builtin_bswap32(hash) == members_hash(members_name(name));
}

/* Has the member the form that its type wants? What reads it later does not ask. */
static bool is_of_type(uint8_t type, const struct backup_item *item)
{
    const size_t name_bytes = item->name.count, value_bytes = item->value.count;
    if (type == KEY_LIST)
        return item->kind == 0 && name_bytes == SPACE_PLACE_BYTES;
    if (type == KEY_ZSET && item->kind == 1)
        return name_bytes >= SCORE_BYTES && value_bytes == 0;
    return item->kind == 0 && is_hashed(item->name) &&
           (type == KEY_HASH || value_bytes == (type == KEY_ZSET ? SCORE_BYTES : 0));
}

static enum err_kind lay_member(struct lmdb_lay *lay, const struct backup_item *item, struct err *e)
{
    struct space *space = &lay->space.space;
    char shown[NAME_SHOWN_MAX + 1];
    bool is_new = false;
    if (!is_of_type(lay->value.type, item))
        return err_set(e, ERR_INPUT, "a member of '%s' is not of its type",
                       show(name_of(lay), shown));
    const enum space_result result =
        space->kind->tree_put(&lay->value, item->kind, item->name, item->value, &is_new);
    lmdb_space_rest(&lay->space);
    if (result == SPACE_OK && !is_new)
        return err_set(e, ERR_INPUT, "a member of '%s' comes twice", show(name_of(lay), shown));
    return refuse(lay, name_of(lay), result, e);
}

enum err_kind lmdb_lay_item(struct lmdb_lay *lay, const struct backup_item *item, struct err *e)
{
    enum err_kind kind = ERR_NONE;
    if (lay->bytes > LMDB_LAY_BATCH_BYTES)
        kind = commit(lay, e);
    if (kind == ERR_NONE)
        kind = begin(lay, e);
    lay->bytes += BACKUP_ITEM_HEAD_BYTES + item->name.count + item->value.count;
    if (kind == ERR_NONE && item->tag == BACKUP_MEMBER)
        return lay_member(lay, item, e);
    if (kind == ERR_NONE)
        kind = settle(lay, e);
    if (kind != ERR_NONE)
        return kind;
    return item->tag == BACKUP_STRING ? lay_string(lay, item, e) : lay_collection(lay, item, e);
}

/* ---- begin and end ---- */

enum err_kind lmdb_lay_open(struct lmdb_lay *lay, const struct lmdb_settings *settings,
                            struct err *e)
{
    struct lmdb_settings with = *settings;
    with.sync = LMDB_SYNC_NEVER;
    *lay = (struct lmdb_lay){0};
    const enum err_kind kind = lmdb_shard_open(&lay->shard, &with, e);
    if (kind == ERR_NONE)
        lmdb_space_init(&lay->space, &lay->shard, true);
    return kind;
}

enum err_kind lmdb_lay_end(struct lmdb_lay *lay, struct err *e)
{
    enum err_kind kind = begin(lay, e); /* a collection may be left that a commit came after */
    if (kind == ERR_NONE)
        kind = settle(lay, e);
    if (kind == ERR_NONE)
        kind = commit(lay, e);
    if (kind != ERR_NONE)
        return kind;
    const int error = mdb_env_sync(lay->shard.env, 1);
    return error == 0 ? ERR_NONE
                      : err_set(e, ERR_SYSTEM, "%.150s: %s", lay->shard.path, mdb_strerror(error));
}

void lmdb_lay_close(struct lmdb_lay *lay)
{
    if (lay->shard.env == NULL)
        return;
    lmdb_space_fini(&lay->space);
    lmdb_shard_close(&lay->shard);
    mem_free(lay->name);
    *lay = (struct lmdb_lay){0};
}
