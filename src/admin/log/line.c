/* SPDX-License-Identifier: Apache-2.0 */
/* admin/log/line.c - writing the lines of the access log. */
#include "admin/log/line.h"

#include "core/units.h"
#include "path/target.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* --- numbers and texts of ours -------------------------------------------------------------- */

static char *put(char *out, const char *text, size_t bytes)
{
    memcpy(out, text, bytes);
    return out + bytes;
}

#define put_literal(out, text) put(out, "" text, sizeof text - 1)

static char *put_text(char *out, const char *text)
{
    return put(out, text, strlen(text));
}

static char *put_number(char *out, uint64_t number)
{
    char digits[20];
    int count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0)
        *out++ = digits[--count];
    return out;
}

/* @number with exactly @digits digits. */
static char *put_digits(char *out, uint64_t number, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        out[i] = (char)('0' + number % 10);
        number /= 10;
    }
    return out + digits;
}

static char *put_hex64(char *out, uint64_t number)
{
    static const char hex[] = "0123456789abcdef";
    for (int shift = 60; shift >= 0; shift -= 4)
        *out++ = hex[(number >> shift) & 15];
    return out;
}

/* Seconds, to the microsecond: "0.003127". */
static char *put_seconds(char *out, uint64_t ns)
{
    out = put_number(out, ns / NS_PER_S);
    *out++ = '.';
    return put_digits(out, ns % NS_PER_S / NS_PER_US, 6);
}

/* --- texts of others ------------------------------------------------------------------------ */

/* The bytes of the UTF-8 sequence at @at that may stand as it is, or 0: broken, overlong, a
 * surrogate, a control (U+0080 to U+009F), or one that changes the direction or the lines of
 * text. */
