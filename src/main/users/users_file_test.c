/* SPDX-License-Identifier: Apache-2.0 */
/* main/users/users_file_test.c - a file of users gives users, or errors at their places in it. */
#include "main/users/users_file.h"

#include "core/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of "old" and "new". */
#define OLD "cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4"
#define NEW "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437"

static char path[] = "/tmp/pando-users-XXXXXX";

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert(fputs(text, file) >= 0 && fclose(file) == 0);
}

static void begin(void)
{
    if (!secret_is_there())
        cr_skip("built without libsodium");
    const int fd = mkstemp(path);
    cr_assert(fd >= 0);
    close(fd);
}

static void end(void)
{
    (void)unlink(path);
}

TestSuite(users_file, .init = begin, .fini = end);

/* Settings with the listener @listener, in which %s is the file. */
static struct settings *load(const char *listener, struct config_errors *errors)
{
    static const struct settings_request request = {.places = {.is_root = true}};
    char line[256], text[512];
    (void)snprintf(line, sizeof line, listener, path, path);
    (void)snprintf(text, sizeof text, "keyspaces: {carts: {}, users: {}}\nlisteners: {%s}", line);
    *errors = (struct config_errors){0};
    return settings_load_text(&request, "a.yaml", text, strlen(text), errors);
}

#define LOCAL "data: {redis: \"127.0.0.1:1\", users-file: %s}"
#define FAR   "data: {redis: \"0.0.0.0:1\", users-file: %s}"

static struct settings *get(const char *listener)
{
    struct config_errors errors;
    struct settings *settings = load(listener, &errors);
    if (settings == NULL)
        config_errors_write_text(&errors, stderr);
    cr_assert_not_null(settings);
    return settings;
}

/* The one error of @text. */
static void expect_error(const char *text, uint32_t line, uint32_t column, const char *message,
                         const char *hint)
{
    struct config_errors errors;
    write_file(text);
    cr_expect_null(load(LOCAL, &errors), "%s", text);
    cr_assert(errors.count == 1, "%s: %zu errors", text, errors.count);
    const struct config_error *error = &errors.at[0];
    cr_expect_str_eq(error->place.file, path);
    cr_expect(error->place.line == line && error->place.column == column, "%s: %u:%u", text,
              error->place.line, error->place.column);
    cr_expect_str_eq(error->message, message);
    cr_expect(hint == NULL || (error->hint != NULL && strstr(error->hint, hint) != NULL), "%s",
              error->hint);
    config_errors_free(&errors);
}

/* The one error about the file as a whole, said at the listener. */
static void expect_refused(const char *listener, const char *words)
{
    struct config_errors errors;
    cr_expect_null(load(listener, &errors));
    cr_assert(errors.count == 1, "%zu errors", errors.count);
    cr_expect_str_eq(errors.at[0].place.file, "a.yaml");
    cr_expect(strstr(errors.at[0].message, words) != NULL, "%s", errors.at[0].message);
    config_errors_free(&errors);
}

Test(users_file, becomes_users)
{
    write_file("users:\n"
               "  anna: {password-sha256: [" OLD ", " NEW "], keyspaces: [users, carts], "
               "access: read}\n"
               "  berta: {password-sha256: " NEW "}\n"
               "  default: {nopass: true, keyspaces: carts}\n");
    struct settings *settings = get(LOCAL);
    const struct users *users = settings->listeners[0].users;
    const struct user *anna = users_authenticate(users, bytes_of("anna"), bytes_of("new"));
    const struct user *berta = users_authenticate(users, bytes_of("berta"), bytes_of("new"));
    cr_assert(anna != NULL && berta != NULL);
    cr_expect_eq(anna, users_authenticate(users, bytes_of("anna"), bytes_of("old")));
    cr_expect_null(users_authenticate(users, bytes_of("berta"), bytes_of("old")));
    cr_expect(anna->grant.reads_only && !anna->grant.is_all && anna->grant.keyspaces_count == 2);
    cr_expect(!berta->grant.reads_only && berta->grant.is_all);
    cr_expect(key_grant_has(&users_nameless(users)->grant, bytes_of("carts")));
    settings_free(settings);
}

