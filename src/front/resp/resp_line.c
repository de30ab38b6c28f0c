/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/resp_line.c - answers on their way out, in the order of the commands. */
#include "front/resp/resp_conn.h"

#include <assert.h>

#define TOO_LARGE "ERR the answer is larger than 'answer-bytes' allows, or than there is memory for"

static struct resp_flight *flight_of(struct list_link *link)
{
    return link == NULL ? NULL : list_item(link, struct resp_flight, link);
}

static struct resp_flight *last_of(const struct resp_conn *rc)
{
    const struct list *line = &rc->conn.exchanges;
    return list_is_empty(line) ? NULL : flight_of(line->head.previous);
}

size_t resp__held(const struct resp_conn *rc)
{
    return rc->conn.out_bytes + rc->held_bytes + rc->out.used;
}

/* --- the batch's buffer --- */

static void release_batch_buf(struct buf *buf)
{
    slab_give(buf->owner, buf);
}

/* NULL: no memory; the heap may have some. */
static struct buf *take_batch_buf(struct resp_front *front)
{
    struct buf *buf = front->batch_buf;
    front->batch_buf = NULL;
    if (buf != NULL || (buf = slab_take(&front->batch_slab)) == NULL)
        return buf;
    *buf = (struct buf){
        .data = (uint8_t *)(buf + 1),
        .capacity = (uint32_t)(front->batch_slab.object_bytes - sizeof *buf),
        .refs_count = 1,
        .released = release_batch_buf,
        .owner = &front->batch_slab,
    };
    return buf;
}

static void keep_batch_buf(struct resp_front *front, struct buf *buf)
{
    if (buf != NULL && front->batch_buf == NULL && buf->owner == &front->batch_slab)
        front->batch_buf = buf;
    else
        buf_unref(buf);
}

/* --- to the socket's queue --- */

/* The queue counts its bytes in 32 bits. */
static bool can_put(const struct resp_conn *rc, size_t bytes)
{
    return conn_out_room(&rc->conn) > 0 &&
           (rc->conn.out_bytes == 0 || rc->conn.out_bytes + (uint64_t)bytes <= INT32_MAX);
}

/* What is small is copied behind what is queued already: the buffer is free at once, and a client
 * that does not read holds little. */
static void put(struct resp_conn *rc, struct resp_out *out)
{
    const size_t bytes = out->used;
    if (bytes == 0)
        return;
    row_add(&rc->front->member.bytes_out, bytes);
    uint8_t *at = bytes <= CONN_HEAD_BYTES ? conn_head_room(&rc->conn, (uint32_t)bytes) : NULL;
    if (at == NULL) {
        conn_put(&rc->conn, resp_out_take(out));
        return;
    }
    memcpy(at, out->buf->data, bytes);
    conn_head_done(&rc->conn, (uint32_t)bytes);
    resp_out_rewind(out, 0);
}

/* What the batch has written so far goes before the line, into the queue or to the line's
 * beginning. */
static void flush(struct resp_conn *rc)
{
    struct resp_out *out = &rc->out;
    if (out->used == 0)
        return;
    if (rc->conn.sock.closing) {
        resp_out_rewind(out, 0);
        return;
    }
    if (can_put(rc, out->used)) {
        put(rc, out);
        return;
    }
    struct resp_flight *carrier = resp__flight_new(rc);
    if (carrier == NULL) {
        resp_out_rewind(out, 0);
        resp__close(rc); /* an answer that is missing would be taken for the next one's */
        return;
    }
    carrier->out = *out;
    carrier->held_bytes = out->used;
    rc->held_bytes += out->used;
    out->buf = NULL;
    out->used = 0;
    list_add_first(&rc->conn.exchanges, &carrier->link);
}

/* --- where answers are written --- */

struct resp_flight *resp__carrier_new(struct resp_conn *rc)
{
    struct resp_flight *carrier = resp__flight_new(rc);
    if (carrier != NULL)
        list_add_last(&rc->conn.exchanges, &carrier->link);
    return carrier;
}

struct resp_flight *resp__carrier(struct resp_conn *rc)
{
    struct resp_flight *last = last_of(rc);
    if (last == NULL || last->is_under_way || last->out.used >= RESP_FLUSH_BYTES)
        return resp__carrier_new(rc);
    return last;
}

struct resp_out *resp__sink(struct resp_conn *rc)
{
    struct resp_out *out = &rc->out;
    assert(rc->in_batch);
    if (!list_is_empty(&rc->conn.exchanges)) {
        struct resp_flight *last = resp__carrier(rc);
        if (last == NULL)
            return NULL;
        out = &last->out;
    } else if (out->buf == NULL) {
        out->buf = take_batch_buf(rc->front);
    }
    out->version = rc->session.version;
    out->bytes_max = out->used + rc->front->settings.resp->answer_bytes;
    return out;
}

bool resp__settle(struct resp_out *out, size_t begun, bool is_silent)
{
    if (out->failed) {
        out->failed = false;
        out->bytes_max = 0;
        resp_out_rewind(out, begun);
        resp_error(out, TOO_LARGE);
    }
    if (is_silent) {
        out->failed = false;
        resp_out_rewind(out, begun);
    }
    return !out->failed;
}

void resp__sunk(struct resp_conn *rc, struct resp_out *out, size_t begun, bool is_silent)
{
    if (!resp__settle(out, begun, is_silent)) {
        resp__close(rc);
        return;
    }
    if (out == &rc->out) {
        if (out->used >= RESP_FLUSH_BYTES)
            flush(rc);
        return;
    }
    list_item(out, struct resp_flight, out)->held_bytes += out->used - begun;
    rc->held_bytes += out->used - begun;
}

void resp__batch_begin(struct resp_conn *rc)
{
    assert(!rc->in_batch);
    rc->in_batch = true;
    resp_out_init(&rc->out, rc->session.version, 0, NULL);
    resp__time_begin(rc);
}

void resp__batch_end(struct resp_conn *rc)
{
    if (rc->front->timing.left != rc->front->timing.left_whole)
        resp__time_group(rc, NULL, 0);
    flush(rc);
    keep_batch_buf(rc->front, rc->out.buf);
    rc->out.buf = NULL;
    rc->in_batch = false;
    resp__pump(rc);
}

bool resp__is_clear(const struct resp_conn *rc, size_t bytes)
{
    return list_is_empty(&rc->conn.exchanges) && can_put(rc, bytes);
}

void resp__move_line(struct resp_conn *rc)
{
    if (rc->in_batch || rc->conn.sock.closing)
        return;
    for (struct list_link *link; (link = list_first(&rc->conn.exchanges)) != NULL;) {
        struct resp_flight *flight = flight_of(link);
        if (flight->is_under_way)
            break;
        if (flight->out.used > 0 && !can_put(rc, flight->out.used)) {
            rc->conn.wants_room = true;
            break;
        }
        put(rc, &flight->out);
        rc->held_bytes -= flight->held_bytes;
        list_remove(link);
        resp__flight_free(flight);
    }
}

void resp__pump(struct resp_conn *rc)
{
    resp__move_line(rc);
    resp__go_on(rc);
}
