/* SPDX-License-Identifier: Apache-2.0 */
/* codec/http1_meaning.c - the fields that say where a message ends and what its connection does
 * next.
 *
 * A field is checked when its line is complete; what needs the whole head is checked after the
 * last line. */
#include "codec/http1_parts.h"

bool http1__list_next(struct http1__list *list, const uint8_t **member, size_t *count)
{
    if (list->at > list->end)
        return false;
    const uint8_t *comma = memchr(list->at, ',', (size_t)(list->end - list->at));
    const uint8_t *end = comma != NULL ? comma : list->end;
    const uint8_t *start = list->at;
    list->at = end + 1; /* one beyond the end after the last member; never read there */
    while (start < end && http1__is_space(*start))
        start++;
    while (end > start && http1__is_space(end[-1]))
        end--;
    *member = start;
    *count = (size_t)(end - start);
    return true;
}

static struct http1__list list_of(const struct http_head *head, const struct http_field *field)
{
    const uint8_t *value = http_field_value(head, field);
    return (struct http1__list){value, value + field->value_bytes};
}

static bool text_is(const uint8_t *text, size_t count, const char *wanted)
{
    return count == strlen(wanted) && http_same_text(text, wanted, count);
}

/* --- Framing --------------------------------------------------------------------------- */

/* Zeros before the number are legal and every reader agrees on them; it is written anew without. */
static enum http1_refusal check_length(struct http1_reader *reader, struct http_head *head,
                                       const struct http_field *field)
{
    const uint8_t *value = http_field_value(head, field);
    if (head->has_content_length)
        return http1__refuse(reader, HTTP1_REFUSAL_LENGTH_MANY, field->name_at);
    if (http_head_has(head, HTTP_FIELD_TRANSFER_ENCODING))
        return http1__refuse(reader, HTTP1_REFUSAL_LENGTH_AND_CODING, field->name_at);
    if (memchr(value, ',', field->value_bytes) != NULL)
        return http1__refuse(reader, HTTP1_REFUSAL_LENGTH_LIST, field->value_at);
    if (!http1__all(value, field->value_bytes, HTTP1__DIGIT))
        return http1__refuse(reader, HTTP1_REFUSAL_LENGTH_SYNTAX, field->value_at);
    uint64_t length = 0;
    for (uint32_t i = 0; i < field->value_bytes; i++) {
        const uint64_t digit = value[i] - (uint64_t)'0';
        if (length > (INT64_MAX - digit) / 10)
            return http1__refuse(reader, HTTP1_REFUSAL_LENGTH_RANGE, field->value_at + i);
        length = length * 10 + digit;
    }
    head->has_content_length = true;
    head->content_length = length;
    return HTTP1_REFUSAL_NONE;
}

/* Why a Transfer-Encoding that is not "chunked" is refused: other codings before one last
 * chunked are well-formed but not known here (501); all else leaves the end of the message in
 * doubt (400). */
static enum http1_refusal wrong_coding(const struct http_head *head, const struct http_field *field)
{
    struct http1__list list = list_of(head, field);
    const uint8_t *member;
    size_t count;
    bool ended = false;
    while (http1__list_next(&list, &member, &count)) {
        if (ended || !http1__all(member, count, HTTP1__TOKEN))
            return HTTP1_REFUSAL_CODING_SYNTAX;
        ended = text_is(member, count, "chunked");
    }
    return ended ? HTTP1_REFUSAL_CODING_OTHER : HTTP1_REFUSAL_CODING_SYNTAX;
}

static enum http1_refusal check_coding(struct http1_reader *reader, struct http_head *head,
                                       const struct http_field *field)
{
    if (http_head_has(head, HTTP_FIELD_TRANSFER_ENCODING))
        return http1__refuse(reader, HTTP1_REFUSAL_CODING_MANY, field->name_at);
    if (head->has_content_length)
        return http1__refuse(reader, HTTP1_REFUSAL_LENGTH_AND_CODING, field->name_at);
    if (head->version_minor == 0)
        return http1__refuse(reader, HTTP1_REFUSAL_CODING_OLD_VERSION, field->name_at);
    if (!text_is(http_field_value(head, field), field->value_bytes, "chunked"))
        return http1__refuse(reader, wrong_coding(head, field), field->value_at);
    head->framing = HTTP_FRAMING_CHUNKED;
    return HTTP1_REFUSAL_NONE;
}

