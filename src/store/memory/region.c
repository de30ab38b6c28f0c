/* SPDX-License-Identifier: Apache-2.0 */
/* store/memory/region.c - runs of units, and the pages they lie on.
 *
 * A free run says at both of its ends how long it is: in struct free_run at its beginning, and in
 * the last bytes of its last unit. Two bits tell that there are such ends, so nothing that is taken
 * is ever read. */
#include "store/memory/region.h"

#include "core/mem.h"

#include <assert.h>

enum {
    PAGE_UNITS = REGION_PAGE_BYTES / REGION_UNIT_BYTES,
    MAP_PAGE_PAGES = REGION_PAGE_BYTES * 8 / PAGE_UNITS, /* pages that one page of edges is for */
    CHUNK_PAGES = REGION_CHUNK_BYTES / REGION_PAGE_BYTES,
    OPEN_PAGES = 16,   /* opened at a time, where there is room */
    SUBCLASS_BITS = 3, /* 8 classes for each power of two */
    LOOKS_MAX = 8,     /* at runs of a class of which not every one fits */
};

struct free_run {
    struct list_link link;
    size_t           units;
};

static struct free_run *run_at(const struct region *region, size_t unit)
{
    return (struct free_run *)(void *)(region->base + unit * REGION_UNIT_BYTES);
}

static size_t unit_of(const struct region *region, const void *at)
{
    return (size_t)((const uint8_t *)at - region->base) / REGION_UNIT_BYTES;
}

/* Where the length stands in the last of its units. */
static size_t *tail_of(const struct region *region, size_t end)
{
    return (size_t *)(void *)(region->base + end * REGION_UNIT_BYTES - sizeof(size_t));
}

static bool bit(const uint64_t *bits, size_t at)
{
    return (bits[at / 64] >> (at % 64) & 1) != 0;
}

static void set_bit(uint64_t *bits, size_t at, bool value)
{
    const uint64_t mask = (uint64_t)1 << (at % 64);
    bits[at / 64] = value ? bits[at / 64] | mask : bits[at / 64] & ~mask;
}

/* A list's links point at it, so a region does not move. */
bool region_init(struct region *region, size_t bytes, size_t limit_bytes)
{
    const size_t chunks = (bytes + REGION_CHUNK_BYTES - 1) / REGION_CHUNK_BYTES;
    *region = (struct region){.limit_bytes = limit_bytes};
    region->pages_max = chunks * (REGION_CHUNK_BYTES / REGION_PAGE_BYTES);
    for (int class = 0; class < REGION_CLASSES; class ++)
        list_init(&region->free[class]);
    region->base = mem_reserve(chunks * REGION_CHUNK_BYTES);
    region->edges = mem_reserve(region->pages_max * PAGE_UNITS / 8);
    region->present = mem_reserve(region->pages_max / 8);
    if (region->base != NULL && region->edges != NULL && region->present != NULL)
        return true;
    region_fini(region);
    return false;
}

void region_fini(struct region *region)
{
    mem_unreserve(region->base, region->pages_max * REGION_PAGE_BYTES);
    mem_unreserve(region->edges, region->pages_max * PAGE_UNITS / 8);
    mem_unreserve(region->present, region->pages_max / 8);
    *region = (struct region){0};
}

/* --- What it takes -------------------------------------------------------------------------- */

static size_t map_bytes(size_t pages_high)
{
    const size_t edge_pages = (pages_high + MAP_PAGE_PAGES - 1) / MAP_PAGE_PAGES;
    const size_t bit_pages = (pages_high / 8 + REGION_PAGE_BYTES - 1) / REGION_PAGE_BYTES;
    return (edge_pages + bit_pages) * REGION_PAGE_BYTES;
}

size_t region_map_bytes(const struct region *region)
{
    return map_bytes(region->pages_high);
}

size_t region_bytes(const struct region *region)
{
    return region->pages_count * REGION_PAGE_BYTES + map_bytes(region->pages_high);
}

size_t region_room_bytes(const struct region *region)
{
    const size_t bytes = region_bytes(region);
    const size_t closed = bytes < region->limit_bytes ? region->limit_bytes - bytes : 0;
    return closed + region->pages_count * REGION_PAGE_BYTES - region->taken_bytes;
}

