/* SPDX-License-Identifier: Apache-2.0 */
/* core/glob_test.c - each form of a pattern, and that none takes long. */
#include "core/glob.h"

#include <criterion/criterion.h>

static bool matches(const char *pattern, const char *text)
{
    return glob_matches(bytes_of(pattern), bytes_of(text));
}

Test(glob, matches_itself_and_nothing_longer)
{
    cr_expect(matches("abc", "abc"));
    cr_expect(!matches("abc", "abcd"));
    cr_expect(!matches("abc", "ab"));
    cr_expect(!matches("abc", "ABC"));
    cr_expect(matches("", ""));
    cr_expect(!matches("", "a"));
    cr_expect(!matches("a", ""));
}

Test(glob, lets_a_star_take_any_run)
{
    cr_expect(matches("*", ""));
    cr_expect(matches("**", "anything"));
    cr_expect(matches("a*c", "ac") && matches("a*c", "abbbc"));
    cr_expect(!matches("a*c", "abbb"));
    cr_expect(matches("*ab*ab", "abxabyab"));
    cr_expect(matches("user:*:name", "user:7:8:name"));
    cr_expect(!matches("*a*b", "ba"));
    cr_expect(matches("a**", "a"));
}

Test(glob, takes_any_one_byte_for_a_question_mark)
{
    cr_expect(matches("h?llo", "hello"));
    cr_expect(!matches("h?llo", "hllo"));
    cr_expect(matches("*?", "a") && !matches("*?", ""));
}

Test(glob, knows_classes_ranges_and_their_opposites)
{
    cr_expect(matches("h[ae]llo", "hallo") && !matches("h[ae]llo", "hillo"));
    cr_expect(matches("[a-c]", "b") && !matches("[a-c]", "d"));
    cr_expect(matches("[c-a]", "b"));
    cr_expect(matches("[^a-c]", "d") && !matches("[^a-c]", "b"));
    cr_expect(matches("[\\]]", "]") && matches("[a\\-c]", "-"));
    cr_expect(!matches("[a\\-c]", "b"));
    cr_expect(!matches("[]", "a") && matches("[^]", "a"));
    cr_expect(matches("*[0-9]x", "a7x"));
}

Test(glob, ends_an_open_class_with_the_pattern)
{
    cr_expect(matches("[ab", "a") && matches("x[ab", "xb"));
    cr_expect(!matches("[ab", "c"));
    cr_expect(!matches("[", "["));
    cr_expect(matches("[a-", "-"));
}

Test(glob, takes_an_escaped_byte_as_itself)
{
    cr_expect(matches("a\\*", "a*") && !matches("a\\*", "ab"));
    cr_expect(matches("\\[x]", "[x]"));
    cr_expect(matches("a\\", "a\\"));
    cr_expect(matches("*\\?", "what?"));
}

/* Exponential for a matcher that tries each star anew: 2^40 steps and more. */
Test(glob, is_done_with_many_stars_at_once)
{
    char text[1001], pattern[201];
    memset(text, 'a', 1000);
    text[1000] = 0;
    for (int i = 0; i < 200; i += 2)
        memcpy(pattern + i, "a*", 2);
    memcpy(pattern + 198, "*b", 3);
    cr_expect(!matches(pattern, text));
    text[999] = 'b';
    cr_expect(matches(pattern, text));
}
