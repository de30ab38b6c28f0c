/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/cache_rules_fuzz.c - laws of the cache's rules.
 *
 * 1. Lines of Cache-Control say what one line says that joins them (but for a string that is parted
 *    over lines, which is refused).
 * 2. An answer with no-store, wherever it stands, is not kept.
 * 3. A kept answer is fresh at first or never; what must be asked for is not used stale.
 * 4. A request with one more line of a field that is varied by is another; with one of another
 *    field it is the same.
 * 5. A part lies within its whole.
 * 6. News that came twice change nothing the second time.
 * 7. A reference of the same origin is an absolute path, and stays the one it is.
 * 8. A date that was read is written as a date that reads the same.
 *
 * The input: two bytes that choose the status and the time, field lines of the request, an empty
 * line, field lines of the answer. */
#include "cache/rules/rules_testing.h"

#define CHECK(law)                                                                                 \
    do {                                                                                           \
        if (!(law))                                                                                \
            __builtin_trap();                                                                      \
    } while (0)

enum { TEXT_BYTES = 16384, INPUT_BYTES = 4096, ROOM = 32768 };

struct text {
    char   at[TEXT_BYTES];
    size_t bytes;
};

static void put(struct text *text, const void *from, size_t bytes)
{
    CHECK(text->bytes + bytes <= sizeof text->at);
    if (bytes > 0)
        memcpy(text->at + text->bytes, from, bytes);
    text->bytes += bytes;
}

static void put_line(struct text *text, const char *line)
{
    put(text, line, strlen(line));
    put(text, "\r\n", 2);
}

/* Newlines become CRLF. */
static void put_lines(struct text *text, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] == '\n')
            put(text, "\r\n", 2);
        else
            put(text, &data[i], 1);
    if (size > 0 && data[size - 1] != '\n')
        put(text, "\r\n", 2);
}

/* True only if all of the text is a head. */
static bool read_text(struct http1_testing_result *out, enum http1_testing_kind kind,
                      const struct text *text)
{
    const struct http1_testing_how how = {
        .kind = kind, .limits = &http1_testing_limits, .asked = HTTP_METHOD_GET};
    http1_testing_read(&how, (const uint8_t *)text->at, text->bytes,
                       (struct http1_testing_pieces){text->bytes, 1}, out);
    if (out->verdict == HTTP1_DONE && out->head.head_bytes == text->bytes)
        return true;
    http1_testing_free(out);
    return false;
}

static enum cache_refusal judge(struct cache_meta *meta, const struct http_head *answer,
                                const struct cache_ask *ask)
{
    const struct cache_exchange exchange = {.settings = &testing_settings,
                                            .ask = ask,
                                            .requested_ms = TESTING_NOW_MS - 100,
                                            .received_ms = TESTING_NOW_MS};
    return cache_judge_answer(meta, answer, &exchange);
}

/* --- 1 and 2: the same answer with its Cache-Control written in another way --- */

/* The answer without Cache-Control; @joined gets its lines joined. */
static void part(const struct http_head *answer, struct text *rest, struct text *joined)
{
    char line[64];
    snprintf(line, sizeof line, "HTTP/1.1 %u OK", answer->status);
    put_line(rest, line);
    for (size_t i = 0; i < answer->fields_count; i++) {
        const struct http_field *field = &answer->fields[i];
        struct text *to = rest;
        if (field->id == HTTP_FIELD_CACHE_CONTROL) {
            to = joined;
            put(joined, joined->bytes > 0 ? ", " : "", joined->bytes > 0 ? 2 : 0);
        } else {
            put(rest, http_field_name(answer, field), field->name_bytes);
            put(rest, ": ", 2);
        }
        put(to, http_field_value(answer, field), field->value_bytes);
        if (to == rest)
            put(rest, "\r\n", 2);
    }
}

