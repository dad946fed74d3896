/* A check that ends the process where it does not hold, so that a fuzzer or a test notices. */
#ifndef KGPT_PROMISE_H
#define KGPT_PROMISE_H

#include <stdio.h>
#include <stdlib.h>

/* On functions that only check: to the fuzzer their branches are no news, and watching them costs time. */
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
