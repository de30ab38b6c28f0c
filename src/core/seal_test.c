/* SPDX-License-Identifier: Apache-2.0 */
/* core/seal_test.c - what is sealed opens unchanged, for nothing else, and in no other form. */
#include "core/seal.h"

#include <criterion/criterion.h>
#include <string.h>

enum { PLAIN_BYTES = 16, TEXT_BYTES = SEAL_TEXT_BYTES(PLAIN_BYTES) };

static const struct seal_key key = {.bytes = {1, 2, 3}}, other_key = {.bytes = {1, 2, 4}};
static const struct seal_span about = {"a", 1}, other_about = {"b", 1};
static const struct seal_span plain = {"0123456789abcdef", PLAIN_BYTES};

static bool opens(const struct seal_key *with, struct seal_span of, const char *text, size_t bytes)
{
    char out[PLAIN_BYTES];
    return seal_read(with, of, (struct seal_span){text, bytes}, out, sizeof out) &&
           memcmp(out, plain.at, sizeof out) == 0;
}

Test(seal, opens_for_its_key_and_context_alone)
{
    char text[TEXT_BYTES], again[TEXT_BYTES];
    if (!seal_is_there())
        cr_skip("built without libsodium");
    seal_write(&key, about, plain, text);
    seal_write(&key, about, plain, again);
    cr_expect(opens(&key, about, text, sizeof text) && opens(&key, about, again, sizeof again));
    cr_expect(memcmp(text, again, sizeof text) != 0, "every time with another nonce");
    cr_expect(!opens(&other_key, about, text, sizeof text));
    cr_expect(!opens(&key, other_about, text, sizeof text));
}

Test(seal, no_changed_or_cut_text_opens)
{
    char text[TEXT_BYTES + 1] = "";
    if (!seal_is_there())
        cr_skip("built without libsodium");
    seal_write(&key, about, plain, text);
    for (size_t i = 0; i < TEXT_BYTES; i++) {
        cr_expect(!opens(&key, about, text, i), "cut to %zu", i);
        for (int change = 1; change < 256; change++) {
            text[i] = (char)(text[i] ^ change);
            cr_expect(!opens(&key, about, text, TEXT_BYTES), "byte %zu, %d", i, change);
            text[i] = (char)(text[i] ^ change);
        }
    }
    cr_expect(!opens(&key, about, text, TEXT_BYTES + 1));
    cr_expect(opens(&key, about, text, TEXT_BYTES));
}
