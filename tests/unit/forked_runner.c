/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/forked_runner.c - runs Criterion's tests, several at a time, each in a fork of its own.
 *
 * Criterion's own runner starts the program anew for each test, which takes longer than most tests,
 * and its sandbox wants addresses that ThreadSanitizer reserves. The functions here come before
 * those of the library, and keep the part of its contract that our tests use: so many at a time
 * (-j), init and fini of the suite around those of the test, the awaited exit code or signal, the
 * time limit, disabled tests, parameters, and the closing line that `./dev test` adds up. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The linker names the ends of a section whose name is a C name. */
extern struct criterion_test *__start_cr_tst[];
extern struct criterion_test *__stop_cr_tst[];
/* Weak, as a program whose tests declare no suite has no such section. */
extern struct criterion_suite *__start_cr_sts[] __attribute__((weak));
extern struct criterion_suite *__stop_cr_sts[] __attribute__((weak));

enum { TIMEOUT_S = 120, JOBS_MAX = 64, EXIT_FAILED = 101, EXIT_SKIPPED = 102 };

struct counts {
    int tested;
    int passing;
    int failing;
    int crashing;
};

/* What the running test knows; only ever set in its own process. */
static struct criterion_test *current;
static void *parameter;
static bool any_failed;

/* What TestSuite() says of the suite @name, or NULL if nothing. */
static const struct criterion_test_extra_data *find_suite(const char *name)
{
    for (struct criterion_suite **at = __start_cr_sts; at < __stop_cr_sts; at++)
        if (*at && strcmp((*at)->name, name) == 0)
            return (*at)->data;
    return NULL;
}

/* ---- what the test's macros call, in the child ---- */

void criterion_internal_test_setup(void)
{
    const struct criterion_test_extra_data *suite = find_suite(current->category);

    if (suite && suite->init)
        suite->init();
    if (current->data->init)
        current->data->init();
}

void criterion_internal_test_main(void (*run)(void))
{
    if (current->data->kind_ == CR_TEST_PARAMETERIZED)
        ((void (*)(void *))(void *)run)(parameter);
    else
        run();
}

void criterion_internal_test_teardown(void)
{
    const struct criterion_test_extra_data *suite = find_suite(current->category);

    if (current->data->fini)
        current->data->fini();
    if (suite && suite->fini)
        suite->fini();
}

void criterion_send_assert(struct criterion_assert_stats *stats)
{
    if (stats->passed)
        return;
    any_failed = true;
    fprintf(stderr, "[----] %s:%u: %s\n", stats->file, stats->line,
            stats->message ? stats->message : "assertion failed");
}

void criterion_abort_test(void)
{
    exit(EXIT_FAILED);
}

void criterion_continue_test(void)
{
}

void criterion_skip_test(const char *format, ...)
{
    (void)format;
    exit(EXIT_SKIPPED);
}

void criterion_test_die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    exit(EXIT_FAILED);
}

/* ---- the parent ---- */

/* True if the test in @test ended as it declares. */
static bool ended_well(const struct criterion_test *test, int status, bool *crashed)
{
    *crashed = false;
    if (WIFEXITED(status))
        return test->data->signal == 0 && WEXITSTATUS(status) == test->data->exit_code;
    *crashed = WTERMSIG(status) != test->data->signal;
    return !*crashed;
}

/* The children that run now. */
static struct running {
    pid_t child; /* 0: none */
    const struct criterion_test *test;
} running[JOBS_MAX];
static int jobs = 1;

static void count_end(const struct criterion_test *test, int status, struct counts *counts)
{
    bool crashed;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED)
        return;
    counts->tested++;
    if (ended_well(test, status, &crashed)) {
        counts->passing++;
        return;
    }
    counts->failing++;
    counts->crashing += crashed;
    if (crashed)
        printf("[FAIL] %s::%s: ended by signal %d\n", test->category, test->name, WTERMSIG(status));
    else
        printf("[FAIL] %s::%s: ended with %d\n", test->category, test->name, WEXITSTATUS(status));
}

/* Waits until one of them ends. False: none runs. */
static bool await_one(struct counts *counts)
{
    int status = 0;
    const pid_t child = waitpid(-1, &status, 0);
    for (int i = 0; child > 0 && i < jobs; i++)
        if (running[i].child == child) {
            running[i].child = 0;
            count_end(running[i].test, status, counts);
        }
    return child > 0;
}

static struct running *free_place(struct counts *counts)
{
    for (;;) {
        for (int i = 0; i < jobs; i++)
            if (running[i].child == 0)
                return &running[i];
        (void)await_one(counts);
    }
}

static void run_one(struct criterion_test *test, void *with, struct counts *counts)
{
    struct running *place = free_place(counts);
    fflush(NULL);
    const pid_t child = fork();
    if (child < 0) {
        perror("fork");
        exit(2);
    }
    if (child == 0) {
        current = test;
        parameter = with;
        alarm(test->data->timeout > 0 ? (unsigned)test->data->timeout + 1 : TIMEOUT_S);
        test->test();
        exit(any_failed ? EXIT_FAILED : 0);
    }
    *place = (struct running){child, test};
}

static void run_test(struct criterion_test *test, struct counts *counts)
{
    struct criterion_test_params all;

    if (test->data->kind_ != CR_TEST_PARAMETERIZED) {
        run_one(test, NULL, counts);
        return;
    }
    all = test->data->param_();
    for (size_t i = 0; i < all.length; i++)
        run_one(test, (char *)all.params + i * all.size, counts);
    while (await_one(counts)) /* their parameters are in use */
        continue;
    if (all.cleanup)
        all.cleanup(&all);
}

/* `--filter TEXT` runs only the tests whose suite/name contains TEXT, `-j N` so many at a time; other
 * arguments are ignored. */
int main(int argc, char **argv)
{
    struct counts counts = {0};
    const char *filter = "";

    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--filter") == 0)
            filter = argv[i + 1];
        if (strcmp(argv[i], "-j") == 0)
            jobs = atoi(argv[i + 1]);
    }
    if (jobs < 1 || jobs > JOBS_MAX)
        jobs = 1;
    for (struct criterion_test **at = __start_cr_tst; at < __stop_cr_tst; at++)
        if (*at && !(*at)->data->disabled && strstr((*at)->data->identifier_, filter))
            run_test(*at, &counts);
    while (await_one(&counts))
        continue;
    printf("[====] Synthesis: Tested: %d | Passing: %d | Failing: %d | Crashing: %d\n",
           counts.tested, counts.passing, counts.failing, counts.crashing);
    return counts.failing > 0;
}
