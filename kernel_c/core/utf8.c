/* UTF-8: see kgpt/utf8.h. */
#include "kgpt/utf8.h"

static size_t lead_length(uint8_t lead)
{
    return lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
}

size_t kg_utf8_length(const char *s, size_t n)
{
    const uint8_t *bytes = (const uint8_t *)s;
    size_t length = n ? lead_length(bytes[0]) : 0;
    if (length > n) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    if (length >= 3) { /* the second byte decides: overlong forms, surrogates, above U+10FFFF */
        uint32_t code = kg_utf8_code(s, length);
        if (code < (length == 3 ? 0x800u : 0x10000u) || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
            return 0;
        }
    }
    return length;
}

uint32_t kg_utf8_code(const char *s, size_t length)
{
    static const uint8_t lead_mask[5] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t code = (uint8_t)s[0] & lead_mask[length];
    for (size_t i = 1; i < length; i++) {
        code = code << 6 | ((uint8_t)s[i] & 0x3F);
    }
    return code;
}

size_t kg_utf8_encode(uint32_t code, char out[4])
{
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t lead_bits[5] = {0, 0x00, 0xC0, 0xE0, 0xF0};
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (char)(lead_bits[length] | code);
    return length;
}

void kg_utf8_printable(char *text, size_t n, bool lines)
{
    for (size_t at = 0; at < n;) {
        size_t length = kg_utf8_length(text + at, n - at);
        uint32_t code = length ? kg_utf8_code(text + at, length) : 0;
        if ((code >= 0x20 && (code < 0x7F || code > 0x9F)) || (lines && code == '\n')) {
            at += length;
            continue;
        }
        for (size_t end = at + (length ? length : 1); at < end; at++) {
            text[at] = '?';
        }
    }
}
