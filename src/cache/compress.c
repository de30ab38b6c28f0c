/* SPDX-License-Identifier: Apache-2.0 */
/* cache/compress.c - what is kept compressed: the heads of such answers, and their sources. */
#include "cache/compress.h"

#include "cache/fetch.h"

#include <string.h>

#define X(name, kind)                                                                              \
    _Static_assert((unsigned)CACHE_ENCODING_##name == (unsigned)COMPRESS_##name, "one order");
COMPRESS_CODINGS(X)
#undef X
_Static_assert((unsigned)CACHE_ENCODINGS_COUNT == (unsigned)COMPRESS_CODINGS_COUNT, "one set");

static bool is_coded_by(const struct cache_rule *rule)
{
    return rule != NULL && rule->compress && compress_set() != 0;
}

unsigned cache__codings_asked(const struct cache_rule *rule, const struct http_head *request)
{
    return is_coded_by(rule) ? cache_encodings_reduce(request, compress_set())
                             : cache_encodings_read(request);
}

static enum cache_encoding coding_for(const struct http_head *request)
{
    return cache_encodings_best(cache_encodings_reduce(request, compress_set()));
}

/* --- heads ---------------------------------------------------------------------------------- */

static const char accept_encoding[] = "Accept-Encoding";

/* How a head is written anew. */
struct change {
    bool           adds_vary; /* Accept-Encoding among the names */
    bool           is_coded;  /* what describes the body without coding goes */
    const char    *coding;    /* that the body gets now; NULL: none */
    const uint8_t *etag;      /* that it gets; NULL: none, if coding is set */
    uint32_t       etag_bytes;
};

struct writer {
    struct http_head *head;
    uint8_t          *base;
    uint32_t          used;
};

static bool is_named(const struct http_head *head, const struct http_field *field, const char *name)
{
    return field->name_bytes == strlen(name) &&
           http_same_text(http_field_name(head, field), name, field->name_bytes);
}

/* Fields that speak of the bytes of the body (RFC 9110 8, RFC 9530, RFC 3230). */
static bool is_of_bytes(const struct http_head *head, const struct http_field *field)
{
    static const char *const digests[] = {"Content-MD5", "Content-Digest", "Repr-Digest", "Digest"};
    if (field->id == HTTP_FIELD_CONTENT_LENGTH || field->id == HTTP_FIELD_ACCEPT_RANGES)
        return true;
    for (size_t i = 0; i < sizeof digests / sizeof *digests; i++)
        if (is_named(head, field, digests[i]))
            return true;
    return false;
}

static bool goes(const struct http_head *head, const struct http_field *field,
                 const struct change *change)
{
    return (change->adds_vary && field->id == HTTP_FIELD_VARY) ||
           (change->is_coded && is_of_bytes(head, field)) ||
           (change->coding != NULL && field->id == HTTP_FIELD_ETAG);
}

static void mark(struct http_head *head, enum http_field_id id)
{
    head->present[(unsigned)id >> 6] |= 1ull << ((unsigned)id & 63);
}

static void copy_fields(struct http_head *to, const struct http_head *from,
                        const struct change *change)
{
    to->fields_count = 0;
    memset(to->present, 0, sizeof to->present);
    for (uint16_t i = 0; i < from->fields_count; i++) {
        if (goes(from, &from->fields[i], change))
            continue;
        to->fields[to->fields_count++] = from->fields[i];
        mark(to, (enum http_field_id)from->fields[i].id);
    }
}

static void put(struct writer *w, const void *at, size_t bytes)
{
    memcpy(w->base + w->used, at, bytes);
    w->used += (uint32_t)bytes;
}

static struct http_field *begin(struct writer *w, enum http_field_id id)
{
    const struct http_field_row *row = http_field_row(id);
    struct http_field *field = &w->head->fields[w->head->fields_count++];
    *field = (struct http_field){
        .name_at = w->used,
        .name_bytes = row->name_bytes,
        .value_at = w->used + row->name_bytes + 2u,
        .id = (uint8_t)id,
    };
    mark(w->head, id);
    put(w, row->name, row->name_bytes);
    put(w, ": ", 2);
    return field;
}

static void end(struct writer *w, struct http_field *field)
{
    field->value_bytes = w->used - field->value_at;
    put(w, "\r\n", 2);
}

static void add(struct writer *w, enum http_field_id id, const void *value, size_t bytes)
{
    struct http_field *field = begin(w, id);
    put(w, value, bytes);
    end(w, field);
}

/* One line with all that @from says. */
static void add_vary(struct writer *w, const struct http_head *from)
{
    struct http_field *field = begin(w, HTTP_FIELD_VARY);
    for (const struct http_field *said = http_head_find(from, HTTP_FIELD_VARY); said != NULL;
         said = http_head_find_next(from, said)) {
        if (said->value_bytes == 0)
            continue;
        put(w, http_field_value(from, said), said->value_bytes);
        put(w, ", ", 2);
    }
    put(w, accept_encoding, sizeof accept_encoding - 1);
    end(w, field);
}

/* Vary is written a second time, each line with two bytes more at most than it had. */
static bool write_anew(struct arena *arena, struct http_head *to, const struct http_head *from,
                       const struct change *change)
{
    enum { ADDED_FIELDS = 3, ADDED_BYTES = 256 + CACHE_ETAG_BYTES_MAX };
    const size_t fields_max = from->fields_count + (size_t)ADDED_FIELDS;
    *to = *from;
    to->fields = arena_take(arena, fields_max * sizeof *to->fields);
    uint8_t *bytes = arena_take(arena, (size_t)from->head_bytes * 2 + ADDED_BYTES);
    if (to->fields == NULL || bytes == NULL)
        return false;
    to->fields_max = (uint16_t)fields_max;
    to->base = bytes;
    memcpy(bytes, from->base, from->head_bytes);
    copy_fields(to, from, change);
    struct writer w = {to, bytes, from->head_bytes};
    if (change->adds_vary)
        add_vary(&w, from);
    if (change->coding != NULL) {
        add(&w, HTTP_FIELD_CONTENT_ENCODING, change->coding, strlen(change->coding));
        if (change->etag != NULL)
            add(&w, HTTP_FIELD_ETAG, change->etag, change->etag_bytes);
        to->has_content_length = false;
        to->content_length = 0;
        to->framing = HTTP_FRAMING_CHUNKED;
    }
    to->head_bytes = w.used;
    return true;
}

static bool is_among(const char *names, size_t bytes, const char *name)
{
    const size_t name_bytes = strlen(name);
    for (size_t at = 0; at < bytes;) {
        const char *comma = memchr(names + at, ',', bytes - at);
        const size_t here = comma == NULL ? bytes - at : (size_t)(comma - names) - at;
        if (here == name_bytes && memcmp(names + at, name, here) == 0)
            return true;
        at += here + 1;
    }
    return false;
}

/* False: it cannot be said, as the answer says "*" or too much already. */
static bool read_vary(const struct http_head *head, bool *says_accept_encoding)
{
    char names[CACHE_VARY_BYTES_MAX];
    const size_t bytes = cache_vary_read(head, names, sizeof names);
    if (bytes > sizeof names - sizeof accept_encoding)
        return false;
    *says_accept_encoding = is_among(names, bytes, "accept-encoding");
    return true;
}

size_t cache__code_names(const struct cache_fetch *fetch, char *names, size_t bytes, size_t room)
{
    static const char own[] = "accept-encoding";
    char others[CACHE_VARY_BYTES_MAX];
    size_t others_bytes = 0;
    if (!is_coded_by(fetch->rule) || bytes > sizeof others || !is_among(names, bytes, own))
        return bytes;
    for (size_t at = 0; at < bytes;) {
        const char *comma = memchr(names + at, ',', bytes - at);
        const size_t here = comma == NULL ? bytes - at : (size_t)(comma - names) - at;
        if (here != sizeof own - 1 || memcmp(names + at, own, here) != 0) {
            if (others_bytes > 0)
                others[others_bytes++] = ',';
            memcpy(others + others_bytes, names + at, here);
            others_bytes += here;
        }
        at += here + 1;
    }
    return cache_vary_join(others, others_bytes, CACHE_VARY_BY_CODING,
                           sizeof CACHE_VARY_BY_CODING - 1, names, room);
}

/* --- answers -------------------------------------------------------------------------------- */

/* A known length that is too much as it is will hardly be kept: the work is spared. */
static bool is_worth_it(const struct cache_fetch *fetch, const struct http_head *head)
{
    const struct cache_stage *stage = fetch->stage;
    return !head->has_content_length ||
           (head->content_length <= stage->settings->object_bytes &&
            head->content_length <= store_object_bytes_max(stage->side->cache->store));
}

static void write_coded(struct cache_fetch *fetch, struct cache_meta *meta,
                        enum cache_encoding coding, const struct change *of_vary)
{
    struct http_head *head = &fetch->op->answer.head;
    const struct http_head *from = fetch->own_head;
    uint8_t etag[CACHE_ETAG_BYTES_MAX];
    struct change change = *of_vary;
    change.coding = compress_kind((enum compress_coding)coding)->name;
    change.is_coded = true;
    if (meta->etag_bytes > 0) {
        const struct http_field *field = http_head_find(from, HTTP_FIELD_ETAG);
        change.etag_bytes = (uint32_t)cache_etag_code(http_field_value(from, field),
                                                      field->value_bytes, change.coding, etag);
        change.etag = etag;
    }
    if (!write_anew(&fetch->op->arena, head, from, &change)) {
        *head = *from;
        return;
    }
    fetch->coder = cache__coder_new(fetch, coding, from);
    if (fetch->coder == NULL) { /* it is kept as it came, among those that are coded */
        row_add(&fetch->stage->side->row->not_compressed, 1);
        if (!write_anew(&fetch->op->arena, head, from, of_vary))
            *head = *from;
        return;
    }
    fetch->coded |= CACHE_CODED_HERE;
    if (change.etag != NULL && !meta->is_weak)
        fetch->coded |= CACHE_CODED_WAS_STRONG;
    meta->is_weak |= change.etag != NULL;
}

void cache__code_answer(struct cache_fetch *fetch, struct cache_meta *meta)
{
    struct http_head *head = &fetch->op->answer.head;
    const enum cache_encoding coding = coding_for(&fetch->op->request->head);
    bool says_vary;
    if (fetch->source != NULL) { /* it is as old as what it is made from */
        const uint32_t etag_bytes = meta->etag_bytes;
        *meta = cache_object_of(fetch->source)->meta;
        meta->etag_bytes = etag_bytes;
    }
    if (!is_coded_by(fetch->rule) || !cache_may_compress(head) || !is_worth_it(fetch, head) ||
        !read_vary(head, &says_vary) ||
        (fetch->own_head = arena_take(&fetch->op->arena, sizeof *fetch->own_head)) == NULL)
        return;
    *fetch->own_head = *head;
    const struct change of_vary = {.adds_vary = !says_vary};
    if (coding != CACHE_ENCODING_IDENTITY)
        write_coded(fetch, meta, coding, &of_vary);
    else if (!write_anew(&fetch->op->arena, head, fetch->own_head, &of_vary))
        *head = *fetch->own_head;
    fetch->coded |= CACHE_CODED_VARY;
}

void cache__code_undo(struct cache_fetch *fetch)
{
    if (fetch->own_head != NULL)
        fetch->op->answer.head = *fetch->own_head;
    fetch->own_head = NULL;
    fetch->coded = 0;
    cache__coder_free(fetch->coder);
    fetch->coder = NULL;
}

bool cache__code_freshened(struct cache_fetch *fetch, struct http_head *merged)
{
    const unsigned coded = cache_object_of(fetch->stale)->coded;
    const struct http_head from = *merged;
    bool says_vary;
    if (coded == 0)
        return true;
    if (!read_vary(merged, &says_vary) ||
        ((coded & CACHE_CODED_HERE) != 0 && !cache_may_transform(merged)))
        return false;
    const struct change change = {
        .adds_vary = !says_vary,
        .is_coded = (coded & CACHE_CODED_HERE) != 0,
    };
    return write_anew(&fetch->op->arena, merged, &from, &change);
}

struct cache_validators cache__server_validators(struct cache_object *object,
                                                 uint8_t etag[CACHE_ETAG_BYTES_MAX])
{
    struct cache_validators validators = cache_object_validators(object);
    if ((object->coded & CACHE_CODED_HERE) == 0 || object->meta.etag_bytes == 0 ||
        validators.etag_bytes > CACHE_ETAG_BYTES_MAX)
        return validators;
    validators.etag_bytes =
        (uint32_t)cache_etag_decode(validators.etag, validators.etag_bytes,
                                    (object->coded & CACHE_CODED_WAS_STRONG) != 0, etag);
    validators.etag = validators.etag_bytes > 0 ? etag : NULL;
    return validators;
}

/* --- coding what is kept already ------------------------------------------------------------- */

static bool is_source(const struct cache_order *order, struct store_entry *entry)
{
    struct cache_object *object = cache_object_of(entry);
    if (object->kind != CACHE_OBJECT_ANSWER || !atomic_load(&object->is_over) ||
        (object->coded & CACHE_CODED_HERE) != 0 || atomic_load(&object->stale_ms) != 0)
        return false;
    const struct http_head head = cache_object_peek_head(object);
    return cache_may_compress(&head) &&
           cache_judge_use(&object->meta, order->ask, order->stage->settings,
                           cache_now_ms(order->stage->side)) == CACHE_USE_FRESH;
}

struct store_entry *cache__code_source(const struct cache_order *order, const struct op *op)
{
    struct cache_side *side = order->stage->side;
    struct cache_look look;
    if (!is_coded_by(order->rule) || order->stale != NULL ||
        coding_for(&op->request->head) == CACHE_ENCODING_IDENTITY)
        return NULL;
    struct http_head plain = op->request->head; /* as from a client that accepts no coding */
    plain.present[HTTP_FIELD_ACCEPT_ENCODING >> 6] &= ~(1ull << (HTTP_FIELD_ACCEPT_ENCODING & 63));
    const size_t bytes = cache__key_write(op->request, side->key, sizeof side->key);
    if (bytes > sizeof side->key)
        return NULL;
    const struct store_key url = {cache_hash(side->cache, side->key, bytes), side->key,
                                  (uint32_t)bytes};
    cache__look(side, &url, &plain, &look);
    if (look.entry == NULL || is_source(order, look.entry))
        return look.entry;
    store_entry_unref(look.entry);
    return NULL;
}
