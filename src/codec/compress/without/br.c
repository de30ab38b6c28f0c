/* SPDX-License-Identifier: Apache-2.0 */
/* codec/compress/without/br.c - stands in for br.c where the build is without its library. */
#include "codec/compress/compress.h"

const struct compress_kind compress_br = {.name = "br", .gist = "not in this build"};
