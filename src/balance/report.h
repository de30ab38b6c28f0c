/* SPDX-License-Identifier: Apache-2.0 */
/* balance/report.h - what a server says of its load, as strategies see it.
 *
 * Memory: plain values. Threads: any. Errors: none; what cannot be read is no report. */
#ifndef PANDO_BALANCE_REPORT_H
#define PANDO_BALANCE_REPORT_H

#include "balance/balance.h"
#include "codec/orca/orca.h"
#include "core/http.h"

/* The figures of @orca. Utilisation is the application's own, if it is said, else the CPU's. */
void balance__report_of(struct balance_report *report, const struct orca_report *orca);

/* Reads the field endpoint-load-metrics of an answer, and takes it out unless @is_kept. Nothing is
 * reported if there is none, or one that is malformed. */
void balance__report_take(struct balance_report *report, struct http_head *head, bool is_kept);

#endif
