/* SPDX-License-Identifier: Apache-2.0 */
/* config/fill.c - from nodes to the struct that the rows describe.
 *
 * A struct is first filled with presets, then every key that the file says is looked up, read and
 * stored. Whatever is wrong leaves the preset standing and adds an error, so one pass finds all. */
#include "config/tree.h"
#include "config/value/quantity.h"
#include "config/value/words.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

/* Most rows of one table. */
#define KEYS_MAX 64

struct reader {
    struct config        *config;
    struct config_errors *errors;
    void                 *filled; /* the root struct */
    size_t                path_bytes;
    char                  path[CONFIG__PATH_BYTES];
};

/* Goes down to @name, or to element @index if @name is NULL; returns what leave() needs. */
static size_t enter(struct reader *reader, const char *name, size_t index)
{
    const size_t before = reader->path_bytes, room = sizeof reader->path - before;
    const int bytes =
        name == NULL ? snprintf(reader->path + before, room, "[%zu]", index)
                     : snprintf(reader->path + before, room, "%s%s", before > 0 ? "." : "", name);
    if (bytes > 0)
        reader->path_bytes += (size_t)bytes < room ? (size_t)bytes : room - 1;
    return before;
}

static void leave(struct reader *reader, size_t before)
{
    reader->path_bytes = before;
    reader->path[before] = '\0';
}

