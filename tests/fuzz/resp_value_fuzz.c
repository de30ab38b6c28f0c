/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/resp_value_fuzz.c - laws of walking over answers.
 *
 * 1. A value ends where it ends: with anything behind it the same, and every shorter piece is not
 *    whole. It begins with a letter of the protocol.
 * 2. What the encoder writes, in both versions, is one value, as deep as the walk may go.
 *
 * The input is taken as bytes for the first, and as orders to the encoder for the second. */
#include "codec/resp/resp_out.h"
#include "codec/resp/resp_value.h"

#include <stdlib.h>

#define CHECK(law)                                                                                 \
    do {                                                                                           \
        if (!(law))                                                                                \
            __builtin_trap();                                                                      \
    } while (0)

enum { PREFIXES_MAX = 300 };

/* In a block of just that size. */
static size_t bytes_of_copy(const uint8_t *at, size_t count)
{
    uint8_t *block = malloc(count == 0 ? 1 : count);
    memcpy(block, at, count);
    const size_t bytes = resp_value_bytes((struct bytes){block, count});
    free(block);
    return bytes;
}

static void check_end(const uint8_t *data, size_t size)
{
    const size_t bytes = bytes_of_copy(data, size);
    CHECK(bytes <= size);
    if (bytes == 0)
        return;
    CHECK(memchr("+-,#(:_$=!*~>%", data[0], 14) != NULL);
    CHECK(bytes_of_copy(data, bytes) == bytes);
    for (size_t i = 0; i < bytes && i < PREFIXES_MAX; i++)
        CHECK(bytes_of_copy(data, i) == 0);
    CHECK(bytes_of_copy(data, bytes - 1) == 0);
}

struct orders {
    const uint8_t *at, *end;
};

static unsigned next(struct orders *orders)
{
    return orders->at < orders->end ? *orders->at++ : 0;
}

static void write_leaf(struct orders *orders, struct resp_out *out, unsigned what)
{
    const size_t left = (size_t)(orders->end - orders->at);
    size_t count = next(orders);
    count = count < left ? count : 0;
    const struct bytes text = {orders->at, count};
    switch (what % 8) {
    case 0: resp_null(out); break;
    case 1: resp_null_array(out); break;
    case 2: resp_bulk(out, text); break;
    case 3: resp_integer(out, (int64_t)count - 100); break;
    case 4: resp_double(out, (double)count / 7); break;
    case 5: resp_boolean(out, count % 2); break;
    case 6: resp_verbatim(out, text); break;
    default: resp_error(out, "ERR no"); break;
    }
    orders->at += what % 8 == 2 || what % 8 == 6 ? count : 0;
}

/* One value, nested below @depth others. */
static void write_value(struct orders *orders, struct resp_out *out, unsigned depth)
{
    const unsigned what = next(orders), count = next(orders) % 5;
    if (what % 16 < 8 || depth == RESP_DEPTH_MAX) {
        write_leaf(orders, out, what);
        return;
    }
    unsigned inside = count;
    switch (what % 4) {
    case 0: resp_array(out, count); break;
    case 1: resp_set(out, count); break;
    case 2: resp_push(out, count); break;
    default: resp_map(out, count); inside = 2 * count;
    }
    for (unsigned i = 0; i < inside; i++)
        write_value(orders, out, depth + 1);
}

static void check_written(const uint8_t *data, size_t size, unsigned version)
{
    struct orders orders = {data, data + size};
    struct resp_out out;
    resp_out_init(&out, version, 0, NULL);
    write_value(&orders, &out, 0);
    CHECK(!out.failed && bytes_of_copy(out.buf->data, out.used) == out.used);
    CHECK(bytes_of_copy(out.buf->data, out.used - 1) == 0);
    resp_out_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_end(data, size);
    if (size < 2000) { /* the tree it orders may be wide */
        check_written(data, size, 2);
        check_written(data, size, 3);
    }
    return 0;
}