static bool has_body(const struct http_head *head)
{
    return head->framing == HTTP_FRAMING_CHUNKED || head->content_length > 0;
}

/* --- Connection, Upgrade, TE, Expect --------------------------------------------------- */

static const bool pinned[HTTP_FIELDS_COUNT] = {
#define STRIP false
#define PINNED true
#define X(id, name, copied, connection, trailer) [HTTP_FIELD_##id] = connection,
    HTTP_FIELDS(X)
#undef X
#undef STRIP
#undef PINNED
};

static unsigned said(const uint8_t *option, size_t count)
{
    switch (count) {
    case 5: return http_same_text(option, "close", 5) ? HTTP1__SAID_CLOSE : HTTP1__SAID_NAMES;
    case 10:
        return http_same_text(option, "keep-alive", 10) ? HTTP1__SAID_KEEP_ALIVE
                                                        : HTTP1__SAID_NAMES;
    case 7: return http_same_text(option, "upgrade", 7) ? HTTP1__SAID_UPGRADE : HTTP1__SAID_NAMES;
    case 2: return http_same_text(option, "te", 2) ? HTTP1__SAID_TE : HTTP1__SAID_NAMES;
    default: return HTTP1__SAID_NAMES;
    }
}

/* By RFC 9110 7.6.1 a proxy takes out every field that Connection names. That let clients take
 * out fields which the next server trusts (CVE-2022-31813). So a message that names a field
 * which is meant for all (PINNED in the table) is refused; RFC 9110 forbids to send that. Empty
 * members are legal. Where close and keep-alive are both said, close wins (RFC 9112 9.3). */
static enum http1_refusal check_connection(struct http1_reader *reader, struct http_head *head,
                                           const struct http_field *field)
{
    struct http1__list list = list_of(head, field);
    const uint8_t *option;
    size_t count;
    while (http1__list_next(&list, &option, &count)) {
        const uint32_t at = (uint32_t)(option - head->base);
        if (++reader->options_count > HTTP1_CONNECTION_OPTIONS_MAX)
            return http1__refuse(reader, HTTP1_REFUSAL_CONNECTION_MANY, at);
        if (count == 0)
            continue;
        if (!http1__all(option, count, HTTP1__TOKEN))
            return http1__refuse(reader, HTTP1_REFUSAL_CONNECTION_SYNTAX, at);
        const unsigned bit = said(option, count);
        if (bit == HTTP1__SAID_NAMES && pinned[http_field_find(option, count)])
            return http1__refuse(reader, HTTP1_REFUSAL_CONNECTION_PINNED, at);
        reader->connection |= (uint8_t)bit;
    }
    return HTTP1_REFUSAL_NONE;
}

static void mark_named(struct http_head *head, const uint8_t *option, size_t count)
{
    for (uint16_t i = 0; i < head->fields_count; i++) {
        struct http_field *field = &head->fields[i];
        if (field->name_bytes == count &&
            http_same_text(option, (const char *)http_field_name(head, field), count))
            field->hop = 1;
    }
}

/* At most HTTP1_CONNECTION_OPTIONS_MAX walks over the fields. */
static void mark_all_named(struct http_head *head)
{
    for (uint16_t i = 0; i < head->fields_count; i++) {
        if (head->fields[i].id != HTTP_FIELD_CONNECTION)
            continue;
        struct http1__list list = list_of(head, &head->fields[i]);
        const uint8_t *option;
        size_t count;
        while (http1__list_next(&list, &option, &count))
            if (count > 0 && said(option, count) == HTTP1__SAID_NAMES)
                mark_named(head, option, count);
    }
}

static bool is_protocol(const uint8_t *text, size_t count)
{
    const uint8_t *slash = memchr(text, '/', count);
    const size_t name = slash != NULL ? (size_t)(slash - text) : count;
    return http1__all(text, name, HTTP1__TOKEN) &&
           (slash == NULL || http1__all(slash + 1, count - name - 1, HTTP1__TOKEN));
}

