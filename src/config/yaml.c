/* SPDX-License-Identifier: Apache-2.0 */
/* config/yaml.c - YAML in, nodes with places out.
 *
 * libyaml's events are taken one by one, so a file over a bound is left as soon as that shows:
 * depth, number of nodes. Aliases, which let a small file mean a huge one, and tags are refused. */
#include "config/tree.h"
#include "config/value/words.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct builder {
    struct config               *config;
    const struct config__source *source;
    struct config_errors        *errors;
    struct config__node         *root;
    size_t                       skipped; /* bytes of the source before the YAML */
    uint32_t             column; /* characters of them: added to columns of the first line */
    size_t               depth;
    struct config__node *open[CONFIG_DEPTH_MAX]; /* collections, outermost first */
    const char          *key;                    /* read, its value not yet */
    struct config__span  key_span;
};

static struct config__span span_at(const struct builder *builder, const yaml_mark_t *mark)
{
    return (struct config__span){.source = builder->source,
                                 .line = (uint32_t)mark->line,
                                 .column = (uint32_t)mark->column +
                                           (mark->line == 0 ? builder->column : 0),
                                 .length = 1};
}

static struct config__span span_of(const struct builder *builder, const yaml_event_t *event)
{
    struct config__span span = span_at(builder, &event->start_mark);
    if (event->start_mark.line == event->end_mark.line)
        span.length = (uint32_t)(event->end_mark.column - event->start_mark.column);
    else
        span.length = UINT32_MAX; /* to the end of its first line */
    return span;
}

static bool refuse(struct builder *builder, const struct config__span *span, const char *message,
                   const char *hint)
{
    config__report(builder->errors, &(struct config__report){.at = span, .hint = hint}, "%s",
                   message);
    return false;
}

/* Hangs @node where it belongs, under the key that waits for it. */
static bool attach(struct builder *builder, struct config__node *node)
{
    if (builder->depth == 0) {
        builder->root = node;
        return true;
    }
    struct config__node *parent = builder->open[builder->depth - 1];
    if (parent->kind == CONFIG__MAPPING && builder->key == NULL)
        return refuse(builder, &node->span, "a key must be a word", "expected `key: value`");
    if (parent->kind == CONFIG__MAPPING) {
        node->key = builder->key;
        node->key_span = builder->key_span;
        builder->key = NULL;
    }
    config__node_append(parent, node);
    return true;
}

/* A scalar that stands where a mapping's key is due. */
static bool take_key(struct builder *builder, const char *text, const struct config__span *span)
{
    builder->key = text;
    builder->key_span = *span;
    if (++builder->config->nodes_count > CONFIG_NODES_MAX)
        return config__node_new(builder->config, CONFIG__SCALAR, span, builder->errors) != NULL;
    return true;
}

static bool take_scalar(struct builder *builder, const yaml_event_t *event)
{
    const struct config__span span = span_of(builder, event);
    const char *text = (const char *)event->data.scalar.value;
    const size_t bytes = event->data.scalar.length;
    if (event->data.scalar.anchor != NULL)
        return refuse(builder, &span, "anchors are not supported",
                      "write the value where it is needed");
    if (event->data.scalar.tag != NULL)
        return refuse(builder, &span, "tags are not supported", "leave out what begins with `!`");
    if (memchr(text, '\0', bytes) != NULL)
        return refuse(builder, &span, "a value may not hold a NUL", NULL);
    const char *copy = config__copy(&builder->config->memory, text, bytes);
    if (copy == NULL)
        return config__no_memory(builder->errors);
    const struct config__node *parent =
        builder->depth > 0 ? builder->open[builder->depth - 1] : NULL;
    if (parent != NULL && parent->kind == CONFIG__MAPPING && builder->key == NULL)
        return take_key(builder, copy, &span);
    struct config__node *node =
        config__node_new(builder->config, CONFIG__SCALAR, &span, builder->errors);
    if (node == NULL)
        return false;
    node->text = copy;
    node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return attach(builder, node);
}

static bool open_collection(struct builder *builder, const yaml_event_t *event,
                            enum config__node_kind kind)
{
    const bool is_mapping = kind == CONFIG__MAPPING;
    struct config__span span = span_of(builder, event);
    const yaml_char_t *anchor =
        is_mapping ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    const yaml_char_t *tag =
        is_mapping ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    if (anchor != NULL)
        return refuse(builder, &span, "anchors are not supported",
                      "write the value where it is needed");
    if (tag != NULL)
        return refuse(builder, &span, "tags are not supported", "leave out what begins with `!`");
    if (builder->depth == CONFIG_DEPTH_MAX)
        return refuse(builder, &span, "nested too deeply", "no setting lies deeper than 16 levels");
    struct config__node *node = config__node_new(builder->config, kind, &span, builder->errors);
    if (node == NULL || !attach(builder, node))
        return false;
    node->is_block = is_mapping ? event->data.mapping_start.style == YAML_BLOCK_MAPPING_STYLE
                                : event->data.sequence_start.style == YAML_BLOCK_SEQUENCE_STYLE;
    builder->open[builder->depth++] = node;
    return true;
}

/* The keys of the open collections, joined: "services.shop". */
static void write_path(const struct builder *builder, size_t depth, char path[CONFIG__PATH_BYTES])
{
    size_t used = 0;
    path[0] = '\0';
    for (size_t i = 0; i <= depth && used < CONFIG__PATH_BYTES; i++)
        if (builder->open[i]->key != NULL)
            used += (size_t)snprintf(path + used, CONFIG__PATH_BYTES - used, "%s%s",
                                     used > 0 ? "." : "", builder->open[i]->key);
}

