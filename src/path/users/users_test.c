/* SPDX-License-Identifier: Apache-2.0 */
/* path/users/users_test.c - a password opens its user alone; a changed file is noticed. */
#include "path/users/users.h"

#include "core/mem.h"

#include <criterion/criterion.h>

static const struct bytes shop_keyspaces[] = {{(const uint8_t *)"users", 5},
                                              {(const uint8_t *)"carts", 5}};
static struct secret_digest old_password, new_password, clerk_password;
static struct users_row rows[3];
static struct users *users;

/* anna has two passwords and two keyspaces, clerk one and all, `default` needs none. */
static void begin(void)
{
    if (!secret_is_there())
        cr_skip("built without libsodium");
    secret_digest(bytes_of("old"), &old_password);
    secret_digest(bytes_of("new"), &new_password);
    secret_digest(bytes_of("clerk's"), &clerk_password);
    static struct secret_digest annas[2];
    annas[0] = old_password;
    annas[1] = new_password;
    rows[0] = (struct users_row){.name = bytes_of("default"),
                                 .is_nopass = true,
                                 .grant = {.keyspaces = &shop_keyspaces[1], .keyspaces_count = 1}};
    rows[1] = (struct users_row){
        .name = bytes_of("anna"),
        .grant = {.reads_only = true, .keyspaces = shop_keyspaces, .keyspaces_count = 2},
        .passwords = annas,
        .passwords_count = 2};
    rows[2] = (struct users_row){.name = bytes_of("clerk"),
                                 .grant = {.is_all = true},
                                 .passwords = &clerk_password,
                                 .passwords_count = 1};
    users = users_new(rows, 3);
    cr_assert_not_null(users);
}

static void end(void)
{
    users_unref(users);
}

static const char *name_of(const struct user *user)
{
    static char text[64];
    if (user == NULL)
        return "nobody";
    memcpy(text, user->name.at, user->name.count);
    text[user->name.count] = '\0';
    return text;
}

static const char *who(const char *name, const char *password)
{
    return name_of(users_authenticate(users, bytes_of(name), bytes_of(password)));
}

TestSuite(users, .init = begin, .fini = end);

Test(users, know_each_by_any_of_his_passwords)
{
    cr_expect_str_eq(who("anna", "old"), "anna");
    cr_expect_str_eq(who("anna", "new"), "anna");
    cr_expect_str_eq(who("clerk", "clerk's"), "clerk");
}

Test(users, know_nobody_by_a_wrong_one)
{
    cr_expect_str_eq(who("anna", "clerk's"), "nobody");
    cr_expect_str_eq(who("anna", ""), "nobody");
    cr_expect_str_eq(who("anna", "oldnew"), "nobody");
    cr_expect_str_eq(who("Anna", "old"), "nobody");
    cr_expect_str_eq(who("ann", "old"), "nobody");
    cr_expect_str_eq(who("zoe", "old"), "nobody");
}

/* An empty place among the passwords is zeros, whose password nobody knows, and does not count. */
Test(users, do_not_take_an_empty_place_for_a_password)
{
    struct user_login login = {.user = users_named(users, bytes_of("clerk")), .is_said = true};
    users_renew(users, &login);
    cr_expect_null(login.user);
}

Test(users, take_any_password_of_one_who_needs_none)
{
    cr_expect_str_eq(who("default", "whatever"), "default");
    cr_expect_str_eq(name_of(users_nameless(users)), "default");
}

Test(users, have_nobody_nameless_if_default_needs_a_password)
{
    rows[0].is_nopass = false;
    struct users *strict = users_new(rows, 3);
    cr_expect_null(users_nameless(strict));
    cr_expect_not_null(users_named(strict, bytes_of("default")));
    users_unref(strict);
}

Test(users, refuse_a_password_that_is_too_long)
{
    static char text[USER_PASSWORD_BYTES_MAX + 2];
    struct secret_digest digest;
    memset(text, 'x', USER_PASSWORD_BYTES_MAX);
    secret_digest(bytes_of(text), &digest);
    rows[2].passwords = &digest;
    struct users *long_ones = users_new(rows, 3);
    cr_expect_not_null(users_authenticate(long_ones, bytes_of("clerk"), bytes_of(text)));
    text[USER_PASSWORD_BYTES_MAX] = 'x';
    cr_expect_null(users_authenticate(long_ones, bytes_of("clerk"), bytes_of(text)));
    users_unref(long_ones);
}

