/* SPDX-License-Identifier: Apache-2.0 */
/* main/settings_keys.c - the rooms' rows, laid into the tree that a configuration file is. */
#include "main/settings_keys.h"

#define END {.name = NULL}

/* Bounds on names in a file; each listener costs sockets in every worker. */
#define LISTENERS_MAX 256
#define SERVICES_MAX  10000
#define TARGETS_MAX   10000
#define MATCHES_MAX   1000
#define RULES_MAX     1000
#define DIRECTORY_MAX 100000

/* What fits in a sockaddr_un with the NUL behind it. */
#define CONTROL_BYTES_MAX 107

static const struct config_choice log_formats[] = {LOG_FORMATS(CONFIG_WORD){.name = NULL}};
static const struct config_choice rate_when_full[] = {RATE_WHEN_FULL(CONFIG_WORD){.name = NULL}};
static const struct config_choice concurrency_limits[] = {
    {"none", "there is no limit but `per-target`"},
#define X(symbol, word, gist) {word, gist},
    LIMIT_MACHINES(X)
#undef X
    END};
static const struct config_choice concurrency_priorities[] = {PRIORITIES(CONFIG_WORD) END};
static const struct config_choice proximity_bys[] = {PROXIMITY_BYS(CONFIG_WORD){.name = NULL}};
static const struct config_choice sticky_secures[] = {STICKY_SECURES(CONFIG_WORD){.name = NULL}};
static const struct config_choice retry_hedges[] = {RETRY_HEDGES(CONFIG_WORD){.name = NULL}};
static const struct config_choice cache_policies[] = {STORE_POLICIES(CONFIG_WORD){.name = NULL}};
static const struct config_choice cache_cookies[] = {CACHE_COOKIES(CONFIG_WORD){.name = NULL}};
static const struct config_choice log_levels[] = {LOG_LEVELS(CONFIG_WORD){.name = NULL}};
static const struct config_choice keyspace_engines[] = {
    KEYSPACE_ENGINES(CONFIG_WORD){.name = NULL}};
static const struct config_choice keyspace_syncs[] = {LMDB_SYNCS(CONFIG_WORD){.name = NULL}};
static const struct config_choice keyspace_evictions[] = {
    MEMORY_EVICTIONS(CONFIG_WORD){.name = NULL}};
const struct config_choice settings_ios[] = {SETTINGS_IOS(CONFIG_WORD){.name = NULL}};

/* The table of @rows, which fill a @type. */
#define TABLE(rows, type, ...) {.keys = rows, .struct_bytes = sizeof(type), __VA_ARGS__}