/* --- Free runs ------------------------------------------------------------------------------ */

static unsigned class_of(size_t units)
{
    if (units < 1 << SUBCLASS_BITS)
        return (unsigned)units;
    const unsigned power = 63 - (unsigned)__builtin_clzll(units);
    const unsigned within = (unsigned)(units >> (power - SUBCLASS_BITS)) & 7;
    return ((power - SUBCLASS_BITS + 1) << SUBCLASS_BITS) + within;
}

/* The first class in which every run is as long as that. */
static unsigned class_for(size_t units)
{
    const unsigned class = class_of(units);
    return units > 1 && class_of(units - 1) == class ? class + 1 : class;
}

/* Pages that lie whole between two units. */
static size_t pages_between(size_t unit, size_t end)
{
    const size_t first = (unit + PAGE_UNITS - 1) / PAGE_UNITS, last = end / PAGE_UNITS;
    return last > first ? last - first : 0;
}

static void unlist(struct region *region, size_t unit, size_t units)
{
    const unsigned class = class_of(units);
    assert(bit(region->edges, unit) && run_at(region, unit)->units == units);
    set_bit(region->edges, unit, false);
    set_bit(region->edges, unit + units - 1, false);
    list_remove(&run_at(region, unit)->link);
    if (list_is_empty(&region->free[class]))
        set_bit(region->free_classes, class, false);
    region->free_pages_count -= pages_between(unit, unit + units);
}

/* Those that hold a whole page come first in their list: see find_page(). */
static void enlist(struct region *region, size_t unit, size_t units)
{
    const unsigned class = class_of(units);
    const size_t pages = pages_between(unit, unit + units);
    struct free_run *run = run_at(region, unit);
    run->units = *tail_of(region, unit + units) = units;
    set_bit(region->edges, unit, true);
    set_bit(region->edges, unit + units - 1, true);
    set_bit(region->free_classes, class, true);
    if (pages > 0)
        list_add_first(&region->free[class], &run->link);
    else
        list_add_last(&region->free[class], &run->link);
    region->free_pages_count += pages;
}

/* With what is free before and behind it. A unit's tail overlays no head: 24 of 128 bytes. */
static void give_units(struct region *region, size_t unit, size_t units)
{
    assert(!bit(region->edges, unit) && !bit(region->edges, unit + units - 1));
    if (unit > 0 && bit(region->edges, unit - 1)) {
        const size_t before = *tail_of(region, unit);
        unlist(region, unit - before, before);
        unit -= before;
        units += before;
    }
    const size_t end = unit + units;
    if (end < region->pages_max * PAGE_UNITS && bit(region->edges, end)) {
        const size_t behind = run_at(region, end)->units;
        unlist(region, end, behind);
        units += behind;
    }
    enlist(region, unit, units);
}

/* The first list from @class on that is not empty. */
static struct list *first_list(struct region *region, unsigned class)
{
    for (unsigned word = class / 64; word < REGION_CLASSES / 64; word++) {
        const uint64_t from = word == class / 64 ? ~(uint64_t)0 << (class % 64) : ~(uint64_t)0;
        if ((region->free_classes[word] & from) != 0)
            return &region->free[word * 64 +
                                 (unsigned)__builtin_ctzll(region->free_classes[word] & from)];
    }
    return NULL;
}

/* Runs of its own class may be as long as they must, or not: a few of them are looked at, so that
 * one of the same length, which was just given back, is found. */
static struct free_run *find_run(struct region *region, size_t units)
{
    int looks = 0;
    list_each(&region->free[class_of(units)], link, next)
    {
        struct free_run *run = list_item(link, struct free_run, link);
        if (run->units >= units)
            return run;
        if (++looks == LOOKS_MAX)
            break;
    }
    struct list *list = first_list(region, class_for(units));
    return list == NULL ? NULL : list_item(list_first(list), struct free_run, link);
}

/* --- Opening and closing pages -------------------------------------------------------------- */

static void mark(struct region *region, size_t page, size_t pages, bool open)
{
    for (size_t at = page; at < page + pages; at++)
        set_bit(region->present, at, open);
}

