/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/strings/bits/bits.c - SETBIT, GETBIT, BITCOUNT, BITPOS: a string as a row of bits,
 * the highest of each byte first. */
#include "engine/keys/strings/bits/bit_row.h"
#include "engine/keys/strings/strings.h"

void run__SETBIT(struct run *run)
{
    uint64_t place;
    int64_t bit;
    struct space *space;
    struct space_value value;
    if (!strings__read_bit_offset(run, 2, 0, &place))
        return;
    if (!bytes_read_int64(run->args[3], &bit) || bit < 0 || bit > 1) {
        resp_error(run->out, "ERR bit is not an integer or out of range");
        return;
    }
    if (!run_find(run, run->args[1], KEY_STRING, &space, &value))
        return;
    const uint64_t had = value.type == KEY_NONE ? 0 : value.string.count;
    const uint64_t byte = place / 8;
    const uint8_t mask = (uint8_t)(0x80 >> place % 8);
    uint8_t *at;
    if (!strings__edit(run, space, &value, byte < had ? had : byte + 1, &at))
        return;
    const bool was_set = (at[byte] & mask) != 0;
    at[byte] = (uint8_t)(bit == 1 ? at[byte] | mask : at[byte] & ~mask);
    if (strings__edited(run, space, &value))
        resp_integer(run->out, was_set);
}

void run__GETBIT(struct run *run)
{
    uint64_t place;
    struct space *space;
    struct space_value value;
    if (!strings__read_bit_offset(run, 2, 0, &place) ||
        !run_find(run, run->args[1], KEY_STRING, &space, &value))
        return;
    const bool is_there = value.type != KEY_NONE && place / 8 < value.string.count;
    resp_integer(run->out, is_there && bit_row_get(value.string.at, place));
}

/* Reads the unit at argument @index, if it is there. False: it is none, answered. */
static bool read_unit(struct run *run, uint32_t index, bool *is_in_bits)
{
    *is_in_bits = index < run->args_count && run_arg_is(run, index, "bit");
    if (index >= run->args_count || *is_in_bits || run_arg_is(run, index, "byte"))
        return true;
    resp_error(run->out, RUN_SYNTAX);
    return false;
}

/* Places that were said in bytes or bits, brought into @string, as bits. False: none is between
 * them. */
static bool clip_bits(struct bytes string, bool is_in_bits, int64_t *first, int64_t *last)
{
    const uint64_t bits = (uint64_t)string.count * 8;
    if (!strings__clip(first, last, is_in_bits ? bits : string.count))
        return false;
    if (!is_in_bits) {
        *first *= 8;
        *last = *last * 8 + 7;
    }
    return true;
}

/* Reads what BITCOUNT says behind its key. False: answered. */
static bool read_counted(struct run *run, int64_t *first, int64_t *last, bool *is_in_bits)
{
    if (run->args_count == 2)
        return true;
    if (run->args_count == 3 || run->args_count > 5) {
        resp_error(run->out, RUN_SYNTAX);
        return false;
    }
    if (!run_integer(run, 2, first) || !run_integer(run, 3, last))
        return false;
    if (!strings__are_backward(*first, *last))
        return read_unit(run, 4, is_in_bits);
    resp_integer(run->out, 0);
    return false;
}

void run__BITCOUNT(struct run *run)
{
    struct space *space;
    struct space_value value;
    int64_t first = 0, last = -1;
    bool is_in_bits = false;
    if (!run_find(run, run->args[1], KEY_STRING, &space, &value))
        return;
    if (value.type == KEY_NONE) {
        resp_integer(run->out, 0);
        return;
    }
    if (!read_counted(run, &first, &last, &is_in_bits))
        return;
    uint64_t count = 0;
    if (clip_bits(value.string, is_in_bits, &first, &last))
        count = bit_row_count(value.string.at, (uint64_t)first, (uint64_t)last);
    resp_integer(run->out, (int64_t)count);
}

/* BITPOS: what is asked for. */
struct search {
    bool    bit, is_in_bits, has_end;
    int64_t first, last;
};

static bool read_bit(struct run *run, bool *bit)
{
    int64_t number;
    if (!run_integer(run, 2, &number))
        return false;
    *bit = number == 1;
    if (number == 0 || number == 1)
        return true;
    resp_error(run->out, "ERR The bit argument must be 1 or 0.");
    return false;
}

/* False: answered. */
static bool read_range(struct run *run, struct search *search)
{
    search->last = -1;
    search->has_end = run->args_count > 4;
    if (run->args_count > 6) {
        resp_error(run->out, RUN_SYNTAX);
        return false;
    }
    return (run->args_count <= 3 || run_integer(run, 3, &search->first)) &&
           read_unit(run, 5, &search->is_in_bits) &&
           (run->args_count <= 4 || run_integer(run, 4, &search->last));
}

/* Behind a string without an end that was said, zeros go on. */
static int64_t find_bit(struct bytes string, struct search *search)
{
    if (!clip_bits(string, search->is_in_bits, &search->first, &search->last))
        return -1;
    const uint64_t last = (uint64_t)search->last;
    const uint64_t place = bit_row_find(string.at, (uint64_t)search->first, last, search->bit);
    if (place <= last)
        return (int64_t)place;
    return search->bit || search->has_end ? -1 : search->last + 1;
}

void run__BITPOS(struct run *run)
{
    struct search search = {0};
    struct space *space;
    struct space_value value;
    if (!read_bit(run, &search.bit) || !run_find(run, run->args[1], KEY_STRING, &space, &value))
        return;
    if (value.type == KEY_NONE)
        resp_integer(run->out, search.bit ? -1 : 0);
    else if (read_range(run, &search))
        resp_integer(run->out, find_bit(value.string, &search));
}
