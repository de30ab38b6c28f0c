/* SPDX-License-Identifier: Apache-2.0 */
/* codec/http1_rows_test.c - every row of tests/conformance/http1_rows.json against the codec, cut
 * at every byte.
 *
 * A row is an object:
 *   name, rule      what it tests, and where that is written
 *   kind            "request" or "answer"
 *   bytes           the message; \u0000 to \u00ff are its bytes
 *   expect          "refuse"; "accept"; "sanitise": accepted, but something is not passed on
 *   status          refuse: what the client gets (an answer: 502)
 *   asked           answers: method of the request, "GET" if absent
 *   upgrade_asked   answers: the request asked to upgrade to websocket
 *   ends            the sender closes after the bytes
 *   forwarded       what the next hop must see: `line` the request line, `has` field lines, `not`
 *   names of fields that it
 *                   must not see, `body`, `trailers_not` names of trailers that it must not see */
#include "codec/http1_testing.h"

#include <criterion/criterion.h>
#include <jansson.h>

enum stage {
    STAGE_HEAD,
    STAGE_LENGTH,
    STAGE_CHUNKS,
    STAGE_TRAILERS,
    STAGE_UNTIL_CLOSE,
    STAGE_DONE,
    STAGE_BAD,
};

enum { ROW_BYTES_MAX = 40000 };

/* One row, with its bytes. */
struct row {
    const json_t *json;
    const char   *name;
    uint8_t       bytes[ROW_BYTES_MAX];
    size_t        count;
    bool          is_request;
};

/* A whole message being read, stage by stage. */
struct message {
    const struct row   *row;
    enum stage          stage;
    size_t              at; /* where the stage's bytes begin */
    enum http1_refusal  refusal;
    struct http1_reader reader;
    struct http1_chunks chunks;
    struct http_head    head;
    struct http_head    trailers;
    struct http_field   fields[HTTP1_TESTING_FIELDS];
    struct http_field   trailer_fields[HTTP1_TESTING_FIELDS];
    uint64_t            left;
    uint8_t             body[64];
    size_t              body_bytes;
};

static const char *text_of(const struct row *row, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(row->json, key));
    return text != NULL ? text : otherwise;
}

static void begin_head(struct message *m)
{
    m->stage = STAGE_HEAD;
    m->head.fields = m->fields;
    m->head.fields_max = HTTP1_TESTING_FIELDS;
    if (m->row->is_request) {
        http1_reader_init(&m->reader, &http1_testing_limits);
        return;
    }
    const char *asked = text_of(m->row, "asked", "GET");
    http1_reader_init_answer(&m->reader, &http1_testing_limits,
                             http_method_find((const uint8_t *)asked, strlen(asked)),
                             json_is_true(json_object_get(m->row->json, "upgrade_asked")));
}

static void take_body(struct message *m, const uint8_t *bytes, size_t count)
{
    cr_assert(m->body_bytes + count <= sizeof m->body, "%s", m->row->name);
    if (count > 0)
        memcpy(m->body + m->body_bytes, bytes, count);
    m->body_bytes += count;
}

static void after_head(struct message *m)
{
    static const enum stage stages[] = {
        [HTTP_FRAMING_NONE] = STAGE_DONE,      [HTTP_FRAMING_LENGTH] = STAGE_LENGTH,
        [HTTP_FRAMING_CHUNKED] = STAGE_CHUNKS, [HTTP_FRAMING_UNTIL_CLOSE] = STAGE_UNTIL_CLOSE,
        [HTTP_FRAMING_TUNNEL] = STAGE_DONE,
    };
    m->at += m->head.head_bytes;
    m->left = m->head.content_length;
    m->stage = stages[m->head.framing];
    if (!m->row->is_request && m->head.status < 200 && m->head.status != 101)
        begin_head(m);
}

/* @refusal is where the reader keeps it: it is read after the verdict. */
static bool judge(struct message *m, enum http1_verdict verdict, const uint8_t *refusal)
{
    if (verdict == HTTP1_BAD) {
        m->stage = STAGE_BAD;
        m->refusal = (enum http1_refusal) * refusal;
    }
    return verdict == HTTP1_DONE;
}

static void read_chunks(struct message *m, size_t count)
{
    struct http1_piece piece;
    const enum http1_verdict verdict =
        http1_chunks_read(&m->chunks, m->row->bytes + m->at, count - m->at, &piece);
    take_body(m, piece.data, piece.bytes);
    m->at += piece.consumed;
    if (!judge(m, verdict, &m->chunks.refusal))
        return;
    m->stage = STAGE_TRAILERS;
    m->trailers.fields = m->trailer_fields;
    m->trailers.fields_max = HTTP1_TESTING_FIELDS;
    http1_reader_init(&m->reader, &http1_testing_limits);
}

