/* SPDX-License-Identifier: Apache-2.0 */
/* path/users/users.c - users by name, and whether a password is theirs. */
#include "path/users/users.h"

#include "core/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <strings.h>

#define NAMELESS "default" /* who says no name, as in Redis */

/* A user and his passwords: always as many are compared. */
struct entry {
    struct user          user; /* first */
    uint32_t             passwords_count;
    struct secret_digest passwords[USER_PASSWORDS_MAX];
};

struct users {
    _Atomic uint32_t   refs_count;
    uint32_t           count;
    size_t             bytes;    /* of this block */
    const struct user *nameless; /* or NULL */
    struct entry       entries[];
};

static const struct entry *entry_of(const struct user *user)
{
    return (const struct entry *)(const void *)user;
}

/* --- making --------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const struct entry *one = a, *other = b;
    return bytes_compare(one->user.name, other->user.name);
}

static int by_text(const void *a, const void *b)
{
    const struct bytes *one = a, *other = b;
    return bytes_compare(*one, *other);
}

/* Moves @text to *@room, which it uses up. */
static struct bytes copy_text(uint8_t **room, struct bytes text)
{
    uint8_t *at = *room;
    if (text.count > 0)
        memcpy(at, text.at, text.count);
    *room += text.count;
    return (struct bytes){at, text.count};
}

static void fill_entry(struct entry *entry, const struct users_row *row, struct bytes **names,
                       uint8_t **texts)
{
    struct bytes *keyspaces = *names;
    entry->user.name = copy_text(texts, row->name);
    entry->user.is_nopass = row->is_nopass;
    entry->user.grant = row->grant;
    entry->user.grant.keyspaces = keyspaces;
    for (uint32_t i = 0; i < row->grant.keyspaces_count; i++)
        keyspaces[i] = copy_text(texts, row->grant.keyspaces[i]);
    if (row->grant.keyspaces_count > 0)
        qsort(keyspaces, row->grant.keyspaces_count, sizeof *keyspaces, by_text);
    *names += row->grant.keyspaces_count;
    entry->passwords_count = row->passwords_count;
    for (uint32_t i = 0; i < row->passwords_count; i++)
        entry->passwords[i] = row->passwords[i];
}

struct users *users_new(const struct users_row *rows, uint32_t count)
{
    size_t names_count = 0, text_bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        names_count += rows[i].grant.keyspaces_count;
        text_bytes += rows[i].name.count;
        for (uint32_t k = 0; k < rows[i].grant.keyspaces_count; k++)
            text_bytes += rows[i].grant.keyspaces[k].count;
    }
    const size_t bytes = sizeof(struct users) + count * sizeof(struct entry) +
                         names_count * sizeof(struct bytes) + text_bytes;
    struct users *users = mem_alloc(bytes);
    if (users == NULL)
        return NULL;
    struct bytes *names = (struct bytes *)(void *)(users->entries + count);
    uint8_t *texts = (uint8_t *)(names + names_count);
    atomic_init(&users->refs_count, 1);
    users->count = count;
    users->bytes = bytes;
    for (uint32_t i = 0; i < count; i++)
        fill_entry(&users->entries[i], &rows[i], &names, &texts);
    if (count > 0)
        qsort(users->entries, count, sizeof users->entries[0], by_name);
    for (uint32_t i = 0; i < count; i++)
        users->entries[i].user.users = users;
    const struct user *nameless = users_named(users, bytes_of(NAMELESS));
    users->nameless = nameless != NULL && nameless->is_nopass ? nameless : NULL;
    return users;
}

struct users *users_ref(struct users *users)
{
    atomic_fetch_add(&users->refs_count, 1);
    return users;
}

void users_unref(struct users *users)
{
    if (users == NULL || atomic_fetch_sub(&users->refs_count, 1) != 1)
        return;
    explicit_bzero(users, users->bytes);
    mem_free(users);
}

/* --- finding -------------------------------------------------------------------------------- */

/* Looks as often whether the name is there or not. */
static const struct entry *find(const struct users *users, struct bytes name)
{
    uint32_t low = 0, high = users->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (bytes_compare(users->entries[middle].user.name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    const bool is_there = low < users->count && bytes_equal(users->entries[low].user.name, name);
    return is_there ? &users->entries[low] : NULL;
}

const struct user *users_named(const struct users *users, struct bytes name)
{
    const struct entry *entry = find(users, name);
    return entry == NULL ? NULL : &entry->user;
}

uint32_t users_count(const struct users *users)
{
    return users->count;
}

const struct user *users_at(const struct users *users, uint32_t index)
{
    return &users->entries[index].user;
}

uint32_t user_passwords_count(const struct user *user)
{
    return entry_of(user)->passwords_count;
}

const struct user *users_nameless(const struct users *users)
{
    return users->nameless;
}

/* --- passwords ------------------------------------------------------------------------------ */

/* Compares with all that he may have, so that neither their number nor which it was shows. */
static bool has_password(const struct entry *entry, const struct secret_digest *digest)
{
    unsigned found = 0;
    for (uint32_t i = 0; i < USER_PASSWORDS_MAX; i++)
        found |= (unsigned)secret_equal(&entry->passwords[i], digest) &
                 (unsigned)(i < entry->passwords_count);
    return found != 0;
}

bool users_login(const struct users *users, struct bytes name, struct bytes password,
                 struct user_login *login)
{
    static const struct entry nobody; /* is compared with in the place of one who is not there */
    const bool is_long = password.count > USER_PASSWORD_BYTES_MAX;
    const struct entry *entry = find(users, name);
    struct secret_digest digest;
    if (is_long)
        password.count = USER_PASSWORD_BYTES_MAX;
    secret_digest(password, &digest);
    const bool is_his = has_password(entry == NULL ? &nobody : entry, &digest) && !is_long;
    if (entry == NULL || (!is_his && !entry->user.is_nopass))
        return false;
    *login = (struct user_login){
        .user = &entry->user, .is_said = !entry->user.is_nopass, .digest = digest};
    return true;
}

const struct user *users_authenticate(const struct users *users, struct bytes name,
                                      struct bytes password)
{
    struct user_login login;
    return users_login(users, name, password, &login) ? login.user : NULL;
}

void users_renew(const struct users *users, struct user_login *login)
{
    const struct entry *entry = login->user == NULL ? NULL : find(users, login->user->name);
    const bool stays = entry != NULL && (entry->user.is_nopass ||
                                         (login->is_said && has_password(entry, &login->digest)));
    login->user = stays ? &entry->user : NULL;
}

/* --- comparing ------------------------------------------------------------------------------ */

static bool same_grant(const struct key_grant *one, const struct key_grant *other)
{
    if (one->is_all != other->is_all || one->reads_only != other->reads_only ||
        one->keyspaces_count != other->keyspaces_count)
        return false;
    for (uint32_t i = 0; i < one->keyspaces_count; i++)
        if (!bytes_equal(one->keyspaces[i], other->keyspaces[i]))
            return false;
    return true;
}

static bool same_entry(const struct entry *one, const struct entry *other)
{
    return bytes_equal(one->user.name, other->user.name) &&
           one->user.is_nopass == other->user.is_nopass &&
           one->passwords_count == other->passwords_count &&
           memcmp(one->passwords, other->passwords, sizeof one->passwords) == 0 &&
           same_grant(&one->user.grant, &other->user.grant);
}

bool users_same(const struct users *one, const struct users *other)
{
    if (one->count != other->count)
        return false;
    for (uint32_t i = 0; i < one->count; i++)
        if (!same_entry(&one->entries[i], &other->entries[i]))
            return false;
    return true;
}
