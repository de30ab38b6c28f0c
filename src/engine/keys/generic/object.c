/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/generic/object.c - OBJECT: what Redis 7.0 would say of how a value is kept, with its
 * preset limits. Pando keeps them otherwise; clients and their tests ask nevertheless.
 * And MEMORY USAGE: what it takes here. */
#include "engine/keys/members.h"

enum {
    EMBEDDED_BYTES_MAX = 44,
    LISTPACK_MEMBER_BYTES_MAX = 64,
    LISTPACK_FIELDS_MAX = 512,
    LISTPACK_SCORES_MAX = 128,
    INTSET_MEMBERS_MAX = 512,
};

static bool is_integer(struct bytes bytes)
{
    int64_t ignored;
    return bytes_read_int64(bytes, &ignored);
}

static bool is_short(struct bytes bytes)
{
    return bytes.count <= LISTPACK_MEMBER_BYTES_MAX;
}

/* Are there at most @count_max members, and all of them as @is_such and short in their values? */
static bool are_few(struct space *space, struct space_value *value, uint64_t count_max,
                    bool (*is_such)(struct bytes member))
{
    if (value->count > count_max)
        return false;
    struct space_cursor cursor = space_cursor_of(space, value, 0);
    space->kind->seek(&cursor, (struct bytes){0});
    for (; cursor.is_there; space->kind->next(&cursor))
        if (!is_such(members_name(cursor.key)) || !is_short(cursor.member_value))
            return false;
    return true;
}

static const char *encoding_of(struct space *space, struct space_value *value)
{
    switch (value->type) {
    case KEY_STRING:
        if (is_integer(value->string))
            return "int";
        return value->string.count <= EMBEDDED_BYTES_MAX ? "embstr" : "raw";
    case KEY_HASH:
        return are_few(space, value, LISTPACK_FIELDS_MAX, is_short) ? "listpack" : "hashtable";
    case KEY_SET:
        return are_few(space, value, INTSET_MEMBERS_MAX, is_integer) ? "intset" : "hashtable";
    case KEY_ZSET:
        return are_few(space, value, LISTPACK_SCORES_MAX, is_short) ? "listpack" : "skiplist";
    default: return "quicklist";
    }
}

static void answer_encoding(struct run *run, struct space *space, struct space_value *value)
{
    resp_bulk_text(run->out, encoding_of(space, value));
}

static void answer_count(struct run *run, struct space *space, struct space_value *value)
{
    (void)space;
    (void)value;
    resp_integer(run->out, 1);
}

/* Nothing notes it for every engine, so every key is as if just used. */
static void answer_idle_time(struct run *run, struct space *space, struct space_value *value)
{
    (void)space;
    (void)value;
    resp_integer(run->out, 0);
}

static void answer_frequency(struct run *run, struct space *space, struct space_value *value)
{
    (void)space;
    (void)value;
    resp_error(run->out,
               "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please "
               "note that when switching between policies at runtime LRU and LFU data will take "
               "some time to adjust.");
}

#define HELP_LINES(X)                                                                              \
    X("OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")                           \
    X("ENCODING <key>")                                                                            \
    X("    Return the kind of internal representation used in order to store the value")           \
    X("    associated with a <key>.")                                                              \
    X("FREQ <key>")                                                                                \
    X("    Return the access frequency index of the <key>. The returned integer is")               \
    X("    proportional to the logarithm of the recent access frequency of the key.")              \
    X("IDLETIME <key>")                                                                            \
    X("    Return the idle time of the <key>, that is the approximated number of")                 \
    X("    seconds elapsed since the last access to the key.")                                     \
    X("REFCOUNT <key>")                                                                            \
    X("    Return the number of references of the value associated with the specified")            \
    X("    <key>.")                                                                                \
    X("HELP")                                                                                      \
    X("    Prints this help.")

static void answer_help(struct run *run)
{
    static const char *const lines[] = {
#define X(line) line,
        HELP_LINES(X)
#undef X
    };
    const size_t count = sizeof lines / sizeof lines[0];
    resp_array(run->out, count);
    for (size_t i = 0; i < count; i++)
        resp_simple(run->out, lines[i]);
}

