/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/rules.h - what RFC 9111 says, as questions: may this be kept, may it be used, until
 * when, for whom.
 *
 * Also RFC 9213 (CDN-Cache-Control), 5861 (stale-while-revalidate, stale-if-error), 8246
 * (immutable), and the parts of RFC 9110 that a cache answers itself (conditions, ranges). Pure:
 * heads and times in, verdicts out. What is malformed counts as the more careful reading.
 *
 * Time:    milliseconds since 1970, given by the caller; it never goes back.
 * Memory:  nothing is allocated; spans point into heads that the caller keeps.
 * Threads: no shared state. */
#ifndef PANDO_CACHE_RULES_RULES_H
#define PANDO_CACHE_RULES_RULES_H

#include "cache/cache_settings.h"
#include "core/http.h"

#include <stdbool.h>
#include <stdint.h>

/* This cache's name where servers speak to edges by name: Surrogate-Capability says it, and
 * Surrogate-Control may. */
#define CACHE_SURROGATE "pando"

enum {
    CACHE_VARY_BYTES_MAX = 512,   /* of the names that an answer varies by; more is not kept */
    CACHE_ETAG_BYTES_MAX = 256,   /* a longer one is no validator */
    CACHE_HEURISTIC_DIVISOR = 10, /* a tenth of the time since the last change (RFC 9111 4.2.2) */
    CACHE_HEURISTIC_S_MAX = 86400,
    CACHE_SECONDS_MAX = 2147483647, /* RFC 9111 1.2.2: what is larger counts as this */
};

/* --- The request --- */

/* What a request says to a cache. */
struct cache_ask {
    bool    is_get, is_head; /* neither: it never meets the cache */
    bool    no_cache;        /* or Pragma: no-cache without Cache-Control */
    bool    no_store;
    bool    only_if_cached;
    bool    has_authorization;
    bool    has_cookie;
    bool    has_range;        /* Range, and GET */
    bool    has_conditions;   /* any of the If- fields but If-Range */
    int64_t max_age_s;        /* -1: not said */
    int64_t min_fresh_s;      /* 0: not said */
    int64_t max_stale_s;      /* -1: not said; CACHE_SECONDS_MAX: however stale */
    int64_t stale_if_error_s; /* -1: not said (RFC 5861 4) */
};

/* Cheap where none of the fields is there, which is the usual case. */
void cache_ask_read(struct cache_ask *ask, const struct http_head *request);

/* --- What is kept of an answer --- */

/* Facts beside a kept head, position-independent: it is copied and saved as it is. */
struct cache_meta {
    uint64_t received_ms;     /* when its head came, or was last validated */
    uint64_t initial_age_ms;  /* RFC 9111 4.2.3 corrected_initial_age */
    uint64_t lifetime_ms;     /* freshness lifetime from there; 0: never fresh */
    uint64_t swr_ms;          /* stale-while-revalidate after it; 0: none */
    uint64_t sie_ms;          /* stale-if-error after it; 0: none */
    int64_t  last_modified_s; /* -1: none, or not a date */
    int64_t  date_s;          /* of Date; the time it came if there is none or it is no date */
    uint32_t etag_at;         /* in the kept head, from its base; with quotes and W/ */
    uint32_t etag_bytes;      /* 0: none */
    uint16_t status;
    bool     must_revalidate; /* or proxy-revalidate, s-maxage: never stale without asking */
    bool     no_cache;        /* each use asks first */
    bool     immutable;
    bool     is_public;                  /* said public, s-maxage, or by CDN-Cache-Control */
    bool     is_shared_by_authorization; /* may be used for requests with Authorization */
    bool     is_heuristic;               /* its lifetime is a guess */
    bool     is_weak;                    /* its ETag is weak */
};