/* One step of a stage with the bytes up to @count. */
static void step(struct message *m, size_t count)
{
    const uint8_t *bytes = m->row->bytes + m->at;
    const size_t here = count - m->at;
    switch (m->stage) {
    case STAGE_HEAD:
        if (judge(m,
                  m->row->is_request ? http1_request_read(&m->reader, bytes, here, &m->head)
                                     : http1_answer_read(&m->reader, bytes, here, &m->head),
                  &m->reader.refusal))
            after_head(m);
        return;
    case STAGE_CHUNKS: read_chunks(m, count); return;
    case STAGE_TRAILERS:
        if (judge(m, http1_trailers_read(&m->reader, bytes, here, &m->trailers),
                  &m->reader.refusal)) {
            m->at += m->trailers.head_bytes;
            m->stage = STAGE_DONE;
        }
        return;
    case STAGE_LENGTH:
    case STAGE_UNTIL_CLOSE: {
        const size_t taken = m->stage == STAGE_LENGTH && m->left < here ? (size_t)m->left : here;
        take_body(m, bytes, taken);
        m->at += taken;
        m->left -= taken;
        if (m->stage == STAGE_LENGTH && m->left == 0)
            m->stage = STAGE_DONE;
        return;
    }
    default: return;
    }
}

/* Steps until more bytes are needed. */
static void advance(struct message *m, size_t count)
{
    enum stage stage;
    size_t at;
    do {
        stage = m->stage;
        at = m->at;
        step(m, count);
    } while (m->stage != stage || m->at != at);
}

/* Reads the row in two pieces; @cut == 0: whole. What remains unfinished at the end is refused. */
static void read_row(const struct row *row, size_t cut, struct message *m)
{
    memset(m, 0, sizeof *m);
    m->row = row;
    begin_head(m);
    if (cut > 0)
        advance(m, cut);
    advance(m, row->count);
    if (m->stage == STAGE_UNTIL_CLOSE && json_is_true(json_object_get(row->json, "ends")))
        m->stage = STAGE_DONE;
}

static size_t write_head(const struct message *m, uint8_t *out, size_t room)
{
    struct http1_writer w = {.at = out, .end = out + room};
    if (m->row->is_request) {
        http1_put_request_line(&w, &m->head);
        if (m->head.authority.bytes > 0)
            http1_put_host(&w, &m->head);
    } else {
        http1_put_status_line(&w, m->head.status);
    }
    if (m->head.has_content_length)
        http1_put_content_length(&w, m->head.content_length);
    http1_put_fields(&w, &m->head);
    http1_put_text(&w, "\r\n");
    cr_assert(!w.full);
    *w.at = '\0';
    return w.wanted;
}

/* A JSON text as bytes: each code point up to 255 is one. */
static size_t latin1(const json_t *json, uint8_t *out, size_t room)
{
    const char *utf8 = json_string_value(json);
    const size_t length = json_string_length(json);
    size_t count = 0;
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = (uint8_t)utf8[i];
        if (byte >= 0xc2 && byte <= 0xc3)
            byte = (uint8_t)((byte & 3) << 6 | ((uint8_t)utf8[++i] & 0x3f));
        else
            cr_assert(byte < 0x80);
        cr_assert(count < room);
        out[count++] = byte;
    }
    return count;
}

static bool has_line(const uint8_t *head, size_t head_bytes, const json_t *line)
{
    uint8_t wanted[512] = "\r\n";
    size_t count = 2 + latin1(line, wanted + 2, sizeof wanted - 4);
    memcpy(wanted + count, "\r\n", 2);
    return memmem(head, head_bytes, wanted, count + 2) != NULL;
}

static bool has_name(const uint8_t *head, const json_t *name)
{
    char wanted[128];
    (void)snprintf(wanted, sizeof wanted, "\r\n%s:", json_string_value(name));
    return strcasestr((const char *)head, wanted) != NULL;
}

static void expect_forwarded(const struct message *m)
{
    const json_t *forwarded = json_object_get(m->row->json, "forwarded");
    const char *name = m->row->name;
    uint8_t head[4096];
    uint8_t trailers[1024];
    const size_t head_bytes = write_head(m, head, sizeof head - 1);
    const char *line = json_string_value(json_object_get(forwarded, "line"));
    cr_expect(line == NULL || memcmp(head, line, strlen(line)) == 0, "%s: %s", name, (char *)head);

    size_t i;
    json_t *wanted;
    json_array_foreach(json_object_get(forwarded, "has"), i, wanted)
        cr_expect(has_line(head, head_bytes, wanted), "%s: %s", name, (char *)head);
    json_array_foreach(json_object_get(forwarded, "not"), i, wanted)
        cr_expect(!has_name(head, wanted), "%s: %s", name, (char *)head);

    const json_t *body = json_object_get(forwarded, "body");
    if (body != NULL)
        cr_expect(json_string_length(body) == m->body_bytes &&
                      memcmp(json_string_value(body), m->body, m->body_bytes) == 0,
                  "%s: body %.*s", name, (int)m->body_bytes, (const char *)m->body);

    struct http1_writer w = {.at = trailers, .end = trailers + sizeof trailers - 1};
    http1_put_last_chunk(&w, m->trailers.base != NULL ? &m->trailers : NULL);
    *w.at = '\0';
    json_array_foreach(json_object_get(forwarded, "trailers_not"), i, wanted)
        cr_expect(!has_name(trailers, wanted), "%s: %s", name, (char *)trailers);
}

