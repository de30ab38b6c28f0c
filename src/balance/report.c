/* SPDX-License-Identifier: Apache-2.0 */
/* balance/report.c - from ORCA's names to ours. */
#include "balance/report.h"

#include "core/units.h"

void balance__report_of(struct balance_report *report, const struct orca_report *orca)
{
    *report = (struct balance_report){0};
    const bool has_own = orca_says(orca, ORCA_application) && orca->at[ORCA_application] > 0;
    if (has_own || orca_says(orca, ORCA_cpu)) {
        report->has |= BALANCE_HAS_UTILISATION;
        report->utilisation = orca->at[has_own ? ORCA_application : ORCA_cpu];
    }
    if (orca_says(orca, ORCA_qps)) {
        report->has |= BALANCE_HAS_REQUESTS;
        report->requests_per_s = orca->at[ORCA_qps];
    }
    if (orca_says(orca, ORCA_eps)) {
        report->has |= BALANCE_HAS_ERRORS;
        report->errors_per_s = orca->at[ORCA_eps];
    }
    if (orca_says(orca, ORCA_rif)) {
        report->has |= BALANCE_HAS_INFLIGHT;
        report->inflight = (uint32_t)orca->at[ORCA_rif];
    }
    if (orca_says(orca, ORCA_latency_us)) {
        report->has |= BALANCE_HAS_LATENCY;
        report->latency_ns = (uint64_t)(orca->at[ORCA_latency_us] * (double)NS_PER_US);
    }
}

void balance__report_take(struct balance_report *report, struct http_head *head, bool is_kept)
{
    struct orca_report orca;
    const struct http_field *field = http_head_find(head, HTTP_FIELD_ENDPOINT_LOAD_METRICS);
    *report = (struct balance_report){0};
    if (field == NULL)
        return;
    if (orca_read(&orca, (const char *)head->base + field->value_at, field->value_bytes))
        balance__report_of(report, &orca);
    for (; field != NULL && !is_kept; field = http_head_find_next(head, field))
        head->fields[field - head->fields].hop = 1;
}
