/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/resp_pubsub.c - channels: SUBSCRIBE and its like, PUBLISH, PUBSUB. */
#include "front/resp/node/resp_commands.h"
#include "front/resp/session/resp_session_inside.h"

#include <assert.h>
#include <stdio.h>

enum { SHOWN_BYTES_MAX = 128 };

/* The words of each kind. */
static const struct {
    const char *subscribe, *unsubscribe;
} words[PUBSUB_KINDS_COUNT] = {
    [PUBSUB_CHANNEL] = {"subscribe", "unsubscribe"},
    [PUBSUB_PATTERN] = {"psubscribe", "punsubscribe"},
    [PUBSUB_SHARD] = {"ssubscribe", "sunsubscribe"},
};

static struct pubsub_worker *worker_of(const struct resp_session *session)
{
    return session->home->path->pubsub;
}

static enum pubsub_kind kind_of(const struct command *command)
{
    switch (command->number) {
    case COMMAND_IS_PSUBSCRIBE:
    case COMMAND_IS_PUNSUBSCRIBE: return PUBSUB_PATTERN;
    case COMMAND_IS_SSUBSCRIBE:
    case COMMAND_IS_SUNSUBSCRIBE:
    case COMMAND_IS_SPUBLISH: return PUBSUB_SHARD;
    default: return PUBSUB_CHANNEL;
    }
}

bool resp_session_may_in_pubsub(const struct command *command)
{
    switch (command->number) {
    case COMMAND_IS_PING:
    case COMMAND_IS_SUBSCRIBE:
    case COMMAND_IS_UNSUBSCRIBE:
    case COMMAND_IS_PSUBSCRIBE:
    case COMMAND_IS_PUNSUBSCRIBE:
    case COMMAND_IS_SSUBSCRIBE:
    case COMMAND_IS_SUNSUBSCRIBE:
    case COMMAND_IS_QUIT:
    case COMMAND_IS_RESET: return true;
    default: return false;
    }
}

/* Redis calls a command that has others inside by both names. */
static bool has_subcommands(const struct command *command)
{
    switch (command->number) {
    case COMMAND_IS_CLIENT:
    case COMMAND_IS_COMMAND:
    case COMMAND_IS_CONFIG:
    case COMMAND_IS_OBJECT:
    case COMMAND_IS_PUBSUB: return true;
    default: return false;
    }
}

/* As "get", or "client|id". */
static void write_name(const struct resp_ask *ask, char *out, size_t room)
{
    char inner[SHOWN_BYTES_MAX + 1] = "";
    if (ask->args_count > 1 && has_subcommands(ask->command)) {
        const struct bytes said = ask->args[1];
        for (size_t i = 0; i < said.count && i < SHOWN_BYTES_MAX; i++)
            inner[i] =
                (char)(said.at[i] >= 'A' && said.at[i] <= 'Z' ? said.at[i] + 32 : said.at[i]);
    }
    (void)snprintf(out, room, "%s%s%s", ask->command->name, inner[0] == 0 ? "" : "|", inner);
}

void resp_session_refuse_in_pubsub(struct resp_session *session, const struct resp_ask *ask)
{
    char name[2 * SHOWN_BYTES_MAX];
    const bool is_exec = ask->command->number == COMMAND_IS_EXEC;
    session->queue.is_bad = session->queue.is_open;
    if (ask->command->number == COMMAND_IS_PUBSUB && resp__refuse_pubsub(ask))
        return;
    write_name(ask, name, sizeof name);
    resp_errorf(ask->out,
                "%s Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
                "RESET are allowed in this context",
                is_exec ? "EXECABORT Transaction discarded because of:" : "ERR", name);
    if (!is_exec)
        return;
    resp_queue_clear(&session->queue);
    resp_watches_clear(&session->watches);
}

/* ---- subscribing ---- */

