/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/strings/several.c - MGET, MSET, MSETNX: several keys at once, all or none.
 *
 * A space takes one key after another, and may refuse one in the middle. So what is written over
 * is kept until the last one is in, and comes back otherwise. A collection cannot be kept; those
 * that are to be written over come last, when all else is in: only where a second of them is
 * refused is the first one gone. */
#include "engine/keys/members.h"
#include "engine/keys/strings/strings.h"

void run__MGET(struct run *run)
{
    const size_t begun = run->out->used;
    resp_array(run->out, run->args_count - 1);
    for (uint32_t i = 1; i < run->args_count; i++) {
        struct space *space = run->space_of(run, run->args[i]);
        struct space_value value;
        const enum space_result result = space->kind->find(space, run->args[i], &value);
        if (result != SPACE_OK) {
            members_refuse(run, begun, result);
            return;
        }
        strings__answer(run, &value);
    }
}

/* What a key held before it was written. */
struct before {
    enum key_type type;
    bool          is_written;
    uint8_t       media;
    uint64_t      expires_ms;
    struct bytes  string; /* in scratch */
};

static bool keep(struct run *run, struct bytes key, struct before *before)
{
    struct space *space;
    struct space_value value;
    if (!run_find_any(run, key, &space, &value))
        return false;
    *before =
        (struct before){.type = value.type, .media = value.media, .expires_ms = value.expires_ms};
    if (value.type != KEY_STRING || value.string.count == 0)
        return true;
    uint8_t *copy = run_scratch(run, value.string.count);
    if (copy == NULL)
        return false;
    memcpy(copy, value.string.at, value.string.count);
    before->string = (struct bytes){copy, value.string.count};
    return true;
}

/* Strings come back into the room that they had. */
static void restore(struct run *run, struct bytes key, const struct before *before)
{
    struct space *space = run->space_of(run, key);
    if (before->type != KEY_STRING ||
        space->kind->put_as(space, key, before->string, before->expires_ms, before->media) !=
            SPACE_OK)
        space->kind->remove(space, key);
}

/* The last first: of a key that is named twice the oldest is what was there. */
static void restore_all(struct run *run, const struct before *befores)
{
    for (uint32_t i = run->args_count / 2; i-- > 0;)
        if (befores[i].is_written)
            restore(run, run->args[2 * i + 1], &befores[i]);
}

static bool is_collection(const struct before *before)
{
    return before->type != KEY_NONE && before->type != KEY_STRING;
}

/* Writes those keys that hold a collection, or those that do not. */
static enum space_result put_some(struct run *run, struct before *befores, bool over_collections)
{
    for (uint32_t i = 1; i < run->args_count; i += 2) {
        struct before *before = &befores[i / 2];
        if (is_collection(before) != over_collections)
            continue;
        struct space *space = run->space_of(run, run->args[i]);
        const enum space_result result =
            strings__put(run, space, run->args[i], run->args[i + 1], 0);
        if (result != SPACE_OK)
            return result;
        before->is_written = true;
    }
    return SPACE_OK;
}

/* False: nothing was written, and the error is answered. */
static bool put_all(struct run *run, struct before *befores)
{
    enum space_result result = put_some(run, befores, false);
    if (result == SPACE_OK)
        result = put_some(run, befores, true);
    if (result != SPACE_OK)
        restore_all(run, befores);
    return run_is_ok(run, result);
}

/* Looks at every key; NULL: answered. */
static struct before *keep_all(struct run *run)
{
    if (run->args_count % 2 == 0) {
        resp_errorf(run->out, "ERR wrong number of arguments for '%s' command",
                    run->op->command->name);
        return NULL;
    }
    struct before *befores = run_scratch(run, run->args_count / 2 * sizeof *befores);
    if (befores == NULL)
        return NULL;
    for (uint32_t i = 1; i < run->args_count; i += 2)
        if (!keep(run, run->args[i], &befores[i / 2]))
            return NULL;
    return befores;
}

void run__MSET(struct run *run)
{
    struct before *befores = keep_all(run);
    if (befores != NULL && put_all(run, befores))
        resp_simple(run->out, "OK");
}

void run__MSETNX(struct run *run)
{
    struct before *befores = keep_all(run);
    if (befores == NULL)
        return;
    for (uint32_t i = 0; i < run->args_count / 2; i++) {
        if (befores[i].type != KEY_NONE) {
            resp_integer(run->out, 0);
            return;
        }
    }
    if (put_all(run, befores))
        resp_integer(run->out, 1);
}
