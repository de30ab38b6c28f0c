/* SPDX-License-Identifier: Apache-2.0 */
/* engine/http/http_wait.c - how long an attempt, and an answer's head, are waited for. */
#include "engine/http/http_path.h"
#include "engine/http/http_upstream.h"

#include "core/units.h"

enum err_kind http__kind_of_lost_path(const struct http_upstream *up)
{
    return up->was_idle_long ? ERR_TARGET_STALE : ERR_TARGET_UNREACHABLE;
}

void http__start_try(struct http_upstream *up)
{
    const uint64_t timeout_ns = up->settings->try_timeout_ns;
    up->try_until_ns = timeout_ns == 0 ? 0 : *up->op->worker->now_ns + timeout_ns;
}

uint64_t http__patience_of_try(const struct http_upstream *up, uint64_t patience_ns)
{
    const uint64_t now_ns = *up->pool->engine->worker->now_ns;
    if (up->try_until_ns == 0 || now_ns + patience_ns <= up->try_until_ns)
        return patience_ns;
    return up->try_until_ns > now_ns ? up->try_until_ns - now_ns : 1;
}

static bool is_try_over(const struct http_upstream *up)
{
    return up->try_until_ns != 0 && *up->pool->engine->worker->now_ns >= up->try_until_ns;
}

/* Until the head has been waited for long enough, or the path is to be looked at: once after each
 * path patience, as long as not all has arrived. A look costs two system calls, and most answers
 * are there before the first. */
static void await(struct http_upstream *up, bool looks)
{
    const uint64_t now_ns = *up->pool->engine->worker->now_ns;
    const uint64_t left_ns = up->head_until_ns > now_ns ? up->head_until_ns - now_ns : 1;
    const uint64_t look_ns = http_path_patience_ns(up->settings->connect_timeout_ns);
    up->left_bytes = up->conn.sock.sent_bytes;
    conn_receive_move(&up->conn, CONN_RECEIVE_HEAD, looks && look_ns < left_ns ? look_ns : left_ns);
}

static void await_for(struct http_upstream *up, uint64_t patience_ns)
{
    up->head_until_ns = *up->pool->engine->worker->now_ns + patience_ns;
    await(up, !up->heard);
}

void http__await_head(struct http_upstream *up)
{
    await_for(up, http__patience_of_try(up, up->settings->answer_timeout_ns));
}

static void look_at_path(struct http_upstream *up)
{
    const uint64_t patience_ns = http_path_patience_ns(up->settings->connect_timeout_ns);
    struct conn_acks acks;
    if (up->heard || !conn_acks(&up->conn, &acks))
        await(up, false);
    else if (http_path_is_lost(&acks, up->left_bytes, patience_ns))
        http__fail(up, http__kind_of_lost_path(up), NULL);
    else
        await(up, !up->request_ended || acks.in_flight_count > 0);
}

void http__head_expired(struct http_upstream *up)
{
    if (*up->pool->engine->worker->now_ns < up->head_until_ns)
        look_at_path(up);
    else if (!up->request_ended) /* the times of try and answer begin when the request is out */
        await_for(up, up->settings->answer_timeout_ns);
    else
        http__fail(up, ERR_TARGET_TIMEOUT,
                   is_try_over(up) ? "the target did not answer within try-timeout" : NULL);
}
