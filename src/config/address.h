/* SPDX-License-Identifier: Apache-2.0 */
/* config/address.h - the addresses and networks that a file or a flag may name.
 *
 * Pure: nothing is resolved or opened. Memory: the strings of a struct config_address are
 * borrowed from whoever read it (for settings: the configuration's arena). */
#ifndef PANDO_CONFIG_ADDRESS_H
#define PANDO_CONFIG_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum config_address_kind {
    CONFIG_ADDRESS_NONE, /* not given; everything else is zero */
    CONFIG_ADDRESS_IP,   /* "10.0.0.1:3000", "[::1]:3000", ":8080" (every address) */
    CONFIG_ADDRESS_NAME, /* "app.internal:3000": A and AAAA records */
    CONFIG_ADDRESS_SRV,  /* "srv:_http._tcp.app.internal": the port comes from the record */
    CONFIG_ADDRESS_UNIX, /* "unix:/run/app.sock" */
};

struct config_address {
    enum config_address_kind kind;
    uint16_t                 port;         /* of IP and NAME; else 0 */
    bool                     every;        /* ":port": [::] and 0.0.0.0; socket then holds [::] */
    socklen_t                socket_bytes; /* of IP and UNIX; else 0 */
    const char              *text;         /* as the file says it; NULL if not given */
    const char              *host;   /* IP without brackets ("" if every), name, SRV name or path */
    struct sockaddr_storage  socket; /* of IP and UNIX: ready for bind() and connect() */
};

/* A range of addresses: "10.0.0.0/8", "fd00::/8"; a bare address is a range of one. */
struct config_network {
    uint8_t bytes[16]; /* network order; IPv4 as ::ffff:a.b.c.d */
    uint8_t bits;      /* 0..128 of those bytes */
};

/* A list of them; `at` is NULL if count is 0. */
struct config_networks {
    const struct config_network *at;
    size_t                       count;
};

/* What an address is for decides which forms are allowed. */
enum config_address_use {
    CONFIG_ADDRESS_LISTEN, /* IP only; "localhost" is 127.0.0.1; port 0 lets the kernel choose */
    CONFIG_ADDRESS_TARGET, /* every form but ":port"; port 1..65535 */
};

/* Room that config_address_read() needs beyond the length of its text. */
#define CONFIG_HOST_EXTRA_BYTES 48

/* Reads @text (kept, not copied; must outlive @address). @host is room for strlen(text) +
 * CONFIG_HOST_EXTRA_BYTES, which address->host will point to, in one spelling (lower case,
 * shortest IPv6), so that equal hosts compare equal. Returns NULL, or a static sentence saying
 * what was expected instead. */
const char *config_address_read(struct config_address *address, const char *text,
                                enum config_address_use use, char *host);

/* Is it bound to this machine's loopback only? (unix sockets are; names are not known to be) */
bool config_address_is_loopback(const struct config_address *address);

/* Are they the same address, however they were written? ":80" and "0.0.0.0:80" overlap, so they
 * are. */
bool config_address_same(const struct config_address *one, const struct config_address *other);

/* Reads "10.0.0.0/8". Returns NULL, or a static sentence saying what was expected instead. */
const char *config_network_read(struct config_network *network, const char *text);

/* Writes @network as it would stand in a file; @text holds at least 64 bytes. */
void config_network_write(const struct config_network *network, char text[64]);

/* Does one of @networks hold @peer (AF_INET, AF_INET6; others never)? */
bool config_networks_hold(const struct config_networks *networks, const struct sockaddr *peer);

#endif
