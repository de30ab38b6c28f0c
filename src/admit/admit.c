/* SPDX-License-Identifier: Apache-2.0 */
/* admit/admit.c - limits on what comes in. */
#include "admit/admit.h"

#include "core/mem.h"

#include <assert.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { TABLE_SIZE_FIRST = 256, RETRY_AFTER_S = 1 };

/* --- clients
 * ---------------------------------------------------------------------------------------------- */

static void write_address(uint8_t address[16], const struct sockaddr *peer)
{
    memset(address, 0, 16);
    if (peer->sa_family == AF_INET) {
        address[10] = address[11] = 0xff;
        memcpy(address + 12, &((const struct sockaddr_in *)(const void *)peer)->sin_addr, 4);
    } else if (peer->sa_family == AF_INET6) {
        const struct in6_addr *in6 = &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr;
        memcpy(address, in6, IN6_IS_ADDR_V4MAPPED(in6) ? 16 : 8);
    }
}

/* The place of @address, or the free place where it belongs. */
static uint32_t find_place(const struct admit *admit, const uint8_t address[16])
{
    uint32_t place = (uint32_t)hash_sip13(&admit->key, address, 16) & (admit->table_size - 1);
    while (admit->table[place].count > 0 && memcmp(admit->table[place].address, address, 16) != 0)
        place = (place + 1) & (admit->table_size - 1);
    return place;
}

static bool grow(struct admit *admit)
{
    struct admit_client *old = admit->table;
    const uint32_t old_size = admit->table_size;
    struct admit_client *table = mem_alloc((size_t)old_size * 2 * sizeof *table);
    if (table == NULL)
        return false;
    admit->table = table;
    admit->table_size = old_size * 2;
    for (uint32_t i = 0; i < old_size; i++)
        if (old[i].count > 0)
            table[find_place(admit, old[i].address)] = old[i];
    mem_free(old);
    return true;
}

/* Open addressing without tombstones: what follows the hole moves up to where it may be found. */
static void remove_place(struct admit *admit, uint32_t hole)
{
    const uint32_t mask = admit->table_size - 1;
    admit->table[hole].count = 0;
    admit->clients_count--;
    for (uint32_t i = (hole + 1) & mask; admit->table[i].count > 0; i = (i + 1) & mask) {
        const struct admit_client client = admit->table[i];
        admit->table[i].count = 0;
        admit->table[find_place(admit, client.address)] = client;
    }
}

static enum err_kind count_client(struct admit *admit, const struct sockaddr *peer)
{
    uint8_t address[16];
    write_address(address, peer);
    enum err_kind kind = ERR_NONE;
    pthread_mutex_lock(&admit->lock);
    uint32_t place = find_place(admit, address);
    if (admit->table[place].count == 0 && admit->clients_count >= admit->table_size / 2) {
        if (grow(admit))
            place = find_place(admit, address);
        else
            kind = ERR_MEMORY;
    }
    struct admit_client *client = &admit->table[place];
    if (kind == ERR_NONE &&
        client->count >= atomic_load_explicit(&admit->per_client_max, memory_order_relaxed))
        kind = ERR_CLIENT_LIMIT;
    if (kind == ERR_NONE) {
        if (client->count++ == 0) {
            memcpy(client->address, address, 16);
            admit->clients_count++;
        }
    }
    pthread_mutex_unlock(&admit->lock);
    return kind;
}

static enum err_kind connection(struct admission *self, const struct sockaddr *peer)
{
    struct admit *admit = (struct admit *)(void *)self;
    const uint32_t most = atomic_load_explicit(&admit->connections_max, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&admit->connections, 1, memory_order_relaxed) >= most) {
        atomic_fetch_sub_explicit(&admit->connections, 1, memory_order_relaxed);
        return ERR_LIMIT;
    }
    const enum err_kind kind = count_client(admit, peer);
    if (kind != ERR_NONE)
        atomic_fetch_sub_explicit(&admit->connections, 1, memory_order_relaxed);
    return kind;
}

static void left(struct admission *self, const struct sockaddr *peer)
{
    struct admit *admit = (struct admit *)(void *)self;
    uint8_t address[16];
    write_address(address, peer);
    atomic_fetch_sub_explicit(&admit->connections, 1, memory_order_relaxed);
    pthread_mutex_lock(&admit->lock);
    const uint32_t place = find_place(admit, address);
    assert(admit->table[place].count > 0);
    if (admit->table[place].count == 1)
        remove_place(admit, place);
    else
        admit->table[place].count--;
    pthread_mutex_unlock(&admit->lock);
}

