/* SPDX-License-Identifier: Apache-2.0 */
/* main/server.h - the server process: workers, control, listeners, reload, drain.
 *
 * Threads: server_run() makes the calling thread the control thread. */
#ifndef PANDO_MAIN_SERVER_H
#define PANDO_MAIN_SERVER_H

#include "main/settings.h"

struct supervisor_client;

/* Serves until it is told to stop and has drained; returns the exit status. Takes over @settings.
 * @request is what they
 * were loaded from, for reloads; @client holds the listening sockets. Both are borrowed and
 * outlive the call. */
int server_run(struct settings *settings, const struct settings_request *request,
               struct supervisor_client *client);

#endif
