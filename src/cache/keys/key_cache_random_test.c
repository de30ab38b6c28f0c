/* SPDX-License-Identifier: Apache-2.0 */
/* cache/keys/key_cache_random_test.c - clients with pipelines over two workers and an engine that
 * answers late and in any order: what a read answers was there at some moment between its question
 * and its answer, not before the client's own earlier writes, and not after its later ones. */
#include "cache/keys/key_cache_testing.h"

#include "core/random.h"

enum {
    CLIENTS = 6,
    UNDER_WAY_MAX = 4, /* ops of a client */
    KEYS = 3,
    WRITES_MAX = 20000,
    STEPS = 6000,
    SEEDS = 40,
};

/* What a key held from a time on. */
struct state {
    uint64_t from;
    int64_t  number; /* -1: nothing */
};

struct client;

/* One command of a client. Times count up with everything that happens. */
struct said {
    struct fake_asked *asked; /* NULL: answered, and looked at */
    struct client     *client;
    struct said       *next; /* of the client, in its order */
    uint64_t           asked_at, answered_at;
    uint64_t           done_at; /* of a write: when the engine carried it out; 0: not yet */
    int64_t            number;  /* of a write; its name */
    unsigned           key;     /* KEYS: all */
    bool               is_write, is_checked;
};

struct client {
    struct key_grant grant; /* first: its address goes with the ops */
    unsigned         stage, under_way;
    struct said     *first, *last; /* those that may still matter */
};

static struct fakes f;
static struct random draws;
static uint64_t clock_now;
static struct client clients[CLIENTS];
static struct state *history[KEYS];
static unsigned history_count[KEYS];
static struct said *writes[WRITES_MAX];
static unsigned writes_count;
static uint64_t reads_checked;

static uint64_t draw(uint64_t below)
{
    return random_next(&draws) % below;
}

/* ---- the engine ---- */

static void note(unsigned key, int64_t number)
{
    history[key][history_count[key]++] = (struct state){clock_now, number};
}

static void note_write(const struct key_op *op)
{
    int64_t number = 0;
    const uint32_t place = op->command->number == COMMAND_IS_FLUSHALL ? 1 : 2;
    cr_assert(bytes_read_int64(op->args[place], &number));
    struct said *said = writes[number];
    clock_now++;
    said->done_at = clock_now;
    for (unsigned key = 0; key < KEYS; key++)
        if (said->key == key || said->key == KEYS)
            note(key, said->key == KEYS ? -1 : number);
}

/* May it be carried out before what came to the engine earlier? */
static bool is_free(const struct key_op *op)
{
    if (!op->is_behind)
        return true;
    list_each(&f.engine.ops, link, after)
    {
        const struct key_op *earlier = list_item(link, struct key_op, link);
        if (earlier == op)
            return true;
        if (earlier->grant == op->grant)
            return false;
    }
    return true;
}

static unsigned count_of(const struct list *list)
{
    unsigned count = 0;
    list_each(list, link, after) count++;
    return count;
}

static struct key_op *pick(const struct list *list)
{
    uint64_t index = draw(count_of(list));
    list_each(list, link, after)
    {
        if (index-- == 0)
            return list_item(link, struct key_op, link);
    }
    return NULL;
}

/* One of those that are free; NULL: nothing is there. */
static struct key_op *pick_free(void)
{
    struct key_op *op = NULL;
    for (int i = 0; i < 8 && !list_is_empty(&f.engine.ops); i++) {
        op = pick(&f.engine.ops);
        if (is_free(op))
            return op;
    }
    return list_is_empty(&f.engine.ops) ? NULL
                                        : list_item(list_first(&f.engine.ops), struct key_op, link);
}

/* Sometimes it answers an error: a read then was nothing, a write may have been done. */
static void carry_out_any(void)
{
    struct key_op *op = pick_free();
    if (op == NULL)
        return;
    list_remove(&op->link);
    const bool fails = draw(20) == 0;
    if (op->command->number != COMMAND_IS_GET)
        note_write(op);
    if (!fails || op->command->number != COMMAND_IS_GET)
        fake_do(&f.engine, op);
    if (fails) {
        resp_out_rewind(op->out, 0);
        resp_error(op->out, "UNCERTAIN");
    }
    list_add_last(&f.engine.over, &op->link);
}

static void answer_any(void)
{
    if (list_is_empty(&f.engine.over))
        return;
    struct key_op *op = pick(&f.engine.over);
    list_remove(&op->link);
    op->done(op);
}

/* ---- clients ---- */

static void said_done(struct key_op *op);

static struct said *new_said(struct client *client)
{
    struct said *said = calloc(1, sizeof *said);
    said->client = client;
    if (client->last != NULL)
        client->last->next = said;
    else
        client->first = said;
    client->last = said;
    return said;
}

static void say_something(struct client *client)
{
    char words[FAKE_WORDS_BYTES];
    struct said *said = new_said(client);
    const uint64_t kind = draw(100);
    said->key = (unsigned)draw(KEYS);
    said->is_write = kind < 25;
    if (said->is_write) {
        cr_assert(writes_count < WRITES_MAX);
        said->number = writes_count;
        writes[writes_count++] = said;
    }
    if (kind < 2) {
        said->key = KEYS;
        (void)snprintf(words, sizeof words, "flushall %ld", (long)said->number);
    } else if (said->is_write) {
        (void)snprintf(words, sizeof words, "set %c %ld", 'a' + (int)said->key, (long)said->number);
    } else {
        (void)snprintf(words, sizeof words, "get %c", 'a' + (int)said->key);
    }
    said->asked = fake_prepare(&f, words);
    said->asked->op.is_behind = client->under_way > 0;
    said->asked->op.grant = &client->grant;
    said->asked->op.done = said_done;
    said->asked->op.keyspace = (struct keyspace *)(void *)said; /* the way back */
    said->asked_at = ++clock_now;
    client->under_way++;
    key_door_submit(&f.stages[client->stage].door, &said->asked->op);
}