static void put_end(struct text *text, const char *before, const struct text *joined,
                    const char *behind)
{
    put(text, "Cache-Control: ", 15);
    put(text, before, strlen(before));
    put(text, joined->at, joined->bytes);
    put(text, behind, strlen(behind));
    put(text, "\r\n\r\n", 4);
}

static bool same_meta(const struct cache_meta *a, const struct cache_meta *b)
{
    return a->lifetime_ms == b->lifetime_ms && a->initial_age_ms == b->initial_age_ms &&
           a->swr_ms == b->swr_ms && a->sie_ms == b->sie_ms && a->no_cache == b->no_cache &&
           a->must_revalidate == b->must_revalidate && a->is_public == b->is_public &&
           a->immutable == b->immutable && a->etag_bytes == b->etag_bytes &&
           a->is_shared_by_authorization == b->is_shared_by_authorization;
}

static void check_joined(const struct http_head *answer, const struct cache_ask *ask,
                         enum cache_refusal refusal, const struct cache_meta *meta)
{
    static struct http1_testing_result again;
    static struct text text, joined;
    text.bytes = joined.bytes = 0;
    part(answer, &text, &joined);
    put_end(&text, "", &joined, "");
    if (refusal == CACHE_REFUSED_MALFORMED || !http_head_has(answer, HTTP_FIELD_CACHE_CONTROL) ||
        !read_text(&again, HTTP1_TESTING_ANSWER, &text))
        return;
    struct cache_meta other = {0};
    CHECK(judge(&other, &again.head, ask) == refusal);
    CHECK(refusal != CACHE_REFUSED_NONE || same_meta(meta, &other));
    http1_testing_free(&again);
}

static bool says_understand(const struct text *text)
{
    for (size_t i = 0; i + 10 <= text->bytes; i++)
        if (http_same_text((const uint8_t *)text->at + i, "understand", 10))
            return true;
    return false;
}

static void check_no_store(const struct http_head *answer, const struct cache_ask *ask,
                           bool is_before)
{
    static struct http1_testing_result again;
    static struct text text, joined;
    text.bytes = joined.bytes = 0;
    part(answer, &text, &joined);
    if (http_head_has(answer, HTTP_FIELD_CDN_CACHE_CONTROL) || says_understand(&joined))
        return;
    put_end(&text, is_before ? "no-store, " : "", &joined, is_before ? "" : ", no-store");
    if (!read_text(&again, HTTP1_TESTING_ANSWER, &text))
        return;
    struct cache_meta meta;
    CHECK(judge(&meta, &again.head, ask) != CACHE_REFUSED_NONE);
    http1_testing_free(&again);
}

/* --- 3 --- */

static void check_use(const struct cache_meta *meta, const struct cache_ask *ask, uint64_t after_ms)
{
    const uint64_t now_ms = TESTING_NOW_MS + after_ms;
    const enum cache_use use = cache_judge_use(meta, ask, &testing_settings, now_ms);
    const enum cache_use later = cache_judge_use(meta, ask, &testing_settings, now_ms + 1000);
    if (use == CACHE_USE_FRESH)
        CHECK(cache_ttl_s(meta, now_ms) >= 0 && !meta->no_cache);
    else
        CHECK(later != CACHE_USE_FRESH);
    if (use == CACHE_USE_STALE || use == CACHE_USE_REVALIDATE)
        CHECK(!meta->must_revalidate && !meta->no_cache && cache_ttl_s(meta, now_ms) <= 0);
    if (cache_may_use_on_error(meta, ask, now_ms) && meta->must_revalidate)
        CHECK(cache_ttl_s(meta, now_ms) >= 0);
}

/* --- 4 --- */

