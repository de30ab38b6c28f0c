/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/strings/tagged.c - PANDO.GET, PANDO.PUT, PANDO.DEL: strings with their media type and
 * entity tag, which may be conditions. What keys over HTTP are made of.
 *
 *     PANDO.GET key [META] [UNLESS tag ...]
 *     PANDO.PUT key value type [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL] [conditions]
 *     PANDO.DEL key [conditions]
 *     conditions: IFMATCH tag ..., IFNONEMATCH tag ...; each word takes one tag and may come again
 *
 * A tag is a string's XXH3-128 in 32 hexadecimal digits, seeded with its media type: strings with
 * one tag are the same bytes of the same type. The tag * is that of whatever is there. */
#include "engine/keys/strings/strings.h"
#include "path/command/media.h"

#include <xxhash.h>

enum { TAG_BYTES = 32 };

struct tag {
    uint8_t at[TAG_BYTES];
};

static struct tag tag_of(struct bytes string, uint8_t media)
{
    static const char digits[] = "0123456789abcdef";
    XXH128_canonical_t hash;
    struct tag tag;
    XXH128_canonicalFromHash(&hash, XXH3_128bits_withSeed(string.at, string.count, media));
    for (size_t i = 0; i < TAG_BYTES / 2; i++) {
        tag.at[2 * i] = (uint8_t)digits[hash.digest[i] >> 4];
        tag.at[2 * i + 1] = (uint8_t)digits[hash.digest[i] & 15];
    }
    return tag;
}

/* What was found, and its tag once it was asked for: it takes a walk over the string. */
struct found {
    struct space      *space;
    struct space_value value;
    struct tag         tag;
    bool               has_tag;
};

/* False: answered; what is there is no string, or damaged. */
static bool find(struct run *run, struct found *found)
{
    *found = (struct found){0};
    if (!run_find_any(run, run->args[1], &found->space, &found->value))
        return false;
    if (found->value.type == KEY_NONE || found->value.type == KEY_STRING)
        return true;
    resp_errorf(run->out, "WRONGTYPE the key holds a %s, not a string",
                key_type_name(found->value.type));
    return false;
}

static struct bytes tag(struct found *found)
{
    if (!found->has_tag)
        found->tag = tag_of(found->value.string, found->value.media);
    found->has_tag = true;
    return (struct bytes){found->tag.at, TAG_BYTES};
}

/* Is it the tag of what is there? */
static bool is_tag(struct found *found, struct bytes wanted)
{
    if (found->value.type == KEY_NONE)
        return false;
    return bytes_equal(wanted, bytes_of("*")) ||
           (wanted.count == TAG_BYTES && bytes_equal(wanted, tag(found)));
}

/* ---- conditions ---- */

/* Which of the arguments that are conditions are met by what is there. */
struct verdict {
    bool wants_match; /* an IFMATCH was said */
    bool is_matched;
    bool is_unwanted; /* an IFNONEMATCH was matched */
};

static bool is_condition(const struct run *run, uint32_t index)
{
    return index + 1 < run->args_count &&
           (run_arg_is(run, index, "ifmatch") || run_arg_is(run, index, "ifnonematch"));
}

/* Judges the conditions from argument @index on; what is none was read before and is passed
 * over. */
static bool are_met(const struct run *run, uint32_t index, struct found *found)
{
    struct verdict verdict = {0};
    for (; index < run->args_count; index++) {
        if (!is_condition(run, index))
            continue;
        if (run_arg_is(run, index, "ifmatch")) {
            verdict.wants_match = true;
            verdict.is_matched = verdict.is_matched || is_tag(found, run->args[index + 1]);
        } else {
            verdict.is_unwanted = verdict.is_unwanted || is_tag(found, run->args[index + 1]);
        }
        index++;
    }
    return (!verdict.wants_match || verdict.is_matched) && !verdict.is_unwanted;
}

/* ---- PANDO.GET ---- */

struct get_options {
    bool is_meta; /* without the string */
};

static bool read_get(struct run *run, struct get_options *options)
{
    *options = (struct get_options){0};
    for (uint32_t i = 2; i < run->args_count; i++) {
        if (run_arg_is(run, i, "meta")) {
            options->is_meta = true;
        } else if (run_arg_is(run, i, "unless") && i + 1 < run->args_count) {
            i++;
        } else {
            resp_error(run->out, RUN_SYNTAX);
            return false;
        }
    }
    return true;
}

