/* SPDX-License-Identifier: Apache-2.0 */
/* core/geo/place_test.c - places are read, countries are where they are, and near is near. */
#include "core/geo/place.h"

#include <criterion/criterion.h>
#include <math.h>

static struct geo_place read(const char *text)
{
    struct geo_place place;
    cr_assert(geo_place_read(text, &place), "%s", text);
    return place;
}

/* Distances as published (great circle), within 1 %: the ball is no ellipsoid, and a country is at
 * its main city. */
Test(geo_place, distances_are_those_of_the_globe)
{
    static const struct {
        const char *from, *to;
        double km;
    } ways[] = {
        {"DE", "FR", 878},
        {"DE", "US", 6385},
        {"JP", "US", 10850},
        {"AU", "NZ", 2156},
        {"BR", "ZA", 7420},
        {"RU", "FI", 895},
        {"0,0", "0,180", 20015},
        {"90,0", "-90,50", 20015},
        {"52.52,13.40", "52.52,13.40", 0},
        {"0,179.5", "0,-179.5", 111.2},
        {"CA", "US", 550},
        {"NO", "SE", 417},
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        const struct geo_place from = read(ways[i].from), to = read(ways[i].to);
        const double km = geo_distance_km(&from, &to);
        cr_expect(fabs(km - ways[i].km) <= 0.01 * ways[i].km + 0.1, "%s to %s: %.0f km, not %.0f",
                  ways[i].from, ways[i].to, km, ways[i].km);
    }
}

Test(geo_place, the_nearer_has_the_larger_product)
{
    const struct geo_place berlin = read("DE"), paris = read("FR"), tokyo = read("JP");
    cr_expect(geo_nearness(&berlin, &paris) > geo_nearness(&berlin, &tokyo));
    cr_expect(geo_nearness(&paris, &berlin) > geo_nearness(&paris, &tokyo));
    cr_expect(geo_nearness(&berlin, &berlin) > geo_nearness(&berlin, &paris));
}

Test(geo_place, one_place_has_several_spellings)
{
    const struct geo_place one = read("52.52,13.4");
    static const char *const same[] = {"52.520,13.40", "+52.52, 13.4", " 52.52,13.4"};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        const struct geo_place other = read(same[i]);
        cr_expect(geo_is_same(&one, &other), "%s", same[i]);
    }
    const struct geo_place upper = read("DE"), lower = read("de");
    cr_expect(geo_is_same(&upper, &lower) && !geo_is_same(&one, &upper));
}

Test(geo_place, what_is_no_place_is_refused)
{
    static const char *const wrong[] = {
        "",
        "D",
        "DEU",
        "Q1",
        "XX",
        "QQ",
        "germany",
        "52.5",
        "52.5,",
        ",13.4",
        "91,0",
        "-90.1,0",
        "0,181",
        "0,-180.5",
        "1,2,3",
        "nan,0",
        "inf,0",
        "0x10,0",
        "1e1,0",
        "52.5;13.4",
        "1 2,3",
        "1,2 ",
        "--1,0",
        "1..2,0",
        "52N,3E",
        "+,+",
        "0,1-1",
        "\xc3\xa4",
        "000000000000000000000000001,0",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct geo_place place = {1, 1, 1};
        cr_expect(!geo_place_read(wrong[i], &place), "%s", wrong[i]);
        cr_expect(!geo_is_known(&place));
    }
}

/* Every code of two letters is a country on the ball's surface, or none; and those that one looks
 * for are there. */
Test(geo_place, countries_are_on_the_globe)
{
    unsigned count = 0;
    for (char a = 'A'; a <= 'Z'; a++)
        for (char b = 'A'; b <= 'Z'; b++) {
            const char code[] = {a, b}; /* no NUL behind it */
            struct geo_place place;
            if (!geo_country(code, &place))
                continue;
            count++;
            cr_expect(fabs(geo_nearness(&place, &place) - 1) < 1e-9, "%c%c", a, b);
        }
    cr_expect(count == 250, "ISO 3166 has 249, and there is XK; not %u", count);
    struct geo_place place;
    cr_expect(!geo_country("de", &place) && !geo_country("EU", &place));
}

/* Those whose first time zone is not where people are. */
Test(geo_place, large_countries_are_at_their_main_city)
{
    static const char *const pairs[][2] = {
        {"RU", "55.75,37.62"},   {"AU", "-33.87,151.21"}, {"CA", "43.65,-79.38"},
        {"BR", "-23.55,-46.63"}, {"UZ", "41.31,69.28"},   {"UA", "50.45,30.52"},
        {"US", "40.71,-74.01"},  {"CN", "31.23,121.47"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const struct geo_place country = read(pairs[i][0]), city = read(pairs[i][1]);
        cr_expect(geo_distance_km(&country, &city) < 30, "%s", pairs[i][0]);
    }
}
