/* SPDX-License-Identifier: Apache-2.0 */
/* main/directory/facts_file.h - the file DATA/facts: read whole, checked; written whole, synced,
 * put in place by a rename.
 *
 * Memory:  what is read is the caller's. Threads: one at a time. Errors: the story. */
#ifndef PANDO_MAIN_DIRECTORY_FACTS_FILE_H
#define PANDO_MAIN_DIRECTORY_FACTS_FILE_H

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>

/* All lines but the sum, which was right. *@text: to be given to mem_free(); NULL: there is no
 * file. */
must_check enum err_kind facts_file_read(const char *data, char **text, struct err *e);

/* Writes @text and its sum. Where it fails, the file is as before; *@is_unsure: that is not sure,
 * since the disk failed after the rename. */
must_check enum err_kind facts_file_write(const char *data, const char *text, size_t bytes,
                                          bool *is_unsure, struct err *e);

#endif
