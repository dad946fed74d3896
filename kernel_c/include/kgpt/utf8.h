/* UTF-8, strictly: no overlong forms, no surrogates, nothing past U+10FFFF. */
#ifndef KGPT_UTF8_H
#define KGPT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length in bytes of the character at `s` (n bytes available), 1..4; 0 if these bytes are no character. */
size_t kg_utf8_length(const char *s, size_t n);

/* The code point of a character that kg_utf8_length accepted. */
uint32_t kg_utf8_code(const char *s, size_t length);

/* Writes a code point's bytes and returns how many they are. */
size_t kg_utf8_encode(uint32_t code, char out[4]);

/* Puts a '?' for every byte that is part of no printable character, for whoever shows a text that came from elsewhere; `lines`: line
 * feeds stay. */
void kg_utf8_printable(char *text, size_t n, bool lines);

#endif
