/* SPDX-License-Identifier: Apache-2.0 */
/* main/face/beside.h - keys over HTTP beside the pages of admin listeners: a key path on the
 * control thread.
 *
 * Memory:  freed when it was released and no request and no flight walks on it.
 * Threads: control. */
#ifndef PANDO_MAIN_FACE_BESIDE_H
#define PANDO_MAIN_FACE_BESIDE_H

#include "main/face/face.h"

struct beside;

/* Does an admin listener of these settings have keys? */
bool beside_is_wanted(const struct settings *settings);

/* For all admin listeners with keys; @pages: what else they stand before. NULL: no memory. */
must_check struct beside *beside_new(struct worker_thread *thread, struct generation *generation,
                                     const struct http_router *pages);

/* What that listener's front stands before. NULL: it has no keys; as does @beside NULL. */
struct http_router *beside_router(struct beside *beside, const char *listener);

/* Its maker needs it no more. Accepts NULL. */
void beside_release(struct beside *beside);

#endif