/* A field of a @type that is a list or map: its pointer is @field, its count @field_count. */
#define ELEMENTS(type, field, rows)                                                                \
    .offset = offsetof(type, field), .count_offset = offsetof(type, field##_count), .table = &rows

/* ---- sections that stand alone ---- */

#define X(...) CONFIG_KEY(struct log_settings, , __VA_ARGS__)
static const struct config_key log_keys[] = {LOG_SETTINGS(X) END};
static const struct config_table log_table = TABLE(log_keys, struct log_settings);
#undef X

#define X(...) CONFIG_KEY(struct admit_settings, , __VA_ARGS__)
static const struct config_key limits_keys[] = {ADMIT_SETTINGS(X) END};
static const struct config_table limits_table = TABLE(limits_keys, struct admit_settings);
#undef X

#define SHUTDOWN_SETTINGS(X)                                                                       \
    X(unready_for_ns, "unready-for", DURATION, 0, CONFIG_HOURS(1), 0, LIVE,                        \
      "how long /readyz fails before listeners close, so that whoever balances over nodes sees "   \
      "it")                                                                                        \
    X(drain_for_ns, "drain-for", DURATION, 0, CONFIG_HOURS(24), CONFIG_SECONDS(30), LIVE,          \
      "how long requests in progress then have to end by themselves")

#define X(...) CONFIG_KEY(struct settings, , __VA_ARGS__)
static const struct config_key shutdown_keys[] = {SHUTDOWN_SETTINGS(X) END};
static const struct config_table shutdown_table = {.keys = shutdown_keys};
#undef X

#define X(...) CONFIG_KEY(struct resp_settings, , __VA_ARGS__)
static const struct config_key redis_keys[] = {RESP_SETTINGS(X) END};
static const struct config_table redis_table = TABLE(redis_keys, struct resp_settings);
#undef X

#define X(...) CONFIG_KEY(struct keys_http_settings, , __VA_ARGS__)
static const struct config_key kv_keys[] = {KEYS_HTTP_SETTINGS(X) END};
static const struct config_table kv_table = TABLE(kv_keys, struct keys_http_settings);
#undef X

/* ---- sections that are also the presets of services ---- */

/* The section `http` has the rows of both; its fields lie in two structs of the root. */
#define X(...) CONFIG_KEY(struct settings, http., __VA_ARGS__)
#define X_SERVICE(...) CONFIG_KEY(struct settings, http_service., __VA_ARGS__)
static const struct config_key http_keys[] = {
    HTTP_SETTINGS(X) HTTP_SERVICE_SETTINGS(X_SERVICE) END};
static const struct config_table http_table = {.keys = http_keys};
#undef X_SERVICE
#undef X

#define X(...) CONFIG_KEY(struct http_service_settings, , __VA_ARGS__)
static const struct config_key http_service_keys[] = {HTTP_SERVICE_SETTINGS(X) END};
static const struct config_table http_service_table =
    TABLE(http_service_keys, struct http_service_settings);
#undef X

#define X(...) CONFIG_KEY(struct http_engine_settings, , __VA_ARGS__)
static const struct config_key upstream_keys[] = {HTTP_ENGINE_SETTINGS(X) END};
static const struct config_table upstream_table = TABLE(upstream_keys, struct http_engine_settings);
#undef X

#define X(...) CONFIG_KEY(struct circuit_settings, , __VA_ARGS__)
static const struct config_key circuit_keys[] = {CIRCUIT_SETTINGS(X) END};
static const struct config_table circuit_table = TABLE(circuit_keys, struct circuit_settings);
#undef X

#define X(...) CONFIG_KEY(struct fallback_settings, , __VA_ARGS__)
static const struct config_key fallback_keys[] = {FALLBACK_SETTINGS(X) END};
static const struct config_table fallback_table = TABLE(fallback_keys, struct fallback_settings);
#undef X

/* A section in the section `breaker`. */
#define IN_BREAKER(title, field, rows, sentence)                                                   \
    {                                                                                              \
        .name = title, .kind = CONFIG_SECTION, .offset = offsetof(struct breaker_settings, field), \
        .table = &rows, .help = sentence                                                           \
    }

#define X(...) CONFIG_KEY(struct breaker_settings, , __VA_ARGS__)
static const struct config_key breaker_keys[] = {
    BREAKER_SETTINGS(X)
    IN_BREAKER("service", service, circuit_table,
               "when the circuit breaker of a service opens, so that it is not asked for a while"),
    IN_BREAKER("target", target, circuit_table,
               "likewise for each target by itself; the others then take its requests"),
    IN_BREAKER("fallback", fallback, fallback_table,
               "what is answered while the circuit breaker of the service is open"),
    END};
static const struct config_table breaker_table = TABLE(breaker_keys, struct breaker_settings);
#undef X

#define X(...) CONFIG_KEY(struct retry_settings, , __VA_ARGS__)
static const struct config_key retry_keys[] = {RETRY_SETTINGS(X) END};
static const struct config_table retry_table = TABLE(retry_keys, struct retry_settings);
#undef X

#define X(...) CONFIG_KEY(struct health_settings, , __VA_ARGS__)
static const struct config_key health_keys[] = {HEALTH_SETTINGS(X) END};
static const struct config_table health_table = TABLE(health_keys, struct health_settings);
#undef X

#define X(...) CONFIG_KEY(struct outlier_settings, , __VA_ARGS__)
static const struct config_key outlier_keys[] = {OUTLIER_SETTINGS(X) END};
static const struct config_table outlier_table = TABLE(outlier_keys, struct outlier_settings);
#undef X

#define X(...) CONFIG_KEY(struct agent_settings, , __VA_ARGS__)
static const struct config_key agent_keys[] = {AGENT_SETTINGS(X) END};
static const struct config_table agent_table = TABLE(agent_keys, struct agent_settings);
#undef X

/* ---- listeners ---- */

#define X(...) CONFIG_KEY(struct listener_settings, , __VA_ARGS__)
static const struct config_key listener_keys[] = {LISTENER_SETTINGS(X) END};
static const struct config_table listener_table =
    TABLE(listener_keys, struct listener_settings, .element = "listener");
#undef X

/* ---- services ---- */

#define MATCH_SETTINGS(X)                                                                          \
    X(host, "host", TEXT, 0, 255, "", LIVE,                                                        \
      "host that is asked for: shop.example, or *.shop.example for all below it; not said: "       \
      "every host")                                                                                \
    X(path, "path", TEXT, 1, 4095, "/", LIVE,                                                      \
      "this path and all below it; the longest that fits wins")

#define X(...) CONFIG_KEY(struct settings_match, , __VA_ARGS__)
static const struct config_key match_keys[] = {MATCH_SETTINGS(X) END};
static const struct config_table match_table =
    TABLE(match_keys, struct settings_match, .element = "match");
#undef X

#define TARGET_SETTINGS(X)                                                                         \
    X(weight, "weight", COUNT, 1, 256, 1, LIVE,                                                    \
      "its share of the requests, compared with the others'")                                      \
    X(zone, "zone", TEXT, 0, 64, "", LIVE, "where it stands: region/zone")                         \
    X(location, "location", TEXT, 0, 64, "", LIVE,                                                 \
      "where on the globe it stands: latitude and longitude in degrees, as in `52.52,13.40` "      \
      "(in quotes), or a country of ISO 3166, as in `DE`, which counts as its main city")

#define X(...) CONFIG_KEY(struct settings_target, , __VA_ARGS__)
static const struct config_key target_keys[] = {
    {.name = "address", .kind = CONFIG_TARGET, .required = true,
     .offset = offsetof(struct settings_target, address),
     .help = "where it is: 10.0.0.1:3000, app.internal:3000, srv:_http._tcp.app.internal or "
             "unix:/run/app.sock"},
    TARGET_SETTINGS(X) END};
static const struct config_table target_table =
    TABLE(target_keys, struct settings_target, .short_form = "address", .element = "target");
#undef X

#define X(...) CONFIG_KEY(struct admit_service_settings, , __VA_ARGS__)
static const struct config_key service_limits_keys[] = {ADMIT_SERVICE_SETTINGS(X) END};
static const struct config_table service_limits_table =
    TABLE(service_limits_keys, struct admit_service_settings);
#undef X

#define X(...) CONFIG_KEY(struct rate_settings, , __VA_ARGS__)
static const struct config_key rate_keys[] = {RATE_SETTINGS(X) END};
static const struct config_table rate_table = TABLE(rate_keys, struct rate_settings);
#undef X

#define X(...) CONFIG_KEY(struct concurrency_settings, , __VA_ARGS__)
static const struct config_key concurrency_keys[] = {CONCURRENCY_SETTINGS(X) END};
static const struct config_table concurrency_table =
    TABLE(concurrency_keys, struct concurrency_settings);
#undef X

#define X(...) CONFIG_KEY(struct resource_settings, , __VA_ARGS__)
static const struct config_key resource_keys[] = {RESOURCE_SETTINGS(X) END};
static const struct config_table resource_table = TABLE(resource_keys, struct resource_settings);
#undef X

#define X(...) CONFIG_KEY(struct two_choices_settings, , __VA_ARGS__)
static const struct config_key two_choices_keys[] = {TWO_CHOICES_SETTINGS(X) END};
static const struct config_table two_choices_table =
    TABLE(two_choices_keys, struct two_choices_settings);
#undef X

#define X(...) CONFIG_KEY(struct balance_hash_settings, , __VA_ARGS__)
static const struct config_key hash_keys[] = {BALANCE_HASH_SETTINGS(X) END};
static const struct config_table hash_table = TABLE(hash_keys, struct balance_hash_settings);
#undef X

#define X(...) CONFIG_KEY(struct sticky_settings, , __VA_ARGS__)
static const struct config_key sticky_keys[] = {STICKY_SETTINGS(X) END};
static const struct config_table sticky_table = TABLE(sticky_keys, struct sticky_settings);
#undef X

#define X(...) CONFIG_KEY(struct proximity_settings, , __VA_ARGS__)
static const struct config_key proximity_keys[] = {PROXIMITY_SETTINGS(X) END};
static const struct config_table proximity_table = TABLE(proximity_keys, struct proximity_settings);
#undef X

#define X(...) CONFIG_KEY(struct cache_rule, , __VA_ARGS__)
static const struct config_key cache_rule_keys[] = {
    {.name = "path", .kind = CONFIG_TEXT, .required = true,
     .offset = offsetof(struct cache_rule, path), .lowest = 1, .highest = 4095,
     .help = "this path and those below it; the longest that fits is taken"},
    CACHE_RULE_SETTINGS(X) END};
static const struct config_table cache_rule_table =
    TABLE(cache_rule_keys, struct cache_rule, .element = "rule");
#undef X

#define X(...) CONFIG_KEY(struct cache_settings, , __VA_ARGS__)
static const struct config_key cache_keys[] = {
    CACHE_SETTINGS(X)
    {.name = "rules", .kind = CONFIG_LIST, .highest = RULES_MAX, .one_or_many = true,
     ELEMENTS(struct cache_settings, rules, cache_rule_table),
     .help = "what is different for some paths"},
    END};
static const struct config_table cache_table = TABLE(cache_keys, struct cache_settings);
#undef X

#define SERVICE_SETTINGS(X)                                                                        \
    X(balance.strategy, "balance", CHOICE, balance_words, 0, 0, LIVE,                              \
      "which target takes a request")

/* A section of a service whose presets are the root's section of the same name. */
#define INHERITED(title, field, root_field, rows)                                                  \
    {                                                                                              \
        .name = title, .kind = CONFIG_SECTION, .offset = offsetof(struct settings_service, field), \
        .table = &rows, .preset_offset = offsetof(struct settings, root_field) + 1,                \
        .help = "as the section " title " outside, for this service alone"                         \
    }

#define X(...) CONFIG_KEY(struct settings_service, , __VA_ARGS__)
static const struct config_key service_keys[] = {
    {.name = "match", .kind = CONFIG_LIST, .lowest = 1, .highest = MATCHES_MAX, .one_or_many = true,
     ELEMENTS(struct settings_service, matches, match_table),
     .help = "which requests it answers; not said: all that no other service does"},
    {.name = "targets", .kind = CONFIG_LIST, .lowest = 1, .highest = TARGETS_MAX,
     .one_or_many = true, .required = true,
     ELEMENTS(struct settings_service, targets, target_table),
     .help = "the servers that can each answer any of its requests"},
    SERVICE_SETTINGS(X)
    {.name = "resource", .kind = CONFIG_SECTION,
     .offset = offsetof(struct settings_service, balance.resource), .table = &resource_table,
     .help = "where balance resource gets reports, and how long they count"},
    {.name = "two-choices", .kind = CONFIG_SECTION,
     .offset = offsetof(struct settings_service, balance.two_choices),
     .table = &two_choices_table, .help = "how balance two-choices compares"},
    {.name = "hash", .kind = CONFIG_SECTION,
     .offset = offsetof(struct settings_service, balance.hash),
     .table = &hash_table, .help = "what balance hash goes by"},
    {.name = "proximity", .kind = CONFIG_SECTION,
     .offset = offsetof(struct settings_service, balance.proximity),
     .table = &proximity_table, .help = "what balance proximity takes for near, and for full"},
    INHERITED("http", http, http_service, http_service_table),
    INHERITED("upstream", upstream, upstream, upstream_table),
    INHERITED("breaker", breaker, breaker, breaker_table),
    INHERITED("retry", retry, retry, retry_table),
    INHERITED("health", health, health, health_table),
    INHERITED("outlier", outlier, outlier, outlier_table),
    INHERITED("agent", agent, agent, agent_table),
    {.name = "limits", .kind = CONFIG_SECTION, .offset = offsetof(struct settings_service, limits),
     .table = &service_limits_table, .help = "how much of this service is let in"},
    {.name = "rate", .kind = CONFIG_SECTION, .offset = offsetof(struct settings_service, rate),
     .table = &rate_table, .help = "how often each client may ask"},
    {.name = "concurrency", .kind = CONFIG_SECTION,
     .offset = offsetof(struct settings_service, concurrency), .table = &concurrency_table,
     .help = "how many of its requests are in progress at once, and who waits for how long"},
    {.name = "cache", .kind = CONFIG_SECTION, .offset = offsetof(struct settings_service, cache),
     .table = &cache_table, .help = "what answers are kept, and for how long"},
    {.name = "sticky", .kind = CONFIG_SECTION, .offset = offsetof(struct settings_service, sticky),
     .table = &sticky_table, .help = "whether a client comes back to the target that it had"},
    END};
static const struct config_table service_table =
    TABLE(service_keys, struct settings_service, .element = "service");
#undef X

/* ---- keyspaces ---- */

static const struct config_key split_keys[] = {
    {.name = "key",
     .kind = CONFIG_TEXT,
     .required = true,
     .offset = offsetof(struct settings_split, key),
     .lowest = 1,
     .highest = 1024,
     .help = "the first key of the next shard, without the keyspace's name"},
    END};
static const struct config_table split_table =
    TABLE(split_keys, struct settings_split, .short_form = "key", .element = "split");

static const struct config_key directory_keys[] = {
    {.name = "prefix",
     .kind = CONFIG_TEXT,
     .required = true,
     .offset = offsetof(struct settings_directory_entry, prefix),
     .lowest = 1,
     .highest = 1024,
     .help = "keys that begin with this, behind the keyspace's name; the longest that fits wins"},
    {.name = "shard",
     .kind = CONFIG_COUNT,
     .required = true,
     .offset = offsetof(struct settings_directory_entry, shard),
     .highest = PARTITION_SHARDS_MAX - 1,
     .help = "are on this shard; the first is 0"},
    END};
static const struct config_table directory_table =
    TABLE(directory_keys, struct settings_directory_entry, .element = "entry");

#define X(...) CONFIG_KEY(struct key_cache_settings, , __VA_ARGS__)
static const struct config_key key_cache_keys[] = {KEY_CACHE_SETTINGS(X) END};
static const struct config_table key_cache_table = TABLE(key_cache_keys, struct key_cache_settings);
#undef X

#define X(...) CONFIG_KEY(struct settings_keyspace, , __VA_ARGS__)
static const struct config_key keyspace_keys[] = {
    KEYSPACE_SETTINGS(X)
    {.name = "splits", .kind = CONFIG_LIST, .highest = PARTITION_SHARDS_MAX, .one_or_many = true,
     .start_only = true, ELEMENTS(struct settings_keyspace, splits, split_table),
     .help = "partition range: where one shard ends and the next begins, ascending, one fewer than "
             "shards"},
    {.name = "directory", .kind = CONFIG_LIST, .highest = DIRECTORY_MAX, .one_or_many = true,
     .start_only = true, ELEMENTS(struct settings_keyspace, directory, directory_table),
     .help = "partition directory: which prefixes, such as tenants, are on which shard; all else "
             "goes by hash"},
    {.name = "cache", .kind = CONFIG_SECTION, .offset = offsetof(struct settings_keyspace, cache),
     .table = &key_cache_table,
     .help = "answers of hot keys in memory, before an engine that is slower"},
    MEMORY_ENGINE_SETTINGS(X) LMDB_ENGINE_SETTINGS(X) END};
static const struct config_table keyspace_table =
    TABLE(keyspace_keys, struct settings_keyspace, .element = "keyspace");
#undef X

/* ---- the root ---- */

#define PLACE_SETTINGS(X)                                                                          \
    X(geo_path, "geo-file", TEXT, 0, 4095, "", LIVE,                                               \
      "a database of where addresses are, in MaxMind's format (.mmdb, City or Country), for "      \
      "`proximity: {by: location}`; copied to memory, and read anew by a reload if it changed")    \
    X(workers_count, "workers", COUNT, 0, 1024, 0, START,                                          \
      "threads that serve; 0 is one for each core")                                                \
    X(io, "io", CHOICE, settings_ios, 0, SETTINGS_IO_AUTO, START,                                  \
      "how the kernel is asked for input and output")

#define SECTION(title, field, rows, sentence)                                                      \
    {                                                                                              \
        .name = title, .kind = CONFIG_SECTION, .offset = offsetof(struct settings, field),         \
        .table = &rows, .help = sentence                                                           \
    }

#define X(...) CONFIG_KEY(struct settings, , __VA_ARGS__)
static const struct config_key root_keys[] = {
    {.name = "listeners", .kind = CONFIG_MAP, .lowest = 1, .highest = LISTENERS_MAX,
     ELEMENTS(struct settings, listeners, listener_table),
     .preset_words = "`admin: {admin: \"127.0.0.1:9780\"}`, with services `web: {http: "
                     "\"127.0.0.1:8080\"}`, with keyspaces `data: {redis: \"127.0.0.1:6380\"}`",
     .help = "where Pando listens; each entry says one of http, redis and admin"},
    {.name = "services", .kind = CONFIG_MAP, .highest = SERVICES_MAX,
     ELEMENTS(struct settings, services, service_table),
     .example = "shop:\n"
                "  match: {host: shop.example, path: /}\n"
                "  targets: [\"10.0.0.1:3000\", {address: \"10.0.0.2:3000\", weight: 2}]\n",
     .help = "what stands behind Pando: servers that can each answer any request of their service"},
    {.name = "keyspaces", .kind = CONFIG_MAP, .highest = KEYSPACES_MAX,
     ELEMENTS(struct settings, keyspaces, keyspace_table),
     .preset_words = "`default: {engine: lmdb}` if there are neither services nor listeners",
     .help = "data that Pando holds; `carts:42` is a key of `carts`, and `default` has all keys "
             "that no other has"},
    {.name = "http", .kind = CONFIG_SECTION, .table = &http_table,
     .help = "limits and habits towards HTTP clients; a service may say some of them for itself"},
    SECTION("redis", redis, redis_table, "limits and habits towards clients of the Redis protocol"),
    SECTION("kv", kv, kv_table, "limits of keys over HTTP, on listeners that say `keys: true`"),
    SECTION("upstream", upstream, upstream_table,
            "how servers are talked to; a service may say it for itself"),
    SECTION("breaker", breaker, breaker_table,
            "what happens to a target that cannot be connected to; also in a service"),
    SECTION("retry", retry, retry_table,
            "what is sent a second time; a service may say it for itself"),
    SECTION("health", health, health_table,
            "how targets are asked whether they are well; a service may say it for itself"),
    SECTION("outlier", outlier, outlier_table,
            "when a target is passed over for how it answers; a service may say it for itself"),
    SECTION("agent", agent, agent_table,
            "agents beside the targets that say how much they can take; a service may say it for "
            "itself"),
    SECTION("limits", limits, limits_table, "how much is let in"),
    SECTION("log", log, log_table, "what is logged, where and how"),
    {.name = "shutdown", .kind = CONFIG_SECTION, .table = &shutdown_table,
     .help = "what happens between SIGTERM and the end"},
    {.name = "control", .kind = CONFIG_TEXT, .offset = offsetof(struct settings, control_path),
     .start_only = true, .highest = CONTROL_BYTES_MAX, .preset_text = "",
     .preset_words = "`/run/pando/control.sock` for root, else under `$XDG_RUNTIME_DIR`, "
                     "else in `data`",
     .help = "unix socket over which pando reload, status, tap and drain speak to it"},
    {.name = "data", .kind = CONFIG_TEXT, .offset = offsetof(struct settings, data_path),
     .start_only = true, .highest = 4095, .preset_text = "",
     .preset_words = "`/var/lib/pando` for root, else `pando` under `$XDG_STATE_HOME` or "
                     "`~/.local/state`",
     .help = "folder for what must survive a restart"},
    PLACE_SETTINGS(X) END};
const struct config_table settings_table = TABLE(root_keys, struct settings);
#undef X
