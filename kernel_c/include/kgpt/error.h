/* What a fallible function says to the person who can mend it: what is wrong and where, and what to do. */
#ifndef KGPT_ERROR_H
#define KGPT_ERROR_H

#include <stdarg.h>

#include "kgpt/status.h"

struct kg_error {
    char message[320];
    char hint[640]; /* lists of names are long */
};

/* All are printf-like (see kgpt/format.h), and put a '?' for every byte that is part of no printable character. The first two return
 * `status`, so that a refusal is one statement. */
enum kg_status kg_error_set(struct kg_error *error, enum kg_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum kg_status kg_error_vset(struct kg_error *error, enum kg_status status, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
void kg_error_hint(struct kg_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
