/* SPDX-License-Identifier: Apache-2.0 */
/* config/address_test.c - addresses and networks in every form that a file may have. */
#include "config/address.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static char host[256], other_host[256];

Test(address, every_form_of_a_target)
{
    static const struct {
        const char *text;
        enum config_address_kind kind;
        const char *host;
        uint16_t port;
    } rows[] = {
        {"10.0.0.1:3000", CONFIG_ADDRESS_IP, "10.0.0.1", 3000},
        {"[::0001]:80", CONFIG_ADDRESS_IP, "::1", 80},
        {"[::ffff:0:1]:80", CONFIG_ADDRESS_IP, "::ffff:0.0.0.1", 80},
        {"App.Internal:65535", CONFIG_ADDRESS_NAME, "app.internal", 65535},
        {"localhost:3000", CONFIG_ADDRESS_NAME, "localhost", 3000},
        {"srv:_http._tcp.app.internal", CONFIG_ADDRESS_SRV, "_http._tcp.app.internal", 0},
        {"unix:/run/App.sock", CONFIG_ADDRESS_UNIX, "/run/App.sock", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct config_address address;
        cr_expect_null(config_address_read(&address, rows[i].text, CONFIG_ADDRESS_TARGET, host),
                       "%s", rows[i].text);
        cr_expect(address.kind == rows[i].kind, "%s", rows[i].text);
        cr_expect(address.port == rows[i].port);
        cr_expect_str_eq(address.host, rows[i].host);
        cr_expect(address.text == rows[i].text);
    }
}

Test(address, what_is_no_target)
{
    static const char *const rows[] = {
        "",
        ":",
        "a",
        "a:",
        ":80",
        "a:0",
        "a:65536",
        "a:080",
        "a:8x",
        "10.0.0.256:80",
        "10.0.1:80",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1:80",
        "[1.2.3.4]:80",
        "http://a:80",
        "a b:80",
        "a..b:80",
        ".a:80",
        "unix:",
        "unix:run.sock",
        "srv:",
        "srv:http.tcp.a",
        "srv:_http",
        "[]:80",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct config_address address;
        cr_expect_not_null(config_address_read(&address, rows[i], CONFIG_ADDRESS_TARGET, host),
                           "%s", rows[i]);
        cr_expect(address.kind == CONFIG_ADDRESS_NONE);
    }
}

Test(address, a_listener_is_an_address_of_this_machine)
{
    struct config_address address;
    cr_expect_null(config_address_read(&address, ":8080", CONFIG_ADDRESS_LISTEN, host));
    cr_expect(address.every && address.socket.ss_family == AF_INET6);
    cr_expect_null(config_address_read(&address, "localhost:0", CONFIG_ADDRESS_LISTEN, host));
    cr_expect_str_eq(address.host, "127.0.0.1");
    cr_expect_not_null(config_address_read(&address, "app:80", CONFIG_ADDRESS_LISTEN, host));
    cr_expect_not_null(config_address_read(&address, "unix:/a", CONFIG_ADDRESS_LISTEN, host));
    cr_expect_not_null(config_address_read(&address, "srv:_a._tcp.b", CONFIG_ADDRESS_LISTEN, host));
}

Test(address, a_socket_path_fits_or_is_refused)
{
    struct config_address address;
    char text[128] = "unix:/";
    memset(text + 6, 'a', 106);
    cr_expect_null(config_address_read(&address, text, CONFIG_ADDRESS_TARGET, host));
    cr_expect(address.socket_bytes == sizeof(struct sockaddr_un));
    text[112] = 'a';
    cr_expect_not_null(config_address_read(&address, text, CONFIG_ADDRESS_TARGET, host));
}

static bool is_same(const char *one, const char *other)
{
    struct config_address a, b;
    cr_assert_null(config_address_read(&a, one, CONFIG_ADDRESS_LISTEN, host));
    cr_assert_null(config_address_read(&b, other, CONFIG_ADDRESS_LISTEN, other_host));
    return config_address_same(&a, &b);
}

Test(address, sameness_does_not_depend_on_spelling)
{
    cr_expect(is_same("127.0.0.1:80", "localhost:80"));
    cr_expect(is_same("[::1]:80", "[0:0::1]:80"));
    cr_expect(is_same(":80", "0.0.0.0:80"));
    cr_expect(is_same(":80", "127.0.0.1:80"));
    cr_expect_not(is_same("127.0.0.1:80", "127.0.0.1:81"));
    cr_expect_not(is_same("127.0.0.1:80", "127.0.0.2:80"));
}

static bool is_loopback(const char *text)
{
    struct config_address address;
    cr_assert_null(config_address_read(&address, text, CONFIG_ADDRESS_LISTEN, host));
    return config_address_is_loopback(&address);
}

Test(address, loopback_is_known)
{
    cr_expect(is_loopback("127.1.2.3:1"));
    cr_expect(is_loopback("[::1]:1"));
    cr_expect(is_loopback("[::ffff:127.0.0.1]:1"));
    cr_expect_not(is_loopback(":1"));
    cr_expect_not(is_loopback("10.0.0.1:1"));
    cr_expect_not(is_loopback("[::]:1"));
}

static bool holds(const char *network, const char *ip)
{
    struct config_network one;
    cr_assert_null(config_network_read(&one, network), "%s", network);
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    const struct config_networks list = {.at = &one, .count = 1};
    if (inet_pton(AF_INET, ip, &v4.sin_addr) == 1)
        return config_networks_hold(&list, (const struct sockaddr *)&v4);
    cr_assert(inet_pton(AF_INET6, ip, &v6.sin6_addr) == 1);
    return config_networks_hold(&list, (const struct sockaddr *)&v6);
}

Test(network, holds_what_its_bits_say)
{
    cr_expect(holds("10.0.0.0/8", "10.255.0.1"));
    cr_expect(holds("10.0.0.0/8", "::ffff:10.0.0.1"), "as a dual socket sees it");
    cr_expect_not(holds("10.0.0.0/8", "11.0.0.1"));
    cr_expect(holds("10.64.0.0/10", "10.127.0.1"));
    cr_expect_not(holds("10.64.0.0/10", "10.128.0.1"));
    cr_expect(holds("0.0.0.0/0", "8.8.8.8"));
    cr_expect_not(holds("0.0.0.0/0", "2001::1"));
    cr_expect(holds("::/0", "2001::1"));
    cr_expect_not(holds("::/0", "8.8.8.8"));
    cr_expect(holds("192.0.2.1", "192.0.2.1"));
    cr_expect_not(holds("192.0.2.1", "192.0.2.2"));
}

Test(network, what_is_none)
{
    static const char *const rows[] = {"",          "10.0.0.0/33", "10.0.0.1/8",  "fd00::/129",
                                       "10.0.0.0/", "a/8",         "10.0.0.0/-1", "10.0.0.0/8 ",
                                       "/8",        "::1/0008",    "10.0.0.0/8/8"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct config_network network;
        cr_expect_not_null(config_network_read(&network, rows[i]), "%s", rows[i]);
    }
}

Test(network, is_written_as_it_is_read)
{
    static const char *const rows[] = {"10.0.0.0/8", "0.0.0.0/0", "fd00::/8", "::/0", "::1/128"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct config_network network;
        char text[64];
        cr_assert_null(config_network_read(&network, rows[i]));
        config_network_write(&network, text);
        cr_expect_str_eq(text, rows[i]);
    }
}
