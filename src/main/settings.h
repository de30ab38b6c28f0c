/* SPDX-License-Identifier: Apache-2.0 */
/* main/settings.h - everything that a user can set, as one struct, and how it is loaded.
 *
 * Loaded from: presets < file and what it includes < flags < --set. What comes out is whole,
 * checked and never changed again. A reload loads a second one beside it, compares, and swaps.
 *
 * Memory:  settings_load() allocates; settings_free() gives back all of it, strings and lists
 *          included.
 * Threads: read-only once loaded, so any thread may read it as long as somebody keeps it.
 * Errors:  all of the user's mistakes at once, in a struct config_errors. */
#ifndef PANDO_MAIN_SETTINGS_H
#define PANDO_MAIN_SETTINGS_H

#include "admin/log_settings.h"
#include "admit/admit_settings.h"
#include "balance/balance_settings.h"
#include "breaker/breaker_settings.h"
#include "breaker/concurrency/concurrency_settings.h"
#include "breaker/retry/retry_settings.h"
#include "cache/cache_settings.h"
#include "config/config.h"
#include "control/agent/agent_settings.h"
#include "control/health_settings.h"
#include "control/outlier/outlier_settings.h"
#include "core/geo/file.h"
#include "engine/http/http_engine_settings.h"
#include "engine/keys_http/keys_http_settings.h"
#include "front/http/http_settings.h"
#include "front/listener_settings.h"
#include "front/resp/resp_settings.h"
#include "main/settings_keyspace.h"
#include "session/session_settings.h"

/* Which back end of the loop is taken. */
#define SETTINGS_IOS(X)                                                                            \
    X(SETTINGS_IO_AUTO, "auto", "io_uring where the kernel allows it, else epoll")                 \
    X(SETTINGS_IO_EPOLL, "epoll", "epoll, which runs everywhere")                                  \
    X(SETTINGS_IO_URING, "io_uring", "io_uring, or no start at all")

enum settings_io {
#define X(enumerator, name, gist) enumerator,
    SETTINGS_IOS(X)
#undef X
};

/* The words of the above. End with a name of NULL. */
extern const struct config_choice settings_ios[];

/* Which requests a service answers: both must fit. Hosts are compared without case and port. */
struct settings_match {
    const char *host; /* lower case; "shop.example"; "*.shop.example": all below; "": all */
    const char *path; /* "/", "/api": this path and those below it; longest wins */
};

/* One target as the file says it; a name or SRV record may become several addresses. */
struct settings_target {
    struct config_address address;  /* its text is its identity within a service */
    uint32_t              weight;   /* 1..256 */
    const char           *zone;     /* "region/zone", or "" */
    const char           *location; /* coordinates or a country, or "" */
    struct geo_place      place;    /* that is there; nowhere: it was not said */
};

struct settings_service {
    const char                   *name; /* letters, digits, - and _ */
    struct settings_match        *matches;
    size_t                        matches_count; /* at least 1 */
    struct settings_target       *targets;
    size_t                        targets_count; /* at least 1 */
    struct balance_settings       balance;
    struct http_service_settings  http; /* whole: global presets already taken in */
    struct http_engine_settings   upstream;
    struct breaker_settings       breaker;
    struct retry_settings         retry;
    struct health_settings        health;
    struct outlier_settings       outlier;
    struct agent_settings         agent;
    struct admit_service_settings limits;
    struct rate_settings          rate;
    struct concurrency_settings   concurrency;
    struct sticky_settings        sticky;
    struct cache_settings         cache;
};

