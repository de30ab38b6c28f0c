/* SPDX-License-Identifier: Apache-2.0 */
/* codec/http1_chunks.c - reads the chunked coding (RFC 9112 7.1), byte by byte outside the data.
 *
 * What goes on to the next hop is chunked anew, so neither sizes nor extensions of the sender
 * are passed on. White space around the size or the semicolon (BWS) is refused: RFC 9112 allows
 * it for the sake of old senders, and bugs. */
#include "codec/http1_parts.h"

enum phase {
    PHASE_SIZE, /* must be 0: the decoder starts zeroed */
    PHASE_EXTENSION,
    PHASE_SIZE_LF,
    PHASE_DATA,
    PHASE_DATA_CR,
    PHASE_DATA_LF,
    PHASE_OVER,
};

enum { SIZE_DIGITS_MAX = 16 };

static enum http1_refusal take_digit(struct http1_chunks *chunks, uint8_t byte)
{
    const uint8_t low = byte <= '9' ? (uint8_t)(byte - '0') : (uint8_t)((byte | 0x20) - 'a' + 10);
    if (chunks->digits == SIZE_DIGITS_MAX)
        return HTTP1_REFUSAL_CHUNK_SIZE;
    chunks->digits++;
    chunks->left = chunks->left << 4 | low;
    return chunks->left > INT64_MAX ? HTTP1_REFUSAL_CHUNK_SIZE_RANGE : HTTP1_REFUSAL_NONE;
}

static enum http1_refusal take_size(struct http1_chunks *chunks, uint8_t byte)
{
    if (http1__is(byte, HTTP1__HEX))
        return take_digit(chunks, byte);
    if (byte == '\n')
        return HTTP1_REFUSAL_CHUNK_LINE_END;
    if (chunks->digits == 0 || (byte != '\r' && byte != ';'))
        return HTTP1_REFUSAL_CHUNK_SIZE;
    chunks->phase = byte == '\r' ? PHASE_SIZE_LF : PHASE_EXTENSION;
    chunks->extension_bytes = (uint16_t)(chunks->extension_bytes + (byte == ';'));
    return chunks->extension_bytes > HTTP1_CHUNK_EXTENSION_BYTES_MAX
               ? HTTP1_REFUSAL_CHUNK_EXTENSIONS_LONG
               : HTTP1_REFUSAL_NONE;
}

static enum http1_refusal take_extension(struct http1_chunks *chunks, uint8_t byte)
{
    if (byte == '\r') {
        chunks->phase = PHASE_SIZE_LF;
        return HTTP1_REFUSAL_NONE;
    }
    if (byte == '\n')
        return HTTP1_REFUSAL_CHUNK_LINE_END;
    if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
        return HTTP1_REFUSAL_CHUNK_EXTENSION_BYTE;
    return ++chunks->extension_bytes > HTTP1_CHUNK_EXTENSION_BYTES_MAX
               ? HTTP1_REFUSAL_CHUNK_EXTENSIONS_LONG
               : HTTP1_REFUSAL_NONE;
}

/* One byte outside the data. */
static enum http1_refusal take(struct http1_chunks *chunks, uint8_t byte)
{
    switch (chunks->phase) {
    case PHASE_SIZE: return take_size(chunks, byte);
    case PHASE_EXTENSION: return take_extension(chunks, byte);
    case PHASE_SIZE_LF:
        chunks->phase = chunks->left == 0 ? PHASE_OVER : PHASE_DATA;
        return byte == '\n' ? HTTP1_REFUSAL_NONE : HTTP1_REFUSAL_CHUNK_LINE_END;
    case PHASE_DATA_CR:
        chunks->phase = PHASE_DATA_LF;
        return byte == '\r' ? HTTP1_REFUSAL_NONE : HTTP1_REFUSAL_CHUNK_DATA_END;
    default:
        assert(chunks->phase == PHASE_DATA_LF);
        chunks->phase = PHASE_SIZE;
        chunks->digits = 0;
        return byte == '\n' ? HTTP1_REFUSAL_NONE : HTTP1_REFUSAL_CHUNK_DATA_END;
    }
}

enum http1_verdict http1_chunks_read(struct http1_chunks *chunks, const uint8_t *bytes,
                                     size_t count, struct http1_piece *piece)
{
    assert(chunks->phase != PHASE_OVER && chunks->refusal == HTTP1_REFUSAL_NONE);
    *piece = (struct http1_piece){0};
    while (piece->consumed < count) {
        if (chunks->phase == PHASE_DATA) {
            const size_t here = count - piece->consumed;
            piece->data = bytes + piece->consumed;
            piece->bytes = here < chunks->left ? here : (size_t)chunks->left;
            piece->consumed += piece->bytes;
            chunks->left -= piece->bytes;
            if (chunks->left == 0)
                chunks->phase = PHASE_DATA_CR;
            return HTTP1_PARTIAL;
        }
        chunks->refusal = (uint8_t)take(chunks, bytes[piece->consumed]);
        if (chunks->refusal != HTTP1_REFUSAL_NONE)
            return HTTP1_BAD;
        piece->consumed++;
        if (chunks->phase == PHASE_OVER)
            return HTTP1_DONE;
    }
    return HTTP1_PARTIAL;
}
