/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/resp_session.c - the session's life, which commands may be run, and the small
 * ones among them. */
#include "front/resp/session/resp_session_inside.h"

#include "core/mem.h"
#include "core/units.h"
#include "front/resp/node/resp_commands.h"
#include "front/resp/session/user/resp_user.h"

#include <assert.h>
#include <stdio.h>

#define NOT_IN_MULTI "ERR Command not allowed inside a transaction"

enum { SHOWN_BYTES_MAX = 128 }; /* of what a client sent, in errors */

void resp_session_init(struct resp_session *session, struct resp_sessions *home)
{
    const uint64_t count =
        atomic_fetch_add_explicit(home->path->clients_count, 1, memory_order_relaxed);
    *session = (struct resp_session){.home = home, .id = count + 1, .version = 2};
    list_add_last(&home->all, &session->link);
    resp_queue_init(&session->queue);
    resp_watches_init(&session->watches);
    resp_user_forget(session);
    pubsub_subscriber_init(&session->subscriber, home->reader);
}

static void drop_texts(struct resp_session *session)
{
    mem_free(session->name);
    mem_free(session->lib_name);
    mem_free(session->lib_version);
    session->name = session->lib_name = session->lib_version = NULL;
}

void resp_session_fini(struct resp_session *session)
{
    list_remove(&session->link);
    drop_texts(session);
    resp_queue_clear(&session->queue);
    resp_watches_clear(&session->watches);
    resp__end_channels(session);
}

/* ---- which command it is ---- */

/* As much of the arguments as fits, in quotes, as Redis shows them. */
static void write_shown(char *out, size_t room, const struct bytes *args, uint32_t args_count)
{
    size_t used = 0;
    out[0] = 0;
    for (uint32_t i = 1; i < args_count && used < SHOWN_BYTES_MAX; i++) {
        const size_t most = SHOWN_BYTES_MAX - used;
        const int shown = (int)(args[i].count < most ? args[i].count : most);
        const int wrote =
            snprintf(out + used, room - used, "'%.*s' ", shown, (const char *)args[i].at);
        used += wrote < 0 ? 0 : (size_t)wrote;
    }
}

static void refuse_unknown(const struct bytes *args, uint32_t args_count, struct resp_out *out)
{
    char shown[2 * SHOWN_BYTES_MAX + 8];
    const int name_bytes = (int)(args[0].count < SHOWN_BYTES_MAX ? args[0].count : SHOWN_BYTES_MAX);
    const char *name = (const char *)args[0].at;
    const char *group = command_absent_group(args[0]), *refusal = resp__refusal(args[0]);
    if (refusal != NULL) {
        resp_error(out, refusal);
        return;
    }
    if (group != NULL) {
        resp_errorf(out,
                    "ERR '%.*s' is a command of %s, which the engines memory and lmdb do not have; "
                    "engine redis will",
                    name_bytes, name, group);
        return;
    }
    write_shown(shown, sizeof shown, args, args_count);
    resp_errorf(out, "ERR unknown command '%.*s', with args beginning with: %s", name_bytes, name,
                shown);
}

static void forget_transaction(struct resp_session *session)
{
    resp_queue_clear(&session->queue);
    resp_watches_clear(&session->watches);
}

void resp_session_refuse(struct resp_session *session, const struct resp_ask *ask)
{
    if (ask->command == NULL) {
        refuse_unknown(ask->args, ask->args_count, ask->out);
    } else if (ask->command->number == COMMAND_IS_EXEC) {
        forget_transaction(session);
        resp_error(ask->out, "EXECABORT Transaction discarded because of: wrong number of "
                             "arguments for 'exec' command");
    } else {
        resp_errorf(ask->out, "ERR wrong number of arguments for '%s' command", ask->command->name);
    }
    session->queue.is_bad = session->queue.is_open;
}

/* ---- MULTI ---- */

bool resp_session_queues(const struct resp_session *session, const struct command *command)
{
    if (!session->queue.is_open)
        return false;
    switch (command->number) {
    case COMMAND_IS_EXEC:
    case COMMAND_IS_DISCARD:
    case COMMAND_IS_MULTI:
    case COMMAND_IS_WATCH:
    case COMMAND_IS_QUIT:
    case COMMAND_IS_RESET: return false;
    default: return true;
    }
}

static void refuse_count(const struct resp_ask *ask, const char *subcommand)
{
    resp_errorf(ask->out, "ERR wrong number of arguments for '%s|%s' command", ask->command->name,
                subcommand);
}

/* Engines answer OBJECT; what none of them can answer is refused before it is queued. */
static bool refuse_object(const struct resp_ask *ask)
{
    static const struct {
        const char *word;
        uint32_t args_count;
    } known[] = {{"encoding", 3}, {"freq", 3}, {"help", 2}, {"idletime", 3}, {"refcount", 3}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!bytes_is_word(ask->args[1], known[i].word))
            continue;
        if (ask->args_count == known[i].args_count)
            return false;
        refuse_count(ask, known[i].word);
        return true;
    }
    resp__refuse_subcommand(ask);
    return true;
}

