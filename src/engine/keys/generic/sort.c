/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/generic/sort.c - SORT and SORT_RO.
 *
 * Read the options; collect the elements (only those of LIMIT if they stay in their order); weigh
 * each by itself or by what BY names; sort; answer elements or what GET names for them, or copy
 * all that and build a list of it aside, since the sources may lie in the space that it changes.
 * Nothing is changed unless all of it is. */
#include "engine/keys/generic/sort_pattern.h"
#include "engine/keys/lists/lists.h"
#include "engine/keys/whole.h"
#include "engine/keys/zsets/zset.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct item {
    struct bytes element;
    struct bytes word; /* ALPHA BY: what is compared; at NULL: nothing was found, which is lowest */
    double       number; /* else */
};

struct sort {
    struct run          *run;
    bool                 is_descending, is_alpha, is_as_it_is;
    bool                 has_by;
    struct sort_pattern  by;
    struct sort_pattern *gets, **gets_end;
    uint64_t             gets_count;
    int64_t              limit_from, limit_count; /* negative count: all */
    struct bytes         store;
    bool                 is_stored;
    struct space        *space;
    struct space_value   value;
    struct item         *items;
    uint64_t             count; /* of items */
    struct bytes        *kept;  /* of STORE: copies */
    uint64_t             kept_count;
    size_t               begun;
};

/* ---- options ---- */

static bool add_get(struct sort *sort, struct bytes text)
{
    struct sort_pattern *get = run_scratch(sort->run, sizeof *get);
    if (get == NULL || !generic__pattern_read(get, sort->run, text))
        return false;
    *sort->gets_end = get;
    sort->gets_end = &get->next;
    sort->gets_count++;
    return true;
}

/* A BY without a star names the same for all: they stay as they are, whatever else is said. */
static bool set_by(struct sort *sort, struct bytes text)
{
    if (!generic__pattern_read(&sort->by, sort->run, text))
        return false;
    sort->has_by = true;
    sort->is_as_it_is |= !sort->by.has_star;
    return true;
}

static bool is_flag(struct sort *sort, uint32_t i)
{
    const bool is_ascending = run_arg_is(sort->run, i, "asc");
    const bool is_descending = run_arg_is(sort->run, i, "desc");
    const bool is_alpha = run_arg_is(sort->run, i, "alpha");
    if (is_ascending || is_descending)
        sort->is_descending = is_descending;
    sort->is_alpha |= is_alpha;
    return is_ascending || is_descending || is_alpha;
}

/* Reads the option args[*i], and *i is the last of its arguments. False: answered. */
static bool read_option(struct sort *sort, uint32_t *i)
{
    struct run *run = sort->run;
    const uint32_t behind = run->args_count - *i - 1;
    if (is_flag(sort, *i))
        return true;
    if (behind >= 2 && run_arg_is(run, *i, "limit")) {
        *i += 2;
        return run_integer(run, *i - 1, &sort->limit_from) &&
               run_integer(run, *i, &sort->limit_count);
    }
    if (behind >= 1 && run_arg_is(run, *i, "by"))
        return set_by(sort, run->args[++*i]);
    if (behind >= 1 && run_arg_is(run, *i, "get"))
        return add_get(sort, run->args[++*i]);
    if (behind >= 1 && run_arg_is(run, *i, "store") &&
        run->op->command->number == COMMAND_IS_SORT) {
        sort->is_stored = true;
        sort->store = run->args[++*i];
        return true;
    }
    resp_error(run->out, RUN_SYNTAX);
    return false;
}

static bool read_options(struct sort *sort)
{
    for (uint32_t i = 2; i < sort->run->args_count; i++)
        if (!read_option(sort, &i))
            return false;
    return true;
}

/* Finds the value. A set as it is has no order that could be kept twice, so what is stored of it is
 * sorted. */
