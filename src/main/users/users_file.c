/* SPDX-License-Identifier: Apache-2.0 */
/* main/users/users_file.c - a file -> rows -> users.
 *
 * The file is opened once and looked at through its descriptor, so that what was checked is what is
 * read; it includes no others, whose modes nobody would look at. */
#include "main/users/users_file.h"

#include "config/value/words.h"
#include "core/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 256
#define FILE_HINT                                                                                  \
    "expected a file that is not for everybody (chmod 640), by an absolute path or from where "    \
    "Pando is started"
#define PASSWORD_HINT "`pando password` draws one and prints what stands here"

#define ACCESSES(X)                                                                                \
    X(ACCESS_WRITE, "write", "reads and changes keys")                                             \
    X(ACCESS_READ, "read", "reads keys")

enum access {
#define X(enumerator, name, gist) enumerator,
    ACCESSES(X)
#undef X
};

static const struct config_choice accesses[] = {ACCESSES(CONFIG_WORD){.name = NULL}};

/* --- what stands in the file ---------------------------------------------------------------- */

struct password_row {
    const char *digits;
};

struct keyspace_row {
    const char *name;
};

struct user_row {
    const char          *name;
    struct password_row *passwords;
    size_t               passwords_count;
    struct keyspace_row *keyspaces;
    size_t               keyspaces_count;
    uint32_t             access;
    bool                 nopass;
};

struct file {
    struct user_row *users;
    size_t           users_count;
};

static const struct config_key password_keys[] = {
    {.name = "sha256",
     .kind = CONFIG_TEXT,
     .required = true,
     .offset = offsetof(struct password_row, digits),
     .highest = 4095,
     .help = "64 hexadecimal digits"},
    {.name = NULL},
};
static const struct config_table password_table = {.keys = password_keys,
                                                   .struct_bytes = sizeof(struct password_row),
                                                   .short_form = "sha256",
                                                   .element = "password"};

static const struct config_key keyspace_keys[] = {
    {.name = "keyspace",
     .kind = CONFIG_TEXT,
     .required = true,
     .offset = offsetof(struct keyspace_row, name),
     .highest = 4095,
     .help = "a name under `keyspaces`"},
    {.name = NULL},
};
static const struct config_table keyspace_table = {.keys = keyspace_keys,
                                                   .struct_bytes = sizeof(struct keyspace_row),
                                                   .short_form = "keyspace",
                                                   .element = "keyspace"};

#define LIST(field, rows, most)                                                                    \
    .kind = CONFIG_LIST, .lowest = 1, .highest = (most), .one_or_many = true, .table = &(rows),    \
    .offset = offsetof(struct user_row, field),                                                    \
    .count_offset = offsetof(struct user_row, field##_count)

static const struct config_key user_keys[] = {
    {.name = "password-sha256",
     LIST(passwords, password_table, USER_PASSWORDS_MAX),
     .help = "the SHA-256 of his password; several while it is changed"},
    {.name = "keyspaces",
     LIST(keyspaces, keyspace_table, KEYSPACES_MAX),
     .help = "the keyspaces that he may use; all unless said"},
    {.name = "access",
     .kind = CONFIG_CHOICE,
     .offset = offsetof(struct user_row, access),
     .choices = accesses,
     .preset = ACCESS_WRITE,
     .help = "whether he may change keys"},
    {.name = "nopass",
     .kind = CONFIG_BOOLEAN,
     .offset = offsetof(struct user_row, nopass),
     .help = "he needs no password; `default` is then who says nothing"},
    {.name = NULL},
};
static const struct config_table user_table = {
    .keys = user_keys, .struct_bytes = sizeof(struct user_row), .element = "user"};

static const struct config_key file_keys[] = {
    {.name = "users",
     .kind = CONFIG_MAP,
     .required = true,
     .lowest = 1,
     .highest = USERS_MAX,
     .offset = offsetof(struct file, users),
     .count_offset = offsetof(struct file, users_count),
     .table = &user_table,
     .help = "who may connect, by name"},
    {.name = NULL},
};
static const struct config_table file_table = {.keys = file_keys,
                                               .struct_bytes = sizeof(struct file)};

/* --- rows -> users -------------------------------------------------------------------------- */

/* One file while it is read. */
struct reader {
    const struct settings *settings;
    struct config         *config; /* the file's; its memory is for all that is made here */
    struct config_errors  *errors;
};

static void no_memory(const struct reader *reader)
{
    config_errors_add(reader->errors,
                      &(struct config_error){.message = "out of memory while users were read"});
}

static void complain(const struct reader *reader, const struct user_row *user, const char *key,
                     const char *hint, const char *message)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "users.%s%s%s", user->name, key[0] == '\0' ? "" : ".", key);
    config_complain(
        reader->config, reader->errors,
        &(struct config_complaint){.path = path, .part = CONFIG_PART_VALUE, .hint = hint}, "%s",
        message);
}

