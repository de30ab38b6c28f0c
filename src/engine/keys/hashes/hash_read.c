/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/hashes/hash_read.c - what is in a hash. */
#include "engine/keys/members.h"

/* A field of the hash at args[1]. */
struct field {
    struct space      *space;
    struct space_value value;
    struct bytes       bytes; /* its value */
    bool               is_there;
    size_t             begun; /* where the answer begins */
};

/* Finds the field args[2]; false: answered. */
static bool find_field(struct run *run, struct field *field)
{
    *field = (struct field){0};
    if (!run_find(run, run->args[1], KEY_HASH, &field->space, &field->value))
        return false;
    return field->value.type == KEY_NONE ||
           members_get(run, &field->value, run->args[2], &field->bytes, &field->is_there);
}

void run__HGET(struct run *run)
{
    struct field field;
    if (!find_field(run, &field))
        return;
    if (field.is_there)
        resp_bulk(run->out, field.bytes);
    else
        resp_null(run->out);
}

void run__HEXISTS(struct run *run)
{
    struct field field;
    if (find_field(run, &field))
        resp_integer(run->out, field.is_there);
}

void run__HSTRLEN(struct run *run)
{
    struct field field;
    if (find_field(run, &field))
        resp_integer(run->out, field.is_there ? (int64_t)field.bytes.count : 0);
}

void run__HLEN(struct run *run)
{
    struct space *space;
    struct space_value value;
    if (run_find(run, run->args[1], KEY_HASH, &space, &value))
        resp_integer(run->out, value.type == KEY_NONE ? 0 : (int64_t)value.count);
}

static bool write_field(struct run *run, struct field *field, struct bytes name)
{
    const size_t error = run->out->used;
    field->is_there = false;
    if (field->value.type != KEY_NONE &&
        !members_get(run, &field->value, name, &field->bytes, &field->is_there)) {
        members_unsay(run, field->begun, error);
        return false;
    }
    if (field->is_there)
        resp_bulk(run->out, field->bytes);
    else
        resp_null(run->out);
    return true;
}

void run__HMGET(struct run *run)
{
    struct field field = {.begun = run->out->used};
    if (!run_find(run, run->args[1], KEY_HASH, &field.space, &field.value))
        return;
    resp_array(run->out, run->args_count - 2);
    for (uint32_t i = 2; i < run->args_count; i++)
        if (!write_field(run, &field, run->args[i]))
            return;
}

/* ---- all of it ---- */

static void write_name(struct run *run, const struct space_cursor *at)
{
    resp_bulk(run->out, members_name(at->key));
}

static void write_value(struct run *run, const struct space_cursor *at)
{
    resp_bulk(run->out, at->member_value);
}

static void write_both(struct run *run, const struct space_cursor *at)
{
    write_name(run, at);
    write_value(run, at);
}

static void write_all(struct run *run, void (*head)(struct resp_out *out, uint64_t count),
                      void (*write)(struct run *run, const struct space_cursor *at))
{
    const size_t begun = run->out->used;
    struct space *space;
    struct space_value value;
    if (!run_find(run, run->args[1], KEY_HASH, &space, &value))
        return;
    if (value.type == KEY_NONE) {
        head(run->out, 0);
        return;
    }
    struct space_cursor at = space_cursor_of(space, &value, 0);
    head(run->out, value.count);
    space->kind->seek_rank(&at, 0);
    members_write(run, &at, value.count, begun, write);
}

void run__HGETALL(struct run *run)
{
    write_all(run, resp_map, write_both);
}

void run__HKEYS(struct run *run)
{
    write_all(run, resp_array, write_name);
}

void run__HVALS(struct run *run)
{
    write_all(run, resp_array, write_value);
}

static unsigned write_scanned(struct run *run, const struct space_cursor *at)
{
    write_both(run, at);
    return 2;
}

void run__HSCAN(struct run *run)
{
    members_scan(run, KEY_HASH, write_scanned);
}