/* Why an answer is not kept; NONE first: it is. Words are those of Cache-Status detail. */
#define CACHE_REFUSALS(X)                                                                          \
    X(NONE, "", "it is kept")                                                                      \
    X(METHOD, "method", "only answers to GET are kept")                                            \
    X(STATUS, "status", "its status is not understood, or says nothing lasting")                   \
    X(NO_STORE_ASKED, "request-no-store", "the request said no-store")                             \
    X(NO_STORE, "no-store", "it says no-store")                                                    \
    X(PRIVATE, "private", "it says private")                                                       \
    X(AUTHORIZATION, "authorization",                                                              \
      "the request had Authorization and it does not say that others may see it")                  \
    X(COOKIE, "cookie", "the request had a Cookie and it does not say that others may see it")     \
    X(SET_COOKIE, "set-cookie", "it sets a cookie")                                                \
    X(VARY_ANY, "vary-any", "it varies by what only the server knows (Vary: *)")                   \
    X(VARY_LONG, "vary-long", "it varies by more than is looked at")                               \
    X(NO_LIFETIME, "no-lifetime", "nothing says how long it is good, and it has no validator")     \
    X(PARTIAL, "partial", "a part that cannot be put to others")                                   \
    X(ODD, "odd", "it is not an answer to what was asked")                                         \
    X(MALFORMED, "malformed", "what it says of caching cannot be read")                            \
    X(SESSION, "session", "it carries a session")                                                  \
    X(LARGE, "large", "it is larger than what is kept")                                            \
    X(MEMORY, "memory", "there is no memory for it")                                               \
    X(BYPASS, "bypass", "a rule or setting keeps it out")

enum cache_refusal {
#define X(name, word, gist) CACHE_REFUSED_##name,
    CACHE_REFUSALS(X)
#undef X
    CACHE_REFUSALS_COUNT
};

/* As in the table. */
const char *cache_refusal_word(enum cache_refusal refusal);

/* As in the table. */
const char *cache_refusal_gist(enum cache_refusal refusal);

/* What is known beside the two heads. */
struct cache_exchange {
    const struct cache_settings *settings;
    const struct cache_rule     *rule; /* of the path; NULL: none */
    const struct cache_ask      *ask;
    uint64_t                     requested_ms; /* when the request went out (RFC 9111 4.2.3) */
    uint64_t                     received_ms;  /* when the head came */
};

/* May it be kept? Fills @meta if so (also with a lifetime of 0 where a validator makes it useful).
 * @answer is a final answer to GET, 206 included (whose range the caller looks at). */
enum cache_refusal cache_judge_answer(struct cache_meta *meta, const struct http_head *answer,
                                      const struct cache_exchange *exchange) must_check;

/* Marks (hop = 1) the fields of a kept head that are not for others: those that Cache-Control
 * no-cache="x" and private="x" name, Age, Cache-Status, and what concerns one hop. */
void cache_mark_fields(struct http_head *answer);

/* --- Use --- */

/* What a kept answer is good for. */
#define CACHE_USES(X)                                                                              \
    /* name       fwd= of Cache-Status gist */                                                     \
    X(FRESH,      "",                  "it is used")                                               \
    X(STALE,      "",                  "it is used though stale: the request allows it")           \
    X(REVALIDATE, "stale",             "it is used, and a new one is fetched behind it")           \
    X(ASK,        "stale",             "the server is asked first whether it still holds")         \
    X(REQUEST,    "request",           "the request wants the server to be asked")                 \
    X(NOT_FOR,    "request",           "it may not be shown to this client")

enum cache_use {
#define X(name, forward, gist) CACHE_USE_##name,
    CACHE_USES(X)
#undef X
    CACHE_USES_COUNT
};

/* As in the table. */
const char *cache_use_forward(enum cache_use use);

/* As in the table. */
const char *cache_use_gist(enum cache_use use);

/* RFC 9111 4. */
enum cache_use cache_judge_use(const struct cache_meta *meta, const struct cache_ask *ask,
                               const struct cache_settings *settings, uint64_t now_ms) must_check;

/* May it be used where the server gives an error or cannot be reached? Only for a request for which
 * cache_judge_use() did not say NOT_FOR. */
bool cache_may_use_on_error(const struct cache_meta *meta, const struct cache_ask *ask,
                            uint64_t now_ms);