static void complain_keyspace(const struct reader *reader, const struct user_row *user,
                              size_t index)
{
    const struct settings *settings = reader->settings;
    const char *name = user->keyspaces[index].name, *near = NULL;
    char path[PATH_BYTES], hint[PATH_BYTES];
    for (size_t i = 0; i < settings->keyspaces_count; i++)
        if (config_words_near(name, settings->keyspaces[i].name) != SIZE_MAX)
            near = settings->keyspaces[i].name;
    (void)snprintf(path, sizeof path, "users.%s.keyspaces[%zu]", user->name, index);
    (void)snprintf(hint, sizeof hint, "expected a name under `keyspaces`");
    if (near != NULL)
        (void)snprintf(hint, sizeof hint, "did you mean `%s`?", near);
    config_complain(
        reader->config, reader->errors,
        &(struct config_complaint){.path = path, .part = CONFIG_PART_VALUE, .hint = hint},
        "there is no keyspace `%s`", name);
}

static bool is_keyspace(const struct settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->keyspaces_count; i++)
        if (strcmp(settings->keyspaces[i].name, name) == 0)
            return true;
    return false;
}

/* False: no memory. */
static bool fill_grant(const struct reader *reader, const struct user_row *from,
                       struct key_grant *grant)
{
    struct bytes *names =
        config_allocate(reader->config, (from->keyspaces_count + 1) * sizeof *names);
    if (names == NULL)
        return false;
    for (size_t i = 0; i < from->keyspaces_count; i++) {
        names[i] = bytes_of(from->keyspaces[i].name);
        if (!is_keyspace(reader->settings, from->keyspaces[i].name))
            complain_keyspace(reader, from, i);
    }
    *grant = (struct key_grant){.is_all = from->keyspaces_count == 0,
                                .reads_only = from->access == ACCESS_READ,
                                .keyspaces = names,
                                .keyspaces_count = (uint32_t)from->keyspaces_count};
    return true;
}

/* False: no memory. */
static bool fill_passwords(const struct reader *reader, const struct user_row *from,
                           struct users_row *to)
{
    struct secret_digest *digests =
        config_allocate(reader->config, (from->passwords_count + 1) * sizeof *digests);
    if (digests == NULL)
        return false;
    for (size_t i = 0; i < from->passwords_count; i++) {
        char key[64];
        (void)snprintf(key, sizeof key, "password-sha256[%zu]", i);
        if (!secret_digest_read(bytes_of(from->passwords[i].digits), &digests[i]))
            complain(reader, from, key, PASSWORD_HINT,
                     "this is not a SHA-256 of 64 hexadecimal digits");
    }
    to->passwords = digests;
    to->passwords_count = (uint32_t)from->passwords_count;
    return true;
}

/* Is anything said there? What was said wrongly was complained of already. */
static bool says(const struct reader *reader, const struct user_row *user, const char *key)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "users.%s.%s", user->name, key);
    return config_has(reader->config, path);
}