/* The kernel gives the lowest free number, so the number itself tells how many are in use. */
static bool is_short_of_descriptors(struct admission *self, int fd)
{
    const struct admit *admit = (struct admit *)(void *)self;
    const uint32_t kept = atomic_load_explicit(&admit->descriptors_kept, memory_order_relaxed);
    int lowest = fd;
    if (fd < 0) {
        lowest = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
        if (lowest < 0)
            return true;
        close(lowest);
    }
    return (uint64_t)lowest + kept >= admit->descriptors_limit;
}

static void told(struct admission *self, bool pauses)
{
    struct admit *admit = (struct admit *)(void *)self;
    if (atomic_exchange(&admit->is_short, pauses) != pauses && admit->told != NULL)
        admit->told(admit->told_self, pauses);
}

bool admit_init(struct admit *admit, const struct admit_settings *settings, struct hash_key key)
{
    *admit = (struct admit){
        .admission = {connection, left, is_short_of_descriptors, told},
        .key = key,
        .table_size = TABLE_SIZE_FIRST,
    };
    admit->table = mem_alloc(TABLE_SIZE_FIRST * sizeof *admit->table);
    if (admit->table == NULL)
        return false;
    pthread_mutex_init(&admit->lock, NULL);
    struct rlimit limit;
    admit->descriptors_limit = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : UINT32_MAX;
    admit_change(admit, settings);
    return true;
}

void admit_change(struct admit *admit, const struct admit_settings *settings)
{
    atomic_store(&admit->connections_max, (uint32_t)settings->connections);
    atomic_store(&admit->per_client_max, (uint32_t)settings->connections_per_client);
    atomic_store(&admit->descriptors_kept, (uint32_t)settings->descriptors_kept);
    atomic_store(&admit->requests_max, (uint32_t)settings->requests_in_flight);
}

void admit_fini(struct admit *admit)
{
    if (admit->table == NULL)
        return;
    pthread_mutex_destroy(&admit->lock);
    mem_free(admit->table);
}

/* --- requests
 * ---------------------------------------------------------------------------------------------- */

struct admit_frame {
    struct frame        frame; /* first */
    struct admit_stage *stage;
};

static void leave(struct admit_stage *stage)
{
    atomic_fetch_sub_explicit(&stage->admit->requests, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(stage->service_requests, 1, memory_order_relaxed);
}

static void finished(struct frame *self, struct op *op, enum outcome outcome)
{
    leave(((struct admit_frame *)(void *)self)->stage);
    op_finish(op, outcome);
}

static bool is_over(uint32_t before, uint32_t most)
{
    return most != 0 && before >= most;
}

static void submit(struct stage *self, struct op *op)
{
    struct admit_stage *stage = (struct admit_stage *)(void *)self;
    struct admit_frame *frame = arena_take(&op->arena, sizeof *frame);
    if (frame == NULL) {
        op_refuse(op, ERR_MEMORY, NULL);
        return;
    }
    *frame = (struct admit_frame){.frame = {.finished = finished}, .stage = stage};
    const uint32_t all =
        atomic_fetch_add_explicit(&stage->admit->requests, 1, memory_order_relaxed);
    const uint32_t own =
        atomic_fetch_add_explicit(stage->service_requests, 1, memory_order_relaxed);
    const bool node_full =
        is_over(all, atomic_load_explicit(&stage->admit->requests_max, memory_order_relaxed));
    if (node_full || is_over(own, stage->service_requests_max)) {
        leave(stage);
        op->answer.retry_after_s = RETRY_AFTER_S;
        op_refuse(
            op, ERR_LIMIT,
            node_full
                ? "this node has as many requests in progress as limits.requests-in-flight allows"
                : "this service has as many requests in progress as its limits allow");
        return;
    }
    op_push(op, &frame->frame);
    stage_submit(self->below, op);
}

static const struct stage_kind kind = {.name = "admit", .submit = submit};

void admit_stage_init(struct admit_stage *stage, struct admit *admit,
                      _Atomic uint32_t *service_requests,
                      const struct admit_service_settings *settings, struct stage *below)
{
    *stage = (struct admit_stage){
        .stage = {.kind = &kind, .below = below},
        .admit = admit,
        .service_requests = service_requests,
        .service_requests_max = (uint32_t)settings->requests_in_flight,
    };
}
