/* SPDX-License-Identifier: Apache-2.0 */
/* codec/resp/resp_request.c - reads commands of Redis clients.
 *
 * A command is read head by head: "*2\r\n", then for each argument "$3\r\n" and its bytes.
 * read_bytes stands behind what was read whole; a head is read anew when it came in part, which
 * costs nothing since it is short, and the bytes of an argument are only waited for. */
#include "codec/resp/resp_request.h"

#include "core/mem.h"

#include <stdio.h>

enum { ARGS_KEPT_MAX = 1024 }; /* room for more goes back after the command that needed it */

#define ERROR_NO_MEMORY  "out of memory"
#define ERROR_ARGS       "Protocol error: invalid multibulk length"
#define ERROR_BULK       "Protocol error: invalid bulk length"
#define ERROR_BULK_END   "Protocol error: no CR LF behind a bulk string"
#define ERROR_BYTES      "Protocol error: the command is larger than allowed"
#define ERROR_INLINE     "Protocol error: expected '*': PING alone may be inline here"
#define ERROR_INLINE_OFF "Protocol error: expected '*'"
#define ERROR_HTTP       "Protocol error: this is no HTTP server"
#define ERROR_LONG_LINE  "Protocol error: too big inline request"
#define ERROR_QUOTES     "Protocol error: unbalanced quotes in request"
#define ERROR_ESCAPES    "Protocol error: escapes in quotes are not taken in inline requests"

void resp_request_init(struct resp_request *request)
{
    *request = (struct resp_request){.args_room = RESP_ARGS_INLINE};
    request->args = request->inline_args;
}

static void drop_heap(struct resp_request *request)
{
    if (request->args != request->inline_args)
        mem_free(request->args);
    request->args = request->inline_args;
    request->args_room = RESP_ARGS_INLINE;
}

void resp_request_fini(struct resp_request *request)
{
    drop_heap(request);
}

void resp_request_next(struct resp_request *request)
{
    if (request->args_room > ARGS_KEPT_MAX)
        drop_heap(request);
    request->read_bytes = 0;
    request->value_left = 0;
    request->args_said = 0;
    request->args_count = 0;
    request->in_array = false;
    request->in_value = false;
    request->error = NULL;
}

static enum resp_verdict refuse(struct resp_request *request, const char *error)
{
    request->error = error;
    return RESP_BAD;
}

/* Doubles as arguments arrive, whatever the head says. */
static bool has_room(struct resp_request *request)
{
    if (request->args_count < request->args_room)
        return true;
    const bool on_heap = request->args != request->inline_args;
    const uint32_t room = request->args_room * 2;
    struct resp_arg *args = mem_resize(on_heap ? request->args : NULL, (size_t)room * sizeof *args);
    if (args == NULL)
        return false;
    if (!on_heap)
        memcpy(args, request->inline_args, sizeof request->inline_args);
    request->args = args;
    request->args_room = room;
    return true;
}

/* ---- lengths ---- */

/* A number as we would write it and CRLF, at @at; *@taken: its bytes. What cannot become one is
 * refused at its first wrong byte, however much is there. */
static enum resp_verdict read_length(const uint8_t *at, size_t bytes, int64_t *number,
                                     size_t *taken)
{
    const bool is_negative = bytes > 0 && at[0] == '-';
    size_t i = is_negative;
    int64_t sum = 0;
    while (i < bytes && at[i] >= '0' && at[i] <= '9') {
        if (sum > UINT32_MAX * (int64_t)16 || (sum == 0 && i > is_negative))
            return RESP_BAD; /* no such length is allowed, or a zero leads */
        sum = sum * 10 + (at[i++] - '0');
    }
    if (i == bytes)
        return RESP_PARTIAL;
    if (at[i] != '\r' || i == is_negative || (is_negative && sum == 0))
        return RESP_BAD;
    if (i + 1 == bytes)
        return RESP_PARTIAL;
    *number = is_negative ? -sum : sum;
    *taken = i + 2;
    return at[i + 1] == '\n' ? RESP_DONE : RESP_BAD;
}

/* The head of the array, of which the first byte is known. */
static enum resp_verdict read_array_head(struct resp_request *request, const uint8_t *at,
                                         size_t bytes, const struct resp_limits *limits)
{
    int64_t count = 0;
    size_t taken = 0;
    const enum resp_verdict verdict = read_length(at + 1, bytes - 1, &count, &taken);
    if (verdict == RESP_PARTIAL)
        return RESP_PARTIAL;
    if (verdict == RESP_BAD || count > INT32_MAX)
        return refuse(request, ERROR_ARGS);
    if (count > (int64_t)limits->args_max)
        return refuse(request, limits->args_error != NULL ? limits->args_error : ERROR_ARGS);
    request->read_bytes = 1 + taken;
    request->args_said = count < 0 ? 0 : (uint32_t)count;
    request->in_array = true;
    return RESP_DONE;
}

