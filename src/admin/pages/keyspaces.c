/* SPDX-License-Identifier: Apache-2.0 */
/* admin/pages/keyspaces.c - what keyspaces hold and did: families of metrics, JSON, a table of the
 * page. */
#include "admin/pages/pages.h"

#include <string.h>

/* The keyspace @index. False: there is none. */
static bool keyspace_at(const struct pages *pages, size_t index, struct admin_keyspace *out)
{
    const struct admin_sources *sources = pages->sources;
    return sources->keyspace_at != NULL && sources->keyspace_at(sources->self, index, out);
}

bool pages_sum_keyspaces(const struct pages *pages, unsigned *count, uint64_t *keys)
{
    struct admin_keyspace keyspace;
    *keys = 0;
    for (*count = 0; keyspace_at(pages, *count, &keyspace); ++*count)
        *keys += keyspace.figures.keys;
    return *count > 0;
}

/* --- /metrics ------------------------------------------------------------------------------- */

struct figure {
    const char           *name, *help;
    size_t                offset;
    enum openmetrics_sort sort;
};

static const struct figure figures[] = {
#define X(name, sort, help)                                                                        \
    {"pando_keys_" #name, help, offsetof(struct admin_keyspace, figures.name), OPENMETRICS_##sort},
    KEYSPACE_FIGURES(X)
#undef X
};

static void put_figure(const struct pages *pages, struct openmetrics *out,
                       const struct figure *figure)
{
    struct admin_keyspace keyspace;
    openmetrics_family(out, figure->sort, figure->name, pages_unit_of(figure->name), figure->help);
    for (size_t i = 0; keyspace_at(pages, i, &keyspace); i++) {
        const struct openmetrics_label label = {"keyspace", keyspace.name};
        uint64_t value;
        memcpy(&value, (const char *)&keyspace + figure->offset, sizeof value);
        if (figure->sort == OPENMETRICS_COUNTER)
            openmetrics_counter(out, &label, 1, value);
        else
            openmetrics_gauge(out, &label, 1, (int64_t)value);
    }
}

void pages_put_keyspace_families(const struct pages *pages, struct openmetrics *out)
{
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        put_figure(pages, out, &figures[i]);
}

/* --- /api/status ---------------------------------------------------------------------------- */

json_t *pages_keyspaces_json(const struct pages *pages)
{
    struct admin_keyspace keyspace;
    json_t *list = json_array();
    for (size_t i = 0; keyspace_at(pages, i, &keyspace); i++) {
        json_t *object = json_pack("{s:s, s:s, s:s, s:i}", "name", keyspace.name, "partition",
                                   keyspace.partition, "engine", keyspace.engine, "shards",
                                   (int)keyspace.shards_count);
#define X(name, sort, help)                                                                        \
    json_object_set_new(object, #name, json_integer((json_int_t)keyspace.figures.name));
        KEYSPACE_FIGURES(X)
#undef X
        json_array_append_new(list, object);
    }
    return list;
}

/* --- the page ------------------------------------------------------------------------------- */

static void put_keyspace(const struct admin_keyspace *keyspace, FILE *out)
{
    const struct keyspace_figures *seen = &keyspace->figures;
    const uint64_t asked = seen->hits + seen->misses;
    const unsigned long long commands = seen->commands;
    char used[32], limit[32];
    pages_write_bytes(used, seen->used_bytes);
    pages_write_bytes(limit, seen->limit_bytes);
    fputs("<tr><td class=name>", out);
    pages_put_html(out, keyspace->name);
    fprintf(out, "</td><td>%s</td><td class=n>%u</td><td>%s</td><td class=n>%llu</td>",
            keyspace->partition, keyspace->shards_count, keyspace->engine,
            (unsigned long long)seen->keys);
    fprintf(out, "<td class=n>%s%s%s</td><td class=n>%llu</td>", used,
            seen->limit_bytes > 0 ? " of " : "", seen->limit_bytes > 0 ? limit : "", commands);
    if (asked == 0)
        fputs("<td class=n>-</td>", out);
    else
        fprintf(out, "<td class=n>%.0f %%</td>", 100.0 * (double)seen->hits / (double)asked);
    fprintf(out, "<td class=n>%llu</td><td class=n>%llu</td></tr>\n",
            (unsigned long long)seen->expired, (unsigned long long)seen->evicted);
}

void pages_put_keyspaces(const struct pages *pages, FILE *out)
{
    struct admin_keyspace keyspace;
    if (!keyspace_at(pages, 0, &keyspace))
        return;
    fputs("<section><h2>Keyspaces</h2><table><thead><tr><th>name<th>partition<th class=n>shards"
          "<th>engine<th class=n>keys<th class=n>bytes<th class=n>commands<th class=n>found"
          "<th class=n>expired<th class=n>evicted</tr></thead><tbody>\n",
          out);
    for (size_t i = 0; keyspace_at(pages, i, &keyspace); i++)
        put_keyspace(&keyspace, out);
    fputs("</tbody></table></section>\n", out);
}
