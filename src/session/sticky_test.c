/* SPDX-License-Identifier: Apache-2.0 */
/* session/sticky_test.c - cookies that hold and such that do not, and how they are found. */
#include "session/sticky.h"

#include "core/units.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct sticky_settings settings = {.cookie = "t", .for_ns = 1000 * NS_PER_S};
static struct session_keys keys = {.count = 2, .at = {{{1}}, {{2}}}};
static struct sticky sticky;

/* The value of the cookie that @maker sets for target 77 at second 5000. */
static const char *cookie_of(const struct sticky *maker)
{
    static char line[STICKY_FIELD_BYTES_MAX + 1];
    line[sticky_write(maker, 77, 5000, false, line)] = '\0';
    char *value = strchr(line, '=') + 1;
    *strchr(value, ';') = '\0';
    return value;
}

static struct sticky_ticket read_at(const char *value, uint64_t now_s)
{
    return sticky_read(&sticky, (const uint8_t *)value, strlen(value), now_s);
}

static void init(void)
{
    if (!seal_is_there())
        cr_skip("built without libsodium");
    sticky_init(&sticky, &keys, &settings, "shop");
}

Test(sticky, a_cookie_holds_until_it_expires)
{
    init();
    const char *value = cookie_of(&sticky);
    cr_expect(read_at(value, 5000).identity == 77 && !read_at(value, 5000).is_old);
    cr_expect(read_at(value, 5499).identity == 77 && !read_at(value, 5499).is_old);
    cr_expect(read_at(value, 5501).identity == 77 && read_at(value, 5501).is_old);
    cr_expect(read_at(value, 5999).identity == 77);
    cr_expect(read_at(value, 6000).identity == 0);
}

Test(sticky, an_older_key_still_opens_and_is_replaced)
{
    struct session_keys old = {.count = 1, .at = {{{2}}}}, strange = {.count = 1, .at = {{{3}}}};
    struct sticky maker;
    init();
    sticky_init(&maker, &old, &settings, "shop");
    const char *value = cookie_of(&maker);
    cr_expect(read_at(value, 5000).identity == 77 && read_at(value, 5000).is_old);
    sticky_init(&maker, &strange, &settings, "shop");
    cr_expect(read_at(cookie_of(&maker), 5000).identity == 0);
}

Test(sticky, a_cookie_is_for_one_service_and_name)
{
    struct sticky maker;
    const struct sticky_settings renamed = {.cookie = "u", .for_ns = 1000 * NS_PER_S};
    init();
    sticky_init(&maker, &keys, &settings, "shop2");
    cr_expect(read_at(cookie_of(&maker), 5000).identity == 0);
    sticky_init(&maker, &keys, &renamed, "shop");
    cr_expect(read_at(cookie_of(&maker), 5000).identity == 0);
    cr_expect(read_at("", 5000).identity == 0 && read_at("x", 5000).identity == 0);
}

Test(sticky, the_field_says_how_to_keep_it)
{
    char line[STICKY_FIELD_BYTES_MAX + 1];
    init();
    line[sticky_write(&sticky, 1, 5000, true, line)] = '\0';
    cr_expect(strncmp(line, "Set-Cookie: t=", 14) == 0);
    cr_expect(strstr(line, "; Max-Age=1000; Path=/; HttpOnly; SameSite=Lax; Secure\r\n") != NULL,
              "%s", line);
}

/* --- taking it out ---------------------------------------------------------------------------- */

static char text[128];
static struct http_field field;

/* What is left of the Cookie field; "-": it is not passed on. */
static const char *left_of(const char *cookies, const char *found)
{
    static char left[128];
    uint8_t value[STICKY_TEXT_BYTES];
    sticky_init(&sticky, &keys, &settings, "shop");
    (void)snprintf(text, sizeof text, "Cookie%s", cookies);
    field = (struct http_field){.name_bytes = 6,
                                .value_at = 6,
                                .value_bytes = (uint32_t)strlen(cookies),
                                .id = HTTP_FIELD_COOKIE};
    struct http_head head = {
        .base = (const uint8_t *)text, .fields = &field, .fields_count = 1, .present = {0}};
    head.present[HTTP_FIELD_COOKIE >> 6] |= 1ull << (HTTP_FIELD_COOKIE & 63);
    const size_t bytes = sticky_take(&sticky, &head, value);
    cr_expect(bytes == strlen(found) && memcmp(value, found, bytes) == 0, "of %s", cookies);
    (void)snprintf(left, sizeof left, "%.*s", (int)field.value_bytes, text + 6);
    return field.hop != 0 ? "-" : left;
}

Test(sticky, it_is_taken_out_from_among_the_others)
{
    cr_expect_str_eq(left_of("a=1; b=2", ""), "a=1; b=2");
    cr_expect_str_eq(left_of("t=xyz", "xyz"), "-");
    cr_expect_str_eq(left_of("t=xyz; a=1", "xyz"), "a=1");
    cr_expect_str_eq(left_of("a=1; t=xyz", "xyz"), "a=1");
    cr_expect_str_eq(left_of("a=1; t=xyz; b=2", "xyz"), "a=1; b=2");
    cr_expect_str_eq(left_of("a=1;t=xyz;b=2", "xyz"), "a=1;b=2");
    cr_expect_str_eq(left_of("at=1; tt=2; t=xyz", "xyz"), "at=1; tt=2");
    cr_expect_str_eq(left_of("t=one; a=1; t=two", "one"), "a=1");
    cr_expect_str_eq(left_of("t=; a=1", ""), "a=1");
    cr_expect_str_eq(left_of("t", ""), "t");
    cr_expect_str_eq(left_of("t=012345678901234567890123456789012345678901234567890123456789"
                             "0123456789012345678901; a=1",
                             ""),
                     "a=1", "one that is too long is none of ours, and goes too");
}

/* --- key files -------------------------------------------------------------------------------- */

static enum err_kind read_keys(struct session_keys *out, const char *content, mode_t mode,
                               struct err *e)
{
    char path[] = "/tmp/pando-keys-XXXXXX";
    const int fd = mkstemp(path);
    cr_assert(fd >= 0 && fchmod(fd, mode) == 0);
    cr_assert(write(fd, content, strlen(content)) == (ssize_t)strlen(content));
    close(fd);
    const enum err_kind failed = session_keys_read(out, path, e);
    unlink(path);
    return failed;
}

#define KEY "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"

Test(session_keys, a_file_has_one_a_line)
{
    struct session_keys read;
    struct err e = {0};
    cr_expect(read_keys(&read, "# new\n" KEY "\n\n# old\nff" KEY, 0600, &e) != ERR_NONE);
    cr_expect(strstr(e.story, "line 5") != NULL, "%s", e.story);
    cr_expect(read_keys(&read, "# new\n" KEY "\n\n# old\n" KEY "\n", 0640, &e) == ERR_NONE);
    cr_expect(read.count == 2 && read.at[0].bytes[1] == 0x11 && read.at[1].bytes[31] == 0xff);
    cr_expect(read_keys(&read, KEY "\n", 0644, &e) != ERR_NONE && strstr(e.story, "everybody"));
    cr_expect(read_keys(&read, "# none\n", 0600, &e) != ERR_NONE && strstr(e.story, "no key"));
    cr_expect(session_keys_read(&read, "/nowhere/keys", &e) != ERR_NONE);
    cr_expect(session_keys_read(&read, "/dev/null", &e) != ERR_NONE, "a device is no file");
}
