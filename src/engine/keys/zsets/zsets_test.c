/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/zsets/zsets_test.c - what a comparison with Redis cannot show: no room half-way,
 * damage, answers that are too large, the two trees against each other, and chance. */
#include "engine/keys/zsets/zset.h"

#include "engine/memory/memory_space.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORDS_MAX = 64, ANSWER_MAX = 32768, LINE_MAX_BYTES = 512 };

/* The call that fails: the @nth of its sort from now on; 1 is the next, 0 none. */
struct fault {
    unsigned          nth;
    enum space_result result;
};

static struct memory_space *memory;
static const struct space_kind *below; /* the memory's */
static struct space_kind kind;         /* the same, but for faults */
static struct fault put_fault, get_fault, remove_fault, rename_fault, create_fault;
static struct random chance;
static size_t answer_bytes_max;
static char answer[ANSWER_MAX]; /* of the last command */

static bool strikes(struct fault *fault)
{
    return fault->nth > 0 && --fault->nth == 0;
}

static enum space_result put(struct space_value *value, unsigned tree, struct bytes key,
                             struct bytes bytes, bool *is_new)
{
    return strikes(&put_fault) ? put_fault.result
                               : below->tree_put(value, tree, key, bytes, is_new);
}

static enum space_result get(struct space_value *value, unsigned tree, struct bytes key,
                             struct bytes *found, bool *is_there)
{
    return strikes(&get_fault) ? get_fault.result
                               : below->tree_get(value, tree, key, found, is_there);
}

static enum space_result take(struct space_value *value, unsigned tree, struct bytes key,
                              bool *was_there)
{
    return strikes(&remove_fault) ? remove_fault.result
                                  : below->tree_remove(value, tree, key, was_there);
}

static enum space_result rename_key(struct space *space, struct bytes key, struct space *to,
                                    struct bytes to_key)
{
    return strikes(&rename_fault) ? rename_fault.result : below->rename(space, key, to, to_key);
}

static enum space_result create(struct space *space, struct bytes key, enum key_type type,
                                struct space_value *value)
{
    return strikes(&create_fault) ? create_fault.result : below->create(space, key, type, value);
}

static void begin(void)
{
    static const struct hash_key hash_key = {{1, 2}};
    memory = memory_space_new(&(struct memory_space_options){.hash_key = &hash_key});
    cr_assert(memory != NULL);
    below = memory->space.kind;
    kind = *below;
    kind.tree_put = put;
    kind.tree_get = get;
    kind.tree_remove = take;
    kind.rename = rename_key;
    kind.create = create;
    memory->space.kind = &kind;
    random_init(&chance, 7);
}

static void end(void)
{
    memory_space_free(memory);
}

TestSuite(zsets, .init = begin, .fini = end);

static struct space *space_of(struct run *run, struct bytes key)
{
    (void)run;
    (void)key;
    return &memory->space;
}

/* Runs the words of a line; the answer as version 2 writes it, with _ for CR LF. "!": it failed. */
static const char *ask(const char *line)
{
    static char words[LINE_MAX_BYTES];
    struct bytes args[WORDS_MAX];
    uint32_t count = 0;
    snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " "))
        args[count++] = bytes_of(word);
    struct resp_out out;
    resp_out_init(&out, 2, answer_bytes_max, NULL);
    struct space *spaces[] = {&memory->space};
    struct key_op op = {.command = command_find(args[0]),
                        .args = args,
                        .args_count = count,
                        .now_ms = 1000,
                        .out = &out};
    struct run run = {.now_ms = 1000,
                      .random = &chance,
                      .value_bytes_max = 1 << 20,
                      .space_of = space_of,
                      .spaces = spaces,
                      .spaces_count = 1};
    cr_assert(op.command != NULL && command_takes(op.command, count), "%s", line);
    memory_space_begin(memory, 1000, false);
    run_command(&run, &op);
    memory_space_end(memory);
    size_t used = 0;
    for (size_t i = 0; i < out.used && used + 1 < sizeof answer; i++) {
        const char letter = (char)out.buf->data[i];
        if (letter != '\r')
            answer[used++] = letter == '\n' ? '_' : letter;
    }
    answer[used] = '\0';
    if (out.failed)
        snprintf(answer, sizeof answer, "!");
    resp_out_fini(&out);
    return answer;
}