/* An error at the setting that @reader's path names. */
static void complain(struct reader *reader, const struct config__span *at, const char *hint,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

static void complain(struct reader *reader, const struct config__span *at, const char *hint,
                     const char *format, ...)
{
    char message[CONFIG__TEXT_BYTES], manual[CONFIG__PATH_BYTES];
    va_list arguments;
    va_start(arguments, format);
    const int bytes = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    config__manual_write(reader->config->table, reader->path, manual, sizeof manual);
    config__report(reader->errors,
                   &(struct config__report){
                       .at = at, .hint = hint, .manual = manual[0] != '\0' ? manual : NULL},
                   "%s", bytes < 0 ? "" : message);
}

/* "http.idle-timeout cannot be `60`", with @hint beside it. */
static bool refuse(struct reader *reader, const struct config__node *node, const char *hint)
{
    char value[CONFIG__TEXT_BYTES];
    if (node->kind == CONFIG__SEQUENCE)
        complain(reader, config__node_place(node), hint, "%s cannot be a list", reader->path);
    else if (node->kind == CONFIG__MAPPING)
        complain(reader, config__node_place(node), hint, "%s cannot be a section", reader->path);
    else if (config__node_is_empty(node))
        complain(reader, node->key != NULL ? &node->key_span : &node->span, hint, "%s has no value",
                 reader->path);
    else {
        config_words_clean(value, sizeof value, node->text, strlen(node->text), 40);
        complain(reader, &node->span, hint, "%s cannot be `%s`", reader->path, value);
    }
    return false;
}

static bool refuse_kind(struct reader *reader, const struct config_key *key,
                        const struct config__node *node)
{
    char hint[CONFIG__TEXT_BYTES], range[CONFIG_QUANTITY_BYTES * 3];
    (void)snprintf(hint, sizeof hint, "expected %s%s%s", config__kind_expected(key->kind),
                   config__kind_is_scalar(key->kind) && key->kind < CONFIG_BOOLEAN ? "," : "",
                   config__range_write(key, range, sizeof range));
    return refuse(reader, node, hint);
}

/* ---- words and numbers ---- */

static void *at(void *base, size_t offset)
{
    return (char *)base + offset;
}

static void store_amount(const struct config_key *key, void *field, uint64_t amount)
{
    const uint32_t count = (uint32_t)amount;
    if (key->kind == CONFIG_COUNT || key->kind == CONFIG_COUNT_OR_NONE ||
        key->kind == CONFIG_COUNT_OR_AUTO || key->kind == CONFIG_CHOICE)
        memcpy(field, &count, sizeof count);
    else
        memcpy(field, &amount, sizeof amount);
}

static enum config_quantity_verdict read_quantity(enum config_kind kind, const char *text,
                                                  uint64_t *amount)
{
    if (kind == CONFIG_COUNT || kind == CONFIG_COUNT_OR_NONE || kind == CONFIG_COUNT_OR_AUTO)
        return config_count_read(text, amount);
    if (kind == CONFIG_SIZE || kind == CONFIG_SIZE_OR_NONE)
        return config_size_read(text, amount);
    return config_duration_read(text, amount);
}

/* A number without a unit: which units there are. */
static bool refuse_bare(struct reader *reader, const struct config_key *key,
                        const struct config__node *node)
{
    char hint[CONFIG__TEXT_BYTES], number[CONFIG_WORD_BYTES_MAX];
    const bool is_size = key->kind == CONFIG_SIZE || key->kind == CONFIG_SIZE_OR_NONE;
    config_words_clean(number, sizeof number, node->text, strlen(node->text), 20);
    if (is_size)
        (void)snprintf(hint, sizeof hint, "a bare number: say its unit, as in %sB, %sKiB or %sMiB",
                       number, number, number);
    else
        (void)snprintf(hint, sizeof hint,
                       "a bare number: say its unit, as in %sms, %ss, %sm or %sh", number, number,
                       number, number);
    return refuse(reader, node, hint);
}

static bool read_amount(struct reader *reader, const struct config_key *key,
                        const struct config__node *node, void *field)
{
    const char *word = config__word_of(key->kind);
    uint64_t amount;
    if (word != NULL && strcmp(node->text, word) == 0) {
        store_amount(key, field, CONFIG_NONE);
        return true;
    }
    const enum config_quantity_verdict verdict = read_quantity(key->kind, node->text, &amount);
    if (verdict == CONFIG_QUANTITY_NO_UNIT)
        return refuse_bare(reader, key, node);
    if (verdict != CONFIG_QUANTITY_GOOD || amount < key->lowest || amount > key->highest)
        return refuse_kind(reader, key, node);
    store_amount(key, field, amount);
    return true;
}

static bool read_boolean(struct reader *reader, const struct config_key *key,
                         const struct config__node *node, void *field)
{
    const bool value = strcmp(node->text, "true") == 0;
    if (!value && strcmp(node->text, "false") != 0)
        return refuse_kind(reader, key, node);
    memcpy(field, &value, sizeof value);
    return true;
}

static bool read_text(struct reader *reader, const struct config_key *key,
                      const struct config__node *node, void *field)
{
    const size_t bytes = strlen(node->text);
    char hint[CONFIG__TEXT_BYTES];
    if (!config_words_is_plain(node->text, bytes))
        return refuse(reader, node, "expected a text without control characters");
    if (bytes < key->lowest || bytes > key->highest) {
        (void)snprintf(hint, sizeof hint, "expected a text of %zu to %zu bytes",
                       (size_t)key->lowest, (size_t)key->highest);
        return refuse(reader, node, hint);
    }
    memcpy(field, &node->text, sizeof node->text);
    return true;
}

/* "did you mean `x`?" or "expected one of a, b or c". */
static bool refuse_choice(struct reader *reader, const struct config_key *key,
                          const struct config__node *node)
{
    char hint[CONFIG__TEXT_BYTES];
    const char *nearest = NULL;
    size_t nearest_distance = SIZE_MAX, used;
    for (const struct config_choice *choice = key->choices; choice->name != NULL; choice++) {
        const size_t distance = config_words_near(node->text, choice->name);
        if (distance < nearest_distance) {
            nearest_distance = distance;
            nearest = choice->name;
        }
    }
    used = (size_t)snprintf(hint, sizeof hint,
                            nearest != NULL ? "did you mean `%s`?" : "expected one of", nearest);
    for (const struct config_choice *choice = key->choices;
         nearest == NULL && choice->name != NULL && used < sizeof hint; choice++)
        used += (size_t)snprintf(hint + used, sizeof hint - used, "%s%s",
                                 choice == key->choices   ? " "
                                 : choice[1].name == NULL ? " or "
                                                          : ", ",
                                 choice->name);
    return refuse(reader, node, hint);
}

static bool read_choice(struct reader *reader, const struct config_key *key,
                        const struct config__node *node, void *field)
{
    for (uint32_t i = 0; key->choices[i].name != NULL; i++)
        if (strcmp(key->choices[i].name, node->text) == 0) {
            store_amount(key, field, i);
            return true;
        }
    return refuse_choice(reader, key, node);
}

static bool no_memory(struct reader *reader)
{
    return config__no_memory(reader->errors);
}

static bool read_address(struct reader *reader, const struct config_key *key,
                         const struct config__node *node, void *field)
{
    struct config_address address;
    char hint[CONFIG__TEXT_BYTES];
    char *host =
        config__take(&reader->config->memory, strlen(node->text) + CONFIG_HOST_EXTRA_BYTES);
    if (host == NULL)
        return no_memory(reader);
    if (!config_words_is_plain(node->text, strlen(node->text)))
        return refuse(reader, node, "expected an address without control characters");
    const char *expected = config_address_read(
        &address, node->text,
        key->kind == CONFIG_LISTEN ? CONFIG_ADDRESS_LISTEN : CONFIG_ADDRESS_TARGET, host);
    if (expected != NULL) {
        (void)snprintf(hint, sizeof hint, "expected %s", expected);
        return refuse(reader, node, hint);
    }
    memcpy(field, &address, sizeof address);
    return true;
}

static bool read_scalar(struct reader *reader, const struct config_key *key,
                        const struct config__node *node, void *field)
{
    if (node->kind != CONFIG__SCALAR || config__node_is_empty(node))
        return refuse_kind(reader, key, node);
    switch (key->kind) {
    case CONFIG_BOOLEAN: return read_boolean(reader, key, node, field);
    case CONFIG_TEXT: return read_text(reader, key, node, field);
    case CONFIG_CHOICE: return read_choice(reader, key, node, field);
    case CONFIG_LISTEN:
    case CONFIG_TARGET: return read_address(reader, key, node, field);
    default: return read_amount(reader, key, node, field);
    }
}

/* ---- lists and sections ---- */

static void fill_section(struct reader *reader, const struct config_table *table,
                         const struct config__node *node, void *base);

/* Is the number of elements within the row's bounds? */
static bool check_count(struct reader *reader, const struct config_key *key,
                        const struct config__node *node, size_t count)
{
    char hint[CONFIG__TEXT_BYTES];
    if (count >= key->lowest && count <= config__count_max(key))
        return true;
    (void)snprintf(hint, sizeof hint, "expected %zu to %zu", (size_t)key->lowest,
                   (size_t)config__count_max(key));
    complain(reader, config__node_place(node), hint, "%s has %zu element%s", reader->path, count,
             count == 1 ? "" : "s");
    return false;
}

static bool read_network(struct reader *reader, const struct config__node *node,
                         struct config_network *network)
{
    char hint[CONFIG__TEXT_BYTES];
    if (node->kind != CONFIG__SCALAR || config__node_is_empty(node))
        return refuse(reader, node, "expected a network such as 10.0.0.0/8");
    const char *expected = config_network_read(network, node->text);
    if (expected == NULL)
        return true;
    (void)snprintf(hint, sizeof hint, "expected %s", expected);
    return refuse(reader, node, hint);
}

static bool read_networks(struct reader *reader, const struct config_key *key,
                          const struct config__node *node, void *field)
{
    const bool is_list = node->kind == CONFIG__SEQUENCE;
    const size_t count = is_list ? node->count : 1;
    const struct config__node *element = is_list ? node->first : node;
    if (node->kind == CONFIG__MAPPING)
        return refuse_kind(reader, key, node);
    if (!check_count(reader, key, node, count))
        return false;
    struct config_network *networks =
        config__take(&reader->config->memory, count * sizeof *networks);
    if (networks == NULL)
        return no_memory(reader);
    bool is_good = true;
    for (size_t i = 0; i < count; i++, element = element->next) {
        const size_t before = is_list ? enter(reader, NULL, i) : reader->path_bytes;
        is_good &= read_network(reader, element, &networks[i]);
        leave(reader, before);
    }
    const struct config_networks list = {.at = count > 0 ? networks : NULL, .count = count};
    if (is_good)
        memcpy(field, &list, sizeof list);
    return is_good;
}

static void store_list(const struct config_key *key, void *base, void *elements, size_t count)
{
    memcpy(at(base, key->offset), &elements, sizeof elements);
    memcpy(at(base, key->count_offset), &count, sizeof count);
}

static void set_presets(struct reader *reader, const struct config_table *table, void *base)
{
    for (const struct config_key *key = table->keys; key->name != NULL; key++) {
        void *field = at(base, key->offset);
        const bool is_true = key->preset != 0;
        if (key->kind == CONFIG_SECTION && key->preset_offset != 0)
            memcpy(field, at(reader->filled, key->preset_offset - 1), key->table->struct_bytes);
        else if (key->kind == CONFIG_SECTION)
            set_presets(reader, key->table, field);
        else if (key->kind == CONFIG_BOOLEAN)
            memcpy(field, &is_true, sizeof is_true);
        else if (key->kind == CONFIG_TEXT)
            memcpy(field, &key->preset_text, sizeof key->preset_text);
        else if (key->kind <= CONFIG_CHOICE)
            store_amount(key, field, key->preset);
        /* Addresses, lists and maps are empty: zero. */
    }
}

/* One element of a list or map. */
static void fill_element(struct reader *reader, const struct config_table *table,
                         const struct config__node *node, void *base)
{
    const struct config__node *said = node;
    struct config__node word, wrapped;
    set_presets(reader, table, base);
    if (table->short_form != NULL && node->kind == CONFIG__SCALAR && !config__node_is_empty(node)) {
        word = *node;
        word.key = table->short_form;
        word.next = NULL;
        wrapped = (struct config__node){.kind = CONFIG__MAPPING, .span = node->span};
        config__node_append(&wrapped, &word);
        said = &wrapped;
    }
    fill_section(reader, table, said, base);
}

static bool read_list(struct reader *reader, const struct config_key *key,
                      const struct config__node *node, void *base)
{
    const bool is_list = node->kind == CONFIG__SEQUENCE;
    const size_t count = is_list ? node->count : 1;
    const struct config__node *element = is_list ? node->first : node;
    if (!is_list && (!key->one_or_many || config__node_is_empty(node)))
        return refuse_kind(reader, key, node);
    if (!check_count(reader, key, node, count))
        return false;
    char *elements = config__take(&reader->config->memory, count * key->table->struct_bytes);
    if (elements == NULL)
        return no_memory(reader);
    for (size_t i = 0; i < count; i++, element = element->next) {
        const size_t before = is_list ? enter(reader, NULL, i) : reader->path_bytes;
        fill_element(reader, key->table, element, elements + i * key->table->struct_bytes);
        leave(reader, before);
    }
    store_list(key, base, elements, count);
    return true;
}

static bool read_map(struct reader *reader, const struct config_key *key,
                     const struct config__node *node, void *base)
{
    if (config__node_is_empty(node))
        return key->lowest == 0 || check_count(reader, key, node, 0);
    if (node->kind != CONFIG__MAPPING)
        return refuse_kind(reader, key, node);
    if (!check_count(reader, key, node, node->count))
        return false;
    char *entries = config__take(&reader->config->memory, node->count * key->table->struct_bytes);
    if (entries == NULL)
        return no_memory(reader);
    size_t count = 0;
    for (const struct config__node *entry = node->first; entry != NULL;
         entry = entry->next, count++) {
        char *base_of = entries + count * key->table->struct_bytes;
        if (!config__is_entry_name(entry->key))
            complain(reader, &entry->key_span, "expected 1 to 64 letters, digits, - and _",
                     "`%s` cannot name a %s", entry->key, key->table->element);
        const size_t before = enter(reader, entry->key, 0);
        fill_element(reader, key->table, entry, base_of);
        memcpy(base_of, &entry->key, sizeof entry->key);
        leave(reader, before);
    }
    store_list(key, base, entries, count);
    return true;
}

static void read_value(struct reader *reader, const struct config_key *key,
                       const struct config__node *node, void *base)
{
    const size_t before = enter(reader, key->name, 0);
    switch (key->kind) {
    case CONFIG_SECTION: fill_section(reader, key->table, node, at(base, key->offset)); break;
    case CONFIG_LIST: (void)read_list(reader, key, node, base); break;
    case CONFIG_MAP: (void)read_map(reader, key, node, base); break;
    case CONFIG_NETWORKS: (void)read_networks(reader, key, node, at(base, key->offset)); break;
    default: (void)read_scalar(reader, key, node, at(base, key->offset)); break;
    }
    leave(reader, before);
}

/* The row whose name is nearest to what was typed, or NULL. */
static const struct config_key *find_near(const struct config_table *table, const char *typed)
{
    const struct config_key *nearest = NULL;
    size_t nearest_distance = SIZE_MAX;
    for (const struct config_key *key = table->keys; key->name != NULL; key++) {
        const size_t distance = key->hidden ? SIZE_MAX : config_words_near(typed, key->name);
        if (distance < nearest_distance) {
            nearest_distance = distance;
            nearest = key;
        }
    }
    return nearest;
}

static void refuse_unknown(struct reader *reader, const struct config_table *table,
                           const struct config__node *node)
{
    char hint[CONFIG__TEXT_BYTES], name[CONFIG__TEXT_BYTES];
    const bool is_seen = reader->errors->count < CONFIG_ERRORS_MAX; /* else why search */
    const struct config_key *near = is_seen ? find_near(table, node->key) : NULL;
    size_t before = reader->path_bytes;
    const char *in = before > 0 ? " in " : "";
    char place[CONFIG__PATH_BYTES];
    memcpy(place, reader->path, sizeof place);
    config_words_clean(name, sizeof name, node->key, strlen(node->key), 40);
    if (near != NULL) {
        (void)snprintf(hint, sizeof hint, "did you mean `%s`?", near->name);
        before = enter(reader, near->name, 0);
    }
    complain(reader, &node->key_span, near != NULL ? hint : NULL, "unknown setting `%s`%s%s", name,
             in, place);
    leave(reader, before);
}

/* Sets in @said, for each row, the node that says it. */
static void sort_out(struct reader *reader, const struct config_table *table,
                     const struct config__node *node, const struct config__node *said[KEYS_MAX])
{
    for (const struct config__node *child = node->first; child != NULL; child = child->next) {
        const struct config_key *key = config__key_find(table, child->key);
        if (key != NULL)
            said[key - table->keys] = child;
        else
            refuse_unknown(reader, table, child);
    }
}

static void refuse_missing(struct reader *reader, const struct config_key *key,
                           const struct config__node *node)
{
    const size_t before = enter(reader, key->name, 0);
    complain(reader, node->key != NULL ? &node->key_span : config__node_place(node), key->help,
             "%s is missing", reader->path);
    leave(reader, before);
}

static void fill_section(struct reader *reader, const struct config_table *table,
                         const struct config__node *node, void *base)
{
    const struct config__node *said[KEYS_MAX] = {0};
    const bool is_section = node->kind == CONFIG__MAPPING || config__node_is_empty(node);
    if (node->kind == CONFIG__MAPPING)
        sort_out(reader, table, node, said);
    else if (!is_section)
        (void)refuse(reader, node, "expected a section of settings, `name: value`");
    /* Entries of a map may have presets from sections beside it, so those are read first. */
    for (unsigned pass = 0; pass < 2; pass++)
        for (size_t i = 0; table->keys[i].name != NULL; i++) {
            const struct config_key *key = &table->keys[i];
            assert(i < KEYS_MAX);
            if ((key->kind == CONFIG_MAP) != (pass == 1))
                continue;
            if (said[i] != NULL)
                read_value(reader, key, said[i], base);
            else if (key->required && is_section)
                refuse_missing(reader, key, node);
        }
}

bool config_fill(struct config *config, const struct config_table *root, void *filled,
                 struct config_errors *errors)
{
    const size_t count_before = errors->count;
    struct reader reader = {.config = config, .errors = errors, .filled = filled};
    config->table = root;
    const struct config__node nothing = {.kind = CONFIG__MAPPING};
    set_presets(&reader, root, filled);
    fill_section(&reader, root, config->root != NULL ? config->root : &nothing, filled);
    return errors->count == count_before;
}