static bool is_known(const struct run *run, struct found *found)
{
    for (uint32_t i = 2; i + 1 < run->args_count; i++)
        if (run_arg_is(run, i, "unless") && is_tag(found, run->args[++i]))
            return true;
    return false;
}

void run__PANDO_GET(struct run *run)
{
    struct get_options options;
    struct found found;
    if (!read_get(run, &options) || !find(run, &found))
        return;
    const struct space_value *value = &found.value;
    if (value->type == KEY_NONE) {
        resp_null_array(run->out);
        return;
    }
    resp_array(run->out, 5);
    if (options.is_meta || is_known(run, &found))
        resp_null(run->out);
    else
        resp_bulk(run->out, value->string);
    resp_bulk_text(run->out, media_text(value->media));
    resp_bulk(run->out, tag(&found));
    resp_integer(run->out, (int64_t)value->string.count);
    resp_integer(run->out, value->expires_ms == 0 ? -1 : (int64_t)value->expires_ms);
}

/* ---- PANDO.PUT ---- */

struct put_options {
    uint8_t          media;
    bool             keeps_expiry;
    enum expiry_form expiry;
    uint32_t         expiry_index; /* of its number among the arguments */
};

/* The option at *@index, which is moved to its last word. */
static bool read_put_option(const struct run *run, uint32_t *index, struct put_options *options)
{
    const bool has_expiry = options->expiry != EXPIRY_NONE || options->keeps_expiry;
    enum expiry_form form;
    if (is_condition(run, *index)) {
        ++*index;
    } else if (run_arg_is(run, *index, "keepttl") && !has_expiry) {
        options->keeps_expiry = true;
    } else if (!has_expiry && strings__is_expiry(run, *index, &form)) {
        options->expiry = form;
        options->expiry_index = ++*index;
    } else {
        return false;
    }
    return true;
}

static bool read_put(struct run *run, struct put_options *options)
{
    *options = (struct put_options){0};
    if (!media_find(run->args[3], &options->media)) {
        resp_error(run->out, "ERR this media type is not one of those that are kept");
        return false;
    }
    for (uint32_t i = 4; i < run->args_count; i++) {
        if (!read_put_option(run, &i, options)) {
            resp_error(run->out, RUN_SYNTAX);
            return false;
        }
    }
    return true;
}

/* What expired before now is not kept at all. */
static enum space_result put(struct run *run, struct space *space, uint8_t media,
                             uint64_t expires_ms)
{
    const struct bytes string = run->args[2];
    if (string.count > run->value_bytes_max)
        return SPACE_TOO_LARGE;
    if (expires_ms == 0 || expires_ms > run->now_ms)
        return space->kind->put_as(space, run->args[1], string, expires_ms, media);
    space->kind->remove(space, run->args[1]);
    return SPACE_OK;
}

void run__PANDO_PUT(struct run *run)
{
    struct put_options options;
    struct found found;
    uint64_t expires_ms = 0;
    if (!read_put(run, &options))
        return;
    if (options.expiry != EXPIRY_NONE &&
        !strings__read_expiry(run, options.expiry_index, options.expiry, &expires_ms))
        return;
    if (!find(run, &found))
        return;
    if (!are_met(run, 4, &found)) {
        resp_null_array(run->out);
        return;
    }
    if (options.keeps_expiry)
        expires_ms = found.value.expires_ms;
    const bool is_new = found.value.type == KEY_NONE;
    if (!run_is_ok(run, put(run, found.space, options.media, expires_ms)))
        return;
    const struct tag made = tag_of(run->args[2], options.media);
    resp_array(run->out, 3);
    resp_integer(run->out, is_new);
    resp_bulk(run->out, (struct bytes){made.at, TAG_BYTES});
    resp_integer(run->out, expires_ms == 0 ? -1 : (int64_t)expires_ms);
}

/* ---- PANDO.DEL ---- */

void run__PANDO_DEL(struct run *run)
{
    struct found found;
    for (uint32_t i = 2; i < run->args_count; i += 2) {
        if (!is_condition(run, i)) {
            resp_error(run->out, RUN_SYNTAX);
            return;
        }
    }
    if (!find(run, &found))
        return;
    if (!are_met(run, 2, &found))
        resp_null(run->out);
    else
        resp_integer(run->out, found.space->kind->remove(found.space, run->args[1]));
}
