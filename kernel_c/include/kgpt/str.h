/* NUL-terminated strings, and strings with a length. */
#ifndef KGPT_STR_H
#define KGPT_STR_H

#include <stdbool.h>
#include <stddef.h>

/* `n` bytes, without a NUL at the end. */
struct kg_text {
    const char *data;
    size_t n;
};

size_t kg_strlen(const char *s);
bool kg_streq(const char *a, const char *b);
bool kg_text_is(struct kg_text text, const char *s);
bool kg_text_same(struct kg_text a, struct kg_text b);
bool kg_str_starts(const char *s, const char *prefix);

/* True if the text begins as a URL: letters and "://". */
bool kg_str_has_scheme(const char *s);

/* The first entry of `names` (ended by NULL) whose edit distance to `word` is small enough for a suggestion; NULL if
 * none. */
const char *kg_suggest(const char *word, const char *const *names);

#endif
