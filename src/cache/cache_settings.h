/* SPDX-License-Identifier: Apache-2.0 */
/* cache/cache_settings.h - what a service's cache keeps, for how long, and for whom; one row each.
 *
 * In the file they are the section `cache` of a service. Columns: config/config.h. */
#ifndef PANDO_CACHE_CACHE_SETTINGS_H
#define PANDO_CACHE_CACHE_SETTINGS_H

#include "config/config.h"
#include "store/store.h"

/* Requests with a Cookie: the server may have made the answer for one person. */
#define CACHE_COOKIES(X)                                                                           \
    X(CACHE_COOKIES_EXPLICIT, "explicit",                                                          \
      "answers are kept and used for them only if they say `public`, `s-maxage` or "               \
      "CDN-Cache-Control")                                                                         \
    X(CACHE_COOKIES_IGNORE, "ignore",                                                              \
      "as requests without; for services whose pages are the same for everybody")                  \
    X(CACHE_COOKIES_PASS, "pass", "they never meet the cache")

enum cache_cookies {
#define X(enumerator, name, gist) enumerator,
    CACHE_COOKIES(X)
#undef X
};

/* What may differ by path. 0 of a duration: the answer's own word holds. */
#define CACHE_RULE_SETTINGS(X)                                                                     \
    X(browser_for_ns, "browser-for", DURATION_OR_NONE, CONFIG_SECONDS(1), CONFIG_HOURS(24 * 366),  \
      CONFIG_NONE, LIVE,                                                                           \
      "what browsers are told of how long to keep answers that may be kept, in place of what the " \
      "server says")                                                                               \
    X(edge_for_ns, "edge-for", DURATION_OR_NONE, CONFIG_SECONDS(1), CONFIG_HOURS(24 * 366),        \
      CONFIG_NONE, LIVE,                                                                           \
      "how long answers that may be kept are fresh here, in place of what the server says")        \
    X(compress, "compress", BOOLEAN, 0, 1, false, LIVE,                                            \
      "keep texts compressed, once for each of gzip, br and zstd that clients accept")             \
    X(bypass, "bypass", BOOLEAN, 0, 1, false, LIVE, "requests of this path never meet the cache")

struct cache_rule {
    const char *path; /* a prefix of whole segments; the longest that fits is taken */
    CACHE_RULE_SETTINGS(CONFIG_FIELD)
};

#define CACHE_SETTINGS(X)                                                                          \
    X(memory_bytes, "memory", SIZE_OR_NONE, CONFIG_MIB(1), CONFIG_TIB(1), CONFIG_NONE, LIVE,       \
      "memory for answers that may be kept, everything that keeping them takes counted; none: "    \
      "there is no cache")                                                                         \
    X(disk_bytes, "disk", SIZE_OR_NONE, CONFIG_MIB(16), CONFIG_TIB(64), CONFIG_NONE, START,        \
      "a file in the data directory for answers that leave the memory, so that more is kept than " \
      "fits there, also over a restart; another size may empty it")                                \
    X(policy, "policy", CHOICE, cache_policies, 0, STORE_S3_FIFO, LIVE,                            \
      "what leaves first when it is full; a change starts an empty cache")                         \
    X(object_bytes, "object-bytes", SIZE, CONFIG_KIB(1), CONFIG_TIB(1), CONFIG_MIB(64), LIVE,      \
      "largest body that is kept; also never more than a tenth of the memory of a shard")          \
    X(variants, "variants", COUNT, 1, 10000, 64, LIVE,                                             \
      "answers to one URL that are kept side by side for different request headers (Vary)")        \
    X(waiters, "waiters", COUNT, 1, 1000000, 10000, LIVE,                                          \
      "requests that may wait for an answer that is being fetched for another; more are fetched "  \
      "by themselves")                                                                             \
    X(fresh_for_ns, "fresh-for", DURATION_OR_NONE, CONFIG_SECONDS(1), CONFIG_HOURS(24 * 366),      \
      CONFIG_NONE, LIVE,                                                                           \
      "how long an answer that does not say it is fresh; none: a guess from Last-Modified")        \
    X(negative_for_ns, "negative-for", DURATION_OR_NONE, CONFIG_SECONDS(1), CONFIG_HOURS(24),      \
      CONFIG_NONE, LIVE,                                                                           \
      "how long 404, 405, 410, 414 and 501 that do not say it are fresh; none: they are not kept") \
    X(stale_while_revalidate_ns, "stale-while-revalidate", DURATION_OR_NONE, CONFIG_SECONDS(1),    \
      CONFIG_HOURS(24 * 366), CONFIG_NONE, LIVE,                                                   \
      "how long after its end an answer is still used while a new one is fetched, where it does "  \
      "not say itself")                                                                            \
    X(stale_if_error_ns, "stale-if-error", DURATION_OR_NONE, CONFIG_SECONDS(1),                    \
      CONFIG_HOURS(24 * 366), CONFIG_NONE, LIVE,                                                   \
      "how long after its end an answer is used where no server gives a good one, if it does not " \
      "say itself")                                                                                \
    X(stale_if_unreachable_ns, "stale-if-unreachable", DURATION_OR_NONE, CONFIG_SECONDS(1),        \
      CONFIG_HOURS(24 * 366), CONFIG_HOURS(1), LIVE,                                               \
      "how long after its end an answer is used while no server can be reached; not what says "    \
      "must-revalidate or no-cache")                                                               \
    X(cookies, "cookies", CHOICE, cache_cookies, 0, CACHE_COOKIES_EXPLICIT, LIVE,                  \
      "what holds for requests with a Cookie")                                                     \
    X(etags, "etags", BOOLEAN, 0, 1, true, LIVE,                                                   \
      "give kept answers without ETag and Last-Modified an ETag, a hash of the body, so that "     \
      "browsers may ask whether it changed")                                                       \
    X(warm_start, "warm-start", BOOLEAN, 0, 1, true, LIVE,                                         \
      "keep what is cached over a restart, in a file in the data directory")

struct cache_settings {
    CACHE_SETTINGS(CONFIG_FIELD)
    struct cache_rule *rules; /* in the order of the file */
    size_t             rules_count;
};

#endif
