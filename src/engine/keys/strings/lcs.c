/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/strings/lcs.c - LCS: the longest common subsequence of two strings.
 *
 * The table of lengths of all pairs of prefixes is filled row by row, and only one row of it is
 * kept, the shorter one; the way back needs no more of a pair than which neighbour was longer, one
 * bit. So what Redis refuses because its table would be over 512 MiB takes 16 MiB here, and is
 * refused nevertheless: it is also the time for which the keys are held. */
#include "engine/keys/strings/strings.h"

struct lcs_options {
    bool    only_length, indexes, with_lengths;
    int64_t least; /* length of a match that is told */
};

/* The strings, and the bits of the way back: of (i, j) at i * b.count + j. NULL: length only. */
struct table {
    struct bytes a, b;
    uint64_t    *leaves_a; /* is the LCS longer without the last of a than without that of b? */
};

/* A match of both strings, told from its end to its beginning. */
struct match {
    size_t a_end, b_end; /* behind its last bytes */
    size_t length;
};

static bool read_options(struct run *run, struct lcs_options *options)
{
    *options = (struct lcs_options){0};
    for (uint32_t i = 3; i < run->args_count; i++) {
        if (run_arg_is(run, i, "idx")) {
            options->indexes = true;
        } else if (run_arg_is(run, i, "len")) {
            options->only_length = true;
        } else if (run_arg_is(run, i, "withmatchlen")) {
            options->with_lengths = true;
        } else if (run_arg_is(run, i, "minmatchlen") && i + 1 < run->args_count) {
            if (!run_integer(run, ++i, &options->least))
                return false;
        } else {
            resp_error(run->out, RUN_SYNTAX);
            return false;
        }
    }
    if (!options->only_length || !options->indexes)
        return true;
    resp_error(run->out, "ERR If you want both the length and indexes, please just use IDX.");
    return false;
}

/* Finds both strings; one that is not there is empty. False: answered. */
static bool find_strings(struct run *run, struct table *table)
{
    struct space *space;
    struct space_value a, b;
    if (!run_find_any(run, run->args[1], &space, &a) ||
        !run_find_any(run, run->args[2], &space, &b))
        return false;
    if ((a.type != KEY_NONE && a.type != KEY_STRING) ||
        (b.type != KEY_NONE && b.type != KEY_STRING)) {
        resp_error(run->out, "ERR The specified keys must contain string values");
        return false;
    }
    table->a = a.type == KEY_NONE ? (struct bytes){0} : a.string;
    table->b = b.type == KEY_NONE ? (struct bytes){0} : b.string;
    return true;
}

/* False: Redis' table would be too large, answered. */
static bool fits(struct run *run, const struct table *table)
{
    if ((table->a.count + 1) * (uint64_t)(table->b.count + 1) * sizeof(uint32_t) <=
        STRINGS_BYTES_MAX)
        return true;
    resp_error(run->out, "ERR Insufficient memory, transient memory for LCS exceeds "
                         "proto-max-bulk-len");
    return false;
}

static void note(const struct table *table, size_t i, size_t j)
{
    const size_t bit = i * table->b.count + j;
    table->leaves_a[bit / 64] |= (uint64_t)1 << bit % 64;
}

static bool leaves_a(const struct table *table, size_t i, size_t j)
{
    const size_t bit = i * table->b.count + j;
    return (table->leaves_a[bit / 64] >> bit % 64 & 1) != 0;
}

/* Row by row of the longer string; returns the length. @row has room for the shorter one, zeroed,
 * and one more. */
static uint32_t fill(const struct table *table, uint32_t *row)
{
    const bool a_is_longer = table->a.count >= table->b.count;
    const struct bytes longer = a_is_longer ? table->a : table->b;
    const struct bytes shorter = a_is_longer ? table->b : table->a;
    for (size_t i = 0; i < longer.count; i++) {
        uint32_t corner = 0;
        for (size_t j = 0; j < shorter.count; j++) {
            const uint32_t above = row[j + 1], before = row[j];
            if (longer.at[i] == shorter.at[j])
                row[j + 1] = corner + 1;
            else
                row[j + 1] = above > before ? above : before;
            corner = above;
            if (table->leaves_a == NULL || above == before)
                continue;
            if (a_is_longer && above > before)
                note(table, i, j);
            else if (!a_is_longer && before > above)
                note(table, j, i);
        }
    }
    return row[shorter.count];
}

/* Moves back from *@i and *@j, the lengths of two prefixes, to the end of the next match. False:
 * there is none. */
static bool go_back(const struct table *table, size_t *i, size_t *j, struct match *match)
{
    while (*i > 0 && *j > 0 && table->a.at[*i - 1] != table->b.at[*j - 1]) {
        if (leaves_a(table, *i - 1, *j - 1))
            --*i;
        else
            --*j;
    }
    *match = (struct match){.a_end = *i, .b_end = *j};
    while (*i > 0 && *j > 0 && table->a.at[*i - 1] == table->b.at[*j - 1]) {
        --*i;
        --*j;
        match->length++;
    }
    return match->length > 0;
}

/* ---- the answers ---- */

static void answer_text(struct run *run, const struct table *table, uint32_t length)
{
    uint8_t *text = run_scratch(run, (size_t)length + 1);
    size_t i = table->a.count, j = table->b.count, left = length;
    struct match match;
    if (text == NULL)
        return;
    while (go_back(table, &i, &j, &match)) {
        left -= match.length;
        memcpy(text + left, table->a.at + i, match.length);
    }
    resp_bulk(run->out, (struct bytes){text, length});
}

static void answer_places(struct run *run, size_t end, size_t length)
{
    resp_array(run->out, 2);
    resp_integer(run->out, (int64_t)(end - length));
    resp_integer(run->out, (int64_t)end - 1);
}

static void answer_matches(struct run *run, const struct table *table,
                           const struct lcs_options *options, uint32_t length)
{
    size_t i = table->a.count, j = table->b.count;
    struct match match;
    uint64_t count = 0;
    resp_map(run->out, 2);
    resp_bulk_text(run->out, "matches");
    const size_t begun = resp_begin_array(run->out);
    while (go_back(table, &i, &j, &match)) {
        if ((int64_t)match.length < options->least)
            continue;
        resp_array(run->out, options->with_lengths ? 3 : 2);
        answer_places(run, match.a_end, match.length);
        answer_places(run, match.b_end, match.length);
        if (options->with_lengths)
            resp_integer(run->out, (int64_t)match.length);
        count++;
    }
    resp_end_array(run->out, begun, count);
    resp_bulk_text(run->out, "len");
    resp_integer(run->out, length);
}

void run__LCS(struct run *run)
{
    struct lcs_options options;
    struct table table = {0};
    if (!find_strings(run, &table) || !read_options(run, &options) || !fits(run, &table))
        return;
    const size_t shorter = table.a.count < table.b.count ? table.a.count : table.b.count;
    const size_t bits_bytes =
        options.only_length ? 0 : (table.a.count * table.b.count / 64 + 1) * 8;
    const size_t row_bytes = (shorter + 1) * sizeof(uint32_t);
    uint8_t *scratch = run_scratch(run, bits_bytes + row_bytes);
    if (scratch == NULL)
        return;
    memset(scratch, 0, bits_bytes + row_bytes);
    table.leaves_a = options.only_length ? NULL : (uint64_t *)(void *)scratch;
    const uint32_t length = fill(&table, (uint32_t *)(void *)(scratch + bits_bytes));
    if (options.only_length)
        resp_integer(run->out, length);
    else if (options.indexes)
        answer_matches(run, &table, &options, length);
    else
        answer_text(run, &table, length);
}
