/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/pubsub/pubsub_hub.c - topics, and messages on their way to workers. */
#include "front/resp/pubsub/pubsub_hub.h"

#include "core/glob.h"
#include "core/mem.h"

#include <assert.h>
#include <stdio.h>

enum { BULK_BYTES_MAX = 1 + BYTES_INT64_MAX + 2 + 2 }; /* of a bulk string, beside its content */

static_assert(WORKERS_MAX <= 64, "a worker is a bit");

static uint64_t bit_of(unsigned index)
{
    return (uint64_t)1 << index;
}

static void lock(struct pubsub_hub *hub)
{
    const int error = pthread_mutex_lock(&hub->lock);
    assert(error == 0);
    (void)error;
}

static void unlock(struct pubsub_hub *hub)
{
    (void)pthread_mutex_unlock(&hub->lock);
}

void pubsub_hub_init(struct pubsub_hub *hub, const struct hash_key *key, unsigned workers_count)
{
    *hub = (struct pubsub_hub){.key = *key, .workers_count = workers_count};
    const int error = pthread_mutex_init(&hub->lock, NULL);
    assert(error == 0 && workers_count <= WORKERS_MAX);
    (void)error;
    for (unsigned kind = 0; kind < PUBSUB_KINDS_COUNT; kind++)
        list_init(&hub->all[kind]);
}

void pubsub_hub_fini(struct pubsub_hub *hub)
{
    if (hub->workers_count == 0)
        return;
    assert(atomic_load(&hub->subscriptions_count) == 0);
    for (unsigned kind = 0; kind < PUBSUB_KINDS_COUNT; kind++)
        pubsub_table_fini(&hub->topics[kind]);
    pthread_mutex_destroy(&hub->lock);
    hub->workers_count = 0;
}

uint64_t pubsub_hub_hash(const struct pubsub_hub *hub, struct bytes name)
{
    return hash_sip13(&hub->key, name.at, name.count);
}

/* ---- topics; under the lock ---- */

static struct pubsub_topic *topic_of(struct list_link *link)
{
    return list_item(link, struct pubsub_topic, link);
}

static struct pubsub_topic *find(const struct pubsub_hub *hub, enum pubsub_kind kind,
                                 struct bytes name, uint64_t hash)
{
    struct pubsub_node *node = pubsub_table_find(&hub->topics[kind], hash);
    for (; node != NULL; node = node->next) {
        struct pubsub_topic *topic = list_item(node, struct pubsub_topic, node);
        if (node->hash == hash && bytes_equal(topic->name, name))
            return topic;
    }
    return NULL;
}

static struct pubsub_topic *add(struct pubsub_hub *hub, enum pubsub_kind kind, struct bytes name,
                                uint64_t hash)
{
    if (!pubsub_table_reserve(&hub->topics[kind]))
        return NULL;
    struct pubsub_topic *topic = mem_take(sizeof *topic + name.count);
    if (topic == NULL)
        return NULL;
    *topic = (struct pubsub_topic){.node.hash = hash,
                                   .name = {(const uint8_t *)(topic + 1), name.count}};
    if (name.count > 0)
        memcpy(topic + 1, name.at, name.count);
    pubsub_table_add(&hub->topics[kind], &topic->node);
    list_add_last(&hub->all[kind], &topic->link);
    return topic;
}

struct pubsub_topic *pubsub_hub_join(struct pubsub_hub *hub, enum pubsub_kind kind,
                                     struct bytes name, unsigned index, uint64_t *since)
{
    const uint64_t hash = pubsub_hub_hash(hub, name);
    lock(hub);
    struct pubsub_topic *topic = find(hub, kind, name, hash);
    if (topic == NULL)
        topic = add(hub, kind, name, hash);
    if (topic != NULL) {
        topic->subscribers_count++;
        topic->workers |= bit_of(index);
        *since = ++hub->sequence;
        atomic_fetch_add(&hub->subscriptions_count, 1);
    }
    unlock(hub);
    return topic;
}

