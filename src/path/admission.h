/* SPDX-License-Identifier: Apache-2.0 */
/* path/admission.h - may a connection or a request come in? What fronts ask, and the admit room
 * answers.
 *
 * Threads: any worker; without locks that another worker may hold for long. */
#ifndef PANDO_PATH_ADMISSION_H
#define PANDO_PATH_ADMISSION_H

#include "core/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct admission {
    /* A new connection from @peer: NONE lets it in, and exactly one left() must follow; LIMIT or
     * CLIENT_LIMIT refuse it. */
    enum err_kind (*connection)(struct admission *self, const struct sockaddr *peer);
    void (*left)(struct admission *self, const struct sockaddr *peer);
    /* True while so few descriptors are free that accepting ought to pause. @fd is the newest
     * one, or -1 to find out. */
    bool (*is_short_of_descriptors)(struct admission *self, int fd);
    /* Accepting pauses for lack of descriptors, or goes on. */
    void (*told)(struct admission *self, bool pauses);
};

#endif
