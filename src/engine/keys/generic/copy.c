/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/generic/copy.c - COPY: a value of any size is put under another key, of which it may
 * take the place.
 *
 * A collection is built aside, member by member, and takes the other key when it is complete.
 * Source and target may lie in one space, whose bytes do not outlast a change: so some members are
 * copied out, then put, and then the source is looked up anew. */
#include "engine/keys/members.h"
#include "engine/keys/whole.h"

enum {
    BATCH_MEMBERS = 64,
    BATCH_BYTES = 64 * 1024, /* a batch is full with the member that reaches this */
};

struct batch {
    struct arena arena;
    uint32_t     count;
    size_t       bytes;
    struct bytes keys[BATCH_MEMBERS], values[BATCH_MEMBERS];
};

/* False: no memory. */
static bool take_copy(struct batch *batch, struct bytes bytes, struct bytes *copy)
{
    uint8_t *at = arena_take(&batch->arena, bytes.count + 1);
    if (at == NULL)
        return false;
    if (bytes.count > 0)
        memcpy(at, bytes.at, bytes.count);
    *copy = (struct bytes){at, bytes.count};
    batch->bytes += bytes.count;
    return true;
}

/* Copies members of the cursor's tree out, as many as a batch holds. False: no memory. */
static bool fill(struct batch *batch, struct space_cursor *cursor)
{
    while (cursor->is_there && batch->count < BATCH_MEMBERS && batch->bytes < BATCH_BYTES) {
        if (!take_copy(batch, cursor->key, &batch->keys[batch->count]) ||
            !take_copy(batch, cursor->member_value, &batch->values[batch->count]))
            return false;
        batch->count++;
        cursor->space->kind->next(cursor);
    }
    return true;
}

/* A cursor behind @last, or at the first if its `at` is NULL. */
static void seek_behind(struct space_cursor *cursor, struct bytes last)
{
    cursor->space->kind->seek(cursor, last);
    if (last.at != NULL && cursor->is_there && bytes_equal(cursor->key, last))
        cursor->space->kind->next(cursor);
}

/* Fills a batch with what follows @last in the source's tree. False: answered. */
static bool read_batch(struct run *run, unsigned tree, struct bytes last, struct batch *batch)
{
    struct space *space;
    struct space_value value;
    if (!run_find_any(run, run->args[1], &space, &value))
        return false;
    struct space_cursor cursor = space_cursor_of(space, &value, tree);
    seek_behind(&cursor, last);
    if (fill(batch, &cursor))
        return true;
    resp_error(run->out, RUN_NO_MEMORY);
    return false;
}

static bool put_batch(struct aside *aside, unsigned tree, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++)
        if (!aside_put(aside, tree, batch->keys[i], batch->values[i]))
            return false;
    return true;
}

static struct bytes name_of(const struct aside *aside)
{
    return (struct bytes){aside->name, sizeof aside->name};
}

/* What was built is gone. */
static bool drop(struct aside *aside)
{
    (void)aside->space->kind->settle(aside->space, name_of(aside), &aside->value);
    (void)aside->space->kind->remove(aside->space, name_of(aside));
    return false;
}

/* The expiry goes along when it takes the other key. False: answered, and it is gone. */
static bool set_expiry(struct aside *aside, uint64_t expires_ms)
{
    if (expires_ms == 0)
        return true;
    const enum space_result result =
        aside->space->kind->expire(aside->space, name_of(aside), &aside->value, expires_ms);
    return run_is_ok(aside->run, result) || drop(aside);
}

/* Two batches in turn, since the last key of one is where the next begins. False: answered, and
 * what was built is gone. */
static bool copy_tree(struct run *run, struct aside *aside, unsigned tree)
{
    struct batch batches[2] = {0};
    struct bytes last = {0};
    bool is_ok = true;
    for (unsigned i = 0; is_ok; i ^= 1) {
        struct batch *batch = &batches[i];
        arena_fini(&batch->arena);
        *batch = (struct batch){0};
        arena_init(&batch->arena, NULL, 0, UINT32_MAX);
        is_ok = read_batch(run, tree, last, batch) || drop(aside);
        if (!is_ok || batch->count == 0)
            break;
        is_ok = put_batch(aside, tree, batch);
        last = batch->keys[batch->count - 1];
    }
    arena_fini(&batches[0].arena);
    arena_fini(&batches[1].arena);
    return is_ok;
}

/* False: answered, and nothing has changed. */
static bool copy_collection(struct run *run, enum key_type type, uint64_t expires_ms)
{
    struct aside aside;
    struct space *to = run->space_of(run, run->args[2]);
    if (!aside_begin(&aside, run, to, type) || !copy_tree(run, &aside, 0) ||
        (type == KEY_ZSET && !copy_tree(run, &aside, 1)))
        return false;
    return set_expiry(&aside, expires_ms) && aside_keep(&aside, run->args[2]);
}

static bool copy_value(struct run *run, const struct space_value *value)
{
    if (value->type != KEY_STRING)
        return copy_collection(run, value->type, value->expires_ms);
    struct space *to = run->space_of(run, run->args[2]);
    return run_is_ok(
        run, to->kind->put_as(to, run->args[2], value->string, value->expires_ms, value->media));
}

/* The number of a database at argument @index. False: it is not 0, the only one; answered. */
static bool read_database(struct run *run, uint32_t index)
{
    int64_t database;
    if (!run_integer(run, index, &database))
        return false;
    if (database == 0)
        return true;
    if (database < INT32_MIN || database > INT32_MAX)
        resp_error(run->out, "ERR value is out of range, value must between -2147483648 and "
                             "2147483647");
    else
        resp_error(run->out, "ERR DB index is out of range");
    return false;
}

/* False: answered. */
static bool read_options(struct run *run, bool *replaces)
{
    *replaces = false;
    for (uint32_t i = 3; i < run->args_count; i++) {
        if (run_arg_is(run, i, "replace")) {
            *replaces = true;
        } else if (run_arg_is(run, i, "db") && i + 1 < run->args_count) {
            if (!read_database(run, ++i))
                return false;
        } else {
            resp_error(run->out, RUN_SYNTAX);
            return false;
        }
    }
    return true;
}

void run__COPY(struct run *run)
{
    bool replaces;
    struct space *from, *to;
    struct space_value value, there;
    if (!read_options(run, &replaces))
        return;
    if (bytes_equal(run->args[1], run->args[2])) {
        resp_error(run->out, "ERR source and destination objects are the same");
        return;
    }
    if (!run_find_any(run, run->args[2], &to, &there) ||
        !run_find_any(run, run->args[1], &from, &value))
        return;
    if (value.type == KEY_NONE || (there.type != KEY_NONE && !replaces))
        resp_integer(run->out, 0);
    else if (copy_value(run, &value))
        resp_integer(run->out, 1);
}