/* False: no memory. */
static bool fill_row(const struct reader *reader, const struct user_row *from, struct users_row *to)
{
    to->name = bytes_of(from->name);
    to->is_nopass = from->nopass;
    if (from->nopass && from->passwords_count > 0)
        complain(reader, from, "nopass", "say one of them",
                 "this user has a password and needs none");
    if (!from->nopass && !says(reader, from, "password-sha256"))
        complain(reader, from, "", PASSWORD_HINT, "this user has no password, nor `nopass: true`");
    return fill_grant(reader, from, &to->grant) && fill_passwords(reader, from, to);
}

/* NULL: complained of. */
static struct users *make_users(const struct reader *reader, const struct file *file, bool is_good)
{
    const size_t count_before = reader->errors->count;
    struct users *users = NULL;
    struct users_row *rows =
        config_allocate(reader->config, (file->users_count + 1) * sizeof *rows);
    bool has_memory = rows != NULL;
    for (size_t i = 0; has_memory && i < file->users_count; i++)
        has_memory = fill_row(reader, &file->users[i], &rows[i]);
    if (has_memory && is_good && reader->errors->count == count_before) {
        users = users_new(rows, (uint32_t)file->users_count);
        has_memory = users != NULL;
    }
    if (!has_memory)
        no_memory(reader);
    return users;
}

static struct users *read_text(const struct settings *settings, const struct config_text *text,
                               struct config_errors *errors)
{
    struct file file = {0};
    const struct reader reader = {settings, config_new(), errors};
    struct users *users = NULL;
    if (reader.config == NULL) {
        no_memory(&reader);
    } else if (config_read_text(reader.config, &file_table, text, errors)) {
        const bool is_good = config_fill(reader.config, &file_table, &file, errors);
        users = make_users(&reader, &file, is_good);
    }
    config_free(reader.config);
    return users;
}

/* --- the file ------------------------------------------------------------------------------- */

/* Reads the open file whole into *@text, from mem_alloc(). */
static enum err_kind read_whole(int fd, char **text, size_t *bytes, struct err *e)
{
    struct stat about;
    if (fstat(fd, &about) != 0)
        return err_set_errno(e, "it cannot be read");
    if (!S_ISREG(about.st_mode))
        return err_set(e, ERR_INPUT, "it is not a file");
    if ((about.st_mode & S_IRWXO) != 0)
        return err_set(e, ERR_INPUT, "everybody may read or change it");
    if (about.st_size > (off_t)CONFIG_FILE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "it is larger than 4 MiB");
    *text = mem_alloc((size_t)about.st_size + 1);
    if (*text == NULL)
        return err_set(e, ERR_MEMORY, "out of memory");
    for (*bytes = 0; *bytes < (size_t)about.st_size;) {
        const ssize_t got = read(fd, *text + *bytes, (size_t)about.st_size - *bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? err_set_errno(e, "it cannot be read")
                           : err_set(e, ERR_INPUT, "it is being written to");
        *bytes += (size_t)got;
    }
    return ERR_NONE;
}

/* NULL: complained of, at the listener if the file is not there or not for us. */
static struct users *read_file(const struct settings *settings,
                               const struct config_complaint *where, const char *path,
                               struct config_errors *errors)
{
    struct err e = {0};
    struct users *users = NULL;
    char *text = NULL;
    size_t bytes = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const enum err_kind failed =
        fd < 0 ? err_set_errno(&e, "it cannot be read") : read_whole(fd, &text, &bytes, &e);
    if (failed != ERR_NONE)
        config_complain(settings->config, errors, where, "users-file %s: %s", path, e.story);
    else
        users = read_text(settings, &(struct config_text){.file = path, .at = text, .bytes = bytes},
                          errors);
    if (fd >= 0)
        close(fd);
    if (text != NULL)
        explicit_bzero(text, bytes);
    mem_free(text);
    return users;
}

/* --- listeners ------------------------------------------------------------------------------ */

/* The listener before @index with the same file; NULL: none. */
static const struct listener_settings *find_same(const struct settings *settings, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(settings->listeners[i].users_file, settings->listeners[index].users_file) == 0)
            return &settings->listeners[i];
    return NULL;
}

