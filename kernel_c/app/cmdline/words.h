/* The words of a command line, as people and loaders write them. */
#ifndef KGPT_APP_WORDS_H
#define KGPT_APP_WORDS_H

#include <stdbool.h>

/* Copies the word at `text` to `out` (as long as all of `text`) and returns the place behind it. The word is key,
 * key=value or key="…" as a person writes it: quotes and backslashes that GRUB adds are gone. NULL if a quote is not
 * closed, or a character stands right behind the closing quote. */
const char *kg_word_next(const char *text, char *out);

/* What stands behind `key`, which ends in "=", at the beginning of one of the words; NULL without. */
const char *kg_word_value(const char *words, const char *key);

/* Takes the quotes off a value that has some, and its escapes. False if it is not quoted properly. */
bool kg_word_unquote(char *value);

#endif