static bool same_variant(const char *names, size_t names_bytes, const struct http_head *a,
                         const struct http_head *b)
{
    static uint8_t of_a[ROOM], of_b[ROOM];
    const size_t a_bytes = cache_vary_write(names, names_bytes, a, of_a, sizeof of_a);
    const size_t b_bytes = cache_vary_write(names, names_bytes, b, of_b, sizeof of_b);
    CHECK(a_bytes <= sizeof of_a && b_bytes <= sizeof of_b);
    CHECK(cache_vary_write(names, names_bytes, a, of_a, 0) == a_bytes);
    return a_bytes == b_bytes && memcmp(of_a, of_b, a_bytes) == 0;
}

/* The request with one more line. */
static bool read_longer(struct http1_testing_result *out, const struct text *request,
                        const char *name, size_t name_bytes)
{
    static struct text text;
    text = *request;
    text.bytes -= 2;
    put(&text, name, name_bytes);
    put(&text, ": zz\r\n\r\n", 8);
    return read_text(out, HTTP1_TESTING_REQUEST, &text);
}

static void check_vary(const struct http_head *answer, const struct http_head *request,
                       const struct text *request_text)
{
    static struct http1_testing_result longer;
    static const char other[] = "x-no-name-of-it";
    char names[CACHE_VARY_BYTES_MAX];
    const size_t bytes = cache_vary_read(answer, names, sizeof names);
    if (bytes == 0 || bytes > sizeof names)
        return;
    const char *comma = memchr(names, ',', bytes);
    const size_t first = comma != NULL ? (size_t)(comma - names) : bytes;
    if (!(first == 15 && memcmp(names, "accept-encoding", 15) == 0) &&
        read_longer(&longer, request_text, names, first)) {
        CHECK(!same_variant(names, bytes, request, &longer.head));
        http1_testing_free(&longer);
    }
    if (memmem(names, bytes, other, sizeof other - 1) == NULL &&
        read_longer(&longer, request_text, other, sizeof other - 1)) {
        CHECK(same_variant(names, bytes, request, &longer.head));
        http1_testing_free(&longer);
    }
}

/* --- 5 to 8 --- */

static void check_ranges(const struct http_head *answer, const struct http_head *request,
                         const struct cache_meta *meta, uint64_t total_bytes)
{
    const struct cache_validators kept = {
        .etag = meta->etag_bytes > 0 ? answer->base + meta->etag_at : NULL,
        .etag_bytes = meta->etag_bytes,
        .last_modified_s = meta->last_modified_s,
        .date_s = meta->date_s,
    };
    struct cache_range range;
    if (cache_judge_range(&range, &kept, request, total_bytes) == CACHE_RANGE_PART)
        CHECK(range.first <= range.last && range.last < total_bytes);
    uint64_t total;
    if (cache_content_range_read(answer, &range, &total))
        CHECK(range.first <= range.last && range.last < total);
    CHECK(cache_judge_conditions(&kept, request) <= CACHE_CONDITION_FAILED);
    CHECK(meta->etag_bytes == 0 || cache_is_about(&kept, answer));
}

static void check_merge(const struct http_head *kept, const struct http_head *news)
{
    static struct http_field fields[2 * HTTP1_TESTING_FIELDS],
        fields_again[2 * HTTP1_TESTING_FIELDS];
    static uint8_t bytes[ROOM], bytes_again[ROOM];
    struct http_head once = {.fields = fields, .fields_max = 2 * HTTP1_TESTING_FIELDS};
    struct http_head twice = {.fields = fields_again, .fields_max = 2 * HTTP1_TESTING_FIELDS};
    CHECK(cache_merge_heads(&once, bytes, ROOM, kept, news));
    CHECK(cache_merge_heads(&twice, bytes_again, ROOM, &once, news));
    CHECK(once.fields_count == twice.fields_count && once.head_bytes == twice.head_bytes);
    CHECK(once.present[0] == twice.present[0] && once.present[1] == twice.present[1]);
}

static bool resolve(const struct http_head *request, const struct text *value, struct text *out)
{
    return cache_same_origin_path(request, "http", (const uint8_t *)value->at, value->bytes,
                                  out->at, sizeof out->at, &out->bytes);
}

