/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/resp_request_fuzz.c - laws of reading commands of the Redis protocol.
 *
 * 1. However the bytes arrive (whole, one by one, in steps by chance, each time at another
 *    address), verdict, error, bytes and arguments are the same.
 * 2. Arguments lie inside the command, in their order.
 * 3. What was accepted, written as an array, is accepted and says the same.
 * 4. A look ahead, at any bytes, stays inside them; at what was accepted it sees the same or nothing.
 * 5. A pipeline, given whole or in steps with what was read taken away, is the same commands and
 *    ends alike.
 *
 * The first byte of the input chooses the limits and draws the steps. */
#include "codec/resp/resp_out.h"
#include "codec/resp/resp_request.h"
#include "core/random.h"

#include <stdlib.h>

#define CHECK(law)                                                                                 \
    do {                                                                                           \
        if (!(law))                                                                                \
            __builtin_trap();                                                                      \
    } while (0)

static const struct resp_limits limits[4] = {
    {.args_max = 1024 * 1024, .bulk_bytes_max = 512u << 20, .bytes_max = 1u << 30},
    {.args_max = 20, .bulk_bytes_max = 40, .bytes_max = 200},
    {.args_max = 1024 * 1024,
     .bulk_bytes_max = 512u << 20,
     .bytes_max = 1u << 30,
     .inline_bytes_max = 65536},
    {.args_max = 3, .bulk_bytes_max = 100, .bytes_max = 300, .inline_bytes_max = 50},
};

/* Gives the first @seen bytes, in a block of just that size. */
static enum resp_verdict give(struct resp_request *request, const uint8_t *bytes, size_t seen,
                              const struct resp_limits *bounds)
{
    uint8_t *block = malloc(seen);
    memcpy(block, bytes, seen);
    const enum resp_verdict verdict = resp_request_read(request, block, seen, bounds);
    free(block);
    return verdict;
}

/* Steps of 1 to @step_max bytes, drawn from @seed. *@seen: what was given. */
static enum resp_verdict read_in_steps(struct resp_request *request, const uint8_t *bytes,
                                       size_t count, const struct resp_limits *bounds,
                                       const uint32_t step_and_seed[2])
{
    struct random random;
    random_init(&random, step_and_seed[1]);
    resp_request_init(request);
    enum resp_verdict verdict = RESP_PARTIAL;
    for (size_t seen = 0; seen < count && verdict == RESP_PARTIAL;) {
        const size_t step = 1 + random_below(random_next(&random), step_and_seed[0]);
        seen = count - seen < step ? count : seen + step;
        verdict = give(request, bytes, seen, bounds);
    }
    return verdict;
}

static void check_same(const struct resp_request *a, const struct resp_request *b)
{
    CHECK(a->args_count == b->args_count);
    for (uint32_t i = 0; i < a->args_count; i++)
        CHECK(a->args[i].offset == b->args[i].offset && a->args[i].bytes == b->args[i].bytes);
}

static void check_inside(const struct resp_request *request, size_t count)
{
    size_t end = 0;
    CHECK(request->read_bytes > 0 && request->read_bytes <= count);
    for (uint32_t i = 0; i < request->args_count; i++) {
        CHECK(request->args[i].offset >= end);
        end = request->args[i].offset + request->args[i].bytes;
        CHECK(end < request->read_bytes);
    }
}

static void check_written(const struct resp_request *first, const uint8_t *bytes)
{
    struct resp_request again;
    struct resp_out out;
    resp_out_init(&out, 2, 0, NULL);
    resp_array(&out, first->args_count);
    for (uint32_t i = 0; i < first->args_count; i++)
        resp_bulk(&out, resp_request_arg(first, bytes, i));
    resp_request_init(&again);
    CHECK(!out.failed);
    CHECK(resp_request_read(&again, out.buf->data, out.used, &limits[0]) == RESP_DONE);
    CHECK(again.read_bytes == out.used && again.args_count == first->args_count);
    for (uint32_t i = 0; i < first->args_count; i++)
        CHECK(bytes_equal(resp_request_arg(first, bytes, i),
                          resp_request_arg(&again, out.buf->data, i)));
    resp_request_fini(&again);
    resp_out_fini(&out);
}

