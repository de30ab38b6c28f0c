/* SPDX-License-Identifier: Apache-2.0 */
/* config/value/words_test.c - slips are recognised, and no text can draw on the terminal. */
#include "config/value/words.h"

#include <criterion/criterion.h>
#include <string.h>

Test(words, a_slip_of_each_kind_is_one)
{
    cr_expect(config_words_distance("balance", "balance") == 0);
    cr_expect(config_words_distance("balnce", "balance") == 1, "left out");
    cr_expect(config_words_distance("ballance", "balance") == 1, "put in");
    cr_expect(config_words_distance("balence", "balance") == 1, "changed");
    cr_expect(config_words_distance("blaance", "balance") == 1, "changed places");
    cr_expect(config_words_distance("", "abc") == 3);
}

Test(words, only_what_is_near_is_suggested)
{
    cr_expect(config_words_near("balnce", "balance") == 1);
    cr_expect(config_words_near("oi", "io") == 1);
    cr_expect(config_words_near("foo", "log") == SIZE_MAX, "two of three letters wrong");
    cr_expect(config_words_near("request-timout", "requests-in-flight") == SIZE_MAX);
    cr_expect(config_words_near("conections-per-cleint", "connections-per-client") == 2);
}

Test(words, long_words_are_not_compared)
{
    char word[CONFIG_WORD_BYTES_MAX + 2];
    memset(word, 'a', sizeof word);
    word[CONFIG_WORD_BYTES_MAX + 1] = '\0';
    cr_expect(config_words_distance(word, "a") == SIZE_MAX);
    word[CONFIG_WORD_BYTES_MAX] = '\0';
    cr_expect(config_words_distance(word, "a") == CONFIG_WORD_BYTES_MAX - 1);
}

Test(words, text_for_a_terminal_has_no_controls)
{
    static const char text[] = "a\tb\x1b[31mc\xC2\x9B\xE2\x80\xAE\xFF"
                               "d\xC3\xA9";
    char out[64];
    cr_expect(config_words_clean(out, sizeof out, text, sizeof text - 1, 60) == 14);
    cr_expect_str_eq(out, "a b?[31mc???d\xC3\xA9");
}

Test(words, text_is_cut_between_characters)
{
    char out[64];
    cr_expect(config_words_clean(out, sizeof out, "\xC3\xA9\xC3\xA9\xC3\xA9", 6, 2) == 2);
    cr_expect_str_eq(out, "\xC3\xA9\xC3\xA9\xE2\x80\xA6");
    cr_expect(config_words_clean(out, 7, "abcdef", 6, 60) == 3, "as many as fit with the ellipsis");
    cr_expect_str_eq(out, "abc\xE2\x80\xA6");
}

Test(words, invalid_utf8_is_not_plain)
{
    cr_expect(config_words_is_plain("caf\xC3\xA9", 5));
    cr_expect_not(config_words_is_plain("\xC0\x80", 2), "too long a form");
    cr_expect_not(config_words_is_plain("\xED\xA0\x80", 3), "a surrogate");
    cr_expect_not(config_words_is_plain("\xF4\x90\x80\x80", 4), "beyond Unicode");
    cr_expect_not(config_words_is_plain("\xE2\x82", 2), "cut off");
    cr_expect_not(config_words_is_plain("a\nb", 3));
}
