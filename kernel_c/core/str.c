/* Strings, and suggestions for misspelt words: see kgpt/str.h. */
#include "kgpt/str.h"

#include "kgpt/mem.h"

#define KG_SUGGEST_MAX 32 /* longer words get no suggestion */

size_t kg_strlen(const char *s)
{
    size_t n = 0;
    while (s[n]) {
        n++;
        __asm__ volatile(
            ""); /* barrier: a compiler would turn the loop into a call of strlen, which does not exist here */
    }
    return n;
}

bool kg_streq(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

bool kg_text_same(struct kg_text a, struct kg_text b)
{
    return a.n == b.n && memcmp(a.data, b.data, a.n) == 0;
}

bool kg_text_is(struct kg_text text, const char *s)
{
    return kg_text_same(text, (struct kg_text){s, kg_strlen(s)});
}

bool kg_str_starts(const char *s, const char *prefix)
{
    while (*prefix && *s == *prefix) {
        s++;
        prefix++;
    }
    return !*prefix;
}

bool kg_str_has_scheme(const char *s)
{
    size_t n = 0;
    while ((s[n] | 32) >= 'a' && (s[n] | 32) <= 'z') {
        n++;
    }
    return n > 0 && s[n] == ':' && s[n + 1] == '/' && s[n + 2] == '/';
}

static unsigned least_of_three(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Damerau-Levenshtein distance of two short words: insertions, deletions, substitutions, transpositions of
 * neighbours. */
static unsigned edit_distance(const char *a, size_t a_n, const char *b, size_t b_n)
{
    unsigned rows[3][KG_SUGGEST_MAX + 1]; /* row i % 3: distances of a's first i characters to each prefix of b */
    for (unsigned j = 0; j <= b_n; j++) {
        rows[0][j] = j;
    }
    for (unsigned i = 1; i <= a_n; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i - 1) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (unsigned j = 1; j <= b_n; j++) {
            row[j] = least_of_three(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = least_of_three(row[j], above2[j - 2] + 1, row[j]);
            }
        }
    }
    return rows[a_n % 3][b_n];
}

const char *kg_suggest(const char *word, const char *const *names)
{
    size_t n = kg_strlen(word);
    const char *best = NULL;
    unsigned best_distance = n < 3   ? 2
                             : n < 6 ? 3
                                     : 4; /* upper bound (exclusive): up to a third of the word may differ */
    if (n > KG_SUGGEST_MAX) {
        return NULL;
    }
    for (; *names; names++) {
        size_t name_n = kg_strlen(*names);
        if (name_n > KG_SUGGEST_MAX) {
            continue;
        }
        unsigned distance = n >= 2 && kg_str_starts(*names, word) ? 1 : edit_distance(word, n, *names, name_n);
        if (distance < best_distance && distance < name_n) {
            best_distance = distance;
            best = *names;
        }
    }
    return best;
}
