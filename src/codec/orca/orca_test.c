/* SPDX-License-Identifier: Apache-2.0 */
/* codec/orca/orca_test.c - reports of load, well and badly written. */
#include "codec/orca/orca.h"

#include <criterion/criterion.h>
#include <string.h>

static struct orca_report report;

static bool reads(const char *text)
{
    return orca_read(&report, text, strlen(text));
}

static bool reads_json(const char *text)
{
    return orca_read_json(&report, text, strlen(text));
}

static double got(enum orca_figure figure)
{
    cr_assert(orca_says(&report, figure));
    return report.at[figure];
}

static bool near(double one, double other)
{
    return one - other < 1e-9 && other - one < 1e-9;
}

Test(orca, reads_the_text_form)
{
    cr_assert(reads("TEXT cpu_utilization=0.3, mem_utilization=0.8,rps_fractional=10.0,eps=1e-1,"
                    " named_metrics.rif=7, named_metrics.foo=-3, utilization.gpu=0.4"));
    cr_expect(near(got(ORCA_cpu), 0.3) && near(got(ORCA_memory), 0.8));
    cr_expect(near(got(ORCA_qps), 10) && near(got(ORCA_eps), 0.1) && near(got(ORCA_rif), 7));
    cr_expect(!orca_says(&report, ORCA_application));
}

Test(orca, takes_colons_as_envoy_does)
{
    cr_assert(reads("TEXT cpu_utilization:1.25E0,application_utilization:0.5"));
    cr_expect(near(got(ORCA_cpu), 1.25) && near(got(ORCA_application), 0.5));
}

Test(orca, reads_the_json_form)
{
    cr_assert(reads("JSON {\"cpu_utilization\": 0.5, \"named_metrics\": {\"rif\": 4, \"x\": -1},"
                    " \"utilization\": {}, \"note\": \"a \\\" b\", \"list\": [1, \"2\", null]}"));
    cr_expect(near(got(ORCA_cpu), 0.5) && near(got(ORCA_rif), 4));
}

Test(orca, a_probes_answer_may_use_short_names)
{
    cr_assert(reads_json(" {\"rif\":3,\"latency_us\":900,\"cpu\":0.1,\"pressure\":null}\n"));
    cr_expect(near(got(ORCA_rif), 3) && near(got(ORCA_latency_us), 900));
    cr_expect(!orca_says(&report, ORCA_pressure) && !orca_says(&report, ORCA_cpu));
    /* Short names are the outermost object's alone. */
    cr_expect(!reads_json("{\"deeper\":{\"rif\":3}}"));
}

Test(orca, what_is_malformed_says_nothing_at_all)
{
    static const char *const bad[] = {
        "",
        "TEXT",
        "TEXT ",
        "TEXT cpu_utilization",
        "TEXT cpu_utilization=",
        "TEXT =1",
        "TEXT cpu_utilization=nan",
        "TEXT cpu_utilization=inf",
        "TEXT cpu_utilization=0x1",
        "TEXT cpu_utilization=-0.1",
        "TEXT mem_utilization=1.5",
        "TEXT cpu_utilization=1e999",
        "TEXT cpu_utilization=0.5,",
        "TEXT cpu_utilization=0.5;eps=1",
        "TEXT cpu_utilization=.5",
        "TEXT cpu_utilization=0.5, eps=one",
        "TEXT foo=1",
        "BIN aGVsbG8=",
        "cpu_utilization=0.5",
        "JSON",
        "JSON {",
        "JSON {}",
        "JSON []",
        "JSON {\"cpu_utilization\":}",
        "JSON {\"cpu_utilization\":\"0.5\"}",
        "JSON {\"cpu_utilization\":true}",
        "JSON {\"cpu_utilization\":0.5",
        "JSON {\"cpu_utilization\":0.5} x",
        "JSON {\"cpu_utilization\":0.5,}",
        "JSON {\"cpu_utilization\":-0.5}",
        "JSON {\"named_metrics\":{\"rif\":1}",
        "JSON {\"a\":[[1]],\"cpu_utilization\":0.5}",
        "JSON {\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}}",
        "JSON {\"a\\",
        "TEXT cpu_utilization=0.1111111111111111111111111111111111111111111111",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect(!reads(bad[i]), "%s", bad[i]);
        cr_expect(report.said == 0, "%s", bad[i]);
    }
}

Test(orca, long_names_are_nobodys)
{
    char text[400] = "TEXT ";
    memset(text + 5, 'a', 200);
    strcpy(text + 205, "=1,cpu_utilization=0.5");
    cr_expect(!reads(text));
    strcpy(text, "{\"");
    memset(text + 2, 'a', 200);
    strcpy(text + 202, "\":1,\"cpu_utilization\":0.5}");
    cr_expect(reads_json(text));
}

Test(orca, what_is_written_is_read_again)
{
    char text[ORCA_TEXT_BYTES_MAX];
    struct orca_report said = {0};
    cr_expect(orca_write_text(&said, text) == 0 && text[0] == '\0');
    for (unsigned i = 0; i < ORCA_FIGURES_COUNT; i++)
        orca_say(&said, (enum orca_figure)i, 0.125);
    orca_say(&said, ORCA_latency_us, 123456);
    const size_t bytes = orca_write_text(&said, text);
    cr_assert(bytes == strlen(text) && reads(text));
    cr_expect(report.said == said.said && near(got(ORCA_latency_us), 123456));
    for (unsigned i = 0; i < ORCA_FIGURES_COUNT; i++)
        orca_say(&said, (enum orca_figure)i, 123456e-9);
    cr_expect(orca_write_text(&said, text) < sizeof text);
}
