/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/node/resp_slowlog_test.c - what an entry shows, and which are kept. */
#include "front/resp/node/resp_slowlog.h"

#include "codec/resp/resp_out.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct resp_slowlog log_of_test;
static char text[64 * 1024];

static void add(const struct bytes *args, uint32_t args_count, uint64_t took_us)
{
    const struct resp_slow_command command = {.args = args,
                                              .args_count = args_count,
                                              .took_ns = took_us * 1000 + 999,
                                              .wall_s = 77,
                                              .address = bytes_of("1.2.3.4:5"),
                                              .name = bytes_of("me")};
    resp_slowlog_add(&log_of_test, &command, 3);
}

static const char *written(uint64_t most)
{
    struct resp_out out;
    resp_out_init(&out, 2, 0, NULL);
    resp_slowlog_write(&log_of_test, most, &out);
    (void)snprintf(text, sizeof text, "%.*s", (int)out.used, (const char *)out.buf->data);
    resp_out_fini(&out);
    return text;
}

static void begin(void)
{
    resp_slowlog_init(&log_of_test);
}

static void end(void)
{
    resp_slowlog_fini(&log_of_test);
}

Test(resp_slowlog, shows_number_time_microseconds_arguments_and_client, .init = begin, .fini = end)
{
    const struct bytes args[] = {bytes_of("get"), bytes_of("a")};
    add(args, 2, 12);
    cr_expect_str_eq(written(10), "*1\r\n*6\r\n:0\r\n:77\r\n:12\r\n*2\r\n$3\r\nget\r\n$1\r\na\r\n"
                                  "$9\r\n1.2.3.4:5\r\n$2\r\nme\r\n");
}

Test(resp_slowlog, keeps_the_newest_and_numbers_go_on, .init = begin, .fini = end)
{
    const struct bytes args[] = {bytes_of("get")};
    for (uint64_t i = 0; i < 5; i++)
        add(args, 1, i);
    cr_expect(resp_slowlog_count(&log_of_test) == 3);
    cr_expect(strncmp(written(1), "*1\r\n*6\r\n:4\r\n:77\r\n:4\r\n", 21) == 0, "%s", text);
    cr_expect(strncmp(written(UINT64_MAX), "*3\r\n", 4) == 0);
    resp_slowlog_clear(&log_of_test);
    cr_expect(resp_slowlog_count(&log_of_test) == 0);
    cr_expect_str_eq(written(10), "*0\r\n");
    add(args, 1, 1);
    cr_expect(strncmp(written(1), "*1\r\n*6\r\n:5\r\n", 12) == 0, "%s", text);
}

Test(resp_slowlog, cuts_long_arguments_and_many_of_them, .init = begin, .fini = end)
{
    static uint8_t large[200];
    struct bytes args[40];
    memset(large, 'x', sizeof large);
    for (size_t i = 0; i < 40; i++)
        args[i] = (struct bytes){large, i == 0 ? 200 : 128};
    add(args, 40, 1);
    cr_expect(strstr(written(1), "*32\r\n") != NULL);
    cr_expect(strstr(text, "x... (72 more bytes)\r\n") != NULL);
    cr_expect(strstr(text, "$128\r\n") != NULL);
    cr_expect(strstr(text, "$22\r\n... (9 more arguments)\r\n") != NULL, "%s", text);
    add(args + 1, 32, 1);
    cr_expect(strstr(written(1), "more arguments") == NULL, "32 are shown");
}