/* Sub-commands about a key: word, what answers. */
#define OBJECT_QUESTIONS(X)                                                                        \
    X("encoding", answer_encoding)                                                                 \
    X("freq", answer_frequency)                                                                    \
    X("idletime", answer_idle_time)                                                                \
    X("refcount", answer_count)

struct question {
    const char *word;
    void (*answer)(struct run *run, struct space *space, struct space_value *value);
};

static const struct question questions[] = {
#define X(word, answer) {word, answer},
    OBJECT_QUESTIONS(X)
#undef X
};

static bool has_count(struct run *run, const char *word, uint32_t count)
{
    if (run->args_count == count)
        return true;
    resp_errorf(run->out, "ERR wrong number of arguments for 'object|%s' command", word);
    return false;
}

static void ask(struct run *run, const struct question *question)
{
    struct space *space;
    struct space_value value;
    if (!has_count(run, question->word, 3) || !run_find_any(run, run->args[2], &space, &value))
        return;
    if (value.type == KEY_NONE)
        resp_null(run->out);
    else
        question->answer(run, space, &value);
}

void run__OBJECT(struct run *run)
{
    if (run_arg_is(run, 1, "help")) {
        if (has_count(run, "help", 2))
            answer_help(run);
        return;
    }
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        if (run_arg_is(run, 1, questions[i].word)) {
            ask(run, &questions[i]);
            return;
        }
    }
    const struct bytes word = run->args[1];
    resp_errorf(run->out, "ERR unknown subcommand '%.*s'. Try OBJECT HELP.",
                (int)(word.count < 128 ? word.count : 128), (const char *)word.at);
}

/* ---- MEMORY USAGE ---- */

enum {
    RECORD_HEAD_BYTES_ABOUT = 48, /* of a key, and a member, where they are records */
    SAMPLES_PRESET = 5,
};

/* What the members of @tree take, by @samples of them; 0: by all. */
static uint64_t members_bytes(struct space_value *value, unsigned tree, uint64_t samples)
{
    struct space *space = value->space;
    struct space_cursor cursor = space_cursor_of(space, value, tree);
    uint64_t bytes = 0, seen = 0;
    space->kind->seek(&cursor, (struct bytes){0});
    for (; cursor.is_there && (samples == 0 || seen < samples); space->kind->next(&cursor)) {
        bytes += cursor.key.count + cursor.member_value.count + RECORD_HEAD_BYTES_ABOUT;
        seen++;
    }
    return seen == 0 ? 0 : bytes * value->count / seen;
}

static uint64_t count_bytes(struct bytes key, struct space_value *value, uint64_t samples)
{
    const uint64_t bytes = RECORD_HEAD_BYTES_ABOUT + key.count;
    if (value->type == KEY_STRING)
        return bytes + value->string.count;
    return bytes + members_bytes(value, 0, samples) +
           (value->type == KEY_ZSET ? members_bytes(value, 1, samples) : 0);
}

/* False: refused. */
static bool read_samples(struct run *run, uint64_t *samples)
{
    int64_t number = SAMPLES_PRESET;
    if (run->args_count != 3 && (run->args_count != 5 || !run_arg_is(run, 3, "samples"))) {
        resp_error(run->out, RUN_SYNTAX);
        return false;
    }
    if (run->args_count == 5 && !run_integer(run, 4, &number))
        return false;
    if (number < 0) {
        resp_error(run->out, RUN_SYNTAX);
        return false;
    }
    *samples = (uint64_t)number;
    return true;
}

void run__MEMORY(struct run *run)
{
    uint64_t samples;
    struct space *space;
    struct space_value value;
    if (!read_samples(run, &samples) || !run_find_any(run, run->args[2], &space, &value))
        return;
    if (value.type == KEY_NONE)
        resp_null(run->out);
    else if (space->kind->bytes != NULL)
        resp_integer(run->out, (int64_t)space->kind->bytes(&value));
    else
        resp_integer(run->out, (int64_t)count_bytes(run->args[2], &value, samples));
}
