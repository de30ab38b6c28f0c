/* SPDX-License-Identifier: Apache-2.0 */
/* partition/merge.c - answers of several shards become one. */
#include "codec/resp/resp_value.h"
#include "core/mem.h"
#include "partition/partition_stage.h"

static struct bytes text_of(const struct resp_out *out)
{
    return (struct bytes){out->buf == NULL ? NULL : out->buf->data, out->used};
}

/* The first part that failed answers for all. True: one has. */
static bool pass_error(struct key_op *op, const struct partition_answers *answers)
{
    for (uint32_t i = 0; i < answers->parts_count; i++) {
        const struct bytes text = text_of(answers->parts[i]);
        if (answers->parts[i]->failed || text.count == 0) {
            op->is_refused = true;
            resp_error(op->out,
                       "ERR the answer is larger than 'answer-bytes', or there is no memory");
            return true;
        }
        if (text.at[0] == '-') {
            resp_raw(op->out, text);
            return true;
        }
    }
    return false;
}

/* The number in the head of each part's answer, added. */
static int64_t add_heads(const struct partition_answers *answers)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < answers->parts_count; i++) {
        char kind;
        int64_t number;
        if (resp_value_head(text_of(answers->parts[i]), &kind, &number) > 0 && number > 0)
            sum += number;
    }
    return sum;
}

static void join(struct key_op *op, const struct partition_answers *answers)
{
    resp_array(op->out, (uint64_t)add_heads(answers));
    for (uint32_t i = 0; i < answers->parts_count; i++) {
        char kind;
        int64_t number;
        const struct bytes text = text_of(answers->parts[i]);
        const size_t head = resp_value_head(text, &kind, &number);
        resp_raw(op->out, (struct bytes){text.at + head, text.count - head});
    }
}

/* Puts the values of each part's array to the places of their keys. False: a part answered fewer
 * than it was asked for. */
static bool place_values(const struct partition_answers *answers, struct bytes *values)
{
    uint32_t placed = 0;
    for (uint32_t i = 0; i < answers->parts_count; i++) {
        char kind;
        int64_t count;
        struct bytes text = text_of(answers->parts[i]);
        size_t bytes = resp_value_head(text, &kind, &count);
        for (int64_t j = 0; j < count; j++) {
            text = (struct bytes){text.at + bytes, text.count - bytes};
            bytes = resp_value_bytes(text);
            if (bytes == 0 || placed == answers->keys_count)
                return false;
            values[answers->places[placed++]] = (struct bytes){text.at, bytes};
        }
    }
    return placed == answers->keys_count;
}

static void order(struct key_op *op, const struct partition_answers *answers)
{
    struct bytes *values = mem_alloc((answers->keys_count + 1) * sizeof *values);
    if (values == NULL) {
        op->is_refused = true;
        resp_error(op->out, "OOM out of memory");
    } else if (!place_values(answers, values)) {
        resp_error(op->out, "ERR a shard answered something else than it was asked for");
    } else {
        resp_array(op->out, answers->keys_count);
        for (uint32_t i = 0; i < answers->keys_count; i++)
            resp_raw(op->out, values[i]);
    }
    mem_free(values);
}

void partition__merge(struct key_op *op, const struct partition_answers *answers)
{
    if (pass_error(op, answers))
        return;
    switch (op->command->route) {
    case COMMAND_ROUTE_SUM:
    case COMMAND_ROUTE_EVERY_SUM: resp_integer(op->out, add_heads(answers)); break;
    case COMMAND_ROUTE_EVERY_JOIN: join(op, answers); break;
    case COMMAND_ROUTE_EACH: order(op, answers); break;
    default: /* SET, EVERY_OK: all of them said so */ resp_raw(op->out, text_of(answers->parts[0]));
    }
}
