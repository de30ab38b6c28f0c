/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor/supervisor.h - the small process that holds the listening sockets; the server is
 * its child.
 *
 *     the server dies  it is started again at once on the same sockets, on which connections wait;
 *                      if it dies quickly several times, after a growing pause (restart.h)
 *     SIGHUP           goes to the server, which reloads
 *     SIGUSR2          a new server is started from the binary as it is now; when it serves, the
 *                      old one drains; if it does not come to serve, the old one goes on
 *     SIGTERM, SIGINT  the server drains and ends, then this process; a second one ends all at once
 *     it dies itself   the server sees its end of the pair hang up, and SIGTERM comes: it drains
 *
 * It knows nothing of the configuration: the server asks for sockets by key (wire.h), and tells
 * when it serves. A service manager is told through $NOTIFY_SOCKET (notify.h).
 *
 * Memory:  the table of sockets, which grows with their number; the server is another process.
 * Threads: none. Errors: lines on stderr. */
#ifndef PANDO_MAIN_SUPERVISOR_SUPERVISOR_H
#define PANDO_MAIN_SUPERVISOR_SUPERVISOR_H

/* Runs until the server is done; returns the exit status. @arguments is the whole command line,
 * with which the program is started again as the server: there supervisor_client_new() is not
 * NULL. */
int supervisor_run(char *const arguments[]);

#endif
