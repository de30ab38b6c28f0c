/* SPDX-License-Identifier: Apache-2.0 */
/* agent/proc_test.c - texts as kernels write them, and as they do not. */
#include "agent/proc.h"

#include <criterion/criterion.h>
#include <string.h>

static uint64_t number;

Test(proc, a_number_may_be_no_limit)
{
    cr_expect(proc_read_number("123\n", &number) && number == 123);
    cr_expect(proc_read_number("max\n", &number) && number == PROC_NO_LIMIT);
    cr_expect(proc_read_number("-1\n", &number) && number == PROC_NO_LIMIT);
    cr_expect(!proc_read_number("", &number) && !proc_read_number("12 x", &number));
    cr_expect(!proc_read_number("maximum", &number) && !proc_read_number("-2", &number));
}

Test(proc, a_field_is_found_by_its_whole_name)
{
    static const char text[] = "MemTotal:       24689 kB\nMemFree:  7 kB\nMemAvailable:   512 kB\n";
    cr_expect(proc_read_field(text, "MemAvailable", &number) && number == 512);
    cr_expect(proc_read_field(text, "MemTotal", &number) && number == 24689);
    cr_expect(!proc_read_field(text, "Mem", &number) && !proc_read_field("", "Mem", &number));
    cr_expect(proc_read_field("user_usec 1\nusage_usec 77\n", "usage_usec", &number) &&
              number == 77);
    cr_expect(!proc_read_field("usage_usec x\n", "usage_usec", &number));
}

Test(proc, busy_is_all_but_idle_and_waiting_for_disks)
{
    struct proc_ticks ticks;
    cr_assert(proc_read_stat("cpu  100 10 50 800 30 1 2 7 0 0\ncpu0 1 1 1 1\n", &ticks));
    cr_expect(ticks.all == 1000 && ticks.busy == 170);
    cr_assert(proc_read_stat("cpu  1 2 3 4\n", &ticks)); /* as old kernels wrote it */
    cr_expect(ticks.all == 10 && ticks.busy == 6);
    cr_expect(!proc_read_stat("cpu  1 2 3\n", &ticks) && !proc_read_stat("", &ticks));
    cr_expect(!proc_read_stat("cpu0 1 2 3 4\n", &ticks));
}

Test(proc, a_process_may_have_any_name)
{
    struct proc_process process;
    cr_assert(proc_read_process("42 (a) (b) R) S 1 42 42 0 -1 4194560 100 0 0 0 70 30 5 5 20 0 1 0 "
                                "12345 1000000 250 18446744073709551615 1 1 0\n",
                                &process));
    cr_expect(process.ticks == 100 && process.resident_pages == 250);
    cr_expect(!proc_read_process("42 (a) S 1 42\n", &process));
    cr_expect(!proc_read_process("", &process) && !proc_read_process("42", &process));
}

Test(proc, pressure_is_the_time_in_which_something_waited)
{
    cr_expect(proc_read_pressure("some avg10=60.49 avg60=47.45 avg300=36.95 total=222288197\n"
                                 "full avg10=0.00 avg60=0.00 avg300=0.00 total=3\n",
                                 &number) &&
              number == 222288197);
    cr_expect(!proc_read_pressure("some avg10=0.00\n", &number));
    cr_expect(!proc_read_pressure("", &number) && !proc_read_pressure("full total=1", &number));
}

Test(proc, a_quota_is_so_many_processors)
{
    double processors;
    cr_expect(proc_read_cpu_max("max 100000\n", &processors) && processors == 0);
    cr_expect(proc_read_cpu_max("150000 100000\n", &processors) && processors == 1.5);
    cr_expect(!proc_read_cpu_max("150000 0\n", &processors));
    cr_expect(!proc_read_cpu_max("150000\n", &processors) && !proc_read_cpu_max("", &processors));
}