static enum http1_refusal check_upgrade(struct http1_reader *reader, struct http_head *head,
                                        const struct http_field *field)
{
    struct http1__list list = list_of(head, field);
    const uint8_t *protocol;
    size_t count;
    if (http_head_has(head, HTTP_FIELD_UPGRADE))
        return http1__refuse(reader, HTTP1_REFUSAL_UPGRADE_MANY, field->name_at);
    while (http1__list_next(&list, &protocol, &count))
        if (!is_protocol(protocol, count))
            return http1__refuse(reader, HTTP1_REFUSAL_UPGRADE_SYNTAX,
                                 (uint32_t)(protocol - head->base));
    head->upgrade_index = head->fields_count;
    return HTTP1_REFUSAL_NONE;
}

static enum http1_refusal check_expect(struct http1_reader *reader, struct http_head *head,
                                       const struct http_field *field)
{
    if (http_head_has(head, HTTP_FIELD_EXPECT))
        return http1__refuse(reader, HTTP1_REFUSAL_EXPECT_MANY, field->name_at);
    if (!text_is(http_field_value(head, field), field->value_bytes, "100-continue"))
        return http1__refuse(reader, HTTP1_REFUSAL_EXPECT_OTHER, field->value_at);
    return HTTP1_REFUSAL_NONE;
}

/* In answers Host, Expect and Upgrade say nothing about framing; Upgrade is looked at only if
 * the status is 101. */
enum http1_refusal http1__field_check(struct http1_reader *reader, struct http_head *head,
                                      const struct http_field *field)
{
    const bool is_request = head->status == 0;
    switch (field->id) {
    case HTTP_FIELD_CONTENT_LENGTH: return check_length(reader, head, field);
    case HTTP_FIELD_TRANSFER_ENCODING: return check_coding(reader, head, field);
    case HTTP_FIELD_CONNECTION: return check_connection(reader, head, field);
    case HTTP_FIELD_HOST:
        return is_request ? http1__host_check(reader, head, field) : HTTP1_REFUSAL_NONE;
    case HTTP_FIELD_EXPECT:
        return is_request ? check_expect(reader, head, field) : HTTP1_REFUSAL_NONE;
    case HTTP_FIELD_UPGRADE:
        return is_request ? check_upgrade(reader, head, field) : HTTP1_REFUSAL_NONE;
    default: return HTTP1_REFUSAL_NONE;
    }
}

/* --- The whole head -------------------------------------------------------------------- */

static bool te_says_trailers(const struct http_head *head)
{
    const struct http_field *field = http_head_find(head, HTTP_FIELD_TE);
    for (; field != NULL; field = http_head_find_next(head, field)) {
        struct http1__list list = list_of(head, field);
        const uint8_t *member;
        size_t count;
        while (http1__list_next(&list, &member, &count))
            if (text_is(member, count, "trailers"))
                return true;
    }
    return false;
}

/* Only one protocol is asked for, and it is none that would carry requests past our eyes: h2c,
 * h2, HTTP/2.0 and TLS/1.0 (RFC 2817) are never passed on. A server may always ignore Upgrade
 * (RFC 9110 7.8). */
static bool may_upgrade_to(const struct http_head *head, const struct http_field *field)
{
    const uint8_t *value = http_field_value(head, field);
    const uint32_t count = field->value_bytes;
    if (memchr(value, ',', count) != NULL)
        return false;
    return !text_is(value, count, "h2c") && !text_is(value, count, "h2") &&
           !text_is(value, count, "h3") && !(count >= 4 && http_same_text(value, "http", 4)) &&
           !(count >= 3 && http_same_text(value, "tls", 3));
}

/* With a body the upgrade is ignored, not refused: Java's own client asks for h2c with every
 * first request, also with POST. What is ignored is not passed on, so the server cannot switch
 * (reliability 2.1). */
static bool upgrades(const struct http1_reader *reader, const struct http_head *head)
{
    return (reader->connection & HTTP1__SAID_UPGRADE) != 0 &&
           http_head_has(head, HTTP_FIELD_UPGRADE) && head->version_minor == 1 && !has_body(head) &&
           head->method != HTTP_METHOD_CONNECT &&
           may_upgrade_to(head, &head->fields[head->upgrade_index]);
}

