/* Error messages of fallible functions: `message` says what is wrong and where, `hint` says what to do. */
#ifndef KGPT_ERROR_H
#define KGPT_ERROR_H

#include <stdarg.h>

#include "kgpt/status.h"

struct kg_error {
    char message[320];
    char hint[1024]; /* room for lists of names */
};

/* printf-like (see kgpt/format.h). A byte that is not part of a printable character becomes '?'. The first two
 * return `status`, so that a caller can refuse in one statement. */
enum kg_status kg_error_set(struct kg_error *error, enum kg_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum kg_status kg_error_vset(struct kg_error *error, enum kg_status status, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
void kg_error_hint(struct kg_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
