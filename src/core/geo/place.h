/* SPDX-License-Identifier: Apache-2.0 */
/* core/geo/place.h - a place on the globe, from coordinates or a country, and which of two is
 * nearer.
 *
 * A place is a unit vector from the middle of the earth, taken as a ball. Of two places the nearer
 * one to a third has the larger dot product with it, since that is the cosine of the angle between
 * them, and the great-circle distance is that angle times the radius. So comparing takes three
 * multiplications, and no function of angles.
 *
 * Memory: none. Threads: pure. */
#ifndef PANDO_CORE_GEO_PLACE_H
#define PANDO_CORE_GEO_PLACE_H

#include "core/err.h"

#include <stdbool.h>

/* Zeroed: nowhere that is known. */
struct geo_place {
    double x, y, z;
};

static inline bool geo_is_known(const struct geo_place *place)
{
    return place->x != 0 || place->y != 0 || place->z != 0;
}

static inline bool geo_is_same(const struct geo_place *one, const struct geo_place *other)
{
    return one->x == other->x && one->y == other->y && one->z == other->z;
}

/* The larger, the nearer: from -1 (the other side of the globe) to 1. Both are known. */
static inline double geo_nearness(const struct geo_place *one, const struct geo_place *other)
{
    return one->x * other->x + one->y * other->y + one->z * other->z;
}

/* Degrees, north and east of 0; at most 90 and 180 either way. */
struct geo_place geo_place_at(double latitude, double longitude);

/* The way over the ground, in kilometres. Both are known. */
double geo_distance_km(const struct geo_place *one, const struct geo_place *other);

/* Where the main city of a country is. @code: two letters of ISO 3166-1, in capitals (no NUL is
 * needed). False: there is no such country, and @place is nowhere. */
bool geo_country(const char *code, struct geo_place *place) must_check;

/* "52.52,13.4" (degrees: latitude, longitude), or "DE" (in capitals or not). False: it is neither,
 * and @place is nowhere. */
bool geo_place_read(const char *text, struct geo_place *place) must_check;

#endif
