/* Words of a command line. There are two layers of quotes: our own, key="a b\n", and GRUB's around them. GRUB puts a backslash before
 * each of \ ' " of a word (newer ones not before \x and two hexadecimal digits), and quotes around one with a space: "prompt=a b". */
#include "words.h"

#include <stddef.h>

#include "kgpt/str.h"

static bool ends(char c)
{
    return c == ' ' || c == '\0';
}

/* key="…" up to the quote at its end, as it stands there; it begins at `value`. */
static const char *copy_quoted(const char *text, const char *value, char *out)
{
    while (text <= value) {
        *out++ = *text++;
    }
    while (*text && *text != '"') {
        if (*text == '\\' && text[1]) {
            *out++ = *text++;
        }
        *out++ = *text++;
    }
    if (*text) {
        *out++ = *text++;
    }
    *out = '\0';
    return text[-1] == '"' && ends(*text) ? text : NULL;
}

/* A word that GRUB may have handed on. A backslash that GRUB would not have put there is one. */
static const char *copy_handed_on(const char *text, char *out)
{
    bool quoted = *text == '"';
    text += quoted;
    while (*text && *text != (quoted ? '"' : ' ')) {
        if (*text == '\\' && (text[1] == '\\' || text[1] == '\'' || text[1] == '"')) {
            text++;
        }
        *out++ = *text++;
    }
    *out = '\0';
    if (!quoted) {
        return text;
    }
    return *text && ends(text[1]) ? text + 1 : NULL;
}

const char *kg_word_next(const char *text, char *out)
{
    const char *at = text;
    while (!ends(*at) && *at != '=' && *at != '"') {
        at++;
    }
    return at[0] == '=' && at[1] == '"' ? copy_quoted(text, at + 1, out) : copy_handed_on(text, out);
}

const char *kg_word_value(const char *words, const char *key)
{
    while (*words) {
        if (kg_str_starts(words, key)) {
            return words + kg_strlen(key);
        }
        while (!ends(*words)) {
            words++;
        }
        words += *words == ' ';
    }
    return NULL;
}

static char unescape(char c)
{
    return c == 'n' ? '\n' : c == 't' ? '\t' : c == '"' || c == '\\' ? c : '\0';
}

bool kg_word_unquote(char *value)
{
    const char *from = value;
    if (*from++ != '"') {
        return true;
    }
    while (*from && *from != '"') {
        char c = *from++;
        if (c == '\\') {
            c = unescape(*from++);
            if (!c) {
                return false;
            }
        }
        *value++ = c;
    }
    *value = '\0';
    return from[0] == '"' && from[1] == '\0';
}
