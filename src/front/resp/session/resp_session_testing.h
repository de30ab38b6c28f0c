/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/resp_session_testing.h - for tests of the session: one front's sessions
 * without a socket, and commands written as words with spaces between them. */
#ifndef PANDO_FRONT_RESP_SESSION_RESP_SESSION_TESTING_H
#define PANDO_FRONT_RESP_SESSION_RESP_SESSION_TESTING_H

#include "front/resp/session/user/resp_user.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { SAID_WORDS_MAX = 16 };

static _Atomic uint64_t clients_count;

static struct resp_settings testing_settings = {
    .bulk_bytes = 512 * 1024 * 1024, .multi_commands = 3, .multi_bytes = 4096};
static struct resp_node testing_node;
static struct resp_path testing_path = {
    .refs_count = 1, .clients_count = &clients_count, .node = &testing_node};
static struct door testing_door;
static struct resp_sessions home;
static struct resp_session session, other;
static unsigned closed_count; /* sessions that were closed */
static struct resp_out said;  /* the answer to the last command */

static inline void testing_figures(struct resp_sessions *self, struct resp_figures *figures)
{
    (void)self;
    figures->connections = 2;
    figures->memory_bytes_max = 1000;
    figures->keys = 7;
}

static inline void testing_describe(const struct resp_session *each, struct resp_facts *facts)
{
    (void)snprintf(facts->address, sizeof facts->address, "10.0.0.%u:77", (unsigned)each->id);
    (void)snprintf(facts->local_address, sizeof facts->local_address, "10.0.0.9:6380");
    facts->fd = 5;
}

static inline void testing_close(struct resp_session *each)
{
    closed_count++;
    resp_session_fini(each);
}

static inline void begin_sessions(void)
{
    home = (struct resp_sessions){
        .settings = &testing_settings,
        .path = &testing_path,
        .door = &testing_door,
        .figures = testing_figures,
        .describe = testing_describe,
        .close = testing_close,
    };
    list_init(&home.all);
    resp_node_init(&testing_node);
    (void)snprintf(testing_node.id, sizeof testing_node.id, "%040d", 7);
    resp_session_init(&session, &home);
    resp_session_init(&other, &home);
}

static inline void end_sessions(void)
{
    resp_session_fini(&session);
    resp_session_fini(&other);
    resp_out_fini(&said);
    resp_node_fini(&testing_node);
}

/* Runs @args as the front does; what was written is in `said`. */
static inline void say_args(const struct bytes *args, uint32_t args_count)
{
    const struct command *command = command_find(args[0]);
    resp_out_fini(&said);
    resp_out_init(&said, session.version, 0, NULL);
    const struct resp_ask ask = {
        .command = command, .args = args, .args_count = args_count, .out = &said};
    session.is_skipping = session.skips_next;
    session.skips_next = false;
    if (command == NULL || !command_takes(command, args_count))
        resp_session_refuse(&session, &ask);
    else if (!resp_session_may(&session, command))
        resp_user_refuse(&session, &ask);
    else if (resp_session_is_in_pubsub(&session, command))
        resp_session_refuse_in_pubsub(&session, &ask);
    else if (resp_session_queues(&session, command))
        resp_session_queue(&session, &ask);
    else
        resp_session_run(&session, &ask);
    if (session.is_reply_off || session.is_skipping)
        resp_out_rewind(&said, 0);
}

/* The answer to the command @words, as a text that stays until the next one. */
static inline const char *say(const char *words)
{
    static char text[512];
    struct bytes args[SAID_WORDS_MAX];
    uint32_t count = 0;
    (void)snprintf(text, sizeof text, "%s", words);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
        cr_assert(count < SAID_WORDS_MAX);
        args[count++] = bytes_of(word);
    }
    say_args(args, count);
    resp_raw(&said, (struct bytes){(const uint8_t *)"", 1}); /* its NUL */
    cr_assert(!said.failed);
    return (const char *)said.buf->data;
}

#define EXPECT_SAID(words, wanted)                                                                 \
    do {                                                                                           \
        const char *got = say(words);                                                              \
        cr_expect(strcmp(got, wanted) == 0, "%s: %s", words, got);                                 \
    } while (0)

#define EXPECT_HOLDS(words, part)                                                                  \
    do {                                                                                           \
        const char *got = say(words);                                                              \
        cr_expect(strstr(got, part) != NULL, "%s: %s", words, got);                                \
    } while (0)

#endif
