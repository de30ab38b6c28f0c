/* SPDX-License-Identifier: Apache-2.0 */
/* balance/balance_settings.h - the strategies, and what can be set of them; the one list of both.
 *
 * In the file: `balance` in a service, and beside it a section with the strategy's name for what is
 * the strategy's own. From the list come the enum, the vtables, the words of the setting, its
 * manual and schema, and the tests that run every strategy. Columns: config/table.h. */
#ifndef PANDO_BALANCE_BALANCE_SETTINGS_H
#define PANDO_BALANCE_BALANCE_SETTINGS_H

#include "config/config.h"

/* To add a strategy: write balance/strategy/<name>.c and add its line here. The first is the
 * preset. If it has settings: its X-list and its field of struct balance_settings here, and its
 * section in main/settings_keys.c. */
#define BALANCE_STRATEGIES(X)                                                                      \
    /* name, as the file says it, one line for people */                                           \
    X(two_choices, "two-choices", "the less busy of two drawn at random, by weight")               \
    X(least_connections, "least-connections",                                                      \
      "the one with the fewest requests in flight for its weight")                                 \
    X(round_robin, "round-robin", "each in turn, smoothly, by weight")                             \
    X(resource, "resource",                                                                        \
      "by what servers report of themselves: requests in flight, latency, utilisation")            \
    X(hash, "hash", "the same target for the same key, unless it is too busy")                     \
    X(proximity, "proximity",                                                                      \
      "the nearest that is not full: by zone, opening time, or where the client is")

/* A strategy as a number: BALANCE_two_choices. */
enum balance_sort {
#define X(name, word, gist) BALANCE_##name,
    BALANCE_STRATEGIES(X)
#undef X
    BALANCE_SORTS_COUNT
};

/* ---- what is each strategy's own: a section with its name ---- */

#define TWO_CHOICES_SETTINGS(X)                                                                    \
    X(latency, "latency", BOOLEAN, 0, 1, false, LIVE,                                              \
      "compare latency times requests in flight, not requests alone; a target that was slow of "   \
      "late gets fewer")

struct two_choices_settings {
    TWO_CHOICES_SETTINGS(CONFIG_FIELD)
};

#define BALANCE_HASH_SETTINGS(X)                                                                   \
    X(key, "key", TEXT, 1, 255, "address", LIVE,                                                   \
      "what is the same for requests that belong together: address (IPv6: its /64), header:NAME, " \
      "cookie:NAME, path (without query) or query:NAME; a request without it goes by its address") \
    X(load_percent, "load-percent", COUNT_OR_NONE, 100, 1000, 125, LIVE,                           \
      "a target that would have more than this much of its fair share of the requests in flight "  \
      "is passed over; none: never")

struct balance_hash_settings {
    BALANCE_HASH_SETTINGS(CONFIG_FIELD)
};

#define RESOURCE_SETTINGS(X)                                                                       \
    X(probe_port, "probe-port", COUNT_OR_NONE, 1, 65535, CONFIG_NONE, LIVE,                        \
      "where each target's address answers GET with a report, as `pando agent` does: JSON with "   \
      "`rif` (requests in flight) and `latency_us`, or the field endpoint-load-metrics; none: "    \
      "only reports in answers count")                                                             \
    X(probe_path, "probe-path", TEXT, 1, 255, "/probe", LIVE, "what a probe asks for")             \
    X(probe_timeout_ns, "probe-timeout", DURATION, CONFIG_MS(1), CONFIG_SECONDS(10), CONFIG_MS(3), \
      LIVE, "how long a probe may take; one that takes longer says nothing")                       \
    X(probes, "probes", COUNT, 1, 8, 3, LIVE,                                                      \
      "probes for each request, from 16 targets on; with fewer they are probed in turn, one for "  \
      "ten requests, and each ten times a second; without requests, for a minute, twice in "       \
      "`max-age`")                                                                                 \
    X(hot_above, "hot-above", COUNT, 0, 100, 84, LIVE,                                             \
      "percent of the probed targets that may have fewer requests than one that counts as hot; 0 " \
      "compares requests in flight alone")                                                         \
    X(age_ns, "max-age", DURATION, CONFIG_MS(10), CONFIG_MINUTES(1), CONFIG_SECONDS(1), LIVE,      \
      "a report of requests in flight that is older says nothing")                                 \
    X(error_penalty, "error-penalty", COUNT, 0, 10000, 100, LIVE,                                  \
      "percent of the share of failing requests that is added to a reported utilisation")          \
    X(blackout_ns, "blackout", DURATION, 0, CONFIG_HOURS(1), CONFIG_SECONDS(10), LIVE,             \
      "how long a target must have reported its utilisation before that counts")                   \
    X(expire_ns, "expire", DURATION, CONFIG_MS(100), CONFIG_HOURS(24), CONFIG_MINUTES(3), LIVE,    \
      "a reported utilisation that is older says nothing")                                         \
    X(update_ns, "update", DURATION, CONFIG_MS(100), CONFIG_MINUTES(1), CONFIG_SECONDS(1), LIVE,   \
      "how often weights are worked out from reported utilisations")                               \
    X(keeps_field, "keep-field", BOOLEAN, 0, 1, false, LIVE,                                       \
      "clients get the field endpoint-load-metrics of answers too")

struct resource_settings {
    RESOURCE_SETTINGS(CONFIG_FIELD)
};

/* What near means. */
#define PROXIMITY_BYS(X)                                                                           \
    X(PROXIMITY_BY_ZONE, "zone",                                                                   \
      "the same zone as --zone says of this node, then the same region, then the others")          \
    X(PROXIMITY_BY_TIME, "time",                                                                   \
      "how long a connection takes to open: up to 256 us, then each time twice as long")           \
    X(PROXIMITY_BY_LOCATION, "location",                                                           \
      "the way over the globe from the client, found by `geo-file`, to the targets' `location`")

enum proximity_by {
#define X(enumerator, name, gist) enumerator,
    PROXIMITY_BYS(X)
#undef X
};

#define PROXIMITY_SETTINGS(X)                                                                      \
    X(by, "by", CHOICE, proximity_bys, 0, PROXIMITY_BY_ZONE, LIVE, "what is near")                 \
    X(capacity, "capacity", COUNT_OR_AUTO, 1, 1000000, CONFIG_AUTO, LIVE,                          \
      "how many requests in flight fill a target of weight 1; auto: found from how long answers "  \
      "take here and farther away")                                                                \
    X(spill_percent, "spill-percent", COUNT, 0, 99, 50, LIVE,                                      \
      "when the near ones are this full the first requests go farther, and all when they are full")

struct proximity_settings {
    PROXIMITY_SETTINGS(CONFIG_FIELD)
};

/* What a service says of its balance. Immutable; a strategy reads its own section. */
struct balance_settings {
    uint32_t                     strategy; /* enum balance_sort */
    struct two_choices_settings  two_choices;
    struct balance_hash_settings hash;
    struct resource_settings     resource;
    struct proximity_settings    proximity;
};

/* The words of BALANCE_STRATEGIES, by enum balance_sort; end with a name of NULL. */
extern const struct config_choice balance_words[];

#endif