/* What the answers count: shards for themselves. */
static int64_t count_of(const struct resp_session *session, enum pubsub_kind kind)
{
    const uint32_t *counts = session->subscriber.counts;
    if (kind == PUBSUB_SHARD)
        return counts[PUBSUB_SHARD];
    return (int64_t)counts[PUBSUB_CHANNEL] + counts[PUBSUB_PATTERN];
}

/* @name NULL: there was none. */
static void put_change(struct resp_out *out, const char *word, const struct bytes *name,
                       int64_t count)
{
    resp_push(out, 3);
    resp_bulk_text(out, word);
    if (name == NULL)
        resp_null(out);
    else
        resp_bulk(out, *name);
    resp_integer(out, count);
}

/* All or none: whoever reads the answers takes one for each name. */
static bool may_subscribe(const struct resp_session *session, const struct resp_ask *ask)
{
    const struct resp_settings *settings = session->home->settings;
    const uint32_t *counts = session->subscriber.counts;
    const uint64_t count = (uint64_t)counts[0] + counts[1] + counts[2] + ask->args_count - 1;
    static_assert(PUBSUB_KINDS_COUNT == 3, "all are counted");
    if (count > settings->subscriptions) {
        resp_error(ask->out, "ERR the connection would subscribe more than 'subscriptions' allows");
        return false;
    }
    for (uint32_t i = 1; i < ask->args_count; i++) {
        if (ask->args[i].count <= settings->channel_bytes)
            continue;
        resp_error(ask->out, "ERR a name is longer than 'channel-bytes' allows");
        return false;
    }
    return true;
}

