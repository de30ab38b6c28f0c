/* SPDX-License-Identifier: Apache-2.0 */
/* loop/loop_testing.h - for tests of what stands on a loop: each runs on both back ends, in one
 * thread, over socket pairs.
 *
 *     ON_BOTH(sock, tells_a_fin)               two tests: sock_epoll, sock_uring
 *     {
 *         sock_pair(&one, &other);
 *         TURN_UNTIL(one.ended_count == 1);    turns the loop; fails if it never comes true
 *     }
 *
 * A kernel or container without io_uring skips those tests. */
#ifndef PANDO_LOOP_LOOP_TESTING_H
#define PANDO_LOOP_LOOP_TESTING_H

#include "core/mem.h"
#include "core/units.h"
#include "loop/loop.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct loop loop;

static inline void testing_open(const char *kind)
{
    struct err e;
    if (loop_open(&loop, kind, &e) == ERR_NONE)
        return;
    if (strcmp(kind, "epoll") == 0)
        cr_assert_fail("%s", e.story);
    cr_skip_test("%s", e.story);
}

static inline void testing_close(void)
{
    loop_close(&loop);
    cr_expect(mem_mapped_bytes() == 0, "%lu bytes stay mapped", (unsigned long)mem_mapped_bytes());
}

/* The body that follows is run on both back ends. */
#define ON_BOTH(suite, name)                                                                       \
    static void suite##_##name(void);                                                              \
    Test(suite##_epoll, name)                                                                      \
    {                                                                                              \
        testing_open("epoll");                                                                     \
        suite##_##name();                                                                          \
        testing_close();                                                                           \
    }                                                                                              \
    Test(suite##_uring, name)                                                                      \
    {                                                                                              \
        testing_open("io_uring");                                                                  \
        suite##_##name();                                                                          \
        testing_close();                                                                           \
    }                                                                                              \
    static void suite##_##name(void)

/* One turn that waits for 20 ms at most. */
static inline void turn_once(void)
{
    loop_turn(&loop, clock_monotonic_ns() + 20 * NS_PER_MS);
}

/* At least 10 s, so that a busy machine fails no test; a
 * condition that comes true costs no waiting. */
#define TURN_UNTIL(condition)                                                                      \
    do {                                                                                           \
        const uint64_t testing_until_ns = clock_monotonic_ns() + 10 * NS_PER_S;                    \
        while (!(condition) && clock_monotonic_ns() < testing_until_ns)                            \
            turn_once();                                                                           \
        cr_assert(condition);                                                                      \
    } while (0)

/* Long enough for what is under way to arrive: what must not come is looked for after it. */
static inline void turn_idle(void)
{
    for (int i = 0; i < 4; i++)
        loop_turn(&loop, clock_monotonic_ns() + 2 * NS_PER_MS);
}

/* The byte at @index of every stream in these tests. */
static inline uint8_t testing_byte(size_t index)
{
    return (uint8_t)(index * 7 + index / 251);
}

/* So many that they had better not be a global variable, which a search for leaks reads whole. */
static inline uint8_t *testing_zeros(size_t bytes)
{
    uint8_t *zeros = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert(zeros != MAP_FAILED);
    return zeros;
}

/* A socket pair: [0] for the loop, [1] for the test to read and write without waiting. */
static inline void testing_pair(int fds[2])
{
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    cr_assert(fcntl(fds[0], F_SETFL, loop.kind->socket_flags & SOCK_NONBLOCK ? O_NONBLOCK : 0) ==
              0);
    cr_assert(fcntl(fds[1], F_SETFL, O_NONBLOCK) == 0);
}

/* A TCP listener on a free port of the loopback, and its address. */
static inline int testing_listen(struct sockaddr_in *address)
{
    socklen_t bytes = sizeof *address;
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0);
    cr_assert(bind(fd, (struct sockaddr *)address, bytes) == 0);
    cr_assert(listen(fd, 16) == 0);
    cr_assert(getsockname(fd, (struct sockaddr *)address, &bytes) == 0);
    return fd;
}

static inline int testing_socket(void)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | loop.kind->socket_flags, 0);
    cr_assert(fd >= 0);
    return fd;
}

#endif
