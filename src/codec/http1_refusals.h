/* SPDX-License-Identifier: Apache-2.0 */
/* codec/http1_refusals.h - every reason for which HTTP/1 bytes are refused, one row each.
 *
 * The status is for requests; a bad answer gives the client 502 with the sentence. The unit tests
 * hold an example of each row. */
#ifndef PANDO_CODEC_HTTP1_REFUSALS_H
#define PANDO_CODEC_HTTP1_REFUSALS_H

#include <stdint.h>

#define HTTP1_REFUSALS(X) \
    /* name, status, rule, sentence for the client */ \
    X(NONE, 200, "", "nothing is wrong") \
    X(TLS, 400, "RFC 9112 3", "this port speaks plain HTTP, but the bytes are a TLS handshake") \
    X(HTTP2_PREFACE, 505, "RFC 9113 3.4", \
      "the bytes are the HTTP/2 preface, but this port speaks HTTP/1.1") \
    X(EMPTY_LINES, 400, "RFC 9112 2.2", \
      "more than one empty line stands before the request line") \
    X(METHOD, 400, "RFC 9112 3.1", "the method is not a token followed by one space") \
    X(METHOD_LONG, 501, "RFC 9112 3", "the method is longer than 32 bytes") \
    X(TARGET_BYTE, 400, "RFC 9112 3.2", \
      "the request target holds a byte that is not allowed in a URI") \
    X(TARGET_EMPTY, 400, "RFC 9112 3.2", \
      "the request target is empty, or more than one space stands before it") \
    X(TARGET_LONG, 414, "RFC 9112 3", "the request target is longer than allowed") \
    X(TARGET_FORM, 400, "RFC 9112 3.2", \
      "the request target is neither a path nor an http or https URI") \
    X(TARGET_SCHEME, 400, "RFC 9112 3.2.2", \
      "the request target's scheme is neither http nor https") \
    X(TARGET_USERINFO, 400, "RFC 9110 4.2.4", \
      "the request target holds user information before the host") \
    X(TARGET_AUTHORITY, 400, "RFC 9110 4.2.1", "the request target's host or port is not valid") \
    X(TARGET_NO_PATH, 400, "RFC 9112 3.2.2", "the request target has a query but no path") \
    X(TARGET_CONNECT, 400, "RFC 9112 3.2.3", \
      "a CONNECT target must be host:port, and only there") \
    X(TARGET_ASTERISK, 400, "RFC 9112 3.2.4", "the target * is for OPTIONS alone") \
    X(VERSION, 400, "RFC 9112 2.3", \
      "the protocol version is not written as HTTP/1.0 or HTTP/1.1") \
    X(VERSION_OTHER, 505, "RFC 9112 2.3", \
      "the protocol version is neither HTTP/1.0 nor HTTP/1.1") \
    X(VERSION_MISSING, 505, "RFC 9112 3", "the request line has no protocol version (HTTP/0.9)") \
    X(LINE_END, 400, "RFC 9112 3", "the request line does not end after the version") \
    X(STATUS_LINE, 502, "RFC 9112 4", \
      "the status line is not HTTP/1.x, a space, three digits and a space") \
    X(STATUS_RANGE, 502, "RFC 9110 15", "the status is not between 100 and 599") \
    X(REASON_BYTE, 502, "RFC 9112 4", "the reason phrase holds a control character") \
    X(REASON_LONG, 502, "RFC 9112 4", "the reason phrase is longer than 1024 bytes") \
    X(BARE_LF, 400, "RFC 9112 2.2", "a line ends in LF without CR") \
    X(BARE_CR, 400, "RFC 9112 2.2", "a CR stands without LF") \
    X(NUL, 400, "RFC 9110 5.5", "a NUL byte stands in the head") \
    X(OBS_FOLD, 400, "RFC 9112 5.2", \
      "a field line begins with white space (folded lines are not accepted)") \
    X(NAME_EMPTY, 400, "RFC 9112 5", "a field has no name") \
    X(NAME_SPACE, 400, "RFC 9112 5.1", "white space stands between a field name and its colon") \
    X(NAME_BYTE, 400, "RFC 9110 5.1", "a field name holds a byte that is not allowed in a token") \
    X(NAME_NO_COLON, 400, "RFC 9112 5", "a field line has no colon") \
    X(NAME_LONG, 431, "RFC 9110 5.4", "a field name is longer than 256 bytes") \
    X(VALUE_BYTE, 400, "RFC 9110 5.5", "a field value holds a control character") \
    X(HEAD_LONG, 431, "RFC 9110 5.4", "the head is larger than allowed") \
    X(FIELDS_MANY, 431, "RFC 9110 5.4", "the head has more fields than allowed") \
    X(HOST_MISSING, 400, "RFC 9112 3.2", "an HTTP/1.1 request has no Host field") \
    X(HOST_MANY, 400, "RFC 9112 3.2", "there is more than one Host field") \
    X(HOST_SYNTAX, 400, "RFC 9110 7.2", "the Host field is not a host with an optional port") \
    X(HOST_DIFFERS, 400, "RFC 9112 3.2.2", \
      "the Host field is not the host of the request target") \
    X(LENGTH_SYNTAX, 400, "RFC 9112 6.3", "Content-Length is not one decimal number") \
    X(LENGTH_LIST, 400, "RFC 9112 6.3", "Content-Length is a list") \
    X(LENGTH_RANGE, 400, "RFC 9110 8.6", "Content-Length is over 2^63-1") \
    X(LENGTH_MANY, 400, "RFC 9112 6.3", "there is more than one Content-Length field") \
    X(LENGTH_AND_CODING, 400, "RFC 9112 6.1", \
      "the message has both Content-Length and Transfer-Encoding") \
    X(CODING_MANY, 400, "RFC 9112 6.1", "there is more than one Transfer-Encoding field") \
    X(CODING_SYNTAX, 400, "RFC 9112 6.1", "Transfer-Encoding is not exactly chunked") \
    X(CODING_OTHER, 501, "RFC 9112 6.1", "Transfer-Encoding names a coding other than chunked") \
    X(CODING_OLD_VERSION, 400, "RFC 9112 6.1", "an HTTP/1.0 message has Transfer-Encoding") \
    X(EXPECT_OTHER, 417, "RFC 9110 10.1.1", "the expectation is not 100-continue") \
    X(EXPECT_MANY, 400, "RFC 9110 10.1.1", "there is more than one Expect field") \
    X(CONNECTION_SYNTAX, 400, "RFC 9110 7.6.1", "Connection is not a list of tokens") \
    X(CONNECTION_MANY, 400, "RFC 9110 7.6.1", "Connection names more than 32 options") \
    X(CONNECTION_PINNED, 400, "RFC 9110 7.6.1", \
      "Connection names a field that is not for one hop alone") \
    X(UPGRADE_SYNTAX, 400, "RFC 9110 7.8", "Upgrade is not a list of protocol names") \
    X(UPGRADE_MANY, 400, "RFC 9110 7.8", "there is more than one Upgrade field") \
    X(CONNECT_BODY, 400, "RFC 9110 9.3.6", "a CONNECT request has a body") \
    X(ANSWER_BODY, 502, "RFC 9110 8.6", "an answer that cannot have a body announces one") \
    X(ANSWER_UPGRADE, 502, "RFC 9110 15.2.2", \
      "the answer is 101 without Upgrade, or nobody asked to upgrade") \
    X(CHUNK_SIZE, 400, "RFC 9112 7.1", "a chunk size is not 1 to 16 hexadecimal digits") \
    X(CHUNK_SIZE_RANGE, 400, "RFC 9112 7.1", "a chunk size is over 2^63-1") \
    X(CHUNK_LINE_END, 400, "RFC 9112 7.1", "a chunk size line does not end in CRLF") \
    X(CHUNK_EXTENSION_BYTE, 400, "RFC 9112 7.1.1", "a chunk extension holds a control character") \
    X(CHUNK_EXTENSIONS_LONG, 400, "RFC 9112 7.1.1", \
      "the message has more than 256 bytes of chunk extensions") \
    X(CHUNK_DATA_END, 400, "RFC 9112 7.1", "a chunk's data is not followed by CRLF")

enum http1_refusal {
#define X(name, status, rule, sentence) HTTP1_REFUSAL_##name,
    HTTP1_REFUSALS(X)
#undef X
    HTTP1_REFUSALS_COUNT
};

struct http1_refusal_row {
    const char *name; /* "LENGTH_AND_CODING", for logs and metrics */
    uint16_t    status;
    const char *rule;
    const char *sentence;
};

/* The row of @refusal; never NULL. */
const struct http1_refusal_row *http1_refusal_row(enum http1_refusal refusal);

#endif
