/* What a fallible function says to the person who can mend it: what is wrong and where, and what to do. */
#ifndef KGPT_ERROR_H
#define KGPT_ERROR_H

#include "kgpt/status.h"

struct kg_error {
    char message[320];
    char hint[320];
};

/* Both are printf-like (see kgpt/format.h) and return `status`, so that a refusal is one statement. */
enum kg_status kg_error_set(struct kg_error *error, enum kg_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void kg_error_hint(struct kg_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
