/* SPDX-License-Identifier: Apache-2.0 */
/* cache/object.h - what a front of the store holds: a kept answer, or a sign that stands for
 * others.
 *
 * Position-independent, so that it is saved and read back as it is:
 *
 *     struct cache_object | fields | bytes of the head | small body, or names and variants
 *
 * Threads: immutable once it is in the index, but for the fields that are atomic. */
#ifndef PANDO_CACHE_OBJECT_H
#define PANDO_CACHE_OBJECT_H

#include "cache/rules/rules.h"
#include "core/arena.h"
#include "store/store.h"

enum {
    CACHE_OBJECT_FORMAT = 2,   /* of this struct in a snapshot; a change counts it up */
    CACHE_INLINE_BYTES = 4096, /* a body up to here lies beside its head */
    CACHE_OWN_ETAG_BYTES = 18, /* "0123456789abcdef" with its quotes */
    CACHE_TAGS_MAX = 64,       /* that an answer may have; more are not looked at */
};

#define CACHE_BYTES_UNKNOWN UINT64_MAX

enum cache_object_kind {
    CACHE_OBJECT_ANSWER, /* a kept answer */
    CACHE_OBJECT_VARIES, /* there are several, found by what the request says in `names` */
    CACHE_OBJECT_PASSES, /* the last answer was not to be kept: requests pass without waiting */
};

/* Who asks; what passes for one may be kept for another. Bits. */
enum {
    CACHE_ASKED_WITH_COOKIE = 1,
    CACHE_ASKED_WITH_AUTHORIZATION = 2,
    CACHE_ASKED_CLASSES = 4,
};

struct cache_object {
    uint8_t           kind;    /* enum cache_object_kind */
    uint8_t           classes; /* PASSES: bit i: for those who ask with the bits i */
    bool              is_vary; /* an answer that is one of several */
    uint8_t           coded;   /* CACHE_CODED_ bits of compress.h */
    _Atomic bool      is_over; /* its body came whole: total_bytes is right */
    struct cache_meta meta;
    struct http_head  head;      /* base and fields are NULL; spans are from `bytes_at` */
    uint32_t          fields_at; /* from the object, as all that follow */
    uint32_t          bytes_at;
    uint32_t          inline_at;
    uint32_t          inline_bytes; /* of the body, where it is small; else it is the entry's */
    _Atomic uint64_t  total_bytes;  /* of the body; CACHE_BYTES_UNKNOWN: while it grows */
    uint64_t          part_first;   /* 206: which part of the whole this body is */
    uint64_t          whole_bytes;  /* 206: of the whole; else 0 */
    uint64_t          expires_ms;   /* PASSES: no longer than that */
    _Atomic uint64_t  stale_ms;     /* it was purged softly then; 0: it was not; else see purge.h */
    _Atomic uint64_t  purges_seen;  /* purges up to that number do not mean it */
    uint64_t          generation;   /* VARIES: part of its variants' keys */
    uint32_t          names_at, names_bytes; /* VARIES */
    uint32_t          variants_at, variants_max;
    _Atomic uint32_t  variants_count;
    uint32_t          tags_at, tags_count; /* hashes, 8 bytes each */
    uint32_t          url_bytes;           /* of the key, without what a variant adds */
    _Atomic uint8_t   own_etag_bytes;      /* 0: none; written last */
    char              own_etag[CACHE_OWN_ETAG_BYTES];
};

static inline struct cache_object *cache_object_of(struct store_entry *entry)
{
    return (struct cache_object *)(void *)store_entry_front(entry);
}

static inline uint8_t *cache_object_at(struct cache_object *object, uint32_t at)
{
    return (uint8_t *)object + at;
}

/* What goes into a new kept answer. */
struct cache_object_parts {
    const struct http_head  *head; /* fields with hop stay out */
    const struct cache_meta *meta;
    const char              *date; /* added where the head has none */
    const uint64_t          *tags;
    uint32_t                 tags_count;
    uint64_t                 total_bytes; /* CACHE_BYTES_UNKNOWN: its body is chunked */
    uint64_t                 purges_seen; /* when it was asked for */
    uint32_t                 url_bytes;
    bool                     is_vary;
    uint64_t                 part_first;  /* of a part, with the next */
    uint64_t                 whole_bytes; /* 0: it is no part */
    uint8_t                  coded;       /* CACHE_CODED_ bits of compress.h */
};

/* A kept answer under @key that is not in the index yet; its body is to follow where it is not
 * empty. NULL: no room. */
struct store_entry *cache_object_new(struct store *store, const struct store_key *key,
                                     const struct cache_object_parts *parts) must_check;

/* A sign for several variants. */
struct store_entry *cache_object_new_varies(struct store *store, const struct store_key *key,
                                            const char *names, size_t names_bytes,
                                            uint64_t generation, uint32_t variants_max) must_check;

/* A sign that requests pass; @classes: for whom. */
struct store_entry *cache_object_new_passes(struct store *store, const struct store_key *key,
                                            unsigned classes, uint64_t expires_ms) must_check;

/* Its head in @arena, fit for an op's answer. False: no memory. */
bool cache_object_read_head(struct cache_object *object, struct arena *arena,
                            struct http_head *head) must_check;

/* Its head where it lies, for reading only; valid as long as the entry is held. */
struct http_head cache_object_peek_head(struct cache_object *object);

/* Is it a part of something larger? */
static inline bool cache_object_is_part(const struct cache_object *object)
{
    return object->whole_bytes != 0;
}

/* What conditions look at; valid as long as the entry is held. */
struct cache_validators cache_object_validators(struct cache_object *object);

/* Gives it an ETag of its own: a hash of its body. Before `is_over`. */
void cache_object_set_etag(struct cache_object *object, uint64_t hash);

/* Notes @hash as a variant. Returns the hash of one that has to go for it, or 0. */
uint64_t cache_object_add_variant(struct cache_object *object, uint64_t hash);

#endif
