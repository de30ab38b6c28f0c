/* SPDX-License-Identifier: Apache-2.0 */
/* front/http/route_test.c - the best host, then the longest prefix of whole segments. */
#include "front/http/route.h"

#include "core/random.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { ROUTES_MAX = 64 };

static struct http_route routes[ROUTES_MAX];
static struct http_router router;

static void add(const char *host, const char *path)
{
    cr_assert(router.count < ROUTES_MAX);
    routes[router.count++] = (struct http_route){
        .host = host,
        .path = path,
        .host_bytes = (uint32_t)strlen(host),
        .path_bytes = (uint32_t)strlen(path),
    };
}

static void start(void)
{
    router = (struct http_router){.routes = routes};
}

/* What answers, as "host path", or "none". */
static const char *find(const char *host, const char *path)
{
    static char text[256];
    const struct http_route *route =
        http_router_find(&router, (const uint8_t *)host, (uint32_t)strlen(host),
                         (const uint8_t *)path, (uint32_t)strlen(path));
    if (route == NULL)
        return "none";
    snprintf(text, sizeof text, "%s %s", route->host, route->path);
    return text;
}

Test(route, an_empty_router_finds_nothing)
{
    start();
    http_router_sort(&router);
    cr_expect_str_eq(find("a.example", "/"), "none");
}

Test(route, an_exact_host_beats_a_wildcard_beats_every_host)
{
    start();
    add("", "/");
    add("*.example", "/");
    add("*.shop.example", "/");
    add("a.shop.example", "/");
    http_router_sort(&router);
    cr_expect_str_eq(find("a.shop.example", "/"), "a.shop.example /");
    cr_expect_str_eq(find("b.shop.example", "/"), "*.shop.example /");
    cr_expect_str_eq(find("x.y.shop.example", "/"), "*.shop.example /");
    cr_expect_str_eq(find("b.example", "/"), "*.example /");
    cr_expect_str_eq(find("elsewhere", "/"), " /");
}

Test(route, a_wildcard_needs_a_label_of_its_own)
{
    start();
    add("*.example", "/");
    http_router_sort(&router);
    cr_expect_str_eq(find("example", "/"), "none");
    cr_expect_str_eq(find(".example", "/"), "none");
    cr_expect_str_eq(find("badexample", "/"), "none");
    cr_expect_str_eq(find("a.example", "/"), "*.example /");
    cr_expect_str_eq(find("a.example.org", "/"), "none");
}

Test(route, hosts_have_no_case)
{
    start();
    add("shop.example", "/");
    add("*.cdn.example", "/");
    http_router_sort(&router);
    cr_expect_str_eq(find("SHOP.Example", "/"), "shop.example /");
    cr_expect_str_eq(find("X.CDN.EXAMPLE", "/"), "*.cdn.example /");
    cr_expect_str_eq(find("shop.example.", "/"), "none");
    cr_expect_str_eq(find("shop.exampl", "/"), "none");
}

Test(route, prefixes_are_whole_segments)
{
    start();
    add("", "/api");
    http_router_sort(&router);
    cr_expect_str_eq(find("h", "/api"), " /api");
    cr_expect_str_eq(find("h", "/api/"), " /api");
    cr_expect_str_eq(find("h", "/api/x"), " /api");
    cr_expect_str_eq(find("h", "/api?x=1"), " /api");
    cr_expect_str_eq(find("h", "/apix"), "none");
    cr_expect_str_eq(find("h", "/API"), "none");
    cr_expect_str_eq(find("h", "/ap"), "none");
    cr_expect_str_eq(find("h", "/"), "none");
}

Test(route, a_prefix_that_ends_in_a_slash_is_a_folder)
{
    start();
    add("", "/static/");
    http_router_sort(&router);
    cr_expect_str_eq(find("h", "/static/"), " /static/");
    cr_expect_str_eq(find("h", "/static/a.css"), " /static/");
    cr_expect_str_eq(find("h", "/static"), "none");
}

