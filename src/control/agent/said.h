/* SPDX-License-Identifier: Apache-2.0 */
/* control/agent/said.h - what an agent's line says (HAProxy's agent-check). Pure.
 *
 *     75%                      of the configured weight; 0% takes nothing new
 *     weight:20  weight:75%    a weight as the file would say it, or as above
 *     maxconn:30               so many requests at once
 *     ready drain maint        an operator's word, which only the agent takes back
 *     up down fail stopped     whether the server works, likewise
 *     #why                     up to the end of the line; for people
 *
 * Words are separated by blanks and commas, in any case; one that is not known is passed over, as
 * HAProxy does, and of two of one sort the last counts.
 *
 * Memory: none is kept. Threads: any. Errors: false if nothing in it is understood. */
#ifndef PANDO_CONTROL_AGENT_SAID_H
#define PANDO_CONTROL_AGENT_SAID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SAID_PERCENT_MAX = 250, /* of the weight; what an agent says beyond it is taken for it */
    SAID_WORD_BYTES_MAX = 32,
    SAID_REASON_BYTES = 96,
};

/* X(name, word, sort, gist). Of one sort the last word counts. */
#define SAID_WORDS(X)                                                                              \
    X(READY, "ready", ORDER, "takes requests")                                                     \
    X(DRAIN, "drain", ORDER, "takes nothing new")                                                  \
    X(MAINT, "maint", ORDER, "takes nothing")                                                      \
    X(UP, "up", HEALTH, "works")                                                                   \
    X(DOWN, "down", HEALTH, "does not work")                                                       \
    X(FAIL, "fail", HEALTH, "does not work")                                                       \
    X(STOPPED, "stopped", HEALTH, "does not work, on purpose")

enum said_word {
    SAID_NOTHING,
#define X(name, word, sort, gist) SAID_##name,
    SAID_WORDS(X)
#undef X
};

struct said {
    bool           has_percent, has_weight, has_most;
    uint32_t       percent;                   /* 0 to SAID_PERCENT_MAX */
    uint32_t       weight;                    /* 0 to 256 */
    uint32_t       most;                      /* requests at once; at least 1 */
    enum said_word order;                     /* READY, DRAIN, MAINT, or NOTHING */
    enum said_word health;                    /* UP, DOWN, FAIL, STOPPED, or NOTHING */
    char           reason[SAID_REASON_BYTES]; /* printable ASCII; "": none */
};

/* Reads the first line of @text. */
bool said_read(struct said *said, const char *text, size_t bytes)
    __attribute__((warn_unused_result));

/* "drain"; "" for NOTHING. */
const char *said_word_name(enum said_word word);

#endif
