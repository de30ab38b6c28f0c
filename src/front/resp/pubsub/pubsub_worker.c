/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/pubsub/pubsub_worker.c - a worker's subscribers, and messages to them. */
#include "front/resp/pubsub/pubsub_worker.h"

#include "core/glob.h"
#include "core/mem.h"

#include <assert.h>

/* --- life ------------------------------------------------------------------------------------- */

static void read_inbox(struct post *post)
{
    struct pubsub_worker *worker = (struct pubsub_worker *)(void *)post;
    pthread_mutex_lock(&worker->inbox.lock);
    worker->inbox.is_posted = false;
    pthread_mutex_unlock(&worker->inbox.lock);
    pubsub_hand_on(worker);
}

static void go_on(struct post *post)
{
    struct pubsub_worker *worker = list_item(post, struct pubsub_worker, inbox.go_on);
    struct list held;
    pthread_mutex_lock(&worker->hub->lock);
    worker->inbox.has_go_on = false;
    pthread_mutex_unlock(&worker->hub->lock);
    list_init(&held);
    list_take_all(&held, &worker->held);
    for (struct list_link *link; (link = list_first(&held)) != NULL;) {
        struct pubsub_subscriber *subscriber = list_item(link, struct pubsub_subscriber, held);
        list_remove(link);
        subscriber->reader->go_on(subscriber); /* may be held again, or close others */
    }
}

void pubsub_worker_open(struct pubsub_worker *worker, struct pubsub_hub *hub, unsigned index,
                        struct loop *loop)
{
    if (worker->hub != NULL)
        return;
    *worker = (struct pubsub_worker){
        .inbox = {.post.call = read_inbox, .go_on.call = go_on, .loop = loop},
        .hub = hub,
        .index = index,
    };
    const int error = pthread_mutex_init(&worker->inbox.lock, NULL);
    assert(error == 0 && index < hub->workers_count);
    (void)error;
    list_init(&worker->inbox.letters);
    list_init(&worker->patterns);
    list_init(&worker->doomed);
    list_init(&worker->held);
    pubsub_hub_set_inbox(hub, index, &worker->inbox);
}

static struct pubsub_letter *take_letter(struct list *letters)
{
    struct list_link *link = list_first(letters);
    if (link == NULL)
        return NULL;
    list_remove(link);
    return list_item(link, struct pubsub_letter, link);
}

void pubsub_worker_close(struct pubsub_worker *worker)
{
    struct list letters;
    if (worker->hub == NULL)
        return;
    pubsub_table_fini(&worker->subscriptions);
    for (unsigned kind = 0; kind < PUBSUB_KINDS_COUNT; kind++)
        pubsub_table_fini(&worker->places[kind]);
    pubsub_hub_set_inbox(worker->hub, worker->index, NULL);
    list_init(&letters);
    const uint64_t waiting = pubsub_hub_take(&worker->inbox, &letters);
    for (struct pubsub_letter *letter; (letter = take_letter(&letters)) != NULL;)
        pubsub_message_unref(letter->message);
    if (waiting != 0)
        pubsub_hub_tell(worker->hub, waiting);
    pthread_mutex_destroy(&worker->inbox.lock);
    worker->hub = NULL;
}

void pubsub_subscriber_init(struct pubsub_subscriber *subscriber,
                            const struct pubsub_reader *reader)
{
    *subscriber = (struct pubsub_subscriber){.reader = reader};
    for (unsigned kind = 0; kind < PUBSUB_KINDS_COUNT; kind++)
        list_init(&subscriber->subscriptions[kind]);
    link_init(&subscriber->doomed);
    link_init(&subscriber->held);
}

/* --- subscriptions ---------------------------------------------------------------------------- */

/* Of one name, for one subscriber: places of the table differ for all who subscribe it. */
static uint64_t hash_for(const struct pubsub_subscriber *subscriber, uint64_t name_hash)
{
    return name_hash ^ ((uint64_t)(uintptr_t)subscriber >> 4) * 0x9e3779b97f4a7c15u;
}

static struct pubsub_subscription *find(const struct pubsub_worker *worker,
                                        const struct pubsub_subscriber *subscriber,
                                        enum pubsub_kind kind, struct bytes name)
{
    const uint64_t hash = hash_for(subscriber, pubsub_hub_hash(worker->hub, name));
    struct pubsub_node *node = pubsub_table_find(&worker->subscriptions, hash);
    for (; node != NULL; node = node->next) {
        struct pubsub_subscription *each = list_item(node, struct pubsub_subscription, node);
        if (node->hash == hash && each->subscriber == subscriber && each->kind == kind &&
            bytes_equal(each->place->topic->name, name))
            return each;
    }
    return NULL;
}

