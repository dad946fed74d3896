/* Strict UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef KGPT_UTF8_H
#define KGPT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length in bytes, 1..4, of the character at `s` (n bytes available); 0 if the bytes are invalid. */
size_t kg_utf8_length(const char *s, size_t n);

/* Code point of a character that kg_utf8_length accepted. */
uint32_t kg_utf8_code(const char *s, size_t length);

/* Encodes a code point. Returns the number of bytes. */
size_t kg_utf8_encode(uint32_t code, char out[4]);

/* Replaces every byte that is not part of a printable character by '?', to show untrusted text. `lines`: keep line
 * feeds. */
void kg_utf8_printable(char *text, size_t n, bool lines);

#endif