static void expect(const char *line, const char *expected)
{
    ask(line);
    cr_expect(strcmp(answer, expected) == 0, "%s: %s instead of %s", line, answer, expected);
}

/* All of a sorted set, in a copy. */
static void read_all(const char *key, char *copy)
{
    char line[LINE_MAX_BYTES];
    snprintf(line, sizeof line, "zrange %s 0 -1 withscores", key);
    snprintf(copy, ANSWER_MAX, "%s", ask(line));
}

/* Both trees hold the same members with the same scores, and know how many. */
static void expect_whole(const char *key)
{
    struct space_value value;
    cr_assert(below->find(&memory->space, bytes_of(key), &value) == SPACE_OK);
    if (value.type == KEY_NONE)
        return;
    cr_expect(value.count > 0, "an empty sorted set is under %s", key);
    struct space_cursor at = space_cursor_of(&memory->space, &value, ZSETS_BY_SCORE);
    uint64_t count = 0;
    for (below->seek_rank(&at, 0); at.is_there; below->next(&at), count++) {
        uint8_t member[64] = {0};
        const struct bytes name = zsets__name_at(&at);
        const uint32_t hash = __builtin_bswap32(members_hash(name));
        struct bytes found;
        bool is_there;
        memcpy(member, &hash, sizeof hash);
        memcpy(member + sizeof hash, name.at, name.count);
        cr_assert(below->rank(&at) == count);
        cr_assert(below->tree_get(&value, ZSETS_BY_MEMBER,
                                  (struct bytes){member, sizeof hash + name.count}, &found,
                                  &is_there) == SPACE_OK);
        cr_assert(is_there && zsets__read_score(found) == zsets__read_score(at.key));
    }
    cr_expect(count == value.count, "%lu places for %lu members", count, value.count);
}

/* Fails the first, second, ... put during @line until it goes through; each time before that
 * nothing may have changed under @key. */
static void expect_all_or_nothing(const char *line, const char *key, enum space_result result)
{
    static char before[ANSWER_MAX], after[ANSWER_MAX];
    char expected[256];
    const uint64_t keys = below->count(&memory->space);
    unsigned tries = 0;
    snprintf(expected, sizeof expected, "-%s_", space_result_text(result));
    read_all(key, before);
    for (;;) {
        put_fault = (struct fault){++tries, result};
        ask(line);
        const bool has_failed = put_fault.nth == 0;
        put_fault.nth = 0;
        expect_whole(key);
        if (!has_failed)
            break;
        cr_expect(strcmp(answer, expected) == 0, "%s: %s", line, answer);
        read_all(key, after);
        cr_expect(strcmp(before, after) == 0, "put %u: %s became %s", tries, before, after);
        cr_expect(below->count(&memory->space) == keys);
    }
    cr_expect(tries > 2 && answer[0] != '-');
    read_all(key, after);
    cr_expect(strcmp(before, after) != 0);
}

/* ---- no room ---- */

Test(zsets, an_add_that_finds_no_room_half_way_is_taken_back)
{
    ask("zadd z 1 a 2 b 3 c");
    expect_all_or_nothing("zadd z 5 a 6 new 0 c 7 b 1 other", "z", SPACE_FULL);
    expect("zrange z 0 -1", "*5_$1_c_$5_other_$1_a_$3_new_$1_b_");
}

Test(zsets, an_add_to_a_new_key_that_finds_no_room_leaves_no_key)
{
    expect_all_or_nothing("zadd z 5 a 6 b 7 c", "z", SPACE_TOO_LARGE);
    create_fault = (struct fault){1, SPACE_FULL};
    cr_expect(ask("zadd fresh 1 a")[0] == '-');
    expect("exists fresh", ":0_");
}

Test(zsets, members_that_are_named_twice_are_taken_back_to_where_they_were)
{
    ask("zadd z 1 a 2 b");
    expect_all_or_nothing("zadd z 5 a 1 a 6 a 2 b 3 b 2 b 9 x 8 x 9 x 9 y", "z", SPACE_DISK_FULL);
    expect("zrange z 0 -1 withscores", "*8_$1_b_$1_2_$1_a_$1_6_$1_x_$1_9_$1_y_$1_9_");
}

