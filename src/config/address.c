/* SPDX-License-Identifier: Apache-2.0 */
/* config/address.c - reading addresses and networks. */
#include "config/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define NAME_BYTES_MAX  253
#define LABEL_BYTES_MAX 63

static char lower(char letter)
{
    return letter >= 'A' && letter <= 'Z' ? (char)(letter + ('a' - 'A')) : letter;
}

static bool is_name_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
           byte == '_';
}

/* Is it a DNS name, lower case, perhaps with a dot at its end? */
static bool is_name(const char *name)
{
    size_t label_bytes = 0;
    if (strlen(name) > NAME_BYTES_MAX)
        return false;
    for (const char *at = name; *at != '\0'; at++) {
        if (*at == '.' && label_bytes == 0)
            return false;
        if (*at != '.' && !is_name_byte(*at))
            return false;
        label_bytes = *at == '.' ? 0 : label_bytes + 1;
        if (label_bytes > LABEL_BYTES_MAX)
            return false;
    }
    return name[0] != '\0';
}

/* NULL, or what was expected. */
static const char *read_port(const char *text, enum config_address_use use, uint16_t *port)
{
    static const char expected[] = "a port from 1 to 65535 behind the last colon";
    unsigned number = 0;
    const size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0' || (text[0] == '0' && digits > 1))
        return expected;
    for (; *text != '\0'; text++)
        number = number * 10 + (unsigned)(*text - '0');
    if (number > 65535 || (number == 0 && use == CONFIG_ADDRESS_TARGET))
        return expected;
    *port = (uint16_t)number;
    return NULL;
}

static void set_v4(struct config_address *address, struct in_addr ip)
{
    struct sockaddr_in v4 = {
        .sin_family = AF_INET, .sin_port = htons(address->port), .sin_addr = ip};
    memcpy(&address->socket, &v4, sizeof v4);
    address->socket_bytes = sizeof v4;
    address->kind = CONFIG_ADDRESS_IP;
}

static void set_v6(struct config_address *address, const struct in6_addr *ip)
{
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(address->port), .sin6_addr = *ip};
    memcpy(&address->socket, &v6, sizeof v6);
    address->socket_bytes = sizeof v6;
    address->kind = CONFIG_ADDRESS_IP;
}

static const char *read_unix(struct config_address *address, const char *path, char *host)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    const size_t bytes = strlen(path);
    if (path[0] != '/')
        return "an absolute path behind unix:, such as unix:/run/app.sock";
    if (bytes >= sizeof un.sun_path)
        return "a path of at most 107 bytes behind unix:, which is all that the kernel takes";
    memcpy(un.sun_path, path, bytes);
    memcpy(host, path, bytes + 1);
    memcpy(&address->socket, &un, sizeof un);
    address->socket_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes + 1);
    address->kind = CONFIG_ADDRESS_UNIX;
    return NULL;
}

static const char *read_srv(struct config_address *address, const char *name, char *host)
{
    for (size_t i = 0; i <= strlen(name); i++)
        host[i] = lower(name[i]);
    if (!is_name(host) || host[0] != '_' || strchr(host, '.') == NULL)
        return "a service name behind srv:, such as srv:_http._tcp.app.internal";
    address->kind = CONFIG_ADDRESS_SRV;
    return NULL;
}

/* "[::1]:3000"; @host is what stands between the brackets. */
static const char *read_v6(struct config_address *address, char *host)
{
    struct in6_addr ip;
    if (inet_pton(AF_INET6, host, &ip) != 1)
        return "an IPv6 address between the brackets";
    (void)inet_ntop(AF_INET6, &ip, host, INET6_ADDRSTRLEN);
    set_v6(address, &ip);
    return NULL;
}

