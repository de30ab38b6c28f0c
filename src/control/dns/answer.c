/* SPDX-License-Identifier: Apache-2.0 */
/* control/dns/answer.c - from DNS records to addresses. */
#include "control/dns/answer.h"

#include "core/mem.h"
#include "path/target.h"

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER_BYTES = 12,      /* RFC 1035 4.1.1 */
    QUESTIONS_AT = 4,       /* in it: how many, and behind it how many answers */
    ROW_BYTES = 10,         /* type, class, TTL, length */
    SRV_BYTES_MIN = 7,      /* priority, weight, port and the root's name */
    NAME_POINTERS_MAX = 32, /* a name of 255 bytes cannot need more */
    GROW_FROM_COUNT = 8,
};

/* --- the message ---------------------------------------------------------------------------- */

struct message {
    const uint8_t *bytes;
    size_t         count;
    size_t         at;
    bool           bad;
};

static unsigned read_u16(struct message *m)
{
    if (m->bad || m->count - m->at < 2) {
        m->bad = true;
        return 0;
    }
    const unsigned value = (unsigned)m->bytes[m->at] << 8 | m->bytes[m->at + 1];
    m->at += 2;
    return value;
}

static uint32_t read_u32(struct message *m)
{
    const uint32_t high = read_u16(m);
    return high << 16 | read_u16(m);
}

/* Copies one label; false: it does not fit, or holds what no host name holds. */
static bool put_label(char *name, size_t *used, const uint8_t *label, unsigned bytes)
{
    if (*used + bytes + 2 > 256)
        return false;
    if (*used > 0)
        name[(*used)++] = '.';
    for (unsigned i = 0; i < bytes; i++) {
        if (label[i] <= ' ' || label[i] >= 0x7f || label[i] == '.' || label[i] == '\\')
            return false;
        name[(*used)++] = (char)label[i];
    }
    return true;
}

/* Reads a name, with pointers (RFC 1035 4.1.4), and moves behind it. @name may be NULL. */
static void read_name(struct message *m, char *name)
{
    size_t at = m->at, used = 0;
    unsigned pointers = 0;
    for (;;) {
        if (m->bad || at >= m->count)
            break;
        const unsigned length = m->bytes[at];
        if (length >= 0xc0) {
            if (at + 1 >= m->count || ++pointers > NAME_POINTERS_MAX)
                break;
            if (pointers == 1)
                m->at = at + 2;
            at = (length & 0x3fu) << 8 | m->bytes[at + 1];
            continue;
        }
        if (length > 63 || at + 1 + length > m->count)
            break;
        if (length == 0) {
            if (pointers == 0)
                m->at = at + 1;
            if (name != NULL)
                name[used] = '\0';
            return;
        }
        if (name != NULL && !put_label(name, &used, m->bytes + at + 1, length))
            break;
        at += 1 + length;
    }
    m->bad = true;
}

/* Reads one SRV record that lies at m->at and has @bytes bytes. True: it names a host. */
static bool read_record(struct message *m, size_t bytes, struct dns_record *record)
{
    const size_t end = m->at + bytes;
    if (bytes < SRV_BYTES_MIN) {
        m->bad = true;
        return false;
    }
    record->priority = (uint16_t)read_u16(m);
    record->weight = (uint16_t)read_u16(m);
    record->port = (uint16_t)read_u16(m);
    read_name(m, record->host);
    m->bad |= m->at != end;
    return !m->bad && record->host[0] != '\0' && record->port != 0;
}

int dns_read_records(const uint8_t *message, size_t bytes, struct dns_record *records, size_t most)
{
    struct message m = {.bytes = message, .count = bytes, .at = QUESTIONS_AT};
    uint32_t ttl_s = DNS_TTL_S_MAX;
    size_t count = 0;
    if (bytes < HEADER_BYTES)
        return -1;
    const unsigned questions = read_u16(&m);
    const unsigned answers = read_u16(&m);
    m.at = HEADER_BYTES;
    for (unsigned i = 0; i < questions && !m.bad; i++) {
        read_name(&m, NULL);
        (void)read_u32(&m);
    }
    for (unsigned i = 0; i < answers && !m.bad; i++) {
        read_name(&m, NULL);
        const unsigned type = read_u16(&m);
        (void)read_u16(&m);
        const uint32_t row_ttl_s = read_u32(&m);
        const unsigned row_bytes = read_u16(&m);
        m.bad |= m.at > m.count || m.count - m.at < row_bytes;
        if (m.bad)
            break;
        const size_t next = m.at + row_bytes;
        if (row_ttl_s < ttl_s)
            ttl_s = row_ttl_s; /* that of an alias on the way counts too */
        if (type == ns_t_srv && count < most && read_record(&m, row_bytes, &records[count]))
            count++;
        m.at = next;
    }
    for (size_t i = 0; i < count; i++)
        records[i].ttl_s = ttl_s;
    return m.bad ? -1 : (int)count;
}

