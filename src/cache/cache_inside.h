/* SPDX-License-Identifier: Apache-2.0 */
/* cache/cache_inside.h - inside the cache room: a request that is being dealt with, and a fetch.
 *
 *     cache_stage.c  submit -> what is known? -> serve, pass, or wait for a fetch
 *     pass.c         what the cache does not answer
 *     serve.c        an entry, whole or growing -> the answer of an op
 *     fetch.c        an op of its own -> an entry that grows; everybody who waits is told
 *     said.c         what the answer says of the cache: Cache-Status, Age
 *     parts.c        parts of answers: what they cover, and putting them together
 *     tier.c         what memory lets go of, and what comes back from the disk
 *     key.c          names of what is kept */
#ifndef PANDO_CACHE_CACHE_INSIDE_H
#define PANDO_CACHE_CACHE_INSIDE_H

#include "cache/cache_stage.h"
#include "cache/object.h"
#include "path/op.h"

/* What Cache-Status will say (RFC 9211). */
struct cache_said {
    bool        is_hit;
    bool        is_collapsed;
    bool        is_stored;
    const char *forward; /* why a server was asked: fwd=; NULL: none was */
    uint16_t    forward_status;
    const char *detail; /* NULL: nothing */
};

enum {
    CACHE_TRIES_MAX = 3,      /* times that one request waits for others; then it asks itself */
    CACHE_RECALLS_MAX = 2,    /* times that it waits for the disk: a sign, and what it leads to */
    CACHE_PASSES_MS = 120000, /* how long an answer that was not to be kept is remembered as that */
};

struct cache_fetch;

/* A request that does not end in submit(); in its op's arena. */
struct cache_visit {
    struct cache_waiter      waiter;
    struct cache_stage      *stage;
    struct op               *op;
    struct cache_ask         ask;
    const struct cache_rule *rule;  /* NULL: none */
    struct store_key         key;   /* of the URL; the bytes lie in the arena */
    struct cache_fill       *fill;  /* a reference; NULL: waits for none */
    struct cache_fetch      *fetch; /* whose first client it is; NULL: of none */
    struct store_entry      *entry; /* that is being served; a reference */
    struct store_piece      *piece; /* that was sent from last; a reference */
    struct cache_said        said;
    uint64_t                 offset, end; /* in the body, of what is still to be sent */
    uint8_t                  tries;
    uint8_t                  recalls;
    bool                     is_reading; /* counts among its fill's readers */
    bool                     is_pumping;
    bool                     is_as_fetched; /* a part is what the server sent for this request */
};

/* --- key.c --- */

/* Writes scheme, host in lower case, port and path with query. Returns the bytes; more than @room:
 * too long. */
size_t cache__key_write(const struct request *request, uint8_t *out, size_t room);

/* The key of the variant of @varies that @head asks for: @url, a separator, the generation and what
 * @head says. 0: too long. @out may begin with @url already. */
size_t cache__key_write_variant(const struct store_key *url, struct cache_object *varies,
                                const struct http_head *head, uint8_t *out, size_t room);

/* What was found for a URL. */
struct cache_look {
    struct store_key    url;
    struct store_key    key;   /* of what is looked for in the end: the URL's or a variant's */
    struct store_entry *entry; /* of `key`; a reference; NULL: none */
    bool                is_varied;
};

/* Looks for what @head asks for; keys are written to the side's buffer. */
void cache__look(struct cache_side *side, const struct store_key *url, const struct http_head *head,
                 struct cache_look *look);

/* --- said.c --- */

/* Adds Cache-Status, and with @object Age, an ETag of ours and what the rule says to browsers,
 * to the fields of @op's answer, whose head must be there. @from: the part of it that is sent,
 * or NULL. Without memory the answer goes without. */
void cache__say(struct cache_stage *stage, struct op *op, const struct cache_said *said,
                struct cache_object *object, const struct cache_rule *rule);
/* "Content-Range: bytes 0-9/100". */
void cache__say_range(struct op *op, const struct cache_range *range, uint64_t whole_bytes);

/* --- serve.c --- */

