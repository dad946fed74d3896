/* Failure messages of self-tests: see kgpt/test.h. */
#include "kgpt/test.h"

#include "kgpt/format.h"

void kg_test_fail(struct kg_test *t, int line, const char *format, ...)
{
    va_list arguments;
    t->failed = true;
    size_t n = kg_format(t->message, sizeof t->message, "%s:%d: ", t->file, line);
    n = kg_format_stored(n, sizeof t->message);
    va_start(arguments, format);
    kg_vformat(t->message + n, sizeof t->message - n, format, arguments);
    va_end(arguments);
}

void kg_test_not_run(struct kg_test *t, const char *part)
{
    size_t n = kg_strlen(t->message);
    kg_format(t->message + n, sizeof t->message - n, "%s%s", n ? ", " : "not run here: ", part);
}

bool kg_test_check(struct kg_test *t, int line, bool good)
{
    if (!good) {
        kg_test_fail(t, line, "this does not hold");
    }
    return good;
}

bool kg_test_equal(struct kg_test *t, int line, uint64_t found, uint64_t expected, const char *what)
{
    if (found != expected) {
        kg_test_fail(t, line, "%s is %ld (0x%lx), expected %ld", what, (long)found, (unsigned long)found,
                     (long)expected);
    }
    return found == expected;
}

bool kg_test_text(struct kg_test *t, int line, const char *found, const char *expected, const char *what)
{
    bool good = kg_streq(found, expected);
    if (!good) {
        kg_test_fail(t, line, "%s is \"%s\", expected \"%s\"", what, found, expected);
    }
    return good;
}
