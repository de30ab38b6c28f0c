/* SPDX-License-Identifier: Apache-2.0 */
/* path/reply.h - for a stage that answers by itself: a status, fields, a body from memory, the
 * end.
 *
 *     struct reply reply;
 *     reply_start(&reply, op, 200);
 *     reply_add(&reply, HTTP_FIELD_CONTENT_TYPE, "text/plain");
 *     reply_send(&reply, buf);
 *
 * What does not fit or cannot be allocated is remembered; the sending call then answers 503
 * instead, so that only one place has to look. HEAD gets the same head and no body. What the
 * client still sends of a body is not read.
 *
 * Memory:  the head lies in the op's arena; names and values are copied. A sending call takes over
 *          the body and the op: neither may be touched afterwards.
 * Threads: the op's. */
#ifndef PANDO_PATH_REPLY_H
#define PANDO_PATH_REPLY_H

#include "core/buf.h"
#include "path/op.h"

enum {
    REPLY_FIELDS_MAX = 16,
    REPLY_HEAD_BYTES_MAX = 1024, /* an op's arena holds this beside the frames */
};

struct reply {
    struct op *op;
    uint8_t   *at; /* where the next field is written; NULL: no memory, or too much was added */
};

/* Begins an answer. */
void reply_start(struct reply *reply, struct op *op, unsigned status);

/* Adds a field of the table of names. @value: no controls but HTAB (asserted), ends in NUL. */
void reply_add(struct reply *reply, enum http_field_id id, const char *value);

/* Adds a field by name; not one that frames the message (asserted). */
void reply_add_name(struct reply *reply, const char *name, const char *value);

/* Answers with @body (its used_bytes; NULL: there is none) and finishes. Takes over the op and
 * the body's reference. */
void reply_send(struct reply *reply, struct buf *body);

/* The same for bytes that lie in @body, whose reference is taken over. */
void reply_send_slice(struct reply *reply, struct slice body);

/* Answers with a head that says @bytes bytes, which are not sent: to HEAD, and with 304. */
void reply_send_head(struct reply *reply, uint64_t bytes);

/* As reply_send() for a copy of @bytes bytes. */
void reply_send_copy(struct reply *reply, const void *body, size_t bytes);

/* Answers with a head alone; the caller then puts the body, as long as it likes, to
 * op->answer_body, ends the pipe and finishes the op. False: it was refused and finished
 * already, or the method is HEAD and nothing follows. */
bool reply_open(struct reply *reply) must_check;

#endif