/* May it be used where no server can be reached at all (RFC 9111 4.2.4: disconnected)? */
bool cache_may_use_cut_off(const struct cache_meta *meta, const struct cache_ask *ask,
                           const struct cache_settings *settings, uint64_t now_ms);

/* RFC 9111 4.2.3 current_age, whole seconds. */
uint64_t cache_age_s(const struct cache_meta *meta, uint64_t now_ms);

/* Lifetime that is left; negative once it is stale. */
int64_t cache_ttl_s(const struct cache_meta *meta, uint64_t now_ms);

/* Does a 5xx, or no answer at all, count as an error of RFC 5861 4? */
bool cache_is_error_status(unsigned status);

/* --- Vary --- */

/* Writes the names of all Vary fields of @answer in lower case, sorted, each once, separated by
 * commas. Returns the bytes: 0: none; more than @room: too long; SIZE_MAX: "*" or malformed. */
size_t cache_vary_read(const struct http_head *answer, char *out, size_t room);

/* Joins two such lists into @out; as above. */
size_t cache_vary_join(const char *a, size_t a_bytes, const char *b, size_t b_bytes, char *out,
                       size_t room);

/* Writes what @request says in the fields of @names, normalised, so that requests that mean the
 * same give the same bytes where that can be told, and different ones never do: lines of a field
 * joined, white space around commas (outside of quotes) taken out, Accept-Language in lower case
 * and without any. Of fields that are no lists (Cookie, User-Agent, ...) every byte counts.
 * Accept-Encoding is reduced as by cache_encodings_write(), and so must be what the server is sent.
 * A field that is missing differs from an empty one, but for that. Different @names may give the
 * same bytes. Returns the bytes, more than @room: too long. */
size_t cache_vary_write(const char *names, size_t names_bytes, const struct http_head *request,
                        uint8_t *out, size_t room);

/* --- Content codings --- */

/* Codings that Pando can make and that clients name, best compression first. */
#define CACHE_ENCODINGS(X)                                                                         \
    X(BR, "br")                                                                                    \
    X(ZSTD, "zstd")                                                                                \
    X(GZIP, "gzip")

enum cache_encoding {
#define X(name, word) CACHE_ENCODING_##name,
    CACHE_ENCODINGS(X)
#undef X
    CACHE_ENCODINGS_COUNT,
    CACHE_ENCODING_IDENTITY = CACHE_ENCODINGS_COUNT,
};

/* Bit i: coding i is acceptable to @request, bit CACHE_ENCODING_IDENTITY: identity is (RFC 9110
 * 12.5.3, with q-values and "*"). No Accept-Encoding: identity only, as all clients that know
 * others name them. */
unsigned cache_encodings_read(const struct http_head *request);

/* The normal form of such a set: "br, zstd, gzip" without those that are not acceptable, and
 * "identity;q=0" where that is not. Returns the bytes, without a NUL; 0: nothing but identity. */
size_t cache_encodings_write(unsigned set, char out[64]);

/* What remains of a set where Pando codes by itself: the coding that @request likes best (by
 * weight, then as in the table) of those in @makes, and identity if that was acceptable.
 * Reducing what a reduced set is written as gives the same set. */
unsigned cache_encodings_reduce(const struct http_head *request, unsigned makes);

/* The coding of a reduced set. */
enum cache_encoding cache_encodings_best(unsigned reduced);

/* --- Compressing --- */

enum {
    CACHE_COMPRESS_BYTES_MIN = 256, /* a shorter body gets hardly shorter */
    CACHE_CODED_ETAG_EXTRA = 8,     /* what cache_etag_code() adds at most */
};

/* The name that stands for Accept-Encoding among the names that answers vary by, where Pando codes
 * by itself: what cache_vary_write() writes for it is the reduced set. No field is called so. */
#define CACHE_VARY_BY_CODING ":coding"

/* May this final answer to GET be kept in another coding, and is it worth it? */
bool cache_may_compress(const struct http_head *answer);

/* False: it says no-transform (RFC 9111 5.2.2.6). */
bool cache_may_transform(const struct http_head *answer);