/* "10.0.0.1", "app.internal" or "". */
static const char *read_host(struct config_address *address, enum config_address_use use,
                             char *host)
{
    struct in_addr ip;
    if (host[0] == '\0' && use == CONFIG_ADDRESS_LISTEN) {
        set_v6(address, &in6addr_any);
        address->every = true;
        return NULL;
    }
    if (use == CONFIG_ADDRESS_LISTEN && strcmp(host, "localhost") == 0)
        memcpy(host, "127.0.0.1", sizeof "127.0.0.1");
    if (inet_pton(AF_INET, host, &ip) == 1) {
        set_v4(address, ip);
        return NULL;
    }
    if (host[strspn(host, "0123456789.")] == '\0')
        return "an IPv4 address of four numbers up to 255, or a name, before the port";
    if (use == CONFIG_ADDRESS_LISTEN)
        return "an IP address of this machine before the port, or nothing for all of them";
    if (!is_name(host))
        return "an IP address or a name before the port";
    address->kind = CONFIG_ADDRESS_NAME;
    return NULL;
}

static const char *read_host_and_port(struct config_address *address, const char *text,
                                      enum config_address_use use, char *host)
{
    const bool in_brackets = text[0] == '[';
    const char *colon = strrchr(text, ':');
    const char *host_end = in_brackets ? strchr(text, ']') : colon;
    if (!in_brackets && colon != NULL && strchr(text, ':') != colon)
        return "brackets around an IPv6 address, as in [::1]:3000";
    if (in_brackets && host_end == NULL)
        return "a bracket that closes the IPv6 address, as in [::1]:3000";
    if (host_end == NULL || colon == NULL || (in_brackets && colon != host_end + 1))
        return "a port behind the address, as in app.internal:3000";
    const char *expected = read_port(colon + 1, use, &address->port);
    if (expected != NULL)
        return expected;
    const char *start = text + in_brackets;
    const size_t bytes = (size_t)(host_end - start);
    for (size_t i = 0; i < bytes; i++)
        host[i] = lower(start[i]);
    host[bytes] = '\0';
    return in_brackets ? read_v6(address, host) : read_host(address, use, host);
}

const char *config_address_read(struct config_address *address, const char *text,
                                enum config_address_use use, char *host)
{
    const bool target = use == CONFIG_ADDRESS_TARGET;
    const char *expected;
    *address = (struct config_address){0};
    if (strstr(text, "://") != NULL)
        return "the address alone, without a scheme such as http://";
    if (strncmp(text, "unix:", 5) == 0)
        expected = target ? read_unix(address, text + 5, host)
                          : "an IP address and a port; this build listens on no unix sockets";
    else if (target && strncmp(text, "srv:", 4) == 0)
        expected = read_srv(address, text + 4, host);
    else
        expected = read_host_and_port(address, text, use, host);
    if (expected != NULL) {
        *address = (struct config_address){0};
        return expected;
    }
    address->text = text;
    address->host = host;
    return NULL;
}

/* The 16 bytes of an address, IPv4 as ::ffff:a.b.c.d; false: neither. */
static bool bytes_of(const struct sockaddr *socket, uint8_t bytes[16])
{
    if (socket->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, socket, sizeof v4);
        memset(bytes, 0, 10);
        memset(bytes + 10, 0xFF, 2);
        memcpy(bytes + 12, &v4.sin_addr, 4);
        return true;
    }
    if (socket->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, socket, sizeof v6);
        memcpy(bytes, &v6.sin6_addr, 16);
        return true;
    }
    return false;
}

static bool is_v4(const uint8_t bytes[16])
{
    static const uint8_t prefix[12] = {[10] = 0xFF, [11] = 0xFF};
    return memcmp(bytes, prefix, sizeof prefix) == 0;
}

bool config_address_is_loopback(const struct config_address *address)
{
    uint8_t bytes[16];
    if (address->kind == CONFIG_ADDRESS_UNIX)
        return true;
    if (address->kind != CONFIG_ADDRESS_IP || address->every ||
        !bytes_of((const struct sockaddr *)&address->socket, bytes))
        return false;
    return is_v4(bytes) ? bytes[12] == 127 : memcmp(bytes, &in6addr_loopback, 16) == 0;
}

