/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/resp_hello.c - HELLO: the protocol's version, and who it is. */
#include "front/resp/session/user/resp_user.h"

#define NOT_LOGGED_IN                                                                              \
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH " \
    "<user> <pass> option can be used to authenticate the client and select the RESP protocol "    \
    "version at the same time"

/* What HELLO's options say. */
struct hello {
    int64_t             version;
    const struct bytes *user; /* and the password behind it; NULL: none was said */
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
    if (hello->name != NULL && !resp__is_name(*hello->name)) {
        resp_error(ask->out,
                   "ERR Client names cannot contain spaces, newlines or special characters.");
        return false;
    }
    return true;
}

/* False: refused. */
static bool log_in(struct resp_session *session, const struct hello *hello, struct resp_out *out)
{
    if (hello->user != NULL && !resp_user_log_in(session, hello->user[0], hello->user[1], out))
        return false;
    if (session->who.standing != RESP_NOBODY)
        return true;
    resp_error(out, NOT_LOGGED_IN);
    return false;
}

void resp__hello(struct resp_session *session, const struct resp_ask *ask)
{
    struct resp_out *out = ask->out;
    struct hello hello = {.version = session->version};
    if (!read_hello(ask, &hello) || !log_in(session, &hello, out) ||
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