static bool open_value(struct sort *sort)
{
    struct run *run = sort->run;
    if (!run_find_any(run, run->args[1], &sort->space, &sort->value))
        return false;
    if (sort->value.type == KEY_STRING || sort->value.type == KEY_HASH) {
        resp_error(run->out, RUN_WRONG_TYPE);
        return false;
    }
    if (sort->value.type == KEY_NONE)
        sort->value.count = 0;
    if (sort->value.type == KEY_SET && sort->is_as_it_is && sort->is_stored) {
        sort->is_as_it_is = sort->has_by = false;
        sort->is_alpha = true;
    }
    return true;
}

/* ---- elements ---- */

/* From which to which, not with it, of all in their order LIMIT takes. */
static void find_limits(const struct sort *sort, uint64_t *first, uint64_t *behind)
{
    const uint64_t all = sort->value.count;
    *first = sort->limit_from < 0 ? 0 : (uint64_t)sort->limit_from;
    if (*first > all)
        *first = all;
    *behind = all;
    if (sort->limit_count >= 0 && (uint64_t)sort->limit_count < all - *first)
        *behind = *first + (uint64_t)sort->limit_count;
}

static struct bytes element_at(const struct sort *sort, const struct space_cursor *at)
{
    if (sort->value.type == KEY_LIST)
        return at->member_value;
    return sort->value.type == KEY_SET ? members_name(at->key) : zsets__name_at(at);
}

/* Collects the elements from @first up to @behind, in their order or against it. */
static bool collect(struct sort *sort, uint64_t first, uint64_t behind, bool is_reverse)
{
    const unsigned tree = sort->value.type == KEY_ZSET ? ZSETS_BY_SCORE : 0;
    struct space_cursor at = space_cursor_of(sort->space, &sort->value, tree);
    sort->count = behind - first;
    sort->items = run_scratch(sort->run, (sort->count + 1) * sizeof *sort->items);
    if (sort->items == NULL)
        return false;
    if (sort->count > 0)
        sort->space->kind->seek_rank(&at, is_reverse ? sort->value.count - 1 - first : first);
    for (uint64_t i = 0; i < sort->count; i++) {
        if (!at.is_there)
            return run_is_ok(sort->run, SPACE_DAMAGED);
        sort->items[i] = (struct item){.element = element_at(sort, &at)};
        if (is_reverse)
            sort->space->kind->prev(&at);
        else
            sort->space->kind->next(&at);
    }
    return true;
}

/* ---- weights ---- */

/* As strtod() reads it whole, spaces before it too. *@is_number: false: it is none. False: no
 * memory, answered. */
static bool read_number(struct run *run, struct bytes text, double *number, bool *is_number)
{
    char short_copy[128];
    char *copy = text.count < sizeof short_copy ? short_copy : run_scratch(run, text.count + 1);
    char *end;
    if (copy == NULL)
        return false;
    memcpy(copy, text.at, text.count);
    copy[text.count] = '\0';
    errno = 0;
    *number = strtod(copy, &end);
    *is_number = *end == '\0' && errno != ERANGE && !isnan(*number);
    return true;
}

/* *@is_number: false: its weight is none. False: answered. */
static bool weigh(struct sort *sort, struct item *item, bool *is_number)
{
    struct bytes word = item->element;
    if (sort->has_by && !generic__pattern_find(&sort->by, sort->run, item->element, &word))
        return false;
    *is_number = true;
    item->word = word;
    if (sort->is_alpha || word.at == NULL || word.count == 0)
        return true;
    return read_number(sort->run, word, &item->number, is_number);
}

static bool weigh_all(struct sort *sort)
{
    bool are_numbers = true;
    for (uint64_t i = 0; i < sort->count; i++) {
        bool is_number;
        if (!weigh(sort, &sort->items[i], &is_number))
            return false;
        are_numbers = are_numbers && is_number;
    }
    if (!are_numbers)
        resp_error(sort->run->out, "ERR One or more scores can't be converted into double");
    return are_numbers;
}

/* ---- order ---- */

static int compare_words(struct bytes a, struct bytes b)
{
    if (a.at == NULL || b.at == NULL)
        return (a.at != NULL) - (b.at != NULL);
    return bytes_compare(a, b);
}

