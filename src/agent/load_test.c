/* SPDX-License-Identifier: Apache-2.0 */
/* agent/load_test.c - from readings to words. */
#include "agent/load.h"

#include "core/units.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct load nothing_known = {.cpu = -1, .memory = -1, .pressure = -1};

Test(load, percent_is_what_the_scarcest_leaves)
{
    cr_expect(load_percent(&nothing_known) == 100);
    cr_expect(load_percent(&(struct load){.cpu = 0.25, .memory = 0.5, .pressure = 0.1}) == 75);
    cr_expect(load_percent(&(struct load){.cpu = 0.25, .memory = 0.5, .pressure = 0.6}) == 40);
    cr_expect(load_percent(&(struct load){.cpu = 0.25, .memory = 0.9, .pressure = 0.1}) == 50);
    cr_expect(load_percent(&(struct load){.cpu = 1, .memory = 1, .pressure = 1}) == 1,
              "load alone takes nobody out");
}

Test(load, a_rate_is_a_share_of_what_could_be)
{
    struct load_rate rate = {0};
    load_rate_step(&rate, 1000, 100, NS_PER_S);
    cr_expect(rate.share < 0, "one reading is no rate");
    load_rate_step(&rate, 1050, 100, 2 * NS_PER_S);
    cr_expect(rate.share > 0.49 && rate.share < 0.51);
    for (unsigned i = 3; i < 20; i++)
        load_rate_step(&rate, 1050, 100, i * NS_PER_S);
    cr_expect(rate.share >= 0 && rate.share < 0.001);
    load_rate_step(&rate, 5, 100, 20 * NS_PER_S);
    cr_expect(rate.share < 0.001, "backwards: it begins anew");
    load_rate_step(&rate, 5000, 100, 21 * NS_PER_S);
    cr_expect(rate.share > 0.6 && rate.share <= 1);
    load_rate_step(&rate, 9000, 100, 21 * NS_PER_S);
    cr_expect(rate.total == 5000, "no time has passed");
}

Test(load, the_state_file_has_one_word_and_perhaps_a_reason)
{
    struct load load = nothing_known;
    cr_expect(load_read_word(&load, "drain #deploy \x1b[31mof\t2.1#\nready\n"));
    cr_expect(load.word == LOAD_WORD_DRAIN);
    cr_expect_str_eq(load.reason, "deploy  [31mof 2.1");
    cr_expect(load_read_word(&load, "ready\n") && load.word == LOAD_WORD_READY);
    cr_expect(load.reason[0] == '\0');
    cr_expect(load_read_word(&load, "\n") && load.word == LOAD_WORD_NONE);
    cr_expect(load_read_word(&load, "maint# x") && load.word == LOAD_WORD_MAINT);
    cr_expect(!load_read_word(&load, "drained") && !load_read_word(&load, "drain it"));
    cr_expect(load.word == LOAD_WORD_MAINT, "what is not understood changes nothing");
}

Test(load, the_line_is_that_of_agent_check)
{
    char text[LOAD_LINE_BYTES_MAX];
    struct load load = {.cpu = 0.25};
    cr_expect(load_write_line(&load, text) == strlen("up 75%\n"));
    cr_expect_str_eq(text, "up 75%\n");
    cr_assert(load_read_word(&load, "drain #deploy"));
    cr_expect(load_write_line(&load, text) == strlen(text));
    cr_expect_str_eq(text, "drain 75% #deploy\n");
    cr_assert(load_read_word(&load, "ready"));
    cr_expect(load_write_line(&load, text) == strlen(text));
    cr_expect_str_eq(text, "ready up 75%\n");
}

Test(load, json_says_null_for_what_is_not_known)
{
    char text[LOAD_JSON_BYTES_MAX];
    struct load load = nothing_known;
    cr_expect(load_write_json(&load, text) == strlen(text));
    cr_expect_str_eq(text, "{\"rif\":null,\"latency_us\":null,\"cpu\":null,\"memory\":null,"
                           "\"pressure\":null,\"percent\":100,\"state\":\"up\",\"reason\":\"\","
                           "\"rif_from\":\"nothing\"}\n");
    load = (struct load){
        .cpu = 0.5, .rif = 3, .rif_from = LOAD_FROM_REPORT, .latency_us = 900, .has_latency = true};
    cr_assert(load_read_word(&load, "down #\"it\\"));
    cr_expect(load_write_json(&load, text) == strlen(text));
    cr_expect_str_eq(text, "{\"rif\":3,\"latency_us\":900,\"cpu\":0.5000,\"memory\":0.0000,"
                           "\"pressure\":0.0000,\"percent\":50,\"state\":\"down\","
                           "\"reason\":\"'it'\",\"rif_from\":\"report\"}\n");
}