/* Does it stand for every address of its family? [::] takes IPv4 too. */
static bool is_any(const uint8_t bytes[16])
{
    static const uint8_t zero[16];
    return memcmp(bytes, zero, 16) == 0 || (is_v4(bytes) && memcmp(bytes + 12, zero, 4) == 0);
}

bool config_address_same(const struct config_address *one, const struct config_address *other)
{
    uint8_t a[16], b[16];
    if (one->kind != other->kind || one->kind == CONFIG_ADDRESS_NONE || one->port != other->port)
        return false;
    if (one->kind != CONFIG_ADDRESS_IP)
        return strcmp(one->host, other->host) == 0;
    const bool both = bytes_of((const struct sockaddr *)&one->socket, a) &&
                      bytes_of((const struct sockaddr *)&other->socket, b);
    assert(both);
    return memcmp(a, b, 16) == 0 || is_any(a) || is_any(b);
}

const char *config_network_read(struct config_network *network, const char *text)
{
    static const char expected[] = "a network such as 10.0.0.0/8 or fd00::/8, or one address";
    char ip[INET6_ADDRSTRLEN];
    const size_t ip_bytes = strcspn(text, "/");
    struct in_addr v4;
    unsigned bits = 0;
    *network = (struct config_network){0};
    if (ip_bytes >= sizeof ip)
        return expected;
    memcpy(ip, text, ip_bytes);
    ip[ip_bytes] = '\0';
    const bool is_short = inet_pton(AF_INET, ip, &v4) == 1;
    if (!is_short && inet_pton(AF_INET6, ip, network->bytes) != 1)
        return expected;
    if (is_short) {
        memset(network->bytes + 10, 0xFF, 2);
        memcpy(network->bytes + 12, &v4, 4);
    }
    const unsigned bits_most = is_short ? 32 : 128;
    const char *digits = text + ip_bytes;
    if (*digits == '\0')
        bits = bits_most;
    else
        digits++;
    const size_t digits_bytes = strspn(digits, "0123456789");
    if (digits[digits_bytes] != '\0' || digits_bytes > 3 || text[strlen(text) - 1] == '/')
        return expected;
    for (; *digits != '\0'; digits++)
        bits = bits * 10 + (unsigned)(*digits - '0');
    if (bits > bits_most)
        return is_short ? "at most 32 bits behind the slash of an IPv4 network"
                        : "at most 128 bits behind the slash";
    network->bits = (uint8_t)(bits + 128 - bits_most);
    for (unsigned bit = network->bits; bit < 128; bit++)
        if (network->bytes[bit / 8] & (0x80u >> bit % 8))
            return "only zeros in the address behind its bits, as in 10.0.0.0/8";
    return NULL;
}

void config_network_write(const struct config_network *network, char text[64])
{
    char ip[INET6_ADDRSTRLEN];
    const bool is_short = is_v4(network->bytes) && network->bits >= 96;
    (void)inet_ntop(is_short ? AF_INET : AF_INET6, network->bytes + (is_short ? 12 : 0), ip,
                    sizeof ip);
    (void)snprintf(text, 64, "%s/%u", ip, network->bits - (is_short ? 96u : 0u));
}

static bool holds(const struct config_network *network, const uint8_t bytes[16])
{
    const unsigned whole = network->bits / 8;
    const unsigned rest = network->bits % 8;
    if (is_v4(bytes) && network->bits < 96)
        return false; /* ::/0 is every IPv6 address, and no IPv4 one */
    if (memcmp(network->bytes, bytes, whole) != 0)
        return false;
    return rest == 0 || ((network->bytes[whole] ^ bytes[whole]) >> (8 - rest)) == 0;
}

bool config_networks_hold(const struct config_networks *networks, const struct sockaddr *peer)
{
    uint8_t bytes[16];
    if (!bytes_of(peer, bytes))
        return false;
    for (size_t i = 0; i < networks->count; i++)
        if (holds(&networks->at[i], bytes))
            return true;
    return false;
}
