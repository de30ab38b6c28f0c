/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor/program.h - the binary that the server is started from.
 *
 * A server that crashed is started again from the very file it came from, also if that was
 * replaced since; only an upgrade takes what now lies at the path.
 *
 * Memory and threads: none. */
#ifndef PANDO_MAIN_SUPERVISOR_PROGRAM_H
#define PANDO_MAIN_SUPERVISOR_PROGRAM_H

#include "core/err.h"

#include <limits.h>

/* Finds where this program lies: as it was called (so that a link which is turned elsewhere leads
 * to the new version), else what /proc/self/exe says. */
must_check enum err_kind program_find(char path[PATH_MAX], const char *called, struct err *e);

/* The file that lies at @path now, kept even if it is replaced: a descriptor, closed on exec. */
must_check enum err_kind program_open(const char *path, int *fd, struct err *e);

/* Becomes the program @fd, by its @path if that is still the same file. Returns only if it
 * failed, with errno. */
void program_become(const char *path, int fd, char *const arguments[]);

#endif
