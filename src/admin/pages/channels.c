/* SPDX-License-Identifier: Apache-2.0 */
/* admin/pages/channels.c - what channels of the Redis protocol hold and did: families of metrics,
 * JSON. */
#include "admin/pages/pages.h"

#include <string.h>

/* False: nobody keeps them, or there are no keyspaces, so nobody can be in one. */
static bool count_channels(const struct pages *pages, struct pubsub_figures *figures)
{
    const struct admin_sources *sources = pages->sources;
    unsigned keyspaces_count;
    uint64_t keys;
    *figures = (struct pubsub_figures){0};
    if (sources->channels_count == NULL || !pages_sum_keyspaces(pages, &keyspaces_count, &keys))
        return false;
    sources->channels_count(sources->self, figures);
    return true;
}

/* --- /metrics ------------------------------------------------------------------------------- */

struct figure {
    const char           *name, *help;
    size_t                offset;
    enum openmetrics_sort sort;
};

static const struct figure figures[] = {
#define X(name, sort, help)                                                                        \
    {"pando_pubsub_" #name, help, offsetof(struct pubsub_figures, name), OPENMETRICS_##sort},
    PUBSUB_FIGURES(X)
#undef X
};

void pages_put_channel_families(const struct pages *pages, struct openmetrics *out)
{
    struct pubsub_figures seen;
    const bool is_there = count_channels(pages, &seen);
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        const struct figure *figure = &figures[i];
        uint64_t value;
        memcpy(&value, (const char *)&seen + figure->offset, sizeof value);
        openmetrics_family(out, figure->sort, figure->name, pages_unit_of(figure->name),
                           figure->help);
        if (!is_there)
            continue;
        if (figure->sort == OPENMETRICS_COUNTER)
            openmetrics_counter(out, NULL, 0, value);
        else
            openmetrics_gauge(out, NULL, 0, (int64_t)value);
    }
}

/* --- /api/status ---------------------------------------------------------------------------- */

json_t *pages_channels_json(const struct pages *pages)
{
    struct pubsub_figures seen;
    json_t *object = json_object();
    if (!count_channels(pages, &seen))
        return object;
#define X(name, sort, help) json_object_set_new(object, #name, json_integer((json_int_t)seen.name));
    PUBSUB_FIGURES(X)
#undef X
    return object;
}
