/* SPDX-License-Identifier: Apache-2.0 */
/* codec/compress/without/gzip.c - stands in for gzip.c where the build is without its library. */
#include "codec/compress/compress.h"

const struct compress_kind compress_gzip = {.name = "gzip", .gist = "not in this build"};