static bool begins_with_host(const struct text *path)
{
    return path->bytes >= 2 && path->at[1] == '/';
}

static void check_reference(const struct http_head *request, const struct http_head *answer)
{
    static struct text value, once, twice, thrice;
    const struct http_field *field = http_head_find(answer, HTTP_FIELD_LOCATION);
    if (field == NULL)
        return;
    value.bytes = 0;
    put(&value, http_field_value(answer, field), field->value_bytes);
    if (!resolve(request, &value, &once))
        return;
    CHECK(once.bytes > 0 && once.at[0] == '/');
    if (begins_with_host(&once) || !resolve(request, &once, &twice) || begins_with_host(&twice))
        return;
    CHECK(resolve(request, &twice, &thrice));
    CHECK(twice.bytes == thrice.bytes && memcmp(twice.at, thrice.at, twice.bytes) == 0);
}

static void check_date(const struct http_head *answer)
{
    const struct http_field *field = http_head_find(answer, HTTP_FIELD_EXPIRES);
    int64_t seen_s, again_s;
    char text[HTTP_DATE_BYTES];
    if (field == NULL || !http_date_read(&seen_s, http_field_value(answer, field),
                                         field->value_bytes, TESTING_NOW_S))
        return;
    CHECK(seen_s <= INT64_C(253402300799));
    if (seen_s < 0)
        return;
    http_date_write(text, seen_s);
    CHECK(http_date_read(&again_s, (const uint8_t *)text, sizeof text, TESTING_NOW_S));
    CHECK(again_s == seen_s);
}

/* --- All --- */

static void check_all(struct http_head *request, struct http_head *answer,
                      const struct text *request_text, uint8_t after)
{
    struct cache_ask ask;
    struct cache_meta meta = {0};
    cache_ask_read(&ask, request);
    const enum cache_refusal refusal = judge(&meta, answer, &ask);
    check_joined(answer, &ask, refusal, &meta);
    check_no_store(answer, &ask, true);
    check_no_store(answer, &ask, false);
    check_vary(answer, request, request_text);
    check_reference(request, answer);
    check_date(answer);
    if (refusal == CACHE_REFUSED_NONE) {
        check_use(&meta, &ask, (uint64_t)after * after * 100);
        check_ranges(answer, request, &meta, after);
    }
    cache_mark_fields(answer);
    check_merge(answer, answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t statuses[] = {200, 203, 206, 301, 302, 404, 410, 500, 503, 299, 304, 599};
    static struct http1_testing_result request, answer;
    static struct text request_text, answer_text;
    if (size < 2 || size > INPUT_BYTES)
        return 0;
    const unsigned status = statuses[data[0] % (sizeof statuses / sizeof statuses[0])];
    const uint8_t *lines = data + 2, *end = data + size;
    const uint8_t *gap = memmem(lines, (size_t)(end - lines), "\n\n", 2);
    const uint8_t *stop = gap != NULL ? gap : end, *next = gap != NULL ? gap + 2 : end;
    char first[32];
    request_text.bytes = answer_text.bytes = 0;
    put_line(&request_text, "GET /a/b?c HTTP/1.1\r\nHost: shop");
    put_lines(&request_text, lines, (size_t)(stop - lines));
    put_line(&request_text, "");
    snprintf(first, sizeof first, "HTTP/1.1 %u OK", status);
    put_line(&answer_text, first);
    put_lines(&answer_text, next, (size_t)(end - next));
    put_line(&answer_text, "");
    if (!read_text(&request, HTTP1_TESTING_REQUEST, &request_text))
        return 0;
    if (read_text(&answer, HTTP1_TESTING_ANSWER, &answer_text)) {
        check_all(&request.head, &answer.head, &request_text, data[1]);
        http1_testing_free(&answer);
    }
    http1_testing_free(&request);
    return 0;
}