static size_t utf8_length(const uint8_t *at, size_t left)
{
    const size_t need = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || left < need)
        return 0;
    uint32_t code = at[0] & (0x7fu >> need);
    for (size_t i = 1; i < need; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3fu);
    }
    if (code < 0xa0 || (need == 3 && code < 0x800) || (need == 4 && code < 0x10000) ||
        code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    const bool turns = (code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
                       (code >= 0x2066 && code <= 0x2069);
    return turns ? 0 : need;
}

static bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

static char *put_escaped(char *out, uint8_t byte, const char *prefix)
{
    static const char hex[] = "0123456789abcdef";
    out = put_text(out, prefix);
    *out++ = hex[byte >> 4];
    *out++ = hex[byte & 15];
    return out;
}

/* @prefix stands before the two digits of a byte that may not stand as it is. */
static char *put_foreign(char *out, const uint8_t *at, size_t bytes, const char *prefix,
                         bool quoted)
{
    for (size_t i = 0; i < bytes;) {
        const uint8_t byte = at[i];
        size_t length = 1;
        if (is_plain(byte)) {
            *out++ = (char)byte;
        } else if (byte == '"' || byte == '\\') {
            if (quoted)
                *out++ = '\\';
            *out++ = (char)byte;
        } else if (byte >= 0x80 && (length = utf8_length(at + i, bytes - i)) > 0) {
            out = put(out, (const char *)at + i, length);
        } else {
            out = put_escaped(out, byte, prefix);
            length = 1;
        }
        i += length;
    }
    return out;
}

static char *put_cut(char *out, const void *text, size_t bytes, size_t most, const char *prefix)
{
    out = put_foreign(out, text, bytes > most ? most : bytes, prefix, true);
    return bytes > most ? put_literal(out, "...") : out;
}

char *line_put_json(char *out, const void *text, size_t bytes, size_t most)
{
    return put_cut(out, text, bytes, most, "\\u00");
}

char *line_put_plain(char *out, const void *text, size_t bytes, size_t most)
{
    return put_cut(out, text, bytes, most, "\\x");
}

char *line_put_controls(char *out, const void *text, size_t bytes)
{
    return put_foreign(out, text, bytes, "\\x", false);
}

/* --- the clock ------------------------------------------------------------------------------ */

void line_clock_set(struct line_clock *clock, int64_t second)
{
    struct tm utc;
    const time_t time = (time_t)second;
    if (clock->second == second)
        return;
    clock->second = second;
    gmtime_r(&time, &utc);
    strftime(clock->iso, sizeof clock->iso, "%Y-%m-%dT%H:%M:%S", &utc);
    /* Not %b, which speaks the user's language. */
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const char *const iso = clock->iso;
    snprintf(clock->common, sizeof clock->common, "%.2s/%s/%.4s:%.8s +0000", iso + 8,
             months[utc.tm_mon], iso, iso + 11);
}

/* --- JSON ----------------------------------------------------------------------------------- */

static char *put_key(char *out, const char *key)
{
    *out++ = ',';
    *out++ = '"';
    out = put_text(out, key);
    return put_literal(out, "\":");
}

static char *put_member(char *out, const char *key, const void *text, size_t bytes, size_t most)
{
    out = put_key(out, key);
    *out++ = '"';
    out = line_put_json(out, text, bytes, most);
    *out++ = '"';
    return out;
}

static char *put_own(char *out, const char *key, const char *text)
{
    return put_member(out, key, text, strlen(text), LINE_FIELD_BYTES_MAX);
}

static char *put_count(char *out, const char *key, uint64_t number)
{
    return put_number(put_key(out, key), number);
}

static char *put_asked(char *out, const struct http_head *head)
{
    out = put_member(out, "m", http_span_bytes(head, head->method_text), head->method_text.bytes,
                     LINE_FIELD_BYTES_MAX);
    out = put_member(out, "host", http_span_bytes(head, head->host), head->host.bytes,
                     LINE_FIELD_BYTES_MAX);
    const struct http_span path = head->path.bytes > 0 ? head->path : head->target;
    return put_member(out, "path", http_span_bytes(head, path), path.bytes, LINE_PATH_BYTES_MAX);
}

static char *put_target(char *out, const struct op *op)
{
    const enum target_state state =
        (enum target_state)atomic_load_explicit(&op->target->state, memory_order_relaxed);
    out = put_own(out, "up", op->target->name);
    out = put_own(out, "conn", op->kept_connection ? "kept" : "new");
    if (state != TARGET_UP)
        out = put_own(out, "brk", target_state_word(state));
    return out;
}

static char *put_op(char *out, const struct exchange_report *report)
{
    const struct op *op = report->op;
    if (op->service != NULL)
        out = put_own(out, "route", op->service);
    out = put_count(out, "st", report->status);
    out = put_seconds(put_key(out, "dur"), report->ended_ns - report->started_ns);
    if (op->sent_ns >= op->started_ns && op->sent_ns != 0)
        out = put_seconds(put_key(out, "wait"), op->sent_ns - op->started_ns);
    if (op->waited_ns != 0)
        out = put_seconds(put_key(out, "room"), op->waited_ns);
    if (op->target != NULL)
        out = put_target(out, op);
    return put_count(out, "retry", op->retries_count);
}

static enum err_kind error_of(const struct exchange_report *report)
{
    if (report->error == ERR_NONE && report->outcome == OUTCOME_CANCELLED)
        return ERR_CANCELLED;
    return report->error;
}

static char *put_error(char *out, const struct exchange_report *report)
{
    const enum err_kind kind = error_of(report);
    if (kind == ERR_NONE)
        return out;
    out = put_own(out, "err", err_row(kind)->name);
    return put_own(out, "why", report->detail != NULL ? report->detail : err_row(kind)->sentence);
}

static char *put_trace(char *out, const struct request *request)
{
    out = put_key(out, "trace");
    *out++ = '"';
    out = put_hex64(put_hex64(out, request->trace[0]), request->trace[1]);
    *out++ = '"';
    return out;
}

static char *put_json_line(char *out, const struct exchange_report *report,
                           const struct line_form *form, const struct line_clock *clock)
{
    out = put_literal(out, "{\"ts\":\"");
    out = put_text(out, clock->iso);
    *out++ = '.';
    out = put_digits(out, form->wall_ns % NS_PER_S / NS_PER_MS, 3);
    out = put_literal(out, "Z\"");
    if (report->op != NULL) {
        out = put_asked(out, &report->op->request->head);
        out = put_op(out, report);
    } else {
        out = put_count(out, "st", report->status);
        out = put_seconds(put_key(out, "dur"), report->ended_ns - report->started_ns);
    }
    out = put_count(out, "in", report->bytes_in);
    out = put_count(out, "out", report->bytes_out);
    out = put_own(out, "client", report->client);
    if (report->op != NULL)
        out = put_trace(out, report->op->request);
    out = put_error(out, report);
    if (form->is_slow)
        out = put_literal(put_key(out, "slow"), "true");
    return put_literal(out, "}\n");
}

/* --- common and combined -------------------------------------------------------------------- */

static char *put_request_line(char *out, const struct op *op)
{
    if (op == NULL)
        return put_literal(out, "-");
    const struct http_head *head = &op->request->head;
    out = line_put_plain(out, http_span_bytes(head, head->method_text), head->method_text.bytes,
                         LINE_FIELD_BYTES_MAX);
    *out++ = ' ';
    out = line_put_plain(out, http_span_bytes(head, head->target), head->target.bytes,
                         LINE_PATH_BYTES_MAX);
    out = put_literal(out, " HTTP/1.");
    return put_number(out, head->version_minor);
}

static char *put_field(char *out, const struct op *op, enum http_field_id id)
{
    const struct http_head *head = op == NULL ? NULL : &op->request->head;
    const struct http_field *field = head == NULL ? NULL : http_head_find(head, id);
    out = put_literal(out, " \"");
    if (field == NULL)
        *out++ = '-';
    else
        out = line_put_plain(out, http_field_value(head, field), field->value_bytes,
                             LINE_FIELD_BYTES_MAX);
    *out++ = '"';
    return out;
}

static char *put_common_line(char *out, const struct exchange_report *report,
                             const struct line_clock *clock, bool is_combined)
{
    out = line_put_plain(out, report->client, strlen(report->client), LINE_FIELD_BYTES_MAX);
    out = put_literal(out, " - - [");
    out = put_text(out, clock->common);
    out = put_literal(out, "] \"");
    out = put_request_line(out, report->op);
    out = put_literal(out, "\" ");
    out = put_number(out, report->status);
    *out++ = ' ';
    if (report->bytes_out == 0)
        *out++ = '-';
    else
        out = put_number(out, report->bytes_out);
    if (is_combined) {
        out = put_field(out, report->op, HTTP_FIELD_REFERER);
        out = put_field(out, report->op, HTTP_FIELD_USER_AGENT);
    }
    *out++ = '\n';
    return out;
}

size_t line_write(char out[LINE_BYTES_MAX], const struct exchange_report *report,
                  const struct line_form *form, struct line_clock *clock)
{
    char *end;
    line_clock_set(clock, (int64_t)(form->wall_ns / NS_PER_S));
    if (form->format == LOG_FORMAT_JSON)
        end = put_json_line(out, report, form, clock);
    else
        end = put_common_line(out, report, clock, form->format == LOG_FORMAT_COMBINED);
    assert(end - out <= LINE_BYTES_MAX);
    return (size_t)(end - out);
}
