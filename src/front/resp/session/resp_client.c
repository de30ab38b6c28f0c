/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/resp_client.c - CLIENT: this connection and the others of the node. */
#include "front/resp/node/resp_commands.h"
#include "front/resp/session/user/resp_user.h"

#include "core/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BAD_NAME "ERR Client names cannot contain spaces, newlines or special characters."

enum { LINE_BYTES_MAX = 1024 };

static void answer_ok(const struct resp_ask *ask)
{
    resp_simple(ask->out, "OK");
}

static void refuse_syntax(const struct resp_ask *ask)
{
    resp_error(ask->out, "ERR syntax error");
}

/* ---- names ---- */

static void run_id(struct resp_session *session, const struct resp_ask *ask)
{
    resp_integer(ask->out, (int64_t)session->id);
}

static void run_getname(struct resp_session *session, const struct resp_ask *ask)
{
    if (session->name == NULL)
        resp_null(ask->out);
    else
        resp_bulk_text(ask->out, session->name);
}

static void run_setname(struct resp_session *session, const struct resp_ask *ask)
{
    if (!resp__is_name(ask->args[2]))
        resp_error(ask->out, BAD_NAME);
    else if (resp__set_text(&session->name, ask->args[2], ask->out))
        answer_ok(ask);
}

static void run_setinfo(struct resp_session *session, const struct resp_ask *ask)
{
    const bool is_name = bytes_is_word(ask->args[2], "lib-name");
    if (!is_name && !bytes_is_word(ask->args[2], "lib-ver")) {
        resp_errorf(ask->out, "ERR Unrecognized option '%.*s'",
                    (int)(ask->args[2].count < 128 ? ask->args[2].count : 128),
                    (const char *)ask->args[2].at);
        return;
    }
    if (!resp__is_name(ask->args[3]))
        resp_errorf(ask->out, "ERR %s cannot contain spaces, newlines or special characters.",
                    is_name ? "lib-name" : "lib-ver");
    else if (resp__set_text(is_name ? &session->lib_name : &session->lib_version, ask->args[3],
                            ask->out))
        answer_ok(ask);
}

/* ---- LIST and INFO ---- */

