/* Character classes for pre-tokenizers, and decoding of UTF-8 as in llama.cpp. */
#ifndef KGPT_TOKENIZER_UNICODE_H
#define KGPT_TOKENIZER_UNICODE_H

#include <stddef.h>
#include <stdint.h>

/* In the order of CLASSES in kgpt_build/headers/unicode.py. KG_SPACE is \s of a regular expression, regardless of
 * the category; the others are the categories L, N, M, P, S, C, and unassigned code points. */
enum kg_class {
    KG_UNASSIGNED,
    KG_LETTER,
    KG_NUMBER,
    KG_MARK,
    KG_PUNCTUATION,
    KG_SYMBOL,
    KG_CONTROL,
    KG_SPACE,
};

enum kg_class kg_unicode_class(uint32_t code);

/* Decodes the character at `s` (n >= 1 bytes available) and returns its length. Unlike kgpt/utf8.h it accepts
 * surrogates and overlong forms. An invalid byte is U+FFFD. */
size_t kg_unicode_next(const char *s, size_t n, uint32_t *code);

/* Byte-level BPE writes each byte as a printable character: the character of a byte, and the byte of a character or
 * -1. */
uint32_t kg_byte_char(uint8_t byte);
int kg_char_byte(uint32_t code);

#endif