void pubsub_hub_leave(struct pubsub_hub *hub, enum pubsub_kind kind, struct pubsub_topic *topic,
                      unsigned index, bool is_last)
{
    lock(hub);
    if (is_last)
        topic->workers &= ~bit_of(index);
    atomic_fetch_sub(&hub->subscriptions_count, 1);
    const bool is_over = --topic->subscribers_count == 0;
    if (is_over) {
        pubsub_table_remove(&hub->topics[kind], &topic->node);
        list_remove(&topic->link);
    }
    unlock(hub);
    if (is_over)
        mem_free(topic);
}

/* ---- messages ---- */

/* Writes a bulk string at @at; its content begins at *@content. Returns where it ends. */
static uint8_t *put_bulk(uint8_t *at, struct bytes bytes, const uint8_t **content)
{
    *at++ = '$';
    at += bytes_write_int64(at, (int64_t)bytes.count);
    *at++ = '\r';
    *at++ = '\n';
    *content = at;
    if (bytes.count > 0)
        memcpy(at, bytes.at, bytes.count);
    at += bytes.count;
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

/* With room for a letter to each worker. */
static struct pubsub_message *new_message(const struct pubsub_hub *hub,
                                          const struct pubsub_text *text)
{
    const size_t letters_bytes = hub->workers_count * sizeof(struct pubsub_letter);
    const size_t bytes = sizeof(struct pubsub_message) + letters_bytes + text->channel.count +
                         text->text.count + (size_t)2 * BULK_BYTES_MAX;
    struct pubsub_message *message = mem_take(bytes);
    if (message == NULL)
        return NULL;
    *message = (struct pubsub_message){.kind = text->kind, .held_bytes = bytes};
    atomic_init(&message->refs_count, 1);
    uint8_t *begin = (uint8_t *)message->letters + letters_bytes;
    const uint8_t *channel, *content;
    uint8_t *end = put_bulk(begin, text->channel, &channel);
    end = put_bulk(end, text->text, &content);
    message->channel = (struct bytes){channel, text->channel.count};
    message->tail = (struct bytes){begin, (size_t)(end - begin)};
    message->hash = pubsub_hub_hash(hub, message->channel);
    return message;
}

void pubsub_message_unref(struct pubsub_message *message)
{
    if (atomic_fetch_sub_explicit(&message->refs_count, 1, memory_order_acq_rel) == 1)
        mem_free(message);
}

/* ---- letters ---- */

/* True: the inbox has more than it should, and its reader will tell the worker of @from. */
static bool put(struct pubsub_inbox *inbox, struct pubsub_letter *letter, unsigned from, bool wakes)
{
    pthread_mutex_lock(&inbox->lock);
    list_add_last(&inbox->letters, &letter->link);
    inbox->bytes += letter->message->held_bytes;
    const bool is_full = inbox->bytes > PUBSUB_INBOX_BYTES;
    if (is_full)
        inbox->waiting_workers |= bit_of(from);
    const bool posts = wakes && !inbox->is_posted;
    inbox->is_posted |= posts;
    pthread_mutex_unlock(&inbox->lock);
    if (posts)
        loop_post(inbox->loop, &inbox->post);
    return is_full;
}

/* Workers with patterns that match, and how many subscribers those have. */
static uint64_t match(const struct pubsub_hub *hub, const struct pubsub_message *message,
                      uint64_t *count)
{
    uint64_t workers = 0;
    if (message->kind != PUBSUB_CHANNEL)
        return 0;
    list_each(&hub->all[PUBSUB_PATTERN], link, after)
    {
        const struct pubsub_topic *topic = topic_of(link);
        if (!glob_matches(topic->name, message->channel))
            continue;
        workers |= topic->workers;
        *count += topic->subscribers_count;
    }
    return workers;
}

/* Under the lock. A worker whose bit is set has not left, so its loop is there. */
static void put_all(struct pubsub_hub *hub, struct pubsub_message *message,
                    const struct pubsub_text *text, unsigned from, struct pubsub_sent *sent)
{
    const struct pubsub_topic *topic = find(hub, message->kind, message->channel, message->hash);
    const uint64_t matching = match(hub, message, &sent->receivers_count);
    const uint64_t workers = matching | (topic == NULL ? 0 : topic->workers);
    struct pubsub_letter *letter = message->letters;
    if (topic != NULL)
        sent->receivers_count += topic->subscribers_count;
    message->sequence = hub->sequence;
    for (unsigned i = 0; i < hub->workers_count; i++) {
        if ((workers & bit_of(i)) == 0)
            continue;
        *letter =
            (struct pubsub_letter){.message = message, .has_patterns = (matching & bit_of(i)) != 0};
        pubsub_message_ref(message);
        sent->is_ahead |= put(hub->inboxes[i], letter++, from, i != from || !text->reads_own);
    }
}

bool pubsub_hub_publish(struct pubsub_hub *hub, const struct pubsub_text *text, unsigned index,
                        struct pubsub_sent *sent)
{
    *sent = (struct pubsub_sent){0};
    atomic_fetch_add_explicit(&hub->messages, 1, memory_order_relaxed);
    if (atomic_load(&hub->subscriptions_count) == 0)
        return true;
    struct pubsub_message *message = new_message(hub, text);
    if (message == NULL)
        return false;
    lock(hub);
    put_all(hub, message, text, index, sent);
    unlock(hub);
    pubsub_message_unref(message);
    return true;
}

uint64_t pubsub_hub_take(struct pubsub_inbox *inbox, struct list *letters)
{
    pthread_mutex_lock(&inbox->lock);
    const uint64_t waiting = inbox->waiting_workers;
    list_take_all(letters, &inbox->letters);
    inbox->bytes = 0;
    inbox->waiting_workers = 0;
    pthread_mutex_unlock(&inbox->lock);
    return waiting;
}

void pubsub_hub_tell(struct pubsub_hub *hub, uint64_t waiting_workers)
{
    lock(hub);
    for (unsigned i = 0; i < hub->workers_count; i++) {
        struct pubsub_inbox *inbox = hub->inboxes[i];
        if ((waiting_workers & bit_of(i)) == 0 || inbox == NULL || inbox->has_go_on)
            continue;
        inbox->has_go_on = true;
        loop_post(inbox->loop, &inbox->go_on);
    }
    unlock(hub);
}

void pubsub_hub_set_inbox(struct pubsub_hub *hub, unsigned index, struct pubsub_inbox *inbox)
{
    lock(hub);
    hub->inboxes[index] = inbox;
    unlock(hub);
}

/* ---- what is asked ---- */

void pubsub_hub_list(struct pubsub_hub *hub, enum pubsub_kind kind, const struct bytes *pattern,
                     struct resp_out *out)
{
    uint64_t count = 0;
    const size_t begun = resp_begin_array(out);
    lock(hub);
    list_each(&hub->all[kind], link, after)
    {
        const struct pubsub_topic *topic = topic_of(link);
        if (out->failed)
            break;
        if (pattern != NULL && !glob_matches(*pattern, topic->name))
            continue;
        resp_bulk(out, topic->name);
        count++;
    }
    unlock(hub);
    resp_end_array(out, begun, count);
}

uint64_t pubsub_hub_subscribers(struct pubsub_hub *hub, enum pubsub_kind kind, struct bytes name)
{
    lock(hub);
    const struct pubsub_topic *topic = find(hub, kind, name, pubsub_hub_hash(hub, name));
    const uint64_t count = topic == NULL ? 0 : topic->subscribers_count;
    unlock(hub);
    return count;
}

uint64_t pubsub_hub_topics(struct pubsub_hub *hub, enum pubsub_kind kind)
{
    lock(hub);
    const uint64_t count = hub->topics[kind].count;
    unlock(hub);
    return count;
}

void pubsub_hub_count(struct pubsub_hub *hub, struct pubsub_figures *figures)
{
    *figures = (struct pubsub_figures){
        .channels = pubsub_hub_topics(hub, PUBSUB_CHANNEL),
        .patterns = pubsub_hub_topics(hub, PUBSUB_PATTERN),
        .shard_channels = pubsub_hub_topics(hub, PUBSUB_SHARD),
        .subscriptions = atomic_load_explicit(&hub->subscriptions_count, memory_order_relaxed),
        .messages = atomic_load_explicit(&hub->messages, memory_order_relaxed),
        .deliveries = atomic_load_explicit(&hub->deliveries, memory_order_relaxed),
        .closed = atomic_load_explicit(&hub->closed, memory_order_relaxed),
    };
}
