/* SPDX-License-Identifier: Apache-2.0 */
/* codec/compress/without/zstd.c - stands in for zstd.c where the build is without its library. */
#include "codec/compress/compress.h"

const struct compress_kind compress_zstd = {.name = "zstd", .gist = "not in this build"};
