/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/lmdb_stage_test.c - what is answered at once, what waits for the disk, in which
 * order, and what is said when something fails. The writer's steps are taken by hand, but for the
 * last tests. */
#include "engine/lmdb/lmdb_stage.h"

#include "core/units.h"
#include "engine/lmdb/lmdb_testing.h"
#include "engine/lmdb/lmdb_visit.h"

#include <errno.h>
#include <lmdb.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { OPS = 64, ARGS = 8, PARTS = 8 };

struct asked {
    struct key_op   op;
    struct resp_out out;
    struct bytes    args[ARGS];
    struct key_op  *parts[PARTS];
    struct list     watches;
    bool            is_done;
    unsigned        done_as; /* the how manyth */
};

struct fixture {
    struct lmdb_testing t;
    struct loop         loop;
    struct lmdb_writer  writer;
    struct lmdb_stage   stage;
    struct asked        asked[OPS];
    unsigned            asked_count;
};

static struct fixture f;
static unsigned done_count;
static unsigned apart_count;
static bool has_memory = true;
static int failing_syncs;

/* Stands before libc's: a sync that fails as on a dying disk. */
int fdatasync(int fd)
{
    if (failing_syncs > 0 && --failing_syncs == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

static void done(struct key_op *op)
{
    struct asked *asked = list_item(op, struct asked, op);
    cr_assert(!asked->is_done);
    asked->is_done = true;
    asked->done_as = done_count++;
}

static bool set_apart(struct key_op *op)
{
    apart_count++;
    op->is_apart = true;
    return has_memory;
}

static void begin_with(uint64_t disk_bytes_max, uint64_t waiting_max)
{
    struct err e;
    lmdb_testing_begin(&f.t);
    f.t.settings.disk_bytes_max = disk_bytes_max;
    lmdb_testing_open(&f.t);
    cr_assert(loop_open(&f.loop, "epoll", &e) == ERR_NONE);
    lmdb_writer_init(&f.writer, &f.t.shard, 1 << 20, 1);
    const struct lmdb_stage_options options = {.shard = &f.t.shard,
                                               .writer = &f.writer,
                                               .loop = &f.loop,
                                               .waiting_max = waiting_max,
                                               .value_bytes_max = 1 << 20,
                                               .seed = 2};
    lmdb_stage_init(&f.stage, &options);
}

static void begin(void)
{
    begin_with(0, 1000);
}

static void end(void)
{
    lmdb_stage_fini(&f.stage);
    lmdb_writer_stop(&f.writer);
    loop_close(&f.loop);
    for (unsigned i = 0; i < f.asked_count; i++)
        resp_out_fini(&f.asked[i].out);
    lmdb_testing_end(&f.t);
}

/* An op of words, ended by NULL. */
static struct asked *prepare(const char *first, va_list words)
{
    struct asked *asked = &f.asked[f.asked_count++];
    uint32_t count = 0;
    cr_assert(f.asked_count <= OPS);
    for (const char *word = first; word != NULL; word = va_arg(words, const char *))
        asked->args[count++] = bytes_of(word);
    resp_out_init(&asked->out, 2, 0, NULL);
    asked->op = (struct key_op){.command = count == 0 ? NULL : command_find(asked->args[0]),
                                .args = asked->args,
                                .args_count = count,
                                .now_ms = 1000,
                                .out = &asked->out,
                                .set_apart = set_apart,
                                .done = done};
    link_init(&asked->op.link);
    return asked;
}

static struct asked *ask(const char *first, ...)
{
    va_list words;
    va_start(words, first);
    struct asked *asked = prepare(first, words);
    va_end(words);
    return asked;
}

static struct asked *submit(struct asked *asked)
{
    key_door_submit(&f.stage.door, &asked->op);
    return asked;
}

#define SUBMIT(...) submit(ask(__VA_ARGS__, (const char *)NULL))

static struct asked *submit_behind(struct asked *asked)
{
    asked->op.is_behind = true;
    return submit(asked);
}

#define BEHIND(...) submit_behind(ask(__VA_ARGS__, (const char *)NULL))

/* The turn ends, the writer does all there is, the answers come. */
static void settle(void)
{
    loop_turn(&f.loop, 0);
    while (lmdb_writer_step(&f.writer))
        ;
    loop_turn(&f.loop, 0);
}

static bool answers(const struct asked *asked, const char *text)
{
    const struct bytes out = {asked->out.buf == NULL ? NULL : asked->out.buf->data,
                              asked->out.used};
    if (asked->is_done && bytes_equal(out, bytes_of(text)))
        return true;
    cr_log_error("%d %.*s", asked->is_done, (int)out.count, (const char *)out.at);
    return false;
}

static bool answers_error(const struct asked *asked, const char *begin)
{
    return asked->is_done && asked->out.used > strlen(begin) &&
           memcmp(asked->out.buf->data, begin, strlen(begin)) == 0;
}

static uint64_t last_transaction(void)
{
    MDB_envinfo info;
    cr_assert(mdb_env_info(f.t.shard.env, &info) == 0);
    return info.me_last_txnid;
}

/* ---- order ---- */

Test(lmdb_stage, all_ops_that_wait_are_one_transaction_and_none_is_answered_before_it)
{
    begin();
    const uint64_t before = last_transaction();
    char keys[50][8];
    for (unsigned i = 0; i < 50; i++) {
        snprintf(keys[i], sizeof keys[i], "k%u", i);
        SUBMIT("SET", keys[i], "x");
    }
    loop_turn(&f.loop, 0);
    cr_expect(done_count == 0 && atomic_load(&f.t.shard.figures.waiting) == 50);
    cr_expect(lmdb_writer_step(&f.writer));
    cr_expect(done_count == 0);
    loop_turn(&f.loop, 0);
    cr_expect(done_count == 50);
    cr_expect(last_transaction() == before + 1);
    cr_expect(atomic_load(&f.t.shard.figures.commits) == 1);
    cr_expect(atomic_load(&f.t.shard.figures.ops) == 50);
    cr_expect(atomic_load(&f.t.shard.figures.waiting) == 0);
    for (unsigned i = 0; i < 50; i++)
        cr_expect(answers(&f.asked[i], "+OK\r\n") && f.asked[i].done_as == i);
    cr_expect(lmdb_shard_count(&f.t.shard) == 50);
    end();
}

Test(lmdb_stage, what_reads_is_answered_at_once_and_what_is_behind_waits_its_turn)
{
    begin();
    SUBMIT("SET", "k", "old");
    settle();
    struct asked *set = SUBMIT("SET", "k", "new");
    struct asked *now = SUBMIT("GET", "k");
    cr_expect(answers(now, "$3\r\nold\r\n"));
    struct asked *behind = BEHIND("GET", "k");
    cr_expect(!behind->is_done);
    settle();
    cr_expect(answers(set, "+OK\r\n") && answers(behind, "$3\r\nnew\r\n"));
    cr_expect(answers(SUBMIT("GET", "k"), "$3\r\nnew\r\n"));
    end();
}

Test(lmdb_stage, a_read_misses_no_write_that_was_answered_before_it_also_in_one_turn)
{
    begin();
    SUBMIT("SET", "k", "1");
    settle();
    cr_expect(answers(SUBMIT("GET", "k"), "$1\r\n1\r\n"));
    struct list ops;
    struct asked *incr = ask("INCR", "k", (const char *)NULL);
    list_init(&ops);
    incr->op.holder = &f.stage.answers;
    f.stage.answers.outstanding++;
    list_add_last(&ops, &incr->op.link);
    lmdb_writer_submit(&f.writer, &ops, 1); /* as another worker's would */
    cr_expect(lmdb_writer_step(&f.writer));
    cr_expect(answers(SUBMIT("GET", "k"), "$1\r\n2\r\n"));
    loop_turn(&f.loop, 0);
    end();
}

static uint64_t figure(const _Atomic uint64_t *of)
{
    return atomic_load(of);
}

/* At the turn's end for what was run at once; at the batch's for what the writer ran. */
Test(lmdb_stage, what_reads_counts_hits_and_misses_wherever_it_is_run)
{
    const struct lmdb_figures *figures = &f.t.shard.figures;
    begin();
    SUBMIT("SET", "k", "1");
    settle();
    SUBMIT("GET", "k");
    SUBMIT("GET", "none");
    cr_expect(figure(&figures->hits) == 0, "not for each command");
    loop_turn(&f.loop, 0);
    cr_expect(figure(&figures->hits) == 1 && figure(&figures->misses) == 1);
    cr_expect(figure(&figures->commands) == 3);
    (void)submit_behind(ask("GET", "k", (const char *)NULL));
    settle();
    cr_expect(figure(&figures->hits) == 2 && figure(&figures->commands) == 4);
    end();
}

Test(lmdb_stage, only_what_waits_is_set_apart)
{
    begin();
    SUBMIT("GET", "k");
    cr_expect(apart_count == 0);
    SUBMIT("SET", "k", "x");
    cr_expect(apart_count == 1);
    struct asked *apart = ask("SET", "k", "y", (const char *)NULL);
    apart->op.is_apart = true;
    submit(apart);
    cr_expect(apart_count == 1);
    has_memory = false;
    struct asked *refused = SUBMIT("SET", "k", "z");
    cr_expect(answers(refused, "-OOM out of memory\r\n") && refused->op.is_refused);
    settle();
    end();
}

/* ---- transactions and watches ---- */

static struct asked *exec_of(struct asked **parts, uint32_t count)
{
    struct asked *exec = ask(NULL);
    exec->op.what = KEY_OP_EXEC;
    exec->op.parts = exec->parts;
    exec->op.parts_count = count;
    for (uint32_t i = 0; i < count; i++) {
        exec->parts[i] = &parts[i]->op;
        parts[i]->op.out = &exec->out;
    }
    return exec;
}

#define EXEC(...)                                                                                  \
    exec_of((struct asked *[]){__VA_ARGS__},                                                       \
            sizeof((struct asked *[]){__VA_ARGS__}) / sizeof(struct asked *))
#define ASK(...) ask(__VA_ARGS__, (const char *)NULL)

static struct key_watch *watch_of(const char *key)
{
    struct key_watch *watch = calloc(1, sizeof *watch + strlen(key));
    watch->key_bytes = (uint32_t)strlen(key);
    memcpy(watch->key, key, strlen(key));
    link_init(&watch->link);
    link_init(&watch->watched);
    struct asked *asked = ask(NULL);
    asked->op.what = KEY_OP_WATCH;
    asked->op.watch = watch;
    submit(asked);
    settle();
    cr_assert(asked->is_done && asked->out.used == 0);
    return watch;
}

static void give_watch(struct asked *exec, struct key_watch *watch)
{
    list_init(&exec->watches);
    list_add_last(&exec->watches, &watch->link);
    exec->op.watches = &exec->watches;
}

Test(lmdb_stage, a_transaction_answers_all_its_parts)
{
    begin();
    struct asked *exec = submit(
        EXEC(ASK("SET", "a", "1"), ASK("INCR", "a"), ASK("LPUSH", "a", "x"), ASK("GET", "a")));
    cr_expect(!exec->is_done);
    settle();
    cr_expect(answers(exec,
                      "*4\r\n+OK\r\n:2\r\n-WRONGTYPE Operation against a key holding the wrong "
                      "kind of value\r\n$1\r\n2\r\n"));
    end();
}

Test(lmdb_stage, a_touched_watch_makes_exec_answer_null_once)
{
    begin();
    struct key_watch *watch = watch_of("k");
    SUBMIT("SET", "other", "x");
    settle();
    cr_expect(!watch->touched);
    SUBMIT("SET", "k", "x");
    settle();
    cr_expect(watch->touched);
    struct asked *exec = EXEC(ASK("SET", "k", "y"));
    give_watch(exec, watch);
    submit(exec);
    settle();
    cr_expect(answers(exec, "*-1\r\n"));
    cr_expect(answers(SUBMIT("GET", "k"), "$1\r\nx\r\n"));
    cr_expect(watch->place == NULL);
    settle();
    end();
    free(watch);
}

Test(lmdb_stage, a_watch_that_nobody_touched_lets_exec_pass)
{
    begin();
    struct key_watch *watch = watch_of("k");
    struct asked *exec = EXEC(ASK("SET", "k", "y"), ASK("GET", "k"));
    give_watch(exec, watch);
    submit(exec);
    settle();
    cr_expect(answers(exec, "*2\r\n+OK\r\n$1\r\ny\r\n"));
    end();
    free(watch);
}

Test(lmdb_stage, a_watched_key_that_goes_by_its_time_counts_as_touched)
{
    begin();
    SUBMIT("SET", "k", "x", "PXAT", "1500");
    SUBMIT("SET", "gone", "x", "PXAT", "1001");
    settle();
    struct key_watch *watch = watch_of("k");
    struct asked *exec = EXEC(ASK("GET", "k"));
    exec->op.now_ms = 2000;
    give_watch(exec, watch);
    submit(exec);
    settle();
    cr_expect(answers(exec, "*-1\r\n"));
    end();
    free(watch);
}

Test(lmdb_stage, unwatch_is_done_at_once)
{
    begin();
    struct key_watch *watch = watch_of("k");
    struct asked *asked = ask(NULL);
    asked->op.what = KEY_OP_UNWATCH;
    asked->op.watch = watch;
    submit(asked);
    cr_expect(asked->is_done && watch->place == NULL);
    cr_expect(atomic_load(&f.t.shard.watches.count) == 0);
    end();
    free(watch);
}

Test(lmdb_stage, unwatch_behind_a_watch_waits_for_it_and_is_never_refused)
{
    begin();
    struct key_watch *watch = watch_of("k");
    lmdb_watches_remove(&f.t.shard.watches, watch);
    struct asked *begun = ask(NULL), *over = ask(NULL);
    begun->op.what = KEY_OP_WATCH;
    over->op.what = KEY_OP_UNWATCH;
    begun->op.watch = over->op.watch = watch;
    submit(begun);
    has_memory = false;
    f.stage.waiting_max = 0;
    submit_behind(over);
    cr_expect(!over->is_done);
    settle();
    cr_expect(begun->is_done && over->is_done && watch->place == NULL);
    cr_expect(atomic_load(&f.t.shard.watches.count) == 0);
    end();
    free(watch);
}

/* ---- limits and failures ---- */

Test(lmdb_stage, over_the_queues_bound_it_is_busy)
{
    begin_with(0, 3);
    for (unsigned i = 0; i < 3; i++)
        SUBMIT("SET", "k", "x");
    struct asked *refused = SUBMIT("SET", "k", "x");
    cr_expect(answers(refused, "-" LMDB_BUSY "\r\n") && refused->op.is_refused);
    settle();
    struct asked *later = SUBMIT("SET", "k", "x");
    settle();
    cr_expect(answers(later, "+OK\r\n"));
    end();
}

static const char *large_text(void)
{
    static char text[600001];
    memset(text, 'x', sizeof text - 1);
    return text;
}

Test(lmdb_stage, of_a_batch_only_what_does_not_fit_is_refused)
{
    begin_with(1 << 20, 1000);
    SUBMIT("SET", "first", large_text());
    settle();
    struct asked *a = SUBMIT("SET", "a", "x");
    struct asked *large = SUBMIT("SET", "large", large_text());
    struct asked *exec = submit(EXEC(ASK("SET", "part", "x"), ASK("SET", "large", large_text())));
    struct asked *b = SUBMIT("SET", "b", "x");
    settle();
    cr_expect(answers(a, "+OK\r\n") && answers(b, "+OK\r\n"));
    cr_expect(answers(large, "-MISCONF the disk of the keyspace is full; reads go on\r\n"));
    cr_expect(large->op.is_refused && !a->op.is_refused);
    cr_expect(answers(exec, "-EXECABORT Transaction discarded because of: MISCONF the disk of the "
                            "keyspace is full; reads go on\r\n"));
    cr_expect(atomic_load(&f.t.shard.figures.again) == 1);
    cr_expect(answers(SUBMIT("EXISTS", "first", "a", "b", "large", "part"), ":3\r\n"));
    struct asked *del = SUBMIT("DEL", "first");
    struct asked *again = SUBMIT("SET", "large", large_text());
    settle();
    cr_expect(answers(del, ":1\r\n") && answers(again, "+OK\r\n"));
    end();
}

Test(lmdb_stage, a_file_that_cannot_grow_refuses_writes_until_it_can)
{
    begin();
    SUBMIT("SET", "a", "x");
    settle();
    struct rlimit limit = {1 << 20, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    cr_assert(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    struct asked *b = SUBMIT("SET", "b", "x");
    struct asked *large = SUBMIT("SET", "large", large_text());
    struct asked *larger = SUBMIT("SET", "larger", large_text());
    settle();
    limit.rlim_cur = RLIM_INFINITY;
    cr_assert(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    cr_expect(answers(b, "+OK\r\n") && answers(large, "+OK\r\n"));
    cr_expect(answers_error(larger, "-MISCONF "));
    cr_expect(answers(SUBMIT("EXISTS", "a", "b", "large", "larger"), ":3\r\n"));
    struct asked *again = SUBMIT("SET", "larger", large_text());
    settle();
    cr_expect(answers(again, "+OK\r\n"));
    end();
}

Test(lmdb_stage, a_sync_that_fails_is_uncertain_and_the_last_write)
{
    begin();
    SUBMIT("SET", "a", "x");
    settle();
    failing_syncs = 1;
    struct asked *b = SUBMIT("SET", "b", "x");
    struct asked *c = SUBMIT("SET", "c", "x");
    settle();
    cr_expect(answers_error(b, "-UNCERTAIN ") && answers_error(c, "-UNCERTAIN "));
    cr_expect(b->op.is_refused && atomic_load(&f.t.shard.failed));
    struct asked *refused = SUBMIT("SET", "d", "x");
    cr_expect(answers(refused, "-ERR the disk of the keyspace does not take writes any more\r\n"));
    cr_expect(answers(SUBMIT("GET", "a"), "$1\r\nx\r\n"));
    settle();
    end();
}

Test(lmdb_stage, what_is_over_goes_at_a_tick)
{
    begin();
    char keys[40][8];
    for (unsigned i = 0; i < 40; i++) {
        snprintf(keys[i], sizeof keys[i], "k%u", i);
        SUBMIT("SET", keys[i], "x", "PXAT", i < 30 ? "1500" : "5000");
    }
    settle();
    lmdb_writer_tick(&f.writer, 1400);
    settle();
    cr_expect(lmdb_shard_count(&f.t.shard) == 40);
    lmdb_writer_tick(&f.writer, 1500);
    settle();
    cr_expect(lmdb_shard_count(&f.t.shard) == 10);
    cr_expect(atomic_load(&f.t.shard.figures.expired) == 30);
    end();
}

/* ---- with the thread ---- */

Test(lmdb_stage, the_thread_answers_all)
{
    struct err e;
    begin();
    cr_assert(lmdb_writer_start(&f.writer, &e) == ERR_NONE);
    for (unsigned round = 0; round < 60; round++) {
        struct asked *incr = SUBMIT("INCR", "k");
        while (!incr->is_done)
            loop_turn(&f.loop, clock_monotonic_ns() + NS_PER_MS);
    }
    cr_expect(answers(SUBMIT("GET", "k"), "$2\r\n60\r\n"));
    loop_turn(&f.loop, 0);
    end();
}

/* Writes numbers until it is killed, and says each that was answered. */
static void write_until_killed(int pipe_fd)
{
    for (uint32_t i = 0;; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        f.asked_count = 0;
        memset(&f.asked[0], 0, sizeof f.asked[0]);
        struct asked *set = SUBMIT("SET", key, key);
        settle();
        if (!answers(set, "+OK\r\n") || write(pipe_fd, &i, sizeof i) != sizeof i)
            _exit(1);
    }
}

Test(lmdb_stage, what_was_answered_survives_a_kill)
{
    int fds[2];
    uint32_t said = 0, count = 0;
    cr_assert(pipe(fds) == 0);
    lmdb_testing_begin(&f.t);
    const struct lmdb_testing t = f.t;
    const pid_t child = fork();
    if (child == 0) {
        close(fds[0]);
        lmdb_testing_open(&f.t);
        struct err e;
        cr_assert(loop_open(&f.loop, "epoll", &e) == ERR_NONE);
        lmdb_writer_init(&f.writer, &f.t.shard, 1 << 20, 1);
        const struct lmdb_stage_options options = {
            .shard = &f.t.shard, .writer = &f.writer, .loop = &f.loop, .waiting_max = 10};
        lmdb_stage_init(&f.stage, &options);
        write_until_killed(fds[1]);
    }
    close(fds[1]);
    while (count < 100 && read(fds[0], &said, sizeof said) == sizeof said)
        count++;
    kill(child, SIGKILL);
    while (read(fds[0], &said, sizeof said) == sizeof said)
        count++;
    cr_assert(waitpid(child, NULL, 0) == child && count >= 100);
    f.t = t;
    lmdb_testing_open(&f.t);
    struct lmdb_space reader;
    lmdb_space_init(&reader, &f.t.shard, false);
    cr_assert(lmdb_space_read(&reader) == SPACE_OK);
    for (uint32_t i = 0; i < count; i++) {
        char key[16];
        struct space_value value;
        snprintf(key, sizeof key, "k%u", i);
        cr_assert(reader.space.kind->find(&reader.space, bytes_of(key), &value) == SPACE_OK);
        cr_assert(bytes_equal(value.string, bytes_of(key)), "%u of %u", i, count);
    }
    lmdb_space_fini(&reader);
    lmdb_testing_end(&f.t);
}

/* Whoever keeps an answer must know when one of its keys goes by itself. */
Test(lmdb_stage, tells_until_when_an_answer_is_right)
{
    begin();
    SUBMIT("set", "a", "x", "pxat", "5000");
    SUBMIT("set", "b", "y", "pxat", "4000");
    SUBMIT("set", "c", "z");
    settle();
    cr_expect(SUBMIT("get", "a")->op.fresh_until_ms == 5000);
    cr_expect(SUBMIT("get", "c")->op.fresh_until_ms == 0);
    cr_expect(SUBMIT("get", "nothing")->op.fresh_until_ms == 0);
    cr_expect(SUBMIT("mget", "a", "c", "b")->op.fresh_until_ms == 4000);
    cr_expect(SUBMIT("exists", "a", "c")->op.fresh_until_ms == 5000);
    struct asked *behind = BEHIND("get", "b");
    struct asked *late = ask("get", "b", (const char *)NULL);
    settle();
    cr_expect(behind->op.fresh_until_ms == 4000);
    late->op.now_ms = 4000;
    submit(late);
    cr_expect(answers(late, "$-1\r\n") && late->op.fresh_until_ms == 0);
    end();
}

/* ---- what a thread beside the workers asks ---- */

Test(lmdb_stage, a_mark_is_passed_once_what_came_before_it_is_committed)
{
    begin();
    cr_expect(lmdb_writer_mark(&f.writer) == 0 && lmdb_writer_has_done(&f.writer, 0));
    struct asked *before = SUBMIT("set", "a", "1");
    loop_turn(&f.loop, 0);
    const uint64_t mark = lmdb_writer_mark(&f.writer);
    SUBMIT("set", "b", "1");
    loop_turn(&f.loop, 0);
    cr_expect(!lmdb_writer_has_done(&f.writer, mark));
    cr_expect(lmdb_writer_mark(&f.writer) == mark + 1);
    while (lmdb_writer_step(&f.writer))
        ;
    cr_expect(lmdb_writer_has_done(&f.writer, mark), "before its answer has come");
    cr_expect(!before->is_done);
    settle();
    end();
}

struct visited {
    unsigned count, most;
    char     keys[256];
};

static bool visit(void *self, struct bytes key, const struct space_value *value)
{
    struct visited *visited = self;
    cr_expect(value->type != KEY_NONE);
    snprintf(visited->keys + strlen(visited->keys), sizeof visited->keys - strlen(visited->keys),
             "%.*s ", (int)key.count, (const char *)key.at);
    return ++visited->count < visited->most;
}

/* All are answered; there is room for others. */
static void forget_all(void)
{
    settle();
    for (unsigned i = 0; i < f.asked_count; i++)
        resp_out_fini(&f.asked[i].out);
    memset(f.asked, 0, sizeof f.asked);
    f.asked_count = 0;
}

Test(lmdb_stage, all_keys_are_visited_but_those_whose_time_is_over)
{
    struct visited all = {.most = 100}, some = {.most = 2}, many = {.most = UINT32_MAX};
    char names[60][16];
    begin();
    SUBMIT("mset", "a", "1", "b", "2");
    SUBMIT("rpush", "c", "1");
    SUBMIT("set", "gone", "1", "pxat", "1500");
    settle();
    cr_expect(lmdb_shard_visit(&f.t.shard, 2000, visit, &all) == SPACE_OK);
    cr_expect(all.count == 3 && strstr(all.keys, "gone") == NULL, "%s", all.keys);
    cr_expect(lmdb_shard_visit(&f.t.shard, 1000, visit, &some) == SPACE_OK && some.count == 2);
    forget_all();
    for (unsigned i = 0; i < 6000; i++) { /* more than one transaction reads */
        snprintf(names[i % 60], sizeof names[0], "k%u", i);
        SUBMIT("set", names[i % 60], "1");
        if (i % 60 == 59)
            forget_all();
    }
    cr_expect(lmdb_shard_visit(&f.t.shard, 2000, visit, &many) == SPACE_OK);
    cr_expect(many.count == 6003, "%u", many.count);
    end();
}
