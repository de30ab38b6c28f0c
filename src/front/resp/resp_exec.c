/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/resp_exec.c - EXEC and WATCH: what the session has gathered becomes ops.
 *
 * The commands over keys are the parts of one op. Those that the front answers itself run when that
 * op is done, and their answers are woven in at their places. */
#include "codec/resp/resp_value.h"
#include "core/mem.h"
#include "front/resp/resp_conn.h"
#include "front/resp/session/user/resp_user.h"

struct resp_exec {
    struct list     queued;  /* struct resp_queued */
    struct list     watches; /* struct key_watch */
    uint32_t        count;   /* queued */
    bool            is_woven;
    struct resp_out raw; /* the op's answer, if it is woven */
    struct key_op **parts;
    struct key_op   ops[];
};

static const struct bytes exec_args[1] = {{(const uint8_t *)"exec", 4}};

/* --- parts --- */

static bool set_part_apart(struct key_op *part)
{
    struct resp_flight *flight = part->holder;
    return flight->op.set_apart(&flight->op);
}

static void part_done(struct key_op *part)
{
    (void)part; /* the whole is done once */
}

static void add_part(struct resp_flight *flight, struct resp_queued *queued, uint64_t now_ms)
{
    struct resp_exec *exec = flight->exec;
    struct key_op *part = &exec->ops[flight->op.parts_count];
    *part = (struct key_op){
        .command = queued->command,
        .args = queued->args,
        .args_count = queued->args_count,
        .what = KEY_OP_COMMAND,
        .now_ms = now_ms,
        .grant = flight->op.grant,
        .holder = flight,
        .set_apart = set_part_apart,
        .done = part_done,
    };
    link_init(&part->link);
    exec->parts[flight->op.parts_count++] = part;
}

static struct resp_exec *new_exec(uint32_t count)
{
    struct resp_exec *exec =
        mem_alloc(sizeof *exec + count * (sizeof(struct key_op) + sizeof(struct key_op *)));
    if (exec == NULL)
        return NULL;
    list_init(&exec->queued);
    list_init(&exec->watches);
    exec->count = count;
    exec->parts = (struct key_op **)(void *)(exec->ops + count);
    return exec;
}

void resp__exec_free(struct resp_exec *exec)
{
    if (exec == NULL)
        return;
    resp_queued_free_all(&exec->queued);
    resp_watches_drop_all(&exec->watches);
    resp_out_fini(&exec->raw);
    mem_free(exec);
}

void resp__exec_aim(struct resp_flight *flight, struct resp_out *out)
{
    struct resp_exec *exec = flight->exec;
    if (exec->is_woven)
        out = &exec->raw;
    flight->op.out = out;
    for (uint32_t i = 0; i < flight->op.parts_count; i++) {
        exec->parts[i]->out = out;
        exec->parts[i]->is_apart = flight->op.is_apart;
    }
}

/* --- weaving --- */

/* One command of the front, at last. */
static void run_own(struct resp_conn *rc, const struct resp_queued *queued, struct resp_out *out)
{
    const struct resp_ask ask = {
        .command = queued->command,
        .args = queued->args,
        .args_count = queued->args_count,
        .out = out,
        .is_of_exec = true,
    };
    if (resp_session_may(&rc->session, queued->command))
        resp_session_run(&rc->session, &ask);
    else
        resp_user_refuse(&rc->session, &ask); /* whoever he was when it was queued */
}

/* @answers are the engine's, one behind the other. */
static void weave(struct resp_flight *flight, struct bytes answers, struct resp_out *out)
{
    struct resp_exec *exec = flight->exec;
    resp_array(out, exec->count);
    list_each(&exec->queued, link, after)
    {
        const struct resp_queued *queued = list_item(link, struct resp_queued, link);
        if (queued->command->route == COMMAND_ROUTE_FRONT) {
            run_own(flight->conn, queued, out);
            continue;
        }
        const size_t bytes = resp_value_bytes(answers);
        if (bytes == 0) {
            out->failed = true;
            return;
        }
        resp_raw(out, (struct bytes){answers.at, bytes});
        answers = (struct bytes){answers.at + bytes, answers.count - bytes};
    }
}

/* What is no array of answers, an error or nothing, is the answer as it is. */
static void weave_if_done(struct resp_flight *flight, struct resp_out *out)
{
    const struct resp_out *raw = &flight->exec->raw;
    const struct bytes answer = {raw->buf == NULL ? NULL : raw->buf->data, raw->used};
    char kind = 0;
    int64_t count = 0;
    const size_t head_bytes = resp_value_head(answer, &kind, &count);
    if (raw->failed)
        out->failed = true;
    else if (head_bytes == 0 || kind != '*' || count < 0)
        resp_raw(out, answer);
    else
        weave(flight, (struct bytes){answer.at + head_bytes, answer.count - head_bytes}, out);
}

void resp__exec_over(struct resp_flight *flight, struct resp_out *out)
{
    if (flight->exec->is_woven && flight->conn != NULL)
        weave_if_done(flight, out);
    resp__exec_free(flight->exec);
    flight->exec = NULL;
}

/* --- EXEC --- */

static void answer_error(struct resp_conn *rc, const char *error, bool is_silent)
{
    struct resp_out *out = resp__sink(rc);
    if (out == NULL) {
        resp__close(rc);
        return;
    }
    const size_t begun = out->used;
    resp_error(out, error);
    resp__sunk(rc, out, begun, is_silent);
}

static void forget_all(struct resp_session *session)
{
    resp_queue_clear(&session->queue);
    resp_watches_clear(&session->watches);
}

