/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/resp_op.c - ops of commands over keys: from submit to done, in place or apart. */
#include "core/mem.h"
#include "core/units.h"
#include "front/resp/resp_conn.h"

#include <assert.h>

static struct resp_flight *flight_of(struct key_op *op)
{
    return list_item(op, struct resp_flight, op);
}

struct resp_flight *resp__flight_new(struct resp_conn *rc)
{
    struct resp_front *front = rc->front;
    struct resp_flight *flight = front->spare;
    front->spare = NULL;
    if (flight == NULL && (flight = slab_take(&front->flight_slab)) == NULL)
        return NULL;
    memset(flight, 0, offsetof(struct resp_flight, watcher));
    flight->front = front;
    flight->conn = rc;
    flight->out.version = rc->session.version;
    link_init(&flight->link);
    link_init(&flight->op.link);
    return flight;
}

/* Arguments are of no use when the op is done. */
static void drop_args(struct resp_flight *flight)
{
    mem_free(flight->block);
    mem_free(flight->gathered);
    flight->block = flight->gathered = NULL;
}

void resp__flight_free(struct resp_flight *flight)
{
    struct resp_front *front = flight->front;
    drop_args(flight);
    resp_out_fini(&flight->out);
    resp__exec_free(flight->exec);
    if (front->spare == NULL)
        front->spare = flight;
    else
        slab_give(&front->flight_slab, flight);
}

uint64_t resp__now_ms(struct resp_front *front)
{
    if (front->clock_ns != *front->worker->now_ns) {
        front->clock_ns = *front->worker->now_ns;
        front->now_ms = clock_wall_ns() / NS_PER_MS;
    }
    return front->now_ms;
}

/* --- apart --- */

static bool is_gathered(const struct resp_conn *rc, struct bytes arg)
{
    const struct resp_gathered *gathered = &rc->gathered;
    return gathered->at != NULL && arg.at >= gathered->at && arg.at < gathered->at + gathered->used;
}

/* Arguments that the connection has gathered are handed on, not copied. */
bool resp__keep_args(struct resp_flight *flight)
{
    struct key_op *op = &flight->op;
    struct resp_conn *rc = flight->conn;
    const bool hands_on = is_gathered(rc, op->args[0]);
    const size_t array_bytes = op->args_count * sizeof op->args[0];
    size_t bytes = array_bytes;
    for (uint32_t i = 0; i < op->args_count && !hands_on; i++)
        bytes += op->args[i].count;
    if (bytes > sizeof flight->room && (flight->block = mem_alloc(bytes)) == NULL)
        return false;
    struct bytes *args = flight->block != NULL ? flight->block : (void *)flight->room;
    memcpy(args, op->args, array_bytes);
    flight->held_bytes = bytes;
    if (hands_on) {
        flight->gathered = rc->gathered.at;
        flight->held_bytes += rc->gathered.room;
        rc->gathered = (struct resp_gathered){0};
    }
    uint8_t *at = (uint8_t *)(args + op->args_count);
    for (uint32_t i = 0; i < op->args_count && !hands_on; i++) {
        if (args[i].count > 0)
            memcpy(at, args[i].at, args[i].count);
        args[i].at = at;
        at += args[i].count;
    }
    op->args = args;
    return true;
}

/* A carrier that nobody has written to yet is not needed. */
static void drop_empty_carrier(struct list *line)
{
    if (list_is_empty(line))
        return;
    struct resp_flight *last = list_item(line->head.previous, struct resp_flight, link);
    if (last->is_under_way || last->out.used > 0)
        return;
    list_remove(&last->link);
    resp__flight_free(last);
}

void resp__join_line(struct resp_flight *flight)
{
    struct resp_conn *rc = flight->conn;
    struct resp_front *front = flight->front;
    drop_empty_carrier(&rc->conn.exchanges);
    resp_out_init(&flight->out, rc->session.version, front->settings.resp->answer_bytes, NULL);
    flight->op.is_apart = true;
    if (flight->exec != NULL)
        resp__exec_aim(flight, &flight->out);
    else
        flight->op.out = &flight->out;
    flight->is_under_way = true;
    flight->begun_ns = front->timing.from_ns;
    front->timing.is_apart = true;
    flight->path = front->path;
    flight->path->refs_count++;
    front->door.holds_count++;
    front->waiting++;
    rc->under_way_count++;
    rc->held_bytes += flight->held_bytes;
    list_add_last(&rc->conn.exchanges, &flight->link);
}

static bool set_apart(struct key_op *op)
{
    struct resp_flight *flight = flight_of(op);
    if (op->is_apart)
        return true;
    if (flight->exec == NULL && !resp__keep_args(flight))
        return false;
    resp__join_line(flight);
    return true;
}

/* --- done --- */

/* Its connection is still there. */
static void become_carrier(struct resp_flight *flight)
{
    struct resp_conn *rc = flight->conn;
    rc->under_way_count--;
    rc->held_bytes -= flight->held_bytes;
    flight->held_bytes = 0;
    if (!resp__settle(&flight->out, 0, flight->is_silent)) {
        flight->conn = NULL;
        list_remove(&flight->link);
        resp__close(rc);
        resp__flight_free(flight);
        return;
    }
    flight->held_bytes = flight->out.used;
    rc->held_bytes += flight->held_bytes;
}

void resp__land(struct resp_flight *flight)
{
    struct resp_front *front = flight->front;
    struct resp_path *path = flight->path;
    struct resp_conn *rc = flight->conn;
    flight->is_under_way = false;
    front->waiting--;
    if (flight->exec != NULL)
        resp__exec_over(flight, &flight->out);
    if (flight->begun_ns != 0)
        resp__time_flight(flight);
    drop_args(flight);
    if (rc == NULL)
        resp__flight_free(flight);
    else
        become_carrier(flight);
    resp_path_let_go(path);
    front->door.holds_count--;
    if (rc != NULL)
        resp__pump(rc);
    else
        door_end_if_empty(&front->door);
}

static void done(struct key_op *op)
{
    struct resp_flight *flight = flight_of(op);
    assert(flight->is_under_way);
    if (flight->in_submit)
        flight->is_under_way = false;
    else
        resp__land(flight);
}

void resp__submit(struct resp_conn *rc, struct resp_flight *flight)
{
    struct key_op *op = &flight->op;
    struct resp_out *out = resp__sink(rc);
    if (out == NULL) {
        resp__flight_free(flight);
        resp__close(rc);
        return;
    }
    flight->begun = out->used;
    op->is_behind = rc->under_way_count > 0;
    op->now_ms = resp__now_ms(rc->front);
    op->set_apart = set_apart;
    op->done = done;
    op->out = out;
    if (flight->exec != NULL)
        resp__exec_aim(flight, out);
    flight->in_submit = flight->is_under_way = true;
    key_door_submit(rc->front->path->door, op);
    flight->in_submit = false;
    if (!op->is_apart) {
        assert(!flight->is_under_way);
        if (flight->exec != NULL)
            resp__exec_over(flight, out);
        resp__sunk(rc, out, flight->begun, flight->is_silent);
        resp__flight_free(flight);
    } else if (!flight->is_under_way) {
        flight->begun_ns = 0; /* the group notes it */
        rc->front->timing.is_apart = false;
        resp__land(flight);
    }
}
