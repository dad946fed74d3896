/* An assertion that ends the process if it fails, for fuzzers and tests. */
#ifndef KGPT_PROMISE_H
#define KGPT_PROMISE_H

#include <stdio.h>
#include <stdlib.h>

/* For functions that only check: excluded from coverage, because their branches are not interesting and slow the
 * fuzzer. */
#ifdef __clang__
#define UNWATCHED __attribute__((no_sanitize("coverage", "address", "undefined")))
#else
#define UNWATCHED
#endif

#define promise(condition)                                                          \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

#endif
