/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor.h - the small process that holds the listening sockets; the server is its child.
 *
 *     the server dies      it is started again at once on the same sockets; connections wait in their backlogs
 *     SIGHUP               goes to the server: reload
 *     SIGUSR2              a new server is started from the (perhaps replaced) binary; when it serves, the old one drains
 *     SIGTERM, SIGINT      the server drains and ends, then this process; a second one ends both at once
 *
 * It knows nothing of the configuration: the server asks for sockets by key. No threads, no library. */
#ifndef PANDO_MAIN_SUPERVISOR_H
#define PANDO_MAIN_SUPERVISOR_H

/* Runs until the server is done; returns its exit status. @arguments is the whole command line; the program is started
 * again with it, and with SUPERVISOR_FD_VARIABLE in its environment. */
int supervisor_run(char *const arguments[]);

#endif
