/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys_http/listing.c - keys of an ordered keyspace, page by page, as JSON.
 *
 *     {"keyspace":"users","keys":[{"key":"anna","path":"/kv/users/anna"}],"next":"/kv/users/?..."}
 *
 * `key` is null where a key's bytes are no UTF-8, since JSON could not say them; `path` can. One
 * key more than a page has is asked for: it is where the next page begins. */
#include "engine/keys_http/flight.h"

#include "path/reply.h"

/* The member @name of the query, or none of those that there are. False: refused. */
static bool take_member(struct flight *flight, struct bytes name, struct bytes value)
{
    int64_t count;
    if (bytes_equal(name, bytes_of("from"))) {
        flight->from = value;
    } else if (bytes_equal(name, bytes_of("to"))) {
        flight->to = value;
    } else if (bytes_equal(name, bytes_of("reverse")) && value.count == 0) {
        flight->is_reverse = true;
    } else if (bytes_equal(name, bytes_of("count")) && bytes_read_int64(value, &count) &&
               count >= 1 && count <= FLIGHT_LIST_COUNT_MAX) {
        flight->list_count = (uint64_t)count;
    } else {
        flight__refuse(flight, 400, "a listing takes from, to, reverse, and a count of 1 to 10000");
        return false;
    }
    return true;
}

static bool read_query(struct flight *flight, struct bytes query)
{
    struct bytes name, value;
    flight->list_count = FLIGHT_LIST_COUNT;
    for (;;) {
        if (!address_next_member(&query, &flight->text, &name, &value)) {
            flight__refuse(flight, 400, "a percent sign in the query has no two digits behind it");
            return false;
        }
        if (name.count == 0)
            return true;
        if (!take_member(flight, name, value))
            return false;
    }
}

static bool is_open_end(struct bytes limit)
{
    return limit.count == 1 && (limit.at[0] == '-' || limit.at[0] == '+');
}

/* The limit with the name that keys of the keyspace begin with. */
static struct bytes whole(struct flight *flight, struct bytes limit)
{
    struct bytes name = flight__keep(flight, flight->listed);
    name.count += flight__keep(flight, limit).count;
    return name;
}

static void write_json(struct flight *flight, struct resp_out *json);

static void answer(struct flight *flight)
{
    struct resp_out json;
    struct reply reply;
    if (keys_http__refused(flight))
        return;
    resp_out_init(&json, 2, 0, NULL);
    write_json(flight, &json);
    if (json.failed) {
        resp_out_fini(&json);
        flight__refuse(flight, 503, "out of memory");
        return;
    }
    reply_start(&reply, flight->http, 200);
    reply_add(&reply, HTTP_FIELD_CONTENT_TYPE, "application/json");
    reply_add(&reply, HTTP_FIELD_CACHE_CONTROL, keys_http__cache_control(flight));
    reply_add_name(&reply, "X-Content-Type-Options", "nosniff");
    flight__free(flight);
    reply_send_slice(&reply, resp_out_take(&json));
}

void keys_http__list(struct flight *flight, struct bytes query)
{
    const struct keys_http_keyspace *keyspace = flight->keyspace;
    if (!read_query(flight, query))
        return;
    if (keyspace->is_default && (is_open_end(flight->from) || is_open_end(flight->to))) {
        flight__refuse(flight, 400, "in keyspace 'default' no limit can be - or + alone");
        return;
    }
    flight__add(flight, bytes_of("pando.range"));
    if (keyspace->is_default && flight->from.count == 0)
        flight__add(flight, bytes_of("-"));
    else
        flight__add(flight, whole(flight, flight->from));
    if (flight->to.count == 0)
        flight__add(flight, bytes_of("+"));
    else
        flight__add(flight, whole(flight, flight->to));
    if (flight->is_reverse)
        flight__add(flight, bytes_of("reverse"));
    flight__add(flight, bytes_of("count"));
    const unsigned digits = bytes_write_int64(flight->text, (int64_t)flight->list_count + 1);
    flight__add(flight, (struct bytes){flight->text, digits});
    flight->out.bytes_max = FLIGHT_LIST_BYTES_MAX;
    flight->answer = answer;
    flight__submit(flight, COMMAND_IS_PANDO_RANGE);
}

/* ---- JSON ---- */

static void put(struct resp_out *json, const char *text)
{
    resp_raw(json, bytes_of(text));
}

/* Bytes of the character that begins at @at; 0: it is no UTF-8 (RFC 3629: no surrogates, nothing
 * too long, nothing beyond U+10FFFF). */
