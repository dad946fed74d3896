/* Error messages: see kgpt/error.h. */
#include "kgpt/error.h"

#include "kgpt/format.h"
#include "kgpt/str.h"
#include "kgpt/utf8.h"

/* Names in a message come from files and users: they may contain any bytes, and truncation may split a character. */
static void make_printable(char *text)
{
    kg_utf8_printable(text, kg_strlen(text), false);
}

enum kg_status kg_error_vset(struct kg_error *error, enum kg_status status, const char *format, va_list arguments)
{
    kg_vformat(error->message, sizeof error->message, format, arguments);
    make_printable(error->message);
    error->hint[0] = '\0';
    return status;
}

enum kg_status kg_error_set(struct kg_error *error, enum kg_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    kg_error_vset(error, status, format, arguments);
    va_end(arguments);
    return status;
}

void kg_error_hint(struct kg_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    kg_vformat(error->hint, sizeof error->hint, format, arguments);
    va_end(arguments);
    make_printable(error->hint);
}
