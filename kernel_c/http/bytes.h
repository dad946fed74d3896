/* Bytes of HTTP that several files read. */
#ifndef KGPT_HTTP_BYTES_H
#define KGPT_HTTP_BYTES_H

#include <stdbool.h>

/* A character of a token: of methods and names of fields. */
bool kg_http_is_token(char c);

/* Visible, a space, a tab, or a byte above ASCII: what the value of a field may hold. */
static inline bool kg_http_is_text(char c)
{
    return ((unsigned char)c >= ' ' && c != 0x7F) || c == '\t';
}

#endif
