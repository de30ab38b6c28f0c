/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys_http/keys_http.c - who asks, for what, and with which command.
 *
 * Happy path: the client may come in -> the target names a key of a keyspace -> the command's
 * arguments -> off it goes. */
#include "engine/keys_http/keys_http.h"

#include "engine/keys_http/flight.h"
#include "path/command/media.h"

#define ALLOWED_OF_KEYS    "GET, HEAD, PUT, DELETE"
#define ALLOWED_OF_LISTING "GET, HEAD"

static struct bytes value_of(const struct http_head *head, const struct http_field *field)
{
    return (struct bytes){http_field_value(head, field), field->value_bytes};
}

static bool is_reading(const struct http_head *head)
{
    return head->method == HTTP_METHOD_GET || head->method == HTTP_METHOD_HEAD;
}

/* ---- who ---- */

static const struct user *find_user(struct flight *flight)
{
    const struct keys_http_users *users = &flight->stage->options.users;
    struct fields_credentials said;
    if (!fields_read_credentials(&flight->http->request->head, flight->text, &said))
        return NULL;
    return said.is_said ? users->authenticate(users->users, said.name, said.password)
                        : users->nameless(users->users);
}

/* False: refused. */
static bool let_in(struct flight *flight)
{
    const struct keys_http_options *options = &flight->stage->options;
    struct op *http = flight->http;
    const struct http_head *head = &http->request->head;
    if (options->is_local && !fields_ask_address(head)) {
        flight__refuse(flight, 421,
                       "without users this listener answers to its address and localhost only, so "
                       "that no name of another site can lead here");
        return false;
    }
    if (!is_reading(head) && fields_come_from_elsewhere(head)) {
        flight__refuse(flight, 403, "a page of another site may change nothing here");
        return false;
    }
    if (options->users.users == NULL)
        return true;
    const struct user *user = find_user(flight);
    if (user == NULL) {
        flight__free(flight);
        keys_http__ask_who(http);
        return false;
    }
    flight->op.grant = &user->grant;
    return true;
}

static bool may_use(struct flight *flight)
{
    const struct key_grant *grant = flight->op.grant;
    if (!key_grant_has(grant, flight->keyspace->name))
        flight__refuse(flight, 403, "this user may not use this keyspace");
    else if (grant != NULL && grant->reads_only && !is_reading(&flight->http->request->head))
        flight__refuse(flight, 403, "this user may change nothing");
    else
        return true;
    return false;
}

/* ---- where ---- */

static const struct keys_http_keyspace *find_keyspace(const struct keys_http_options *options,
                                                      struct bytes name)
{
    for (uint32_t i = 0; i < options->keyspaces_count; i++)
        if (bytes_equal(options->keyspaces[i].name, name))
            return &options->keyspaces[i];
    return NULL;
}

/* Reads the target. False: refused. */
static bool find_place(struct flight *flight, struct address *address)
{
    const struct http_head *head = &flight->http->request->head;
    const struct bytes target = {http_span_bytes(head, head->path), head->path.bytes};
    if (!address_read(target, flight->text, address)) {
        flight__refuse(flight, 400, "a percent sign in the path has no two digits behind it");
        return false;
    }
    flight->text += address->whole.count;
    flight->keyspace = find_keyspace(&flight->stage->options, address->keyspace);
    if (flight->keyspace == NULL) {
        flight__refuse(flight, 404, "there is no keyspace of this name: /kv/KEYSPACE/KEY");
        return false;
    }
    return may_use(flight);
}

/* The key as all know it. False: refused, since the key of `default` is one of another keyspace. */
static bool find_key(struct flight *flight, const struct address *address, struct bytes *key)
{
    const struct keys_http_options *options = &flight->stage->options;
    *key = flight->keyspace->is_default ? address->key : address->whole;
    if (!flight->keyspace->is_default)
        return true;
    const uint32_t index = options->keyspace_of(options->self, *key);
    if (index < options->keyspaces_count && &options->keyspaces[index] == flight->keyspace)
        return true;
    flight__refuse(flight, 404,
                   "this key is not of 'default': the name of another keyspace stands before its "
                   "first colon, so it is /kv/THAT/...");
    return false;
}

/* ---- what ---- */

/* Reads both conditions. False: refused. */
static bool read_conditions(struct flight *flight)
{
    const struct http_head *head = &flight->http->request->head;
    if (fields_read_tags(head, HTTP_FIELD_IF_MATCH, false, &flight->match) &&
        fields_read_tags(head, HTTP_FIELD_IF_NONE_MATCH, true, &flight->none_match))
        return true;
    flight__refuse(flight, 400,
                   "If-Match and If-None-Match take * or at most 16 entity tags in quotes");
    return false;
}

/* @word before each of the tags. Where only tags were said that can be none of ours, one that is
 * none stands for them. */
static void add_tags(struct flight *flight, const char *word, struct fields_tags *tags)
{
    if (tags->is_said && tags->count == 0)
        tags->at[tags->count++] = (struct bytes){0};
    for (uint32_t i = 0; i < tags->count; i++) {
        tags->at[i] = flight__keep(flight, tags->at[i]);
        flight__add(flight, bytes_of(word));
        flight__add(flight, tags->at[i]);
    }
}

static void begin_get(struct flight *flight, struct bytes key)
{
    const struct keys_http_options *options = &flight->stage->options;
    if (options->held->bytes >= options->settings->held_bytes) {
        flight__refuse(flight, 503, "as many values are on their way as 'kv.held-bytes' allows");
        return;
    }
    flight__add(flight, bytes_of("pando.get"));
    flight__add(flight, key);
    if (flight->http->request->head.method == HTTP_METHOD_HEAD)
        flight__add(flight, bytes_of("meta"));
    add_tags(flight, "unless", &flight->none_match);
    flight->answer = keys_http__answer_get;
    flight__submit(flight, COMMAND_IS_PANDO_GET);
}

