/* SPDX-License-Identifier: Apache-2.0 */
/* core/list.h - intrusive doubly linked lists; being in a list is state.
 *
 * A link is either in exactly one list or points at itself; zeroed memory is neither, so call
 * link_init().
 * Memory: owns nothing. Threads: none of its own. */
#ifndef PANDO_CORE_LIST_H
#define PANDO_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_link {
    struct list_link *next;
    struct list_link *previous;
};

/* A list is a link whose neighbours are the first and the last member. */
struct list {
    struct list_link head;
};

#define list_item(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void link_init(struct list_link *link)
{
    link->next = link->previous = link;
}

static inline void list_init(struct list *list)
{
    link_init(&list->head);
}

static inline bool list_is_empty(const struct list *list)
{
    return list->head.next == &list->head;
}

static inline bool link_is_in_list(const struct list_link *link)
{
    return link->next != link;
}

/* Takes @link out of whatever list it is in; harmless if it is in none. */
static inline void list_remove(struct list_link *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    link_init(link);
}

static inline void list_add_last(struct list *list, struct list_link *link)
{
    link->previous = list->head.previous;
    link->next = &list->head;
    list->head.previous->next = link;
    list->head.previous = link;
}

static inline void list_add_first(struct list *list, struct list_link *link)
{
    link->next = list->head.next;
    link->previous = &list->head;
    list->head.next->previous = link;
    list->head.next = link;
}

static inline void list_move_last(struct list *list, struct list_link *link)
{
    list_remove(link);
    list_add_last(list, link);
}

/* The first member, or NULL. */
static inline struct list_link *list_first(const struct list *list)
{
    return list_is_empty(list) ? NULL : list->head.next;
}

/* Moves all members of @from to the end of @to. */
static inline void list_take_all(struct list *to, struct list *from)
{
    if (list_is_empty(from))
        return;
    from->head.next->previous = to->head.previous;
    to->head.previous->next = from->head.next;
    from->head.previous->next = &to->head;
    to->head.previous = from->head.previous;
    list_init(from);
}

/* Walks a list; the current member may be removed. */
#define list_each(list, link, after)                                                               \
    for (struct list_link *link = (list)->head.next, *after = link->next; link != &(list)->head;   \
         link = after, after = link->next)

#endif
