/* SPDX-License-Identifier: Apache-2.0 */
/* codec/resp/resp_request.h - reads what Redis clients send: an array of bulk strings, or one line.
 *
 * The reader is fed contiguous bytes that begin where the command begins and may grow from call to
 * call (and move); it goes on where it stopped, so crumbs cost no more than one piece. Memory is
 * taken as arguments arrive, never by what a length claims.
 *
 * Memory:  up to RESP_ARGS_INLINE arguments lie in the struct, more on the heap, which is kept for
 *          the next command up to a bound; resp_request_fini() gives it back. Arguments are
 *          offsets. The struct may not move.
 * Threads: one at a time.
 * Errors:  RESP_BAD, with the sentence for the client in `error`; framing is lost then. A length
 *          that cannot be one is refused at its first wrong byte. */
#ifndef PANDO_CODEC_RESP_RESP_REQUEST_H
#define PANDO_CODEC_RESP_RESP_REQUEST_H

#include "core/bytes.h"

enum { RESP_ARGS_INLINE = 8 };

enum resp_verdict { RESP_PARTIAL, RESP_DONE, RESP_BAD };

struct resp_limits {
    uint32_t args_max;         /* of one command */
    uint64_t bulk_bytes_max;   /* of one argument */
    uint64_t bytes_max;        /* of one command with its framing */
    uint32_t inline_bytes_max; /* of a command on a line; 0: only PING may be one */
    /* What is said of more arguments, and of a longer one; NULL: that it is too many. */
    const char *args_error, *bulk_error;
};

struct resp_arg {
    size_t offset; /* from where the command begins */
    size_t bytes;
};

struct resp_request {
    size_t      read_bytes; /* of the command so far; when DONE: all of it */
    size_t      value_left; /* bytes of the argument under way that are not here yet, with CRLF */
    uint32_t    args_said;  /* as the array's head says */
    uint32_t    args_count; /* that were read whole */
    uint32_t    args_room;
    bool        in_array, in_value;
    const char *error;         /* when BAD: stays while the request does; without a code */
    char        error_own[40]; /* one that names a byte which was received */
    struct resp_arg *args;     /* inline_args or heap; when DONE: args_count of them */
    struct resp_arg  inline_args[RESP_ARGS_INLINE];
};

/* Ready for a first command. */
void resp_request_init(struct resp_request *request);

/* Accepts zero. */
void resp_request_fini(struct resp_request *request);

/* Ready for the next command, which begins at another address. */
void resp_request_next(struct resp_request *request);

/* Reads on in @at, @bytes bytes from the beginning of the command: those of the calls before and
 * more. DONE: request->read_bytes are the command's, its arguments request->args; an empty array or
 * line has none and is to be passed over. */
enum resp_verdict resp_request_read(struct resp_request *request, const uint8_t *at, size_t bytes,
                                    const struct resp_limits *limits) must_check;

/* A look ahead, which changes nothing: *@second is the second argument of the command that begins
 * at @at, which mostly is its key. Returns the command's bytes; 0: it is not whole, or not of the
 * usual form, and nothing is said of it. */
size_t resp_request_peek(const uint8_t *at, size_t bytes, struct bytes *second);

/* The argument at @index of a command that begins at @at. */
static inline struct bytes resp_request_arg(const struct resp_request *request, const uint8_t *at,
                                            uint32_t index)
{
    return (struct bytes){at + request->args[index].offset, request->args[index].bytes};
}

#endif
