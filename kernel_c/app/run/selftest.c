/* Runs the linked self-tests: see selftest.h and kgpt/test.h. */
#include "selftest.h"

#include "app/events/events.h"
#include "app/events/print.h"
#include "kgpt/str.h"
#include "kgpt/test.h"

static bool selected(const char *name, const char *filter)
{
    size_t n = kg_strlen(filter);
    return n == 0 || (kg_str_starts(name, filter) && (name[n] == '\0' || name[n] == '.'));
}

static bool run_case(struct kgpt *k, const struct kg_test_case *test)
{
    struct kg_test t = {.cpu = k->info->cpu, .arena = &k->arena, .file = test->file};
    size_t used = k->arena.used;
    test->run(&t);
    kg_arena_rewind(&k->arena, used);
    kg_print("test %s: %s%s\n", test->name, t.failed ? "FAILED " : *t.message ? "ok, " : "ok", t.message);
    KG_EMIT(test, .name = test->name, .ok = !t.failed, .message = t.message);
    return !t.failed;
}

enum kg_status kg_selftest_run(struct kgpt *k, const char *filter, uint32_t *failed, struct kg_error *error)
{
    uint32_t passed = 0;
    *failed = 0;
    for (const struct kg_test_case *test = __start_kgpt_tests; test < __stop_kgpt_tests; test++) {
        if (selected(test->name, filter)) {
            bool ok = run_case(k, test);
            passed += ok;
            *failed += !ok;
        }
    }
    if (passed + *failed == 0) {
        kg_error_set(error, KG_E_INPUT, "no self-test is named \"%s\"", filter);
        kg_error_hint(error, "without a name all of them are run, and listed");
        return KG_E_INPUT;
    }
    kg_print("kgpt: %u test%s passed, %u failed\n", passed, kg_plural(passed), *failed);
    KG_EMIT(tests, .passed = passed, .failed = *failed);
    return KG_OK;
}
