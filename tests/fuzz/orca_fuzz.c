/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/orca_fuzz.c - laws of reading reports of load.
 *
 * 1. What is refused says nothing; what is accepted says something, each figure finite, not
 *    negative, and within what its row allows.
 * 2. What is written from an accepted report is accepted, and says the same figures. */
#include "codec/orca/orca.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(law)                                                                                 \
    do {                                                                                           \
        if (!(law))                                                                                \
            __builtin_trap();                                                                      \
    } while (0)

static void check(const struct orca_report *report, bool is_good)
{
    static const double most[] = {
#define X(field, name, most) most,
        ORCA_FIGURES(X)
#undef X
    };
    CHECK(is_good == (report->said != 0));
    for (unsigned i = 0; i < ORCA_FIGURES_COUNT; i++) {
        if (orca_says(report, (enum orca_figure)i))
            CHECK(isfinite(report->at[i]) && report->at[i] >= 0 && report->at[i] <= most[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct orca_report report, again;
    char text[ORCA_TEXT_BYTES_MAX];
    char *exact = malloc(size + 1); /* so that one byte too far is seen */
    if (exact == NULL)
        return 0;
    char *bytes = realloc(exact, size > 0 ? size : 1);
    if (size > 0)
        memcpy(bytes, data, size);
    check(&report, orca_read_json(&report, bytes, size));
    const bool is_good = orca_read(&report, bytes, size);
    check(&report, is_good);
    if (is_good) {
        CHECK(orca_write_text(&report, text) < sizeof text);
        CHECK(orca_read(&again, text, strlen(text)) && again.said == report.said);
    }
    free(bytes);
    return 0;
}
