/* SPDX-License-Identifier: Apache-2.0 */
/* config/config.c - files and what they include, flags over them, and complaints about them. */
#include "config/config.h"

#include "config/tree.h"
#include "config/value/words.h"
#include "core/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES 65536u

struct config *config_new(void)
{
    struct config *config = mem_alloc(sizeof *config);
    if (config != NULL)
        config->memory = (struct arena){.heap_bytes_max = CONFIG__MEMORY_BYTES_MAX};
    return config;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    arena_fini(&config->memory);
    mem_free(config);
}

void *config_allocate(struct config *config, size_t bytes)
{
    return config__take(&config->memory, bytes);
}

/* ---- files ---- */

/* A source whose name is fit for a terminal. NULL: no memory. */
static struct config__source *source_new(struct config *config, const char *name)
{
    char clean[CONFIG__TEXT_BYTES];
    struct config__source *source = config__take(&config->memory, sizeof *source);
    config_words_clean(clean, sizeof clean, name, strlen(name), sizeof clean);
    if (source != NULL)
        source->name = config__copy(&config->memory, clean, strlen(clean));
    return source != NULL && source->name != NULL ? source : NULL;
}

static bool refuse_file(const struct config__span *asked, const struct config__source *source,
                        const char *why, struct config_errors *errors)
{
    const struct config__span whole = {.source = source, .line = CONFIG__WHOLE_FILE};
    config__report(errors, &(struct config__report){.at = asked != NULL ? asked : &whole}, "%s: %s",
                   source->name, why);
    return false;
}