/* --- records -------------------------------------------------------------------------------- */

size_t dns_choose_records(struct dns_record *records, size_t count)
{
    unsigned lowest = UINT16_MAX, heaviest = 0;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        lowest = records[i].priority < lowest ? records[i].priority : lowest;
    for (size_t i = 0; i < count; i++) {
        if (records[i].priority != lowest)
            continue;
        heaviest = records[i].weight > heaviest ? records[i].weight : heaviest;
        records[kept++] = records[i];
    }
    for (size_t i = 0; i < kept && heaviest > 0; i++) {
        unsigned weight = records[i].weight;
        if (heaviest > TARGET_WEIGHT_MAX)
            weight = (weight * TARGET_WEIGHT_MAX + heaviest / 2) / heaviest;
        records[i].weight = (uint16_t)(weight == 0 ? 1 : weight);
    }
    return kept;
}

/* --- answers -------------------------------------------------------------------------------- */

bool dns_answer_add(struct dns_answer *answer, const struct dns_address *address)
{
    const size_t count = answer->count;
    if (count == DNS_ADDRESSES_MAX)
        return false;
    if (count == 0 || (count >= GROW_FROM_COUNT && (count & (count - 1)) == 0)) {
        const size_t room = count == 0 ? GROW_FROM_COUNT : count * 2;
        struct dns_address *grown = mem_resize(answer->at, room * sizeof *grown);
        if (grown == NULL)
            return false;
        answer->at = grown;
    }
    answer->at[answer->count++] = *address;
    return true;
}

/* IPv4 first, then by address, port, weight: an order that does not depend on the server's. */
static int compare_address(const struct dns_address *one, const struct dns_address *other)
{
    if (one->address.ss_family != other->address.ss_family)
        return one->address.ss_family < other->address.ss_family ? -1 : 1;
    if (one->address.ss_family == AF_INET) {
        const struct sockaddr_in *a = (const void *)&one->address,
                                 *b = (const void *)&other->address;
        const int order = memcmp(&a->sin_addr, &b->sin_addr, sizeof a->sin_addr);
        return order != 0 ? order : (int)ntohs(a->sin_port) - (int)ntohs(b->sin_port);
    }
    const struct sockaddr_in6 *a = (const void *)&one->address, *b = (const void *)&other->address;
    const int order = memcmp(&a->sin6_addr, &b->sin6_addr, sizeof a->sin6_addr);
    return order != 0 ? order : (int)ntohs(a->sin6_port) - (int)ntohs(b->sin6_port);
}

static int compare(const void *one, const void *other)
{
    const struct dns_address *a = one, *b = other;
    const int order = compare_address(a, b);
    return order != 0 ? order : (int)b->weight - (int)a->weight;
}

void dns_answer_sort(struct dns_answer *answer)
{
    size_t kept = 0;
    if (answer->count == 0)
        return;
    qsort(answer->at, answer->count, sizeof *answer->at, compare);
    for (size_t i = 1; i < answer->count; i++) {
        if (compare_address(&answer->at[i], &answer->at[kept]) != 0)
            answer->at[++kept] = answer->at[i];
    }
    answer->count = kept + 1;
}

bool dns_answer_same(const struct dns_answer *one, const struct dns_answer *other)
{
    if (one->count != other->count)
        return false;
    for (size_t i = 0; i < one->count; i++) {
        if (compare(&one->at[i], &other->at[i]) != 0)
            return false;
    }
    return true;
}

void dns_answer_fini(struct dns_answer *answer)
{
    mem_free(answer->at);
    *answer = (struct dns_answer){0};
}

uint32_t dns_ttl_bounded(int64_t ttl_s)
{
    if (ttl_s < DNS_TTL_S_MIN)
        return DNS_TTL_S_MIN;
    return ttl_s > DNS_TTL_S_MAX ? DNS_TTL_S_MAX : (uint32_t)ttl_s;
}

uint32_t dns_retry_s(uint32_t failures_count)
{
    uint32_t wait_s = DNS_RETRY_S_MIN;
    while (--failures_count > 0 && wait_s < DNS_RETRY_S_MAX)
        wait_s *= 2;
    return wait_s > DNS_RETRY_S_MAX ? DNS_RETRY_S_MAX : wait_s;
}