static struct resp_flight *new_flight(struct resp_conn *rc)
{
    struct resp_flight *flight = resp__flight_new(rc);
    if (flight == NULL)
        return NULL;
    flight->exec = new_exec(rc->session.queue.count);
    if (flight->exec == NULL) {
        resp__flight_free(flight);
        return NULL;
    }
    return flight;
}

/* What was gathered moves to the flight. */
static void take_all(struct resp_conn *rc, struct resp_flight *flight)
{
    struct resp_exec *exec = flight->exec;
    const uint64_t now_ms = resp__now_ms(rc->front);
    flight->held_bytes = rc->session.queue.bytes;
    (void)resp_queue_take(&rc->session.queue, &exec->queued);
    resp_watches_take(&rc->session.watches, &exec->watches);
    flight->op.command = &commands[COMMAND_IS_EXEC];
    flight->op.args = exec_args;
    flight->op.args_count = 1;
    flight->op.what = KEY_OP_EXEC;
    flight->op.grant = rc->session.who.grant;
    flight->op.parts = exec->parts;
    flight->op.watches = list_is_empty(&exec->watches) ? NULL : &exec->watches;
    list_each(&exec->queued, link, after)
    {
        struct resp_queued *queued = list_item(link, struct resp_queued, link);
        if (queued->command->route == COMMAND_ROUTE_FRONT)
            exec->is_woven = true;
        else
            add_part(flight, queued, now_ms);
    }
    if (exec->is_woven)
        resp_out_init(&exec->raw, rc->session.version, rc->front->settings.resp->answer_bytes,
                      NULL);
}

/* Nothing in it is about a key. */
static void answer_alone(struct resp_conn *rc, struct resp_flight *flight)
{
    struct resp_out *out = resp__sink(rc);
    if (out == NULL) {
        resp__close(rc);
    } else {
        const size_t begun = out->used;
        weave(flight, (struct bytes){NULL, 0}, out);
        resp__sunk(rc, out, begun, flight->is_silent);
    }
    resp__flight_free(flight);
}

void resp__run_exec(struct resp_conn *rc, bool is_silent)
{
    struct resp_session *session = &rc->session;
    if (!session->queue.is_open) {
        answer_error(rc, "ERR EXEC without MULTI", is_silent);
        return;
    }
    if (session->queue.is_bad) {
        forget_all(session);
        answer_error(rc, "EXECABORT Transaction discarded because of previous errors.", is_silent);
        return;
    }
    struct resp_flight *flight = new_flight(rc);
    if (flight == NULL) {
        forget_all(session);
        answer_error(rc, "OOM out of memory", is_silent);
        return;
    }
    flight->is_silent = is_silent;
    take_all(rc, flight);
    if (flight->op.parts_count == 0 && flight->op.watches == NULL)
        answer_alone(rc, flight);
    else
        resp__submit(rc, flight);
}

/* --- WATCH --- */

static void write_watched(const struct resp_watcher *watcher, struct resp_out *out)
{
    if (watcher->error[0] != 0)
        resp_error(out, watcher->error);
    else
        resp_simple(out, "OK");
}

static void all_watched(struct resp_watcher *watcher)
{
    struct resp_flight *flight = list_item(watcher, struct resp_flight, watcher);
    write_watched(watcher, &flight->out);
    resp__land(flight);
}

static const char *watch_key(struct resp_conn *rc, struct resp_flight *flight, struct bytes key)
{
    struct resp_watches *watches = &rc->session.watches;
    const struct resp_settings *settings = rc->front->settings.resp;
    const struct resp_watch_place place = {.path = rc->front->path,
                                           .door = &rc->front->door,
                                           .is_behind = rc->under_way_count > 0,
                                           .grant = rc->session.who.grant};
    if (resp_watches_have(watches, key))
        return NULL;
    if (watches->count >= settings->multi_commands ||
        watches->bytes + key.count > settings->multi_bytes)
        return "ERR more keys are watched than 'multi-commands' or 'multi-bytes' allow";
    flight->watcher.left_count++;
    if (resp_watches_add(watches, key, &place, &flight->watcher))
        return NULL;
    flight->watcher.left_count--;
    return "OOM out of memory";
}

/* All keys at once, so that a command behind them comes after the last one. */
static void watch_keys(struct resp_conn *rc, struct resp_flight *flight, const struct bytes *args,
                       uint32_t args_count)
{
    const char *error = NULL;
    flight->watcher = (struct resp_watcher){.left_count = 1, .all_done = all_watched};
    for (uint32_t i = 1; i < args_count && error == NULL; i++)
        error = watch_key(rc, flight, args[i]);
    if (error != NULL)
        (void)strncpy(flight->watcher.error, error, sizeof flight->watcher.error - 1);
    if (--flight->watcher.left_count > 0) {
        resp__join_line(flight);
        return;
    }
    struct resp_out *out = resp__sink(rc);
    if (out == NULL) {
        resp__close(rc);
    } else {
        const size_t begun = out->used;
        write_watched(&flight->watcher, out);
        resp__sunk(rc, out, begun, flight->is_silent);
    }
    resp__flight_free(flight);
}

void resp__run_watch(struct resp_conn *rc, const struct bytes *args, uint32_t args_count,
                     bool is_silent)
{
    if (rc->session.queue.is_open) {
        answer_error(rc, "ERR WATCH inside MULTI is not allowed", is_silent);
        return;
    }
    struct resp_flight *flight = resp__flight_new(rc);
    if (flight == NULL) {
        answer_error(rc, "OOM out of memory", is_silent);
        return;
    }
    flight->is_silent = is_silent;
    watch_keys(rc, flight, args, args_count);
}
