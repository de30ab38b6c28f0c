/* SPDX-License-Identifier: Apache-2.0 */
/* codec/compress/compress.h - content codings that bodies are sent in: gzip (RFC 1952), br (RFC
 * 7932) and zstd (RFC 8878), as streams.
 *
 *     compressor_new -> compressor_step(COMPRESS_MORE) as bytes come, perhaps COMPRESS_FLUSH,
 *                    -> compressor_step(COMPRESS_END) until COMPRESS_DONE -> compressor_free
 *
 * Each coding is one file and one line below, behind one table of functions, made by its library.
 * Where the build is without a library (options `zlib`, `brotli`, `zstd`), the file in without/
 * stands in for it, and that coding is not there.
 *
 * What comes out depends on the bytes and on where was flushed, and may be others with another
 * version of a library: nobody may take two streams of one body for the same bytes.
 *
 * Memory:  one block, and what the library takes, which is bounded by the length of the body if
 *          that is known beforehand; at most, with a body that is long or of unknown length:
 *          gzip 264 KiB (window 32 KiB), br 5 MiB (window 256 KiB), zstd 4.4 MiB (window 512 KiB,
 *          of the 8 MiB that RFC 9659 allows). compress_memory_bytes() says how much.
 * Threads: one at a time.
 * Errors:  no memory: COMPRESS_BROKEN, for good. */
#ifndef PANDO_CODEC_COMPRESS_COMPRESS_H
#define PANDO_CODEC_COMPRESS_COMPRESS_H

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Best first. To add one: write its file, and the one in without/, and add its line here. */
#define COMPRESS_CODINGS(X)                                                                        \
    /* name and its kind's */                                                                      \
    X(BR, br)                                                                                      \
    X(ZSTD, zstd)                                                                                  \
    X(GZIP, gzip)

enum compress_coding {
#define X(name, kind) COMPRESS_##name,
    COMPRESS_CODINGS(X)
#undef X
        COMPRESS_CODINGS_COUNT,
};

#define COMPRESS_BYTES_UNKNOWN UINT64_MAX

/* With less room zlib would write the mark of a flush again and again, each time for the next. */
enum { COMPRESS_ROOM_BYTES_MIN = 32 };

/* What is to be done with what was given so far. */
enum compress_mode {
    COMPRESS_MORE,  /* more will come */
    COMPRESS_FLUSH, /* the reader must be able to read all of it now */
    COMPRESS_END,   /* it is all */
};

enum compress_verdict {
    COMPRESS_DONE,   /* all bytes were taken, and nothing that the mode wants out is left inside */
    COMPRESS_AGAIN,  /* the output is full: once more, with the same mode and room */
    COMPRESS_BROKEN, /* no memory */
};

/* Both sides of a step; they move on as bytes are taken and written. */
struct compress_io {
    const uint8_t *in;
    size_t         in_bytes;
    uint8_t       *out;
    size_t         out_bytes; /* room; at least COMPRESS_ROOM_BYTES_MIN at the call */
};

struct compressor;

/* A coding: one per file. */
struct compress_kind {
    const char *name;        /* as in Content-Encoding and Accept-Encoding */
    const char *gist;        /* one line */
    bool        is_there;    /* false: the build is without its library, and the rest is not set */
    size_t      state_bytes; /* zeroed by the caller */
    /* The most that one for a body of @body_bytes takes in all. */
    size_t (*memory_bytes)(uint64_t body_bytes);
    /* False: no memory; fini() follows. */
    bool (*init)(struct compressor *compressor, void *state, uint64_t body_bytes);
    enum compress_verdict (*step)(void *state, struct compress_io *io, enum compress_mode mode);
    /* Accepts a state whose init() failed. */
    void (*fini)(void *state);
};

#define X(name, kind) extern const struct compress_kind compress_##kind;
COMPRESS_CODINGS(X)
#undef X

/* The row of a coding. */
const struct compress_kind *compress_kind(enum compress_coding coding);

/* Bit i: coding i is there. */
unsigned compress_set(void);

/* The most memory that one for a body of @body_bytes takes; COMPRESS_BYTES_UNKNOWN: any body. */
size_t compress_memory_bytes(enum compress_coding coding, uint64_t body_bytes);

/* For a body of @body_bytes, if that is known: it may turn out another, which costs density only.
 * NULL: no memory, or the coding is not there. */
struct compressor *compressor_new(enum compress_coding coding, uint64_t body_bytes) must_check;

/* Accepts NULL. */
void compressor_free(struct compressor *compressor);

/* Takes from io->in and writes to io->out, as far as both reach. After an END that was DONE no more
 * may follow. */
enum compress_verdict compressor_step(struct compressor *compressor, struct compress_io *io,
                                      enum compress_mode mode) must_check;

/* What it has taken by now from mem.h. */
size_t compressor_used_bytes(const struct compressor *compressor);

/* --- For the codings --- */

/* The least window, as a power of two, that holds a body of @body_bytes, within the two bounds. */
int compress__window_log(uint64_t body_bytes, int lowest, int highest);

/* Memory for a library; it counts for the compressor. @compressor is opaque to libraries. NULL:
 * none. */
void *compress__alloc(void *compressor, size_t bytes);

/* Accepts NULL. */
void compress__free(void *compressor, void *memory);

#endif
