/* SPDX-License-Identifier: Apache-2.0 */
/* session/session_settings.h - whom a client comes back to, one row each.
 *
 * In the file: the section `sticky` of a service. Columns: config/table.h. */
#ifndef PANDO_SESSION_SESSION_SETTINGS_H
#define PANDO_SESSION_SESSION_SETTINGS_H

#include "config/config.h"

#define STICKY_SECURES(X)                                                                          \
    X(STICKY_SECURE_AUTO, "auto", "if the client came by https")                                   \
    X(STICKY_SECURE_ALWAYS, "always", "also if it seems to have come by http")                     \
    X(STICKY_SECURE_NEVER, "never", "never")

enum sticky_secure {
#define X(enumerator, name, gist) enumerator,
    STICKY_SECURES(X)
#undef X
};

#define STICKY_COOKIE "pando-target"

#define STICKY_SETTINGS(X)                                                                         \
    X(key_file, "key-file", TEXT, 0, 4095, "", LIVE,                                               \
      "switches it on: a client that comes back gets the target it had, by a sealed cookie; the "  \
      "file holds keys of 64 hexadecimal digits, one a line (openssl rand -hex 32): the first "    \
      "seals, all open; others than owner and group may not read it; every node needs the same")   \
    X(cookie, "cookie", TEXT, 1, 64, STICKY_COOKIE, LIVE, "the cookie's name")                     \
    X(for_ns, "for", DURATION, CONFIG_SECONDS(10), CONFIG_HOURS(8760), CONFIG_HOURS(24), LIVE,     \
      "how long it holds; a client that comes in the second half of it gets a new one")            \
    X(secure, "secure", CHOICE, sticky_secures, 0, STICKY_SECURE_AUTO, LIVE,                       \
      "whether browsers are told to send the cookie over https alone")

struct sticky_settings {
    STICKY_SETTINGS(CONFIG_FIELD)
};

#endif