static bool close_collection(struct builder *builder, const yaml_event_t *event)
{
    struct config__node *node = builder->open[--builder->depth];
    if (!node->is_block && event->end_mark.line == node->span.line)
        node->span.length = (uint32_t)event->end_mark.column +
                            (event->end_mark.line == 0 ? builder->column : 0) - node->span.column;
    else if (!node->is_block)
        node->span.length = UINT32_MAX;
    char path[CONFIG__PATH_BYTES];
    write_path(builder, builder->depth, path);
    return node->kind != CONFIG__MAPPING || config__find_twins(node, path, builder->errors);
}

static bool take_event(struct builder *builder, const yaml_event_t *event)
{
    const struct config__span span = span_of(builder, event);
    switch (event->type) {
    case YAML_SCALAR_EVENT: return take_scalar(builder, event);
    case YAML_SEQUENCE_START_EVENT: return open_collection(builder, event, CONFIG__SEQUENCE);
    case YAML_MAPPING_START_EVENT: return open_collection(builder, event, CONFIG__MAPPING);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: return close_collection(builder, event);
    case YAML_ALIAS_EVENT:
        return refuse(builder, &span, "aliases are not supported",
                      "write the value where it is needed");
    case YAML_DOCUMENT_START_EVENT:
        if (builder->root != NULL)
            return refuse(builder, &span, "a file holds one document",
                          "remove `---` and join the two");
        return true;
    default: return true;
    }
}

/* What people mean, by a part of what libyaml says. */
static const struct {
    const char *part;
    const char *hint;
} hints[] = {
    {"cannot start any token", "is it a tab? indent with spaces; or put quotes around the value"},
    {"did not find expected node content",
     "put quotes around a value such as \"[::1]:80\" or \":80\""},
    {"mapping values are not allowed",
     "put quotes around a value that has a colon and a space in it"},
    {"did not find expected key", "is everything of a section indented alike?"},
    {"could not find expected ':'", "expected `setting: value`"},
    {"did not find expected ','", "is a bracket left open?"},
};

static const char *hint_for(const char *problem)
{
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++)
        if (strstr(problem, hints[i].part) != NULL)
            return hints[i].hint;
    return NULL;
}

/* The place of byte @offset: libyaml's reader keeps no line, but knows the byte. */
static struct config__span span_at_byte(const struct builder *builder, size_t offset)
{
    struct config__span span = {.source = builder->source, .length = 1};
    const char *at = builder->source->text, *end = at + builder->source->bytes;
    const char *bad = offset < builder->source->bytes ? at + offset : end;
    while (at < bad) {
        uint32_t code_point;
        span.line += *at == '\n';
        span.column = *at == '\n' ? 0 : span.column + 1;
        at += config_words_character(at, end, &code_point);
    }
    return span;
}

/* What libyaml has against the text, where it says it. */
static bool refuse_syntax(struct builder *builder, const yaml_parser_t *parser)
{
    const char *problem = parser->problem != NULL ? parser->problem : "it cannot be read";
    if (parser->error == YAML_MEMORY_ERROR)
        return config__no_memory(builder->errors);
    const struct config__span span =
        parser->error == YAML_READER_ERROR
            ? span_at_byte(builder, builder->skipped + parser->problem_offset)
            : span_at(builder, &parser->problem_mark);
    char context[CONFIG__TEXT_BYTES] = "";
    if (parser->context != NULL)
        (void)snprintf(context, sizeof context, " %s", parser->context);
    config__report(builder->errors,
                   &(struct config__report){.at = &span, .hint = hint_for(problem)},
                   "not valid YAML: %s%s", problem, context);
    return false;
}

static bool read_events(struct builder *builder, yaml_parser_t *parser)
{
    for (bool is_over = false; !is_over;) {
        yaml_event_t event;
        if (yaml_parser_parse(parser, &event) == 0)
            return refuse_syntax(builder, parser);
        is_over = event.type == YAML_STREAM_END_EVENT;
        const bool is_good = take_event(builder, &event);
        yaml_event_delete(&event);
        if (!is_good)
            return false;
    }
    return true;
}

bool config__yaml_read(struct config *config, const struct config__source *source, size_t skipped,
                       struct config__node **root, struct config_errors *errors)
{
    static const char byte_order_mark[] = "\xEF\xBB\xBF";
    struct builder builder = {
        .config = config, .source = source, .errors = errors, .skipped = skipped};
    yaml_parser_t parser;
    *root = NULL;
    if (yaml_parser_initialize(&parser) == 0)
        return config__no_memory(errors);
    for (const char *at = source->text; at < source->text + skipped; builder.column++) {
        uint32_t code_point;
        at += config_words_character(at, source->text + skipped, &code_point);
    }
    if (skipped == 0 && source->bytes >= 3 && memcmp(source->text, byte_order_mark, 3) == 0)
        builder.skipped = 3; /* and it counts for no column */
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)source->text + builder.skipped,
                                 source->bytes - builder.skipped);
    const bool is_good = read_events(&builder, &parser);
    yaml_parser_delete(&parser);
    if (is_good)
        *root = builder.root;
    return is_good;
}
