/* SPDX-License-Identifier: Apache-2.0 */
/* agent/sampler_test.c - a tree of files as kernels have them, in a folder of its own. */
#include "agent/sampler.h"

#include "core/mem.h"
#include "core/units.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];
static struct sampler *sampler;

/* Writes root/path, with the folders that it needs. */
static void put(const char *path, const char *text)
{
    char whole[512];
    cr_assert(snprintf(whole, sizeof whole, "%s%s", root, path) > 0);
    for (char *at = strchr(whole + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        (void)mkdir(whole, 0700);
        *at = '/';
    }
    FILE *file = fopen(whole, "w");
    cr_assert(file != NULL, "%s", whole);
    fputs(text, file);
    fclose(file);
}

static void take_away(void)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", root);
    cr_expect(system(command) == 0);
    mem_free(sampler);
}

static void make(void)
{
    strcpy(root, "/tmp/pando-sampler-XXXXXX");
    cr_assert(mkdtemp(root) != NULL);
    sampler = mem_alloc(sizeof *sampler);
    put("/proc/stat", "cpu  0 0 0 0 0 0 0 0\n");
    put("/proc/meminfo", "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 600 kB\n");
    put("/proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
    put("/proc/net/tcp", "  sl  local_address rem_address   st\n"
                         "   0: 0100007F:0BB8 00000000:0000 0A 0\n"
                         "   1: 0100007F:0BB8 0100007F:C2A4 01 0\n");
    put("/proc/net/tcp6", "   0: 00000000000000000000000001000000:0BB8 "
                          "00000000000000000000000001000000:C2A4 01 0\n");
}

TestSuite(sampler, .init = make, .fini = take_away);

static enum err_kind begin(struct sampler_config config)
{
    struct err e;
    config.root = root;
    const enum err_kind kind = sampler_init(sampler, &config, &e);
    if (kind == ERR_NONE)
        sampler_step(sampler, NS_PER_S);
    return kind;
}

static bool is_about(double value, double expected)
{
    return value > expected - 0.01 && value < expected + 0.01;
}

Test(sampler, the_machine)
{
    cr_assert(begin((struct sampler_config){.port = 3000}) == ERR_NONE);
    cr_expect(sampler->load.cpu < 0, "one reading is no rate");
    cr_expect(is_about(sampler->load.memory, 0.4));
    put("/proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=250000\n");
    sampler_step(sampler, 2 * NS_PER_S);
    cr_expect(sampler->load.cpu >= 0 && is_about(sampler->load.pressure, 0.25));
    sampler_count(sampler, 2 * NS_PER_S);
    cr_expect(sampler->load.rif == 2 && sampler->load.rif_from == LOAD_FROM_CONNECTIONS);
}

static const char mounts[] = "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

Test(sampler, a_cgroup_of_version_2_has_the_lowest_limit_above_it)
{
    put("/proc/self/mountinfo", mounts);
    put("/sys/fs/cgroup/a/b/cpu.stat", "usage_usec 0\n");
    put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/a/cpu.max", "50000 100000\n");
    put("/sys/fs/cgroup/a/b/memory.current", "150000\n");
    put("/sys/fs/cgroup/a/b/memory.stat", "anon 1\ninactive_file 50000\n");
    put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    put("/sys/fs/cgroup/a/memory.max", "200000\n");
    put("/sys/fs/cgroup/a/b/cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
    cr_assert(begin((struct sampler_config){.cgroup = "/a/b"}) == ERR_NONE);
    cr_expect(is_about(sampler->load.memory, 0.5));
    put("/sys/fs/cgroup/a/b/cpu.stat", "usage_usec 250000\n");
    put("/sys/fs/cgroup/a/b/cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=100000\n");
    sampler_step(sampler, 2 * NS_PER_S);
    cr_expect(is_about(sampler->load.cpu, 0.5) && is_about(sampler->load.pressure, 0.1));
}

static const char old_mounts[] =
    "30 1 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
    "31 1 0:27 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n"
    "32 1 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "33 1 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

Test(sampler, a_cgroup_of_version_1_is_found_by_a_process_in_it)
{
    put("/proc/self/mountinfo", old_mounts);
    put("/proc/77/cgroup", "3:memory:/m\n2:cpuacct:/c\n1:cpu:/q\n0::/\n");
    put("/sys/fs/cgroup/cpuacct/c/cpuacct.usage", "0\n");
    put("/sys/fs/cgroup/cpu/q/cpu.cfs_quota_us", "25000\n");
    put("/sys/fs/cgroup/cpu/q/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/memory/m/memory.usage_in_bytes", "90000\n");
    put("/sys/fs/cgroup/memory/m/memory.limit_in_bytes", "100000\n");
    cr_assert(begin((struct sampler_config){.cgroup = "77"}) == ERR_NONE);
    cr_expect(is_about(sampler->load.memory, 0.9));
    put("/sys/fs/cgroup/cpuacct/c/cpuacct.usage", "50000000\n");
    sampler_step(sampler, 2 * NS_PER_S);
    cr_expect(is_about(sampler->load.cpu, 0.2));
    cr_expect(begin((struct sampler_config){.cgroup = "78"}) == ERR_INPUT);
    cr_expect(begin((struct sampler_config){.cgroup = "/nowhere"}) == ERR_INPUT);
}

Test(sampler, a_process_that_is_gone_is_down)
{
    static const char process[] =
        "77 (app) S 1 42 42 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1 1 25 1 1 1 0\n";
    cr_expect(begin((struct sampler_config){.pid = 77}) == ERR_INPUT, "it must be there at first");
    put("/proc/77/stat", process);
    put("/proc/77/net/tcp", "   1: 0100007F:0BB8 0100007F:C2A4 01 0\n");
    cr_assert(begin((struct sampler_config){.pid = 77, .processors = 0.5, .port = 3000}) ==
              ERR_NONE);
    put("/proc/77/stat", "77 (app) S 1 42 42 0 -1 0 0 0 0 0 20 5 0 0 20 0 1 0 1 1 25 1 1 1 0\n");
    sampler_step(sampler, 2 * NS_PER_S);
    cr_expect(is_about(sampler->load.cpu, 25.0 / (0.5 * (double)sysconf(_SC_CLK_TCK))));
    sampler_count(sampler, 2 * NS_PER_S);
    cr_expect(sampler->load.rif == 1, "those of its own network namespace");
    put("/proc/77/stat", "");
    sampler_step(sampler, 3 * NS_PER_S);
    cr_expect(sampler->load.word == LOAD_WORD_DOWN);
    cr_expect_str_eq(sampler->load.reason, "process 77 is gone");
}

Test(sampler, an_application_may_report_and_an_operator_may_say)
{
    char report[128], state[128];
    (void)snprintf(report, sizeof report, "%s/report", root);
    (void)snprintf(state, sizeof state, "%s/state", root);
    cr_assert(begin((struct sampler_config){.port = 3000, .report = report, .state = state}) ==
              ERR_NONE);
    sampler_count(sampler, NS_PER_S);
    cr_expect(sampler->load.rif_from == LOAD_FROM_CONNECTIONS, "no report yet");
    put("/report", "rif=7 latency_us=900\n");
    put("/state", "drain #deploy\n");
    sampler_step(sampler, 2 * NS_PER_S);
    sampler_count(sampler, 2 * NS_PER_S);
    cr_expect(sampler->load.rif == 7 && sampler->load.rif_from == LOAD_FROM_REPORT);
    cr_expect(sampler->load.latency_us == 900 && sampler->load.word == LOAD_WORD_DRAIN);
    put("/report", "rif=7 late");
    put("/state", "dry");
    sampler_step(sampler, 3 * NS_PER_S);
    sampler_count(sampler, 3 * NS_PER_S);
    cr_expect(sampler->load.rif == 2 && !sampler->load.has_latency);
    cr_expect(sampler->is_state_odd && sampler->load.word == LOAD_WORD_NONE);
    sampler->told = LOAD_WORD_DRAIN;
    sampler_step(sampler, 4 * NS_PER_S);
    cr_expect(sampler->load.word == LOAD_WORD_DRAIN, "a signal, without a word in the file");
}
