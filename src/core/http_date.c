/* SPDX-License-Identifier: Apache-2.0 */
/* core/http_date.c - dates of HTTP: written in the one form that is sent, read in all three. */
#include "core/http.h"

#include <assert.h>
#include <string.h>

static const char weekdays[] = "ThuFriSatSunMonTueWed"; /* 1 January 1970 was a Thursday */
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static void put_digits(char *out, uint64_t number, size_t count)
{
    for (size_t i = count; i-- > 0; number /= 10)
        out[i] = (char)('0' + number % 10);
}

enum { DAY_S = 86400, DAYS_IN_400_YEARS = 146097, DAYS_FROM_YEAR_0_TO_1970 = 719468 };

/* The calendar date is counted in years that begin in March, so that the leap day comes last
 * (Howard Hinnant, "chrono-compatible low-level date algorithms", civil_from_days). */
void http_date_write(char out[HTTP_DATE_BYTES], int64_t unix_s)
{
    assert(unix_s >= 0 && unix_s <= INT64_C(253402300799)); /* the year 9999 */
    const uint64_t day = (uint64_t)unix_s / DAY_S;
    const uint64_t second = (uint64_t)unix_s % DAY_S;
    const uint64_t from_0 = day + DAYS_FROM_YEAR_0_TO_1970;
    const uint64_t era = from_0 / DAYS_IN_400_YEARS;
    const uint64_t of_era = from_0 % DAYS_IN_400_YEARS;
    const uint64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const uint64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const uint64_t from_march = (5 * of_year + 2) / 153;
    const uint64_t month = from_march < 10 ? from_march + 2 : from_march - 10; /* 0: January */
    const uint64_t year = era * 400 + year_of_era + (month < 2);
    memcpy(out, "Thu, 01 Jan 1970 00:00:00 GMT", HTTP_DATE_BYTES);
    memcpy(out, weekdays + day % 7 * 3, 3);
    put_digits(out + 5, of_year - (153 * from_march + 2) / 5 + 1, 2);
    memcpy(out + 8, months + month * 3, 3);
    put_digits(out + 12, year, 4);
    put_digits(out + 17, second / 3600, 2);
    put_digits(out + 20, second / 60 % 60, 2);
    put_digits(out + 23, second % 60, 2);
}

/* --- Reading --- */

/* What is left of the text, and what was found in it. */
struct reading {
    const uint8_t *at;
    const uint8_t *end;
    int            year, month, day; /* month: 0 is January */
    int            hour, minute, second;
};

/* Takes @text in any case. */
static bool take(struct reading *r, const char *text)
{
    const size_t count = strlen(text);
    if ((size_t)(r->end - r->at) < count || !http_same_text(r->at, text, count))
        return false;
    r->at += count;
    return true;
}

/* Takes exactly @count digits. */
static bool take_number(struct reading *r, int *number, size_t count)
{
    if ((size_t)(r->end - r->at) < count)
        return false;
    *number = 0;
    for (size_t i = 0; i < count; i++, r->at++) {
        if (*r->at < '0' || *r->at > '9')
            return false;
        *number = *number * 10 + (*r->at - '0');
    }
    return true;
}

static bool take_month(struct reading *r)
{
    if (r->end - r->at < 3)
        return false;
    for (r->month = 0; r->month < 12; r->month++)
        if (http_same_text(r->at, months + (ptrdiff_t)r->month * 3, 3)) {
            r->at += 3;
            return true;
        }
    return false;
}

static bool take_time(struct reading *r)
{
    return take_number(r, &r->hour, 2) && take(r, ":") && take_number(r, &r->minute, 2) &&
           take(r, ":") && take_number(r, &r->second, 2);
}

/* "Sun" or, in the form of RFC 850, "Sunday". Whether the day of the date falls on it is not
 * looked at: the date says the same without it. */
static bool take_weekday(struct reading *r, bool *is_long)
{
    static const char *const names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (take(r, names[i])) {
            *is_long = true;
            return true;
        }
        if (r->end - r->at >= 3 && http_same_text(r->at, names[i], 3)) {
            r->at += 3;
            *is_long = false;
            return true;
        }
    }
    return false;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", from the comma on. */