/* The first page from @page on that is open, or that is closed; pages_max: there is none. */
static size_t next_page(const struct region *region, size_t page, bool open)
{
    const size_t end = open ? region->pages_high : region->pages_max;
    while (page < end) {
        const uint64_t word = region->present[page / 64];
        const uint64_t wanted = (open ? word : ~word) >> (page % 64);
        if (wanted != 0)
            return page + (unsigned)__builtin_ctzll(wanted);
        page = (page | 63) + 1;
    }
    return region->pages_max;
}

/* Where the closed pages before @page begin; it looks back no further than a chunk. */
static size_t closed_before(const struct region *region, size_t page)
{
    const size_t least = page > CHUNK_PAGES ? page - CHUNK_PAGES : 0;
    while (page > least) {
        const size_t last = page - 1;
        const uint64_t open = region->present[last / 64] << (63 - last % 64);
        if (open != 0)
            return page - (unsigned)__builtin_clzll(open);
        page = last / 64 * 64;
    }
    return page;
}

/* The beginning of the lowest run of closed pages; pages_max: there is none. Most of them lie
 * scattered below: each length begins where it last found something. */
static size_t find_closed(struct region *region, size_t pages)
{
    unsigned power = 63 - (unsigned)__builtin_clzll(pages);
    size_t page = next_page(region, region->pages_low[power], false);
    for (size_t end; page < region->pages_max; page = next_page(region, end, false)) {
        end = next_page(region, page, true);
        if (end - page >= pages)
            break;
    }
    for (power += ((size_t)1 << power) < pages; power < REGION_ROWS; power++)
        if (region->pages_low[power] < page)
            region->pages_low[power] = page;
    return page;
}

/* Those from @page on have just been closed. */
static void note_closed(struct region *region, size_t page)
{
    const size_t begin = closed_before(region, page);
    const size_t pages = next_page(region, page, true) - begin;
    for (unsigned power = 0; power < REGION_ROWS && (size_t)1 << power <= pages; power++)
        if (region->pages_low[power] > begin)
            region->pages_low[power] = begin;
}

/* A free run with a whole page. In classes where not every run has one, those come first. */
static struct free_run *find_page(struct region *region)
{
    for (unsigned class = class_of(PAGE_UNITS); class <= class_of((size_t)2 * PAGE_UNITS);
         class ++) {
        struct list_link *link = list_first(&region->free[class]);
        if (link == NULL)
            continue;
        struct free_run *run = list_item(link, struct free_run, link);
        const size_t unit = unit_of(region, run);
        if (pages_between(unit, unit + run->units) > 0)
            return run;
    }
    struct list *list = first_list(region, class_of((size_t)2 * PAGE_UNITS) + 1);
    return list == NULL ? NULL : list_item(list_first(list), struct free_run, link);
}

/* At most @pages_max of its pages, its last ones. */
static void close_pages(struct region *region, struct free_run *run, size_t pages_max)
{
    const size_t unit = unit_of(region, run), units = run->units, end = unit + units;
    const size_t all = pages_between(unit, end), pages = all < pages_max ? all : pages_max;
    const size_t page = end / PAGE_UNITS - pages, page_end = page + pages;
    unlist(region, unit, units);
    if (page * PAGE_UNITS > unit)
        enlist(region, unit, page * PAGE_UNITS - unit);
    if (end > page_end * PAGE_UNITS)
        enlist(region, page_end * PAGE_UNITS, end - page_end * PAGE_UNITS);
    mark(region, page, pages, false);
    region->pages_count -= pages;
    note_closed(region, page);
    mem_release_pages(region->base + page * REGION_PAGE_BYTES, pages * REGION_PAGE_BYTES);
}

bool region_shrink(struct region *region, size_t bytes)
{
    while (region_bytes(region) > bytes) {
        struct free_run *run = find_page(region);
        if (run == NULL)
            return false;
        const size_t over = region_bytes(region) - bytes;
        close_pages(region, run, (over + REGION_PAGE_BYTES - 1) / REGION_PAGE_BYTES);
    }
    return true;
}

/* May @more bytes be had, perhaps by closing as many elsewhere? */
static bool can_have(const struct region *region, size_t more, bool by_closing)
{
    const size_t closable = by_closing ? region->free_pages_count * REGION_PAGE_BYTES : 0;
    return more <= region->limit_bytes &&
           region_bytes(region) + more <= region->limit_bytes + closable;
}