/* Reads @descriptor to its end into *@text (from mem_alloc). NULL, or why not. */
static const char *read_all(int descriptor, char **text, size_t *bytes)
{
    size_t room = 0;
    *text = NULL;
    for (*bytes = 0;;) {
        if (*bytes > CONFIG_FILE_BYTES_MAX)
            return "larger than the 4 MiB that a configuration file may have";
        if (room - *bytes < READ_BYTES) {
            room = room * 2 + READ_BYTES;
            char *larger = mem_resize(*text, room);
            if (larger == NULL)
                return "out of memory";
            *text = larger;
        }
        const ssize_t got = read(descriptor, *text + *bytes, room - *bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return strerror(errno);
        if (got == 0)
            return NULL;
        *bytes += (size_t)got;
    }
}

/* Fills @source from the file at its path. NULL, or why not. */
static const char *source_read(struct config *config, struct config__source *source)
{
    struct stat status;
    char *text = NULL;
    const int descriptor = open(source->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (descriptor < 0)
        return strerror(errno);
    const char *why = fstat(descriptor, &status) != 0 ? strerror(errno) : NULL;
    if (why == NULL) {
        source->device = status.st_dev;
        source->inode = status.st_ino;
        why = read_all(descriptor, &text, &source->bytes);
    }
    if (why == NULL) {
        source->text = config__copy(&config->memory, text, source->bytes);
        why = source->text == NULL ? "out of memory" : NULL;
    }
    mem_free(text);
    (void)close(descriptor);
    return why;
}

static bool is_read_already(const struct config *config, const struct config__source *source)
{
    for (size_t i = 0; i < config->files_count; i++)
        if (config->files[i]->device == source->device && config->files[i]->inode == source->inode)
            return true;
    return false;
}

/* @name as seen from the file that includes it. NULL: no memory. */
static const char *resolve(struct config *config, const char *from, const char *name)
{
    const char *slash = strrchr(from, '/');
    const size_t folder_bytes = slash == NULL || name[0] == '/' ? 0 : (size_t)(slash - from) + 1;
    char *path = config__take(&config->memory, folder_bytes + strlen(name) + 1);
    if (path != NULL) {
        memcpy(path, from, folder_bytes);
        memcpy(path + folder_bytes, name, strlen(name));
    }
    return path;
}

/* Takes `include` out of @root; NULL: it is not there. */
static struct config__node *take_include(struct config__node *root)
{
    struct config__node *include = NULL, *next, *child = root->first;
    root->first = root->last = NULL;
    root->count = 0;
    for (; child != NULL; child = next) {
        next = child->next;
        if (strcmp(child->key, "include") == 0)
            include = child;
        else
            config__node_append(root, child);
    }
    return include;
}

static bool load(struct config *config, const char *path, const struct config__span *asked,
                 unsigned depth, struct config_errors *errors);

static bool load_included(struct config *config, const struct config__source *source,
                          const struct config__node *name, unsigned depth,
                          struct config_errors *errors)
{
    if (name->kind != CONFIG__SCALAR || config__node_is_empty(name)) {
        config__report(errors,
                       &(struct config__report){
                           .at = config__node_place(name),
                           .hint = "expected a file or a list of files, such as [services.yaml]",
                           .manual = "include"},
                       "include cannot be this");
        return false;
    }
    if (source->path == NULL) {
        config__report(errors, &(struct config__report){.at = &name->span},
                       "nothing can be included here");
        return false;
    }
    const char *path = resolve(config, source->path, name->text);
    return path != NULL ? load(config, path, &name->span, depth + 1, errors)
                        : config__no_memory(errors);
}

/* Takes over what a source says, then what the files say that it includes. */
static bool take_source(struct config *config, const struct config__source *source, unsigned depth,
                        struct config_errors *errors)
{
    struct config__node *root;
    const size_t count_before = errors->count;
    const struct config__span start = {.source = source, .line = CONFIG__WHOLE_FILE};
    if (!config__yaml_read(config, source, 0, &root, errors))
        return false;
    if (root == NULL || config__node_is_empty(root))
        root = config__node_new(config, CONFIG__MAPPING, &start, errors);
    if (root == NULL)
        return false;
    if (root->kind != CONFIG__MAPPING) {
        config__report(
            errors,
            &(struct config__report){.at = &root->span, .hint = "expected `setting: value`"},
            "a file holds a section of settings");
        return false;
    }
    root->span = start;
    struct config__node *include = take_include(root);
    if (config->root == NULL)
        config->root = root;
    else
        config__merge(config->table, "", config->root, root, errors);
    if (include != NULL && include->kind != CONFIG__SEQUENCE)
        (void)load_included(config, source, include, depth, errors);
    else if (include != NULL)
        for (const struct config__node *name = include->first; name != NULL; name = name->next)
            (void)load_included(config, source, name, depth, errors);
    return errors->count == count_before;
}

static bool load(struct config *config, const char *path, const struct config__span *asked,
                 unsigned depth, struct config_errors *errors)
{
    struct config__source *source = source_new(config, path);
    if (source == NULL)
        return config__no_memory(errors);
    source->path = path;
    if (depth > CONFIG_INCLUDE_DEPTH_MAX)
        return refuse_file(asked, source, "included over 8 levels deep", errors);
    if (config->files_count == CONFIG_FILES_MAX)
        return refuse_file(asked, source, "one file more than the 64 that a configuration may have",
                           errors);
    const char *why = source_read(config, source);
    if (why != NULL)
        return refuse_file(asked, source, why, errors);
    if (is_read_already(config, source))
        return refuse_file(asked, source, "included a second time", errors);
    config->files[config->files_count++] = source;
    return take_source(config, source, depth, errors);
}

bool config_read_file(struct config *config, const struct config_table *root, const char *path,
                      struct config_errors *errors)
{
    assert(config->root == NULL);
    config->table = root;
    const char *copy = config__copy(&config->memory, path, strlen(path));
    return copy != NULL ? load(config, copy, NULL, 0, errors) : config__no_memory(errors);
}

bool config_read_text(struct config *config, const struct config_table *root,
                      const struct config_text *text, struct config_errors *errors)
{
    assert(config->root == NULL);
    config->table = root;
    struct config__source *source = source_new(config, text->file);
    if (source == NULL)
        return config__no_memory(errors);
    if (text->bytes > CONFIG_FILE_BYTES_MAX)
        return refuse_file(NULL, source, "larger than the 4 MiB that a configuration file may have",
                           errors);
    source->text = config__copy(&config->memory, text->at, text->bytes);
    source->bytes = text->bytes;
    return source->text != NULL ? take_source(config, source, 0, errors)
                                : config__no_memory(errors);
}

/* ---- flags ---- */

struct setter {
    struct config               *config;
    const struct config__source *source;
    struct config_errors        *errors;
    struct config__span          key_span;
    struct config__span          value_span;
};

static uint32_t count_characters(const char *text)
{
    uint32_t count = 0, code_point;
    const char *end = text + strlen(text);
    for (; text < end; count++)
        text += config_words_character(text, end, &code_point);
    return count;
}

/* The row at @path, whatever names stand for map entries; NULL: there is none. */
static const struct config_key *find_row(const struct config_table *table, const char *path)
{
    const struct config_key *key = NULL;
    bool is_entry = false;
    while (*path != '\0') {
        const size_t bytes = strcspn(path, ".");
        char name[CONFIG_WORD_BYTES_MAX + 1];
        if (bytes >= sizeof name || table == NULL)
            return NULL;
        memcpy(name, path, bytes);
        name[bytes] = '\0';
        path += bytes + (path[bytes] == '.');
        key = is_entry ? key : config__key_find(table, name); /* an entry is of its map's row */
        if (key == NULL)
            return NULL;
        is_entry = key->kind == CONFIG_MAP && !is_entry;
        table = key->table;
    }
    return key;
}

/* A scalar of the @bytes at @text, which stand in the flag at @column. NULL: the error was
 * added. */
static struct config__node *scalar_new(const struct setter *setter, const char *text, size_t bytes,
                                       uint32_t column)
{
    struct config__span span = setter->value_span;
    const char *copy = config__copy(&setter->config->memory, text, bytes);
    if (copy == NULL) {
        (void)config__no_memory(setter->errors);
        return NULL;
    }
    span.column = column;
    span.length = count_characters(copy);
    struct config__node *node =
        config__node_new(setter->config, CONFIG__SCALAR, &span, setter->errors);
    if (node != NULL)
        node->text = copy;
    return node;
}

/* "a,b" as a sequence. */
static struct config__node *list_new(const struct setter *setter, const char *words)
{
    uint32_t column = setter->value_span.column;
    struct config__node *list =
        config__node_new(setter->config, CONFIG__SEQUENCE, &setter->value_span, setter->errors);
    for (bool is_last = false; list != NULL && !is_last;) {
        const size_t bytes = strcspn(words, ",");
        struct config__node *word = scalar_new(setter, words, bytes, column);
        if (word == NULL)
            return NULL;
        config__node_append(list, word);
        column += word->span.length + 1;
        is_last = words[bytes] == '\0';
        words += bytes + 1;
    }
    return list;
}

static struct config__node *yaml_new(const struct setter *setter, const char *value)
{
    struct config__node *node;
    const size_t skipped = setter->source->bytes - strlen(value);
    if (!config__yaml_read(setter->config, setter->source, skipped, &node, setter->errors))
        return NULL;
    return node != NULL ? node : scalar_new(setter, "", 0, setter->value_span.column);
}

/* Makes @child the value of @key in @parent, in place of what was there. */
static void put(const struct setter *setter, struct config__node *parent, const char *key,
                struct config__node *child)
{
    struct config__node *old = config__node_find(parent, key);
    child->key = key;
    child->key_span = setter->key_span;
    if (old == NULL) {
        config__node_append(parent, child);
        return;
    }
    child->next = old->next;
    *old = *child;
}

/* The mapping at @key of @parent, made if there is none. NULL: the error was added. */
static struct config__node *step_into(const struct setter *setter, struct config__node *parent,
                                      const char *key)
{
    struct config__node *child = config__node_find(parent, key);
    if (child != NULL && child->kind == CONFIG__MAPPING)
        return child;
    struct config__node *made =
        config__node_new(setter->config, CONFIG__MAPPING, &setter->key_span, setter->errors);
    if (made == NULL)
        return NULL;
    put(setter, parent, key, made);
    return config__node_find(parent, key);
}

static bool put_at(const struct setter *setter, const char *path, struct config__node *value)
{
    struct config__node *parent = setter->config->root;
    for (;;) {
        const size_t bytes = strcspn(path, ".");
        const char *key = config__copy(&setter->config->memory, path, bytes);
        if (key == NULL)
            return config__no_memory(setter->errors);
        if (path[bytes] == '\0') {
            put(setter, parent, key, value);
            return true;
        }
        parent = step_into(setter, parent, key);
        if (parent == NULL)
            return false;
        path += bytes + 1;
    }
}

/* "a.b.c": words with single dots between them, not too many. */
static bool is_path(const char *path)
{
    size_t dots_count = 0;
    for (const char *at = path; *at != '\0'; at++)
        dots_count += *at == '.';
    return path[0] != '\0' && path[0] != '.' && path[strlen(path) - 1] != '.' &&
           strstr(path, "..") == NULL && strpbrk(path, "[]") == NULL &&
           dots_count < CONFIG_DEPTH_MAX;
}

static bool set(const struct setter *setter, const struct config_table *root,
                const struct config_override *override)
{
    const struct config_key *row = find_row(root, override->path);
    struct config__node *value;
    if (!config_words_is_plain(override->shown, strlen(override->shown))) {
        config__report(setter->errors, &(struct config__report){.at = &setter->value_span},
                       "%s takes valid UTF-8 without control characters", override->flag);
        return false;
    }
    if (!is_path(override->path)) {
        config__report(
            setter->errors,
            &(struct config__report){
                .at = &setter->key_span,
                .hint = "expected names with dots between them, as in http.idle-timeout=30s; "
                        "a list is set as a whole"},
            "%s takes setting=value", override->flag);
        return false;
    }
    if (override->is_list)
        value = list_new(setter, override->value);
    else if (row == NULL || config__kind_is_scalar(row->kind))
        value =
            scalar_new(setter, override->value, strlen(override->value), setter->value_span.column);
    else
        value = yaml_new(setter, override->value);
    return value != NULL && put_at(setter, override->path, value);
}

bool config_set(struct config *config, const struct config_table *root,
                const struct config_override *override, struct config_errors *errors)
{
    const size_t shown_bytes = strlen(override->shown), value_bytes = strlen(override->value);
    assert(shown_bytes >= value_bytes &&
           strcmp(override->shown + shown_bytes - value_bytes, override->value) == 0);
    struct config__source *source = source_new(config, override->flag);
    if (source == NULL)
        return config__no_memory(errors);
    source->text = config__copy(&config->memory, override->shown, shown_bytes);
    source->bytes = shown_bytes;
    source->is_flag = true;
    if (source->text == NULL)
        return config__no_memory(errors);
    struct setter setter = {.config = config, .source = source, .errors = errors};
    setter.key_span =
        (struct config__span){.source = source, .length = count_characters(override->shown)};
    if (strncmp(override->shown, override->path, strlen(override->path)) == 0)
        setter.key_span.length = count_characters(override->path);
    setter.value_span =
        (struct config__span){.source = source, .length = count_characters(override->value)};
    setter.value_span.column = count_characters(override->shown) - setter.value_span.length;
    config->table = root;
    if (config->root == NULL)
        config->root = config__node_new(
            config, CONFIG__MAPPING,
            &(struct config__span){.source = source, .line = CONFIG__WHOLE_FILE}, errors);
    return config->root != NULL && set(&setter, root, override);
}

/* ---- places ---- */

static const struct config__node *child_at(const struct config__node *node, size_t index)
{
    const struct config__node *child = node->kind == CONFIG__SEQUENCE ? node->first : NULL;
    for (; child != NULL && index > 0; index--)
        child = child->next;
    return child;
}

/* One step along "a.b[1].c"; moves *@path. NULL: nothing was said there. */
static const struct config__node *step_along(const struct config__node *node, const char **path)
{
    if (**path == '[') {
        char *end;
        const size_t index = strtoul(*path + 1, &end, 10);
        *path = end + (*end == ']') + (end[0] == ']' && end[1] == '.');
        /* Where one element needs no brackets, it stands in the list's place. */
        return node->kind != CONFIG__SEQUENCE && index == 0 ? node : child_at(node, index);
    }
    const size_t bytes = strcspn(*path, ".[");
    for (const struct config__node *child = node->kind == CONFIG__MAPPING ? node->first : NULL;
         child != NULL; child = child->next)
        if (strlen(child->key) == bytes && memcmp(child->key, *path, bytes) == 0) {
            *path += bytes + ((*path)[bytes] == '.');
            return child;
        }
    return NULL;
}

/* The node at @path, or the nearest above it; *@is_exact tells which. NULL: nothing was read at
 * all. */
static const struct config__node *locate(const struct config *config, const char *path,
                                         bool *is_exact)
{
    const struct config__node *node = config->root;
    while (node != NULL && *path != '\0') {
        const struct config__node *below = step_along(node, &path);
        if (below == NULL)
            break;
        node = below;
    }
    *is_exact = node != NULL && *path == '\0';
    return node;
}

bool config_has(const struct config *config, const char *path)
{
    bool is_exact;
    (void)locate(config, path, &is_exact);
    return is_exact;
}

const char *config_entry_with(const struct config *config, const char *path, const char *key)
{
    bool is_exact;
    const struct config__node *map = locate(config, path, &is_exact);
    if (!is_exact || map->kind != CONFIG__MAPPING)
        return NULL;
    for (const struct config__node *entry = map->first; entry != NULL; entry = entry->next)
        if (config__node_find(entry, key) != NULL)
            return entry->key;
    return NULL;
}

static const struct config__span *place_at(const struct config *config, const char *path,
                                           enum config_part part)
{
    bool is_exact;
    const struct config__node *node = path == NULL ? NULL : locate(config, path, &is_exact);
    if (node == NULL)
        return NULL;
    if (node->key != NULL && (part == CONFIG_PART_KEY || !is_exact))
        return &node->key_span;
    return config__node_place(node);
}

void config_complain(const struct config *config, struct config_errors *errors,
                     const struct config_complaint *where, const char *format, ...)
{
    char message[CONFIG__TEXT_BYTES], manual[CONFIG__PATH_BYTES] = "";
    va_list arguments;
    va_start(arguments, format);
    const int bytes = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (config->table != NULL)
        config__manual_write(config->table, where->path, manual, sizeof manual);
    const struct config__report report = {.at = place_at(config, where->path, where->part),
                                          .first =
                                              place_at(config, where->first_path, CONFIG_PART_KEY),
                                          .hint = where->hint,
                                          .manual = manual[0] != '\0' ? manual : NULL};
    config__report(errors, &report, "%s", bytes < 0 ? "" : message);
}