Test(users_file, says_what_is_wrong_where_it_stands)
{
    expect_error("users:\n  a: {password-sha256: " OLD ", keyspaces: [users, cart]}", 2, 109,
                 "there is no keyspace `cart`", "did you mean `carts`?");
    expect_error("users:\n  a: {password-sha256: [" OLD ", abc]}", 2, 91,
                 "this is not a SHA-256 of 64 hexadecimal digits", "`pando password`");
    expect_error("users:\n  a: {access: read}", 2, 6,
                 "this user has no password, nor `nopass: true`", "`pando password`");
    expect_error("users:\n  a: {nopass: true, password-sha256: " OLD "}", 2, 15,
                 "this user has a password and needs none", NULL);
    expect_error("users:\n  a: {nopass: true, acess: read}", 2, 21,
                 "unknown setting `acess` in users.a", "did you mean `access`?");
    expect_error("users:\n  a: {nopass: true, access: all}", 2, 29,
                 "users.a.access cannot be `all`", NULL);
    expect_error("users:\n  a: {nopass: true, keyspaces: []}", 2, 32,
                 "users.a.keyspaces has 0 elements", NULL);
    expect_error("users: {}", 1, 8, "users has 0 elements", NULL);
    expect_error("include: [other.yaml]", 1, 11, "nothing can be included here", NULL);
}

Test(users_file, says_all_of_it_at_once)
{
    struct config_errors errors;
    write_file("users:\n  a: {access: all}\n  b: {nopass: true, keyspaces: [x, y]}\n");
    cr_expect_null(load(LOCAL, &errors));
    cr_expect_eq(errors.count, 4);
    config_errors_free(&errors);
}

Test(users_file, is_refused_if_everybody_may_read_it)
{
    write_file("users: {a: {password-sha256: " OLD "}}");
    const mode_t refused[] = {0604, 0602, 0601};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        cr_assert(chmod(path, refused[i]) == 0);
        expect_refused(LOCAL, "everybody may read or change it");
    }
    cr_assert(chmod(path, 0640) == 0);
    settings_free(get(LOCAL));
}

Test(users_file, is_refused_if_it_is_not_there)
{
    expect_refused("data: {redis: \"127.0.0.1:1\", users-file: /tmp}", "it is not a file");
    (void)unlink(path);
    expect_refused(LOCAL, "it cannot be read: No such file or directory");
}

Test(users_file, belongs_to_a_listener_that_asks)
{
    write_file("users: {a: {password-sha256: " OLD "}}");
    expect_refused("data: {admin: \"127.0.0.1:1\", users-file: %s}",
                   "this listener asks nobody who he is");
}

Test(users_file, lets_a_listener_stand_before_other_machines)
{
    write_file("users: {a: {password-sha256: " OLD "}}");
    settings_free(get(FAR));
    write_file("users: {a: {password-sha256: " OLD "}, b: {nopass: true}}");
    expect_refused(FAR, "a user with `nopass: true` would be open to other machines");
    settings_free(get("data: {redis: \"0.0.0.0:1\", users-file: %s, open: true}"));
}

Test(users_file, is_read_once_for_all_listeners)
{
    write_file("users: {a: {password-sha256: " OLD "}}");
    struct settings *settings = get(LOCAL ", more: {redis: \"127.0.0.1:2\", users-file: %s}");
    cr_assert_eq(settings->listeners_count, 2);
    cr_expect_not_null(settings->listeners[0].users);
    cr_expect_eq(settings->listeners[0].users, settings->listeners[1].users);
    settings_free(settings);
}

static size_t count_changes(const struct settings *old, const struct settings *new)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    const size_t changes = users_file_write_changes(old, new, out);
    cr_assert(fclose(out) == 0);
    cr_expect(changes == 0 ? bytes == 0 : strstr(text, "has changed and was read anew") != NULL);
    free(text);
    return changes;
}

Test(users_file, tells_that_it_changed_under_the_same_name)
{
    write_file("users: {a: {password-sha256: " OLD "}}");
    struct settings *old = get(LOCAL), *same = get(LOCAL);
    write_file("users: {a: {password-sha256: " NEW "}}");
    struct settings *new = get(LOCAL ", more: {redis: \"127.0.0.1:2\", users-file: %s}");
    cr_expect_eq(count_changes(old, same), 0);
    cr_expect_eq(count_changes(old, new), 1);
    settings_free(old);
    settings_free(same);
    settings_free(new);
}

/* Whichever allocation fails: it is said, and nothing is lost (the sanitizer sees that). */
Test(users_file, is_refused_whole_without_memory)
{
    write_file("users: {a: {password-sha256: " OLD ", keyspaces: carts}, b: {nopass: true}}");
    struct settings *settings = NULL;
    for (uint64_t n = 1; settings == NULL; n++) {
        struct config_errors errors;
        cr_assert(n < 1000);
        fault_fail_nth(FAULT_ALLOCATION, n);
        settings = load(LOCAL, &errors);
        cr_expect((settings == NULL) == (errors.count > 0), "%lu", (unsigned long)n);
        config_errors_free(&errors);
    }
    cr_expect_not_null(settings->listeners[0].users);
    settings_free(settings);
}
