/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/place/explain_key.h - `pando explain KEY`: where a key is, and why.
 *
 * The running process is asked; where none runs, the file says it, and DATA/facts.
 *
 * Memory:  none is kept. Threads: none. Errors: written to standard error. */
#ifndef PANDO_MAIN_COMMAND_PLACE_EXPLAIN_KEY_H
#define PANDO_MAIN_COMMAND_PLACE_EXPLAIN_KEY_H

#include "main/command/command.h"

/* Returns the exit status. */
int explain_key_remote(const struct command_line *line);

#endif
