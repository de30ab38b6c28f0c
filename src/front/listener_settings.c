/* SPDX-License-Identifier: Apache-2.0 */
/* front/listener_settings.c - the words of the dialects. */
#include "front/listener_settings.h"

const char *listener_dialect_name(enum listener_dialect dialect)
{
    static const char *const words[] = {
        [LISTENER_NONE] = "",
#define X(name, word) [LISTENER_##name] = word,
        LISTENER_DIALECTS(X)
#undef X
    };
    return words[dialect];
}
