/* SPDX-License-Identifier: Apache-2.0 */
/* core/err.c - the error table and the telling of stories. */
#include "core/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct err_row rows[] = {
#define X(kind, status, token, resp, sent, sentence)                                               \
    [ERR_##kind] = {#kind, status, token, resp, ERR_SENT_##sent, sentence},
    ERR_KINDS(X)
#undef X
};

const struct err_row *err_row(enum err_kind kind)
{
    assert((size_t)kind < ERR_KINDS_COUNT);
    return &rows[kind];
}

static void tell(struct err *e, const char *format, va_list arguments)
{
    if (vsnprintf(e->story, sizeof e->story, format, arguments) < 0)
        e->story[0] = '\0';
}

enum err_kind err_set(struct err *e, enum err_kind kind, const char *format, ...)
{
    if (e == NULL)
        return kind;
    va_list arguments;
    va_start(arguments, format);
    *e = (struct err){.kind = kind};
    tell(e, format, arguments);
    va_end(arguments);
    return kind;
}

enum err_kind err_set_errno(struct err *e, const char *format, ...)
{
    const int sys = errno;
    if (e == NULL)
        return ERR_SYSTEM;
    va_list arguments;
    va_start(arguments, format);
    *e = (struct err){.kind = ERR_SYSTEM, .sys = sys};
    tell(e, format, arguments);
    va_end(arguments);
    const size_t used = strlen(e->story);
    (void)snprintf(e->story + used, sizeof e->story - used, ": %s", strerror(sys));
    return ERR_SYSTEM;
}

enum err_kind err_wrap(struct err *e, const char *format, ...)
{
    assert(e != NULL);
    char inner[sizeof e->story];
    memcpy(inner, e->story, sizeof inner);
    va_list arguments;
    va_start(arguments, format);
    tell(e, format, arguments);
    va_end(arguments);
    const size_t used = strlen(e->story);
    (void)snprintf(e->story + used, sizeof e->story - used, ": %s", inner);
    return e->kind;
}