static bool needs_no_password(const struct users *users)
{
    for (uint32_t i = 0; i < users_count(users); i++)
        if (users_at(users, i)->is_nopass)
            return true;
    return false;
}

/* Users without a password are as good as none when it comes to other machines. */
static void check_open(const struct settings *settings, const struct listener_settings *listener,
                       const struct config_complaint *where, struct config_errors *errors)
{
    struct config_complaint open = *where;
    open.hint = "use 127.0.0.1, give every user a password, or say `open: true` beside it";
    if (listener->dialect != LISTENER_ADMIN && listener->users != NULL && !listener->open &&
        listener->address->kind != CONFIG_ADDRESS_NONE &&
        !config_address_is_loopback(listener->address) && needs_no_password(listener->users))
        config_complain(settings->config, errors, &open,
                        "a user with `nopass: true` would be open to other machines");
}

static void read_listener(struct settings *settings, size_t index, struct config_errors *errors)
{
    struct listener_settings *listener = &settings->listeners[index];
    const struct listener_settings *same = find_same(settings, index);
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "listeners.%s.users-file", listener->name);
    struct config_complaint where = {.path = path, .part = CONFIG_PART_VALUE, .hint = FILE_HINT};
    if (listener->dialect != LISTENER_REDIS && !listener->keys) {
        where.hint = "it belongs to a redis listener, or to one with `keys: true`";
        where.part = CONFIG_PART_KEY;
        config_complain(settings->config, errors, &where, "this listener asks nobody who he is");
    } else if (!secret_is_there()) {
        where.hint = "build it with -Dsodium=enabled";
        where.part = CONFIG_PART_KEY;
        config_complain(settings->config, errors, &where,
                        "this Pando was built without libsodium and can check no passwords");
    } else if (same != NULL) {
        listener->users = same->users == NULL ? NULL : users_ref(same->users);
    } else {
        listener->users = read_file(settings, &where, listener->users_file, errors);
    }
    check_open(settings, listener, &where, errors);
}

void users_file_read_all(struct settings *settings, struct config_errors *errors)
{
    for (size_t i = 0; i < settings->listeners_count; i++)
        if (settings->listeners[i].users_file[0] != '\0' &&
            settings->listeners[i].dialect != LISTENER_NONE)
            read_listener(settings, i, errors);
}

void users_file_forget_all(struct settings *settings)
{
    for (size_t i = 0; i < settings->listeners_count; i++) {
        users_unref(settings->listeners[i].users);
        settings->listeners[i].users = NULL;
    }
}

/* The users of @path among the first @count listeners; NULL: none. */
static const struct users *find_users(const struct settings *settings, size_t count,
                                      const char *path)
{
    for (size_t i = 0; i < count; i++)
        if (settings->listeners[i].users != NULL &&
            strcmp(settings->listeners[i].users_file, path) == 0)
            return settings->listeners[i].users;
    return NULL;
}

size_t users_file_write_changes(const struct settings *old, const struct settings *new, FILE *out)
{
    size_t changes = 0;
    for (size_t i = 0; i < new->listeners_count; i++) {
        const struct listener_settings *listener = &new->listeners[i];
        const struct users *before = find_users(old, old->listeners_count, listener->users_file);
        if (before == NULL || listener->users == NULL || users_same(before, listener->users) ||
            find_users(new, i, listener->users_file) != NULL)
            continue;
        fprintf(out, "users-file: %s has changed and was read anew\n", listener->users_file);
        changes++;
    }
    return changes;
}
