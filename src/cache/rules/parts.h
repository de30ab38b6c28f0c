/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/parts.h - what the files of cache/rules/ share: lists, directives, entity tags.
 * Everything points into heads of the caller. */
#ifndef PANDO_CACHE_RULES_PARTS_H
#define PANDO_CACHE_RULES_PARTS_H

#include "cache/rules/rules.h"

/* --- Bytes (list.c) --- */

/* May stand in a token (RFC 9110 5.6.2)? */
bool cache__is_token_byte(uint8_t byte);

/* Are there @bytes, and all of them bytes of a token? */
bool cache__is_token(const uint8_t *text, size_t bytes);

static inline bool cache__is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

static inline bool cache__is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static inline uint8_t cache__lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

/* delta-seconds (RFC 9111 1.2.2): digits and nothing else; what is larger than CACHE_SECONDS_MAX is
 * that. -1: something else, also nothing. */
int64_t cache__seconds_read(const uint8_t *text, size_t bytes);

/* Takes the digits at *@at, which moves behind them; a number too large is UINT64_MAX. False:
 * there is none. */
bool cache__number_take(const uint8_t **at, const uint8_t *end, uint64_t *number);

/* The only field with @id; NULL: there is none, or there are several (@is_many may be NULL). */
const struct http_field *cache__only_field(const struct http_head *head, enum http_field_id id,
                                           bool *is_many);

/* --- Lists (list.c) --- */

struct cache__member {
    const uint8_t *at; /* without the white space around it; never empty */
    size_t         bytes;
};

/* Walks the members of all lines of a field. Commas in quoted strings, which begin after "=", part
 * nothing. */
struct cache__list {
    const struct http_head  *head;
    const struct http_field *field; /* NULL: at the end */
    size_t                   at;    /* in its value */
    bool is_torn; /* a quote that does not belong, or has no end: two readers would see two lists */
};

/* Before the first member of the field with @id. */
void cache__list_init(struct cache__list *list, const struct http_head *head,
                      enum http_field_id id);

/* The next member that is not empty. False: there is none. */
bool cache__list_next(struct cache__list *list, struct cache__member *member);

/* The next name of a list of field names within @text; *@at is where to go on, 0 at first. False:
 * there is none, or (then *@at is before the end) it is no token. */
bool cache__name_next(const uint8_t *text, size_t bytes, size_t *at, struct cache__member *name);

/* --- Directives (directives.c, targeted.c) --- */

#define CACHE__WORDS(X)                                                                            \
    X(NO_STORE, "no-store")                                                                        \
    X(NO_CACHE, "no-cache")                                                                        \
    X(PRIVATE, "private")                                                                          \
    X(PUBLIC, "public")                                                                            \
    X(MAX_AGE, "max-age")                                                                          \
    X(S_MAXAGE, "s-maxage")                                                                        \
    X(MUST_REVALIDATE, "must-revalidate")                                                          \
    X(PROXY_REVALIDATE, "proxy-revalidate")                                                        \
    X(MUST_UNDERSTAND, "must-understand")                                                          \
    X(IMMUTABLE, "immutable")                                                                      \
    X(STALE_WHILE_REVALIDATE, "stale-while-revalidate")                                            \
    X(STALE_IF_ERROR, "stale-if-error")                                                            \
    X(MAX_STALE, "max-stale")                                                                      \
    X(MIN_FRESH, "min-fresh")                                                                      \
    X(ONLY_IF_CACHED, "only-if-cached")

enum cache__word {
#define X(name, text) CACHE__WORD_##name,
    CACHE__WORDS(X)
#undef X
    CACHE__WORDS_COUNT, /* none of them */
};

struct cache__directive {
    enum cache__word word;
    const uint8_t   *value; /* without its quotes */
    size_t           value_bytes;
    bool             has_value;
    bool             is_quoted;
    bool             is_odd; /* not as the grammar says: counts only where it forbids */
};

/* The word of @name in any case; CACHE__WORDS_COUNT if it is none. */
enum cache__word cache__word_find(const uint8_t *name, size_t bytes);

