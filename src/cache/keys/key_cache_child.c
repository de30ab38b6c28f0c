/* SPDX-License-Identifier: Apache-2.0 */
/* cache/keys/key_cache_child.c - an op in another's place. */
#include "cache/keys/key_cache_inside.h"

/* Arguments and answer become the asked one's own, which the child has, too. */
static bool set_apart(struct key_op *op)
{
    struct key_cache_child *child = (struct key_cache_child *)(void *)op;
    struct key_op *asked = child->asked;
    if (!asked->is_apart && !asked->set_apart(asked))
        return false;
    op->args = asked->args;
    op->out = asked->out;
    op->is_apart = true;
    child->begun = asked->out->used;
    return true;
}

void key_cache__child_init(struct key_cache_child *child, struct key_op *asked,
                           void (*done)(struct key_op *op))
{
    child->op = *asked;
    child->asked = asked;
    child->begun = asked->out->used;
    link_init(&child->op.link);
    child->op.holder = NULL;
    child->op.fresh_until_ms = 0;
    child->op.set_apart = set_apart;
    child->op.done = done;
}

struct bytes key_cache__child_answer(const struct key_cache_child *child)
{
    const struct resp_out *out = child->op.out;
    if (out->failed || out->used <= child->begun)
        return (struct bytes){NULL, 0};
    return (struct bytes){out->buf->data + child->begun, out->used - child->begun};
}

void key_cache__child_over(const struct key_cache_child *child)
{
    struct key_op *asked = child->asked;
    asked->is_refused = child->op.is_refused;
    asked->scan_position = child->op.scan_position;
    asked->fresh_until_ms = child->op.fresh_until_ms;
}

void key_cache__refuse(struct key_op *op, const char *text)
{
    op->is_refused = true;
    if (op->out != NULL && op->what == KEY_OP_EXEC)
        resp_errorf(op->out, "EXECABORT Transaction discarded because of: %s", text);
    else if (op->out != NULL)
        resp_error(op->out, text);
    op->done(op);
}
