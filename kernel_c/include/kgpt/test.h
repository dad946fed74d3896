/* Self-tests: functions listed in an ELF section, run by the hosted program and by the kernel itself.
 *
 *   KG_TEST(format, widths) { KG_CHECK(t, 1 + 1 == 2); }
 *
 * defines kg_test_format__widths, which `test=format.widths` runs. A check that fails ends its test. */
#ifndef KGPT_TEST_H
#define KGPT_TEST_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/arena.h"
#include "kgpt/cpu.h"
#include "kgpt/str.h"

struct kg_test {
    const struct kg_cpu *cpu;
    struct kg_arena *arena; /* as it was before, after each test */
    bool failed;
    char message[256];
};

struct kg_test_case {
    const char *name; /* "suite.name" */
    void (*run)(struct kg_test *t);
};

/* The section is a C identifier: every linker then knows its start and its end by these names. */
#define KG_TEST_SECTION "kgpt_tests"
extern const struct kg_test_case __start_kgpt_tests[], __stop_kgpt_tests[];

#define KG_TEST(suite, test_name)                                                                       \
    static void kg_test_##suite##__##test_name(struct kg_test *t);                                      \
    static const struct kg_test_case kg_case_##suite##__##test_name                                     \
        __attribute__((section(KG_TEST_SECTION), used, aligned(8))) = {#suite "." #test_name,           \
                                                                       kg_test_##suite##__##test_name}; \
    static void kg_test_##suite##__##test_name(struct kg_test *t)

/* Records "file:line: what" once. */
void kg_test_fail(struct kg_test *t, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#define KG_CHECK(t, condition)                                     \
    do {                                                           \
        if (!(condition)) {                                        \
            kg_test_fail(t, __FILE__, __LINE__, "%s", #condition); \
            return;                                                \
        }                                                          \
    } while (0)

#define KG_CHECK_EQ(t, found, expected)                                                                  \
    do {                                                                                                 \
        uint64_t found_ = (uint64_t)(found), expected_ = (uint64_t)(expected);                           \
        if (found_ != expected_) {                                                                       \
            kg_test_fail(t, __FILE__, __LINE__, "%s is %ld (0x%lx), expected %ld", #found, (long)found_, \
                         (unsigned long)found_, (long)expected_);                                        \
            return;                                                                                      \
        }                                                                                                \
    } while (0)

#define KG_CHECK_TEXT(t, found, expected)                                                                    \
    do {                                                                                                     \
        const char *found_ = (found), *expected_ = (expected);                                               \
        if (!kg_streq(found_, expected_)) {                                                                  \
            kg_test_fail(t, __FILE__, __LINE__, "%s is \"%s\", expected \"%s\"", #found, found_, expected_); \
            return;                                                                                          \
        }                                                                                                    \
    } while (0)

#endif
