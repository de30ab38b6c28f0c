/* SPDX-License-Identifier: Apache-2.0 */
/* core/glob.h - patterns of keys: * ? [a-z] [^a] and \x, as Redis reads them, in bounded time.
 *
 * Iterative, with one place to go back to, so at most pattern times text steps (the recursion of
 * others took exponential time: CVE-2022-36021, CVE-2024-31228).
 *
 * Threads: pure. */
#ifndef PANDO_CORE_GLOB_H
#define PANDO_CORE_GLOB_H

#include "core/bytes.h"

/* Does @pattern match all of @text? */
bool glob_matches(struct bytes pattern, struct bytes text);

#endif
