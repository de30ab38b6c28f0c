/* SPDX-License-Identifier: Apache-2.0 */
/* control/agent/said_test.c - what agents say, and what nobody should. */
#include "control/agent/said.h"

#include <criterion/criterion.h>
#include <string.h>

static struct said said;

static bool reads(const char *text)
{
    return said_read(&said, text, strlen(text));
}

Test(said, a_percent_is_of_the_weight)
{
    cr_expect(reads("75%\n") && said.has_percent && said.percent == 75);
    cr_expect(reads("weight:30%\r\n") && said.has_percent && said.percent == 30);
    cr_expect(reads("0%") && said.has_percent && said.percent == 0);
    cr_expect(reads("9999%\n") && said.percent == SAID_PERCENT_MAX);
    cr_expect(reads("weight:20\n") && said.has_weight && said.weight == 20 && !said.has_percent);
    cr_expect(reads("weight:999\n") && said.weight == 256);
}

Test(said, words_of_each_sort_stand_beside_one_another)
{
    cr_expect(reads("ready up 75% maxconn:30 #all is well \n"));
    cr_expect(said.order == SAID_READY && said.health == SAID_UP && said.percent == 75);
    cr_expect(said.has_most && said.most == 30);
    cr_expect_str_eq(said.reason, "all is well");
    cr_expect(reads("DRAIN,Down\t#\x1b[2Jbye\n"));
    cr_expect(said.order == SAID_DRAIN && said.health == SAID_DOWN);
    cr_expect_str_eq(said.reason, "[2Jbye");
    cr_expect(reads("drain maint fail stopped\n"));
    cr_expect(said.order == SAID_MAINT && said.health == SAID_STOPPED, "the last counts");
    cr_expect(reads("drain\nup\n") && said.health == SAID_NOTHING, "only the first line");
    cr_expect(reads("up#why") && said.health == SAID_UP);
    cr_expect_str_eq(said.reason, "why");
}

Test(said, what_is_not_known_is_passed_over)
{
    cr_expect(reads("greetings 50% later") && said.percent == 50);
    cr_expect(reads("maxconn:0 up") && !said.has_most);
    cr_expect(reads("maxconn:1000000000 up") && !said.has_most);
    cr_expect(reads("weight:-1 drain") && !said.has_weight && said.order == SAID_DRAIN);
}

Test(said, hostile_lines_say_nothing)
{
    static const char *const bad[] = {"",        "\n",       "#up\n",        "75",
                                      "%",       "75%%",     "-5%",          "0x10%",
                                      "weight:", "maxconn:", "upp",          "drained",
                                      "7 5 %",   "HTTP/1.1", "99999999999%", "weight:1e3"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect(!reads(bad[i]) && !said.has_percent && said.order == SAID_NOTHING, "%s", bad[i]);
    cr_expect(!said_read(&said, "up\0x", 4), "a NUL ends no word");
    cr_expect(!said_read(&said, NULL, 0));
    char many[5000];
    memset(many, 'u', sizeof many);
    cr_expect(!said_read(&said, many, sizeof many));
    memcpy(many + 4000, " up #", 5);
    cr_expect(said_read(&said, many, sizeof many) && said.health == SAID_UP);
    cr_expect(strlen(said.reason) == SAID_REASON_BYTES - 1);
}