static enum resp_verdict refuse_type(struct resp_request *request, uint8_t byte)
{
    (void)snprintf(request->error_own, sizeof request->error_own,
                   "Protocol error: expected '$', got '%c'", byte);
    return refuse(request, request->error_own);
}

/* The head of the next argument. Its place is noted before its bytes are there. */
static enum resp_verdict read_value_head(struct resp_request *request, const uint8_t *at,
                                         size_t bytes, const struct resp_limits *limits)
{
    const size_t begin = request->read_bytes;
    if (begin == bytes)
        return RESP_PARTIAL;
    if (at[begin] != '$')
        return refuse_type(request, at[begin]);
    int64_t length = 0;
    size_t taken = 0;
    const enum resp_verdict verdict =
        read_length(at + begin + 1, bytes - begin - 1, &length, &taken);
    if (verdict == RESP_PARTIAL)
        return RESP_PARTIAL;
    if (verdict == RESP_BAD || length < 0)
        return refuse(request, ERROR_BULK);
    if ((uint64_t)length > limits->bulk_bytes_max)
        return refuse(request, limits->bulk_error != NULL ? limits->bulk_error : ERROR_BULK);
    request->read_bytes = begin + 1 + taken;
    if (request->read_bytes + (uint64_t)length + 2 > limits->bytes_max)
        return refuse(request, ERROR_BYTES);
    if (!has_room(request))
        return refuse(request, ERROR_NO_MEMORY);
    request->args[request->args_count] =
        (struct resp_arg){.offset = request->read_bytes, .bytes = (size_t)length};
    request->in_value = true;
    return RESP_DONE;
}

static enum resp_verdict read_value(struct resp_request *request, const uint8_t *at, size_t bytes)
{
    const struct resp_arg *arg = &request->args[request->args_count];
    const size_t end = arg->offset + arg->bytes;
    if (bytes < end + 2) {
        request->value_left = end + 2 - bytes;
        return RESP_PARTIAL;
    }
    if (at[end] != '\r' || at[end + 1] != '\n')
        return refuse(request, ERROR_BULK_END);
    request->value_left = 0;
    request->in_value = false;
    request->args_count++;
    request->read_bytes = end + 2;
    return RESP_DONE;
}

static enum resp_verdict read_array(struct resp_request *request, const uint8_t *at, size_t bytes,
                                    const struct resp_limits *limits)
{
    enum resp_verdict verdict = RESP_DONE;
    if (!request->in_array)
        verdict = read_array_head(request, at, bytes, limits);
    while (verdict == RESP_DONE && request->args_count < request->args_said) {
        if (!request->in_value)
            verdict = read_value_head(request, at, bytes, limits);
        if (verdict == RESP_DONE)
            verdict = read_value(request, at, bytes);
    }
    return verdict;
}

/* ---- lines ---- */

/* Do the bytes begin as @word (upper case) does, in any case, as far as either goes? */
static bool begins_as(const uint8_t *at, size_t bytes, const char *word)
{
    for (size_t i = 0; i < bytes && word[i] != 0; i++)
        if ((at[i] >= 'a' && at[i] <= 'z' ? at[i] - 32 : at[i]) != word[i])
            return false;
    return true;
}

/* The one command that may always be a line, for those who watch over servers; and empty lines. */
static enum resp_verdict read_ping(struct resp_request *request, const uint8_t *at, size_t bytes)
{
    const size_t word = at[0] == '\r' || at[0] == '\n' ? 0 : 4;
    if (word > 0 && !begins_as(at, bytes, "PING"))
        return refuse(request, ERROR_INLINE);
    if (bytes <= word)
        return RESP_PARTIAL;
    const bool has_return = at[word] == '\r';
    if (has_return && bytes == word + 1)
        return RESP_PARTIAL;
    if (at[word + has_return] != '\n')
        return refuse(request, ERROR_INLINE);
    request->args[0] = (struct resp_arg){.offset = 0, .bytes = word};
    request->args_count = word > 0;
    request->read_bytes = word + has_return + 1;
    return RESP_DONE;
}

