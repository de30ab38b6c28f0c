/* SPDX-License-Identifier: Apache-2.0 */
/* control/orders/orders.c - the list of orders, and the file that holds it. */
#include "control/orders/orders.h"

#include "core/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADING "pando targets 1"

/* --- the list -------------------------------------------------------------------------------- */

void orders_init(struct orders *orders)
{
    list_init(&orders->list);
    orders->count = 0;
}

void orders_fini(struct orders *orders)
{
    list_each(&orders->list, link, after) orders_drop(orders, list_item(link, struct order, link));
}

struct order *orders_find(const struct orders *orders, const char *service, const char *target)
{
    const struct list_link *head = &orders->list.head;
    for (struct list_link *link = head->next; link != head; link = link->next) {
        struct order *order = list_item(link, struct order, link);
        if (strcmp(order->service, service) == 0 && strcmp(order->target, target) == 0)
            return order;
    }
    return NULL;
}

struct order *orders_add(struct orders *orders, const char *service, const char *target)
{
    struct order *order = orders->count < ORDERS_MAX ? mem_alloc(sizeof *order) : NULL;
    if (order == NULL)
        return NULL;
    (void)snprintf(order->service, sizeof order->service, "%s", service);
    (void)snprintf(order->target, sizeof order->target, "%s", target);
    link_init(&order->link);
    list_add_last(&orders->list, &order->link);
    orders->count++;
    return order;
}

void orders_drop(struct orders *orders, struct order *order)
{
    list_remove(&order->link);
    orders->count--;
    mem_free(order);
}

/* --- text ------------------------------------------------------------------------------------ */

static bool read_line(struct orders *orders, const char *line)
{
    char service[64], word[8], target[128];
    unsigned weight, file_weight;
    if (sscanf(line, "%63s %7s %5u %5u %127[^\n]", service, word, &weight, &file_weight, target) !=
            5 ||
        (strcmp(word, "drain") != 0 && strcmp(word, "-") != 0))
        return false;
    if (orders_find(orders, service, target) != NULL)
        return false;
    struct order *order = orders_add(orders, service, target);
    if (order == NULL)
        return false;
    order->is_drained = word[0] == 'd';
    order->weight = weight;
    order->file_weight = file_weight;
    return true;
}

bool orders_read(struct orders *orders, FILE *in)
{
    char line[512];
    if (fgets(line, sizeof line, in) == NULL || strcmp(line, HEADING "\n") != 0)
        return false;
    while (fgets(line, sizeof line, in) != NULL) {
        if (!read_line(orders, line))
            return false;
    }
    return ferror(in) == 0;
}

void orders_write(const struct orders *orders, FILE *out)
{
    const struct list_link *head = &orders->list.head;
    fputs(HEADING "\n", out);
    for (struct list_link *link = head->next; link != head; link = link->next) {
        const struct order *order = list_item(link, struct order, link);
        fprintf(out, "%s %s %u %u %s\n", order->service, order->is_drained ? "drain" : "-",
                order->weight, order->file_weight, order->target);
    }
}

/* --- the file -------------------------------------------------------------------------------- */

enum err_kind orders_load(struct orders *orders, const char *path, struct err *e)
{
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return errno == ENOENT ? ERR_NONE : err_set_errno(e, "read %s", path);
    const bool ok = orders_read(orders, in);
    fclose(in);
    return ok ? ERR_NONE
              : err_set(e, ERR_INPUT, "read %s: it is damaged, or of another version", path);
}

/* Every folder on the way to @path that is not there. What fails shows when the file is opened. */
static void make_folders(const char *path)
{
    char folder[PATH_MAX];
    (void)snprintf(folder, sizeof folder, "%s", path);
    for (char *at = strchr(folder + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        (void)mkdir(folder, 0755);
        *at = '/';
    }
}

static bool write_whole(const struct orders *orders, const char *path)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (out == NULL) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    orders_write(orders, out);
    bool ok = fflush(out) == 0 && ferror(out) == 0 && fsync(fd) == 0;
    return fclose(out) == 0 && ok;
}

/* So that the rename too survives a loss of power. */
static void sync_folder(const char *path)
{
    char folder[PATH_MAX];
    (void)snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        *(slash == folder ? slash + 1 : slash) = '\0';
    const int fd = open(slash == NULL ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

enum err_kind orders_store(const struct orders *orders, const char *path, struct err *e)
{
    char beside[PATH_MAX];
    const int bytes = snprintf(beside, sizeof beside, "%s.new", path);
    if (bytes < 0 || (size_t)bytes >= sizeof beside)
        return err_set(e, ERR_INPUT, "%s: the path is too long", path);
    make_folders(path);
    if (!write_whole(orders, beside) || rename(beside, path) != 0)
        return err_set_errno(e, "write %s", path);
    sync_folder(path);
    return ERR_NONE;
}
