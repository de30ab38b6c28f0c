/* SPDX-License-Identifier: Apache-2.0 */
/* core/quote.c - quoting, and its undoing. */
#include "core/quote.h"

#include <string.h>

/* Letter by letter, what an escape means. */
static const char letters[] = "nrtab\"\\";
static const char meanings[] = "\n\r\t\a\b\"\\";

static bool is_printable(uint8_t byte)
{
    return byte >= ' ' && byte <= '~';
}

static bool is_plain(struct bytes bytes)
{
    for (size_t i = 0; i < bytes.count; i++)
        if (!is_printable(bytes.at[i]) || strchr(" \"'\\", bytes.at[i]) != NULL)
            return false;
    return bytes.count > 0;
}

static void write_byte(FILE *out, uint8_t byte)
{
    const char *meaning = byte == 0 ? NULL : strchr(meanings, byte);
    if (meaning != NULL)
        fprintf(out, "\\%c", letters[meaning - meanings]);
    else if (is_printable(byte))
        fputc(byte, out);
    else
        fprintf(out, "\\x%02x", byte);
}

void quote_write(FILE *out, struct bytes bytes)
{
    if (is_plain(bytes)) {
        (void)fwrite(bytes.at, 1, bytes.count, out);
        return;
    }
    fputc('"', out);
    for (size_t i = 0; i < bytes.count; i++)
        write_byte(out, bytes.at[i]);
    fputc('"', out);
}

static int hex_digit(char digit)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = digit == '\0' ? NULL : strchr(digits, digit);
    return at == NULL ? -1 : (int)((at - digits) % 16);
}

/* One escape, behind its backslash. NULL: it is none, else what follows it. */
static const char *read_escape(const char *text, uint8_t *byte)
{
    if (*text == 'x') {
        const int high = hex_digit(text[1]);
        const int low = high < 0 ? -1 : hex_digit(text[2]);
        *byte = (uint8_t)(high * 16 + low);
        return low < 0 ? NULL : text + 3;
    }
    const char *letter = *text == '\0' ? NULL : strchr(letters, *text);
    if (letter == NULL)
        return NULL;
    *byte = (uint8_t)meanings[letter - letters];
    return text + 1;
}

bool quote_read(const char *text, uint8_t *out, size_t *count)
{
    *count = 0;
    if (*text != '"') {
        *count = strlen(text);
        memcpy(out, text, *count);
        return true;
    }
    text++;
    while (*text != '\0' && *text != '"') {
        uint8_t byte = (uint8_t)*text;
        text = *text == '\\' ? read_escape(text + 1, &byte) : text + 1;
        if (text == NULL)
            return false;
        out[(*count)++] = byte;
    }
    return text[0] == '"' && text[1] == '\0';
}
