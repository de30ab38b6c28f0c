/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/zsets/combine.c - ZUNION, ZINTER, ZDIFF with their storing forms, and ZINTERCARD. */
#include "engine/keys/zsets/merge.h"

enum operation { UNION, INTER, DIFF };

/* What a command's name says. */
struct form {
    enum operation operation;
    bool           is_stored;  /* the result's key stands first */
    bool           is_counted; /* how many is all that is asked */
};

struct combine {
    struct zsets_sources sources;
    bool                 with_scores;
    uint64_t             count_max;
};

/* The place of the number of keys. */
static uint32_t place_of_count(const struct form *form)
{
    return form->is_stored ? 2 : 1;
}

static bool read_keys_count(struct run *run, const struct form *form, uint32_t *count)
{
    const uint32_t at = place_of_count(form);
    int64_t number;
    if (!run_integer(run, at, &number))
        return false;
    if (number < 1) {
        resp_errorf(run->out, "ERR at least 1 input key is needed for '%s' command",
                    run->op->command->name);
        return false;
    }
    if (number > run->args_count - at - 1) {
        resp_error(run->out, RUN_SYNTAX);
        return false;
    }
    *count = (uint32_t)number;
    return true;
}

static bool open_sources(struct run *run, uint32_t first, struct zsets_sources *sources)
{
    sources->at = run_scratch(run, sources->count * sizeof sources->at[0]);
    if (sources->at == NULL)
        return false;
    for (uint32_t i = 0; i < sources->count; i++) {
        struct zsets_source *source = &sources->at[i];
        *source = (struct zsets_source){.weight = 1, .index = i};
        if (!run_find_any(run, run->args[first + i], &source->space, &source->value))
            return false;
        const uint8_t type = source->value.type;
        if (type != KEY_NONE && type != KEY_ZSET && type != KEY_SET) {
            resp_error(run->out, RUN_WRONG_TYPE);
            return false;
        }
    }
    return true;
}

static bool read_weights(struct run *run, uint32_t first, struct zsets_sources *sources)
{
    for (uint32_t i = 0; i < sources->count; i++) {
        if (!bytes_read_double(run->args[first + i], &sources->at[i].weight)) {
            resp_error(run->out, "ERR weight value is not a float");
            return false;
        }
    }
    return true;
}

static bool read_aggregate(struct run *run, uint32_t index, struct zsets_sources *sources)
{
    if (run_arg_is(run, index, "sum"))
        sources->aggregate = ZSETS_SUM;
    else if (run_arg_is(run, index, "min"))
        sources->aggregate = ZSETS_MIN;
    else if (run_arg_is(run, index, "max"))
        sources->aggregate = ZSETS_MAX;
    else {
        resp_error(run->out, RUN_SYNTAX);
        return false;
    }
    return true;
}

/* The number behind LIMIT; 0 is all. */
static bool read_count_max(struct run *run, uint32_t index, struct combine *combine)
{
    int64_t number;
    if (!bytes_read_int64(run->args[index], &number) || number < 0) {
        resp_error(run->out, "ERR LIMIT can't be negative");
        return false;
    }
    combine->count_max = number == 0 ? UINT64_MAX : (uint64_t)number;
    return true;
}

/* Reads the option at @index; returns how many arguments it took, 0: answered. */
static uint32_t read_option(struct run *run, const struct form *form, struct combine *combine,
                            uint32_t index)
{
    const uint32_t left = run->args_count - index; /* with the option itself */
    const bool has_scores = form->operation != DIFF && !form->is_counted;
    if (has_scores && left > combine->sources.count && run_arg_is(run, index, "weights"))
        return read_weights(run, index + 1, &combine->sources) ? 1 + combine->sources.count : 0;
    if (has_scores && left >= 2 && run_arg_is(run, index, "aggregate"))
        return read_aggregate(run, index + 1, &combine->sources) ? 2 : 0;
    if (!form->is_stored && !form->is_counted && run_arg_is(run, index, "withscores")) {
        combine->with_scores = true;
        return 1;
    }
    if (form->is_counted && left >= 2 && run_arg_is(run, index, "limit"))
        return read_count_max(run, index + 1, combine) ? 2 : 0;
    resp_error(run->out, RUN_SYNTAX);
    return 0;
}

/* False: answered. */
static bool read_combine(struct run *run, const struct form *form, struct combine *combine)
{
    *combine = (struct combine){.sources.run = run, .count_max = UINT64_MAX};
    const uint32_t first = place_of_count(form) + 1;
    if (!read_keys_count(run, form, &combine->sources.count) ||
        !open_sources(run, first, &combine->sources))
        return false;
    uint32_t took;
    for (uint32_t i = first + combine->sources.count; i < run->args_count; i += took) {
        took = read_option(run, form, combine, i);
        if (took == 0)
            return false;
    }
    return true;
}

static bool find_result(const struct form *form, struct combine *combine,
                        struct zsets_result *result)
{
    struct zsets_sources *sources = &combine->sources;
    if (form->operation == DIFF)
        return zsets__subtract(sources, result);
    zsets__sort_sources(sources);
    if (form->operation == UNION)
        return zsets__unite(sources, result);
    return zsets__intersect(sources, combine->count_max, result);
}

static void answer_result(struct run *run, struct zsets_result *result, enum zsets_form form)
{
    zsets__sort_result(result);
    zsets__write_head(run, result->count, form);
    for (uint64_t i = 0; i < result->count && !run->out->failed; i++)
        zsets__write_member(run, result->entries[i].member, result->entries[i].score, form);
}

static void combine(struct run *run, const struct form *form)
{
    struct combine combine;
    struct zsets_result result;
    if (!read_combine(run, form, &combine) || !find_result(form, &combine, &result))
        return;
    if (form->is_stored)
        zsets__store(run, run->args[1], &result);
    else if (form->is_counted)
        resp_integer(run->out, (int64_t)result.count);
    else
        answer_result(run, &result, zsets__form(run, combine.with_scores));
}

void run__ZUNION(struct run *run)
{
    combine(run, &(struct form){.operation = UNION});
}

void run__ZINTER(struct run *run)
{
    combine(run, &(struct form){.operation = INTER});
}

void run__ZDIFF(struct run *run)
{
    combine(run, &(struct form){.operation = DIFF});
}

void run__ZUNIONSTORE(struct run *run)
{
    combine(run, &(struct form){.operation = UNION, .is_stored = true});
}

void run__ZINTERSTORE(struct run *run)
{
    combine(run, &(struct form){.operation = INTER, .is_stored = true});
}

void run__ZDIFFSTORE(struct run *run)
{
    combine(run, &(struct form){.operation = DIFF, .is_stored = true});
}

void run__ZINTERCARD(struct run *run)
{
    combine(run, &(struct form){.operation = INTER, .is_counted = true});
}