Test(users, grant_what_their_rows_say)
{
    const struct user *anna = users_named(users, bytes_of("anna"));
    const struct user *clerk = users_named(users, bytes_of("clerk"));
    cr_expect(key_grant_has(&anna->grant, bytes_of("carts")));
    cr_expect(key_grant_has(&anna->grant, bytes_of("users")));
    cr_expect_not(key_grant_has(&anna->grant, bytes_of("catalogue")));
    cr_expect(anna->grant.reads_only && !clerk->grant.reads_only);
    cr_expect(key_grant_has(&clerk->grant, bytes_of("catalogue")));
    cr_expect(bytes_equal(anna->grant.keyspaces[0], bytes_of("carts")), "ascending");
}

Test(users, stand_in_the_order_of_their_names)
{
    cr_assert_eq(users_count(users), 3);
    cr_expect_str_eq(name_of(users_at(users, 0)), "anna");
    cr_expect_str_eq(name_of(users_at(users, 1)), "clerk");
    cr_expect_str_eq(name_of(users_at(users, 2)), "default");
    cr_expect_eq(user_passwords_count(users_at(users, 0)), 2);
}

/* The client in @login as the rows now are. */
static const char *renewed(struct user_login login)
{
    static char text[64];
    struct users *next = users_new(rows, 3);
    cr_assert_not_null(next);
    users_renew(next, &login);
    cr_expect(login.user == NULL || login.user->users == next);
    (void)strcpy(text, name_of(login.user));
    users_unref(next);
    return text;
}

Test(users, stay_who_they_are_when_the_file_is_read_anew)
{
    struct user_login login, nameless = {.user = users_nameless(users)};
    cr_assert(users_login(users, bytes_of("anna"), bytes_of("new"), &login));
    cr_expect_str_eq(renewed(login), "anna");
    cr_expect_str_eq(renewed(nameless), "default");
}

Test(users, go_with_the_password_that_they_said)
{
    struct user_login by_old, by_new;
    cr_assert(users_login(users, bytes_of("anna"), bytes_of("old"), &by_old));
    cr_assert(users_login(users, bytes_of("anna"), bytes_of("new"), &by_new));
    rows[1].passwords = &new_password;
    rows[1].passwords_count = 1;
    cr_expect_str_eq(renewed(by_old), "nobody");
    cr_expect_str_eq(renewed(by_new), "anna");
}

Test(users, go_with_their_name)
{
    struct user_login login;
    cr_assert(users_login(users, bytes_of("anna"), bytes_of("old"), &login));
    rows[1].name = bytes_of("berta");
    cr_expect_str_eq(renewed(login), "nobody");
}

/* Whoever said no password is not the one who now needs one. */
Test(users, who_needed_no_password_go_when_they_need_one)
{
    struct user_login said, nameless = {.user = users_nameless(users)};
    cr_assert(users_login(users, bytes_of("default"), bytes_of("old"), &said));
    rows[0].is_nopass = false;
    rows[0].passwords = &clerk_password;
    rows[0].passwords_count = 1;
    cr_expect_str_eq(renewed(nameless), "nobody");
    cr_expect_str_eq(renewed(said), "nobody");
}

Test(users, are_the_same_only_if_everything_is)
{
    struct users *again = users_new(rows, 3);
    cr_expect(users_same(users, again));
    users_unref(again);
    rows[1].grant.keyspaces_count = 1;
    again = users_new(rows, 3);
    cr_expect_not(users_same(users, again));
    users_unref(again);
    rows[1].grant.keyspaces_count = 2;
    rows[1].passwords = &new_password;
    rows[1].passwords_count = 1;
    again = users_new(rows, 3);
    cr_expect_not(users_same(users, again));
    users_unref(again);
}

Test(users, outlive_all_holders_but_the_last)
{
    struct users *held = users_ref(users);
    users_unref(held);
    cr_expect_str_eq(who("clerk", "clerk's"), "clerk");
    users_unref(NULL);
}