static void add(struct resp_out *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void add(struct resp_out *text, const char *format, ...)
{
    char line[LINE_BYTES_MAX];
    va_list rest;
    va_start(rest, format);
    const int count = vsnprintf(line, sizeof line, format, rest);
    va_end(rest);
    if (count > 0)
        resp_raw(text,
                 (struct bytes){(const uint8_t *)line,
                                (size_t)count < sizeof line ? (size_t)count : sizeof line - 1});
}

/* A name of any length that has no special characters. */
static void add_name(struct resp_out *text, const char *field, const char *name)
{
    add(text, " %s=", field);
    if (name != NULL)
        resp_raw(text, bytes_of(name));
}

static const char *flags_of(const struct resp_session *session)
{
    if (pubsub_subscribes(&session->subscriber))
        return session->queue.is_open ? "Px" : "P";
    return session->queue.is_open ? "x" : "N";
}

static void add_session(struct resp_out *text, const struct resp_session *session)
{
    struct resp_facts facts = {.fd = -1};
    session->home->describe(session, &facts);
    add(text, "id=%llu addr=%s laddr=%s fd=%d", (unsigned long long)session->id, facts.address,
        facts.local_address, facts.fd);
    add_name(text, "name", session->name);
    add(text, " age=%llu idle=%llu flags=%s db=0 sub=%u psub=%u ssub=%u multi=%d",
        (unsigned long long)facts.age_s, (unsigned long long)facts.idle_s, flags_of(session),
        session->subscriber.counts[PUBSUB_CHANNEL], session->subscriber.counts[PUBSUB_PATTERN],
        session->subscriber.counts[PUBSUB_SHARD],
        session->queue.is_open ? (int)session->queue.count : -1);
    add(text, " qbuf=%zu qbuf-free=0 argv-mem=0 multi-mem=%zu rbs=0 rbp=0 obl=0 oll=%u omem=%zu",
        facts.received_bytes, session->queue.bytes, facts.queued_count, facts.queued_bytes);
    const struct bytes user = resp_user_name(session);
    add(text, " tot-mem=%zu events=r cmd=%s user=%.*s redir=-1 resp=%d", facts.bytes,
        session->last == NULL ? "NULL" : session->last->name, (int)user.count,
        (const char *)user.at, session->version);
    add_name(text, "lib-name", session->lib_name);
    add_name(text, "lib-ver", session->lib_version);
    resp_raw(text, bytes_of("\n"));
}

/* Answers a text that was gathered; lets go of it. */
static void answer_text(struct resp_out *out, struct resp_out *text)
{
    if (text->failed)
        resp_error(out, "OOM out of memory");
    else
        resp_verbatim(out, (struct bytes){text->buf == NULL ? NULL : text->buf->data, text->used});
    resp_out_fini(text);
}

static void run_info(struct resp_session *session, const struct resp_ask *ask)
{
    struct resp_out text;
    resp_out_init(&text, 2, ask->out->bytes_max, NULL);
    add_session(&text, session);
    answer_text(ask->out, &text);
}

/* Reads a kind of clients; false: refused. Two kinds are there: normal, and those who subscribe. */
static bool read_type(const struct resp_ask *ask, const struct bytes *type,
                      struct resp_victims *victims)
{
    victims->type = type;
    if (bytes_is_word(*type, "normal") || bytes_is_word(*type, "pubsub"))
        return true;
    victims->is_none = bytes_is_word(*type, "master") || bytes_is_word(*type, "replica") ||
                       bytes_is_word(*type, "slave");
    if (!victims->is_none)
        resp_errorf(ask->out, "ERR Unknown client type '%.*s'",
                    (int)(type->count < 128 ? type->count : 128), (const char *)type->at);
    return victims->is_none;
}

static int by_number(const void *a, const void *b)
{
    const int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;
    return (one > other) - (one < other);
}

/* Once, and in order: they may be a million, and all sessions are compared with them. */
static bool read_ids(const struct resp_ask *ask, struct resp_victims *victims)
{
    victims->ids_count = ask->args_count - 3;
    victims->ids = mem_alloc(victims->ids_count * sizeof *victims->ids);
    const char *wrong = victims->ids == NULL ? "OOM out of memory" : NULL;
    for (uint32_t i = 0; i < victims->ids_count && wrong == NULL; i++)
        if (!bytes_read_int64(ask->args[3 + i], &victims->ids[i]) || victims->ids[i] < 1)
            wrong = "ERR Invalid client ID";
    if (wrong != NULL) {
        resp_error(ask->out, wrong);
        mem_free(victims->ids);
        victims->ids = NULL;
        return false;
    }
    qsort(victims->ids, victims->ids_count, sizeof *victims->ids, by_number);
    return true;
}

/* False: refused. */
static bool read_list(const struct resp_ask *ask, struct resp_victims *victims)
{
    if (ask->args_count == 2)
        return true;
    if (ask->args_count == 4 && bytes_is_word(ask->args[2], "type"))
        return read_type(ask, &ask->args[3], victims);
    if (ask->args_count < 4 || !bytes_is_word(ask->args[2], "id")) {
        refuse_syntax(ask);
        return false;
    }
    return read_ids(ask, victims);
}

/* ---- KILL ---- */

static bool read_user(const struct resp_session *session, const struct resp_ask *ask,
                      const struct bytes *name, struct resp_victims *victims)
{
    const struct users *users = session->home->users;
    victims->user = name;
    if (users == NULL ? bytes_equal(*name, bytes_of("default")) : users_named(users, *name) != NULL)
        return true;
    resp_errorf(ask->out, "ERR No such user '%.*s'", (int)(name->count < 128 ? name->count : 128),
                (const char *)name->at);
    return false;
}

/* One option and its value. False: refused. */
static bool read_victim(const struct resp_session *session, const struct resp_ask *ask,
                        uint32_t index, struct resp_victims *victims)
{
    const struct bytes word = ask->args[index], *value = &ask->args[index + 1];
    if (bytes_is_word(word, "id")) {
        if (bytes_read_int64(*value, &victims->id) && victims->id > 0)
            return true;
        resp_error(ask->out, "ERR client-id should be greater than 0");
        return false;
    }
    if (bytes_is_word(word, "type"))
        return read_type(ask, value, victims);
    if (bytes_is_word(word, "addr")) {
        victims->address = value;
    } else if (bytes_is_word(word, "laddr")) {
        victims->local_address = value;
    } else if (bytes_is_word(word, "user")) {
        return read_user(session, ask, value, victims);
    } else if (bytes_is_word(word, "skipme") &&
               (bytes_is_word(*value, "yes") || bytes_is_word(*value, "no"))) {
        victims->skips_me = bytes_is_word(*value, "yes");
    } else {
        refuse_syntax(ask);
        return false;
    }
    return true;
}

/* False: refused. */
static bool read_kill(const struct resp_session *session, const struct resp_ask *ask,
                      struct resp_victims *victims)
{
    victims->skips_me = ask->args_count > 3;
    if (ask->args_count == 3) { /* the old form: an address */
        victims->address = &ask->args[2];
        return true;
    }
    if (ask->args_count % 2 != 0) {
        refuse_syntax(ask);
        return false;
    }
    for (uint32_t i = 2; i < ask->args_count; i += 2)
        if (!read_victim(session, ask, i, victims))
            return false;
    return true;
}

/* ---- both ---- */

bool resp__is_clients(const struct resp_ask *ask)
{
    const bool lists = bytes_is_word(ask->args[1], "list");
    return lists || (ask->args_count >= 3 && bytes_is_word(ask->args[1], "kill"));
}

bool resp__clients_read(struct resp_clients *clients, const struct resp_session *session,
                        const struct resp_ask *ask)
{
    *clients = (struct resp_clients){.asker_id = session->id,
                                     .kills = bytes_is_word(ask->args[1], "kill")};
    clients->is_old_kill = clients->kills && ask->args_count == 3;
    const struct bytes user = resp_user_name(session);
    clients->is_free = resp_user_is_free(session);
    clients->users = session->home->users;
    if (user.count <= sizeof clients->asker_user) {
        memcpy(clients->asker_user, user.at, user.count);
        clients->asker_user_bytes = user.count;
    }
    resp_out_init(&clients->text, 2, session->home->settings->answer_bytes, NULL);
    return clients->kills ? read_kill(session, ask, &clients->victims)
                          : read_list(ask, &clients->victims);
}

static bool has_id(const struct resp_victims *victims, uint64_t session_id)
{
    const int64_t id = (int64_t)session_id;
    return victims->ids == NULL ||
           bsearch(&id, victims->ids, victims->ids_count, sizeof id, by_number) != NULL;
}

/* Whoever may not write everywhere may end only what is his own: of the same name among the same
 * users. */
static bool may_visit(const struct resp_session *session, const struct resp_clients *clients)
{
    const struct bytes asker = {(const uint8_t *)clients->asker_user, clients->asker_user_bytes};
    return !clients->kills || clients->is_free ||
           (session->home->users == clients->users && bytes_equal(asker, resp_user_name(session)));
}

static bool is_of_kind(const struct resp_session *session, const struct resp_victims *victims)
{
    if (victims->user != NULL && !bytes_equal(*victims->user, resp_user_name(session)))
        return false;
    return victims->type == NULL ||
           pubsub_subscribes(&session->subscriber) == bytes_is_word(*victims->type, "pubsub");
}

static bool is_meant(const struct resp_session *session, const struct resp_clients *clients)
{
    const struct resp_victims *victims = &clients->victims;
    struct resp_facts facts = {.fd = -1};
    if (!may_visit(session, clients) || !is_of_kind(session, victims))
        return false;
    if (victims->is_none || (victims->id != 0 && victims->id != (int64_t)session->id) ||
        (victims->skips_me && session->id == clients->asker_id) || !has_id(victims, session->id))
        return false;
    if (victims->address == NULL && victims->local_address == NULL)
        return true;
    session->home->describe(session, &facts);
    return (victims->address == NULL || bytes_equal(*victims->address, bytes_of(facts.address))) &&
           (victims->local_address == NULL ||
            bytes_equal(*victims->local_address, bytes_of(facts.local_address)));
}

static void visit(struct resp_clients *clients, struct resp_session *session)
{
    if (!clients->kills)
        add_session(&clients->text, session);
    else if (session->id == clients->asker_id)
        session->is_over = true; /* it gets its answer */
    else
        session->home->close(session);
    clients->count++;
}

void resp__clients_visit(struct resp_clients *clients, struct resp_sessions *home)
{
    list_each(&home->all, link, after)
    {
        struct resp_session *session = list_item(link, struct resp_session, link);
        if (is_meant(session, clients))
            visit(clients, session);
    }
}

void resp__clients_answer(struct resp_clients *clients, struct resp_out *out)
{
    if (!clients->kills)
        answer_text(out, &clients->text);
    else if (!clients->is_old_kill)
        resp_integer(out, clients->count);
    else if (clients->count == 0)
        resp_error(out, "ERR No such client");
    else
        resp_simple(out, "OK");
    resp_out_fini(&clients->text);
    mem_free(clients->victims.ids);
    clients->victims.ids = NULL;
}

/* Of a session without a front that could ask the others: its own front's. */
static void run_clients(struct resp_session *session, const struct resp_ask *ask)
{
    struct resp_clients clients;
    if (!resp__clients_read(&clients, session, ask))
        return;
    resp__clients_visit(&clients, session->home);
    resp__clients_answer(&clients, ask->out);
}

/* ---- habits ---- */

static void run_reply(struct resp_session *session, const struct resp_ask *ask)
{
    if (bytes_is_word(ask->args[2], "on")) {
        session->is_reply_off = session->skips_next = session->is_skipping = false;
        answer_ok(ask);
    } else if (bytes_is_word(ask->args[2], "off")) {
        session->is_reply_off = true;
    } else if (bytes_is_word(ask->args[2], "skip")) {
        session->skips_next = session->is_skipping = true;
    } else {
        refuse_syntax(ask);
    }
}

/* It says nothing that changes anything here: what a client has not read closes it only if it
 * subscribes, and no use of a key is private. */
static void run_no(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    if (bytes_is_word(ask->args[2], "on") || bytes_is_word(ask->args[2], "off"))
        answer_ok(ask);
    else
        refuse_syntax(ask);
}

static void refuse_tracking(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    resp_error(ask->out, "ERR client side caching is not offered: nobody would be told of changes");
}

static void refuse_pause(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    resp_error(ask->out, "ERR pausing all clients is not offered");
}

static void run_getredir(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    resp_integer(ask->out, -1);
}

/* Nobody is ever blocked. */
static void run_unblock(struct resp_session *session, const struct resp_ask *ask)
{
    int64_t id;
    (void)session;
    if (bytes_read_int64(ask->args[2], &id))
        resp_integer(ask->out, 0);
    else
        resp_error(ask->out, "ERR value is not an integer or out of range");
}

#define SUBCOMMANDS(X)                                                                             \
    /* name          arity  run              help                                             */   \
    X("id",          2,  run_id,          "ID", "The number of this connection.")                  \
    X("getname",     2,  run_getname,     "GETNAME", "The name of this connection.")               \
    X("setname",     3,  run_setname,     "SETNAME <name>", "Names this connection.")              \
    X("setinfo",     4,  run_setinfo,     "SETINFO <lib-name|lib-ver> <value>",                    \
      "Says which library this connection is of.")                                                 \
    X("info",        2,  run_info,        "INFO", "About this connection.")                        \
    X("list",       -2,  run_clients,     "LIST [TYPE <type>] [ID <id> ...]",                      \
      "About the connections of all listeners.")                                                   \
    X("kill",       -3,  run_clients,     "KILL <address>|<option> <value> ...",                   \
      "Closes connections: ID, ADDR, LADDR, TYPE, USER, SKIPME.")                                  \
    X("reply",       3,  run_reply,       "REPLY <ON|OFF|SKIP>", "Whether commands are answered.") \
    X("no-evict",    3,  run_no,          "NO-EVICT <ON|OFF>", "Is taken and changes nothing.")    \
    X("no-touch",    3,  run_no,          "NO-TOUCH <ON|OFF>", "Is taken and changes nothing.")    \
    X("getredir",    2,  run_getredir,    "GETREDIR", "Is -1: nothing is tracked.")                \
    X("unblock",    -3,  run_unblock,     "UNBLOCK <id>", "Is 0: nobody is blocked.")              \
    X("tracking",   -3,  refuse_tracking, "TRACKING <ON|OFF>", "Is refused.")                      \
    X("caching",     3,  refuse_tracking, "CACHING <YES|NO>", "Is refused.")                       \
    X("trackinginfo", 2, refuse_tracking, "TRACKINGINFO", "Is refused.")                           \
    X("pause",      -3,  refuse_pause,    "PAUSE <timeout>", "Is refused.")                        \
    X("unpause",     2,  refuse_pause,    "UNPAUSE", "Is refused.")                                \
    X("help",        2,  resp__help,      "HELP", "This.")

const struct resp_subcommand resp__client_subcommands[] = {
#define X(name, arity, run, form, gist) {name, arity, run, form, gist},
    SUBCOMMANDS(X)
#undef X
    {.name = NULL},
};

void resp__client(struct resp_session *session, const struct resp_ask *ask)
{
    resp__run_subcommand(session, ask, resp__client_subcommands);
}