/* The ETag of the coded form of a body with @etag: `W/"x-br"` of `"x"`. Weak, since coding the same
 * body twice need not give the same bytes; different for each coding. Returns the bytes at @out:
 * at most CACHE_CODED_ETAG_EXTRA more. */
size_t cache_etag_code(const uint8_t *etag, size_t bytes, const char *coding, uint8_t *out);

/* The opposite; @was_strong: what it was made from. 0: it was not made so. */
size_t cache_etag_decode(const uint8_t *etag, size_t bytes, bool was_strong, uint8_t *out);

/* --- Conditions (RFC 9110 13) --- */

/* A kept answer as conditions see it. */
struct cache_validators {
    const uint8_t *etag; /* with quotes and W/; NULL: none */
    uint32_t       etag_bytes;
    int64_t        last_modified_s; /* -1: none */
    int64_t        date_s;
};

enum cache_condition {
    CACHE_CONDITION_SEND,       /* the answer as it is */
    CACHE_CONDITION_UNMODIFIED, /* 304 */
    CACHE_CONDITION_FAILED,     /* 412: If-Match or If-Unmodified-Since */
};

/* For a kept 200 only; If-Range is not looked at here. */
enum cache_condition cache_judge_conditions(const struct cache_validators *validators,
                                            const struct http_head *request) must_check;

/* --- Ranges (RFC 9110 14) --- */

struct cache_range {
    uint64_t first, last; /* both inclusive */
};

enum cache_range_verdict {
    CACHE_RANGE_WHOLE,  /* 200: there is none, it is malformed, another unit, or If-Range fails */
    CACHE_RANGE_PART,   /* 206 with the one range */
    CACHE_RANGE_BEYOND, /* 416 */
    CACHE_RANGE_MANY,   /* several: answered whole, or by the server */
};

/* What of @total_bytes bytes @request wants. */
enum cache_range_verdict cache_judge_range(struct cache_range *range,
                                           const struct cache_validators *validators,
                                           const struct http_head *request, uint64_t total_bytes)
    must_check;

/* Reads "bytes 0-9/100". False: malformed, of another unit, or without total ("*"). */
bool cache_content_range_read(const struct http_head *answer, struct cache_range *range,
                              uint64_t *total_bytes) must_check;

/* May two parts of answers be put together (RFC 9110 15.3.7.3)? By the same strong validator only:
 * an ETag, or where neither has one a Last-Modified that is a minute older than Date. */
bool cache_is_same_representation(const struct cache_validators *a,
                                  const struct cache_validators *b);

/* --- Validation (RFC 9111 3.2, 4.3.4) --- */

/* The head of @kept with the fields of @news (a 304, or an answer to HEAD) in place of those of the
 * same name, but for those that describe the stored body, and the ETag. Fields with hop = 1 of both
 * are left out, and Age and Date of @kept. @out gets all but its fields and fields_max, which are
 * the caller's; its base is @bytes, of which head_bytes are written: names and values, no lines.
 * False: no room. */
bool cache_merge_heads(struct http_head *out, uint8_t *bytes, size_t room,
                       const struct http_head *kept, const struct http_head *news) must_check;

/* Does the 304 speak of this kept answer (RFC 9111 4.3.4)? If not, it must not change it, and the
 * server is to be asked again without conditions. */
bool cache_is_about(const struct cache_validators *kept, const struct http_head *news);

/* --- Unsafe methods (RFC 9111 4.4) --- */

/* Does a request of @method that was answered with @status make what is kept of its URL invalid? */
bool cache_invalidates(enum http_method method, unsigned status);

/* The path and query of a Location or Content-Location @value, if it is of the same origin as
 * @request: a path, or a URL with the same scheme and authority. False: another origin, unreadable,
 * or no room. Relative paths and dot segments are resolved against the request's path (RFC 3986
 * 5.2); @out gets it, with room for that path and @value together at most. */
bool cache_same_origin_path(const struct http_head *request, const char *scheme,
                            const uint8_t *value, size_t bytes, char *out, size_t room,
                            size_t *out_bytes) must_check;

#endif