static bool open_pages(struct region *region, size_t pages, bool by_closing)
{
    /* First what is cheap to know: at the limit it is asked often, and most often in vain. */
    if (!can_have(region, pages * REGION_PAGE_BYTES, by_closing))
        return false;
    const size_t page = find_closed(region, pages), end = page + pages;
    if (page == region->pages_max)
        return false;
    const size_t high = end > region->pages_high ? end : region->pages_high;
    const size_t more = pages * REGION_PAGE_BYTES + map_bytes(high) - map_bytes(region->pages_high);
    if (!can_have(region, more, by_closing) || !region_shrink(region, region->limit_bytes - more))
        return false;
    mark(region, page, pages, true);
    region->pages_count += pages;
    region->pages_high = high;
    give_units(region, page * PAGE_UNITS, pages * PAGE_UNITS);
    return true;
}

/* Opens more than is asked for while there is room. */
static bool grow(struct region *region, size_t units)
{
    const size_t pages = (units + PAGE_UNITS - 1) / PAGE_UNITS;
    return (pages < OPEN_PAGES && open_pages(region, OPEN_PAGES, false)) ||
           open_pages(region, pages, true);
}

/* --- Taking and giving ---------------------------------------------------------------------- */

void *region_take(struct region *region, size_t bytes)
{
    assert(bytes > 0);
    const size_t units = (bytes + REGION_UNIT_BYTES - 1) / REGION_UNIT_BYTES;
    if (bytes > REGION_CHUNK_BYTES)
        return NULL;
    struct free_run *run = find_run(region, units);
    if (run == NULL && grow(region, units))
        run = find_run(region, units);
    if (run == NULL)
        return NULL;
    const size_t unit = unit_of(region, run), found = run->units;
    unlist(region, unit, found);
    if (found > units)
        enlist(region, unit + units, found - units);
    region->taken_bytes += units * REGION_UNIT_BYTES;
    return run;
}

void region_give(struct region *region, void *at, size_t bytes)
{
    const size_t units = (bytes + REGION_UNIT_BYTES - 1) / REGION_UNIT_BYTES;
    assert(region->taken_bytes >= units * REGION_UNIT_BYTES);
    region->taken_bytes -= units * REGION_UNIT_BYTES;
    give_units(region, unit_of(region, at), units);
}

void region_trim(struct region *region, void *at, size_t bytes, size_t kept_bytes)
{
    const size_t kept = region_rounded(kept_bytes);
    assert(kept_bytes > 0 && kept <= region_rounded(bytes));
    if (kept < region_rounded(bytes))
        region_give(region, (uint8_t *)at + kept, region_rounded(bytes) - kept);
}

/* No run of closed pages is looked for above it. */
static bool are_lows_right(const struct region *region)
{
    for (unsigned power = 0; power < REGION_ROWS; power++)
        for (size_t page = 0, end; page < region->pages_low[power]; page = end) {
            page = next_page(region, page, false);
            end = next_page(region, page, true);
            if (page < region->pages_low[power] && end - page >= (size_t)1 << power)
                return false;
        }
    return true;
}

/* Free runs lie on open pages, have taken neighbours, say their length twice, and add up. */
bool region_is_sound(const struct region *region)
{
    size_t free_units = 0, free_pages = 0, open_pages_count = 0, last_end = SIZE_MAX;
    for (size_t page = 0; page < region->pages_max; page++)
        open_pages_count += bit(region->present, page);
    for (size_t unit = 0; unit < region->pages_high * PAGE_UNITS; unit++) {
        if (!bit(region->edges, unit))
            continue;
        const size_t units = run_at(region, unit)->units, end = unit + units;
        if (unit == last_end || *tail_of(region, end) != units || !bit(region->edges, end - 1))
            return false;
        for (size_t at = unit; at < end; at++)
            if (!bit(region->present, at / PAGE_UNITS) ||
                (at > unit && at < end - 1 && bit(region->edges, at)))
                return false;
        free_units += units;
        free_pages += pages_between(unit, end);
        last_end = end;
        unit = end - 1;
    }
    return are_lows_right(region) && open_pages_count == region->pages_count &&
           free_pages == region->free_pages_count &&
           free_units * REGION_UNIT_BYTES + region->taken_bytes ==
               open_pages_count * REGION_PAGE_BYTES;
}