static void finish_connection(const struct http1_reader *reader, struct http_head *head)
{
    const bool wants_more =
        head->version_minor == 1 || (reader->connection & HTTP1__SAID_KEEP_ALIVE) != 0;
    head->keep_alive = wants_more && (reader->connection & HTTP1__SAID_CLOSE) == 0;
    if ((reader->connection & HTTP1__SAID_NAMES) != 0)
        mark_all_named(head);
}

static void finish_framing(struct http_head *head)
{
    if (head->content_length > 0)
        head->framing = HTTP_FRAMING_LENGTH;
}

enum http1_refusal http1__request_check(struct http1_reader *reader, struct http_head *head)
{
    const uint32_t end = head->head_bytes - 2; /* what is missing is missed at the empty line */
    if (!http_head_has(head, HTTP_FIELD_HOST) && head->version_minor == 1)
        return http1__refuse(reader, HTTP1_REFUSAL_HOST_MISSING, end);
    if (head->method == HTTP_METHOD_CONNECT && has_body(head))
        return http1__refuse(reader, HTTP1_REFUSAL_CONNECT_BODY, end);
    finish_framing(head);
    finish_connection(reader, head);
    if (http_head_has(head, HTTP_FIELD_UPGRADE))
        head->upgrades = upgrades(reader, head);
    if (!head->upgrades)
        head->upgrade_index = 0;
    if (http_head_has(head, HTTP_FIELD_TE))
        head->te_trailers = (reader->connection & HTTP1__SAID_TE) != 0 && te_says_trailers(head);
    /* An HTTP/1.0 client cannot understand 100, and where no body comes there is nothing to wait
     * for. */
    if (http_head_has(head, HTTP_FIELD_EXPECT))
        head->expects_continue = head->version_minor == 1 && has_body(head);
    return HTTP1_REFUSAL_NONE;
}

/* 1xx, 204 and 2xx to CONNECT cannot have a body (RFC 9110 6.4.1, 9.3.6); one that announces it
 * nonetheless is read in two ways. Content-Length: 0 is common there and harmless; it is not
 * passed on (RFC 9110 8.6). */
static enum http1_refusal check_bodiless(struct http1_reader *reader, struct http_head *head,
                                         enum http_framing framing)
{
    if (has_body(head))
        return http1__refuse(reader, HTTP1_REFUSAL_ANSWER_BODY, head->head_bytes - 2);
    head->has_content_length = false;
    head->framing = (uint8_t)framing;
    return HTTP1_REFUSAL_NONE;
}

static bool is_tunnel(const struct http1_reader *reader, const struct http_head *head)
{
    return head->status == 101 ||
           (reader->asked == HTTP_METHOD_CONNECT && head->status >= 200 && head->status < 300);
}

static enum http1_refusal finish_answer_framing(struct http1_reader *reader, struct http_head *head)
{
    const unsigned status = head->status;
    if (is_tunnel(reader, head))
        return check_bodiless(reader, head, HTTP_FRAMING_TUNNEL);
    if (status < 200 || status == 204)
        return check_bodiless(reader, head, HTTP_FRAMING_NONE);
    if (reader->asked == HTTP_METHOD_HEAD || status == 304) {
        head->framing =
            HTTP_FRAMING_NONE; /* the length is that of the body which GET would bring */
    } else if (!head->has_content_length && head->framing != HTTP_FRAMING_CHUNKED) {
        head->framing = HTTP_FRAMING_UNTIL_CLOSE;
        head->keep_alive = false;
    } else {
        finish_framing(head);
    }
    return HTTP1_REFUSAL_NONE;
}

enum http1_refusal http1__answer_check(struct http1_reader *reader, struct http_head *head)
{
    if (head->status == 101 && !(reader->upgrade_asked && http_head_has(head, HTTP_FIELD_UPGRADE)))
        return http1__refuse(reader, HTTP1_REFUSAL_ANSWER_UPGRADE, head->head_bytes - 2);
    finish_connection(reader, head);
    if (head->status == 101) {
        head->upgrades = true;
        head->upgrade_index = (uint16_t)(http_head_find(head, HTTP_FIELD_UPGRADE) - head->fields);
    }
    return finish_answer_framing(reader, head);
}
