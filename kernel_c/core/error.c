/* Fills a struct kg_error: see kgpt/error.h. */
#include "kgpt/error.h"

#include "kgpt/format.h"

enum kg_status kg_error_set(struct kg_error *error, enum kg_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    kg_vformat(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    error->hint[0] = '\0';
    return status;
}

void kg_error_hint(struct kg_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    kg_vformat(error->hint, sizeof error->hint, format, arguments);
    va_end(arguments);
}