/* Of equal weights the elements decide, and of equal elements nobody sees which is which. */
static int compare(const void *left, const void *right, void *self)
{
    const struct item *a = left, *b = right;
    const struct sort *sort = self;
    int order = sort->is_alpha ? compare_words(a->word, b->word)
                               : (a->number > b->number) - (a->number < b->number);
    if (order == 0)
        order = bytes_compare(a->element, b->element);
    return sort->is_descending ? -order : order;
}

/* The items that are to be answered, in their order. */
static bool choose(struct sort *sort)
{
    uint64_t first, behind;
    find_limits(sort, &first, &behind);
    if (sort->is_as_it_is)
        return collect(sort, first, behind, sort->is_descending && sort->value.type != KEY_SET);
    if (!collect(sort, 0, sort->value.count, false) || !weigh_all(sort))
        return false;
    qsort_r(sort->items, sort->count, sizeof *sort->items, compare, sort);
    sort->items += first;
    sort->count = behind - first;
    return true;
}

/* ---- answer ---- */

/* Keeps or answers one; at NULL: nothing was found. */
static bool give(struct sort *sort, struct bytes bytes)
{
    if (sort->is_stored) {
        struct bytes copy = members_copy(sort->run, bytes);
        sort->kept[sort->kept_count++] = copy;
        return copy.at != NULL;
    }
    if (bytes.at == NULL)
        resp_null(sort->run->out);
    else
        resp_bulk(sort->run->out, bytes);
    return !sort->run->out->failed;
}

/* An element is there even if it is empty. */
static struct bytes as_there(struct bytes bytes)
{
    return bytes.count == 0 ? bytes_of("") : bytes;
}

static bool give_item(struct sort *sort, const struct item *item)
{
    const struct bytes element = as_there(item->element);
    if (sort->gets == NULL)
        return give(sort, element);
    for (struct sort_pattern *get = sort->gets; get != NULL; get = get->next) {
        const size_t error = sort->run->out->used;
        struct bytes found;
        if (!generic__pattern_find(get, sort->run, element, &found)) {
            members_unsay(sort->run, sort->begun, error);
            return false;
        }
        if (!give(sort, found))
            return false;
    }
    return true;
}

static bool give_items(struct sort *sort)
{
    for (uint64_t i = 0; i < sort->count; i++)
        if (!give_item(sort, &sort->items[i]))
            return false;
    return true;
}

/* What was kept becomes the list at the key of STORE. False: answered. */
static bool store(struct sort *sort)
{
    struct space *space = sort->run->space_of(sort->run, sort->store);
    struct aside aside;
    if (sort->kept_count == 0) {
        (void)space->kind->remove(space, sort->store);
        return true;
    }
    if (!aside_begin(&aside, sort->run, space, KEY_LIST))
        return false;
    for (uint64_t i = 0; i < sort->kept_count; i++) {
        const struct lists_place place = lists__place(LISTS_MIDDLE + i * LISTS_STEP);
        if (!aside_put(&aside, 0, lists__place_key(&place), sort->kept[i]))
            return false;
    }
    return aside_keep(&aside, sort->store);
}

static void answer(struct sort *sort)
{
    struct run *run = sort->run;
    const uint64_t each = sort->gets_count == 0 ? 1 : sort->gets_count;
    if (!sort->is_stored) {
        resp_array(run->out, sort->count * each);
        (void)give_items(sort);
        return;
    }
    sort->kept = run_scratch(run, (sort->count * each + 1) * sizeof *sort->kept);
    if (sort->kept != NULL && give_items(sort) && store(sort))
        resp_integer(run->out, (int64_t)sort->kept_count);
}

void run__SORT(struct run *run)
{
    struct sort sort = {.run = run, .limit_count = -1, .begun = run->out->used};
    sort.gets_end = &sort.gets;
    if (read_options(&sort) && open_value(&sort) && choose(&sort))
        answer(&sort);
}

void run__SORT_RO(struct run *run)
{
    run__SORT(run);
}