static bool read_imf(struct reading *r)
{
    return take(r, ", ") && take_number(r, &r->day, 2) && take(r, " ") && take_month(r) &&
           take(r, " ") && take_number(r, &r->year, 4) && take(r, " ") && take_time(r) &&
           take(r, " GMT");
}

/* "Sunday, 06-Nov-94 08:49:37 GMT", from the comma on. The year: the latest that ends so and is not
 * more than 51 after @now_year; the caller looks at it to the second. */
static bool read_850(struct reading *r, int now_year)
{
    int year;
    if (!(take(r, ", ") && take_number(r, &r->day, 2) && take(r, "-") && take_month(r) &&
          take(r, "-") && take_number(r, &year, 2) && take(r, " ") && take_time(r) &&
          take(r, " GMT")))
        return false;
    const int latest = now_year + 51;
    r->year = latest - (latest - year) % 100;
    return true;
}

/* "Sun Nov  6 08:49:37 1994", from the first space on. */
static bool read_asctime(struct reading *r)
{
    return take(r, " ") && take_month(r) && take(r, " ") &&
           (take(r, " ") ? take_number(r, &r->day, 1) : take_number(r, &r->day, 2)) &&
           take(r, " ") && take_time(r) && take(r, " ") && take_number(r, &r->year, 4);
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* A leap second is only ever the last of a day. */
static bool is_possible(const struct reading *r)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int most = r->month == 1 && is_leap(r->year) ? 29 : days[r->month];
    const bool is_leap_second = r->hour == 23 && r->minute == 59 && r->second == 60;
    return r->day >= 1 && r->day <= most && r->hour <= 23 && r->minute <= 59 &&
           (r->second <= 59 || is_leap_second);
}

/* Hinnant's days_from_civil; years begin in March. A leap second counts as the one before it, as a
 * cache must not make a date later than it is (RFC 9111 4.2). */
static int64_t seconds_of(const struct reading *r)
{
    const int64_t from_march = r->month < 2 ? r->month + 10 : r->month - 2;
    const int64_t year = r->year + 400 - (r->month < 2); /* of an era before, so never negative */
    const int64_t of_era = year % 400;
    const int64_t of_year = (153 * from_march + 2) / 5 + r->day - 1;
    const int64_t day = (year / 400 - 1) * DAYS_IN_400_YEARS + of_era * 365 + of_era / 4 -
                        of_era / 100 + of_year - DAYS_FROM_YEAR_0_TO_1970;
    const int second = r->second < 60 ? r->second : 59;
    return day * DAY_S + (r->hour * 60 + r->minute) * INT64_C(60) + second;
}

/* The year of @unix_s, near enough to tell centuries apart. */
static int year_of(int64_t unix_s)
{
    if (unix_s < 0)
        return 1970;
    const int64_t most = INT64_C(253402300799);
    return 1970 + (int)((unix_s < most ? unix_s : most) / DAY_S * 400 / DAYS_IN_400_YEARS);
}

/* Reads the date behind the weekday. */
static bool read_date(struct reading *r, bool is_long, int64_t now_s)
{
    if (is_long)
        return read_850(r, year_of(now_s));
    return r->at < r->end && *r->at == ',' ? read_imf(r) : read_asctime(r);
}

bool http_date_read(int64_t *unix_s, const uint8_t *text, size_t bytes, int64_t now_s)
{
    struct reading r = {.at = text, .end = text + bytes};
    bool is_long;
    if (!take_weekday(&r, &is_long) || !read_date(&r, is_long, now_s) || r.at != r.end)
        return false;
    /* RFC 9110 5.6.7: not more than 50 years ahead, to the second. */
    if (is_long && seconds_of(&r) - now_s > (int64_t)DAYS_IN_400_YEARS / 8 * DAY_S)
        r.year -= 100;
    if (!is_possible(&r))
        return false;
    *unix_s = seconds_of(&r);
    return true;
}