/* Reads "name", "name=token" or "name="quoted"". */
void cache__directive_read(struct cache__directive *directive, const struct cache__member *member);

/* Its seconds, or @odd where there are none that can be read. */
int64_t cache__directive_seconds(const struct cache__directive *directive, int64_t odd);

/* Does it name fields, and no field without which an answer means something else? Such a
 * no-cache="x" or private="x" speaks of these fields only. */
bool cache__directive_names_fields(const struct cache__directive *directive);

/* What an answer says of caching. Seconds: -1: not said. */
struct cache__said {
    bool    is_targeted; /* by one of the two for edges: Cache-Control and Expires do not count */
    bool    is_torn;     /* it cannot be read */
    bool    no_store, no_cache, is_private, is_public;
    bool    must_revalidate, proxy_revalidate;
    bool    must_understand;
    bool    overrides_no_store; /* a must-understand that is in order */
    bool    immutable;
    bool    has_good_max_age, has_good_s_maxage; /* in order, so that they count as leave */
    int64_t max_age_s, s_maxage_s, swr_s, sie_s;
};

/* Fills @said: from CDN-Cache-Control if it is valid and not empty, else from Surrogate-Control,
 * else from Cache-Control. */
void cache__said_read(struct cache__said *said, const struct http_head *answer);

/* Adds one directive. The more careful of two values holds. */
void cache__said_add(struct cache__said *said, const struct cache__directive *directive);

/* The directives of CDN-Cache-Control as RFC 9213 and 8941 read them: of each word the last. */
struct cache__targeted {
    struct cache__directive last[CACHE__WORDS_COUNT];
    bool                    is_said[CACHE__WORDS_COUNT]; /* else `last` has none of the word */
};

/* Fills @targeted. False: there is no such field, or it is empty or not a dictionary. */
bool cache__targeted_read(struct cache__targeted *targeted, const struct http_head *answer);

/* Fills @said from Surrogate-Control. False: there is none, or it says nothing that is known. */
bool cache__surrogate_read(struct cache__said *said, const struct http_head *answer);

/* --- Fields that are not kept (heads.c) --- */

/* Walks the names of fields in no-cache="x" and private="x" of an answer. */
struct cache__names {
    bool                    is_targeted;
    struct cache__targeted  targeted;
    unsigned                word; /* the next of `targeted` */
    struct cache__list      list;
    struct cache__directive directive; /* whose names are walked */
    size_t                  at;        /* in its value */
};

/* Before the first name. */
void cache__names_init(struct cache__names *names, const struct http_head *answer);

/* The next name. False: there is none. */
bool cache__names_next(struct cache__names *names, struct cache__member *name);

/* --- Lifetimes (lifetime.c) --- */

/* May an answer of @status be kept without a word (RFC 9110 15.1)? Errors: by settings only. */
bool cache__is_heuristic_status(unsigned status);

/* Fills the times of @meta. @said is what the answer says. False: nothing gives it a lifetime. */
bool cache__lifetime_read(struct cache_meta *meta, const struct cache__said *said,
                          const struct http_head *answer, const struct cache_exchange *exchange);

/* --- Entity tags and dates (validators.c) --- */

/* Takes one entity tag, "x" or W/"x", at *@at, which moves behind it. False: there is none. */
bool cache__etag_take(const uint8_t **at, const uint8_t *end, struct cache__member *tag);

static inline bool cache__etag_is_weak(const uint8_t *etag, size_t bytes)
{
    return bytes > 0 && etag[0] == 'W';
}

/* RFC 9110 8.8.3.2: the same bytes, and not weak. */
bool cache__etag_same_strong(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes);

/* The same but for W/. */
bool cache__etag_same_weak(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes);

/* The ETag of @answer if it has exactly one, that is in order and not too long; else NULL. */
const struct http_field *cache__etag_find(const struct http_head *answer);

/* The date in the only field with @id; -1: there is none, or it is not one since 1970. */
int64_t cache__date_read(const struct http_head *head, enum http_field_id id, int64_t now_s);

/* Is Last-Modified a strong validator (RFC 9110 8.8.2.2)? */
bool cache__date_is_strong(const struct cache_validators *validators);

#endif