Test(proc, connections_are_counted_by_local_port_and_state)
{
    static const char established[] =
        "   1: 0100007F:1F90 0100007F:C2A4 01 00000000:00000000 00:00000000 00000000  1000 0 1 1";
    static const char listening[] =
        "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 0 1 1";
    static const char sixth[] =
        "   0: 00000000000000000000000001000000:1F90 00000000000000000000000001000000:C2A4 01 0:0";
    cr_expect(proc_is_connection(established, 8080) && !proc_is_connection(established, 8081));
    cr_expect(!proc_is_connection(established, 0xC2A4) && !proc_is_connection(listening, 8080));
    cr_expect(proc_is_connection(sixth, 8080));
    cr_expect(!proc_is_connection("  sl  local_address rem_address   st tx_queue", 8080));
    cr_expect(!proc_is_connection("", 8080));
}

Test(proc, an_application_reports_in_any_order)
{
    struct proc_report report;
    cr_assert(proc_read_report("latency_us=3400 rif=12\n", &report));
    cr_expect(report.has_rif && report.rif == 12 && report.has_latency);
    cr_expect(report.latency_us == 3400);
    cr_expect(proc_read_report("rif=0", &report) && report.has_rif && !report.has_latency);
    cr_expect(!proc_read_report("", &report) && !proc_read_report("rif=", &report));
    cr_expect(!proc_read_report("rif=-1", &report) && !proc_read_report("rif=1x", &report));
    cr_expect(!proc_read_report("load=1 rif=1", &report));
}

static const char hybrid[] = "8:pids:/\n4:memory:/app/one\n2:cpu,cpuacct:/app\n0::/unified\n";

Test(proc, a_process_is_found_in_each_hierarchy)
{
    char path[64];
    cr_expect(proc_find_cgroup(hybrid, "memory", path, sizeof path));
    cr_expect_str_eq(path, "/app/one");
    cr_expect(proc_find_cgroup(hybrid, "cpuacct", path, sizeof path));
    cr_expect_str_eq(path, "/app");
    cr_expect(proc_find_cgroup(hybrid, "", path, sizeof path));
    cr_expect_str_eq(path, "/unified");
    cr_expect(!proc_find_cgroup(hybrid, "cpu,", path, sizeof path));
    cr_expect(!proc_find_cgroup(hybrid, "blkio", path, sizeof path));
    cr_expect(!proc_find_cgroup(hybrid, "memory", path, 4), "no room");
    cr_expect(!proc_find_cgroup("", "", path, sizeof path));
}

static const char mounts[] =
    "22 1 0:20 / /proc rw,nosuid - proc proc rw\n"
    "31 24 0:27 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
    "36 24 0:32 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "37 24 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n";

Test(proc, a_cgroup_is_found_under_its_mount)
{
    struct proc_mount mount;
    char folder[300];
    cr_assert(proc_find_mount(mounts, "", &mount));
    cr_expect(proc_join_cgroup(&mount, "/a.slice", folder, sizeof folder));
    cr_expect_str_eq(folder, "/sys/fs/cgroup/unified/a.slice");
    cr_assert(proc_find_mount(mounts, "memory", &mount));
    cr_expect(proc_join_cgroup(&mount, "/docker/abc/x", folder, sizeof folder));
    cr_expect_str_eq(folder, "/sys/fs/cgroup/memory/x");
    cr_expect(proc_join_cgroup(&mount, "/docker/abcd", folder, sizeof folder));
    cr_expect_str_eq(folder, "/sys/fs/cgroup/memory", "what is not mounted is the mount itself");
    cr_assert(proc_find_mount(mounts, "cpuacct", &mount));
    cr_expect(proc_join_cgroup(&mount, "/", folder, sizeof folder));
    cr_expect_str_eq(folder, "/sys/fs/cgroup/cpu");
    cr_expect(proc_join_cgroup(&mount, "/../../etc", folder, sizeof folder));
    cr_expect_str_eq(folder, "/sys/fs/cgroup/cpu");
    cr_expect(!proc_join_cgroup(&mount, "/long", folder, 12), "no room");
    cr_expect(!proc_find_mount(mounts, "blkio", &mount) && !proc_find_mount("", "", &mount));
}