void resp__subscribe(struct resp_session *session, const struct resp_ask *ask)
{
    const enum pubsub_kind kind = kind_of(ask->command);
    if (kind == PUBSUB_SHARD && ask->is_of_exec) {
        resp_error(ask->out, "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
        return;
    }
    if (!may_subscribe(session, ask))
        return;
    for (uint32_t i = 1; i < ask->args_count; i++) {
        if (!pubsub_subscribe(worker_of(session), &session->subscriber, kind, ask->args[i])) {
            resp_error(ask->out, "OOM out of memory");
            return;
        }
        put_change(ask->out, words[kind].subscribe, &ask->args[i], count_of(session, kind));
    }
}

static void unsubscribe_all(struct resp_session *session, enum pubsub_kind kind,
                            struct resp_out *out)
{
    const struct bytes *name = pubsub_first(&session->subscriber, kind);
    if (name == NULL) {
        put_change(out, words[kind].unsubscribe, NULL, count_of(session, kind));
        return;
    }
    for (; name != NULL; name = pubsub_first(&session->subscriber, kind)) {
        put_change(out, words[kind].unsubscribe, name, count_of(session, kind) - 1);
        pubsub_unsubscribe(worker_of(session), &session->subscriber, kind, *name);
    }
}

void resp__unsubscribe(struct resp_session *session, const struct resp_ask *ask)
{
    const enum pubsub_kind kind = kind_of(ask->command);
    if (ask->args_count == 1) {
        unsubscribe_all(session, kind, ask->out);
        return;
    }
    for (uint32_t i = 1; i < ask->args_count; i++) {
        pubsub_unsubscribe(worker_of(session), &session->subscriber, kind, ask->args[i]);
        put_change(ask->out, words[kind].unsubscribe, &ask->args[i], count_of(session, kind));
    }
}

void resp__leave_channels(struct resp_session *session)
{
    if (pubsub_subscribes(&session->subscriber))
        pubsub_unsubscribe_all(worker_of(session), &session->subscriber);
}

void resp__end_channels(struct resp_session *session)
{
    if (pubsub_subscribes(&session->subscriber) || pubsub_is_held(&session->subscriber))
        pubsub_leave(worker_of(session), &session->subscriber);
}

/* ---- publishing ---- */

void resp_session_publish(struct resp_session *session, const struct resp_ask *ask,
                          struct resp_published *published)
{
    const struct pubsub_text text = {
        .kind = kind_of(ask->command),
        .channel = ask->args[1],
        .text = ask->args[2],
        .reads_own = !ask->is_of_exec,
    };
    *published = (struct resp_published){0};
    if (text.channel.count > session->home->settings->channel_bytes)
        published->error = "ERR the channel's name is longer than 'channel-bytes' allows";
    else if (!pubsub_publish(worker_of(session), &session->subscriber, &text,
                             &published->receivers_count))
        published->error = "OOM out of memory";
    else if (text.reads_own)
        pubsub_hand_on(worker_of(session));
}

void resp_published_write(const struct resp_published *published, struct resp_out *out)
{
    if (published->error != NULL)
        resp_error(out, published->error);
    else
        resp_integer(out, (int64_t)published->receivers_count);
}

void resp__publish(struct resp_session *session, const struct resp_ask *ask)
{
    struct resp_published published;
    resp_session_publish(session, ask, &published);
    resp_published_write(&published, ask->out);
}

/* ---- PUBSUB ---- */

static void list_topics(struct resp_session *session, const struct resp_ask *ask,
                        enum pubsub_kind kind)
{
    const struct bytes said = ask->args[1];
    if (ask->args_count > 3) {
        resp_errorf(ask->out,
                    "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try PUBSUB "
                    "HELP.",
                    (int)said.count, (const char *)said.at);
        return;
    }
    pubsub_hub_list(worker_of(session)->hub, kind, ask->args_count == 3 ? &ask->args[2] : NULL,
                    ask->out);
}

static void run_channels(struct resp_session *session, const struct resp_ask *ask)
{
    list_topics(session, ask, PUBSUB_CHANNEL);
}

static void run_shardchannels(struct resp_session *session, const struct resp_ask *ask)
{
    list_topics(session, ask, PUBSUB_SHARD);
}

static void put_counts(struct resp_session *session, const struct resp_ask *ask,
                       enum pubsub_kind kind)
{
    struct pubsub_hub *hub = worker_of(session)->hub;
    resp_array(ask->out, (uint64_t)(ask->args_count - 2) * 2);
    for (uint32_t i = 2; i < ask->args_count; i++) {
        resp_bulk(ask->out, ask->args[i]);
        resp_integer(ask->out, (int64_t)pubsub_hub_subscribers(hub, kind, ask->args[i]));
    }
}

static void run_numsub(struct resp_session *session, const struct resp_ask *ask)
{
    put_counts(session, ask, PUBSUB_CHANNEL);
}

static void run_shardnumsub(struct resp_session *session, const struct resp_ask *ask)
{
    put_counts(session, ask, PUBSUB_SHARD);
}

static void run_numpat(struct resp_session *session, const struct resp_ask *ask)
{
    resp_integer(ask->out, (int64_t)pubsub_hub_topics(worker_of(session)->hub, PUBSUB_PATTERN));
}

const struct resp_subcommand resp__pubsub_subcommands[] = {
    {"channels", -2, run_channels, "CHANNELS [<pattern>]", "Channels that somebody subscribes."},
    {"numsub", -2, run_numsub, "NUMSUB [<channel> ...]",
     "How many subscribe each of these, by its name."},
    {"numpat", 2, run_numpat, "NUMPAT", "How many patterns are subscribed."},
    {"shardchannels", -2, run_shardchannels, "SHARDCHANNELS [<pattern>]",
     "Channels of SSUBSCRIBE that somebody subscribes."},
    {"shardnumsub", -2, run_shardnumsub, "SHARDNUMSUB [<channel> ...]",
     "How many subscribe each of these by SSUBSCRIBE."},
    {"help", 2, resp__help, "HELP", "This."},
    {.name = NULL},
};

bool resp__refuse_pubsub(const struct resp_ask *ask)
{
    return resp__find_subcommand(ask, resp__pubsub_subcommands) == NULL;
}

void resp__pubsub(struct resp_session *session, const struct resp_ask *ask)
{
    resp__run_subcommand(session, ask, resp__pubsub_subcommands);
}