Test(zsets, a_score_that_comes_back_to_where_it_was_leaves_one_place)
{
    ask("zadd z 1 a");
    expect("zadd z ch 5 a 1 a", ":2_");
    expect("zrange z 0 -1 withscores", "*2_$1_a_$1_1_");
    expect_whole("z");
}

Test(zsets, a_store_that_finds_no_room_leaves_what_was_there)
{
    ask("zadd one 1 a 2 b");
    ask("zadd two 3 c 4 d");
    ask("zadd to 9 old");
    expect_all_or_nothing("zunionstore to 2 one two", "to", SPACE_FULL);
    expect_all_or_nothing("zrangestore to one 0 -1", "to", SPACE_FULL);
    expect_all_or_nothing("zunionstore one 2 one two", "one", SPACE_FULL);
    expect_all_or_nothing("zunionstore fresh 2 one two", "fresh", SPACE_FULL);
}

Test(zsets, a_store_that_cannot_take_the_place_leaves_what_was_there)
{
    ask("zadd one 1 a 2 b");
    ask("zadd to 9 old");
    rename_fault = (struct fault){1, SPACE_FULL};
    cr_expect(ask("zunionstore to 1 one")[0] == '-');
    expect("zrange to 0 -1", "*1_$3_old_");
    create_fault = (struct fault){1, SPACE_FULL};
    cr_expect(ask("zunionstore to 1 one")[0] == '-');
    expect("zrange to 0 -1", "*1_$3_old_");
    expect("dbsize", ":2_");
}

Test(zsets, a_store_forgets_when_the_old_value_goes)
{
    ask("zadd one 1 a 2 b");
    ask("set to text px 50000");
    expect("zunionstore to 1 one", ":2_");
    expect("pttl to", ":-1_");
    ask("pexpire one 50000");
    expect("zrangestore one one 0 0", ":1_");
    expect("pttl one", ":-1_");
}

/* ---- damage, and answers that do not fit ---- */

Test(zsets, damage_is_answered_alone)
{
    static const char damaged[] =
        "-ERR the stored value is damaged; 'pando check --deep' names the place_";
    static const char *const lines[] = {"zscore z a",       "zmscore z a b",    "zrank z a",
                                        "zadd z 7 new 8 a", "zinter 2 z other", "zdiff 2 z other",
                                        "zincrby z 1 a",    "zrem z a"};
    ask("zadd z 1 a 2 b");
    ask("zadd other 1 a 2 b");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        get_fault = (struct fault){i == 1 ? 2 : 1, SPACE_DAMAGED};
        expect(lines[i], damaged);
    }
    get_fault = (struct fault){2, SPACE_DAMAGED};
    expect("zadd z 7 new 8 a", damaged);
    expect("zrange z 0 -1 withscores", "*4_$1_a_$1_1_$1_b_$1_2_");
    expect_whole("z");
}

Test(zsets, a_pop_that_fails_answers_the_error_alone)
{
    static const char *const lines[] = {"zpopmin z 1", "zpopmax z", "zmpop 1 z min",
                                        "zremrangebyrank z 0 1"};
    ask("zadd z 1 a 2 b 3 c");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        remove_fault = (struct fault){1, SPACE_FAILED};
        expect(lines[i], "-ERR the disk of the keyspace does not take writes any more_");
    }
    expect("zcard z", ":3_");
}

Test(zsets, a_pop_whose_answer_is_too_large_takes_nothing)
{
    char line[LINE_MAX_BYTES];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(line, sizeof line, "zadd z %u member-with-a-long-name-%u", i, i);
        ask(line);
    }
    answer_bytes_max = 1024;
    expect("zpopmin z 99", "!");
    expect("zpopmax z 99", "!");
    answer_bytes_max = 0;
    expect("zcard z", ":100_");
    expect_whole("z");
}

Test(zsets, endless_answers_end_where_they_are_too_large)
{
    ask("zadd z 1 a");
    answer_bytes_max = 1 << 16;
    expect("zrandmember z -9223372036854775807", "!");
    answer_bytes_max = 0;
}

/* ---- the trees ---- */

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

