/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/resp_push.c - messages that a connection has subscribed, on their way into its line.
 *
 * A message takes its place behind all answers that were due before it, so it neither cuts one in
 * two nor overtakes the answer to its SUBSCRIBE. Where nothing waits it is written straight to the
 * socket's queue. What is large is not copied: all connections of a worker share its bytes.
 *
 * Nothing here runs a command or closes a connection: it is called in the middle of others'. */
#include "front/resp/resp_conn.h"

#include <assert.h>

enum {
    HEAD_BYTES_MAX = 64,      /* before a message's tail, without the pattern */
    SHARED_BYTES = 16 * 1024, /* a tail from here on is shared; over RESP_FLUSH_BYTES, so that
                                     * nothing is written behind it */
};

static_assert((int)SHARED_BYTES > (int)RESP_FLUSH_BYTES, "a shared buffer is not written to");

static size_t head_bytes_max(const struct pubsub_parcel *parcel)
{
    return HEAD_BYTES_MAX + (parcel->pattern == NULL ? 0 : parcel->pattern->count);
}

static uint8_t *put(uint8_t *at, const void *from, size_t bytes)
{
    if (bytes > 0)
        memcpy(at, from, bytes);
    return at + bytes;
}

static uint8_t *put_text(uint8_t *at, const char *text)
{
    return put(at, text, strlen(text));
}

/* All before the tail. Returns where it ends. */
static uint8_t *put_head(uint8_t *at, unsigned version, const struct pubsub_parcel *parcel)
{
    *at++ = version == 3 ? '>' : '*';
    if (parcel->pattern == NULL)
        return put_text(at, parcel->message->kind == PUBSUB_SHARD ? "3\r\n$8\r\nsmessage\r\n"
                                                                  : "3\r\n$7\r\nmessage\r\n");
    at = put_text(at, "4\r\n$8\r\npmessage\r\n$");
    at += bytes_write_int64(at, (int64_t)parcel->pattern->count);
    at = put_text(at, "\r\n");
    at = put(at, parcel->pattern->at, parcel->pattern->count);
    return put_text(at, "\r\n");
}

static uint8_t *put_tail(uint8_t *at, const struct pubsub_parcel *parcel)
{
    return put(at, parcel->message->tail.at, parcel->message->tail.count);
}

/* ---- into the line ---- */

/* False: no memory. */
static bool append(struct resp_conn *rc, const struct pubsub_parcel *parcel, bool with_tail)
{
    const size_t tail_bytes = with_tail ? parcel->message->tail.count : 0;
    struct resp_flight *carrier = resp__carrier(rc);
    if (carrier == NULL)
        return false;
    struct resp_out *out = &carrier->out;
    out->bytes_max = 0;
    uint8_t *const begin = resp_out_room(out, head_bytes_max(parcel) + tail_bytes);
    if (begin == NULL) {
        out->failed = false; /* what it has is whole */
        return false;
    }
    uint8_t *at = put_head(begin, rc->session.version, parcel);
    if (with_tail)
        at = put_tail(at, parcel);
    resp_out_wrote(out, (size_t)(at - begin));
    carrier->held_bytes += (size_t)(at - begin);
    rc->held_bytes += (size_t)(at - begin);
    return true;
}

static bool append_shared(struct resp_conn *rc, struct pubsub_parcel *parcel)
{
    struct buf *shared = pubsub_parcel_share(parcel);
    struct resp_flight *carrier = shared == NULL ? NULL : resp__carrier_new(rc);
    if (carrier == NULL)
        return false;
    carrier->out.buf = buf_ref(shared);
    carrier->out.used = shared->used_bytes;
    carrier->held_bytes = shared->used_bytes;
    rc->held_bytes += shared->used_bytes;
    return true;
}

static bool push_to_line(struct resp_conn *rc, struct pubsub_parcel *parcel)
{
    if (parcel->message->tail.count < SHARED_BYTES)
        return append(rc, parcel, true);
    return append(rc, parcel, false) && append_shared(rc, parcel);
}

/* ---- or past it ---- */

/* False: it cannot go that way. */
static bool push_at_once(struct resp_conn *rc, const struct pubsub_parcel *parcel, size_t bytes_max)
{
    if (rc->in_batch || bytes_max > CONN_HEAD_BYTES || !resp__is_clear(rc, bytes_max))
        return false;
    uint8_t *const begin = conn_head_room(&rc->conn, (uint32_t)bytes_max);
    if (begin == NULL)
        return false;
    const uint32_t bytes =
        (uint32_t)(put_tail(put_head(begin, rc->session.version, parcel), parcel) - begin);
    conn_head_done(&rc->conn, bytes);
    row_add(&rc->front->member.bytes_out, bytes);
    return true;
}

/* ---- what a subscriber does ---- */

static struct resp_conn *conn_of(struct pubsub_subscriber *subscriber)
{
    struct resp_session *session = list_item(subscriber, struct resp_session, subscriber);
    return list_item(session, struct resp_conn, session);
}

static bool push(struct pubsub_subscriber *self, struct pubsub_parcel *parcel)
{
    struct resp_conn *rc = conn_of(self);
    const size_t bytes_max = head_bytes_max(parcel) + parcel->message->tail.count;
    if (rc->session.is_over || rc->conn.receive_state >= CONN_RECEIVE_DISCARD)
        return true; /* it has said its last, and nothing follows that */
    if (resp__held(rc) + bytes_max > rc->front->settings.resp->unread_messages_bytes)
        return false;
    if (push_at_once(rc, parcel, bytes_max))
        return true;
    if (!push_to_line(rc, parcel))
        return false;
    resp__move_line(rc);
    return true;
}

static void drop(struct pubsub_subscriber *self)
{
    resp__close(conn_of(self));
}

static void go_on(struct pubsub_subscriber *self)
{
    resp__go_on(conn_of(self));
}

const struct pubsub_reader resp__reader = {.push = push, .drop = drop, .go_on = go_on};