static size_t character_bytes(const uint8_t *at, size_t left)
{
    const uint8_t lead = at[0];
    const size_t count = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (count == 0 || count > left || lead > 0xf4)
        return 0;
    for (size_t i = 1; i < count; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    const bool is_bad = (lead == 0xe0 && at[1] < 0xa0) || (lead == 0xed && at[1] > 0x9f) ||
                        (lead == 0xf0 && at[1] < 0x90) || (lead == 0xf4 && at[1] > 0x8f);
    return is_bad ? 0 : count;
}

static bool is_utf_8(struct bytes text)
{
    for (size_t i = 0, count; i < text.count; i += count)
        if ((count = character_bytes(text.at + i, text.count - i)) == 0)
            return false;
    return true;
}

static void put_string(struct resp_out *json, struct bytes text)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *at = resp_out_room(json, 6 * text.count + 2);
    if (at == NULL)
        return;
    size_t used = 0;
    at[used++] = '"';
    for (size_t i = 0; i < text.count; i++) {
        const uint8_t byte = text.at[i];
        if (byte < ' ' || byte == 0x7f) {
            memcpy(at + used, "\\u00", 4);
            at[used + 4] = (uint8_t)digits[byte >> 4];
            at[used + 5] = (uint8_t)digits[byte & 15];
            used += 6;
            continue;
        }
        if (byte == '"' || byte == '\\')
            at[used++] = '\\';
        at[used++] = byte;
    }
    at[used++] = '"';
    resp_out_wrote(json, used);
}

/* "/kv/KEYSPACE/", and @rest so that it is read as it is. */
static void put_address(struct resp_out *json, const struct flight *flight, struct bytes rest)
{
    put(json, KEYS_HTTP_PREFIX "/");
    resp_raw(json, flight->keyspace->name);
    put(json, "/");
    uint8_t *at = resp_out_room(json, 3 * rest.count + 1);
    if (at != NULL)
        resp_out_wrote(json, address_write(at, rest));
}

static void put_limit(struct resp_out *json, const char *name, struct bytes limit)
{
    put(json, name);
    uint8_t *at = resp_out_room(json, 3 * limit.count + 1);
    if (at != NULL)
        resp_out_wrote(json, address_write(at, limit));
}

/* The page that begins with @key. */
static void put_next(struct resp_out *json, const struct flight *flight, struct bytes key)
{
    uint8_t digits[BYTES_INT64_MAX];
    put(json, "\"");
    put_address(json, flight, (struct bytes){0});
    put(json, "?count=");
    resp_raw(json, (struct bytes){digits, bytes_write_int64(digits, (int64_t)flight->list_count)});
    const struct bytes from = flight->is_reverse ? flight->from : key;
    const struct bytes to = flight->is_reverse ? key : flight->to;
    if (from.count > 0)
        put_limit(json, "&from=", from);
    if (to.count > 0)
        put_limit(json, "&to=", to);
    put(json, flight->is_reverse ? "&reverse\"" : "\"");
}

static void put_key(struct resp_out *json, const struct flight *flight, struct bytes key)
{
    put(json, "{\"key\":");
    if (is_utf_8(key))
        put_string(json, key);
    else
        put(json, "null");
    put(json, ",\"path\":\"");
    put_address(json, flight, key);
    put(json, "\"}");
}

/* A key that was listed, without the keyspace's name. */
static struct bytes next_key(const struct flight *flight, struct reading *reading)
{
    const struct bytes key = reading__bulk(reading);
    const size_t skipped = key.count < flight->listed.count ? key.count : flight->listed.count;
    return (struct bytes){key.at + skipped, key.count - skipped};
}

static void write_json(struct flight *flight, struct resp_out *json)
{
    struct reading reading = {.rest = {flight->out.buf->data, flight->out.used}};
    int64_t count;
    (void)reading__head(&reading, &count);
    put(json, "{\"keyspace\":");
    put_string(json, flight->keyspace->name);
    put(json, ",\"keys\":[");
    int64_t i = 0;
    for (; i < count && i < (int64_t)flight->list_count && !reading.failed; i++) {
        if (i > 0)
            put(json, ",");
        put_key(json, flight, next_key(flight, &reading));
    }
    put(json, "],\"next\":");
    if (i < count)
        put_next(json, flight, next_key(flight, &reading));
    else
        put(json, "null");
    put(json, "}\n");
}
