/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/origin_test.c - what unsafe requests make invalid; one row a rule. */
#include "cache/rules/rules_testing.h"

#include <criterion/criterion.h>

Test(cache_origin, what_makes_invalid)
{
    static const struct {
        const char *rule;
        enum http_method method;
        unsigned status;
        bool does;
    } rows[] = {
        {"POST", HTTP_METHOD_POST, 200, true},
        {"PUT", HTTP_METHOD_PUT, 204, true},
        {"DELETE", HTTP_METHOD_DELETE, 202, true},
        {"PATCH", HTTP_METHOD_PATCH, 200, true},
        {"a method that is unknown", HTTP_METHOD_OTHER, 200, true},
        {"a redirect", HTTP_METHOD_POST, 303, true},
        {"not a failed one", HTTP_METHOD_POST, 400, false},
        {"nor one that the server failed", HTTP_METHOD_PUT, 500, false},
        {"nor an interim answer", HTTP_METHOD_PUT, 103, false},
        {"GET", HTTP_METHOD_GET, 200, false},
        {"HEAD", HTTP_METHOD_HEAD, 200, false},
        {"OPTIONS", HTTP_METHOD_OPTIONS, 200, false},
        {"TRACE", HTTP_METHOD_TRACE, 200, false},
        {"CONNECT", HTTP_METHOD_CONNECT, 200, false},
        {"no method", HTTP_METHOD_NONE, 200, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_expect_eq(cache_invalidates(rows[i].method, rows[i].status), rows[i].does,
                     "RFC 9111 4.4: %s", rows[i].rule);
}

/* Of a request for /a/b/c?q at Shop.example. NULL: not of the same origin. */
static const struct {
    const char *rule, *scheme, *value, *path;
} rows[] = {
    {"a path", "http", "/x", "/x"},
    {"a path with a query", "http", "/x?y=1", "/x?y=1"},
    {"a fragment is not sent", "http", "/x?y#z", "/x?y"},
    {"the root", "http", "/", "/"},
    {"a URL", "http", "http://shop.example/x", "/x"},
    {"scheme and host have no case", "http", "HTTP://SHOP.Example/X", "/X"},
    {"of the default port", "http", "http://shop.example:80/x", "/x"},
    {"with zeros", "http", "http://shop.example:0080/x", "/x"},
    {"of an empty port", "http", "http://shop.example:/x", "/x"},
    {"https has another", "https", "https://shop.example:443/x", "/x"},
    {"without a path", "http", "http://shop.example", "/"},
    {"a query only", "http", "http://shop.example?y", "/?y"},
    {"without a scheme", "http", "//shop.example/x", "/x"},
    {"another scheme", "http", "https://shop.example/x", NULL},
    {"another port", "http", "http://shop.example:8080/x", NULL},
    {"the port of https", "http", "http://shop.example:443/x", NULL},
    {"port 0", "http", "http://shop.example:0/x", NULL},
    {"another host", "http", "http://other.example/x", NULL},
    {"a longer host", "http", "http://shop.example.org/x", NULL},
    {"a shorter host", "http", "http://shop/x", NULL},
    {"no host", "http", "http:///x", NULL},
    {"a host with a name before it", "http", "http://user@shop.example/x", NULL},
    {"with a password", "http", "http://user:80@shop.example/x", NULL},
    {"as a name", "http", "http://shop.example@other.example/x", NULL},
    {"as a name and a port", "http", "http://shop.example:80@other.example/x", NULL},
    {"a scheme without a host", "http", "http:x", NULL},
    {"another scheme without a host", "http", "mailto:x", NULL},
    {"a space", "http", "/x y", NULL},
    {"a backslash", "http", "\\\\shop.example\\x", NULL},
    {"a backslash behind", "http", "/\\shop.example/x", NULL},
    {"a byte above 127", "http", "/\xc3\xa4", NULL},
    {"relative", "http", "x", "/a/b/x"},
    {"relative with a query", "http", "x?y", "/a/b/x?y"},
    {"relative, deeper", "http", "x/y/", "/a/b/x/y/"},
    {"of this folder", "http", "./x", "/a/b/x"},
    {"this folder", "http", ".", "/a/b/"},
    {"the folder above", "http", "..", "/a/"},
    {"of the folder above", "http", "../x", "/a/x"},
    {"of the root", "http", "../../x", "/x"},
    {"no higher", "http", "../../../../x", "/x"},
    {"dots within", "http", "/x/./y/../z", "/x/z"},
    {"dots at the end", "http", "/x/y/..", "/x/"},
    {"a dot at the end", "http", "/x/y/.", "/x/y/"},
    {"three dots are a name", "http", "/x/.../y", "/x/.../y"},
    {"dots in a query are its own", "http", "/x?../y", "/x?../y"},
    {"empty segments are segments", "http", "/x//y", "/x//y"},
    {"dots in a URL", "http", "http://shop.example/x/../y", "/y"},
    {"a query", "http", "?y", "/a/b/c?y"},
    {"nothing", "http", "", "/a/b/c?q"},
    {"a fragment", "http", "#z", "/a/b/c?q"},
    {"a colon behind a slash", "http", "/x:y", "/x:y"},
    {"a colon behind a dot", "http", "./x:y", "/a/b/x:y"},
    {"percent signs stay", "http", "/%2e%2e/x", "/%2e%2e/x"},
};

static void expect(const char *first, const char *scheme, const char *value, const char *path,
                   const char *rule)
{
    static struct http1_testing_result request;
    char out[256];
    size_t bytes = 0;
    testing_read(&request, HTTP1_TESTING_REQUEST, first, "");
    const bool is_ours = cache_same_origin_path(&request.head, scheme, (const uint8_t *)value,
                                                strlen(value), out, sizeof out, &bytes);
    cr_expect_eq(is_ours, path != NULL, "RFC 9111 4.4, 3986 5.2: %s: %s", rule, value);
    if (is_ours && path != NULL) {
        cr_expect(bytes == strlen(path) && memcmp(out, path, bytes) == 0, "%s: %s is %.*s", rule,
                  value, (int)bytes, out);
        cr_expect(!cache_same_origin_path(&request.head, scheme, (const uint8_t *)value,
                                          strlen(value), out, strlen(path) - 1, &bytes));
    }
    http1_testing_free(&request);
}

Test(cache_origin, references_to_the_same_origin)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect("POST /a/b/c?q HTTP/1.1\r\nHost: Shop.example", rows[i].scheme, rows[i].value,
               rows[i].path, rows[i].rule);
}

Test(cache_origin, of_other_hosts)
{
    static const char with_port[] = "POST /a HTTP/1.1\r\nHost: shop:8080";
    static const char default_port[] = "POST /a HTTP/1.1\r\nHost: shop:80";
    static const char address[] = "POST /a HTTP/1.1\r\nHost: [::1]:8080";
    static const char whole_server[] = "OPTIONS * HTTP/1.1\r\nHost: shop";
    expect(with_port, "http", "http://shop:8080/x", "/x", "the same port");
    expect(with_port, "http", "http://shop/x", NULL, "the default one");
    expect(with_port, "http", "http://shop:8081/x", NULL, "another");
    expect(with_port, "http", "http://shop:18080/x", NULL, "a longer one");
    expect(default_port, "http", "http://shop/x", "/x", "the default one, said");
    expect(default_port, "https", "https://shop/x", NULL, "that of another scheme");
    expect(address, "http", "http://[::1]:8080/x", "/x", "an address");
    expect(address, "http", "http://[::1]/x", NULL, "an address without port");
    expect(address, "http", "http://::1:8080/x", NULL, "an address without brackets");
    expect(whole_server, "http", "x", "/x", "relative to the server");
}
