/* SPDX-License-Identifier: Apache-2.0 */
/* codec/compress/compress.c - the life of a compressor, whatever its coding. */
#include "codec/compress/compress.h"

#include "core/mem.h"

#include <assert.h>

struct compressor {
    const struct compress_kind *kind;
    size_t                      used_bytes;
    bool                        is_over;
    _Alignas(16) uint8_t state[];
};

/* Before each block of a library's. */
struct block {
    _Alignas(16) size_t bytes;
};

const struct compress_kind *compress_kind(enum compress_coding coding)
{
    static const struct compress_kind *const kinds[] = {
#define X(name, kind) &compress_##kind,
        COMPRESS_CODINGS(X)
#undef X
    };
    return kinds[coding];
}

unsigned compress_set(void)
{
    unsigned set = 0;
    for (unsigned i = 0; i < COMPRESS_CODINGS_COUNT; i++)
        set |= compress_kind((enum compress_coding)i)->is_there ? 1u << i : 0;
    return set;
}

size_t compress_memory_bytes(enum compress_coding coding, uint64_t body_bytes)
{
    const struct compress_kind *kind = compress_kind(coding);
    return kind->is_there ? kind->memory_bytes(body_bytes) : 0;
}

int compress__window_log(uint64_t body_bytes, int lowest, int highest)
{
    int log = lowest;
    while (log < highest && UINT64_C(1) << log < body_bytes)
        log++;
    return log;
}

void *compress__alloc(void *compressor, size_t bytes)
{
    struct block *block = mem_alloc(sizeof *block + bytes);
    if (block == NULL)
        return NULL;
    block->bytes = sizeof *block + bytes;
    ((struct compressor *)compressor)->used_bytes += block->bytes;
    return block + 1;
}

void compress__free(void *compressor, void *memory)
{
    if (memory == NULL)
        return;
    struct block *block = (struct block *)memory - 1;
    ((struct compressor *)compressor)->used_bytes -= block->bytes;
    mem_free(block);
}

struct compressor *compressor_new(enum compress_coding coding, uint64_t body_bytes)
{
    const struct compress_kind *kind = compress_kind(coding);
    if (!kind->is_there)
        return NULL;
    struct compressor *compressor = mem_alloc(sizeof *compressor + kind->state_bytes);
    if (compressor == NULL)
        return NULL;
    compressor->kind = kind;
    compressor->used_bytes = sizeof *compressor + kind->state_bytes;
    if (kind->init(compressor, compressor->state, body_bytes))
        return compressor;
    compressor_free(compressor);
    return NULL;
}

void compressor_free(struct compressor *compressor)
{
    if (compressor == NULL)
        return;
    compressor->kind->fini(compressor->state);
    mem_free(compressor);
}

enum compress_verdict compressor_step(struct compressor *compressor, struct compress_io *io,
                                      enum compress_mode mode)
{
    assert(!compressor->is_over && io->out_bytes >= COMPRESS_ROOM_BYTES_MIN);
    const enum compress_verdict verdict = compressor->kind->step(compressor->state, io, mode);
    compressor->is_over =
        verdict == COMPRESS_BROKEN || (mode == COMPRESS_END && verdict == COMPRESS_DONE);
    return verdict;
}

size_t compressor_used_bytes(const struct compressor *compressor)
{
    return compressor->used_bytes;
}
