/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/strings/write.c - APPEND and SETRANGE: a string is changed where it lies. */
#include "engine/keys/strings/strings.h"

/* Writes @part at @offset of the string, which grows as it must, and answers its length. */
static void write_part(struct run *run, struct space *space, struct space_value *value,
                       uint64_t offset, struct bytes part)
{
    const uint64_t had = value->type == KEY_NONE ? 0 : value->string.count;
    const uint64_t has = offset + part.count > had ? offset + part.count : had;
    uint8_t *at;
    if (!strings__edit(run, space, value, has, &at))
        return;
    if (part.count > 0)
        memcpy(at + offset, part.at, part.count);
    if (strings__edited(run, space, value))
        resp_integer(run->out, (int64_t)has);
}

void run__APPEND(struct run *run)
{
    struct space *space;
    struct space_value value;
    if (run_find(run, run->args[1], KEY_STRING, &space, &value))
        write_part(run, space, &value, value.type == KEY_NONE ? 0 : value.string.count,
                   run->args[2]);
}

void run__SETRANGE(struct run *run)
{
    int64_t offset;
    struct space *space;
    struct space_value value;
    if (!run_integer(run, 2, &offset))
        return;
    if (offset < 0) {
        resp_error(run->out, "ERR offset is out of range");
        return;
    }
    if (!run_find(run, run->args[1], KEY_STRING, &space, &value))
        return;
    if (run->args[3].count == 0)
        resp_integer(run->out, value.type == KEY_NONE ? 0 : (int64_t)value.string.count);
    else
        write_part(run, space, &value, (uint64_t)offset, run->args[3]);
}
