/* SPDX-License-Identifier: Apache-2.0 */
/* core/geo/file.h - a database of which address is where, in MaxMind's format (.mmdb), read by
 * libmaxminddb.
 *
 * It is copied into memory of this process when it is opened: whoever writes over the file, or cuts
 * it short, changes nothing for those who look up in it, where a mapping of the file itself would
 * end them with SIGBUS. Records may have the layout of a City database (location.latitude and
 * .longitude), of a Country database (country.iso_code), or flat (latitude and longitude, or
 * country_code). Built without libmaxminddb (the build option `geo`), geo_file_is_there() is false
 * and opening is refused.
 *
 * Memory:  counted; the file's bytes once, outside of mem.h's counts, until the last one lets go.
 * Threads: open blocks on the disk: not for workers. The rest is for any thread, without locks.
 * Errors:  open tells a story. A damaged place in the file is an address that is not found. */
#ifndef PANDO_CORE_GEO_FILE_H
#define PANDO_CORE_GEO_FILE_H

#include "core/geo/place.h"

#include <netinet/in.h>
#include <stdint.h>

enum { GEO_FILE_GIB_MAX = 1 };

struct geo_file;

/* What people want to know of one; borrowed from it. */
struct geo_file_facts {
    const char *path;    /* as it was given */
    const char *type;    /* as it says of itself: "GeoLite2-City" */
    uint64_t    built_s; /* when it was made; Unix time */
    uint64_t    bytes;
};

/* Was Pando built with libmaxminddb? */
bool geo_file_is_there(void);

/* Opens the file at @path and takes a reference. @known (may be NULL) is one that is open: if the
 * file is still that one, unchanged, it is @known with one more reference. Not NONE: @e (may be
 * NULL) says why. */
enum err_kind geo_file_open(struct geo_file **file, const char *path, struct geo_file *known,
                            struct err *e) must_check;

/* One more holder; @file itself. */
struct geo_file *geo_file_ref(struct geo_file *file);

/* The last one closes it. Accepts NULL. */
void geo_file_unref(struct geo_file *file);

/* The facts of one that is open. */
struct geo_file_facts geo_file_facts(const struct geo_file *file);

/* Where @address is; IPv4 as ::ffff:a.b.c.d. False: the file does not know, and @place is
 * nowhere. */
bool geo_file_find(const struct geo_file *file, const struct in6_addr *address,
                   struct geo_place *place);

#endif
