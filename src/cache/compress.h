/* SPDX-License-Identifier: Apache-2.0 */
/* cache/compress.h - inside the cache room: which bodies are kept compressed, what their heads say,
 * and the coder between a fetch and the store.
 *
 *     a rule says compress -> the server is asked with the one coding that this client likes best;
 *     it answers without coding -> the head is written anew (Vary, Content-Encoding, a weak ETag),
 *     the body passes a coder piece by piece, and what comes out is what is kept
 *
 * A variant is found by that one coding (CACHE_VARY_BY_CODING), so each coding of a URL is made
 * once, whatever else its clients accept. Where a fresh and whole body without coding is kept, it
 * is coded from there and no server is asked.
 *
 * Work:    CACHE_CODE_BYTES_PER_TURN of a worker's loop for all coders of a cache, in turn.
 * Memory:  coders of a worker's side take CACHE_CODE_MEMORY_BYTES together; what would be over it
 *          is kept as it came.
 * Threads: a coder belongs to its fetch's. */
#ifndef PANDO_CACHE_COMPRESS_H
#define PANDO_CACHE_COMPRESS_H

#include "cache/cache_inside.h"
#include "codec/compress/compress.h"
#include "loop/timer.h"

enum {
    CACHE_CODE_BYTES_PER_TURN = 64 * 1024, /* of input: 1 to 2 ms */
    CACHE_CODE_OUT_BYTES = 16 * 1024,      /* that wait between a coder and the store */
    CACHE_CODE_MEMORY_BYTES = 64 * 1024 * 1024,
    CACHE_CODE_PAUSE_MS = 20, /* a source that is silent for so long: what is inside is let out */
};

/* What Pando did to a kept answer; bits of cache_object.coded. */
enum {
    CACHE_CODED_VARY = 1,       /* it is found by coding, and says Vary: Accept-Encoding */
    CACHE_CODED_HERE = 2,       /* its body was coded here */
    CACHE_CODED_WAS_STRONG = 4, /* so was the ETag of the server, before */
};

struct cache_coder;
struct cache_fetch;

/* The set of codings that the server is asked for: as the client says, or the best of them if
 * Pando codes under @rule (NULL: none). */
unsigned cache__codings_asked(const struct cache_rule *rule, const struct http_head *request);

/* Before the answer of @fetch is kept: if it is to be kept by coding, its head is written anew, and
 * fetch->coded says so; if it is to be coded, fetch->coder is there, too. Fields of @meta change
 * with the head. Without memory it is kept as it came. */
void cache__code_answer(struct cache_fetch *fetch, struct cache_meta *meta);

/* It is not kept after all: the answer has its own head again, and the coder is gone. */
void cache__code_undo(struct cache_fetch *fetch);

/* What the answers vary by, as their variants are found; in place. Returns the bytes. */
size_t cache__code_names(const struct cache_fetch *fetch, char *names, size_t bytes, size_t room);

/* After a 304 has freshened what is kept by coding: @merged says again what it has to. False: it
 * may not be kept coded any more, or there is no memory. */
bool cache__code_freshened(struct cache_fetch *fetch, struct http_head *merged) must_check;

/* The validators of a kept answer as its server knows them; @etag is where one is written that has
 * to be made. */
struct cache_validators cache__server_validators(struct cache_object *object,
                                                 uint8_t etag[CACHE_ETAG_BYTES_MAX]);

/* A kept answer from which the body that @order asks for can be coded, so that no server need be
 * asked; with a reference. NULL: there is none. */
struct store_entry *cache__code_source(const struct cache_order *order, const struct op *op);

/* --- The coder --- */

/* For the body that comes after @answer. NULL: no memory, or the others have it all. */
struct cache_coder *cache__coder_new(struct cache_fetch *fetch, enum cache_encoding coding,
                                     const struct http_head *answer) must_check;

/* Reads some of @pipe, whose end it sees, where nothing is left to take. False: it waits, and calls
 * cache__fetch_fill() where nobody else does; or it is over. */
bool cache__coder_step(struct cache_coder *coder, struct pipe *pipe);

/* True: no more is to come; *error says why, NONE: all was coded and taken. */
bool cache__coder_is_over(const struct cache_coder *coder, const struct pipe *pipe,
                          enum err_kind *error);

/* What is to go to the store; *bytes 0: nothing now. */
const uint8_t *cache__coder_peek(const struct cache_coder *coder, size_t *bytes);
/* So much of it is there. */
void cache__coder_take(struct cache_coder *coder, size_t bytes);

/* Accepts NULL. */
void cache__coder_free(struct cache_coder *coder);

#endif
