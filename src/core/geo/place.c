/* SPDX-License-Identifier: Apache-2.0 */
/* core/geo/place.c - angles to vectors and back. */
#include "core/geo/place.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RADIUS_KM    6371.0 /* the mean one */
#define DEGREE       (M_PI / 180)
#define NUMBER_BYTES 24

struct geo_place geo_place_at(double latitude, double longitude)
{
    const double level = cos(latitude * DEGREE);
    return (struct geo_place){
        .x = level * cos(longitude * DEGREE),
        .y = level * sin(longitude * DEGREE),
        .z = sin(latitude * DEGREE),
    };
}

double geo_distance_km(const struct geo_place *one, const struct geo_place *other)
{
    const double cosine = geo_nearness(one, other);
    return RADIUS_KM * acos(cosine > 1 ? 1 : cosine < -1 ? -1 : cosine);
}

/* A plain decimal number of @bytes at @text, at most @most either way. */
static bool read_degrees(const char *text, size_t bytes, double most, double *degrees)
{
    char number[NUMBER_BYTES];
    char *end;
    while (bytes > 0 && text[0] == ' ') {
        text++;
        bytes--;
    }
    if (bytes == 0 || bytes >= sizeof number)
        return false;
    memcpy(number, text, bytes);
    number[bytes] = '\0';
    if (number[strspn(number, "+-.0123456789")] != '\0') /* strtod() would also read inf and 0x1 */
        return false;
    *degrees = strtod(number, &end);
    return end != number && *end == '\0' && fabs(*degrees) <= most;
}

bool geo_place_read(const char *text, struct geo_place *place)
{
    const char *comma = strchr(text, ',');
    double latitude, longitude;
    *place = (struct geo_place){0};
    if (comma != NULL) {
        if (!read_degrees(text, (size_t)(comma - text), 90, &latitude) ||
            !read_degrees(comma + 1, strlen(comma + 1), 180, &longitude))
            return false;
        *place = geo_place_at(latitude, longitude);
        return true;
    }
    char code[2];
    if (strlen(text) != sizeof code)
        return false;
    for (size_t i = 0; i < sizeof code; i++)
        code[i] = (char)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - ('a' - 'A') : text[i]);
    return geo_country(code, place);
}
