/* SPDX-License-Identifier: Apache-2.0 */
/* control/orders/orders.h - what operators said of single targets at run time: drains and weights.
 *
 * An order holds over reloads and restarts until it is taken back, or until the file says something
 * else: another weight for that target, or the target not at all. Orders are kept in a small file,
 * which is written anew as a whole and put in place by a rename.
 *
 *     pando targets 1
 *     shop drain 0 1 10.0.0.1:3000
 *     SERVICE drain|- WEIGHT|0 WEIGHT-IN-THE-FILE TARGET
 *
 * Memory:  orders own themselves. Threads: the control thread. Errors: a file that cannot be read
 *          or written is told, and the orders hold until the process ends. */
#ifndef PANDO_CONTROL_ORDERS_ORDERS_H
#define PANDO_CONTROL_ORDERS_ORDERS_H

#include "core/err.h"
#include "core/list.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { ORDERS_MAX = 4096 };

struct order {
    struct list_link link;
    char             service[64];
    char             target[128];
    bool             is_drained;
    uint32_t         weight;      /* 0: the file's */
    uint32_t         file_weight; /* what the file said when the order was given */
};

struct orders {
    struct list list;
    size_t      count;
};

/* An empty list; frees a list. */
void orders_init(struct orders *orders);
void orders_fini(struct orders *orders);

/* The order for that target, or NULL. */
struct order *orders_find(const struct orders *orders, const char *service, const char *target);

/* A new one, which orders nothing yet. NULL: no memory, or there are ORDERS_MAX. */
must_check struct order *orders_add(struct orders *orders, const char *service, const char *target);
void orders_drop(struct orders *orders, struct order *order);

/* Adds what stands in @in. False: it is no such file, or no memory; what was read stays. */
must_check bool orders_read(struct orders *orders, FILE *in);
void orders_write(const struct orders *orders, FILE *out);

/* The same with the file at @path; its folder is made if it is not there. A file that is not there
 * has no orders. */
must_check enum err_kind orders_load(struct orders *orders, const char *path, struct err *e);
must_check enum err_kind orders_store(const struct orders *orders, const char *path, struct err *e);

#endif
