/* SPDX-License-Identifier: Apache-2.0 */
/* path/target.c - the words for a target's states. */
#include "path/target.h"

#include <assert.h>

const char *target_state_word(enum target_state state)
{
    static const char *const words[] = {
#define X(name, word, gist) [TARGET_##name] = word,
        TARGET_STATES(X)
#undef X
    };
    assert((unsigned)state < TARGET_STATES_COUNT);
    return words[state];
}
