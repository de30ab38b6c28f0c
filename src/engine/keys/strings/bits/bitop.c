/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/strings/bits/bitop.c - BITOP: strings joined bit by bit into one. */
#include "engine/keys/strings/strings.h"

enum joining { JOIN_AND, JOIN_OR, JOIN_XOR, JOIN_NOT };

/* False: answered. */
static bool read_joining(struct run *run, enum joining *joining)
{
    static const char *const words[] = {"and", "or", "xor", "not"};
    for (unsigned i = JOIN_AND; i <= JOIN_NOT; i++) {
        *joining = (enum joining)i;
        if (!run_arg_is(run, 1, words[i]))
            continue;
        if (i != JOIN_NOT || run->args_count == 4)
            return true;
        resp_error(run->out, "ERR BITOP NOT must be called with a single source key.");
        return false;
    }
    resp_error(run->out, RUN_SYNTAX);
    return false;
}

/* Finds the strings at arguments 3 and up, and the length of the longest; NULL: answered. */
static struct bytes *find_sources(struct run *run, size_t *longest)
{
    struct bytes *sources = run_scratch(run, (run->args_count - 3) * sizeof *sources);
    *longest = 0;
    if (sources == NULL)
        return NULL;
    for (uint32_t i = 3; i < run->args_count; i++) {
        struct space *space;
        struct space_value value;
        if (!run_find(run, run->args[i], KEY_STRING, &space, &value))
            return NULL;
        sources[i - 3] = value.type == KEY_NONE ? (struct bytes){0} : value.string;
        if (sources[i - 3].count > *longest)
            *longest = sources[i - 3].count;
    }
    return sources;
}

/* A source that is shorter has zeros behind it. */
static void join(enum joining joining, uint8_t *to, size_t bytes, struct bytes source)
{
    const size_t both = source.count < bytes ? source.count : bytes;
    if (joining == JOIN_AND) {
        for (size_t i = 0; i < both; i++)
            to[i] &= source.at[i];
        memset(to + both, 0, bytes - both);
    } else if (joining == JOIN_OR) {
        for (size_t i = 0; i < both; i++)
            to[i] |= source.at[i];
    } else {
        for (size_t i = 0; i < both; i++)
            to[i] ^= source.at[i];
    }
}

static void join_all(enum joining joining, uint8_t *to, size_t bytes, const struct bytes *sources,
                     size_t count)
{
    memset(to, joining == JOIN_NOT || joining == JOIN_AND ? 0xff : 0, bytes);
    for (size_t i = 0; i < count; i++)
        join(joining, to, bytes, sources[i]);
}

void run__BITOP(struct run *run)
{
    enum joining joining;
    size_t longest;
    if (!read_joining(run, &joining))
        return;
    const struct bytes *sources = find_sources(run, &longest);
    if (sources == NULL)
        return;
    struct space *space = run->space_of(run, run->args[2]);
    if (longest == 0) {
        space->kind->remove(space, run->args[2]);
        resp_integer(run->out, 0);
        return;
    }
    uint8_t *joined = run_scratch(run, longest);
    if (joined == NULL)
        return;
    join_all(joining, joined, longest, sources, run->args_count - 3);
    if (run_is_ok(run, strings__put(run, space, run->args[2], (struct bytes){joined, longest}, 0)))
        resp_integer(run->out, (int64_t)longest);
}
