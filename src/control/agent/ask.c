/* SPDX-License-Identifier: Apache-2.0 */
/* control/agent/ask.c - a line there, perhaps, and a line back. */
#include "control/agent/ask.h"

#include "control/call.h"
#include "core/mem.h"

#include <stdio.h>
#include <string.h>

struct agent_ask {
    struct call           call; /* first */
    struct agent_question question;
    size_t                used;
    char                  send[AGENT_SEND_BYTES_MAX + 2];
    char                  line[AGENT_LINE_BYTES_MAX];
};

static struct agent_ask *ask_of(struct call *call)
{
    return list_item(call, struct agent_ask, call);
}

/* A line that is too long is none; perhaps it is no agent that answers. */
static void on_received(struct call *call, const uint8_t *at, size_t bytes)
{
    struct agent_ask *ask = ask_of(call);
    const size_t room = sizeof ask->line - ask->used;
    const bool has_end = memchr(at, '\n', bytes < room ? bytes : room) != NULL;
    memcpy(ask->line + ask->used, at, bytes < room ? bytes : room);
    ask->used += bytes < room ? bytes : room;
    if (has_end)
        call_end(call, NULL);
    else if (bytes >= room)
        call_end(call, "its line is longer than an agent's may be");
}

static void on_hung_up(struct call *call)
{
    call_end(call, ask_of(call)->used > 0 ? NULL : "the connection ended without a line");
}

static void on_over(struct call *call, const char *why)
{
    const struct agent_ask *ask = ask_of(call);
    if (ask->question.answered != NULL)
        ask->question.answered(ask->question.self, why == NULL ? ask->line : NULL, ask->used, why);
}

static void on_closed(struct call *call)
{
    struct agent_ask *ask = ask_of(call);
    void (*ended)(void *owner) = ask->question.ended;
    void *owner = ask->question.owner;
    mem_free(ask);
    ended(owner);
}

static const struct call_events events = {
    .received = on_received,
    .hung_up = on_hung_up,
    .over = on_over,
    .closed = on_closed,
};

struct agent_ask *agent_ask_start(const struct agent_question *question)
{
    struct agent_ask *ask = mem_alloc(sizeof *ask);
    if (ask == NULL)
        return NULL;
    ask->question = *question;
    ask->question.send = NULL; /* the asker's */
    if (question->send[0] != '\0')
        (void)snprintf(ask->send, sizeof ask->send, "%s\n", question->send);
    const struct call_options options = {
        .loop = question->loop,
        .address = question->address,
        .address_bytes = question->address_bytes,
        .timeout_ns = question->timeout_ns,
        .send = ask->send,
        .send_bytes = strlen(ask->send),
    };
    if (call_start(&ask->call, &events, &options))
        return ask;
    mem_free(ask);
    return NULL;
}

void agent_ask_cancel(struct agent_ask *ask)
{
    if (ask == NULL || ask->call.is_over)
        return;
    ask->question.answered = NULL;
    call_end(&ask->call, NULL);
}
