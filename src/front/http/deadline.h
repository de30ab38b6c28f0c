/* SPDX-License-Identifier: Apache-2.0 */
/* front/http/deadline.h - how long a client still waits, as its header says.
 *
 *     X-Request-Timeout-Ms: 1500         the name is a setting; milliseconds
 *     grpc-timeout: 1500m                at most 8 digits, and H, M, S, m, u or n
 *
 * Pure. Memory: none. Threads: any. Errors: what is neither is ignored, as if nothing was said. */
#ifndef PANDO_FRONT_HTTP_DEADLINE_H
#define PANDO_FRONT_HTTP_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

/* Reads milliseconds: at most 10 digits. */
bool http_timeout_read_ms(const uint8_t *at, uint32_t bytes, uint64_t *ns)
    __attribute__((warn_unused_result));

/* Reads the value of grpc-timeout. */
bool http_timeout_read_grpc(const uint8_t *at, uint32_t bytes, uint64_t *ns)
    __attribute__((warn_unused_result));

#endif