/* EXEC is answered by an engine, and at once. */
static bool is_never_queued(const struct resp_ask *ask)
{
    return (ask->command->flags & COMMAND_NO_MULTI) != 0 || resp__is_own(ask) ||
           (ask->command->number == COMMAND_IS_CLIENT && resp__is_clients(ask));
}

/* What could only fail is refused before it is queued. */
static bool refuse_now(const struct resp_ask *ask)
{
    switch (ask->command->number) {
    case COMMAND_IS_OBJECT: return refuse_object(ask);
    case COMMAND_IS_PUBSUB: return resp__refuse_pubsub(ask);
    default: return false;
    }
}

void resp_session_queue(struct resp_session *session, const struct resp_ask *ask)
{
    struct resp_queue *queue = &session->queue;
    const struct resp_settings *settings = session->home->settings;
    size_t bytes = 0;
    for (uint32_t i = 0; i < ask->args_count; i++)
        bytes += ask->args[i].count;
    if (is_never_queued(ask))
        resp_error(ask->out, NOT_IN_MULTI);
    else if (refuse_now(ask))
        ;
    else if (queue->count >= settings->multi_commands)
        resp_error(ask->out, "ERR the transaction has more commands than 'multi-commands'");
    else if (queue->bytes + bytes > settings->multi_bytes)
        resp_error(ask->out, "ERR the transaction has more bytes than 'multi-bytes'");
    else if (!resp_queue_add(queue, ask->command, ask->args, ask->args_count))
        resp_error(ask->out, "OOM out of memory");
    else {
        resp_simple(ask->out, "QUEUED");
        return;
    }
    queue->is_bad = true;
}

static void run_multi(struct resp_session *session, const struct resp_ask *ask)
{
    if (session->queue.is_open) {
        resp_error(ask->out, "ERR MULTI calls can not be nested");
        return;
    }
    session->queue.is_open = true;
    resp_simple(ask->out, "OK");
}

static void run_discard(struct resp_session *session, const struct resp_ask *ask)
{
    if (!session->queue.is_open) {
        resp_error(ask->out, "ERR DISCARD without MULTI");
        return;
    }
    forget_transaction(session);
    resp_simple(ask->out, "OK");
}

/* Inside a transaction it is too late to forget them, as in Redis: EXEC has done so. */
static void run_unwatch(struct resp_session *session, const struct resp_ask *ask)
{
    resp_watches_clear(&session->watches);
    resp_simple(ask->out, "OK");
}

/* ---- the small ones ---- */

/* While it subscribes something, a client of version 2 reads nothing but arrays. */
static void answer_pong(const struct resp_ask *ask)
{
    resp_array(ask->out, 2);
    resp_bulk_text(ask->out, "pong");
    resp_bulk(ask->out, ask->args_count == 2 ? ask->args[1] : (struct bytes){NULL, 0});
}

static void run_ping(struct resp_session *session, const struct resp_ask *ask)
{
    if (ask->args_count > 2)
        resp_error(ask->out, "ERR wrong number of arguments for 'ping' command");
    else if (session->version == 2 && pubsub_subscribes(&session->subscriber))
        answer_pong(ask);
    else if (ask->args_count == 2)
        resp_bulk(ask->out, ask->args[1]);
    else
        resp_simple(ask->out, "PONG");
}

static void run_echo(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    resp_bulk(ask->out, ask->args[1]);
}

static void run_select(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    int64_t number;
    if (!bytes_read_int64(ask->args[1], &number))
        resp_error(ask->out, "ERR value is not an integer or out of range");
    else if (number < INT32_MIN || number > INT32_MAX)
        resp_errorf(ask->out, "ERR value is out of range, value must between %d and %d", INT32_MIN,
                    INT32_MAX);
    else if (number != 0)
        resp_error(ask->out, "ERR DB index is out of range");
    else
        resp_simple(ask->out, "OK");
}

static void run_quit(struct resp_session *session, const struct resp_ask *ask)
{
    session->is_over = true;
    resp__leave_channels(session);
    resp_simple(ask->out, "OK");
}

static void run_reset(struct resp_session *session, const struct resp_ask *ask)
{
    forget_transaction(session);
    resp__leave_channels(session);
    mem_free(session->name);
    session->name = NULL;
    session->version = ask->out->version = 2;
    session->is_reply_off = session->skips_next = false; /* one that is skipped stays so */
    resp_user_forget(session);
    resp_simple(ask->out, "RESET");
}

static void run_time(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    const uint64_t now_ns = clock_wall_ns();
    resp_array(ask->out, 2);
    resp_bulk_integer(ask->out, (int64_t)(now_ns / NS_PER_S));
    resp_bulk_integer(ask->out, (int64_t)(now_ns % NS_PER_S / NS_PER_US));
}