/* In a block of just that size. */
static void check_peek(const struct resp_request *whole, enum resp_verdict verdict,
                       const uint8_t *bytes, size_t count)
{
    struct bytes second = {NULL, 0};
    uint8_t *block = malloc(count);
    memcpy(block, bytes, count);
    const size_t seen = resp_request_peek(block, count, &second);
    CHECK(seen <= count);
    if (seen > 0)
        CHECK(second.at > block && second.at + second.count < block + seen);
    if (seen > 0 && verdict == RESP_DONE)
        CHECK(seen == whole->read_bytes && bytes_equal(second, resp_request_arg(whole, bytes, 1)));
    free(block);
}

/* What a connection sees of a pipeline: a sum over all arguments of its commands, and its end. */
struct seen {
    uint64_t          sum;
    size_t            read_bytes; /* of whole commands */
    enum resp_verdict end;
};

static uint64_t add(uint64_t sum, struct bytes bytes)
{
    for (size_t i = 0; i < bytes.count; i++)
        sum = (sum ^ bytes.at[i]) * 0x100000001b3u;
    return (sum ^ bytes.count) * 0x100000001b3u;
}

/* Steps of 1 to @step_max bytes. */
static struct seen read_pipeline(struct bytes bytes, const struct resp_limits *bounds,
                                 uint32_t step_max, uint32_t seed)
{
    struct seen seen = {.end = RESP_PARTIAL};
    struct resp_request request;
    struct random random;
    random_init(&random, seed);
    resp_request_init(&request);
    for (size_t given = 0; given < bytes.count && seen.end != RESP_BAD;) {
        const size_t step = 1 + random_below(random_next(&random), step_max);
        given = bytes.count - given < step ? bytes.count : given + step;
        while (seen.read_bytes < given) {
            const uint8_t *at = bytes.at + seen.read_bytes;
            seen.end = give(&request, at, given - seen.read_bytes, bounds);
            if (seen.end != RESP_DONE)
                break;
            seen.read_bytes += request.read_bytes;
            for (uint32_t i = 0; i < request.args_count; i++)
                seen.sum = add(seen.sum, resp_request_arg(&request, at, i));
            seen.sum = (seen.sum ^ request.args_count) * 0x100000001b3u;
            resp_request_next(&request);
        }
    }
    resp_request_fini(&request);
    return seen;
}

static void check_pipeline(struct bytes bytes, const struct resp_limits *bounds, uint32_t seed)
{
    const struct seen whole = read_pipeline(bytes, bounds, UINT32_MAX, 0);
    const struct seen pieces = read_pipeline(bytes, bounds, 1 + seed % 40, seed);
    CHECK(whole.sum == pieces.sum && whole.read_bytes == pieces.read_bytes);
    CHECK((whole.end == RESP_BAD) == (pieces.end == RESP_BAD));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const struct resp_limits *bounds = &limits[data[0] & 3];
    const uint32_t ones[2] = {1, 0}, chance[2] = {1 + (data[0] >> 4), data[0]};
    data++;
    size--;
    struct resp_request whole, crumbs, pieces;
    resp_request_init(&whole);
    const enum resp_verdict verdict = give(&whole, data, size, bounds);
    CHECK(verdict == read_in_steps(&crumbs, data, size, bounds, ones));
    CHECK(verdict == read_in_steps(&pieces, data, size, bounds, chance));
    check_peek(&whole, verdict, data, size);
    check_same(&whole, &crumbs);
    check_same(&whole, &pieces);
    if (verdict == RESP_BAD)
        CHECK(strcmp(whole.error, crumbs.error) == 0 && strcmp(whole.error, pieces.error) == 0);
    if (verdict == RESP_DONE) {
        CHECK(whole.read_bytes == crumbs.read_bytes && whole.read_bytes == pieces.read_bytes);
        check_inside(&whole, size);
        check_written(&whole, data);
    }
    check_pipeline((struct bytes){data, size}, bounds, chance[1]);
    resp_request_fini(&whole);
    resp_request_fini(&crumbs);
    resp_request_fini(&pieces);
    return 0;
}
