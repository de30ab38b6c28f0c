/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/members_testing.h - for tests only: commands as lines of words over a memory space,
 * whose calls can be made to fail (members_faults_testing.h).
 *
 * One at a time in a process: members_testing_begin() to members_testing_end(). */
#ifndef PANDO_ENGINE_KEYS_MEMBERS_TESTING_H
#define PANDO_ENGINE_KEYS_MEMBERS_TESTING_H

#include "engine/keys/members_faults_testing.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static inline void members_testing_begin(void)
{
    static const struct hash_key hash_key = {{1, 2}};
    struct members_testing *t = members_testing();
    *t = (struct members_testing){0};
    t->memory = memory_space_new(&(struct memory_space_options){.hash_key = &hash_key});
    cr_assert(t->memory != NULL);
    t->space = &t->memory->space;
    members_testing_intercept();
    random_init(&t->chance, 7);
}

static inline void members_testing_end(void)
{
    struct members_testing *t = members_testing();
    memory_space_free(t->memory);
    free(t->answer);
}

static inline struct space *members_testing_space_of(struct run *run, struct bytes key)
{
    (void)run;
    (void)key;
    return members_testing()->space;
}

/* A run by itself, for what handlers call. */
static inline struct run members_testing_run(struct resp_out *out)
{
    struct members_testing *t = members_testing();
    return (struct run){.now_ms = 1000,
                        .out = out,
                        .random = &t->chance,
                        .value_bytes_max = 1 << 20,
                        .space_of = members_testing_space_of,
                        .spaces = &t->space,
                        .spaces_count = 1};
}

/* Runs a command; the answer as version 2 writes it, with _ for CR LF, until the next one. "!": it
 * did not fit. */
static inline const char *members_testing_run_args(const struct bytes *args, uint32_t count)
{
    struct members_testing *t = members_testing();
    struct resp_out out;
    resp_out_init(&out, 2, t->answer_bytes_max, NULL);
    struct key_op op = {.command = command_find(args[0]),
                        .args = args,
                        .args_count = count,
                        .now_ms = 1000,
                        .out = &out};
    struct run run = members_testing_run(&out);
    cr_assert(op.command != NULL && command_takes(op.command, count));
    memory_space_begin(t->memory, 1000, false);
    run_command(&run, &op);
    memory_space_end(t->memory);
    if (t->answer_room < out.used + 2) {
        t->answer_room = 2 * out.used + 2;
        t->answer = realloc(t->answer, t->answer_room);
        cr_assert(t->answer != NULL);
    }
    size_t length = 0;
    for (size_t i = 0; i < out.used; i++)
        if (out.buf->data[i] != '\n')
            t->answer[length++] = (char)(out.buf->data[i] == '\r' ? '_' : out.buf->data[i]);
    if (out.failed)
        t->answer[length++] = '!';
    t->answer[length] = '\0';
    const char *last = out.failed ? t->answer + length - 1 : t->answer;
    resp_out_fini(&out);
    return last;
}

enum { MEMBERS_TESTING_WORDS_MAX = 1024, MEMBERS_TESTING_LINE_MAX = 16384 };

/* The same for a line of words. */
static inline const char *say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline const char *say(const char *format, ...)
{
    static char line[MEMBERS_TESTING_LINE_MAX];
    struct bytes args[MEMBERS_TESTING_WORDS_MAX];
    uint32_t count = 0;
    va_list rest;
    va_start(rest, format);
    const int length = vsnprintf(line, sizeof line, format, rest);
    va_end(rest);
    cr_assert(length > 0 && (size_t)length < sizeof line);
    for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " ")) {
        cr_assert(count < MEMBERS_TESTING_WORDS_MAX);
        args[count++] = bytes_of(word);
    }
    return members_testing_run_args(args, count);
}

/* The number that the last answer is. */
static inline int64_t members_testing_number(const char *answer)
{
    cr_assert(answer[0] == ':', "%s", answer);
    return strtoll(answer + 1, NULL, 10);
}

#define expect_answer(answer, wanted)                                                              \
    do {                                                                                           \
        const char *const is_ = (answer);                                                          \
        cr_expect(strcmp(is_, wanted) == 0, "%.300s instead of %s", is_, wanted);                  \
    } while (0)

/* The next bulk string of an answer from *@at on, which moves behind it. At NULL: there is none. */
static inline struct bytes members_testing_bulk(const char **at)
{
    const char *head = strchr(*at, '$');
    if (head == NULL)
        return (struct bytes){0};
    char *text;
    const size_t count = strtoul(head + 1, &text, 10);
    *at = text + 1 + count + 1;
    return (struct bytes){(const uint8_t *)text + 1, count};
}

#define MEMBERS_TESTING_FULL                                                                       \
    "-OOM command not allowed when used memory > 'memory' of the keyspace._"
#define MEMBERS_TESTING_DAMAGED                                                                    \
    "-ERR the stored value is damaged; 'pando check --deep' names the place_"

#endif
