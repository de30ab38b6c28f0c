/* SPDX-License-Identifier: Apache-2.0 */
/* cache/explain.h - what would become of a request at this moment, and why. For `pando explain`.
 *
 * It is asked of the stage that would get the request, and answered by the same code. */
#ifndef PANDO_CACHE_EXPLAIN_H
#define PANDO_CACHE_EXPLAIN_H

#include "cache/cache_stage.h"
#include "cache/object.h"
#include "path/op.h"

#define CACHE_EXPECTATIONS(X)                                                                      \
    X(HIT, "hit", "the cache answers")                                                             \
    X(HIT_BEHIND, "hit", "the cache answers, and fetches a new answer behind it")                  \
    X(REVALIDATE, "revalidate", "a server is asked whether what is kept still holds")              \
    X(MISS, "miss", "an answer is fetched, and kept if it may be")                                 \
    X(PASS, "pass", "it goes to a server, past the cache")                                         \
    X(REFUSE, "refuse", "504, since the request wants only what is kept")

enum cache_expectation {
#define X(name, word, gist) CACHE_EXPECT_##name,
    CACHE_EXPECTATIONS(X)
#undef X
};

struct cache_explained {
    enum cache_expectation expected;
    const char            *why;     /* static text */
    const char            *forward; /* what Cache-Status would say after fwd=; NULL: nothing */
    char                   key[CACHE_KEY_BYTES_MAX + 1]; /* the URL's; "": there is none */
    bool                   is_varied; /* answers to this URL differ by the fields `names` */
    char                   names[CACHE_VARY_BYTES_MAX + 1];
    uint64_t               variant;    /* the number of the one that is meant */
    bool                   has_answer; /* one is kept, and the following tells of it */
    bool                   is_growing, is_purged, is_heuristic;
    bool                   has_own_etag; /* which servers are not asked with */
    uint16_t               status;
    uint64_t               age_s, lifetime_s, swr_s, sie_s;
    int64_t                ttl_s;
    uint64_t               bytes; /* of the body; CACHE_BYTES_UNKNOWN */
    uint32_t               tags_count;
    char                   etag[CACHE_ETAG_BYTES_MAX + 1];
    int64_t                last_modified_s;                /* -1: none */
    char                   control[512], cdn_control[512]; /* what it came with; "": nothing */
    uint64_t passes_s;   /* so long requests pass, as the last answer was not to be kept */
    unsigned passes_for; /* bit i: for those who ask with the CACHE_ASKED_ bits i */
};

/* As in the table. */
const char *cache_expectation_word(enum cache_expectation expected);
const char *cache_expectation_gist(enum cache_expectation expected);

/* Of @request only head and scheme are looked at. On the stage's thread. */
void cache_stage_explain(struct cache_stage *stage, const struct request *request,
                         struct cache_explained *out);

/* For cache_stage.c: tells of the entry that was found. */
void cache__explain_entry(struct cache_explained *out, struct store_entry *entry, uint64_t now_ms);

#endif
