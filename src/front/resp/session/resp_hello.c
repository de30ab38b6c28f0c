/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/resp_hello.c - HELLO and AUTH: the protocol's version, and who it is. There
 * are no passwords yet, so there is one user, `default`, who needs none. */
#include "front/resp/session/resp_session.h"

#define WRONG_PASSWORD "WRONGPASS invalid username-password pair or user is disabled."

static bool is_default_user(struct bytes name)
{
    return bytes_equal(name, bytes_of("default"));
}

void resp__auth(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    if (ask->args_count > 3)
        resp_error(ask->out, "ERR syntax error");
    else if (ask->args_count == 2)
        resp_error(ask->out, "ERR AUTH <password> called without any password configured for the "
                             "default user. Are you sure your configuration is correct?");
    else if (!is_default_user(ask->args[1]))
        resp_error(ask->out, WRONG_PASSWORD);
    else
        resp_simple(ask->out, "OK");
}

/* What HELLO's options say. */
struct hello {
    int64_t             version;
    const struct bytes *user; /* NULL: none was said */
    const struct bytes *name;
};

/* False: refused. */
static bool read_options(const struct resp_ask *ask, struct hello *hello)
{
    for (uint32_t i = 2; i < ask->args_count; i++) {
        const uint32_t behind = ask->args_count - i - 1;
        if (behind >= 2 && bytes_is_word(ask->args[i], "auth")) {
            hello->user = &ask->args[i + 1];
            i += 2;
        } else if (behind >= 1 && bytes_is_word(ask->args[i], "setname")) {
            hello->name = &ask->args[++i];
        } else {
            resp_errorf(ask->out, "ERR Syntax error in HELLO option '%.*s'",
                        (int)(ask->args[i].count < 128 ? ask->args[i].count : 128),
                        (const char *)ask->args[i].at);
            return false;
        }
    }
    return true;
}

static bool read_hello(const struct resp_ask *ask, struct hello *hello)
{
    if (ask->args_count == 1)
        return true;
    if (!bytes_read_int64(ask->args[1], &hello->version)) {
        resp_error(ask->out, "ERR Protocol version is not an integer or out of range");
        return false;
    }
    if (hello->version != 2 && hello->version != 3) {
        resp_error(ask->out, "NOPROTO unsupported protocol version");
        return false;
    }
    if (!read_options(ask, hello))
        return false;
    if (hello->user != NULL && !is_default_user(*hello->user)) {
        resp_error(ask->out, WRONG_PASSWORD);
        return false;
    }
    if (hello->name != NULL && !resp__is_name(*hello->name)) {
        resp_error(ask->out,
                   "ERR Client names cannot contain spaces, newlines or special characters.");
        return false;
    }
    return true;
}

void resp__hello(struct resp_session *session, const struct resp_ask *ask)
{
    struct resp_out *out = ask->out;
    struct hello hello = {.version = session->version};
    if (!read_hello(ask, &hello) ||
        (hello.name != NULL && !resp__set_text(&session->name, *hello.name, out)))
        return;
    session->version = out->version = (uint8_t)hello.version;
    resp_map(out, 7);
    resp_bulk_text(out, "server");
    resp_bulk_text(out, "redis");
    resp_bulk_text(out, "version");
    resp_bulk_text(out, RESP_REDIS_VERSION);
    resp_bulk_text(out, "proto");
    resp_integer(out, hello.version);
    resp_bulk_text(out, "id");
    resp_integer(out, (int64_t)session->id);
    resp_bulk_text(out, "mode");
    resp_bulk_text(out, "standalone");
    resp_bulk_text(out, "role");
    resp_bulk_text(out, "master");
    resp_bulk_text(out, "modules");
    resp_array(out, 0);
}