static struct pubsub_place *find_place(const struct pubsub_worker *worker, enum pubsub_kind kind,
                                       struct bytes name, uint64_t hash)
{
    struct pubsub_node *node = pubsub_table_find(&worker->places[kind], hash);
    for (; node != NULL; node = node->next) {
        struct pubsub_place *place = list_item(node, struct pubsub_place, node);
        if (node->hash == hash && bytes_equal(place->topic->name, name))
            return place;
    }
    return NULL;
}

/* The place of a topic that the worker has just joined. NULL: no memory. */
static struct pubsub_place *get_place(struct pubsub_worker *worker, enum pubsub_kind kind,
                                      struct pubsub_topic *topic)
{
    const uint64_t hash = topic->node.hash;
    struct pubsub_place *place = find_place(worker, kind, topic->name, hash);
    if (place != NULL || !pubsub_table_reserve(&worker->places[kind]))
        return place;
    place = mem_take(sizeof *place);
    if (place == NULL)
        return NULL;
    *place = (struct pubsub_place){.node.hash = hash, .topic = topic};
    list_init(&place->subscriptions);
    link_init(&place->link);
    pubsub_table_add(&worker->places[kind], &place->node);
    if (kind == PUBSUB_PATTERN)
        list_add_last(&worker->patterns, &place->link);
    return place;
}

/* What one costs at most: as if nobody else had subscribed that name. */
static size_t cost(struct bytes name)
{
    return sizeof(struct pubsub_subscription) + sizeof(struct pubsub_place) +
           sizeof(struct pubsub_topic) + name.count;
}

static void enlist(struct pubsub_worker *worker, struct pubsub_subscription *subscription)
{
    struct pubsub_subscriber *subscriber = subscription->subscriber;
    pubsub_table_add(&worker->subscriptions, &subscription->node);
    list_add_last(&subscription->place->subscriptions, &subscription->in_place);
    list_add_last(&subscriber->subscriptions[subscription->kind], &subscription->in_subscriber);
    subscriber->counts[subscription->kind]++;
    subscriber->bytes += cost(subscription->place->topic->name);
}

bool pubsub_subscribe(struct pubsub_worker *worker, struct pubsub_subscriber *subscriber,
                      enum pubsub_kind kind, struct bytes name)
{
    uint64_t since;
    assert(!worker->is_handing_on);
    if (find(worker, subscriber, kind, name) != NULL)
        return true;
    if (!pubsub_table_reserve(&worker->subscriptions))
        return false;
    struct pubsub_subscription *subscription = mem_take(sizeof *subscription);
    struct pubsub_topic *topic =
        subscription == NULL ? NULL
                             : pubsub_hub_join(worker->hub, kind, name, worker->index, &since);
    if (topic == NULL) {
        mem_free(subscription);
        return false;
    }
    struct pubsub_place *place = get_place(worker, kind, topic);
    if (place == NULL) {
        pubsub_hub_leave(worker->hub, kind, topic, worker->index, true);
        mem_free(subscription);
        return false;
    }
    *subscription = (struct pubsub_subscription){
        .node.hash = hash_for(subscriber, topic->node.hash),
        .place = place,
        .subscriber = subscriber,
        .since = since,
        .kind = (uint8_t)kind,
    };
    enlist(worker, subscription);
    return true;
}

static void end(struct pubsub_worker *worker, struct pubsub_subscription *subscription)
{
    struct pubsub_place *place = subscription->place;
    struct pubsub_subscriber *subscriber = subscription->subscriber;
    const enum pubsub_kind kind = subscription->kind;
    assert(!worker->is_handing_on);
    subscriber->counts[kind]--;
    subscriber->bytes -= cost(place->topic->name);
    pubsub_table_remove(&worker->subscriptions, &subscription->node);
    list_remove(&subscription->in_place);
    list_remove(&subscription->in_subscriber);
    mem_free(subscription);
    const bool is_last = list_is_empty(&place->subscriptions);
    pubsub_hub_leave(worker->hub, kind, place->topic, worker->index, is_last);
    if (!is_last)
        return;
    pubsub_table_remove(&worker->places[kind], &place->node);
    list_remove(&place->link);
    mem_free(place);
}

void pubsub_unsubscribe(struct pubsub_worker *worker, struct pubsub_subscriber *subscriber,
                        enum pubsub_kind kind, struct bytes name)
{
    struct pubsub_subscription *subscription = find(worker, subscriber, kind, name);
    if (subscription != NULL)
        end(worker, subscription);
}

static struct pubsub_subscription *first_of(const struct pubsub_subscriber *subscriber,
                                            enum pubsub_kind kind)
{
    struct list_link *link = list_first(&subscriber->subscriptions[kind]);
    return link == NULL ? NULL : list_item(link, struct pubsub_subscription, in_subscriber);
}