/* What is passed on is itself a head that this codec accepts. */
static void expect_reread(const struct message *m)
{
    uint8_t text[4096];
    const size_t count = write_head(m, text, sizeof text - 1);
    struct row again = *m->row;
    memcpy(again.bytes, text, count);
    again.count = count;
    struct message reread = {.row = &again};
    begin_head(&reread);
    if (m->row->is_request && m->head.authority.bytes == 0)
        return; /* Host is the front's to add */
    const enum http1_verdict verdict =
        m->row->is_request ? http1_request_read(&reread.reader, again.bytes, count, &reread.head)
                           : http1_answer_read(&reread.reader, again.bytes, count, &reread.head);
    /* 101 lost its Upgrade, which the front writes anew. */
    cr_expect(verdict == HTTP1_DONE || m->head.status == 101, "%s: %s", m->row->name, (char *)text);
}

static void expect_verdict(const struct message *m, bool refused)
{
    if (!refused) {
        cr_expect(m->stage == STAGE_DONE && m->at == m->row->count, "%s: %s, %zu of %zu bytes",
                  m->row->name, http1_refusal_row(m->refusal)->name, m->at, m->row->count);
        return;
    }
    if (json_is_true(json_object_get(m->row->json, "ends"))) {
        cr_expect(m->stage != STAGE_DONE, "%s", m->row->name);
        return;
    }
    cr_expect_eq(m->stage, STAGE_BAD, "%s is accepted", m->row->name);
    const int status = (int)json_integer_value(json_object_get(m->row->json, "status"));
    const int seen = m->row->is_request ? http1_refusal_row(m->refusal)->status : 502;
    cr_expect_eq(seen, status, "%s: %s, %d", m->row->name, http1_refusal_row(m->refusal)->name,
                 seen);
}

static void run(const struct row *row, struct message *whole, struct message *pieces)
{
    const bool refused = strcmp(text_of(row, "expect", ""), "refuse") == 0;
    read_row(row, 0, whole);
    expect_verdict(whole, refused);
    if (whole->stage == STAGE_DONE && !refused) {
        expect_forwarded(whole);
        expect_reread(whole);
    }
    for (size_t cut = 1; cut < row->count; cut++) {
        read_row(row, cut, pieces);
        cr_expect(pieces->stage == whole->stage && pieces->at == whole->at &&
                      pieces->refusal == whole->refusal &&
                      pieces->body_bytes == whole->body_bytes &&
                      memcmp(pieces->body, whole->body, whole->body_bytes) == 0 &&
                      http1_testing_same_fields(&pieces->head, &whole->head),
                  "%s, cut at %zu", row->name, cut);
    }
}

static json_t *load_rows(void)
{
    json_error_t error;
    json_t *rows = json_load_file(PANDO_SOURCE_ROOT "/tests/conformance/http1_rows.json",
                                  JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
    cr_assert_not_null(rows, "line %d: %s", error.line, error.text);
    return rows;
}

Test(http1_rows, all_hold_however_they_are_cut)
{
    static struct row row;
    static struct message whole, pieces;
    json_t *rows = load_rows();
    size_t i;
    json_array_foreach(rows, i, row.json)
    {
        row.name = text_of(&row, "name", "?");
        row.is_request = strcmp(text_of(&row, "kind", ""), "request") == 0;
        row.count = latin1(json_object_get(row.json, "bytes"), row.bytes, sizeof row.bytes);
        run(&row, &whole, &pieces);
    }
    cr_expect_geq(i, 160);
    json_decref(rows);
}

Test(http1_rows, have_each_a_name_of_their_own_and_a_rule)
{
    json_t *rows = load_rows();
    json_t *names = json_object();
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        const char *name = json_string_value(json_object_get(row, "name"));
        const char *rule = json_string_value(json_object_get(row, "rule"));
        cr_assert(name != NULL && rule != NULL && *rule != '\0');
        cr_expect_null(json_object_get(names, name), "%s", name);
        cr_expect_eq(json_object_set(names, name, row), 0);
    }
    json_decref(names);
    json_decref(rows);
}