static void begin_delete(struct flight *flight, struct bytes key)
{
    flight__add(flight, bytes_of("pando.del"));
    flight__add(flight, key);
    add_tags(flight, "ifmatch", &flight->match);
    add_tags(flight, "ifnonematch", &flight->none_match);
    flight->answer = keys_http__answer_delete;
    flight__submit(flight, COMMAND_IS_PANDO_DEL);
}

/* What of a PUT cannot be kept. NULL: nothing. */
static const char *find_objection(const struct flight *flight, uint8_t *media, unsigned *status)
{
    const struct http_head *head = &flight->http->request->head;
    const struct http_field *coding = http_head_find(head, HTTP_FIELD_CONTENT_ENCODING);
    const struct http_field *type = http_head_find(head, HTTP_FIELD_CONTENT_TYPE);
    *media = MEDIA_NONE;
    *status = 415;
    if (coding != NULL && !bytes_is_word(value_of(head, coding), "identity"))
        return "a content coding is not kept: send the value as it is to be read";
    if (type != NULL && !media_find(value_of(head, type), media))
        return "this media type is not one of those that are kept, with charset=utf-8 or without "
               "parameters; application/octet-stream takes all";
    *status = 400;
    if (type != NULL && http_head_find_next(head, type) != NULL)
        return "Content-Type is said twice";
    if (http_head_has(head, HTTP_FIELD_CONTENT_RANGE))
        return "a part of a value cannot be put";
    *status = 413;
    if (head->has_content_length && head->content_length > flight->keyspace->value_bytes_max)
        return "the value is larger than 'value-bytes' of the keyspace";
    return NULL;
}

/* False: refused. */
static bool add_life(struct flight *flight)
{
    enum fields_life life;
    uint64_t ms;
    if (!fields_read_life(&flight->http->request->head, &life, &ms)) {
        flight__refuse(flight, 400,
                       FIELDS_EXPIRES_IN " takes keep, or a time such as 500ms, 60s, 5m, 2h, 7d");
        return false;
    }
    if (life == FIELDS_LIFE_KEPT)
        flight__add(flight, bytes_of("keepttl"));
    if (life != FIELDS_LIFE_FOR)
        return true;
    const unsigned digits = bytes_write_int64(flight->text, (int64_t)ms);
    flight__add(flight, bytes_of("px"));
    flight__add(flight, (struct bytes){flight->text, digits});
    flight->text += digits;
    return true;
}

static void begin_put(struct flight *flight, struct bytes key)
{
    uint8_t media;
    unsigned status;
    const char *objection = find_objection(flight, &media, &status);
    if (objection != NULL) {
        flight__refuse(flight, status, objection);
        return;
    }
    flight__add(flight, bytes_of("pando.put"));
    flight__add(flight, key);
    flight__add(flight, (struct bytes){0}); /* the value, when it has come */
    flight__add(flight, bytes_of(media_text(media)));
    if (!add_life(flight))
        return;
    add_tags(flight, "ifmatch", &flight->match);
    add_tags(flight, "ifnonematch", &flight->none_match);
    flight->answer = keys_http__answer_put;
    flight__submit_with_body(flight);
}

static void begin_key(struct flight *flight, const struct address *address)
{
    struct bytes key;
    if (!find_key(flight, address, &key) || !read_conditions(flight))
        return;
    switch (flight->http->request->head.method) {
    case HTTP_METHOD_PUT: begin_put(flight, key); break;
    case HTTP_METHOD_DELETE: begin_delete(flight, key); break;
    default: begin_get(flight, key);
    }
}

static void begin_listing(struct flight *flight, const struct address *address)
{
    struct op *http = flight->http;
    if (!is_reading(&http->request->head)) {
        flight__free(flight);
        keys_http__refuse_method(http, ALLOWED_OF_LISTING);
        return;
    }
    if (!flight->keyspace->is_ordered) {
        flight__refuse(flight, 404,
                       "the keys of this keyspace have no order, so they are not listed; one with "
                       "'partition: range' is, and SCAN of the Redis protocol finds all keys");
        return;
    }
    if (!flight->keyspace->is_default)
        flight->listed = (struct bytes){address->whole.at, address->keyspace.count + 1};
    keys_http__list(flight, address->query);
}

static void submit(struct stage *self, struct op *http)
{
    struct keys_http_stage *stage = (struct keys_http_stage *)(void *)self;
    const enum http_method method = (enum http_method)http->request->head.method;
    struct address address;
    if (!is_reading(&http->request->head) && method != HTTP_METHOD_PUT &&
        method != HTTP_METHOD_DELETE) {
        keys_http__refuse_method(http, ALLOWED_OF_KEYS);
        return;
    }
    struct flight *flight = flight__new(stage, http);
    if (flight == NULL || !let_in(flight) || !find_place(flight, &address))
        return;
    if (address.key.count == 0)
        begin_listing(flight, &address);
    else
        begin_key(flight, &address);
}

/* ---- life ---- */

void keys_http_stage_init(struct keys_http_stage *stage, const struct keys_http_options *options)
{
    static const struct stage_kind kind = {.name = "keys", .submit = submit};
    *stage = (struct keys_http_stage){.stage = {.kind = &kind}, .options = *options};
    slab_init(&stage->flights, "flights of keys over HTTP", sizeof(struct flight), 0);
}

void keys_http_stage_fini(struct keys_http_stage *stage)
{
    if (stage->stage.kind == NULL)
        return;
    slab_fini(&stage->flights);
    *stage = (struct keys_http_stage){0};
}