Test(zsets, scores_are_bytes_in_the_order_of_numbers)
{
    enum { COUNT = 2000 };
    static double scores[COUNT] = {-INFINITY, INFINITY, 0, -0.0, 5e-324, -5e-324, 1.7e308, -1e308};
    uint8_t low[ZSETS_SCORE_BYTES], high[ZSETS_SCORE_BYTES];
    for (size_t i = 8; i < COUNT; i++)
        do {
            const uint64_t bits = random_next(&chance);
            memcpy(&scores[i], &bits, sizeof bits);
        } while (isnan(scores[i]));
    qsort(scores, COUNT, sizeof scores[0], compare);
    for (size_t i = 1; i < COUNT; i++) {
        zsets__write_score(low, scores[i - 1]);
        zsets__write_score(high, scores[i]);
        const int order = memcmp(low, high, sizeof low);
        cr_expect(scores[i - 1] < scores[i] ? order < 0 : order == 0);
        cr_expect(zsets__read_score((struct bytes){high, sizeof high}) == scores[i]);
    }
}

/* One line that changes z, with few members and scores, so that they meet. */
static void change_somehow(void)
{
    static const char *const forms[] = {"zadd z %d m%u %d m%u %d m%u", "zadd z gt ch %d m%u %d m%u",
                                        "zadd z xx lt %d m%u",         "zincrby z %d m%u",
                                        "zremrangebyscore z %d %u",    "zadd z nx %d m%u"};
    char line[LINE_MAX_BYTES];
    const unsigned throw = (unsigned)random_next(&chance) % 100;
    const int score = (int)(random_next(&chance) % 9) - 4, other = (int)(throw % 5);
    const unsigned member = (unsigned)random_next(&chance) % 30;
    if (throw < 80)
        snprintf(line, sizeof line, forms[throw % 6], score, member, other, member / 2, score,
                 member / 3);
    else if (throw < 90)
        snprintf(line, sizeof line, "zrem z m%u m%u m%u", member, member / 2, member / 3);
    else if (throw < 95)
        snprintf(line, sizeof line, throw % 2 ? "zpopmin z 2" : "zpopmax z");
    else
        snprintf(line, sizeof line, "zunionstore z 2 z z weights 1 %d", score);
    ask(line);
}

Test(zsets, the_trees_stay_of_one_mind)
{
    for (unsigned i = 0; i < 4000; i++) {
        change_somehow();
        if (i % 3 == 0) { /* and a fault now and then */
            put_fault = (struct fault){1 + (unsigned)random_next(&chance) % 6, SPACE_FULL};
            change_somehow();
            put_fault.nth = 0;
        }
        expect_whole("z");
        cr_assert(below->count(&memory->space) <= 1);
    }
}

/* ---- chance ---- */

Test(zsets, each_member_is_drawn_about_as_often)
{
    unsigned often[8] = {0};
    ask("zadd z 0 a 0 b 1 c 2 d 3 e 4 f 5 g 6 h");
    for (unsigned i = 0; i < 4000; i++) {
        ask(i % 2 ? "zrandmember z" : "zrandmember z -1");
        often[strchr(answer, '_')[i % 2 ? 1 : 4] - 'a']++;
    }
    for (unsigned i = 0; i < 8; i++)
        cr_expect(often[i] > 400 && often[i] < 600, "%c: %u", 'a' + (int)i, often[i]);
}

Test(zsets, several_that_are_drawn_at_once_are_different)
{
    unsigned often[8] = {0};
    char word[] = "_x_";
    ask("zadd z 0 a 0 b 1 c 2 d 3 e 4 f 5 g 6 h");
    for (unsigned i = 0; i < 4000; i++) {
        const unsigned count = 1 + i % 9, given = count > 8 ? 8 : count;
        char line[LINE_MAX_BYTES];
        unsigned found = 0;
        snprintf(line, sizeof line, "zrandmember z %u", count);
        ask(line);
        for (word[1] = 'a'; word[1] <= 'h'; word[1]++)
            if (strstr(answer, word) != NULL) {
                often[word[1] - 'a'] += count == 2;
                found++;
            }
        cr_assert(found == given && answer[1] == (char)('0' + given), "%s", answer);
    }
    for (unsigned i = 0; i < 8; i++) /* of 444 pairs */
        cr_expect(often[i] > 70 && often[i] < 155, "%c: %u", 'a' + (int)i, often[i]);
}