static bool is_space(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* A word in quotes begins at @from, at its quote; it ends at the same quote and a space or the end
 * of the line. */
static const char *find_quoted(const uint8_t *at, size_t from, size_t end, struct resp_arg *arg)
{
    const uint8_t quote = at[from];
    size_t i = from + 1;
    while (i < end && at[i] != quote) {
        if (at[i] == '\\' && (quote == '"' || (i + 1 < end && at[i + 1] == quote)))
            return ERROR_ESCAPES; /* an argument is a place in what came: it cannot differ */
        i++;
    }
    if (i == end || (i + 1 < end && !is_space(at[i + 1])))
        return ERROR_QUOTES;
    *arg = (struct resp_arg){.offset = from + 1, .bytes = i - from - 1};
    return NULL;
}

static const char *find_word(const uint8_t *at, size_t from, size_t end, struct resp_arg *arg)
{
    if (at[from] == '"' || at[from] == '\'')
        return find_quoted(at, from, end, arg);
    size_t i = from;
    for (; i < end && !is_space(at[i]); i++)
        if (at[i] == '"' || at[i] == '\'')
            return ERROR_ESCAPES;
    *arg = (struct resp_arg){.offset = from, .bytes = i - from};
    return NULL;
}

/* Finds the words of a line that ends before @end. */
static enum resp_verdict read_words(struct resp_request *request, const uint8_t *at, size_t end,
                                    const struct resp_limits *limits)
{
    size_t i = 0;
    for (;;) {
        while (i < end && is_space(at[i]))
            i++;
        if (i == end)
            return RESP_DONE;
        if (request->args_count == limits->args_max)
            return refuse(request, ERROR_ARGS);
        if (!has_room(request))
            return refuse(request, ERROR_NO_MEMORY);
        struct resp_arg *arg = &request->args[request->args_count];
        const char *error = find_word(at, i, end, arg);
        if (error != NULL)
            return refuse(request, error);
        request->args_count++;
        i = arg->offset + arg->bytes + (arg->offset > i); /* and the closing quote */
    }
}

/* A browser that was led here must not have its body read as commands. */
static bool is_http(const uint8_t *at, size_t bytes)
{
    return bytes >= 5 && (begins_as(at, bytes, "POST ") || begins_as(at, bytes, "HOST:"));
}

static enum resp_verdict read_line(struct resp_request *request, const uint8_t *at, size_t bytes,
                                   const struct resp_limits *limits)
{
    const bool may_begin = (at[0] > ' ' && at[0] < 127) || is_space(at[0]);
    if (!may_begin)
        return refuse(request, ERROR_INLINE_OFF);
    if (is_http(at, bytes))
        return refuse(request, ERROR_HTTP);
    const size_t most = limits->inline_bytes_max;
    const size_t seen = bytes < most ? bytes : most;
    const uint8_t *end = memchr(at + request->read_bytes, '\n', seen - request->read_bytes);
    request->read_bytes = seen;
    if (end == NULL)
        return bytes >= most ? refuse(request, ERROR_LONG_LINE) : RESP_PARTIAL;
    request->read_bytes = (size_t)(end - at) + 1;
    return read_words(request, at, (size_t)(end - at), limits);
}

enum resp_verdict resp_request_read(struct resp_request *request, const uint8_t *at, size_t bytes,
                                    const struct resp_limits *limits)
{
    if (bytes == 0)
        return RESP_PARTIAL;
    if (at[0] == '*')
        return read_array(request, at, bytes, limits);
    if (limits->inline_bytes_max == 0)
        return read_ping(request, at, bytes);
    return read_line(request, at, bytes, limits);
}

/* ---- ahead ---- */

enum { PEEKED_ARGS_MAX = 8, PEEKED_DIGITS_MAX = 9 };

/* The number behind the byte @kind at @at, and CRLF. Returns their bytes, 0: it is none. */
static size_t peek_length(const uint8_t *at, size_t bytes, uint8_t kind, size_t *number)
{
    size_t i = 1, sum = 0;
    if (bytes < 4 || at[0] != kind)
        return 0;
    for (; i < bytes && at[i] >= '0' && at[i] <= '9' && i <= PEEKED_DIGITS_MAX; i++)
        sum = sum * 10 + (size_t)(at[i] - '0');
    if (i == 1 || i + 1 >= bytes || at[i] != '\r')
        return 0;
    *number = sum;
    return i + 2;
}

size_t resp_request_peek(const uint8_t *at, size_t bytes, struct bytes *second)
{
    size_t count = 0, length = 0;
    size_t taken = peek_length(at, bytes, '*', &count);
    if (taken == 0 || count < 2 || count > PEEKED_ARGS_MAX)
        return 0;
    for (size_t i = 0; i < count; i++) {
        const size_t head = peek_length(at + taken, bytes - taken, '$', &length);
        if (head == 0 || bytes - taken - head < length + 2)
            return 0;
        if (i == 1)
            *second = (struct bytes){at + taken + head, length};
        taken += head + length + 2;
    }
    return taken;
}