static void said_done(struct key_op *op)
{
    struct said *said = (struct said *)(void *)op->keyspace;
    cr_assert(said->answered_at == 0, "answered once");
    said->answered_at = ++clock_now;
    said->client->under_way--;
}

/* ---- the law ---- */

static bool concerns(const struct said *write, const struct said *read)
{
    return write->is_write && (write->key == read->key || write->key == KEYS);
}

/* The time within which what it answered must have been there. */
static void find_window(const struct said *read, uint64_t *from, uint64_t *to)
{
    bool is_later = false;
    *from = read->asked_at;
    *to = read->answered_at;
    for (const struct said *said = read->client->first; said != NULL; said = said->next) {
        is_later |= said == read;
        if (!concerns(said, read))
            continue;
        if (!is_later)
            cr_assert(said->done_at != 0, "a read was answered before an earlier write was done");
        if (!is_later && said->done_at > *from)
            *from = said->done_at;
        if (is_later && said->done_at != 0 && said->done_at < *to)
            *to = said->done_at;
    }
}

static void check_read(const struct said *read)
{
    const struct resp_out *out = &read->asked->out;
    const struct bytes text = {out->buf->data, out->used};
    int64_t number = -1;
    uint64_t from, to;
    if (text.at[0] == '-')
        return;
    if (text.at[1] != '-') {
        const uint8_t *at = memchr(text.at, '\n', text.count);
        cr_assert(at != NULL);
        const size_t head = (size_t)(at - text.at) + 1;
        cr_assert(bytes_read_int64((struct bytes){at + 1, text.count - head - 2}, &number));
    }
    find_window(read, &from, &to);
    bool was_there = false;
    for (unsigned i = 0; i < history_count[read->key] && !was_there; i++) {
        const struct state *state = &history[read->key][i];
        const bool is_last = i + 1 == history_count[read->key];
        was_there =
            state->number == number && state->from <= to && (is_last || state[1].from > from);
    }
    cr_assert(was_there, "get %c answered %ld, which was not there from %lu to %lu",
              'a' + (int)read->key, (long)number, (unsigned long)from, (unsigned long)to);
    reads_checked++;
}

/* Looks at what is answered, and forgets what cannot matter to others any more. */
static void look_at(struct client *client)
{
    for (struct said *said = client->first; said != NULL; said = said->next) {
        if (said->answered_at == 0 || said->asked == NULL)
            continue;
        if (!said->is_write)
            check_read(said);
        resp_out_fini(&said->asked->out);
        free(said->asked);
        said->asked = NULL;
    }
    while (client->under_way == 0 && client->first != NULL) {
        struct said *said = client->first;
        client->first = said->next;
        if (!said->is_write)
            free(said);
    }
    if (client->first == NULL)
        client->last = NULL;
}

static bool pipelines(const struct client *client)
{
    return client->under_way < UNDER_WAY_MAX && draw(8) == 0;
}

static void step(bool may_ask)
{
    const uint64_t what = draw(100);
    struct client *client = &clients[draw(CLIENTS)];
    if (what < 40 && may_ask && (client->under_way == 0 || pipelines(client)))
        say_something(client);
    else if (what < 68)
        carry_out_any();
    else if (what < 95)
        answer_any();
    else
        fakes_turn(&f);
    for (unsigned i = 0; i < CLIENTS; i++)
        look_at(&clients[i]);
}

static unsigned under_way(void)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < CLIENTS; i++)
        sum += clients[i].under_way;
    return sum;
}

static void run(uint64_t seed)
{
    random_init(&draws, seed);
    fakes_begin(&f);
    f.engine.is_late = true;
    clock_now = 0;
    for (unsigned key = 0; key < KEYS; key++) {
        history_count[key] = 0;
        note(key, -1);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = (struct client){.stage = i % FAKE_STAGES};
    for (unsigned i = 0; i < STEPS; i++)
        step(true);
    for (unsigned i = 0; i < 100000 && under_way() > 0; i++)
        step(false);
    cr_assert(under_way() == 0, "seed %lu: some were never answered", (unsigned long)seed);
    const struct key_cache_counts counts = fakes_count(&f);
    cr_assert(counts.hits > 50 && counts.joined > 20 && counts.misses > 50,
              "%lu hits, %lu joined, %lu misses: the draw shows little", (unsigned long)counts.hits,
              (unsigned long)counts.joined, (unsigned long)counts.misses);
    fakes_end(&f);
    for (unsigned i = 0; i < writes_count; i++)
        free(writes[i]);
    writes_count = 0;
}

Test(key_cache_random, answers_what_was_there, .timeout = 120)
{
    for (unsigned key = 0; key < KEYS; key++)
        history[key] = calloc(WRITES_MAX, sizeof **history);
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run(seed);
    cr_expect(reads_checked > 10000);
    for (unsigned key = 0; key < KEYS; key++)
        free(history[key]);
}
