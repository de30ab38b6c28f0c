/* SPDX-License-Identifier: Apache-2.0 */
/* path/place.h - where on Earth something is, as far as that is known. */
#ifndef PANDO_PATH_PLACE_H
#define PANDO_PATH_PLACE_H

#include <stdbool.h>

struct place {
    bool  has_point; /* latitude and longitude are known */
    float latitude_deg, longitude_deg;
    char  country[3];   /* ISO 3166-1, upper case: "DE"; "" if not known */
    char  continent[3]; /* "EU"; "" if not known */
};

#endif
