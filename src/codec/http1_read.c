/* SPDX-License-Identifier: Apache-2.0 */
/* codec/http1_read.c - walks once over the bytes of a head, line by line.
 *
 * The walk is strictly from left to right: a refusal depends on nothing behind the byte that is
 * refused. So it comes with the first piece that holds that byte, and it is the same however the
 * bytes were split. Where the bytes end, the reader keeps the phase, the start of the element
 * (mark) and how far it was scanned. Elements of a few bytes (method, version, status line) are
 * read again from the mark; all others go on where they were. */
#include "codec/http1_parts.h"

enum phase {
    PHASE_START,
    PHASE_METHOD,
    PHASE_TARGET,
    PHASE_VERSION,
    PHASE_STATUS,
    PHASE_REASON,
    PHASE_LINE, /* at the first byte of a field line, or of the empty line */
    PHASE_NAME,
    PHASE_VALUE,
    PHASE_OVER,
};

enum step {
    STEP_NEXT, /* the element is complete */
    STEP_MORE, /* the bytes ended inside it */
    STEP_DONE, /* the head is complete */
    STEP_BAD,
};

/* One call's view of the bytes; offsets, so that what is kept stays true when they move. */
struct scan {
    struct http1_reader *reader;
    struct http_head    *head;
    const uint8_t       *base;
    uint32_t             at;
    uint32_t             end; /* of the bytes, or of the limit if that comes first */
    bool                 at_limit;
    bool                 trailers;
};