struct settings {
    struct config            *config; /* owns all memory here */
    struct listener_settings *listeners;
    size_t                    listeners_count; /* at least 1 */
    struct settings_service  *services;
    size_t services_count; /* may be 0: every request is then answered with 404 */
    struct settings_keyspace *keyspaces;
    size_t                    keyspaces_count; /* may be 0 */
    const char               *control_path;    /* absolute or relative; fits in a sockaddr_un */
    const char               *data_path;
    const char               *control_preset; /* what the two are if nobody says so */
    const char               *data_preset;
    uint32_t                  workers_count; /* 0: one per core */
    uint32_t                  io;            /* enum settings_io */
    const char               *zone;          /* of this node, from --zone; or "" */
    struct geo_place          home;          /* of this node, from --location; or nowhere */
    const char               *geo_path;      /* of the database of locations, or "" */
    struct geo_file          *geo;           /* that is there, open, owned; NULL: none */
    struct log_settings       log;
    struct admit_settings     limits;
    struct http_settings      http;
    struct resp_settings      redis;
    struct keys_http_settings kv;
    struct http_service_settings
        http_service;                     /* for requests of no service; preset of the services */
    struct http_engine_settings upstream; /* preset of the services */
    struct breaker_settings     breaker;  /* preset of the services */
    struct retry_settings       retry;    /* preset of the services */
    struct health_settings      health;   /* preset of the services */
    struct outlier_settings     outlier;  /* preset of the services */
    struct agent_settings       agent;    /* preset of the services */
    uint64_t unready_for_ns; /* shutdown: /readyz fails this long before listeners close */
    uint64_t drain_for_ns;   /* shutdown: then requests in progress have this long */
};

/* Where a node keeps things when nobody says so; from the environment, or given by a test. */
struct settings_places {
    const char *runtime_dir; /* $XDG_RUNTIME_DIR, or NULL */
    const char *state_home;  /* $XDG_STATE_HOME, or NULL */
    const char *home;        /* $HOME, or NULL */
    bool        is_root;     /* then /run/pando and /var/lib/pando */
};

/* What the command line says. Everything may be NULL; strings are only read during the call. */
struct settings_request {
    const char        *file; /* a YAML file; NULL: none, and the presets of `pando run --to` hold */
    const char        *to;   /* --to A,B: the targets of service `default` */
    const char        *http; /* --http ADDRESS: of the first HTTP listener */
    const char        *admin;    /* --admin ADDRESS */
    const char        *redis;    /* --redis ADDRESS: of the first Redis listener */
    const char        *data;     /* --data DIR */
    const char        *control;  /* --control PATH */
    const char        *workers;  /* --workers N */
    const char        *io;       /* --io KIND */
    const char        *zone;     /* --zone REGION/ZONE */
    const char        *location; /* --location LATITUDE,LONGITUDE or a country */
    const char *const *sets;     /* --set a.b=value, in their order */
    size_t             sets_count;
    struct settings_places places;
    struct geo_file *geo; /* the database that is open already; taken if its file is unchanged */
};

/* Reads the four places from the environment and the user id; the strings are the environment's. */
void settings_places_get(struct settings_places *places);

/* Loads and checks. NULL: @errors says why (never empty then), sorted by place. */
must_check struct settings *settings_load(const struct settings_request *request,
                                          struct config_errors *errors);

/* As settings_load() for a text instead of request->file; includes are refused. For tests and
 * fuzzing. */
must_check struct settings *settings_load_text(const struct settings_request *request,
                                               const char *file, const char *text, size_t bytes,
                                               struct config_errors *errors);

/* Accepts NULL. */
void settings_free(struct settings *settings);

/* What a reload from @old to @new would change, one line each; returns how many. @out may be
 * NULL. */
size_t settings_write_changes(const struct settings *old, const struct settings *new, FILE *out);

/* The settings in force, every value said, as YAML that loads to the same. */
void settings_write_yaml(const struct settings *settings, FILE *out);

/* `pando config schema`: JSON Schema of a file. */
void settings_write_schema(FILE *out);

/* `pando config docs`: every setting, in Markdown. */
void settings_write_docs(FILE *out);

/* Every setting in troff's man macros: .TP and .SS, to stand under a .SH of `pando man`. */
void settings_write_manpage(FILE *out);

/* `pando init`: a commented file that says what @settings say, and how to say the rest. */
void settings_write_init(const struct settings *settings, FILE *out);

#endif