static void run_lolwut(struct resp_session *session, const struct resp_ask *ask)
{
    static const char trees[] = "   /\\     /\\     /\\\n"
                                "  /  \\   /  \\   /  \\\n"
                                " /    \\ /    \\ /    \\\n"
                                "   ||     ||     ||\n"
                                "---++-----++-----++--- one root\n"
                                "\nPando, for Redis ver. " RESP_REDIS_VERSION "\n";
    (void)session;
    resp_verbatim(ask->out, bytes_of(trees));
}

typedef void run_call(struct resp_session *session, const struct resp_ask *ask);

static run_call *const calls[COMMANDS_COUNT] = {
    [COMMAND_IS_PING] = run_ping,
    [COMMAND_IS_ECHO] = run_echo,
    [COMMAND_IS_HELLO] = resp__hello,
    [COMMAND_IS_AUTH] = resp__auth,
    [COMMAND_IS_SELECT] = run_select,
    [COMMAND_IS_QUIT] = run_quit,
    [COMMAND_IS_RESET] = run_reset,
    [COMMAND_IS_CLIENT] = resp__client,
    [COMMAND_IS_COMMAND] = resp__command,
    [COMMAND_IS_INFO] = resp__info,
    [COMMAND_IS_CONFIG] = resp__config,
    [COMMAND_IS_TIME] = run_time,
    [COMMAND_IS_LOLWUT] = run_lolwut,
    [COMMAND_IS_MULTI] = run_multi,
    [COMMAND_IS_DISCARD] = run_discard,
    [COMMAND_IS_UNWATCH] = run_unwatch,
    [COMMAND_IS_SUBSCRIBE] = resp__subscribe,
    [COMMAND_IS_UNSUBSCRIBE] = resp__unsubscribe,
    [COMMAND_IS_PSUBSCRIBE] = resp__subscribe,
    [COMMAND_IS_PUNSUBSCRIBE] = resp__unsubscribe,
    [COMMAND_IS_SSUBSCRIBE] = resp__subscribe,
    [COMMAND_IS_SUNSUBSCRIBE] = resp__unsubscribe,
    [COMMAND_IS_PUBLISH] = resp__publish,
    [COMMAND_IS_SPUBLISH] = resp__publish,
    [COMMAND_IS_PUBSUB] = resp__pubsub,
    [COMMAND_IS_ACL] = resp__acl,
    [COMMAND_IS_CLUSTER] = resp__cluster,
    [COMMAND_IS_READONLY] = resp__cluster_mode,
    [COMMAND_IS_READWRITE] = resp__cluster_mode,
    [COMMAND_IS_ASKING] = resp__cluster_mode,
    [COMMAND_IS_SLOWLOG] = resp__slowlog,
    [COMMAND_IS_LATENCY] = resp__latency,
    [COMMAND_IS_MEMORY] = resp__memory,
    [COMMAND_IS_ROLE] = resp__role,
    [COMMAND_IS_WAIT] = resp__wait,
};

void resp_session_run(struct resp_session *session, const struct resp_ask *ask)
{
    run_call *call = calls[ask->command->number];
    assert(call != NULL);
    call(session, ask);
}

/* ---- helpers ---- */

bool resp__is_name(struct bytes bytes)
{
    for (size_t i = 0; i < bytes.count; i++)
        if (bytes.at[i] < '!' || bytes.at[i] > '~')
            return false;
    return true;
}

bool resp__set_text(char **to, struct bytes bytes, struct resp_out *out)
{
    char *copy = NULL;
    if (bytes.count > 0) {
        copy = mem_alloc(bytes.count + 1);
        if (copy == NULL) {
            resp_error(out, "OOM out of memory");
            return false;
        }
        memcpy(copy, bytes.at, bytes.count);
    }
    mem_free(*to);
    *to = copy;
    return true;
}

static void write_upper(char *out, const char *name)
{
    for (; *name != 0; name++)
        *out++ = (char)(*name >= 'a' && *name <= 'z' ? *name - 32 : *name);
    *out = 0;
}

void resp__refuse_subcommand(const struct resp_ask *ask)
{
    char upper[32];
    const struct bytes said = ask->args[1];
    write_upper(upper, ask->command->name);
    resp_errorf(ask->out, "ERR unknown subcommand '%.*s'. Try %s HELP.",
                (int)(said.count < SHOWN_BYTES_MAX ? said.count : SHOWN_BYTES_MAX),
                (const char *)said.at, upper);
}

const struct resp_subcommand *resp__find_subcommand(const struct resp_ask *ask,
                                                    const struct resp_subcommand *table)
{
    for (; table->name != NULL; table++) {
        if (!bytes_is_word(ask->args[1], table->name))
            continue;
        if (table->arity < 0 ? ask->args_count >= (uint32_t)-table->arity
                             : ask->args_count == (uint32_t)table->arity)
            return table;
        refuse_count(ask, table->name);
        return NULL;
    }
    resp__refuse_subcommand(ask);
    return NULL;
}

void resp__run_subcommand(struct resp_session *session, const struct resp_ask *ask,
                          const struct resp_subcommand *table)
{
    const struct resp_subcommand *found = resp__find_subcommand(ask, table);
    if (found != NULL)
        found->run(session, ask);
}
