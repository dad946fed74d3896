/* Self-tests: functions in an ELF section, run by the hosted program and by the kernel.
 *
 * KG_TEST(format, widths) { KG_CHECK(t, 1 + 1 == 2); }
 *
 * defines kg_test_format__widths; `test=format.widths` runs it. A failed check ends its test. */
#ifndef KGPT_TEST_H
#define KGPT_TEST_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/cpu.h"
#include "kgpt/str.h"

struct kg_test {
    const struct kg_cpu *cpu;
    struct kg_arena *arena; /* rewound after each test */
    const char *file;       /* source file of the test */
    bool failed;
    char message[256];
};

struct kg_test_case {
    const char *name; /* "suite.name" */
    const char *file;
    void (*run)(struct kg_test *t);
};

/* The section name is a C identifier, so every linker defines its __start_ and __stop_ symbols. */
#define KG_TEST_SECTION "kgpt_tests"
extern const struct kg_test_case __start_kgpt_tests[], __stop_kgpt_tests[];

#define KG_TEST(suite, test_name)                                                                       \
    static void kg_test_##suite##__##test_name(struct kg_test *t);                                      \
    static const struct kg_test_case kg_case_##suite##__##test_name                                     \
        __attribute__((section(KG_TEST_SECTION), used, aligned(8))) = {#suite "." #test_name, __FILE__, \
                                                                       kg_test_##suite##__##test_name}; \
    static void kg_test_##suite##__##test_name(struct kg_test *t)

/* Records "file:line: …" for the first failure. */
void kg_test_fail(struct kg_test *t, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Names a part of the test that this machine cannot run, for the line of a test that passes. */
void kg_test_not_run(struct kg_test *t, const char *part);

/* Functions keep the macros small: a kernel has hundreds of checks. KG_CHECK does not store its condition as text,
 * which saves 4 KB; the line number finds it. */
bool kg_test_check(struct kg_test *t, int line, bool good);
bool kg_test_equal(struct kg_test *t, int line, uint64_t found, uint64_t expected, const char *what);
bool kg_test_text(struct kg_test *t, int line, const char *found, const char *expected, const char *what);

#define KG_CHECK(t, condition)                        \
    do {                                              \
        if (!kg_test_check(t, __LINE__, (condition))) \
            return;                                   \
    } while (0)

#define KG_CHECK_EQ(t, found, expected)                                                   \
    do {                                                                                  \
        if (!kg_test_equal(t, __LINE__, (uint64_t)(found), (uint64_t)(expected), #found)) \
            return;                                                                       \
    } while (0)

#define KG_CHECK_TEXT(t, found, expected)                            \
    do {                                                             \
        if (!kg_test_text(t, __LINE__, (found), (expected), #found)) \
            return;                                                  \
    } while (0)

#endif