Test(route, the_longest_path_wins)
{
    start();
    add("", "/");
    add("", "/api");
    add("", "/api/v2");
    add("", "/api/v2/users");
    http_router_sort(&router);
    cr_expect_str_eq(find("h", "/api/v2/users/7"), " /api/v2/users");
    cr_expect_str_eq(find("h", "/api/v2/user"), " /api/v2");
    cr_expect_str_eq(find("h", "/api/v1"), " /api");
    cr_expect_str_eq(find("h", "/apis"), " /");
}

Test(route, the_root_takes_every_path)
{
    start();
    add("", "/");
    http_router_sort(&router);
    cr_expect_str_eq(find("h", "/"), " /");
    cr_expect_str_eq(find("h", "*"), " /", "OPTIONS *");
    cr_expect_str_eq(find("", "/x"), " /", "no host was said");
}

Test(route, if_no_path_of_the_best_host_fits_the_next_is_tried)
{
    start();
    add("a.example", "/api");
    add("*.example", "/static");
    add("", "/");
    http_router_sort(&router);
    cr_expect_str_eq(find("a.example", "/api/x"), "a.example /api");
    cr_expect_str_eq(find("a.example", "/static/x"), "*.example /static");
    cr_expect_str_eq(find("a.example", "/else"), " /");
}

/* --- against a direct reading of the rules
 * -------------------------------------------------------- */

static const char *const hosts[] = {"", "a.example", "b.example", "*.example", "*.b.example"};
static const char *const paths[] = {"/", "/a", "/a/b", "/a/", "/ab", "/a/b/c"};
static const char *const asked_hosts[] = {"a.example", "b.example", "x.b.example", "example",
                                          "other"};
static const char *const asked_paths[] = {"/",     "/a",     "/a/",      "/ab",     "/a/b",
                                          "/a/bc", "/a?b=c", "/a/b/c/d", "/ab/a/b", "/abc"};

enum { COUNT_OF_HOSTS = 5, COUNT_OF_PATHS = 6 };

/* How well a host fits: 0 not at all. */
static unsigned host_score(const char *host, const char *asked)
{
    if (host[0] == '\0')
        return 1;
    if (host[0] != '*')
        return strcmp(host, asked) == 0 ? 1000 : 0;
    const size_t suffix = strlen(host + 1), whole = strlen(asked);
    return whole > suffix && strcmp(asked + whole - suffix, host + 1) == 0 ? 1 + (unsigned)suffix
                                                                           : 0;
}

static unsigned path_score(const char *path, const char *asked)
{
    const size_t bytes = strlen(path);
    if (strncmp(path, asked, bytes) != 0)
        return 0;
    const char next = asked[bytes];
    return path[bytes - 1] == '/' || next == '\0' || next == '/' || next == '?' ? (unsigned)bytes
                                                                                : 0;
}

static const char *expected(const char *asked_host, const char *asked_path)
{
    static char text[256];
    unsigned best = 0;
    snprintf(text, sizeof text, "none");
    for (uint32_t i = 0; i < router.count; i++) {
        const unsigned by_host = host_score(routes[i].host, asked_host);
        const unsigned by_path = path_score(routes[i].path, asked_path);
        if (by_host == 0 || by_path == 0 || by_host * 1000 + by_path <= best)
            continue;
        best = by_host * 1000 + by_path;
        snprintf(text, sizeof text, "%s %s", routes[i].host, routes[i].path);
    }
    return text;
}

Test(route, agrees_with_the_rules_read_directly)
{
    struct random random;
    random_init(&random, 1);
    for (int round = 0; round < 300; round++) {
        start();
        for (uint32_t i = 0; i < COUNT_OF_HOSTS * COUNT_OF_PATHS; i++)
            if (random_below(random_next(&random), 3) == 0)
                add(hosts[i % COUNT_OF_HOSTS], paths[i / COUNT_OF_HOSTS]);
        http_router_sort(&router);
        for (size_t h = 0; h < sizeof asked_hosts / sizeof asked_hosts[0]; h++)
            for (size_t p = 0; p < sizeof asked_paths / sizeof asked_paths[0]; p++)
                cr_assert_str_eq(find(asked_hosts[h], asked_paths[p]),
                                 expected(asked_hosts[h], asked_paths[p]), "%s %s", asked_hosts[h],
                                 asked_paths[p]);
    }
}
