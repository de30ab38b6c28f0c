/* SPDX-License-Identifier: Apache-2.0 */
/* admin/tap.h - live requests as a stream of JSON lines, for as long as the client stays.
 *
 * Lines that a client does not take in time are dropped; it is told how many by a line of its own,
 * {"dropped":N}.
 *
 * Memory:  at most TAP_ROOM_BYTES per client beside what its connection holds.
 * Threads: the control thread. */
#ifndef PANDO_ADMIN_TAP_H
#define PANDO_ADMIN_TAP_H

#include "admin/log.h"
#include "loop/loop.h"
#include "path/op.h"

enum {
    TAP_ROOM_BYTES = 64 * 1024, /* lines that are gathered for one client between two looks */
    TAP_LOOK_MS = 100,
};

/* Which requests are shown; zeroed: all. */
struct tap_filter {
    char     service[64];
    char     path[256];                 /* those that begin so */
    unsigned status_first, status_last; /* 0: all */
};

struct taps {
    struct log  *log;
    struct loop *loop;
    struct list  open;
    unsigned     count;
    unsigned     most;
    bool         stopping;
    struct timer look;
};

/* None is open. @log NULL: none can be. @most: so many at once. */
void taps_init(struct taps *taps, struct loop *loop, struct log *log, unsigned most);

/* Ends every tap; none begins any more. */
void taps_stop(struct taps *taps);

/* Reads "service=shop&status=5xx&path=/api"; @query is after the "?". Returns NULL, or a
 * sentence about what is wrong. */
const char *tap_filter_read(struct tap_filter *filter, const char *query, size_t bytes);

/* May the client see it? Pure. */
bool tap_filter_fits(const struct tap_filter *filter, const struct log_tapped *tapped);

/* Takes over @op and answers it with the stream. */
void taps_open(struct taps *taps, struct op *op, const struct tap_filter *filter);

/* Undoes %XX of a query. False: it does not fit into @room with its NUL, or is no such thing. */
bool tap_unescape(char *out, size_t room, const char *text, size_t bytes);

#endif
