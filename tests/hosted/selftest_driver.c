/* The kernel's self-tests for ctypes, by number. */
#include "kgpt/format.h"
#include "kgpt/test.h"

/* Runs self-test `i`. Stores its name and its failure message. Returns false if there is none. */
bool driver_selftest(uint32_t i, char name[256], char message[256])
{
    static uint8_t memory[1 << 20];
    struct kg_arena arena;
    struct kg_test t = {.arena = &arena};
    if (i >= (size_t)(__stop_kgpt_tests - __start_kgpt_tests)) {
        return false;
    }
    t.file = __start_kgpt_tests[i].file;
    kg_arena_init(&arena, memory, sizeof memory);
    kg_format(name, 256, "%s", __start_kgpt_tests[i].name);
    __start_kgpt_tests[i].run(&t);
    kg_format(message, 256, "%s", t.failed ? t.message : "");
    return true;
}