#define X(id, name, copied, connection, trailer)                                                   \
    [HTTP_FIELD_##id] = HTTP_COPIED_##copied != HTTP_COPIED_PASS,
static const uint8_t hop_in_head[HTTP_FIELDS_COUNT] = {HTTP_FIELDS(X)};
#undef X
#define TRAILER_OK 0
#define TRAILER_DROP 1
#define X(id, name, copied, connection, trailer) [HTTP_FIELD_##id] = trailer,
static const uint8_t hop_in_trailers[HTTP_FIELDS_COUNT] = {HTTP_FIELDS(X)};
#undef X
#undef TRAILER_OK
#undef TRAILER_DROP

static const struct http1_refusal_row refusal_rows[] = {
#define X(name, status, rule, sentence) [HTTP1_REFUSAL_##name] = {#name, status, rule, sentence},
    HTTP1_REFUSALS(X)
#undef X
};

const struct http1_refusal_row *http1_refusal_row(enum http1_refusal refusal)
{
    assert((size_t)refusal < HTTP1_REFUSALS_COUNT);
    return &refusal_rows[refusal];
}

void http1_reader_init(struct http1_reader *reader, const struct http1_limits *limits)
{
    assert(limits->head_bytes_max > 0 && limits->fields_max > 0);
    *reader = (struct http1_reader){.limits = limits};
}

void http1_reader_init_answer(struct http1_reader *reader, const struct http1_limits *limits,
                              enum http_method asked, bool upgrade_asked)
{
    assert(asked != HTTP_METHOD_NONE);
    http1_reader_init(reader, limits);
    reader->asked = (uint8_t)asked;
    reader->upgrade_asked = upgrade_asked;
}

static enum step refuse(struct scan *s, enum http1_refusal refusal, uint32_t at)
{
    s->reader->refusal = (uint8_t)refusal;
    s->reader->refused_at = at;
    return STEP_BAD;
}

/* The bytes ended; go on in @phase, where all before @scanned was looked at. */
static enum step pause_in(struct scan *s, enum phase phase, uint32_t scanned)
{
    s->reader->phase = (uint8_t)phase;
    s->reader->scanned = scanned;
    return STEP_MORE;
}

/* The element before @at is complete, and the next one begins there. */
static enum step enter(struct scan *s, enum phase phase, uint32_t at)
{
    s->reader->phase = (uint8_t)phase;
    s->reader->mark = at;
    s->at = at;
    return STEP_NEXT;
}

/* What is wrong with a byte that ended an element too early: the general reasons first. */
static enum http1_refusal wrong_byte(uint8_t byte, enum http1_refusal otherwise)
{
    return byte == '\n' ? HTTP1_REFUSAL_BARE_LF : byte == '\0' ? HTTP1_REFUSAL_NUL : otherwise;
}

/* --- The request line ------------------------------------------------------------------ */

/* RFC 9112 2.2 asks servers to skip an empty line before a request (old clients sent one after a
 * body). One is skipped, before any request; a second has no such reason. */
static enum step read_start(struct scan *s)
{
    uint32_t at = 0;
    for (;;) {
        if (at == s->end)
            return pause_in(s, PHASE_START, 0);
        if (s->base[at] != '\r')
            break;
        if (at > 0)
            return refuse(s, HTTP1_REFUSAL_EMPTY_LINES, at);
        if (at + 1 == s->end)
            return pause_in(s, PHASE_START, 0);
        if (s->base[at + 1] != '\n')
            return refuse(s, HTTP1_REFUSAL_BARE_CR, at);
        at += 2;
    }
    if (s->base[at] == 0x16) /* the record type of a ClientHello */
        return refuse(s, HTTP1_REFUSAL_TLS, at);
    return enter(s, PHASE_METHOD, at);
}

static enum step read_method(struct scan *s)
{
    struct http_head *head = s->head;
    const uint8_t *bytes = s->base + s->reader->mark;
    const uint32_t count = s->end - s->reader->mark;
    uint32_t i = 0;
    while (i < count && i <= HTTP1_METHOD_BYTES_MAX && http1__is(bytes[i], HTTP1__TOKEN))
        i++;
    if (i > HTTP1_METHOD_BYTES_MAX)
        return refuse(s, HTTP1_REFUSAL_METHOD_LONG, s->reader->mark + i - 1);
    if (i == count)
        return pause_in(s, PHASE_METHOD, s->reader->mark);
    if (bytes[i] != ' ' || i == 0)
        return refuse(s, wrong_byte(bytes[i], HTTP1_REFUSAL_METHOD), s->reader->mark + i);
    head->method_text = (struct http_span){s->reader->mark, i};
    head->method = (uint8_t)http_method_find(bytes, i);
    return enter(s, PHASE_TARGET, s->reader->mark + i + 1);
}

/* The first byte in [at, end) that is not VCHAR of ASCII, or is "#"; or @end. */
static const uint8_t *target_end(const uint8_t *at, const uint8_t *end)
{
    while (end - at >= 16) {
        const http1__bytes16 bytes = http1__load_16(at);
        const unsigned first =
            http1__first_of_16((http1__bytes16)((bytes <= ' ') | (bytes == '#') | (bytes >= 0x7f)));
        at += first;
        if (first < 16)
            return at;
    }
    while (at<end && * at> ' ' && *at != '#' && *at < 0x7f)
        at++;
    return at;
}

static enum step target_stopped(struct scan *s, uint32_t at)
{
    const uint8_t byte = s->base[at];
    const bool empty = at == s->reader->mark;
    if (byte == '\r')
        return refuse(s, empty ? HTTP1_REFUSAL_TARGET_EMPTY : HTTP1_REFUSAL_VERSION_MISSING, at);
    if (byte != ' ')
        return refuse(s, wrong_byte(byte, HTTP1_REFUSAL_TARGET_BYTE), at);
    if (empty)
        return refuse(s, HTTP1_REFUSAL_TARGET_EMPTY, at);
    s->head->target = (struct http_span){s->reader->mark, at - s->reader->mark};
    const enum http1_refusal refusal = http1__target_check(s->reader, s->head);
    if (refusal != HTTP1_REFUSAL_NONE)
        return refuse(s, refusal, s->reader->refused_at);
    return enter(s, PHASE_VERSION, at + 1);
}

static enum step read_target(struct scan *s)
{
    const uint32_t mark = s->reader->mark;
    const uint32_t most = s->reader->limits->target_bytes_max;
    /* Scanned one byte over the limit and no further, so that what lies behind cannot change the
     * refusal. */
    const uint32_t end = s->end - mark > most ? mark + most + 1 : s->end;
    const uint32_t at = (uint32_t)(target_end(s->base + s->at, s->base + end) - s->base);
    if (at - mark > most)
        return refuse(s, HTTP1_REFUSAL_TARGET_LONG, at - 1);
    if (at == end)
        return pause_in(s, PHASE_TARGET, at);
    return target_stopped(s, at);
}

/* "HTTP/1.0" or "HTTP/1.1" at the mark: sets the minor version. Refuses at the first byte that
 * is wrong. */
static enum step read_version_text(struct scan *s, enum http1_refusal otherwise)
{
    static const char wanted[] = "HTTP/d.d";
    const uint8_t *bytes = s->base + s->reader->mark;
    const uint32_t count = s->end - s->reader->mark;
    if (count >= 8 && memcmp(bytes, "HTTP/1.1", 8) == 0) { /* nearly always */
        s->head->version_minor = 1;
        return STEP_NEXT;
    }
    for (uint32_t i = 0; i < 8; i++) {
        if (i == count)
            return pause_in(s, (enum phase)s->reader->phase, s->reader->mark);
        if (wanted[i] == 'd' ? !http1__is(bytes[i], HTTP1__DIGIT) : bytes[i] != (uint8_t)wanted[i])
            return refuse(s, wrong_byte(bytes[i], otherwise), s->reader->mark + i);
    }
    if (bytes[5] != '1' || bytes[7] > '1')
        return refuse(s, HTTP1_REFUSAL_VERSION_OTHER, s->reader->mark + 5);
    s->head->version_minor = (uint8_t)(bytes[7] - '0');
    return STEP_NEXT;
}

/* A CR at @at must be followed by LF; then the field lines begin. */
static enum step read_line_end(struct scan *s, enum phase phase, uint32_t at)
{
    if (at + 1 == s->end)
        return pause_in(s, phase, at);
    if (s->base[at + 1] != '\n')
        return refuse(s, HTTP1_REFUSAL_BARE_CR, at);
    return enter(s, PHASE_LINE, at + 2);
}

static enum step read_version(struct scan *s)
{
    const enum step step = read_version_text(s, HTTP1_REFUSAL_VERSION);
    if (step != STEP_NEXT)
        return step;
    const uint32_t at = s->reader->mark + 8;
    if (at == s->end)
        return pause_in(s, PHASE_VERSION, at);
    if (s->base[at] != '\r')
        return refuse(s, wrong_byte(s->base[at], HTTP1_REFUSAL_LINE_END), at);
    return read_line_end(s, PHASE_VERSION, at);
}

/* --- The status line ------------------------------------------------------------------- */

/* "HTTP/1.1 200 ". The space behind the status is asked for (RFC 9112 4), but servers without a
 * reason phrase leave it out and nobody reads that in two ways, so CR may follow at once. */
static enum step read_status(struct scan *s)
{
    const enum step step = read_version_text(s, HTTP1_REFUSAL_STATUS_LINE);
    if (step != STEP_NEXT)
        return step;
    const uint8_t *bytes = s->base + s->reader->mark;
    const uint32_t count = s->end - s->reader->mark;
    for (uint32_t i = 8; i < 13; i++) {
        if (i == count)
            return pause_in(s, PHASE_STATUS, s->reader->mark);
        const bool right = i == 8    ? bytes[i] == ' '
                           : i == 12 ? bytes[i] == ' ' || bytes[i] == '\r'
                                     : http1__is(bytes[i], HTTP1__DIGIT);
        if (!right)
            return refuse(s, wrong_byte(bytes[i], HTTP1_REFUSAL_STATUS_LINE), s->reader->mark + i);
    }
    const unsigned status =
        (bytes[9] - '0') * 100u + (bytes[10] - '0') * 10u + (bytes[11] - '0') * 1u;
    if (status < 100 || status > 599)
        return refuse(s, HTTP1_REFUSAL_STATUS_RANGE, s->reader->mark + 9);
    s->head->status = (uint16_t)status;
    return enter(s, PHASE_REASON, s->reader->mark + 12);
}

/* The reason phrase is checked and dropped: it is nobody's business (Varnish VSV00009). */
static enum step read_reason(struct scan *s)
{
    const uint32_t mark = s->reader->mark;
    const uint32_t most = HTTP1_REASON_BYTES_MAX + 1; /* with the space before it */
    const uint32_t end = s->end - mark > most ? mark + most + 1 : s->end;
    const uint32_t at = (uint32_t)(http1__value_end(s->base + s->at, s->base + end) - s->base);
    if (at - mark > most)
        return refuse(s, HTTP1_REFUSAL_REASON_LONG, at - 1);
    if (at == end)
        return pause_in(s, PHASE_REASON, at);
    if (s->base[at] != '\r')
        return refuse(s, wrong_byte(s->base[at], HTTP1_REFUSAL_REASON_BYTE), at);
    return read_line_end(s, PHASE_REASON, at);
}

/* --- Field lines ----------------------------------------------------------------------- */

static enum step read_line_start(struct scan *s)
{
    const uint32_t at = s->at;
    if (at == s->end)
        return pause_in(s, PHASE_LINE, at);
    const uint8_t first = s->base[at];
    if (first == '\r') {
        if (at + 1 == s->end)
            return pause_in(s, PHASE_LINE, at);
        if (s->base[at + 1] != '\n')
            return refuse(s, HTTP1_REFUSAL_BARE_CR, at);
        s->head->head_bytes = at + 2;
        return STEP_DONE;
    }
    if (http1__is_space(first))
        return refuse(s, HTTP1_REFUSAL_OBS_FOLD, at);
    if (s->head->fields_count >= s->head->fields_max ||
        s->head->fields_count >= s->reader->limits->fields_max)
        return refuse(s, HTTP1_REFUSAL_FIELDS_MANY, at);
    return enter(s, PHASE_NAME, at);
}

static enum http1_refusal wrong_in_name(uint8_t byte, bool first)
{
    if (byte == ':')
        return HTTP1_REFUSAL_NAME_EMPTY;
    if (byte == '\r' && !first)
        return HTTP1_REFUSAL_NAME_NO_COLON;
    if (http1__is_space(byte))
        return HTTP1_REFUSAL_NAME_SPACE;
    return wrong_byte(byte, HTTP1_REFUSAL_NAME_BYTE);
}

static enum step read_name(struct scan *s)
{
    const uint32_t mark = s->reader->mark;
    const uint32_t end =
        s->end - mark > HTTP1_NAME_BYTES_MAX ? mark + HTTP1_NAME_BYTES_MAX + 1 : s->end;
    uint32_t at = s->at;
    while (at < end && http1__is(s->base[at], HTTP1__TOKEN))
        at++;
    if (at - mark > HTTP1_NAME_BYTES_MAX)
        return refuse(s, HTTP1_REFUSAL_NAME_LONG, at - 1);
    if (at == end)
        return pause_in(s, PHASE_NAME, at);
    if (s->base[at] != ':' || at == mark)
        return refuse(s, wrong_in_name(s->base[at], at == mark), at);
    s->head->fields[s->head->fields_count] = (struct http_field){
        .name_at = mark,
        .name_bytes = (uint16_t)(at - mark),
        .id = (uint8_t)http_field_find(s->base + mark, at - mark),
        .value_at = at + 1,
    };
    return enter(s, PHASE_VALUE, at + 1);
}

/* Takes the white space off both ends of the value in [field->value_at, @end). */
static inline void set_value(const uint8_t *base, struct http_field *field, uint32_t end)
{
    uint32_t start = field->value_at;
    while (start < end && http1__is_space(base[start]))
        start++;
    while (end > start && http1__is_space(base[end - 1]))
        end--;
    field->value_at = start;
    field->value_bytes = end - start;
}

/* A complete line in fields[fields_count] becomes a field of the head. */
static inline enum step accept_field(struct scan *s, struct http_field *field)
{
    struct http_head *head = s->head;
    field->hop = s->trailers ? hop_in_trailers[field->id] : hop_in_head[field->id];
    if (!s->trailers && http1__needs_check(field->id)) {
        const enum http1_refusal refusal = http1__field_check(s->reader, head, field);
        if (refusal != HTTP1_REFUSAL_NONE)
            return refuse(s, refusal, s->reader->refused_at);
    }
    head->present[field->id >> 6] |= UINT64_C(1) << (field->id & 63);
    head->fields_count++;
    return STEP_NEXT;
}

static enum step read_value(struct scan *s)
{
    const uint32_t at = (uint32_t)(http1__value_end(s->base + s->at, s->base + s->end) - s->base);
    if (at == s->end)
        return pause_in(s, PHASE_VALUE, at);
    if (s->base[at] != '\r')
        return refuse(s, wrong_byte(s->base[at], HTTP1_REFUSAL_VALUE_BYTE), at);
    if (at + 1 == s->end)
        return pause_in(s, PHASE_VALUE, at);
    if (s->base[at + 1] != '\n')
        return refuse(s, HTTP1_REFUSAL_BARE_CR, at);
    struct http_field *field = &s->head->fields[s->head->fields_count];
    set_value(s->base, field, at);
    const enum step step = accept_field(s, field);
    return step == STEP_NEXT ? enter(s, PHASE_LINE, at + 2) : step;
}

/* The length of a name whose colon is among the next 32 bytes, if those are here; else 0. */
static inline uint32_t near_colon(const uint8_t *bytes, uint32_t count)
{
    if (count < 32)
        return 0;
    const unsigned first = http1__first_of_16((http1__bytes16)(http1__load_16(bytes) == ':'));
    if (first < 16)
        return first;
    const unsigned second = http1__first_of_16((http1__bytes16)(http1__load_16(bytes + 16) == ':'));
    return second < 16 ? 16 + second : 0;
}

/* Reads one line if it is whole and nothing is odd about it; returns where the next begins, or 0
 * if the line is left to the steps above. Most names have a row, and a text that equals a row's
 * name is a token: only other names are walked by byte. */
static inline uint32_t read_plain_line(const uint8_t *base, uint32_t at, uint32_t end,
                                       struct http_field *field)
{
    const uint32_t name_bytes = near_colon(base + at, end - at);
    if (name_bytes == 0)
        return 0;
    const enum http_field_id id = http_field_find(base + at, name_bytes);
    if (id == HTTP_FIELD_OTHER && !http1__all(base + at, name_bytes, HTTP1__TOKEN))
        return 0;
    const uint32_t value_at = at + name_bytes + 1;
    const uint32_t value_end = (uint32_t)(http1__value_end(base + value_at, base + end) - base);
    if (end - value_end < 2 || base[value_end] != '\r' || base[value_end + 1] != '\n')
        return 0;
    field->name_at = at;
    field->name_bytes = (uint16_t)name_bytes;
    field->id = (uint8_t)id;
    field->value_at = value_at;
    set_value(base, field, value_end);
    return value_end + 2;
}

/* The hot loop. It keeps its place in registers, and takes only lines that the steps would take
 * alike; the fuzz target compares the two ways. */
static enum step read_plain_lines(struct scan *s)
{
    const uint8_t *base = s->base;
    const uint32_t end = s->end;
    struct http_head *head = s->head;
    const uint32_t most = head->fields_max < s->reader->limits->fields_max
                              ? head->fields_max
                              : s->reader->limits->fields_max;
    uint32_t at = s->at;
    while (head->fields_count < most) {
        struct http_field *field = &head->fields[head->fields_count];
        const uint32_t next = read_plain_line(base, at, end, field);
        if (next == 0)
            break;
        if (accept_field(s, field) == STEP_BAD)
            return STEP_BAD;
        at = next;
    }
    return enter(s, PHASE_LINE, at);
}

static enum step read_fields(struct scan *s)
{
    enum step step = STEP_NEXT;
    while (step == STEP_NEXT) {
        if (s->reader->phase == PHASE_LINE)
            step = read_plain_lines(s);
        if (step == STEP_NEXT && s->reader->phase == PHASE_LINE)
            step = read_line_start(s);
        if (step == STEP_NEXT && s->reader->phase == PHASE_NAME)
            step = read_name(s);
        if (step == STEP_NEXT)
            step = read_value(s);
    }
    return step;
}

/* --- Whole heads ----------------------------------------------------------------------- */

static struct scan scan_of(struct http1_reader *reader, const uint8_t *bytes, size_t count,
                           struct http_head *head)
{
    assert(reader->phase != PHASE_OVER && head->fields_max > 0);
    const uint32_t most = reader->limits->head_bytes_max;
    if (reader->phase == PHASE_START)
        *head = (struct http_head){.fields = head->fields, .fields_max = head->fields_max};
    head->base = bytes;
    assert(count >= reader->scanned);
    return (struct scan){.reader = reader,
                         .head = head,
                         .base = bytes,
                         .at = reader->scanned,
                         .end = count < most ? (uint32_t)count : most,
                         .at_limit = count >= most};
}

static enum http1_verdict verdict_of(struct scan *s, enum step step)
{
    if (step == STEP_MORE && s->at_limit)
        step = refuse(s, HTTP1_REFUSAL_HEAD_LONG, s->end);
    if (step == STEP_MORE)
        return HTTP1_PARTIAL;
    s->reader->phase = PHASE_OVER;
    return step == STEP_DONE ? HTTP1_DONE : HTTP1_BAD;
}

enum http1_verdict http1_request_read(struct http1_reader *reader, const uint8_t *bytes,
                                      size_t count, struct http_head *head)
{
    struct scan s = scan_of(reader, bytes, count, head);
    enum step step = STEP_NEXT;
    if (reader->phase == PHASE_START)
        step = read_start(&s);
    if (step == STEP_NEXT && reader->phase == PHASE_METHOD)
        step = read_method(&s);
    if (step == STEP_NEXT && reader->phase == PHASE_TARGET)
        step = read_target(&s);
    if (step == STEP_NEXT && reader->phase == PHASE_VERSION)
        step = read_version(&s);
    if (step == STEP_NEXT)
        step = read_fields(&s);
    if (step == STEP_DONE) {
        const enum http1_refusal refusal = http1__request_check(reader, head);
        if (refusal != HTTP1_REFUSAL_NONE)
            step = refuse(&s, refusal, reader->refused_at);
    }
    return verdict_of(&s, step);
}

enum http1_verdict http1_answer_read(struct http1_reader *reader, const uint8_t *bytes,
                                     size_t count, struct http_head *head)
{
    assert(reader->asked != HTTP_METHOD_NONE);
    struct scan s = scan_of(reader, bytes, count, head);
    enum step step = STEP_NEXT;
    if (reader->phase == PHASE_START)
        step = enter(&s, PHASE_STATUS, 0);
    if (step == STEP_NEXT && reader->phase == PHASE_STATUS)
        step = read_status(&s);
    if (step == STEP_NEXT && reader->phase == PHASE_REASON)
        step = read_reason(&s);
    if (step == STEP_NEXT)
        step = read_fields(&s);
    if (step == STEP_DONE) {
        const enum http1_refusal refusal = http1__answer_check(reader, head);
        if (refusal != HTTP1_REFUSAL_NONE)
            step = refuse(&s, refusal, reader->refused_at);
    }
    return verdict_of(&s, step);
}

enum http1_verdict http1_trailers_read(struct http1_reader *reader, const uint8_t *bytes,
                                       size_t count, struct http_head *head)
{
    struct scan s = scan_of(reader, bytes, count, head);
    s.trailers = true;
    head->trailer_section = true;
    if (reader->phase == PHASE_START)
        (void)enter(&s, PHASE_LINE, 0);
    return verdict_of(&s, read_fields(&s));
}
