/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys_http/keys_http_settings.h - the limits of keys over HTTP, one row each.
 *
 * In the file they are the section `kv`. Columns: config/config.h. */
#ifndef PANDO_ENGINE_KEYS_HTTP_KEYS_HTTP_SETTINGS_H
#define PANDO_ENGINE_KEYS_HTTP_KEYS_HTTP_SETTINGS_H

#include "config/config.h"

#define KEYS_HTTP_SETTINGS(X)                                                                      \
    X(held_bytes, "held-bytes", SIZE, CONFIG_MIB(1), CONFIG_TIB(1), CONFIG_GIB(1), LIVE,           \
      "bytes of values on their way from and to HTTP clients of each worker; while there are as "  \
      "many, others are answered with 503")

struct keys_http_settings {
    KEYS_HTTP_SETTINGS(CONFIG_FIELD)
};

#endif
