/* Character classes, from a header that the host generates with Python's unicodedata: see unicode.h. */
#include "unicode.h"

#include <kgpt_unicode.h>

#define REPLACEMENT 0xFFFDu
#define LAST_CODE 0x10FFFFu

/* Byte-level BPE shows bytes of Latin-1 as themselves, except these three ranges, which it maps to U+0100 and
 * following. */
#define LOW_END 0x21 /* 0x00 to 0x20 */
#define MIDDLE 0x7F  /* 0x7F to 0xA0 */
#define MIDDLE_END 0xA1
#define HYPHEN 0xAD /* soft hyphen */
#define N_MOVED (LOW_END + (MIDDLE_END - MIDDLE) + 1)

enum kg_class kg_unicode_class(uint32_t code)
{
    if (code > LAST_CODE) {
        return KG_UNASSIGNED;
    }
    const uint8_t *block = kg_unicode_classes[kg_unicode_blocks[code / KG_UNICODE_BLOCK]];
    return block[code % KG_UNICODE_BLOCK / 2] >> (code & 1) * 4 & 0x0F;
}

size_t kg_unicode_next(const char *s, size_t n, uint32_t *code)
{
    const uint8_t *bytes = (const uint8_t *)s;
    uint8_t lead = bytes[0];
    size_t length = lead < 0x80 ? 1 : lead < 0xC0 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF8 ? 4 : 0;
    if (length == 1) {
        *code = lead;
        return 1;
    }
    uint32_t found = lead & 0x7Fu >> length;
    size_t i = 1;
    for (; i < length && i < n && (bytes[i] & 0xC0) == 0x80; i++) {
        found = found << 6 | (bytes[i] & 0x3F);
    }
    if (length == 0 || i < length || found > LAST_CODE) {
        *code = REPLACEMENT;
        return 1;
    }
    *code = found;
    return length;
}

uint32_t kg_byte_char(uint8_t byte)
{
    if (byte < LOW_END) {
        return 0x100u + byte;
    }
    if (byte >= MIDDLE && byte < MIDDLE_END) {
        return 0x100u + LOW_END + (byte - MIDDLE);
    }
    return byte == HYPHEN ? 0x100u + N_MOVED - 1 : byte;
}

int kg_char_byte(uint32_t code)
{
    if (code >= 0x100) {
        uint32_t moved = code - 0x100;
        return moved < LOW_END        ? (int)moved
               : moved < N_MOVED - 1  ? (int)(moved - LOW_END + MIDDLE)
               : moved == N_MOVED - 1 ? HYPHEN
                                      : -1;
    }
    return kg_byte_char((uint8_t)code) == code ? (int)code : -1;
}
