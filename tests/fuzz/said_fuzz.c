/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/said_fuzz.c - laws of reading an agent's line.
 *
 * 1. What is refused says nothing; what is accepted says something, each figure within its bounds.
 * 2. A reason holds printable ASCII and ends in the room that it has.
 * 3. What stands after the first line changes nothing. */
#include "control/agent/said.h"

#include <stdlib.h>
#include <string.h>

#define CHECK(law)                                                                                 \
    do {                                                                                           \
        if (!(law))                                                                                \
            __builtin_trap();                                                                      \
    } while (0)

static void check(const struct said *said, bool is_good)
{
    CHECK(is_good == (said->has_percent || said->has_weight || said->has_most ||
                      said->order != SAID_NOTHING || said->health != SAID_NOTHING));
    CHECK(said->percent <= SAID_PERCENT_MAX && said->weight <= 256);
    CHECK(!(said->has_percent && said->has_weight) && (!said->has_most || said->most > 0));
    CHECK(memchr(said->reason, '\0', sizeof said->reason) != NULL);
    for (const char *at = said->reason; *at != '\0'; at++)
        CHECK(*at >= ' ' && *at < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct said said, again;
    char *bytes = malloc(size + 4);
    if (bytes == NULL)
        return 0;
    if (size > 0)
        memcpy(bytes, data, size);
    const bool is_good = said_read(&said, bytes, size);
    check(&said, is_good);
    memcpy(bytes + size, "\nup", 3);
    CHECK(said_read(&again, bytes, size + 3) == is_good);
    CHECK(memcmp(&said, &again, sizeof said) == 0);
    free(bytes);
    return 0;
}
