/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/generic/sort_pattern.h - what SORT's BY and GET name: "#", a key with the element in
 * the place of a *, or a field of such a key.
 *
 * Memory:  scratch of the run; what is found lies in its space until that is changed.
 * Threads: whoever holds the spaces. */
#ifndef PANDO_ENGINE_KEYS_GENERIC_SORT_PATTERN_H
#define PANDO_ENGINE_KEYS_GENERIC_SORT_PATTERN_H

#include "engine/keys/members.h"

struct sort_pattern {
    struct sort_pattern *next; /* of several GETs */
    bool                 is_element, has_star;
    struct bytes         before, behind; /* of the star, in the key */
    struct bytes         field; /* its key in the tree of a hash; at NULL: the key is a string */
    uint8_t             *key;
    size_t               key_room;
};

/* Takes @text apart. False: no memory, answered. */
bool generic__pattern_read(struct sort_pattern *pattern, struct run *run, struct bytes text)
    must_check;

/* Finds what @pattern names for @element; at NULL: nothing. False: answered. */
bool generic__pattern_find(struct sort_pattern *pattern, struct run *run, struct bytes element,
                           struct bytes *found) must_check;

#endif
