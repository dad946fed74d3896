/* What the pre-tokenizers of language models ask of a character, and bytes as characters the way llama.cpp reads them. */
#ifndef KGPT_TOKENIZER_UNICODE_H
#define KGPT_TOKENIZER_UNICODE_H

#include <stddef.h>
#include <stdint.h>

/* In the order of CLASSES in kgpt_build/headers/unicode.py. White space is \s of a regular expression, whatever its
 * category; the others are the categories L, N, M, P, S and C, and what Unicode has not assigned. */
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

/* The character at `s` (n >= 1 bytes available) and its length. Unlike kgpt/utf8.h this takes surrogates and overlong forms for
 * what they say; a byte that begins no character is U+FFFD. */
size_t kg_unicode_next(const char *s, size_t n, uint32_t *code);

/* Byte-level BPE writes its pieces in characters that can be printed, one for each byte: the character of a byte, and the byte of
 * a character, or -1. */
uint32_t kg_byte_char(uint8_t byte);
int kg_char_byte(uint32_t code);

#endif