const struct bytes *pubsub_first(const struct pubsub_subscriber *subscriber, enum pubsub_kind kind)
{
    const struct pubsub_subscription *first = first_of(subscriber, kind);
    return first == NULL ? NULL : &first->place->topic->name;
}

void pubsub_leave(struct pubsub_worker *worker, struct pubsub_subscriber *subscriber)
{
    list_remove(&subscriber->doomed);
    list_remove(&subscriber->held);
    pubsub_unsubscribe_all(worker, subscriber);
}

void pubsub_unsubscribe_all(struct pubsub_worker *worker, struct pubsub_subscriber *subscriber)
{
    for (unsigned kind = 0; kind < PUBSUB_KINDS_COUNT; kind++)
        for (struct pubsub_subscription *each; (each = first_of(subscriber, kind)) != NULL;)
            end(worker, each);
}

/* --- messages --------------------------------------------------------------------------------- */

bool pubsub_publish(struct pubsub_worker *worker, struct pubsub_subscriber *publisher,
                    const struct pubsub_text *text, uint64_t *receivers_count)
{
    struct pubsub_sent sent;
    if (!pubsub_hub_publish(worker->hub, text, worker->index, &sent))
        return false;
    *receivers_count = sent.receivers_count;
    if (sent.is_ahead && !pubsub_is_held(publisher))
        list_add_last(&worker->held, &publisher->held);
    return true;
}

static void release_shared(struct buf *buf)
{
    pubsub_message_unref(buf->owner);
    mem_free(buf);
}

struct buf *pubsub_parcel_share(struct pubsub_parcel *parcel)
{
    struct pubsub_message *message = parcel->message;
    if (parcel->shared != NULL)
        return parcel->shared;
    struct buf *buf = mem_take(sizeof *buf);
    if (buf == NULL)
        return NULL;
    pubsub_message_ref(message);
    *buf = (struct buf){
        .data = (uint8_t *)(uintptr_t)message->tail.at,
        .capacity = (uint32_t)message->tail.count,
        .refs_count = 1,
        .released = release_shared,
        .owner = message,
        .used_bytes = (uint32_t)message->tail.count,
    };
    return parcel->shared = buf;
}

/* Who subscribed after it was published does not get it. */
static uint64_t hand_to_place(struct pubsub_worker *worker, const struct pubsub_place *place,
                              struct pubsub_parcel *parcel)
{
    uint64_t count = 0;
    list_each(&place->subscriptions, link, after)
    {
        struct pubsub_subscription *each = list_item(link, struct pubsub_subscription, in_place);
        struct pubsub_subscriber *subscriber = each->subscriber;
        if (each->since > parcel->message->sequence || link_is_in_list(&subscriber->doomed))
            continue;
        if (subscriber->reader->push(subscriber, parcel))
            count++;
        else
            list_add_last(&worker->doomed, &subscriber->doomed);
    }
    return count;
}

static uint64_t hand_on(struct pubsub_worker *worker, const struct pubsub_letter *letter)
{
    struct pubsub_message *message = letter->message;
    struct pubsub_parcel parcel = {.message = message};
    const struct pubsub_place *place =
        find_place(worker, message->kind, message->channel, message->hash);
    uint64_t count = place == NULL ? 0 : hand_to_place(worker, place, &parcel);
    list_each(&worker->patterns, link, after)
    {
        place = list_item(link, struct pubsub_place, link);
        if (!letter->has_patterns || !glob_matches(place->topic->name, message->channel))
            continue;
        parcel.pattern = &place->topic->name;
        count += hand_to_place(worker, place, &parcel);
    }
    buf_unref(parcel.shared);
    return count;
}

static void drop_doomed(struct pubsub_worker *worker)
{
    for (struct list_link *link; (link = list_first(&worker->doomed)) != NULL;) {
        struct pubsub_subscriber *subscriber = list_item(link, struct pubsub_subscriber, doomed);
        list_remove(link);
        atomic_fetch_add_explicit(&worker->hub->closed, 1, memory_order_relaxed);
        subscriber->reader->drop(subscriber);
    }
}

void pubsub_hand_on(struct pubsub_worker *worker)
{
    struct list letters;
    uint64_t count = 0;
    list_init(&letters);
    const uint64_t waiting = pubsub_hub_take(&worker->inbox, &letters);
    if (list_is_empty(&letters))
        return;
    worker->is_handing_on = true;
    for (struct pubsub_letter *letter; (letter = take_letter(&letters)) != NULL;) {
        count += hand_on(worker, letter);
        pubsub_message_unref(letter->message); /* the letter lies in it */
    }
    worker->is_handing_on = false;
    atomic_fetch_add_explicit(&worker->hub->deliveries, count, memory_order_relaxed);
    if (waiting != 0)
        pubsub_hub_tell(worker->hub, waiting);
    drop_doomed(worker);
}
