/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/remote/control.h - finds the server and asks it, for reload, status and tap.
 *
 * Memory:  control_find() fills, control_fini() gives back. Threads: none.
 * Errors:  written to standard error. */
#ifndef PANDO_MAIN_COMMAND_REMOTE_CONTROL_H
#define PANDO_MAIN_COMMAND_REMOTE_CONTROL_H

#include "main/command/command.h"

struct control {
    const char          *path;     /* of the control socket */
    struct settings     *settings; /* that the path lies in; NULL: it is the command line's */
    struct config_errors errors;   /* of the file: then the path is a guess */
};

/* Finds the control socket: --control, else as the file says, else the preset. A file with mistakes
 * is no reason to give up, since the server may run with an older one. False: there is no guess. */
must_check bool control_find(struct control *control, const struct command_line *line);

/* Accepts zero. */
void control_fini(struct control *control);

/* One request: its body goes to @received if the status is 200, else to standard error. */
struct control_question {
    const char *method;
    const char *target;
    unsigned    wait_s; /* 0: as long as it takes */
    bool (*received)(void *self, const char *at, size_t bytes);
    void    *self;
    unsigned status;         /* out: of the answer; 0: there was none */
    bool     may_be_unheard; /* that nobody listens is no error: nothing is written then */
    bool     is_unheard;     /* out: nobody listens */
};

/* Asks. False: there was no whole answer, and why was written. */
must_check bool control_ask(const struct control *control, struct control_question *question);

/* The same, and nothing is written: @e says why not. ERR_CONNECT_REFUSED: nobody listens there. */
must_check enum err_kind control_try(const struct control *control,
                                     struct control_question *question, struct err *e);

enum { CONTROL_TARGET_BYTES_MAX = 6000 };

/* An answer that is gathered whole. */
struct control_text {
    char  *at; /* ends in NUL; NULL: nothing came; mem_free() */
    size_t bytes, room;
};

/* For control_question.received, with a struct control_text as self. */
bool control_collect(void *self, const char *at, size_t bytes);

/* Adds "?key=value" or "&key=value", with what is not plain escaped; a NULL is left out. False: it
 * does not fit. */
must_check bool control_add_query(char target[CONTROL_TARGET_BYTES_MAX], const char *key,
                                  const char *value);

#endif