/* What an answer from the store is made from. */
struct cache_serving {
    struct cache_stage      *stage;
    struct op               *op;
    const struct cache_ask  *ask;
    const struct cache_rule *rule;
    struct store_entry      *entry; /* a reference, taken over */
    struct cache_fill       *fill;  /* that makes it grow, if the caller knows; borrowed */
    struct cache_said        said;
    bool                     is_as_fetched; /* a part that the server sent just for this request */
};

/* Answers and finishes, now or as the body comes. */
void cache__serve(const struct cache_serving *serving);

/* --- fetch.c --- */

/* What is to be fetched. */
struct cache_order {
    struct cache_stage      *stage;
    const struct op         *like; /* for whose request; its head is copied */
    const struct cache_ask  *ask;
    const struct cache_rule *rule;
    struct store_entry      *stale;   /* to be validated; borrowed; NULL: nothing to validate */
    struct cache_visit      *first;   /* NULL: nobody waits */
    struct cache_fill       *fill;    /* a reference, taken over */
    bool                     is_part; /* the range that the request asks for, not all */
    struct store_entry      *part;    /* that is there, and may be added to; borrowed; NULL: none */
};

/* Without memory the fill fails, and all who wait are told. */
void cache__fetch(const struct cache_order *order);

/* The first client of a fetch leaves. */
void cache__fetch_left(struct cache_fetch *fetch);

/* The first client of a fetch whose answer is not kept takes it: from here on it is passed on. */
void cache__fetch_relay(struct cache_fetch *fetch, struct cache_visit *visit);

/* --- parts.c --- */

/* Is a range asked for of which only that is fetched? One that begins at 0 and has no end is
 * all. */
bool cache__wants_part(const struct cache_ask *ask, const struct http_head *request);

/* The range of @object's whole that the request asks for, if the part has all of it. */
bool cache__part_covers(struct cache_object *object, const struct http_head *request,
                        struct cache_range *range);

/* Puts what @older and @newer have together in the index, where they are parts of one answer that
 * touch. @newer is over, and in the index. */
void cache__join_parts(struct cache_side *side, struct store_entry *older,
                       struct store_entry *newer);

/* --- tier.c --- */

/* store_put(); what the disk has under its key is out of date. */
void cache__put(struct cache *cache, struct store_entry *entry);

/* Is what was looked for, and is not in memory, on the disk? */
bool cache__is_on_disk(const struct cache *cache, const struct cache_look *look);

/* Reads it into the store; then @fill, whose reference is taken over, is OPEN and says
 * is_recalled. */
void cache__recall(struct cache_stage *stage, struct cache_fill *fill);

/* --- pass.c --- */

/* Takes over the op: it goes down as if there were no cache. */
void cache__pass(struct cache_stage *stage, struct op *op, const char *forward, const char *detail);

/* The same for a request of another method than GET and HEAD; what is kept of its URL goes if its
 * answer says that something has changed. */
void cache__pass_unsafe(struct cache_stage *stage, struct op *op);

/* The same for a URL whose last answer was not to be kept; if this one may be, the sign goes. */
void cache__pass_watched(struct cache_stage *stage, struct op *op, const struct cache_ask *ask,
                         const struct cache_rule *rule, const struct store_key *url);

/* What is kept of this URL is out of date. Returns whether there was something. */
bool cache__invalidate(struct cache_stage *stage, const struct store_key *url);

/* The key of the request's URL in the side's buffer. False: too long. */
bool cache__write_key(struct cache_side *side, const struct request *request,
                      struct store_key *key);

/* --- cache_stage.c --- */

/* The state of the fill has changed. */
void cache__visit_resume(struct cache_visit *visit);

/* Lets go of everything that it holds; it is not called any more. */
void cache__visit_release(struct cache_visit *visit);

/* The class of a request: CACHE_ASKED_ bits. */
unsigned cache__class_of(const struct cache_stage *stage, const struct cache_ask *ask);

/* Was it purged hard? Looks at what operators have said of late. */
static inline bool cache__is_purged(struct cache_side *side, struct store_entry *entry)
{
    return cache_purge_look(side->cache, side->row, entry, cache_now_ms(side)) == CACHE_PURGE_HARD;
}

#endif
