/* SPDX-License-Identifier: Apache-2.0 */
/* path/command/media_rows.h - the media types that a string can have, by the number that engines
 * keep beside it.
 *
 * The numbers stand on disks: a row is never renumbered, taken out or given another text. New ones
 * come at the end. */
#ifndef PANDO_PATH_COMMAND_MEDIA_ROWS_H
#define PANDO_PATH_COMMAND_MEDIA_ROWS_H

/* number, text as it is answered: lower case, one space before a parameter */
#define MEDIA_ROWS(X)                                                                              \
    X(0, "application/octet-stream")                                                               \
    X(1, "text/plain")                                                                             \
    X(2, "text/plain; charset=utf-8")                                                              \
    X(3, "text/html")                                                                              \
    X(4, "text/html; charset=utf-8")                                                               \
    X(5, "text/css")                                                                               \
    X(6, "text/css; charset=utf-8")                                                                \
    X(7, "text/csv")                                                                               \
    X(8, "text/csv; charset=utf-8")                                                                \
    X(9, "text/javascript")                                                                        \
    X(10, "text/javascript; charset=utf-8")                                                        \
    X(11, "text/markdown")                                                                         \
    X(12, "text/markdown; charset=utf-8")                                                          \
    X(13, "text/xml")                                                                              \
    X(14, "text/xml; charset=utf-8")                                                               \
    X(15, "text/tab-separated-values")                                                             \
    X(16, "text/tab-separated-values; charset=utf-8")                                              \
    X(17, "text/calendar")                                                                         \
    X(18, "text/calendar; charset=utf-8")                                                          \
    X(19, "text/vcard")                                                                            \
    X(20, "text/vcard; charset=utf-8")                                                             \
    X(21, "text/vtt")                                                                              \
    X(22, "text/vtt; charset=utf-8")                                                               \
    X(23, "text/event-stream")                                                                     \
    X(24, "text/event-stream; charset=utf-8")                                                      \
    X(25, "text/uri-list")                                                                         \
    X(26, "text/uri-list; charset=utf-8")                                                          \
    X(27, "text/x-yaml")                                                                           \
    X(28, "text/x-yaml; charset=utf-8")                                                            \
    X(29, "application/json")                                                                      \
    X(30, "application/json; charset=utf-8")                                                       \
    X(31, "application/xml")                                                                       \
    X(32, "application/xml; charset=utf-8")                                                        \
    X(33, "application/javascript")                                                                \
    X(34, "application/javascript; charset=utf-8")                                                 \
    X(35, "application/xhtml+xml")                                                                 \
    X(36, "application/xhtml+xml; charset=utf-8")                                                  \
    X(37, "application/yaml")                                                                      \
    X(38, "application/yaml; charset=utf-8")                                                       \
    X(39, "application/toml")                                                                      \
    X(40, "application/toml; charset=utf-8")                                                       \
    X(41, "application/sql")                                                                       \
    X(42, "application/sql; charset=utf-8")                                                        \
    X(43, "application/graphql")                                                                   \
    X(44, "application/graphql; charset=utf-8")                                                    \
    X(45, "application/x-ndjson")                                                                  \
    X(46, "application/x-ndjson; charset=utf-8")                                                   \
    X(47, "application/ld+json")                                                                   \
    X(48, "application/ld+json; charset=utf-8")                                                    \
    X(49, "application/problem+json")                                                              \
    X(50, "application/problem+json; charset=utf-8")                                               \
    X(51, "application/geo+json")                                                                  \
    X(52, "application/geo+json; charset=utf-8")                                                   \
    X(53, "application/manifest+json")                                                             \
    X(54, "application/manifest+json; charset=utf-8")                                              \
    X(55, "application/rss+xml")                                                                   \
    X(56, "application/rss+xml; charset=utf-8")                                                    \
    X(57, "application/atom+xml")                                                                  \
    X(58, "application/atom+xml; charset=utf-8")                                                   \
    X(59, "application/x-www-form-urlencoded")                                                     \
    X(60, "application/x-www-form-urlencoded; charset=utf-8")                                      \
    X(61, "image/svg+xml")                                                                         \
    X(62, "image/svg+xml; charset=utf-8")                                                          \
    X(63, "application/json-patch+json")                                                           \
    X(64, "application/merge-patch+json")                                                          \
    X(65, "application/vnd.api+json")                                                              \
    X(66, "application/hal+json")                                                                  \
    X(67, "application/jwt")                                                                       \
    X(68, "application/pdf")                                                                       \
    X(69, "application/rtf")                                                                       \
    X(70, "application/zip")                                                                       \
    X(71, "application/gzip")                                                                      \
    X(72, "application/zstd")                                                                      \
    X(73, "application/x-tar")                                                                     \
    X(74, "application/x-7z-compressed")                                                           \
    X(75, "application/x-bzip2")                                                                   \
    X(76, "application/x-xz")                                                                      \
    X(77, "application/wasm")                                                                      \
    X(78, "application/cbor")                                                                      \
    X(79, "application/msgpack")                                                                   \
    X(80, "application/x-msgpack")                                                                 \
    X(81, "application/protobuf")                                                                  \
    X(82, "application/x-protobuf")                                                                \
    X(83, "application/grpc")                                                                      \
    X(84, "application/avro")                                                                      \
    X(85, "application/vnd.apache.parquet")                                                        \
    X(86, "application/vnd.apache.arrow.stream")                                                   \
    X(87, "application/x-sqlite3")                                                                 \
    X(88, "application/vnd.sqlite3")                                                               \
    X(89, "application/java-archive")                                                              \
    X(90, "application/pkcs8")                                                                     \
    X(91, "application/pkcs10")                                                                    \
    X(92, "application/pkix-cert")                                                                 \
    X(93, "application/x-pem-file")                                                                \
    X(94, "application/x-x509-ca-cert")                                                            \
    X(95, "application/epub+zip")                                                                  \
    X(96, "application/msword")                                                                    \
    X(97, "application/vnd.ms-excel")                                                              \
    X(98, "application/vnd.ms-powerpoint")                                                         \
    X(99, "application/vnd.openxmlformats-officedocument.wordprocessingml.document")               \
    X(100, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")                    \
    X(101, "application/vnd.openxmlformats-officedocument.presentationml.presentation")            \
    X(102, "application/vnd.oasis.opendocument.text")                                              \
    X(103, "application/vnd.oasis.opendocument.spreadsheet")                                       \
    X(104, "image/png")                                                                            \
    X(105, "image/jpeg")                                                                           \
    X(106, "image/gif")                                                                            \
    X(107, "image/webp")                                                                           \
    X(108, "image/avif")                                                                           \
    X(109, "image/bmp")                                                                            \
    X(110, "image/tiff")                                                                           \
    X(111, "image/x-icon")                                                                         \
    X(112, "image/vnd.microsoft.icon")                                                             \
    X(113, "image/heic")                                                                           \
    X(114, "image/apng")                                                                           \
    X(115, "image/jxl")                                                                            \
    X(116, "audio/mpeg")                                                                           \
    X(117, "audio/ogg")                                                                            \
    X(118, "audio/wav")                                                                            \
    X(119, "audio/webm")                                                                           \
    X(120, "audio/aac")                                                                            \
    X(121, "audio/flac")                                                                           \
    X(122, "audio/mp4")                                                                            \
    X(123, "audio/opus")                                                                           \
    X(124, "video/mp4")                                                                            \
    X(125, "video/webm")                                                                           \
    X(126, "video/ogg")                                                                            \
    X(127, "video/mpeg")                                                                           \
    X(128, "video/quicktime")                                                                      \
    X(129, "video/x-matroska")                                                                     \
    X(130, "font/woff")                                                                            \
    X(131, "font/woff2")                                                                           \
    X(132, "font/ttf")                                                                             \
    X(133, "font/otf")                                                                             \
    X(134, "model/gltf+json")                                                                      \
    X(135, "model/gltf-binary")

#endif
