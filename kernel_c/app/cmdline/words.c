/* Splits a command line into words. There can be two layers of quotes. Our own is key="a b\n". GRUB adds another one:
 * it puts a backslash before each \ ' " of a word (newer versions not before \x and two hexadecimal digits), and
 * quotes around a word with a space: "prompt=a b". */
#include "words.h"

#include <stddef.h>

#include "kgpt/str.h"

static bool ends_word(char c)
{
    return c == ' ' || c == '\0';
}

/* Copies key="…" with its quotes and escapes, and returns the place behind it. `value`: the first quote. */
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
    return text[-1] == '"' && ends_word(*text) ? text : NULL;
}

/* Copies a word that GRUB may have quoted, without GRUB's quotes and backslashes. Other backslashes stay. */
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
    return *text && ends_word(text[1]) ? text + 1 : NULL;
}

const char *kg_word_next(const char *text, char *out)
{
    const char *at = text;
    while (!ends_word(*at) && *at != '=' && *at != '"') {
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
        while (!ends_word(*words)) {
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
