/* SPDX-License-Identifier: Apache-2.0 */
/* cache/keys/key_cache_read.c - what is not in the store: one reads, others wait, and the answer is
 * kept if nothing was written meanwhile.
 *
 * not found -> under the slot's lock: a writer is under way: behind, and nothing is kept
 *                                     it is there by now: answered
 *                                     a flight for the same is under way: wait for it
 *                                     a new flight -> behind ... answered -> keep, tell waiters */
#include "cache/keys/key_cache_inside.h"

/* A read under way for the store. */
struct key_cache_flight {
    struct key_cache_child  child; /* first */
    struct key_cache_stage *stage; /* that of the op; for others to read nothing but what follows */
    struct key_cache_slot  *slot;
    struct key_cache_flight *next; /* in slot->flights, under its lock, like all below */
    uint64_t                 version, generation;
    uint64_t                 begun_ns, begun_ms;
    struct list              waiters; /* struct key_op, of any worker */
    struct bytes             key, field;
    uint8_t                  text[]; /* theirs */
};

static void fly_done(struct key_op *op);

/* ---- under the slot's lock ---- */

static struct key_cache_flight *find_flight(const struct key_cache_slot *slot,
                                            const struct key_cache_question *question)
{
    const struct bytes field = {question->field, question->field_bytes};
    struct key_cache_flight *flight = slot->flights;
    while (flight != NULL &&
           (flight->version != slot->version || !bytes_equal(flight->field, field) ||
            !bytes_equal(flight->key, question->key)))
        flight = flight->next;
    return flight;
}

/* NULL: no memory. */
static struct key_cache_flight *add_flight(struct key_cache_stage *stage,
                                           struct key_cache_slot *slot, const struct key_op *op,
                                           const struct key_cache_question *question)
{
    const size_t key_bytes = question->key.count;
    struct key_cache_flight *flight = mem_take(sizeof *flight + key_bytes + question->field_bytes);
    if (flight == NULL)
        return NULL;
    flight->stage = stage;
    flight->slot = slot;
    flight->version = slot->version;
    flight->generation = question->generation;
    flight->begun_ns = stage->options.loop->now_ns;
    flight->begun_ms = op->now_ms;
    flight->key = (struct bytes){flight->text, key_bytes};
    flight->field = (struct bytes){flight->text + key_bytes, question->field_bytes};
    if (key_bytes > 0)
        memcpy(flight->text, question->key.at, key_bytes);
    memcpy(flight->text + key_bytes, question->field, question->field_bytes);
    list_init(&flight->waiters);
    flight->next = slot->flights;
    slot->flights = flight;
    return flight;
}

static void remove_flight(struct key_cache_flight *flight)
{
    struct key_cache_flight **at = &flight->slot->flights;
    while (*at != flight)
        at = &(*at)->next;
    *at = flight->next;
}

/* False: it must read by itself. */
static bool join(struct key_cache_stage *stage, struct key_cache_flight *flight, struct key_op *op)
{
    if (!key_cache__may_wait(stage) || (!op->is_apart && !op->set_apart(op)))
        return false;
    key_cache__wait(stage, op, &flight->waiters);
    return true;
}

/* What is to be done with an op that found nothing. */
enum course { FOUND, JOINED, ALONE, FLIES };

static enum course choose(struct key_cache_stage *stage, struct key_op *op,
                          const struct key_cache_question *question,
                          struct key_cache_flight **flight)
{
    struct key_cache *cache = stage->options.cache;
    struct key_cache_slot *slot = key_cache__slot(cache, question->key);
    enum course course = ALONE;
    pthread_mutex_lock(&slot->lock);
    if (!key_cache__may_fill(cache, slot))
        course = ALONE;
    else if (key_cache__find(stage, op, question)) /* another worker kept it just now */
        course = FOUND;
    else if ((*flight = find_flight(slot, question)) != NULL)
        course = join(stage, *flight, op) ? JOINED : ALONE;
    else if ((*flight = add_flight(stage, slot, op, question)) != NULL)
        course = FLIES;
    pthread_mutex_unlock(&slot->lock);
    return course;
}

void key_cache__read(struct key_cache_stage *stage, struct key_op *op,
                     const struct key_cache_question *question)
{
    struct key_cache_flight *flight = NULL;
    const enum course course =
        key_cache__find(stage, op, question) ? FOUND : choose(stage, op, question, &flight);
    key_cache__count(stage, course == FOUND    ? KEY_CACHE_hits
                            : course == JOINED ? KEY_CACHE_joined
                                               : KEY_CACHE_misses);
    switch (course) {
    case FOUND: op->done(op); break;
    case JOINED: break;
    case ALONE: key_door_submit(stage->options.behind, op); break;
    case FLIES:
        key_cache__child_init(&flight->child, op, fly_done);
        key_door_submit(stage->options.behind, &flight->child.op);
    }
}

/* ---- the end of a flight ---- */

/* A refusal is not about the key, an error may be of the moment. */
static bool is_good(const struct key_cache_flight *flight, struct bytes answer)
{
    return answer.count > 0 && answer.at[0] != '-' && !flight->child.op.is_refused;
}

/* Under the slot's lock. */
static bool may_keep(const struct key_cache_flight *flight, struct bytes answer)
{
    const struct key_cache *cache = flight->stage->options.cache;
    return is_good(flight, answer) && answer.count <= cache->options.answer_bytes_max &&
           flight->slot->version == flight->version &&
           key_cache__generation(cache) == flight->generation &&
           flight->stage->options.loop->now_ns - flight->begun_ns < cache->options.for_ns;
}

static void tell(struct key_op *waiter, const struct key_cache_flight *flight, struct bytes answer)
{
    const uint64_t fresh_until_ms = flight->child.op.fresh_until_ms;
    const bool is_answered =
        is_good(flight, answer) && (fresh_until_ms == 0 || waiter->now_ms < fresh_until_ms);
    if (is_answered) {
        resp_raw(waiter->out, answer);
        waiter->fresh_until_ms = fresh_until_ms;
    }
    key_cache__give_back(waiter, is_answered);
}

static void fly_done(struct key_op *op)
{
    struct key_cache_flight *flight = (struct key_cache_flight *)(void *)op;
    const struct bytes answer = key_cache__child_answer(&flight->child);
    struct key_op *asked = flight->child.asked;
    pthread_mutex_lock(&flight->slot->lock);
    remove_flight(flight); /* nobody joins any more */
    if (may_keep(flight, answer))
        key_cache__keep(flight->stage,
                        &(struct key_cache_kept){.key = flight->key,
                                                 .field = flight->field,
                                                 .answer = answer,
                                                 .begun_ns = flight->begun_ns,
                                                 .begun_ms = flight->begun_ms,
                                                 .fresh_until_ms = op->fresh_until_ms});
    pthread_mutex_unlock(&flight->slot->lock);
    list_each(&flight->waiters, link, after)
    {
        list_remove(link);
        tell(list_item(link, struct key_op, link), flight, answer);
    }
    key_cache__child_over(&flight->child);
    mem_free(flight);
    asked->done(asked);
}
